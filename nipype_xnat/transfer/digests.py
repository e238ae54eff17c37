"""What is here to be sent: bytes or a file, with size and digest."""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from ..cache.hashing import new_md5
from ..errors import TransferError, UsageError, XNATError
from .patience import Stop
from .workers import run_all

__all__ = ["Source", "Watched", "settle_digests"]

_REPORT_EVERY = 1 << 20
_BLOCK = 1 << 20
_HASHING = 4  # threads at most: hashing leaves the interpreter's lock


class Source:
    """One file to send.

    Its digest is that of the bytes that went out, where they went out before anybody asked for it,
    and is read from the file otherwise. Once it is known it stays.

    Parameters
    ----------
    name : str
        Path within the resource.
    content : pathlib.Path or bytes

    Raises
    ------
    UsageError
        If it is not a file.
    """

    def __init__(self, name: str, content: Path | bytes) -> None:
        self.name = name
        self.content = content if isinstance(content, (bytes, Path)) else Path(content)
        self._digest = ""
        self._streamed = False
        self._state: tuple[int, ...] = ()
        self._fresh = False
        self._held: bytes | None = None
        self.size = 0
        self.look()

    def look(self) -> None:
        """Note size and state of the file, which may have grown since it was looked at before.

        Once its digest is known they stay.
        """
        if self._digest:
            return
        if isinstance(self.content, bytes):
            self.size = len(self.content)
        else:
            self._state = self._looked(self.content)
            self.size, changed, _ = self._state
            # a change within one tick of the file system's clock does not show in its time
            tick = 2_000_000_000 if changed % 1_000_000_000 == 0 else 50_000_000
            self._fresh = time.time_ns() - changed < tick

    def _looked(self, path: Path) -> tuple[int, ...]:
        try:
            status = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            status = None
        except OSError as error:
            raise _unreadable(path, error) from error
        if status is None or not stat.S_ISREG(status.st_mode):
            raise UsageError(f"{path} is not a file, so it cannot be sent as {self.name!r}")
        return _state(status)

    @property
    def digest(self) -> str:
        """MD5 in hexadecimal."""
        if not self._digest:
            self._digest = self._read_digest()
        return self._digest

    @property
    def hashed(self) -> bool:
        """Whether the digest is known."""
        return bool(self._digest)

    def sent(self, digest: str) -> None:
        """Take the digest of bytes that went out, or will, if none was known before."""
        if not self._digest:
            self._digest = digest
            self._streamed = True

    def hold(self) -> None:
        """Read it whole, and hold its bytes until they are opened."""
        with self.open() as stream:
            try:
                data = stream.read(self.size)
            except OSError as error:
                raise _unreadable(self.content, error) from error
        if len(data) == self.size:
            self.sent(new_md5(data).hexdigest())
            self._held = data

    def open(self) -> BinaryIO:
        """Return its bytes as a stream.

        Raises
        ------
        TransferError
            If it cannot be read, or is another one by now and nobody knows what it was.
        """
        held, self._held = self._held, None
        if held is not None:
            return io.BytesIO(held)
        if isinstance(self.content, bytes):
            return io.BytesIO(self.content)
        try:
            stream = self.content.open("rb", buffering=0)
        except OSError as error:
            raise _unreadable(self.content, error) from error
        if not self._digest and _state(os.fstat(stream.fileno())) != self._state:
            stream.close()
            raise TransferError(
                f"{self.content} was changed while it was being sent",
                advice="run again when nothing writes to it",
            )
        return stream

    def changed(self) -> bool:
        """Tell whether the file was written since it was looked at."""
        if isinstance(self.content, bytes):
            return False
        try:
            return _state(self.content.stat()) != self._state
        except OSError:
            return True

    def torn(self) -> bool:
        """Tell whether what was sent may be half of one file and half of another.

        A file that only grew is none: what was sent is still its beginning.
        """
        if not self._streamed or not (self._fresh or self.changed()):
            return False
        try:
            return self._read_digest() != self._digest
        except TransferError:
            return True

    def _read_digest(self) -> str:
        if isinstance(self.content, bytes):
            return new_md5(self.content).hexdigest()
        found, left = new_md5(), self.size
        try:
            with self.content.open("rb", buffering=0) as stream:
                while left and (block := stream.read(min(left, _BLOCK))):
                    found.update(block)
                    left -= len(block)
        except OSError as error:
            raise _unreadable(self.content, error) from error
        return found.hexdigest()

    def __repr__(self) -> str:
        return f"Source({self.name!r}, {self.size} bytes)"


def _unreadable(what: object, error: OSError) -> TransferError:
    return TransferError(f"cannot read {what}: {error.strerror or error}")


def _state(status: os.stat_result) -> tuple[int, ...]:
    return status.st_size, status.st_mtime_ns, status.st_ino


def settle_digests(sources: Iterable[Source]) -> None:
    """Read the digests that are not known, several files at once."""
    unknown = [source for source in sources if not source.hashed]
    threads = min(_HASHING, os.cpu_count() or 1)
    jobs = [partial(getattr, source, "digest") for source in unknown]
    if jobs:
        run_all(jobs, threads=threads, stop=Stop(), give_up=lambda _: False)


class Watched(io.RawIOBase):
    """A stream of known length that tells how far it was read, and the digest of what it gave.

    It never gives more than its length, so a file that grows meanwhile cannot break the exchange.
    To move in it costs nothing until it is read, so one that cannot be moved in may be measured.

    Parameters
    ----------
    stream : binary stream
        At its start.
    length : int
        Bytes to give.
    report : callable
        Is told the bytes given so far.
    digest : callable, optional
        Is told the MD5 of all bytes, once they were given from the first to the last.
    """

    def __init__(
        self,
        stream: BinaryIO,
        length: int,
        report: Callable[[int], None],
        digest: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        self._stream = stream
        self._length = length
        self._report = report
        self._digest = digest
        self._md5 = new_md5()
        self._hashed = 0  # bytes that the MD5 knows
        self._at = 0
        self._below = 0  # where the stream below is
        self._told = 0

    @classmethod
    def opening(
        cls,
        opener: Callable[[], BinaryIO],
        length: int,
        report: Callable[[int], None],
        digest: Callable[[str], None] | None = None,
    ) -> Callable[[], BinaryIO]:
        """Return a function that opens such a stream anew."""
        return lambda: cast(BinaryIO, cls(opener(), length, report, digest))

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        left = self._length - self._at
        if self._below != self._at:
            self._below = self._stream.seek(self._at)
        try:
            data = self._stream.read(left if size is None or size < 0 else min(size, left))
        except TransferError as error:
            raise XNATError(error.message, advice=error.advice) from error
        except OSError as error:
            # the transport would take it for a broken connection and try again
            raise XNATError(f"a file cannot be read: {error.strerror or error}") from error
        if left and size and not data:
            raise XNATError("a file became shorter while it was sent", advice="run again")
        self._note(data)
        self._at += len(data)
        self._below = self._at
        if self._at - self._told >= _REPORT_EVERY or (data and self._at == self._length):
            self._told = self._at
            self._report(self._at)
        return data

    def _note(self, data: bytes) -> None:
        if self._digest is None or not data:
            return
        if self._at == 0:
            self._md5, self._hashed = new_md5(), 0
        if self._at == self._hashed:
            self._md5.update(data)
            self._hashed += len(data)
            if self._hashed == self._length:
                self._digest(self._md5.hexdigest())

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; the end is that of the length."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def close(self) -> None:
        """Close the stream below too."""
        self._stream.close()
        super().close()
