"""Files whose names cannot stand in an address: out of the zip of their resource."""

from __future__ import annotations

import logging
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from ..cache import Partial
from ..errors import CannotReachServer, NotFound, Truncated
from ..records import Record
from ..transport import Request, Transport
from .decision import Action
from .patience import Patience, Stop

__all__ = ["extract", "receive_zip"]

log = logging.getLogger("nipype_xnat.transfer")

_BLOCK = 1 << 20
# SESSION/scans/1-TYPE/resources/LABEL/files/PATH: the layout that a server uses unless asked
# for another one
_ENTRY = re.compile(r"^(?:.*?/)?resources/[^/]+/files/(.+)$", re.S)


def receive_zip(
    transport: Transport,
    record: Record,
    partial: Partial,
    *,
    patience: Patience,
    stop: Stop,
    report: Callable[[int, int | None, Action], None],
) -> int:
    """Fill a partial file with the zip of a record's resource, and return the bytes that came.

    Such an answer has no length and cannot be resumed, so each attempt starts over.
    """
    request = Request(
        "GET", (record.resource / "files").ask(format="zip"), expect="bytes", repeatable=True
    )
    came = 0
    for attempt in range(1, patience.tries + 1):
        stop.check()
        partial.start_over()
        try:
            with transport.send(request) as answer:
                for chunk in answer.stream():
                    stop.check()
                    came += len(chunk)
                    partial.write(chunk)
                    report(partial.size, None, Action.DOWNLOAD)
        except CannotReachServer as error:
            if not partial.size:
                raise
            why = error.message
        else:
            partial.seal()
            if zipfile.is_zipfile(partial.path):
                return came
            partial.reopen()
            why = "what came is not a whole zip file"
        if attempt < patience.tries:
            pause = patience.before(attempt)
            log.info("trying again in %.1f s: zip of %s (%s)", pause, record.place, why)
            stop.wait(pause)
    raise Truncated(
        f"the zip of the resource of {record.place} did not arrive whole: {why}",
        server=transport.server,
        advice="run again",
    )


def extract(archive: Path, record: Record, partial: Partial) -> None:
    """Fill a partial file with a record's file out of the zip of its resource."""
    with zipfile.ZipFile(archive) as bundle:
        entries = [
            entry
            for entry in bundle.infolist()
            if (match := _ENTRY.match(entry.filename)) and match[1] == record.path
        ]
        if not entries:
            raise NotFound(
                f"the zip of its resource does not hold {record.place}",
                advice="the file may be listed but missing on the server's disk: ask its owner to "
                "refresh the catalog",
            )
        with bundle.open(entries[0]) as stream:
            while block := stream.read(_BLOCK):
                partial.write(block)
