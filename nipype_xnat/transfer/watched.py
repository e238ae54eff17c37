"""Bodies of known length that tell how far they were read, and the digest of what they gave."""

from __future__ import annotations

import io
import queue
import threading
from collections.abc import Callable
from typing import BinaryIO, cast

from ..cache.hashing import new_md5
from ..errors import TransferError, XNATError

__all__ = ["Watched"]

_REPORT_EVERY = 1 << 20
_LARGE = 8 << 20  # bytes from which on a thread is worth its while
_WAITING = 8  # blocks that wait for it


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
        self._md5 = _Md5()
        self._hashed = 0  # bytes that the MD5 was given
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
            self._md5.close()
            self._md5 = _Md5Beside() if self._length >= _LARGE else _Md5()
            self._hashed = 0
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
        self._md5.close()
        self._stream.close()
        super().close()


class _Md5:
    """An MD5 that is fed by whoever has the bytes."""

    def __init__(self) -> None:
        self._found = new_md5()

    def update(self, data: bytes) -> None:
        self._found.update(data)

    def hexdigest(self) -> str:
        return self._found.hexdigest()

    def close(self) -> None:
        """Do nothing."""


class _Md5Beside(_Md5):
    """An MD5 that a thread feeds, so that bytes are hashed while they are sent."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: queue.Queue[bytes] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._feed, name="nipype_xnat-md5", daemon=True)
        self._thread.start()

    def _feed(self) -> None:
        while block := self._blocks.get():
            self._found.update(block)

    def update(self, data: bytes) -> None:
        self._blocks.put(data)

    def hexdigest(self) -> str:
        self.close()
        self._thread.join()
        return self._found.hexdigest()

    def close(self) -> None:
        """Let the thread end when it is through."""
        if self._thread.is_alive():
            self._blocks.put(b"")
