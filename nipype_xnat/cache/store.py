"""The cache's files and folders.

::

    CACHE/layout              version of this layout
    CACHE/objects/ab/<md5>    the bytes, read-only, stamped (see stamp.py), never rewritten
    CACHE/views/<name>-<hash> folders of hard links that keep a resource's own names
    CACHE/partial/            what is being written; what a killed process left
    CACHE/known/              what is remembered of files without a checksum
    CACHE/named/ab/<key>.json which digests were listed to which account (see notes.py)
    CACHE/leases/             what runs were handed
    CACHE/aside/              what was found to be wrong
    CACHE/locks/              one lock a digest

Nothing here depends on a lock: each file is written under a name of its own and gets its visible
name in one step, when it is whole.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..errors import CacheError
from . import care, views
from .care import Pruned, Verified
from .hashing import md5_of
from .inventory import Inventory, clock_of, scan
from .known import key_of
from .layers import linkable
from .leases import DAYS, Lease, Leases, renewed, text_of_lease
from .objects import Objects
from .stamp import carries_stamp
from .units import bytes_of, seconds_of
from .writing import DAY, sync_folder, touch, unique_name, write_small

__all__ = ["Cache"]

log = logging.getLogger("nipype_xnat.cache")

_TRIES = 4
_MOMENT = 0.05


class _Moved(Exception):
    """A file that was there a moment ago is not."""


class Cache(Objects):
    """A folder of fetched files that any number of processes and machines may share.

    Nothing is written before the first file comes, so a read-only cache can be looked up.

    Parameters
    ----------
    root : pathlib.Path or str
        The folder. It is made when it is needed, for its owner only; make it yourself, with the
        rights that you want, to share it.
    layers : iterable of pathlib.Path or str
        Roots of other caches that are looked up before this one and never written: a site's, or
        the files of a mirror.
    mode : Mode
        How far the archive is asked for files.
    patience : float
        Seconds to wait for another process that fetches the same file and shows no sign of life.
    """

    # -- handing out

    def view(self, name: str, manifest: Mapping[str, Path]) -> Path:
        """Return a folder that holds cached files under names of their own.

        The same manifest gives the same folder at each run.

        Parameters
        ----------
        name : str
            Words for the folder's name.
        manifest : mapping of str to pathlib.Path
            Path within the folder to a file of this cache or of a layer.

        Raises
        ------
        UnsafeName
            If a name cannot be kept by the file system, or two names not be kept apart.
        CacheError
            If a file is no longer in the cache, or the folder cannot be written.
        """
        for path in manifest:
            views.checked_name(path)
        for wait in (*[_MOMENT] * (_TRIES - 1), 0.0):
            try:
                return self._view(name, manifest)
            except _Moved as moved:
                gone = moved.args[0]
                time.sleep(wait)  # a prune that sees a lease puts back what it took
        raise CacheError(f"{gone} is not in the cache any more", advice="fetch it again")

    def _view(self, name: str, manifest: Mapping[str, Path]) -> Path:
        digests = {path: source.name for path, source in manifest.items()}
        folder = self.root / "views" / views.folder_name(name, digests)
        with self._troubles():
            here = {path: self._still(source) for path, source in manifest.items()}
            found = {path: at for path, (at, _) in here.items()}
            wanted = {path: (at.name, size) for path, (at, size) in here.items()}
            if views.agrees(folder, wanted):
                touch(folder)
                return folder
            self._prepare()
            building = self.root / "partial" / f"view.{unique_name()}"
            try:
                views.build(building, found, self._place)
                self._publish_view(building, folder, wanted)
            except FileNotFoundError as error:
                lost = [at for at in found.values() if not at.exists()]
                if not lost:
                    raise
                raise _Moved(lost[0]) from error
            finally:
                shutil.rmtree(building, ignore_errors=True)
            return folder

    def _still(self, source: Path) -> tuple[Path, int]:
        """Return where a file is now, and its size."""
        seen = self.glance(source.name)
        if seen is not None:
            return seen
        found = self.find(source.name)
        if found is None:
            raise _Moved(source)
        try:
            return found, found.stat().st_size
        except FileNotFoundError as error:
            raise _Moved(source) from error

    def _place(self, source: Path, target: Path) -> None:
        """Put a file into a view: linked where that can be, from a layer too."""
        digest = source.name
        if source != self._object(digest):
            if linkable(source, digest):
                try:
                    os.link(source, target)
                    return
                except OSError as error:
                    if error.errno not in views.NO_LINK:
                        raise
            # kept once, so that other views can be linked to it
            source = self._copied(source, digest)
        views.link_or_copy(source, target)

    def _copied(self, source: Path, digest: str) -> Path:
        own = self._find([self._own], digest, None)
        if own is not None:
            return own
        partial = self.partial(f"copy-{digest}")
        try:
            partial.adopt(source)
            if partial.digest != digest:
                raise CacheError(f"{source} changed while it was copied", advice="run again")
            return self.publish(partial, digest)
        finally:
            partial.discard()

    def _publish_view(
        self, building: Path, folder: Path, wanted: Mapping[str, tuple[str, int]]
    ) -> None:
        for _ in range(_TRIES):
            try:
                building.rename(folder)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
                # another process was first; or what is there was changed
                if views.agrees(folder, wanted):
                    return
                self._set_aside(folder)
            else:
                sync_folder(folder.parent)
                return
        raise CacheError(
            f"a changed folder is in the way and cannot be set aside: {folder}",
            advice="remove it, or use another folder for the cache",
        )

    # -- care

    def verify(self) -> Verified:
        """Read all files, and set those aside that are not what their names say."""
        good = 0
        bad: list[Path] = []
        right: set[tuple[int, int]] = set()
        with self._troubles():
            for path in sorted((self.root / "objects").glob("*/*")):
                try:
                    status = path.lstat()
                    regular = stat.S_ISREG(status.st_mode) and self._object(path.name) == path
                    same = regular and md5_of(path) == path.name
                except FileNotFoundError:  # pruned meanwhile
                    continue
                if same:
                    good += 1
                    if not carries_stamp(status.st_mtime_ns, path.name):
                        self._restore(path, path.name)
                    right.add((status.st_dev, status.st_ino))
                elif (where := self._set_aside(path, status)) is not None:
                    bad.append(where)
            for folder in care.wrong_views(self.root, right):
                if (where := self._set_aside(folder)) is not None:
                    bad.append(where)
        return Verified(good, tuple(bad))

    def inventory(self) -> Inventory:
        """Return what lies here; layers are not looked at."""
        with self._troubles():
            return scan(self.root)

    def leases(self) -> tuple[Lease, ...]:
        """Return the leases that have not ended."""
        with self._troubles():
            return Leases(self.root / "leases", clock_of(self.root)).alive

    def lease(
        self,
        run: Path | str,
        digests: Iterable[str] = (),
        views: Iterable[Path] = (),
        *,
        days: float = DAYS,
    ) -> None:
        """Keep files for a run, until it ends or forgets to renew.

        Take it out before the files are looked up, with their digests, and renew it with the
        folders that were handed out. Where it cannot be written, nothing is kept.

        Parameters
        ----------
        run : path
            The run's directory; its earlier lease is replaced.
        digests : iterable of str
        views : iterable of pathlib.Path
            Folders that :meth:`view` returned, or what is in them.
        days : float
            How long; renewed by calling this again.
        """
        where = str(Path(run).absolute())
        folder = f"{self.root}/views/"
        inside = (text.removeprefix(folder) for text in map(str, views) if text.startswith(folder))
        names = sorted({path.partition("/")[0] for path in inside})
        text = text_of_lease(where, sorted(set(digests)), names, days * DAY)
        try:
            self._prepare()
            path = self.root / "leases" / f"{key_of(where)}.json"
            if not renewed(path, text):
                write_small(path, text)
        except OSError as error:
            log.warning(
                "no lease in %s, a prune may remove what %s uses: %s", self.root, run, error
            )

    def prune(
        self,
        size: int | str | None = None,
        age: float | str | None = None,
        *,
        dry_run: bool = False,
    ) -> Pruned:
        """Remove what was not used for longest, and what broke or was never finished.

        What a lease protects stays. Files that are in use without a lease, as by programs that
        hold them open, are not protected. Layers are left alone.

        Parameters
        ----------
        size : int or str, optional
            Bytes that may stay, or a text such as ``20GB``.
        age : float or str, optional
            Seconds without use after which a file goes, or a text such as ``30d``.
        dry_run : bool
            Only tell.
        """
        limit = None if size is None else bytes_of(size)
        oldest = None if age is None else seconds_of(age)
        with self._troubles():
            self._check_layout()
            return care.prune(self.root, self._set_aside, size=limit, age=oldest, dry_run=dry_run)

    def clear(self, *, dry_run: bool = False, force: bool = False) -> Pruned:
        """Remove all that no lease protects, and what was set aside.

        Parameters
        ----------
        dry_run : bool
            Only tell.
        force : bool
            Whether leases are ignored.
        """
        with self._troubles():
            self._check_layout()
            pruned = care.prune(
                self.root,
                self._set_aside,
                size=None,
                age=-1.0,
                dry_run=dry_run,
                force=force,
            )
            if not dry_run:
                shutil.rmtree(self.root / "aside", ignore_errors=True)
            return pruned
