"""``nipype-xnat push``: send what was changed offline and waits in an outbox.

May be interrupted and started again: what the server has already is not sent again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..mirror import Entry

NAME = "push"
HELP = "send what was changed offline"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "outbox",
        nargs="?",
        type=Path,
        help="folder of the outbox, or of the mirror that it belongs to (default: as "
        "NIPYPE_XNAT_OUTBOX or NIPYPE_XNAT_MIRROR say)",
    )
    parser.add_argument("--config", type=Path, help="JSON file with server, user and password")
    parser.add_argument(
        "--conflicts",
        choices=["report", "theirs", "ours", "both"],
        default="report",
        help="where somebody else changed the same thing: report it and let it wait, keep theirs, "
        "replace it by ours (a copy of theirs is kept in the outbox), or keep both files",
    )
    parser.add_argument("--connections", type=int, default=4, help="most resources at once")


def run(args: argparse.Namespace) -> int:
    """Push."""
    from .. import config, mirror
    from ..client import Interface

    place = config.outbox_folder(args.outbox)
    if args.outbox is not None and mirror.Folder(args.outbox).read() is not None:
        place = config.outbox_folder(mirror=args.outbox.expanduser().absolute())
    box = mirror.Outbox(place)
    waiting = box.waiting()
    if not waiting:
        print(f"nothing waits in {box.root}")
        return 0

    def say(entry: Entry, text: str) -> None:
        print(f"{entry.place}: {text}", file=sys.stderr)

    server = waiting[0].server
    with Interface(None if args.config else server, config=args.config, offline=False) as archive:
        result = mirror.push(
            archive.transport,
            box,
            conflicts=args.conflicts,
            connections=args.connections,
            progress=say,
        )
    print(result)
    return 1 if result.conflicts or result.failed else 0
