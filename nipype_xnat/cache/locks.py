"""Locks that save double work, and nothing more.

On network file systems a lock may be granted twice, never, or not at all. So a failure to lock is
ignored, and nobody waits longer than the holder visibly works.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

__all__ = ["holding"]

log = logging.getLogger("nipype_xnat.cache")

_STEP = 0.2  # seconds between looks at the holder's work


@contextmanager
def holding(
    path: Path,
    *,
    sign_of_life: Callable[[], object],
    patience: float,
    check: Callable[[], None],
) -> Iterator[bool]:
    """Hold a lock while the block runs, if that is possible.

    Parameters
    ----------
    path : pathlib.Path
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
    lock = FileLock(str(path))
    held = _acquire(lock, sign_of_life, patience, check)
    try:
        yield held
    finally:
        if held:
            try:
                lock.release(force=True)
            except OSError as error:
                log.debug("cannot unlock %s: %s", path, error)


def _acquire(
    lock: FileLock,
    sign_of_life: Callable[[], object],
    patience: float,
    check: Callable[[], None],
) -> bool:
    # nobody is looked at before he is in the way
    last: object = None
    since = time.monotonic()
    while True:
        check()
        try:
            lock.acquire(timeout=min(_STEP, patience), poll_interval=0.02)
            return True
        except Timeout:
            now = sign_of_life()
            if now != last:
                last, since = now, time.monotonic()
            elif time.monotonic() - since >= patience:
                log.info("no sign of life from the holder of %s: going on without it", lock)
                return False
        except (OSError, NotImplementedError) as error:
            log.debug("working without a lock: %s", error)
            return False
