"""What must happen to connections when a process forks or ends.

Workers of a multiprocessing pool leave without running ``atexit`` handlers, but run
multiprocessing's finalizers; ordinary processes do it the other way round. A child of a fork must
neither use nor close its parent's login session.
"""

from __future__ import annotations

import atexit
import os
import weakref
from collections.abc import Callable
from multiprocessing import util
from typing import Protocol

__all__ = ["at_exit", "watch_forks"]


class _Forkable(Protocol):
    def after_fork(self) -> None: ...


_watched: weakref.WeakSet[_Forkable] = weakref.WeakSet()
_closers: list[tuple[int, weakref.WeakMethod[Callable[[], None]]]] = []
_hooked_in = 0


def watch_forks(thing: _Forkable) -> None:
    """Call ``thing.after_fork()`` in each child process that is forked from now on."""
    _watched.add(thing)


def at_exit(close: Callable[[], None]) -> None:
    """Call a bound method when this process ends, if its object still lives then.

    Children of a fork do not call it.
    """
    global _hooked_in
    pid = os.getpid()
    _closers.append((pid, weakref.WeakMethod(close)))
    if _hooked_in != pid:
        if _hooked_in == 0:
            atexit.register(_close_all)
        # a worker of a pool forgets its parent's finalizers when it starts: one for each process
        util.Finalize(None, _close_all, exitpriority=100)
        _hooked_in = pid


def _close_all() -> None:
    pid = os.getpid()
    while _closers:
        owner, reference = _closers.pop()
        close = reference()
        if owner == pid and close is not None:
            close()


def _in_child() -> None:
    _closers.clear()
    for thing in list(_watched):
        thing.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
