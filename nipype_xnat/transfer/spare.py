"""Connections that the files of one call do not need, and whether more of them bring more."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import IO

__all__ = ["Spare"]

_MOST = 4  # connections for one file
_PAYS = 1.25  # times the bytes a second of before: else what is shared (link, server) limits


class Spare:
    """What the files of one call share, where some of them may take several connections.

    More connections for one file may only take from the others: whether they bring more is seen in
    the bytes of all files together. So only one file at a time tries it, and where it brought
    nothing, it is not tried again before a file of the call is done.

    Parameters
    ----------
    scratch : callable
        Takes a name and returns an empty file, which is gone when it is closed.
    connections : int
        Most connections of the call.
    files : int
        How many files are to be fetched.
    """

    def __init__(
        self, scratch: Callable[[str], IO[bytes]], connections: int, files: int = 1
    ) -> None:
        self.scratch = scratch
        self._connections = connections
        self._files = files
        self._lock = threading.Lock()
        self._came = 0
        self._trying = False
        self._vain: int | None = None

    def one_less(self) -> None:
        """Note that a file is done."""
        with self._lock:
            self._files -= 1

    def came(self, size: int) -> None:
        """Note bytes of any file."""
        with self._lock:
            self._came += size

    @property
    def total(self) -> int:
        """Bytes of all files so far."""
        with self._lock:
            return self._came

    @property
    def share(self) -> int:
        """Connections that each file may have."""
        with self._lock:
            return min(_MOST, self._connections // max(1, self._files))

    def begin(self) -> bool:
        """Tell whether a file may try more connections now; if so, :meth:`end` has to follow."""
        with self._lock:
            if self._trying or self._vain == self._files:
                return False
            self._trying = True
            return True

    def end(self, before: float, after: float | None) -> bool:
        """Note what was seen; return whether it pays.

        Parameters
        ----------
        before, after : float
            Bytes a second of all files; None if it was not seen.
        """
        with self._lock:
            self._trying = False
            pays = after is None or after >= _PAYS * before
            self._vain = None if pays else self._files
            return pays
