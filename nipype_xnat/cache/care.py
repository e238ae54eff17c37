"""Keeping a cache small and right: eviction, cleaning, verification."""

from __future__ import annotations

import logging
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .eviction import Item, plan
from .hashing import md5_of
from .inventory import Inventory, loose, scan, used_notes
from .leases import Lease, Leases
from .stamp import carries_stamp
from .writing import DAY, unique_name

__all__ = ["Pruned", "Verified", "prune", "wrong_views"]

log = logging.getLogger("nipype_xnat.cache")

_NOTES = 90 * DAY  # how long it is remembered who was named what is not here any more


@dataclass(frozen=True)
class Verified:
    """What :meth:`Cache.verify` found.

    Parameters
    ----------
    good : int
        Files that are what their names say.
    set_aside : tuple of pathlib.Path
        Where the others are now.
    """

    good: int
    set_aside: tuple[Path, ...]


@dataclass(frozen=True)
class Pruned:
    """What :meth:`Cache.prune` removed, or would remove.

    Parameters
    ----------
    files, views : int
        Files that lost their names, and folders that held one of them.
    freed, left : int
        Bytes: what the disk gained, and what the cache still takes.
    unfinished : int
        Bytes of downloads that were begun more than a day ago.
    broken : int
        Folders that somebody changed; they are set aside.
    aside, aside_bytes : int
        What was set aside, at this time or earlier. Look at it; ``clear`` removes it.
    leased : int
        Bytes that are kept although a limit asked for them.
    leases : tuple of Lease
        The runs that keep them, and until when.
    recent : int
        Files that go although they were handed out within the last day, because no run holds a
        lease for them.
    elsewhere : int
        Bytes that other names outside the cache keep: removing them would free nothing.
    over : int
        Bytes above the limit that nothing could be done about.
    failed : int
        Names that could not be removed, as those of other users.
    dry_run : bool
        Whether nothing was done.
    """

    files: int
    views: int
    freed: int
    left: int
    unfinished: int
    broken: int
    aside: int
    aside_bytes: int
    leased: int
    leases: tuple[Lease, ...]
    recent: int
    elsewhere: int
    over: int
    failed: int
    dry_run: bool


def prune(
    root: Path,
    set_aside: Callable[[Path], Path | None],
    *,
    size: int | None,
    age: float | None,
    dry_run: bool,
    force: bool = False,
) -> Pruned:
    """Remove what limits ask for; see :meth:`Cache.prune`.

    Parameters
    ----------
    root : pathlib.Path
    set_aside : callable
        Moves a path out of the way and returns where it is now.
    size, age, dry_run
        See :meth:`Cache.prune`.
    force : bool
        Whether leases are ignored.
    """
    found = scan(root)
    leases = Leases(root / "leases", found.now)
    digests = frozenset() if force else leases.digests
    views = frozenset() if force else leases.views
    chosen = plan(found.items, digests=digests, views=views, size=size, age=age, now=found.now)
    broken = [view.name for view in found.views if not view.whole and view.name not in views]
    recent = sum(1 for item in chosen.evict if found.now - item.used < DAY)
    old = [entry for entry in found.partial if found.now - entry[2] > DAY]
    broom = _Broom(root, None if force else leases, dry_run)
    for item in chosen.evict:
        broom.evict(item)
    for name in broken:
        if not dry_run and name not in chosen.views:
            set_aside(root / "views" / name)
    for path, _, _ in old:
        broom.remove(path)
    if not dry_run:
        _forget(root, found, leases, broom)
    aside = loose(root / "aside")
    left = chosen.left + broom.spared_bytes
    gone = {id(item) for item in chosen.evict}
    return Pruned(
        files=len(chosen.evict) - broom.spared,
        views=len(chosen.views),
        freed=chosen.freed - broom.spared_bytes,
        left=left,
        unfinished=sum(entry[1] for entry in old),
        broken=len([name for name in broken if name not in chosen.views]),
        aside=len(aside),
        aside_bytes=sum(entry[1] for entry in aside),
        leased=chosen.leased,
        leases=leases.alive if chosen.leased else (),
        recent=recent,
        elsewhere=sum(
            item.counted for item in found.items if item.elsewhere and id(item) not in gone
        ),
        over=max(0, left - size) if size is not None else 0,
        failed=broom.failed,
        dry_run=dry_run,
    )


