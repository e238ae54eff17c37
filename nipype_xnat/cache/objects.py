"""Files by their digests: looked up, filled, published, and what is noted about them."""

from __future__ import annotations

import errno
import logging
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from ..errors import CacheError, XNATError
from . import locks, views
from .hashing import is_md5, md5_of
from .known import Known, key_of, read
from .layers import glance, object_in, right_in_layer
from .notes import Notes
from .partial import Partial
from .policy import Mode, Trust, after_hash
from .stamp import stamp_of
from .writing import remove, unique_name, write_small

__all__ = ["Objects"]

log = logging.getLogger("nipype_xnat.cache")

_LAYOUT = "1"
_TRIES = 4
# bytes of a file that need not outlive a power cut: what it leaves shorter than the listing says is
# noticed by its size and fetched again, while many small files that all wait for the disk are slow
_SOON_AGAIN = 1 << 20


class Objects:
    """The part of a cache that keeps bytes, and notes about them.

    Parameters
    ----------
    root, layers, mode, patience
        See :class:`nipype_xnat.cache.Cache`.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        layers: Iterable[Path | str] = (),
        mode: Mode = Mode.ONLINE,
        patience: float = 60.0,
    ) -> None:
        self.root = Path(root).expanduser().absolute()
        places = (Path(layer).expanduser().absolute() for layer in layers)
        self.layers = tuple(place for place in places if place != self.root)
        self.mode = mode
        self.patience = patience
        self._prepared = False
        # as text: what is done for each of a thousand small files makes no Path in vain
        self._own = str(self.root)
        self._homes = (*map(str, self.layers), self._own)
        self._partials = f"{self._own}/partial"

    # -- looking up

    def find(self, digest: str, size: int | None = None) -> Path | None:
        """Return the file with a digest, or None.

        A file that was touched is read once and gets its stamp back; one that was changed is set
        aside.

        Parameters
        ----------
        digest : str
            MD5 in hexadecimal.
        size : int, optional
            Bytes that it must have.
        """
        digest = digest.lower()
        return self._find(self._homes, digest, size) if is_md5(digest) else None

    def glance(self, digest: str, size: int | None = None) -> tuple[Path, int] | None:
        """Return a file that is right at first sight, and its size; nothing is read or mended.

        Parameters
        ----------
        digest, size
            See :meth:`find`, which is to be asked where this finds nothing.
        """
        if not is_md5(digest):
            return None
        for root in self._homes:
            path = object_in(root, digest)
            seen = glance(path, digest, size)
            if seen is not None and seen[0] is Trust.HIT:
                return Path(path), seen[1].st_size
        return None

    def _find(self, roots: Iterable[str], digest: str, size: int | None) -> Path | None:
        unread: list[tuple[str, str, os.stat_result]] = []
        for root in roots:
            path = object_in(root, digest)
            seen = glance(path, digest, size)
            if seen is None:
                continue
            if seen[0] is Trust.HIT:
                return Path(path)
            if seen[0] is Trust.HASH:
                unread.append((root, path, seen[1]))
            elif root == self._own:
                self._set_aside(Path(path), seen[1])
        for root, path, status in unread:
            if root == self._own:
                right = self._right(Path(path), digest, size, status)
            else:
                right = right_in_layer(path, digest, size, status)
            if right:
                return Path(path)
        return None

    def _right(self, path: Path, digest: str, size: int | None, status: os.stat_result) -> bool:
        """Tell by reading whether a file of this cache is right; mend it, or set it aside."""
        try:
            right_size = size is None or status.st_size == size
            trust = after_hash(digest=md5_of(path) == digest, size=right_size)
        except FileNotFoundError:
            return False
        except OSError as error:
            log.warning("cannot read %s in the cache, as if it were not there: %s", path, error)
            return False
        if trust is Trust.ASIDE:
            self._set_aside(path, status)
        elif trust is Trust.RESTORE:
            self._restore(path, digest)
        return trust is Trust.RESTORE

    def recall(self, *identity: object) -> Known | None:
        """Return what is remembered of a file without a checksum; see :meth:`remember`."""
        return read(self._known(identity))

    def remember(self, known: Known, *identity: object) -> None:
        """Remember a fetched file by what identifies it on its server for its account."""
        with self._troubles():
            write_small(self._known(identity), known.to_json())

    def notes(self) -> Notes:
        """Return what is noted of who was told which digests, for one call."""
        return Notes(self._own, self._homes[:-1], self._prepare)

    # -- filling

    def lock(
        self, name: str, check: Callable[[], None] = lambda: None
    ) -> AbstractContextManager[bool]:
        """Keep others from fetching the same; saves double work where locks work.

        Parameters
        ----------
        name : str
            A digest, or another file name.
        check : callable
            Called while waiting; may raise to stop.
        """
        with self._troubles():
            self._prepare()
        return locks.holding(
            f"{self._own}/locks/{name}",
            sign_of_life=lambda: self._leftovers(name),
            patience=self.patience,
            check=check,
        )

    def partial(self, name: str, largest: int | None = None) -> Partial:
        """Return a file to fill; it begins with what an earlier attempt left.

        Parameters
        ----------
        name : str
            The digest that the whole file must have; any other name begins with nothing.
        largest : int, optional
            Bytes that an earlier attempt cannot exceed.
        """
        with self._troubles():
            if not self._prepared:
                self._prepare()
            place = f"{self._partials}/{name}.{unique_name()}"
            leftovers = self._leftovers(name) if is_md5(name) else []
            beside = [path for _, path, _ in leftovers]
            try:
                partial = Partial(place, beside)
            except FileNotFoundError:  # somebody removed the folder
                self._prepare()
                partial = Partial(place, beside)
            for size, path, _ in leftovers:
                if largest is not None and size > largest:
                    continue
                try:
                    partial.adopt(path)
                except OSError:  # gone meanwhile, or not ours to read
                    partial.start_over()
                    continue
                break
            return partial

    def scratch(self, name: str) -> IO[bytes]:
        """Return an empty file for what is no file of an archive; it is gone when it is closed."""
        with self._troubles():
            self._prepare()
            return NamedTemporaryFile(
                dir=self.root / "partial", prefix=f"{name}.{unique_name()}"
            )  # closed, and so removed, by the caller

    def publish(self, partial: Partial, digest: str) -> Path:
        """Give a filled file its visible name; what is there already stays.

        Parameters
        ----------
        partial : Partial
            Its digest must have been found to be right.
        digest : str
            MD5 in hexadecimal.
        """
        digest = digest.lower()
        target = object_in(self._own, digest)
        with self._troubles():
            try:
                partial.seal(
                    0o444,
                    stamp_of(digest, time.time_ns()),
                    durable=partial.size > _SOON_AGAIN,
                )
                self._give_name(os.fspath(partial), target, digest, partial.size)
            except FileNotFoundError:
                # where locks lie, another process published the same and cleared ours away
                if self._find([self._own], digest, partial.size) is None:
                    raise
        partial.discard()
        # what others began later, where locks lie, they remove when they are done, or a prune does
        for path in partial.beside:
            remove(path)
        return Path(target)

    def _give_name(self, source: str, target: str, digest: str, size: int) -> None:
        for _ in range(_TRIES):
            try:
                # unlike a rename, a link never replaces a file that somebody uses
                os.link(source, target)
            except FileNotFoundError:
                # the folder, unless what came was cleared away
                if not os.path.exists(source):
                    raise
                os.makedirs(os.path.dirname(target), exist_ok=True)
            except FileExistsError:
                if self._find([self._own], digest, size) is not None:
                    return
            except OSError as error:
                if error.errno not in views.NO_LINK:
                    raise
                if self._find([self._own], digest, size) is None:
                    os.rename(source, target)
                return
            else:
                # a name that a power cut takes away is fetched again
                return
        raise CacheError(
            f"a wrong file is in the way and cannot be set aside: {target}",
            advice="remove it, or use another folder for the cache",
        )

    def _set_aside(self, path: Path, judged: os.stat_result | None = None) -> Path | None:
        where = self.root / "aside" / f"{path.name}.{unique_name()}"
        try:
            where.parent.mkdir(parents=True, exist_ok=True)
            path.rename(where)
            if judged is not None:
                moved = where.lstat()
                if (moved.st_ino, moved.st_dev) != (judged.st_ino, judged.st_dev):
                    # another process had put a right one in its place meanwhile
                    where.rename(path)
                    return None
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("%s is not what its name says and cannot be set aside: %s", path, error)
            return None
        log.warning("%s was not what its name says: set aside as %s", path, where)
        return where

    def _restore(self, path: Path, digest: str) -> None:
        try:
            stamp = stamp_of(digest, time.time_ns())
            os.utime(path, ns=(stamp, stamp))
            path.chmod(0o444)
        except OSError as error:  # somebody else's file: right, only slow to look up
            log.debug("cannot restore the stamp of %s: %s", path, error)

    # -- places

    def _object(self, digest: str) -> Path:
        return Path(object_in(self._own, digest))

    def _known(self, identity: tuple[object, ...]) -> Path:
        key = key_of(*identity)
        return self.root / "known" / key[:2] / f"{key}.json"

    def _leftovers(self, name: str) -> list[tuple[int, str, int]]:
        """List what there is of unfinished attempts: size, place, last change; longest first."""
        start = f"{name}."
        try:
            others = [other for other in os.listdir(self._partials) if other.startswith(start)]
        except FileNotFoundError:
            return []
        found = []
        for other in others:
            path = f"{self._partials}/{other}"
            try:
                status = os.lstat(path)
            except OSError:
                continue
            if stat.S_ISREG(status.st_mode):
                found.append((status.st_size, path, status.st_mtime_ns))
        return sorted(found, key=lambda item: (-item[0], item[1]))

    def _prepare(self) -> None:
        # once, and again where somebody removed it: it is called for each file
        if self._prepared and os.path.isdir(self._partials):
            return
        if not self._layout():
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_small(self.root / "layout", f"{_LAYOUT}\n".encode())
        self._check_layout()
        for name in ("objects", "views", "partial", "locks"):
            (self.root / name).mkdir(exist_ok=True)
        self._prepared = True

    def _layout(self) -> str:
        try:
            return (self.root / "layout").read_text().strip()
        except FileNotFoundError:
            return ""

    def _check_layout(self) -> None:
        version = self._layout()
        if (
            not version
            and self.root.is_dir()
            and any(
                # another process may be about to write it
                not path.name.startswith(".layout.")
                for path in self.root.iterdir()
            )
        ):
            raise CacheError(
                f"{self.root} is not a cache: it has no file named layout",
                advice="check the folder's name",
            )
        if version not in ("", _LAYOUT):
            raise CacheError(
                f"the cache {self.root} has layout {version!r}, this version knows {_LAYOUT!r}",
                advice="use another folder, or the version of nipype_xnat that made it",
            )

    @contextmanager
    def _troubles(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, XNATError):
                raise
            raise self.trouble(error) from error

    def trouble(self, error: OSError) -> CacheError:
        """Put an error of the file system in words."""
        advice = {
            errno.ENOSPC: "make room on its disk, or use another folder for the cache",
            errno.EDQUOT: "the quota is used up: make room, or use another folder for the cache",
            errno.EROFS: "it is read-only: use another folder for the cache",
            errno.EACCES: "this user may not write there: use another folder for the cache",
        }.get(error.errno or 0, "check the folder, or use another one for the cache")
        where = f" ({error.filename})" if error.filename else ""
        return CacheError(
            f"the cache {self.root} cannot be used: {error.strerror or error}{where}",
            advice=advice,
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.root)!r})"
