"""Locks that save double work, and nothing more.

On network file systems a lock may be granted twice, never, or not at all. So a failure to lock is
ignored, and nobody waits longer than the holder visibly works.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ImportError:  # a system without flock
    fcntl = None  # type: ignore[assignment]

__all__ = ["holding"]

log = logging.getLogger("nipype_xnat.cache")

_STEP = 0.2  # seconds between looks at the holder's work
_PAUSE = 0.02  # seconds between tries


@contextmanager
def holding(
    path: Path | str,
    *,
    sign_of_life: Callable[[], object],
    patience: float,
    check: Callable[[], None],
) -> Iterator[bool]:
    """Hold a lock while the block runs, if that is possible.

    Parameters
    ----------
    path : pathlib.Path or str
        The lock file.
    sign_of_life : callable
        Returns something that changes while the holder works.
    patience : float
        Seconds without a sign of life after which the work is done without the lock.
    check : callable
        Called while waiting; may raise to stop.

    Yields
    ------
    bool
        Whether the lock is held.
    """
    held = _acquire(path, sign_of_life, patience, check)
    try:
        yield held is not None
    finally:
        if held is not None:
            _unlock(held)


def _acquire(
    path: Path | str,
    sign_of_life: Callable[[], object],
    patience: float,
    check: Callable[[], None],
) -> int | None:
    """Return the descriptor of the locked file, None where there is no lock."""
    if fcntl is None:
        return None
    # one system call for a lock that nobody holds: it is asked for each file that is fetched
    held = -1
    try:
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        if _wait(path, held, sign_of_life, patience, check):
            return held
    except OSError as error:
        log.debug("working without a lock: %s", error)
    except BaseException:
        os.close(held)
        raise
    if held >= 0:
        os.close(held)
    return None


def _wait(
    path: Path | str,
    held: int,
    sign_of_life: Callable[[], object],
    patience: float,
    check: Callable[[], None],
) -> bool:
    # nobody is looked at before he is in the way
    last: object = None
    since = looked = time.monotonic()
    check()
    while not _locks(held):
        time.sleep(min(_PAUSE, patience))
        check()
        now = time.monotonic()
        if now - looked < min(_STEP, patience):
            continue
        looked = now
        works = sign_of_life()
        if works != last:
            last, since = works, now
        elif now - since >= patience:
            log.info("no sign of life from the holder of %s: going on without it", path)
            return False
    return True


def _unlock(held: int) -> None:
    # closing would not do while a child that was forked meanwhile has it open too
    with contextlib.suppress(OSError):
        fcntl.flock(held, fcntl.LOCK_UN)
    with contextlib.suppress(OSError):
        os.close(held)


def _locks(held: int) -> bool:
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True
