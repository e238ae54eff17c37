"""What small files of a server cost so far: each by itself, and as the zip of their resource.

A zip saves a request for each file and costs the server's packing, and one connection carries all
of it. Which is faster depends on server and network, so it is measured while files are fetched
anyway, and shared by all threads of a process.
"""

from __future__ import annotations

import threading

__all__ = ["LARGEST", "MOST", "Speeds", "speeds_of"]

LARGEST = 1 << 20
"""Mean bytes of a file up to which a zip is thought of: a broken zip has to start over."""

MOST = 512 << 20
"""Bytes of files of one zip: it needs as much room beside the files."""

# before anything was measured; the zip's is an optimist's, so that it is tried
_ONE = 0.03  # seconds
_START = 0.03  # seconds until a zip begins to come
_ZIP = 100e6  # bytes a second
_NEW = 0.3  # weight of a new measurement
_FADES = 0.9  # the way that is not taken seems less slow each time, until it is tried again


class Speeds:
    """What small files of one server cost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._one = _ONE
        self._zip = 1 / _ZIP

    def choose_zip(self, files: int, size: int, zips: int, connections: int) -> bool:
        """Choose zips where they are likely to be faster; the other way seems better next time.

        Parameters
        ----------
        files, size : int
            How many files, and their bytes in all.
        zips : int
            How many resources they are of.
        connections : int
            Most requests at once.
        """
        with self._lock:
            one_by_one = files * self._one / min(connections, files)
            zipped = (zips * _START + size * self._zip) / min(connections, zips)
            if zipped < one_by_one:
                self._one *= _FADES
                return True
            self._zip *= _FADES
            return False

    def one_took(self, seconds: float) -> None:
        """Note what a file took, from the request until it was kept."""
        with self._lock:
            self._one += _NEW * (seconds - self._one)

    def zip_took(self, seconds: float, size: int) -> None:
        """Note what a zip took until its files were kept, and their bytes."""
        with self._lock:
            each = max(seconds - _START, 0.0) / max(size, 1)
            self._zip += (2 * _NEW) * (each - self._zip)


_known: dict[str, Speeds] = {}
_lock = threading.Lock()


def speeds_of(server: str) -> Speeds:
    """Return what this process knows of a server."""
    with _lock:
        return _known.setdefault(server, Speeds())