class _Broom:
    """Removes names, and looks before each removal whether a run took out a lease meanwhile."""

    def __init__(self, root: Path, leases: Leases | None, dry_run: bool) -> None:
        self._root = root
        self._leases = leases
        self._dry_run = dry_run
        self.failed = 0
        self.spared = self.spared_bytes = 0

    def evict(self, item: Item) -> None:
        """Remove one item: out of sight in one step, and back if a run has just leased it."""
        if self._dry_run or self._leased(item):
            return
        places = [self._root / "views" / name for name in sorted(item.views)]
        if item.path is not None:
            places.append(item.path)
        moved = [(place, gone) for place in places if (gone := self._hide(place))]
        # a run takes out its lease before it looks: who did not see this leased it before now
        if self._leased(item):
            for place, gone in moved:
                self._restore(place, gone)
        else:
            for _, gone in moved:
                self.remove(gone)

    def _leased(self, item: Item) -> bool:
        if self._leases is None:
            return False
        self._leases.look()
        taken = item.digest in self._leases.digests
        if taken or not self._leases.views.isdisjoint(item.views):
            self.spared += 1
            self.spared_bytes += item.counted
            return True
        return False

    def _hide(self, place: Path) -> Path | None:
        gone = self._root / "partial" / f"gone.{unique_name()}"
        try:
            place.rename(gone)
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("cannot remove %s: %s", place, error)
            self.failed += 1
            return None
        return gone

    def _restore(self, place: Path, gone: Path) -> None:
        try:
            gone.rename(place)
        except OSError:  # somebody has made it anew
            self.remove(gone)

    def remove(self, path: Path) -> None:
        if self._dry_run:
            return
        try:
            if stat.S_ISDIR(path.lstat().st_mode):
                shutil.rmtree(path)
            else:
                path.unlink()
        except FileNotFoundError:
            pass
        except OSError as error:
            log.warning("cannot remove %s: %s", path, error)
            self.failed += 1


def _forget(root: Path, found: Inventory, leases: Leases, broom: _Broom) -> None:
    """Remove small files that are of no use any more."""
    here = {item.digest for item in found.items}
    for path, digests, used in used_notes(root):
        if found.now - used > _NOTES and digests.isdisjoint(here):
            broom.remove(path)
    for path in leases.ended:
        broom.remove(path)
    for path in (root / "locks").glob("*"):
        # a lock saves double work only, so taking one away from its holder does no harm
        try:
            if found.now - path.stat().st_mtime > DAY:
                broom.remove(path)
        except OSError:
            continue


def wrong_views(root: Path, right: set[tuple[int, int]]) -> list[Path]:
    """Return the views that hold something else than was put there.

    Parameters
    ----------
    root : pathlib.Path
    right : set of (int, int)
        Device and inode of files that were read and found to be right.
    """
    wrong = []
    for folder in sorted((root / "views").glob("*")):
        for where, _, names in os.walk(folder):
            if not all(_as_put(Path(where) / name, right) for name in names):
                wrong.append(folder)
                break
        else:
            if not folder.is_dir():
                wrong.append(folder)
    return wrong


def _as_put(path: Path, right: set[tuple[int, int]]) -> bool:
    try:
        status = path.lstat()
        if (status.st_dev, status.st_ino) in right:
            return True
        # a copy, or a link into a layer: its stamp was made of its digest
        return stat.S_ISREG(status.st_mode) and carries_stamp(status.st_mtime_ns, md5_of(path))
    except FileNotFoundError:  # pruned meanwhile
        return True
