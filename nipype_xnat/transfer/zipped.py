"""The zip of a resource: received whole, and its files taken out."""

from __future__ import annotations

import logging
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

from ..cache import Partial
from ..errors import CannotReachServer, DigestMismatch, NotFound, Truncated
from ..records import Record
from ..transport import Request, Transport
from .patience import Patience, Stop

__all__ = ["Bundle"]

log = logging.getLogger("nipype_xnat.transfer")

_BLOCK = 1 << 20
# SESSION/scans/1-TYPE/resources/LABEL/files/PATH: the layout that a server uses unless asked
# for another one
_ENTRY = re.compile(r"^(?:.*?/)?resources/[^/]+/files/(.+)$", re.S)


class Bundle:
    """The zip of a resource, fetched when a first file needs it.

    Such an answer has no length and cannot be resumed, so each attempt starts over. Threads may
    take files out at once when it is there.

    Parameters
    ----------
    transport : Transport
    make : callable
        Returns an empty file to keep it in, which is gone when it is closed.
    patience : Patience
    stop : Stop
    report : callable
        Is told the bytes that are here.
    """

    def __init__(
        self,
        transport: Transport,
        make: Callable[[], IO[bytes]],
        *,
        patience: Patience,
        stop: Stop,
        report: Callable[[Record, int], None],
    ) -> None:
        self._transport = transport
        self._make = make
        self._patience = patience
        self._stop = stop
        self._report = report
        self._file: IO[bytes] | None = None
        self._zip: zipfile.ZipFile | None = None
        self._entries: dict[str, zipfile.ZipInfo] = {}

    def close(self) -> None:
        """Remove it."""
        if self._zip is not None:
            self._zip.close()
        if self._file is not None:
            self._file.close()

    def receive(self, record: Record) -> int:
        """Fetch the zip of a record's resource, unless it is here; return the bytes that came.

        Raises
        ------
        Truncated
            If it does not arrive whole.
        """
        if self._zip is not None:
            return 0
        if self._file is None:
            self._file = self._make()
        came = self._receive(record, self._file)
        with _damage(record, self._transport.server):
            self._zip = zipfile.ZipFile(self._file)
        for entry in self._zip.infolist():
            if match := _ENTRY.match(entry.filename):
                self._entries.setdefault(match[1], entry)
        return came

    def _receive(self, record: Record, file: IO[bytes]) -> int:
        address = (record.resource / "files").ask(format="zip")
        request = Request("GET", address, expect="bytes", repeatable=True)
        came = 0
        for attempt in range(1, self._patience.tries + 1):
            self._stop.check()
            file.seek(0)
            file.truncate()
            size = 0
            try:
                with self._transport.send(request) as answer:
                    for chunk in answer.stream():
                        self._stop.check()
                        file.write(chunk)
                        size += len(chunk)
                        came += len(chunk)
                        self._report(record, size)
            except CannotReachServer as error:
                if not size:
                    raise
                why = error.message
            else:
                if zipfile.is_zipfile(file):
                    return came
                why = "what came is not a whole zip file"
            if attempt < self._patience.tries:
                pause = self._patience.before(attempt)
                log.info("trying again in %.1f s: zip of %s (%s)", pause, record.place, why)
                self._stop.wait(pause)
        raise Truncated(
            f"the zip of the resource of {record.place} did not arrive whole: {why}",
            server=self._transport.server,
            advice="run again",
        )

    def extract(self, record: Record, partial: Partial) -> None:
        """Fill an empty partial file with a record's file, and check it.

        Raises
        ------
        NotFound, Truncated, DigestMismatch
            If the zip does not hold it, or holds something else.
        """
        entry = self._entries.get(record.path)
        if entry is None or self._zip is None:
            raise NotFound(
                f"the zip of its resource does not hold {record.place}",
                advice="the file may be listed but missing on the server's disk: ask its owner to "
                "refresh the catalog",
            )
        with _damage(record, self._transport.server), self._zip.open(entry) as stream:
            while block := stream.read(_BLOCK):
                partial.write(block)
        size_differs = record.size is not None and partial.size != record.size
        if size_differs or (record.digest and partial.digest != record.digest.lower()):
            raise DigestMismatch(
                f"{record.place} is not what the listing says: it has {partial.size} bytes and "
                f"MD5 {partial.digest}",
                server=self._transport.server,
                advice="the file may have changed on the server: run again, so that it is listed "
                "again",
            )


@contextmanager
def _damage(record: Record, server: str) -> Iterator[None]:
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise Truncated(
            f"{record.place} is damaged in the zip that the server sent: {error}",
            server=server,
            advice="run again",
        ) from error
