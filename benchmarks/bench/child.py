"""Calls one function in a fresh process: ``python -m bench.child MODULE:FUNCTION OPTIONS``."""

from __future__ import annotations

import json
import sys
from importlib import import_module


def main() -> None:
    """Call it, and print what it returns as the last line."""
    name, options = sys.argv[1:]
    module, _, function = name.partition(":")
    result = getattr(import_module(f"bench.{module}"), function)(**json.loads(options))
    print(json.dumps(result))


if __name__ == "__main__":
    main()
