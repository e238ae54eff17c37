"""Small files are read while the archive is asked what it has: that takes a few round trips."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from types import TracebackType

from ..errors import XNATError
from .digests import Source

__all__ = ["ReadingAhead"]

_SMALL = 1 << 20  # bytes of a file: who leaves waits for one at most
_ROOM = 16 << 20  # bytes that are held until they are sent


class ReadingAhead:
    """A context in which a thread reads small files, in the order in which a zip has them.

    Parameters
    ----------
    sources : iterable of Source
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        small = [one for one in sources if 0 < one.size <= _SMALL and not one.hashed]
        self._sources = sorted(small, key=lambda source: source.name)
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._read, name="nipype_xnat-ahead", daemon=True)

    def __enter__(self) -> ReadingAhead:
        if len(self._sources) > 1:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left.set()
        if self._thread.is_alive():
            self._thread.join()

    def _read(self) -> None:
        room = _ROOM
        for source in self._sources:
            room -= source.size
            if room < 0 or self._left.is_set():
                return
            try:
                source.hold()
            except XNATError:
                # it is told when the file is wanted
                return
