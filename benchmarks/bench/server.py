"""Serves a made archive in a process of its own, and counts what it is asked."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nipype_xnat.archive import Archive, Site


def main() -> None:
    """Serve until the standard input ends; a line there asks for the requests since the last."""
    root, options = sys.argv[1:]
    with Archive(Path(root), Site(**json.loads(options))) as archive, archive.running() as url:
        print(url, flush=True)
        for _ in sys.stdin:
            asked = [f"{one.method} {one.path}?{one.query}".rstrip("?") for one in archive.requests]
            archive.requests.clear()
            print(json.dumps(asked), flush=True)


if __name__ == "__main__":
    main()
