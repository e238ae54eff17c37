"""One large file over several connections, where a single one is slow.

The first connection brings the file from where it is on, as ever. Where that takes long and
connections are to spare, others fetch segments that lie ahead of it, each into a file of its own.
When the first one comes to a segment it is closed, and the rest of the file is taken out of the
segments, in order: what is here is the beginning of the file at any time. A segment that is not
what was asked for, or does not come, ends all this, and one connection brings the rest.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import IO

from ..errors import CannotReachServer
from ..records import Record
from ..transport import Answer, Request, Transport
from ..transport.waiting import while_waiting
from .patience import Stop, Stopped
from .spare import Spare

__all__ = ["Segments"]

log = logging.getLogger("nipype_xnat.transfer")

LEAST = 64 << 20
"""Bytes of a file below which one connection does."""

MEASURED = 1.0
"""Seconds for which bytes are counted."""

SLOW = 3.0
"""Seconds that the rest has to take at the measured rate."""

FAST = 300e6
"""Bytes a second at which hashing and the disk limit more than a connection."""

SHORTEST = 4 << 20
"""Bytes of a segment at least: each costs a request."""

LONGEST = 32 << 20
"""Bytes of a segment at most: a killed process loses what it had of those."""

SILENCE = 10.0
"""Seconds without a byte of the segment that is next, after which one connection has to do."""

_SECONDS = 2.0  # that a segment takes
_WINDOW = 2  # segments for each connection that may be here before they are needed
_BLOCK = 1 << 20
_LOOK = 0.2
_GRACE = 1.0  # seconds for threads to end
_TRIES = 3  # requests in a row that bring nothing of a segment
_CONTENT_RANGE = re.compile(r"bytes\s+(\d+)-(\d+)/(\d+)")


class _Enough(Exception):
    """A segment is not wanted any more."""


class _Unfit(Exception):
    """An answer is not the segment that was asked for."""


class _Segment:
    """Bytes ahead, from start to stop, of which some are in a file."""

    def __init__(self, start: int, stop: int) -> None:
        self.start = start
        self.stop = stop
        self.here = 0
        self.file: IO[bytes] | None = None
        self.busy = True
        self.wanted = True

    def close(self) -> None:
        if self.file is not None:
            # somebody may have cleared the folder
            with contextlib.suppress(OSError):
                self.file.close()
            self.file = None


class Segments:
    """What other connections fetch of a file, beyond what the first one is at.

    Parameters
    ----------
    transport : Transport
    record : Record
        The file, with size and digest.
    first : mapping of str to str
        Headers of the first connection's answer, which those of the others have to equal.
    spare : Spare
    stop : Stop
    position : int
        Where in the file that answer begins.
    """

    def __init__(
        self,
        transport: Transport,
        record: Record,
        first: Mapping[str, str],
        spare: Spare,
        stop: Stop,
        position: int,
    ) -> None:
        assert record.size is not None
        self._transport = transport
        self._record = record
        self._size = record.size
        self._first = first
        self._spare = spare
        self._stop = stop
        self._changed = threading.Condition()
        self._segments: list[_Segment] = []
        self._crew: list[threading.Thread] = []
        self._length = 0
        self._next = 0
        self._position = position
        self._came = 0
        self._answers = 0
        self._over = False
        self._ending = False  # nothing more is begun
        self._alone = True  # the first connection is in use
        self._trying = False
        self._rate = 0.0  # of all files, by one connection each
        self._since = time.monotonic()
        self._position_then = position
        self._total_then = spare.total
        self.failed = False
        """Whether a segment was not what was asked for, or did not come."""

    # -- what the one who writes the file calls

    def takes_over(self, position: int) -> bool:
        """Tell whether the rest comes out of segments, so that the first connection may end.

        Parameters
        ----------
        position : int
            Bytes that are here.
        """
        if not self._length:
            # nothing was begun, and most often nothing will be
            self._position = position
            self._look()
            return False
        with self._changed:
            self._at(position)
            if self.failed:
                self._drop_all()
            segment = self._segment()
            ready = segment is not None and segment.start + segment.here > position
        self._alone = not ready
        self._look()
        return ready

    def blocks(self) -> Iterator[bytes]:
        """Yield what follows, as far as it comes."""
        while self._position < self._size:
            block = self._block()
            if not block:
                return
            yield block
            with self._changed:
                self._at(self._position + len(block))
            self._look()

    def close(self) -> int:
        """End all threads; return the bytes that came over their connections."""
        with self._changed:
            self._over = True
            self._drop_all()
            self._changed.notify_all()
        if self._trying:
            self._spare.end(0.0, None)
        # one that waits for a silent server ends when that is given up
        until = time.monotonic() + _GRACE
        for thread in self._crew:
            thread.join(max(0.0, until - time.monotonic()))
        return self._came

    def _block(self) -> bytes:
        """Return bytes from the position on; none if they do not come."""
        with self._changed:
            silent = time.monotonic() + SILENCE
            here = -1
            while True:
                self._stop.check()
                segment = self._segment()
                if segment is not None and segment.file is not None:
                    offset = self._position - segment.start
                    if segment.here > offset:
                        descriptor, size = segment.file.fileno(), segment.here - offset
                        break
                    if segment.here > here:
                        silent, here = time.monotonic() + SILENCE, segment.here
                if self.failed or (segment is None and self._ending):
                    return b""
                if time.monotonic() > silent:
                    self._fail("nothing comes")
                    return b""
                self._changed.wait(_LOOK)
        return os.pread(descriptor, min(size, _BLOCK), offset)

    def _segment(self) -> _Segment | None:
        """Return the segment in which the position is."""
        for segment in self._segments:
            if segment.start <= self._position < segment.stop:
                return segment
        return None

    def _at(self, position: int) -> None:
        """Note how far the file is; what lies behind is not needed any more."""
        self._position = position
        while self._segments and self._segments[0].stop <= position:
            self._drop(self._segments.pop(0))
            self._changed.notify_all()

    def _drop(self, segment: _Segment) -> None:
        segment.wanted = False
        if not segment.busy:
            segment.close()

    def _drop_all(self) -> None:
        while self._segments:
            self._drop(self._segments.pop())

    # -- how many connections

    def _look(self) -> None:
        """Begin where it is slow, and go on as long as it pays."""
        if self.failed and self._trying:
            self._trying = False
            self._spare.end(self._rate, 0.0)
        if self.failed or self._ending:
            return
        now = time.monotonic()
        if not self._length and now - self._since > MEASURED:
            here, all_files = self._rates(now)
            if self._is_slow(here) and self._spare.share > 1 and self._spare.begin():
                self._trying = True
                self._rate = all_files
                self._begin(here)
        elif self._trying and self._answers < len(self._crew):
            self._rates(now)
        elif self._trying and now - self._since > 2 * MEASURED:
            self._trying = False
            if not self._spare.end(self._rate, self._rates(now)[1]):
                log.info("more connections bring no more: %s", self._record.place)
                self._ending = True
        if self._length and not self._ending:
            self._start()

    def _rates(self, now: float) -> tuple[float, float]:
        """Return bytes a second of this file and of all since this was called last."""
        seconds = max(now - self._since, 1e-9)
        total = self._spare.total
        here = (self._position - self._position_then) / seconds
        all_files = (total - self._total_then) / seconds
        self._since, self._position_then, self._total_then = now, self._position, total
        return here, all_files

    def _is_slow(self, rate: float) -> bool:
        return rate < FAST and self._size - self._position > SLOW * rate

    def _begin(self, rate: float) -> None:
        self._length = max(SHORTEST, min(int(_SECONDS * rate), LONGEST))
        # what the first connection brings meanwhile
        self._next = self._position + self._long(self._position)
        log.info(
            "one connection brings %.1f MB/s: up to %d for %s",
            rate / 1e6,
            self._spare.share,
            self._record.place,
        )

    def _start(self) -> None:
        wanted = self._spare.share - self._alone
        while len(self._crew) < wanted:
            number = len(self._crew) + 1
            # daemons, because a silent server must not keep the process alive
            thread = threading.Thread(
                target=self._work, name=f"nipype_xnat-segments-{number}", daemon=True
            )
            self._crew.append(thread)
            thread.start()

    # -- in threads

    def _work(self) -> None:
        while (segment := self._claim()) is not None:
            try:
                with while_waiting(partial(self._check, segment)):
                    self._fetch(segment)
            except (_Enough, Stopped):
                pass
            except Exception as error:
                # whatever it is: who goes on with one connection meets it too, or need not
                with self._changed:
                    self._fail(f"{type(error).__name__}: {error}")
            finally:
                with self._changed:
                    segment.busy = False
                    if not segment.wanted:
                        segment.close()
                    self._changed.notify_all()

    def _fail(self, why: str) -> None:
        if not self.failed and not self._over:
            log.info("one connection for %s again: %s", self._record.place, why)
            self.failed = True
        self._changed.notify_all()

    def _claim(self) -> _Segment | None:
        """Return the next segment to fetch, when there is room for it."""
        with self._changed:
            while True:
                if self._next <= self._position:
                    # the first connection has come further by itself
                    self._next = self._position + self._long(self._position)
                room = self._position + _WINDOW * self._length * len(self._crew)
                if self._over or self.failed or self._ending or self._next >= self._size:
                    return None
                if self._next < room:
                    break
                self._changed.wait(_LOOK)
            stop = min(self._next + self._long(self._next), self._size)
            segment = _Segment(self._next, stop)
            self._next = segment.stop
            self._segments.append(segment)
            return segment

    def _long(self, start: int) -> int:
        """Return how long a segment is; the last ones are shorter, so that all end together."""
        fair = (self._size - start) // (2 * self._spare.share)
        return max(SHORTEST, min(self._length, fair))

    def _check(self, segment: _Segment) -> None:
        """Raise if a segment is not needed any more."""
        self._stop.check()
        if self._over or self.failed or not segment.wanted:
            raise _Enough

    def _fetch(self, segment: _Segment) -> None:
        segment.file = self._spare.scratch(f"segment-{self._record.digest.lower()}")
        strikes = 0
        while segment.start + segment.here < segment.stop:
            self._check(segment)
            before = segment.here
            with self._transport.send(self._request(segment)) as answer:
                self._compare(answer, segment)
                try:
                    self._take(answer, segment)
                except CannotReachServer as error:
                    log.debug("a segment of %s broke: %s", self._record.place, error.message)
            strikes = 0 if segment.here > before else strikes + 1
            if strikes >= _TRIES:
                raise _Unfit("nothing of it comes")

    def _request(self, segment: _Segment) -> Request:
        asked = f"bytes={segment.start + segment.here}-{segment.stop - 1}"
        return Request(
            "GET",
            self._record.file,
            headers={"Range": asked},
            expect="bytes",
            accept=frozenset({304, 416}),
            repeatable=False,  # a server that has enough to do is left alone
        )

    def _compare(self, answer: Answer, segment: _Segment) -> None:
        """Raise if an answer is not a segment of the file that the first connection brings."""
        match = _CONTENT_RANGE.match(answer.headers.get("content-range", ""))
        asked = (segment.start + segment.here, segment.stop - 1, self._size)
        if answer.status != 206 or match is None or tuple(map(int, match.groups())) != asked:
            raise _Unfit(
                f"the server does not send the bytes that were asked for ({answer.status})"
            )
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise _Unfit("the server encodes it")
        for name in ("last-modified", "etag"):
            if answer.headers.get(name) != self._first.get(name):
                raise _Unfit("the file has changed meanwhile")
        with self._changed:
            self._answers += 1

    def _take(self, answer: Answer, segment: _Segment) -> None:
        assert segment.file is not None
        descriptor = segment.file.fileno()
        for chunk in answer.stream():
            with self._changed:
                self._came += len(chunk)
            self._spare.came(len(chunk))
            self._check(segment)
            if segment.start + segment.here + len(chunk) > segment.stop:
                raise _Unfit("more came than was asked for")
            left = memoryview(chunk)
            at = segment.here
            while left:
                written = os.pwrite(descriptor, left, at)
                at, left = at + written, left[written:]
            with self._changed:
                segment.here = at
                self._changed.notify_all()
