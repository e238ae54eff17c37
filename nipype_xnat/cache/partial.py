"""A file that is being filled and has no visible name yet."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

from .hashing import new_md5
from .writing import remove

__all__ = ["Partial"]

_BLOCK = 1 << 20
_DIRTY = 16 << 20  # bytes after which the system is asked to begin to write them down


class Partial:
    """A new file that grows, and its MD5 with it.

    The file belongs to this object alone: what another process left is copied, never continued in
    place, because its owner may still live and write (on a file system whose locks lie).

    Parameters
    ----------
    path : pathlib.Path or str
        Where to make it; nothing may be there.
    beside : sequence of str, optional
        Where others had begun the same file before this one.

    Attributes
    ----------
    size : int
        Bytes so far.
    modified : str
        Last-Modified of the answer that the bytes came from; empty if not known.
    adopted : bool
        Whether some of the bytes are those of an earlier run.
    """

    def __init__(self, path: Path | str, beside: Sequence[str] = ()) -> None:
        # as text: a thousand small files are a thousand of these
        self._place = os.fspath(path)
        self.beside = beside
        self.size = 0
        self.modified = ""
        self.adopted = False
        self._md5 = new_md5()
        self._source: tuple[Path | str, int, int] | None = None
        self._begun = 0
        self._discarded = False
        # pieces come large enough; closed by seal, keep or discard
        self._stream = open(self._place, "xb", buffering=0)  # noqa: SIM115

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(self._place)

    def __fspath__(self) -> str:
        return self._place

    @property
    def digest(self) -> str:
        """MD5 of the bytes so far, in hexadecimal."""
        return self._md5.hexdigest()

    def write(self, data: bytes) -> None:
        """Append bytes."""
        written = self._stream.write(data)
        while written < len(data):  # a disk that is full says so at the next attempt
            written += self._stream.write(memoryview(data)[written:])
        self._md5.update(data)
        self.size += len(data)
        if self.size - self._begun >= _DIRTY:
            self._begin_to_write()

    def _begin_to_write(self) -> None:
        # so that seal() has little left to wait for: a system that is told that pages will not be
        # needed begins to write those down that are not on the disk yet, and keeps them meanwhile
        if hasattr(os, "posix_fadvise"):
            with contextlib.suppress(OSError):
                os.posix_fadvise(
                    self._stream.fileno(),
                    self._begun,
                    self.size - self._begun,
                    os.POSIX_FADV_DONTNEED,
                )
        self._begun = self.size

    def show_life(self) -> None:
        """Let those who wait for this file see that somebody still cares for it."""
        with contextlib.suppress(OSError):
            os.utime(self._stream.fileno())

    def adopt(self, leftover: Path | str) -> None:
        """Begin with the bytes of an earlier attempt."""
        with open(leftover, "rb") as source:
            status = os.fstat(source.fileno())
            while block := source.read(_BLOCK):
                self.write(block)
        self.adopted = self.size > 0
        self._source = (leftover, status.st_size, status.st_mtime_ns)

    def start_over(self) -> None:
        """Throw away all bytes."""
        self._stream.seek(0)
        self._stream.truncate()
        self._md5 = new_md5()
        self.size = 0
        self._begun = 0
        self.modified = ""
        self.adopted = False

    def seal(
        self, mode: int | None = None, mtime_ns: int | None = None, *, durable: bool = True
    ) -> None:
        """Bring all bytes to the disk and close; set permissions and modification time."""
        if durable:
            os.fsync(self._stream.fileno())
        self._stream.close()
        if mtime_ns is not None:
            os.utime(self._place, ns=(mtime_ns, mtime_ns))
        if mode is not None:
            os.chmod(self._place, mode)

    def keep(self) -> None:
        """Close, and leave the bytes for a later run."""
        if not self.size:
            self.discard()
            return
        try:
            self._stream.close()
        except OSError:  # a full disk: what is there can still be resumed
            pass
        if self._source is not None:
            path, size, mtime_ns = self._source
            try:
                status = os.stat(path)
                # ours holds all of it, and nobody writes it any more
                if size <= self.size and (status.st_size, status.st_mtime_ns) == (size, mtime_ns):
                    os.unlink(path)
            except OSError:
                pass

    def discard(self) -> None:
        """Close and remove; nothing is left to do after the first time."""
        if self._discarded:
            return
        self._discarded = True
        try:
            self._stream.close()
        except OSError:
            pass
        remove(self._place)
