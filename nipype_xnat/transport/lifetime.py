"""What must happen to connections when a process forks or ends.

Workers of a multiprocessing pool leave without running ``atexit`` handlers, but run
multiprocessing's finalizers; ordinary processes do it the other way round. A child of a fork must
neither use nor close its parent's login session.
"""

from __future__ import annotations

import atexit
import os
import weakref
from collections import deque
from typing import Protocol

__all__ = ["abandon", "at_exit", "end_abandoned", "watch_forks"]


class _Forkable(Protocol):
    def after_fork(self) -> None: ...


class _Endable(Protocol):
    def end(self) -> None: ...


_watched: weakref.WeakSet[_Forkable] = weakref.WeakSet()
_open: weakref.WeakSet[_Endable] = weakref.WeakSet()
_abandoned: deque[_Endable] = deque()
_hooked_in = 0


def watch_forks(thing: _Forkable) -> None:
    """Call ``thing.after_fork()`` in each child process that is forked from now on."""
    _watched.add(thing)


def at_exit(session: _Endable) -> None:
    """End a session when this process ends, if it still lives then.

    Children of a fork do not end it.
    """
    global _hooked_in
    from multiprocessing import util  # not needed before there is a session, and slow to import

    pid = os.getpid()
    _open.add(session)
    if _hooked_in != pid:
        if _hooked_in == 0:
            atexit.register(_end_all)
        # a pool's worker forgets its parent's finalizers, so each process has its own
        util.Finalize(None, _end_all, exitpriority=100)
        _hooked_in = pid


def abandon(session: _Endable) -> None:
    """Note a session whose owner is gone; the garbage collector must not wait for a network."""
    _abandoned.append(session)


def end_abandoned() -> None:
    """End the sessions whose owners are gone."""
    while True:
        try:
            session = _abandoned.popleft()
        except IndexError:  # all are taken, some perhaps by another thread meanwhile
            return
        session.end()


def _end_all() -> None:
    end_abandoned()
    for session in list(_open):
        session.end()


def _in_child() -> None:
    _open.clear()
    _abandoned.clear()
    for thing in list(_watched):
        thing.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
