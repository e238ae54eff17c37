"""``nipype-xnat cache``: look at fetched files, check them, and remove what is not used."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cache import Cache, Pruned

NAME = "cache"
HELP = "list, verify, prune or clear the cache of fetched files"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    actions = parser.add_subparsers(title="what to do", dest="action", required=True)
    commands = {
        "list": "what is there, and who holds a lease",
        "verify": "read all files, and set aside those that are not what their names say",
        "prune": "remove what was not used for longest, as far as limits ask for",
        "clear": "remove all that no lease protects, and what was set aside",
    }
    for name, text in commands.items():
        action = actions.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        action.add_argument(
            "--cache",
            type=Path,
            metavar="DIR",
            help="the folder (default: NIPYPE_XNAT_CACHE or ~/.cache/nipype_xnat)",
        )
        if name == "prune":
            action.add_argument("--size", help="bytes that may stay, such as 20GB or 500MB")
            action.add_argument("--age", help="remove what was not used for so long: 30d, 12h, 8w")
        if name in ("prune", "clear"):
            action.add_argument("--dry-run", action="store_true", help="only tell")
        if name == "clear":
            action.add_argument("--force", action="store_true", help="ignore leases")


def run(args: argparse.Namespace) -> int:
    """Do what was asked."""
    from ..cache import Cache
    from ..config import cache_folder

    cache = Cache(cache_folder(args.cache))
    if args.action == "list":
        return _list(cache)
    if args.action == "verify":
        return _verify(cache)
    if args.action == "prune":
        pruned = cache.prune(args.size, args.age, dry_run=args.dry_run)
    else:
        pruned = cache.clear(dry_run=args.dry_run, force=args.force)
    return _tell(cache, pruned)


def _list(cache: Cache) -> int:
    from ..cache.units import age_text, size_text

    found = cache.inventory()
    leased = {name: lease.until for lease in cache.leases() for name in lease.views}
    for view in sorted(found.views, key=lambda view: view.used):
        line = f"{view.name}  {_files(view.files)}, {size_text(view.size)}, "
        line += f"used {age_text(found.now - view.used)} ago"
        if view.name in leased:
            line += f", leased until {_date(leased[view.name])}"
        if not view.whole:
            line += ", changed by somebody"
        print(line)
    objects = sum(1 for item in found.items if item.digest)
    print(f"{cache.root}: {_files(objects)} in {len(found.views)} folders, {size_text(found.size)}")
    _loose("unfinished", sum(size for _, size, _ in found.partial), len(found.partial))
    _loose("set aside", sum(size for _, size, _ in found.aside), len(found.aside))
    for path, _, _ in found.aside:
        print(f"  {path}")
    return 0


def _verify(cache: Cache) -> int:
    found = cache.verify()
    print(f"{cache.root}: {_files(found.good)} are what their names say")
    for path in found.set_aside:
        print(f"set aside: {path}")
    return 1 if found.set_aside else 0


def _tell(cache: Cache, pruned: Pruned) -> int:
    from ..cache.units import size_text

    verb = "would remove" if pruned.dry_run else "removed"
    print(
        f"{cache.root}: {verb} {_files(pruned.files)} in {pruned.views} folders, "
        f"{size_text(pruned.freed)}; {size_text(pruned.left)} stay"
    )
    if pruned.unfinished:
        print(f"unfinished downloads, {verb}: {size_text(pruned.unfinished)}")
    if pruned.broken:
        print(f"folders that somebody changed, set aside: {pruned.broken}")
    if pruned.leased:
        print(f"kept by leases: {size_text(pruned.leased)}")
        for lease in pruned.leases:
            print(f"  {lease.run} until {_date(lease.until)}")
    if pruned.recent:
        print(f"not protected by any lease, although used within a day: {_files(pruned.recent)}")
    if pruned.elsewhere:
        print(f"kept by names outside the cache: {size_text(pruned.elsewhere)}")
    _loose("set aside", pruned.aside_bytes, pruned.aside)
    if pruned.over:
        print(f"above the limit: {size_text(pruned.over)}", file=sys.stderr)
    if pruned.failed:
        print(f"could not be removed: {pruned.failed} names", file=sys.stderr)
    return 1 if pruned.over or pruned.failed else 0


def _loose(what: str, size: int, count: int) -> None:
    from ..cache.units import size_text

    if count:
        print(f"{what}: {count}, {size_text(size)}")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def _date(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))
