"""``nipype-xnat prefetch``: fetch what a workflow will ask for, where the server can be reached.

The script is run as a program, but ``Workflow.run`` runs nothing; with ``SCRIPT:NAME`` it is
loaded, and NAME is the workflow, or a function that makes it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from .speaking import Speaker

NAME = "prefetch"
HELP = "fetch what a workflow will ask for"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--mirror",
        type=Path,
        metavar="FOLDER",
        help="pull a mirror that holds the projects and files, for nodes that run offline "
        "(default: fetch the files into the nodes' cache)",
    )
    parser.add_argument(
        "--config", type=Path, help="JSON file to connect with instead of what the nodes name"
    )
    parser.add_argument("--cache", type=Path, help="cache instead of the one that the nodes name")
    parser.add_argument(
        "--dry-run", action="store_true", help="say how many bytes would come, fetch nothing"
    )
    parser.add_argument("--connections", type=int, default=8, help="most files at once")
    parser.add_argument("--quiet", action="store_true", help="say nothing but the result")
    parser.add_argument("script", metavar="SCRIPT[:NAME]", help="Python script, and a name in it")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="arguments of the script")


def run(args: argparse.Namespace) -> int:
    """Prefetch."""
    from ..interfaces.prefetching import prefetch
    from ..interfaces.scripts import workflows_of

    workflows = workflows_of(args.script, args.arguments)
    speaker = Speaker(args.quiet)
    result = prefetch(
        workflows,
        mirror=args.mirror,
        config=args.config,
        cache_dir=args.cache,
        dry_run=args.dry_run,
        connections=args.connections,
        progress=speaker.file,
        looked=speaker.node,
    )
    speaker.end()
    print(result)
    return result.exit_code
