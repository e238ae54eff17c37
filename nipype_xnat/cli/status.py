"""``nipype-xnat status``: what a mirror holds, what changed here and there, and what waits."""

from __future__ import annotations

import argparse
from pathlib import Path

NAME = "status"
HELP = "say what is pulled, changed here, changed there, waiting, failed"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "mirror",
        nargs="?",
        type=Path,
        help="folder of the mirror (default: the one that NIPYPE_XNAT_MIRROR names)",
    )
    parser.add_argument("--outbox", type=Path, help="folder of the outbox (default: MIRROR.outbox)")
    parser.add_argument(
        "--there", action="store_true", help="ask the server too what changed there since the pull"
    )
    parser.add_argument("--config", type=Path, help="JSON file with server, user and password")


def run(args: argparse.Namespace) -> int:
    """Say it."""
    from .. import config, mirror
    from ..client import Interface

    place = config.mirror_folder(args.mirror)
    held = mirror.Folder(place).require()
    print(f"pulled: {held.pulled} from {held.server} as {held.account or 'nobody'}")
    for one in held.projects:
        print(f"  {one}")
    box = mirror.Outbox(config.outbox_folder(args.outbox, place))
    waiting = box.waiting()
    print(f"changed here: {len(waiting)} waiting in {box.root}, {len(box.sent())} sent")
    for entry in waiting:
        trouble = box.conflict(entry).partition("\n")[0]
        print(f"  {entry.when} {entry.place}" + (f": not sent: {trouble}" if trouble else ""))
    if args.there:
        server = None if args.config else held.server
        with Interface(server, config=args.config, offline=False) as archive:
            found = mirror.pull(archive.transport, place, dry_run=True)
        print("changed there:" if found.changes.any else "changed there: nothing")
        if found.changes.any:
            for line in str(found.changes).splitlines():
                print(f"  {line}")
    return 0
