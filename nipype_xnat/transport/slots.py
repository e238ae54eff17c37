"""Connections to one server, counted over all processes of one user on one machine.

A slot is a locked file in a folder of the user's own. The system unlocks what a killed process had
locked, so there is nothing to clean up. Who finds no slot free stands in line, as the system keeps
it for those who wait for a lock: for that of a second file, whose holder takes the next slot that
is given up. A slot that is given up is removed, under its lock; a lock therefore counts only where
its file still has its name.

The folder's place is fixed. Schedulers give each job other environment variables and another
temporary folder, and processes that look in different places would count apart.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import queue
import stat
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from .lifetime import watch_forks
from .waiting import look_up

try:
    import fcntl
except ImportError:  # a system without flock
    fcntl = None  # type: ignore[assignment]

__all__ = ["MACHINE_CONNECTIONS", "PLACES", "Slot", "Slots", "any_held", "wait_for_release"]

log = logging.getLogger("nipype_xnat.transport")

MACHINE_CONNECTIONS = 16
"""Most connections to one server of all processes of a user on one machine, unless told."""

PLACES = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108  (the folder in it is proven to be ours)
"""Where the folder may be: the first place that can be used, the same for every process."""

_FRESH = 1.0  # seconds for which a word of the first in line counts
_STUCK = 5.0  # seconds after which the first in line is not relied on (it may be stopped)
_TELL = 10.0  # seconds of waiting that are told
_LOOK_UP = 1.0


class Slot:
    """The right to one connection.

    Parameters
    ----------
    path : Path, optional
        The file; none where nothing is counted.
    held : int
        Its locked descriptor.
    """

    def __init__(self, path: Path | None = None, held: int = -1) -> None:
        self._path = path
        self._pid = os.getpid()
        # taken out by one atomic step: the garbage collector may give it up within a release
        self._held = [] if path is None else [held]

    def release(self) -> None:
        """Give it up; a second time, or in a child of a fork, nothing happens."""
        try:
            held = self._held.pop()
        except IndexError:
            return
        if os.getpid() == self._pid and self._path is not None:
            _unlock(self._path, held)
            _own.released.put(None)


class Slots:
    """The slots of one server.

    Parameters
    ----------
    server : str
        Its address; scheme, host and port count.
    most : int
        How many there are; 0 means that nothing is counted. Processes that are told different
        numbers share the lower ones.
    places : sequence of Path
        Where the folder of this user may be.
    """

    def __init__(
        self,
        server: str,
        most: int = MACHINE_CONNECTIONS,
        places: Sequence[Path] = PLACES,
    ) -> None:
        parts = urlsplit(server)
        port = parts.port or {"https": 443}.get(parts.scheme, 80)
        self.host = f"{parts.scheme}://{parts.hostname}:{port}"
        self.most = most
        self._places = tuple(places)
        self._key = hashlib.sha256(self.host.encode()).hexdigest()[:20]

    def take(self, patience: float | None = None) -> Slot:
        """Return a slot; wait for one that is given up.

        Parameters
        ----------
        patience : float, optional
            Seconds to wait; for ever by default.

        Raises
        ------
        TimeoutError
            If none was given up in that time.
        """
        folder = _folder(self._places) if self.most else None
        if folder is None:
            return Slot()
        try:
            # who comes later goes to the end of the line
            slot = None if self.wanted() else self._free(folder)
            return slot or self._in_line(folder, patience)
        except TimeoutError:
            raise
        except OSError as error:
            _say_once(f"{error.filename or folder}: {error.strerror}")
            return Slot()

    def _in_line(self, folder: Path, patience: float | None) -> Slot:
        started = looked = told = time.monotonic()
        with _Line(self._line(folder)) as line:
            while True:
                waited = time.monotonic() - started
                if line.first or (waited > _STUCK and not self.wanted()):
                    if slot := self._free(folder):
                        return slot
                    line.say_that_one_waits()
                if patience is not None and waited > patience:
                    raise TimeoutError(f"no connection was given up in {patience:g} s")
                if started + waited - looked > _LOOK_UP:
                    looked = started + waited
                    look_up()
                if started + waited - told > _TELL:
                    told += 6 * _TELL
                    self._tell(folder, waited)
                line.pause(0.01 if waited < 1 else 0.03)

    def wanted(self) -> bool:
        """Tell whether a process waits for a slot."""
        if not self.most:
            return False
        for place in self._places:
            try:
                found = self._line(_named(place)).stat()
            except OSError:
                continue
            # an empty one is of somebody who has not had to wait
            return bool(found.st_size) and time.time() - found.st_mtime < _FRESH
        return False

    def _line(self, folder: Path) -> Path:
        return folder / f"{self._key}.line"

    def _free(self, folder: Path) -> Slot | None:
        # the highest first: the lowest may be all that others know of
        for number in reversed(range(self.most)):
            path = folder / f"{self._key}.{number}"
            held = _locked(path)
            if held is not None:
                os.pwrite(held, f"{os.getpid()}\n".encode(), 0)
                return Slot(path, held)
        return None

    def _tell(self, folder: Path, waited: float) -> None:
        holders = set()
        for number in range(self.most):
            with contextlib.suppress(OSError):
                holders.add((folder / f"{self._key}.{number}").read_text().strip())
        log.info(
            "waiting since %.0f s for one of the %d connections to %s, held by the processes %s",
            waited,
            self.most,
            self.host,
            ", ".join(sorted(filter(None, holders))),
        )


class _Line:
    """A place in the line.

    The system wakes who is next, so those who wait do nothing; a thread of its own waits, since a
    wait for a lock cannot be ended.

    Parameters
    ----------
    path : Path
        The file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = _opened(path)
        self._turn = threading.Event()
        self._lock = threading.Lock()
        self._left = False

    def __enter__(self) -> _Line:
        threading.Thread(target=self._wait, name="nipype_xnat-line", daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        with self._lock:
            self._left = True
            if self.first:
                self._leave()

    def _wait(self) -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_EX)
        with self._lock:
            self._turn.set()
            if self._left:
                self._leave()

    def _leave(self) -> None:
        with contextlib.suppress(OSError):
            os.ftruncate(self._file, 0)
        _closed(self._file)

    @property
    def first(self) -> bool:
        """Whether the next slot is for this one."""
        return self._turn.is_set()

    def say_that_one_waits(self) -> None:
        """Let those who have connections know."""
        if self.first:
            os.pwrite(self._file, b"!", 0)

    def pause(self, seconds: float) -> None:
        """Sleep until it makes sense to look for a slot."""
        if self.first:
            time.sleep(seconds)
        else:
            self._turn.wait(_LOOK_UP)


