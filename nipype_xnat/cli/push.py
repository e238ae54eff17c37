"""``nipype-xnat push``: send what was changed offline and waits in an outbox.

With ``--to SERVER``: store what a mirror holds on another server. Either may be interrupted and
started again: what the server has already is not sent again.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError

if TYPE_CHECKING:
    from ..mirror import CopiedElement, Entry

NAME = "push"
HELP = "send what was changed offline, or a mirror to another server"


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
    parser.add_argument(
        "--reason",
        default="",
        help="why, for servers that want a reason for each change; a change made with one keeps it",
    )
    parser.add_argument(
        "--connections", type=int, default=4, help="most resources (or sessions) at once"
    )
    copying = parser.add_argument_group("to another server")
    copying.add_argument(
        "--to", metavar="SERVER", help="copy the mirror that is named to the server of this address"
    )
    copying.add_argument(
        "--project",
        action="append",
        default=[],
        metavar="P[=NEW]",
        help="copy only this project, and call it NEW there; may be given again",
    )
    copying.add_argument(
        "--labels",
        type=Path,
        metavar="FILE",
        help="CSV file of new labels, with the columns kind (project, subject or experiment), old "
        "and new",
    )
    copying.add_argument(
        "--dry-run", action="store_true", help="say what would be sent, and send nothing"
    )
    copying.add_argument(
        "--report",
        type=Path,
        metavar="FILE",
        help="write a CSV file with the old and new names of each element, and what was done",
    )


def run(args: argparse.Namespace) -> int:
    """Push or copy."""
    if args.to:
        return _copy(args)
    if args.project or args.labels or args.report or args.dry_run:
        raise UsageError(
            "--project, --labels, --dry-run and --report are about a copy to another server",
            advice="name it: --to SERVER",
        )
    return _push(args)


def _copy(args: argparse.Namespace) -> int:
    from .. import config, mirror
    from ..client import Interface

    if args.conflicts == "both":
        raise UsageError("a copy keeps one of two files", advice="--conflicts theirs or ours")
    folder = config.mirror_folder(args.outbox)
    labels = mirror.read_labels(args.labels) if args.labels else None
    projects = dict(_renamed(text) for text in args.project)

    def say(element: CopiedElement) -> None:
        if element.kind in ("project", "subject", "experiment") or element.outcome == "failed":
            print(f"{element.kind} {element.old_label}: {element.outcome}", file=sys.stderr)

    with Interface(None if args.config else args.to, config=args.config, offline=False) as archive:
        if archive.server != args.to.rstrip("/"):
            raise UsageError(f"{args.config} is about {archive.server}, not about {args.to}")
        result = mirror.copy(
            archive.transport,
            folder,
            projects,
            labels=labels,
            conflicts=args.conflicts,
            reason=args.reason,
            dry_run=args.dry_run,
            connections=args.connections,
            progress=say,
        )
    if args.report:
        result.write(args.report)
    print(result)
    return 0 if result.complete else 1


def _renamed(text: str) -> tuple[str, str]:
    old, _, new = text.partition("=")
    return old, new


def _push(args: argparse.Namespace) -> int:
    from .. import config, mirror
    from ..client import Interface

    place = config.outbox_folder(args.outbox)
    named_mirror = args.outbox is not None and mirror.Folder(args.outbox).read() is not None
    if named_mirror:
        place = config.outbox_folder(mirror=args.outbox.expanduser().absolute())
    box = mirror.Outbox(place)
    if args.outbox is not None and not named_mirror and not box.exists:
        raise UsageError(
            f"{place} is neither an outbox nor a mirror", advice="check how its name is spelt"
        )
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
            reason=args.reason,
            connections=args.connections,
            progress=say,
        )
    print(result)
    return 1 if result.conflicts or result.failed else 0
