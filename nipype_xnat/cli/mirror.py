"""``nipype-xnat mirror``: keep part of a server here, to work without it.

``mirror pull`` lists projects and fetches files, ``mirror show`` says what a mirror holds. A pull
that was interrupted is started again in the same way; what came is not fetched again.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from .speaking import Speaker

NAME = "mirror"
HELP = "keep part of a server here, to work without it"


class _AnyOrder(argparse.ArgumentParser):
    """A parser whose options may stand between server and folder.

    Before Python 3.12.7 a parser takes the first of two positional arguments for the second one
    where an option follows and the first may be left out.
    """

    _inside = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse options first, and what is left then."""
        if self._inside:
            return super().parse_known_args(args, namespace)
        self._inside = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._inside = False


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(dest="action", required=True, parser_class=_AnyOrder)
    pull = actions.add_parser("pull", help="make a mirror, or bring it to what the server holds")
    pull.add_argument(
        "server",
        nargs="?",
        help="address of the server (default: the one of the mirror, or of --config)",
    )
    pull.add_argument("folder", type=Path, help="folder of the mirror")
    pull.add_argument(
        "--project",
        action="append",
        default=[],
        metavar="P",
        help="project to hold; may be given "
        "again; without it those that the mirror holds are brought up to date",
    )
    pull.add_argument(
        "--without",
        action="append",
        default=[],
        metavar="P",
        help="project that the mirror shall not hold any longer; may be given again",
    )
    pull.add_argument("--criteria", default="", help="only sessions that fulfil these criteria")
    pull.add_argument(
        "--files",
        action="append",
        default=[],
        metavar="TEMPLATE",
        help="fetch only these files, e.g. '/projects/P/experiments/*/scans/*[type=T1w]/resources/"
        "NIFTI/files/*'; may be given again; 'none' fetches listings only",
    )
    pull.add_argument("--config", type=Path, help="JSON file with server, user and password")
    pull.add_argument(
        "--dry-run", action="store_true", help="say what would change, change nothing"
    )
    pull.add_argument("--connections", type=int, default=8, help="most files at once (default: 8)")
    pull.add_argument("--quiet", action="store_true", help="say nothing but the result")
    show = actions.add_parser("show", help="say what a mirror holds")
    show.add_argument("folder", type=Path, help="folder of the mirror")


def run(args: argparse.Namespace) -> int:
    """Pull or show."""
    return _show(args) if args.action == "show" else _pull(args)


def _pull(args: argparse.Namespace) -> int:
    from .. import mirror
    from ..client import Interface

    known = mirror.Folder(args.folder).read()
    server = args.server or (known.server if known and args.config is None else None)
    no_bytes = args.files == ["none"]
    wanted = [
        mirror.Wanted(
            project, args.criteria, () if no_bytes else tuple(args.files), bytes=not no_bytes
        )
        for project in args.project
    ]
    speaker = Speaker(args.quiet)
    with Interface(server, config=args.config, offline=False) as archive:
        result = mirror.pull(
            archive.transport,
            args.folder,
            wanted,
            without=args.without,
            dry_run=args.dry_run,
            connections=args.connections,
            progress=speaker.file,
            tick=speaker.listed,
        )
    speaker.end()
    print(result)
    return 1 if result.failed else 0


def _show(args: argparse.Namespace) -> int:
    from .. import mirror

    found = mirror.Folder(args.folder).require()
    print(f"mirror of {found.server} as {found.account or 'nobody'}, pulled {found.pulled}")
    for one in found.projects:
        print(f"  {one}")
    return 0
