"""Entry point of the command; the only place that turns errors into exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from .._version import __version__
from ..errors import UsageError, XNATError

__all__ = ["COMMANDS", "main", "parser"]

COMMANDS = ("cache", "check", "demo", "mirror", "prefetch", "push", "serve", "status", "verify")
"""Names of the commands; each is a module of this package."""


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(
        prog="nipype-xnat", description="Nipype workflows on XNAT imaging archives."
    )
    whole.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = whole.add_subparsers(title="commands", dest="command", required=True)
    for name in COMMANDS:
        module = import_module(f".{name}", __package__)
        command = commands.add_parser(
            module.NAME, help=module.HELP, description=(module.__doc__ or "").partition("\n")[0]
        )
        module.configure(command)
        command.set_defaults(run=module.run)
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process by default.

    Returns
    -------
    int
        0; 1 if it failed; 2 if it was asked wrongly; 130 after Ctrl-C.
    """
    options = parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except UsageError as error:
        print(f"nipype-xnat {options.command}: {error}", file=sys.stderr)
        return 2
    except XNATError as error:
        print(f"nipype-xnat {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"nipype-xnat {options.command}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
