"""``nipype-xnat verify``: which sessions of a run are done, failed, stale or missing, and why."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "verify"
HELP = "say which sessions of a run are done, failed, stale or missing"

_STATES = ("done", "failed", "stale", "missing", "running", "unchecked")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "folder", type=Path, metavar="RUN", help="the workflow's folder: base_dir/workflow"
    )
    parser.add_argument(
        "--config",
        type=Path,
        help="JSON file of an account to ask with, as after a run with a token",
    )
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="print everything as JSON")
    shape.add_argument(
        "--names",
        action="append",
        choices=_STATES,
        metavar="STATE",
        help=f"print only the names of the sessions in this state ({', '.join(_STATES)}); "
        "may be given again",
    )


def run(args: argparse.Namespace) -> int:
    """Verify; 0 if all sessions are done."""
    from ..interfaces.verifying import verify

    found = verify(args.folder, config=args.config)
    if args.names:
        for name in found.names(*args.names):
            print(name)
    else:
        print(found.to_json() if args.json else found)
    return 0 if found.done else 1
