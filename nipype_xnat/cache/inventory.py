"""What lies in a cache, read from its folders: there is no index that could be wrong."""

from __future__ import annotations

import json
import os
import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .eviction import Item
from .hashing import is_md5
from .named import digests_of, text_in

__all__ = ["Inventory", "View", "clock_of", "loose", "scan", "used_notes"]

_Key = tuple[int, int]


@dataclass(frozen=True)
class View:
    """A folder that is handed out.

    Parameters
    ----------
    name : str
    files, size : int
        How many, and their bytes.
    used : float
        When it was handed out last, in seconds since 1970.
    whole : bool
        Whether all in it are read-only plain files, as they were put there.
    """

    name: str
    files: int
    size: int
    used: float
    whole: bool


@dataclass(frozen=True)
class Inventory:
    """What lies in a cache.

    Parameters
    ----------
    now : float
        The time, by the clock of the cache's file system.
    items : tuple of Item
        Bytes, each once.
    views : tuple of View
    aside, partial : tuple of (pathlib.Path, int, float)
        What was set aside, and what is unfinished: place, bytes, and when it was written last.
    """

    now: float
    items: tuple[Item, ...] = ()
    views: tuple[View, ...] = ()
    aside: tuple[tuple[Path, int, float], ...] = ()
    partial: tuple[tuple[Path, int, float], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of files that are kept; hard links count once."""
        return sum(item.counted for item in self.items)


@dataclass
class _Found:
    """Names of one inode, as they are met."""

    size: int
    links: int
    used: float
    digest: str = ""
    path: Path | None = None
    names: int = 0
    views: set[str] = field(default_factory=set)


def clock_of(root: Path) -> float:
    """Return the time by the clock of a cache's file system, which may be a server's."""
    probe = root / "partial" / f"clock.{uuid.uuid4().hex}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:  # a read-only cache: the newest that can be known
        return max(_mtime(path) or 0.0 for path in (root, *root.glob("*")))
    finally:
        try:
            probe.unlink(missing_ok=True)
        except OSError:
            pass


def used_notes(root: Path) -> Iterator[tuple[Path, frozenset[str], float]]:
    """Yield the notes of a cache: place, the digests in it, and when it was used last."""
    for path in (root / "named").glob("*/*.json"):
        mtime = _mtime(path)
        if mtime is None:
            continue
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        yield path, digests_of(text_in(data, path.stem)), mtime
    for path in (root / "known").glob("*/*.json"):
        mtime = _mtime(path)
        if mtime is None:
            continue
        try:
            digest = str(json.loads(path.read_bytes())["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            digest = ""
        yield path, frozenset({digest} if is_md5(digest) else ()), mtime


def scan(root: Path) -> Inventory:
    """Read what lies in a cache."""
    if not root.is_dir():
        return Inventory(0.0)
    used: dict[str, float] = {}
    for _, digests, when in used_notes(root):
        for digest in digests:
            used[digest] = max(when, used.get(digest, 0.0))
    found: dict[_Key, _Found] = {}
    for path in (root / "objects").glob("*/*"):
        try:
            status = path.lstat()
        except OSError:
            continue
        item = found.setdefault(
            (status.st_dev, status.st_ino), _Found(status.st_size, status.st_nlink, 0.0)
        )
        item.digest, item.path = path.name, path
        item.names += 1
        # the change time is when it came, or was linked into a view
        item.used = max(item.used, status.st_ctime, used.get(path.name, 0.0))
    views = tuple(
        _view(folder, found) for folder in _children(root / "views") if not folder.is_symlink()
    )
    items = tuple(
        Item(
            one.size,
            one.used,
            one.digest,
            one.path,
            frozenset(one.views),
            one.links > one.names,
        )
        for one in found.values()
    )
    return Inventory(clock_of(root), items, views, loose(root / "aside"), loose(root / "partial"))


def _view(folder: Path, found: dict[_Key, _Found]) -> View:
    used = _mtime(folder) or 0.0
    files = size = 0
    whole = folder.is_dir()
    for where, _, names in os.walk(folder):
        for name in names:
            try:
                status = (Path(where) / name).lstat()
            except OSError:
                continue
            files += 1
            size += status.st_size
            whole = whole and stat.S_ISREG(status.st_mode) and not status.st_mode & 0o222
            item = found.setdefault(
                (status.st_dev, status.st_ino), _Found(status.st_size, status.st_nlink, 0.0)
            )
            item.names += 1
            item.used = max(item.used, used)
            item.views.add(folder.name)
    return View(folder.name, files, size, used, whole)


def loose(folder: Path) -> tuple[tuple[Path, int, float], ...]:
    """List what lies in a folder: place, bytes, and when it was written last."""
    found = []
    for path in _children(folder):
        try:
            status = path.lstat()
        except OSError:
            continue
        size, newest = status.st_size, max(status.st_mtime, status.st_ctime)
        if stat.S_ISDIR(status.st_mode):
            size = 0
            # unlike glob, walk does not mind that a folder goes away meanwhile
            for where, _, names in os.walk(path):
                for name in names:
                    try:
                        within = (Path(where) / name).lstat()
                    except OSError:
                        continue
                    # what views link to is counted as an object
                    size += within.st_size if within.st_nlink == 1 else 0
        found.append((path, size, newest))
    return tuple(found)


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _mtime(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except OSError:
        return None
