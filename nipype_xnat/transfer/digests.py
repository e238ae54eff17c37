"""What is here to be sent: bytes or a file, with size and digest."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from ..cache.hashing import md5_of, new_md5
from ..errors import TransferError, UsageError, XNATError

__all__ = ["Source", "Watched"]

_REPORT_EVERY = 1 << 20


@dataclass(frozen=True)
class Source:
    """One file to send.

    Parameters
    ----------
    name : str
        Path within the resource.
    content : pathlib.Path or bytes
    size : int
        Bytes.
    digest : str
        MD5 in hexadecimal.
    state : tuple of int
        What tells that a file was changed since it was read.
    """

    name: str
    content: Path | bytes
    size: int
    digest: str
    state: tuple[int, ...] = ()

    @classmethod
    def read(cls, name: str, content: Path | bytes) -> Source:
        """Look at what is to be sent.

        Raises
        ------
        UsageError
            If it is not a file.
        """
        if isinstance(content, bytes):
            return cls(name, content, len(content), new_md5(content).hexdigest())
        path = Path(content)
        if not path.is_file():
            raise UsageError(f"{path} is not a file, so it cannot be sent as {name!r}")
        try:
            state = _state(path)
            return cls(name, path, state[0], md5_of(path), state)
        except OSError as error:
            raise TransferError(f"cannot read {path}: {error.strerror or error}") from error

    def open(self) -> BinaryIO:
        """Return its bytes as a stream."""
        if isinstance(self.content, bytes):
            return io.BytesIO(self.content)
        return self.content.open("rb")

    def changed(self) -> bool:
        """Tell whether the file was written since it was read."""
        if isinstance(self.content, bytes):
            return False
        try:
            return _state(self.content) != self.state
        except OSError:
            return True


def _state(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ino


class Watched(io.RawIOBase):
    """A stream of known length that tells how far it was read.

    It never gives more than its length, so a file that grows meanwhile cannot break the exchange.

    Parameters
    ----------
    stream : binary stream
    length : int
        Bytes to give.
    report : callable
        Is told the bytes given so far.
    """

    def __init__(self, stream: BinaryIO, length: int, report: Callable[[int], None]) -> None:
        super().__init__()
        self._stream = stream
        self._length = length
        self._report = report
        self._at = 0
        self._told = 0

    @classmethod
    def opening(
        cls, opener: Callable[[], BinaryIO], length: int, report: Callable[[int], None]
    ) -> Callable[[], BinaryIO]:
        """Return a function that opens such a stream anew."""
        return lambda: cast(BinaryIO, cls(opener(), length, report))

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        left = self._length - self._at
        data = self._stream.read(left if size is None or size < 0 else min(size, left))
        if left and size and not data:
            # not an OSError: the transport would take it for a broken connection and try again
            raise XNATError("a file became shorter while it was sent", advice="run again")
        self._at += len(data)
        if self._at - self._told >= _REPORT_EVERY or (data and self._at == self._length):
            self._told = self._at
            self._report(self._at)
        return data

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; the end is that of the length."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = self._stream.seek(base + offset)
        return self._at

    def tell(self) -> int:
        """Return the position."""
        return self._at

    def close(self) -> None:
        """Close the stream below too."""
        self._stream.close()
        super().close()
