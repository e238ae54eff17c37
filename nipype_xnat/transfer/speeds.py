"""What small files of a server cost so far: each by itself, and as tars of many.

A tar saves a request for each file and costs the server's packing, and one connection carries all
of it. Which is faster depends on server and network, so it is measured while files are fetched
anyway, and shared by all threads of a process.
"""

from __future__ import annotations

import threading

from ..transport.lifetime import watch_forks

__all__ = ["LARGEST", "MOST", "Speeds", "speeds_of"]

LARGEST = 1 << 20
"""Mean bytes of a file up to which a tar is thought of: half a file of it cannot be resumed."""

MOST = 512 << 20
"""Bytes of files of one tar: a proxy may not let an answer last for ever."""

# before anything was measured; the tar's is an optimist's, so that it is tried
_ONE = 0.03  # seconds
_TURN = 0.002  # of the interpreter, for each file by itself, however many connections there are
_FAR = 0.2  # seconds of a round trip to the other side of the world
_START = 0.03  # seconds until a tar begins to come
_TAR = 100e6  # bytes a second
_FILE = 16 << 10  # bytes of a tar that take as long as a server's and a disk's care for one file
_NEW = 0.3  # weight of a new measurement
_VAIN = 10
_WORST = 1e-5  # seconds a byte; what would be slower is never tried again
# resources of one tar: a server reads their catalogs before it begins, and a proxy waits a minute
_FIRST, _AT_LEAST = 100, 4
_SOON = 5.0  # seconds
_FADES = 0.97  # the way that is not taken seems less slow each time, until it is tried again


class Speeds:
    """What small files of one server cost."""

    def __init__(self) -> None:
        self.after_fork()
        self._one = _ONE
        self._one_seen = False
        self._tar = 1 / _TAR
        self._resources = _FIRST
        watch_forks(self)

    def after_fork(self) -> None:
        """Forget who was noting something in the parent."""
        self._lock = threading.Lock()

    def choose_tar(self, files: int, size: int, tars: int, at_once: int, connections: int) -> bool:
        """Choose tars where they are likely to be faster; the other way seems better next time.

        Parameters
        ----------
        files, size : int
            How many files, and their bytes in all.
        tars, at_once : int
            How many tars they would be, and how many of these at once.
        connections : int
            Most requests at once for single files.
        """
        with self._lock:
            one_by_one = files * max(self._one / min(connections, files), _TURN)
            tarred = (tars * _START + (size + files * _FILE) * self._tar) / min(at_once, tars)
            if tarred < one_by_one:
                self._one *= _FADES
                return True
            self._tar *= _FADES
            return False

    def one_took(self, seconds: float) -> None:
        """Note what a file took, from the request until it was kept."""
        with self._lock:
            self._one += _NEW * (seconds - self._one)
            self._one_seen = True

    def tar_took(self, seconds: float, files: int, size: int) -> None:
        """Note what a tar took until its files were kept: how many, and their bytes in all."""
        with self._lock:
            each = min(max(seconds - _START, 0.0) / (size + files * _FILE), _WORST)
            self._tar += (2 * _NEW) * (each - self._tar)

    def tar_began(self, seconds: float, resources: int) -> None:
        """Note after what time a tar of so many resources began to come."""
        with self._lock:
            if not self._one_seen:  # the way to the server is as long for a file
                self._one = max(self._one, min(seconds, _FAR))
            fit = int(_SOON * resources / max(seconds, 1e-3))
            self._resources = max(_AT_LEAST, min(fit, 2 * max(resources, self._resources)))

    def no_tar(self) -> None:
        """Note that a tar was asked for in vain."""
        with self._lock:
            self._tar = min(self._tar * _VAIN, _WORST)
            self._resources = max(_AT_LEAST, self._resources // 2)

    @property
    def resources(self) -> int:
        """Resources of which one tar may be asked for."""
        with self._lock:
            return self._resources


_known: dict[str, Speeds] = {}


def speeds_of(server: str) -> Speeds:
    """Return what this process knows of a server."""
    return _known.get(server) or _known.setdefault(server, Speeds())
