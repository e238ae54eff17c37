"""Bodies of answers while they come, and what becomes of one that nobody reads on.

A half-read answer keeps its connection. Where connections are few, one that waits for another one
(a request in the middle of a loop over an answer's rows) would wait for ever. So what is left of a
body that was not read for a while is put aside into a temporary file, and its connection is free.
"""

from __future__ import annotations

import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from itertools import chain
from typing import IO, Any

from .lifetime import watch_forks

__all__ = ["Stream", "pieces", "put_unread_aside", "unread"]

_READ = 1 << 18  # bytes asked of the system at once
_ENOUGH = 1 << 16  # bytes that are worth being handed on
_IN_MEMORY = 1 << 20
_UNREAD = 1.0  # seconds without a look at a body


def pieces(raw: Any, encoded: bool) -> Iterator[bytes]:
    """Yield a body as it comes, in pieces that are neither small nor large.

    What came before a connection broke is yielded before the error is raised.

    Parameters
    ----------
    raw : urllib3.response.HTTPResponse
    encoded : bool
        Whether it has to be unpacked; what urllib3 holds back for that is lost where a connection
        breaks.
    """
    read1 = getattr(raw, "read1", None)
    if encoded or read1 is None:  # urllib3 before 2.1 has none
        yield from raw.stream(_ENOUGH, decode_content=encoded)
        return
    while True:
        came: list[bytes] = []
        size = 0
        try:
            while size < _ENOUGH:
                data = read1(_READ, decode_content=False)
                if not data:
                    break
                came.append(data)
                size += len(data)
        except Exception:
            if came:
                yield b"".join(came)
            raise
        if not came:
            return
        yield came[0] if len(came) == 1 else b"".join(came)


class Stream:
    """The body of an answer, in pieces.

    Parameters
    ----------
    pieces : iterator of bytes
        What comes over the connection.
    close : callable
        Gives the connection back.
    ended : callable
        Called when nothing more comes over the connection, perhaps more than once.
    short : bool
        Whether it is little: then what nobody read is read at its end, because the connection can
        be used again only after the last byte.
    """

    def __init__(
        self,
        pieces: Iterator[bytes],
        close: Callable[[], object],
        ended: Callable[[], object],
        short: bool = False,
    ) -> None:
        self._short = short
        self._pieces = pieces
        self._close = close
        self._ended = ended
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._aside: IO[bytes] | None = None
        self._left = 0
        self._whole = False
        _all.add(self)

    def __iter__(self) -> Iterator[bytes]:
        while not self._whole:
            with self._lock:
                piece = self._next()
                self._looked = time.monotonic()
            if piece is None:
                return
            yield piece

    def _next(self) -> bytes | None:
        if self._aside is not None:
            piece = self._aside.read(min(_READ, self._left))
            self._left -= len(piece)
            if piece:
                return piece
            self._aside.close()
            self._aside = None
        piece_or_none = next(self._pieces, None)
        if piece_or_none is None:
            self._whole = True
            self._ended()
        return piece_or_none

    def close(self) -> None:
        """Give the connection back; nothing more is read."""
        if self._short and not self._whole and self._lock.acquire(blocking=False):
            try:
                self._read_out()
            finally:
                self._lock.release()
        self._whole = True
        self._close()
        self._ended()
        if self._aside is not None:
            self._aside.close()
            self._aside = None

    def _read_out(self) -> None:
        size = 0
        try:
            while size < _ENOUGH and (piece := next(self._pieces, None)) is not None:
                size += len(piece)
        except Exception:  # then the connection is of no use, and nobody wanted the rest
            return

    @property
    def unread(self) -> bool:
        """Whether it is not at its end, and nobody looked at it for a while."""
        return (
            not self._whole
            and self._aside is None
            and not self._lock.locked()
            and time.monotonic() - self._looked > _UNREAD
        )

    def put_aside(self) -> None:
        """Read what is left into a temporary file, unless it is being read now."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if not self._whole and self._aside is None:
                self._put_aside()
        finally:
            self._lock.release()

    def _put_aside(self) -> None:
        aside = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  (closed by the reader)
        written = 0
        while True:
            try:
                piece = next(self._pieces, None)
            except Exception as error:
                self._pieces = _raising(error)  # for the one who reads
                self._ended()
                break
            if piece is None:
                self._ended()
                break
            try:
                aside.write(piece)
            except OSError:  # a full disk: the rest stays where it is
                self._pieces = chain([piece], self._pieces)
                break
            written += len(piece)
        aside.seek(0)
        self._aside, self._left = aside, written


def _raising(error: Exception) -> Iterator[bytes]:
    raise error
    yield b""


class _All:
    """The bodies of this process that are not at their end."""

    def __init__(self) -> None:
        self.after_fork()
        watch_forks(self)

    def after_fork(self) -> None:
        """Forget those of the parent."""
        self._lock = threading.Lock()
        self._open: weakref.WeakSet[Stream] = weakref.WeakSet()

    def add(self, stream: Stream) -> None:
        with self._lock:
            self._open.add(stream)

    def unread(self) -> list[Stream]:
        with self._lock:
            return [stream for stream in self._open if stream.unread]


_all = _All()


def unread() -> list[Stream]:
    """Return the bodies that nobody reads on."""
    return _all.unread()


def put_unread_aside() -> None:
    """Put aside what nobody reads on, in this thread."""
    for stream in _all.unread():
        stream.put_aside()
