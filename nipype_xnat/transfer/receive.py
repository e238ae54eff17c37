"""One file over the seam into a partial file: resumed when it breaks, checked when it ends."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from ..cache import Partial
from ..errors import CannotReachServer, DigestMismatch, Truncated
from ..records import Record
from ..transport import Answer, Request, Transport
from .decision import Action
from .patience import Patience, Stop
from .segments import LEAST, Segments
from .spare import Spare

__all__ = ["Received", "receive"]

log = logging.getLogger("nipype_xnat.transfer")

_CONTENT_RANGE = re.compile(r"bytes\s+(\d+)-(\d+)/(\d+|\*)")
_FULL_DOWNLOADS = 2
# a file that changes within the second of its Last-Modified keeps it
_SETTLED = 2.0


@dataclass(frozen=True)
class Received:
    """How a file came.

    Parameters
    ----------
    action : Action
        What was done in the end.
    bytes : int
        Bytes that crossed the network, those of broken attempts included.
    modified : str
        Last-Modified by which a later change can be told; empty where it cannot.
    """

    action: Action
    bytes: int
    modified: str = ""


class _Misfit(Exception):
    """Bytes that are not those of the listing."""


class _Broken(Exception):
    """An answer that ended early, or does not fit to what is here."""


class _Alone(Exception):
    """What several connections brought ends here; one has to bring the rest."""


def receive(
    transport: Transport,
    record: Record,
    partial: Partial,
    *,
    patience: Patience,
    stop: Stop,
    report: Callable[[int, int | None, Action], None],
    since: str = "",
    spare: Spare | None = None,
) -> Received:
    """Fill a partial file with a file of the archive.

    Parameters
    ----------
    transport : Transport
    record : Record
        The file; its size and digest are checked where the listing named them.
    partial : Partial
        May hold the beginning already.
    patience : Patience
    stop : Stop
    report : callable
        Is told bytes done, bytes in all, and the action.
    since : str
        A Last-Modified: if the file did not change since then nothing is sent, and the action is
        ``revalidate``.
    spare : Spare, optional
        Connections that a large file with a digest may take besides its own.

    Raises
    ------
    DigestMismatch
        If two whole downloads differ from the listing.
    Truncated
        If the connection breaks again and again without anything new.
    """
    return _Reception(
        transport,
        record,
        partial,
        patience=patience,
        stop=stop,
        report=report,
        since=since,
        spare=spare,
    ).run()


class _Reception:
    def __init__(
        self,
        transport: Transport,
        record: Record,
        partial: Partial,
        *,
        patience: Patience,
        stop: Stop,
        report: Callable[[int, int | None, Action], None],
        since: str,
        spare: Spare | None,
    ) -> None:
        self.transport = transport
        self.record = record
        self.partial = partial
        self.patience = patience
        self.stop = stop
        self.report = report
        self.since = since
        self.action = Action.RESUME if partial.size else Action.DOWNLOAD
        self.bytes = 0
        self.modified = ""
        self.whole: int | None = record.size
        self.spare = spare
        self.several = bool(spare) and bool(record.digest) and (record.size or 0) >= LEAST
        self.mixed = False  # some bytes came over other connections than the first

    def run(self) -> Received:
        strikes = misfits = 0
        furthest = self.partial.size
        while True:
            self.stop.check()
            try:
                if not self._complete() and not self._attempt():
                    return Received(Action.REVALIDATE, self.bytes, self.since)
                self._check()
                return Received(self.action, self.bytes, self.modified)
            except _Alone:
                continue
            except _Broken as broken:
                if self.partial.size > furthest:
                    strikes = 0
                furthest = max(furthest, self.partial.size)
                strikes += 1
                if strikes >= self.patience.tries:
                    raise Truncated(
                        f"{self.record.place} did not arrive whole in {strikes} attempts: {broken}",
                        server=self.transport.server,
                        advice="run again: what arrived is kept and resumed",
                    ) from broken.__cause__
                pause = self.patience.before(strikes)
                log.info("trying again in %.1f s: %s (%s)", pause, self.record.place, broken)
                self.stop.wait(pause)
            except _Misfit as misfit:
                # bytes of an earlier run may be those of an older file, and those of several
                # answers of several files: that proves nothing
                if not self.partial.adopted and not self.mixed:
                    misfits += 1
                if self.mixed:
                    self.several = False
                if misfits >= _FULL_DOWNLOADS:
                    raise DigestMismatch(
                        f"{self.record.place} is not what the listing says: {misfit}",
                        server=self.transport.server,
                        advice="the file may have changed on the server: run again, so that it is "
                        "listed again; if that does not help, the archive's catalog is wrong "
                        "and its owner can refresh it",
                    ) from None
                log.info("fetching again from the start: %s (%s)", self.record.place, misfit)
                self._start_over()
                furthest = 0

    def _complete(self) -> bool:
        return bool(self.partial.size) and self.partial.size == self.record.size

    def _start_over(self) -> None:
        self.partial.start_over()
        self.action = Action.DOWNLOAD
        self.mixed = False

    def _check(self) -> None:
        if self.record.digest and self.partial.digest != self.record.digest.lower():
            raise _Misfit(
                f"its MD5 is {self.partial.digest}, the listing has {self.record.digest.lower()}"
            )

    def _attempt(self) -> bool:
        """Send one request and take what comes; False if the file did not change."""
        start = self.partial.size
        headers = {"Range": f"bytes={start}-"} if start else {}
        if self.since:
            headers["If-Modified-Since"] = self.since
        request = Request(
            "GET",
            self.record.file,
            headers=headers,
            expect="bytes",
            accept=frozenset({304, 416}),
        )
        with self.transport.send(request) as answer:
            if answer.status == 304 and self.since:
                return False
            self.since = ""
            self._position(answer, start)
            whole = self._announced(answer)
            if whole is not None and self.record.size is not None and whole != self.record.size:
                raise _Misfit(f"the server sends {whole} bytes, the listing has {self.record.size}")
            self.whole = self.record.size if whole is None else whole
            self._take(answer)
        return True

    def _position(self, answer: Answer, start: int) -> None:
        """Make the partial file end where the body of an answer begins."""
        partial = self.partial
        modified = answer.headers.get("last-modified", "")
        if answer.status == 206 and start:
            match = _CONTENT_RANGE.match(answer.headers.get("content-range", ""))
            fits = match is not None and int(match[1]) == start
            same = modified == partial.modified if partial.modified else bool(self.record.digest)
            if fits and same:
                log.debug("resuming %s at byte %d", self.record.place, start)
                return
            self._start_over()
            why = "has changed meanwhile" if fits else "comes from another byte than asked for"
            raise _Broken(f"the rest of the file {why}")
        if answer.status in (206, 304, 416):
            self._start_over()
            raise _Broken(f"the server answered {answer.status} to a request that does not fit it")
        if start:
            log.debug("the server does not resume, from the start: %s", self.record.place)
            self._start_over()
        partial.modified = modified
        self.modified = modified if _settled(answer) else ""

    def _announced(self, answer: Answer) -> int | None:
        length = answer.headers.get("content-length", "")
        if not length.isdigit() or answer.headers.get("content-encoding", "identity") != "identity":
            return None
        return self.partial.size + int(length)

    def _take(self, answer: Answer) -> None:
        if self.spare is None or not self.several:
            self._take_from(answer, None)
            return
        here = self.partial.size
        ahead = Segments(self.transport, self.record, answer.headers, self.spare, self.stop, here)
        try:
            self._take_from(answer, ahead)
        finally:
            self.bytes += ahead.close()
            self.several = not ahead.failed

    def _take_from(self, answer: Answer, ahead: Segments | None) -> None:
        partial = self.partial
        try:
            for chunk in answer.stream():
                self.stop.check()
                self.bytes += len(chunk)
                if self.whole is not None and partial.size + len(chunk) > self.whole:
                    raise _Misfit(f"more than its {self.whole} bytes came")
                partial.write(chunk)
                self.report(partial.size, self.whole, self.action)
                if self.spare is not None:
                    self.spare.came(len(chunk))
                if ahead is not None and ahead.takes_over(partial.size):
                    answer.close()
                    self._take_pieces(ahead)
                    return
        except CannotReachServer as error:
            raise _Broken(error.message) from error
        if self.whole is not None and partial.size < self.whole:
            raise _Broken(f"the body ended after {partial.size} of {self.whole} bytes")

    def _take_pieces(self, ahead: Segments) -> None:
        self.mixed = True
        for block in ahead.blocks():
            self.stop.check()
            self.partial.write(block)
            self.report(self.partial.size, self.whole, self.action)
        if not self._complete():
            raise _Alone


def _settled(answer: Answer) -> bool:
    """Tell whether the file was left alone long enough for Last-Modified to identify it."""
    try:
        modified = parsedate_to_datetime(answer.headers["last-modified"])
        now = parsedate_to_datetime(answer.headers["date"])
        return (now - modified).total_seconds() >= _SETTLED
    except (KeyError, ValueError, TypeError):
        return False
