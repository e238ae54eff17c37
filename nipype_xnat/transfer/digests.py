"""What is here to be sent: bytes or a file, with size and digest."""

from __future__ import annotations

import io
import os
import stat
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import BinaryIO

from ..cache.hashing import new_md5
from ..errors import TransferError, UsageError
from .patience import Stop
from .workers import run_all

__all__ = ["Source", "settle_digests"]

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