def any_held() -> bool:
    """Tell whether this process holds a slot, or a place at the head of a line."""
    return bool(_own.open)


def wait_for_release(seconds: float) -> None:
    """Wait until this process gives up a slot, but no longer than some seconds."""
    with contextlib.suppress(queue.Empty):
        _own.released.get(timeout=seconds)


class _Own:
    """The locked files of this process; a child of a fork must not keep them locked."""

    def __init__(self) -> None:
        self.open: set[int] = set()
        self.after_fork()
        watch_forks(self)

    def after_fork(self) -> None:
        """Close what is the parent's, which leaves it locked there."""
        for held in self.open:
            with contextlib.suppress(OSError):
                os.close(held)
        self.open = set()
        # one that may be used by the garbage collector in the middle of a use
        self.released: queue.SimpleQueue[None] = queue.SimpleQueue()


_own = _Own()
_said: set[str] = set()


def _say_once(why: str) -> None:
    if why not in _said:
        _said.add(why)
        log.warning(
            "connections are counted in this process only, not over all of this machine: %s", why
        )


def _named(place: Path) -> Path:
    return place / f"nipype_xnat-{os.getuid()}"


def _folder(places: Sequence[Path]) -> Path | None:
    """Return the folder of this user, made if need be; None where there can be none."""
    if fcntl is None:
        _say_once("this system has no flock")
        return None
    refused = []
    for place in places:
        folder = _named(place)
        try:
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)
            found = folder.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
                refused.append(f"{folder} is somebody else's")
                continue
            if found.st_mode & 0o077:
                folder.chmod(0o700)
        except OSError as error:
            refused.append(f"{folder}: {error.strerror}")
            continue
        return folder
    _say_once("; ".join(refused))
    return None


def _opened(path: Path) -> int:
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    _own.open.add(held)
    return held


def _closed(held: int) -> None:
    _own.open.discard(held)
    with contextlib.suppress(OSError):
        # closing would not do while a child that was forked a moment ago has it open too
        fcntl.flock(held, fcntl.LOCK_UN)
    with contextlib.suppress(OSError):
        os.close(held)


def _locked(path: Path) -> int | None:
    """Lock a file, made if need be, and return its descriptor; None where another one has it."""
    for _ in range(3):
        held = _opened(path)
        ours = False
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = _has_its_name(held, path)
        except BlockingIOError:
            return None
        finally:
            if not ours:
                _own.open.discard(held)
                os.close(held)
        if ours:
            return held
    return None


def _has_its_name(held: int, path: Path) -> bool:
    """Tell whether a file is still the one that its name leads to."""
    mine = os.fstat(held)
    try:
        there = path.lstat()
    except FileNotFoundError:
        return False
    return (mine.st_ino, mine.st_dev) == (there.st_ino, there.st_dev)


def _unlock(path: Path, held: int) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
    _closed(held)
