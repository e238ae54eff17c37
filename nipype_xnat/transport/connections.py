"""Connections that hold a slot while they are open, and give it up when others need it more.

A process that works keeps its connections from one request to the next. While another process
waits, it gives up those that rest between two requests, at once when they did nothing for a moment,
and after a few seconds of work too, so that everybody has a turn. A thread looks after that; it
lives only while this process has a connection.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import get_encoding_from_headers
from urllib3.exceptions import EmptyPoolError

from .lifetime import watch_forks
from .slots import Slot, Slots, any_held, wait_for_release
from .streams import put_unread_aside, unread
from .waiting import look_up

__all__ = ["SharingAdapter", "seconds_waited"]

_LOOK = 0.25  # seconds between looks at what rests
_GLANCE = 0.05  # seconds for which it is not looked again whether others wait
_REST = 0.2  # seconds without a request after which a connection is given up if others wait
_TURN = 2.0  # seconds after which it is given up between two requests if others wait
_CROWDED = 1.0  # seconds of waiting for a connection of this process itself
_FORGOTTEN = 15.0  # seconds without a request after which it is given up in any case
_BLOCK = 1 << 18  # bytes of a body that are read and sent at a time


_own = threading.local()


def seconds_waited() -> float:
    """Return what passed between this thread's last request and the beginning of its answer.

    What it waited for a connection does not count.
    """
    seconds: float = _own.waited
    return seconds


class SharingAdapter(HTTPAdapter):
    """Makes connections to one server for requests.

    Parameters
    ----------
    slots : Slots
        What each connection needs one of.
    connections : int
        Most connections at once of this adapter; who needs one more waits.
    patience : float, optional
        Seconds to wait for a slot; for ever by default.
    """

    def __init__(self, slots: Slots, connections: int, patience: float | None = None) -> None:
        self._slots = slots
        self._patience = patience
        self._pool: Any = None
        super().__init__(pool_connections=1, pool_maxsize=connections, pool_block=True)

    def init_poolmanager(self, *args: Any, **values: Any) -> None:
        """Make what keeps connections; called by requests."""
        super().init_poolmanager(*args, **values)
        self._share(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **values: Any) -> Any:
        """Return what keeps connections over a proxy; called by requests."""
        manager = super().proxy_manager_for(proxy, **values)
        self._share(manager)
        return manager

    def get_connection_with_tls_context(self, *args: Any, **values: Any) -> Any:
        """Return what keeps the connections to the server; called by requests.

        Server, proxy and certificates of an adapter stay the same, so it is looked for once.
        """
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **values)
        return self._pool

    def build_response(self, request: Any, answer: Any) -> requests.Response:
        """Return an answer as requests has it, without its cookies; called by requests.

        Whoever sends takes them out of the answer itself.
        """
        found = requests.Response()
        found.status_code = answer.status
        found.reason = answer.reason
        found.headers = CaseInsensitiveDict(answer.headers)
        found.encoding = get_encoding_from_headers(found.headers)
        found.raw = answer
        found.url = request.url
        found.request = request
        return found

    def rests(self) -> bool:
        """Tell whether a connection is open that nobody uses."""
        resting = getattr(getattr(self._pool, "pool", None), "queue", ())
        return any(one is not None and one.sock is not None for one in tuple(resting))

    def close(self) -> None:
        """Close all connections; called by requests."""
        self._pool = None
        super().close()

    def _share(self, manager: Any) -> None:
        manager.pool_classes_by_scheme = {
            scheme: kind if issubclass(kind, _Pool) else self._sharing(kind)
            for scheme, kind in manager.pool_classes_by_scheme.items()
        }

    def _sharing(self, kind: Any) -> Any:
        values = {"slots": self._slots, "patience": self._patience}
        one = type("SharingConnection", (_Connection, kind.ConnectionCls), values)
        return type("SharingPool", (_Pool, kind), {"ConnectionCls": one, "slots": self._slots})


class _Connection:
    """What a connection of urllib3 does besides, in whichever class it has one."""

    slots: Slots
    patience: float | None
    slot: Slot | None = None
    taken = 0.0
    answers = 0
    sock: Any

    def __init__(self, *args: Any, **values: Any) -> None:
        values["blocksize"] = _BLOCK
        super().__init__(*args, **values)

    def connect(self) -> None:
        """Wait for a slot, and connect."""
        self.slot = self.slots.take(self.patience)
        self.taken = time.monotonic()
        try:
            super().connect()  # type: ignore[misc]
        except BaseException:
            self.close()
            raise
        # where the server ends the connection after its answer, the socket is open for longer than
        # this object says
        weakref.finalize(self.sock, self.slot.release).atexit = False
        watch_forks(self)
        _watch.begin()

    def getresponse(self, *args: Any, **values: Any) -> Any:
        """Note that a request was answered, and how late."""
        self.answers += 1
        began = time.monotonic()
        found = super().getresponse(*args, **values)  # type: ignore[misc]
        _own.waited = time.monotonic() - began
        return found

    def close(self) -> None:
        """Close, and give up the slot."""
        sock, slot = self.sock, self.slot
        self.slot = None
        try:
            super().close()  # type: ignore[misc]
        finally:
            if slot is not None and (sock is None or sock.fileno() == -1):
                slot.release()

    def after_fork(self) -> None:
        """Close the parent's connection in this child, without a word to the server."""
        if self.sock is not None and hasattr(self.sock, "detach"):
            with contextlib.suppress(OSError):
                # the number must not be closed twice, so the socket forgets it
                os.close(self.sock.detach())


class _Pool:
    """What a pool of urllib3 does besides."""

    slots: Slots
    pool: queue.LifoQueue[Any] | None

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        self._unwanted = 0.0  # when nobody waited
        _watch.add(self)

    def urlopen(self, *args: Any, **values: Any) -> Any:
        """Send a request; called by requests."""
        now = time.monotonic()
        if now - self._unwanted > _GLANCE:
            if self.slots.wanted():
                self.give_up(lambda one: now - one.taken > _TURN)
            else:
                self._unwanted = now
        values["pool_timeout"] = _CROWDED
        while True:
            try:
                return super().urlopen(*args, **values)  # type: ignore[misc]
            except EmptyPoolError:
                # all connections of this process are in use, perhaps by what nobody reads on
                put_unread_aside()
                look_up()

    def give_up(self, chosen: Callable[[Any], bool]) -> None:
        """Close connections that rest, where chosen."""
        pool = self.pool
        found: list[Any] = []
        with contextlib.suppress(queue.Empty):
            while pool is not None:
                found.append(pool.get(block=False))
        for one in reversed(found):
            if one is not None and one.sock is not None and chosen(one):
                one.close()
            assert pool is not None
            with contextlib.suppress(queue.Full):
                pool.put(one, block=False)


class _Watch:
    """Looks after the connections of this process, in a thread, while there are any."""

    def __init__(self) -> None:
        self.after_fork()
        watch_forks(self)

    def after_fork(self) -> None:
        """Forget those of the parent, and its thread."""
        self._lock = threading.Lock()
        self._pools: weakref.WeakSet[_Pool] = weakref.WeakSet()
        self._resting: weakref.WeakKeyDictionary[Any, tuple[int, float]] = (
            weakref.WeakKeyDictionary()
        )
        self._runs = False

    def add(self, pool: _Pool) -> None:
        """Look after a pool."""
        with self._lock:
            self._pools.add(pool)

    def begin(self) -> None:
        """Begin to look, if nobody does."""
        with self._lock:
            if not self._runs and any_held():
                self._runs = True
                threading.Thread(
                    target=self._look_on, name="nipype_xnat-connections", daemon=True
                ).start()

    def _look_on(self) -> None:
        while self._goes_on():
            wait_for_release(_LOOK)
            self._look()

    def _goes_on(self) -> bool:
        with self._lock:
            self._runs = any_held()
            return self._runs

    def _look(self) -> None:
        with self._lock:
            pools = list(self._pools)
        wanted = False
        for pool in pools:
            needed = pool.slots.wanted()
            wanted = wanted or needed
            pool.give_up(self._rested(_REST if needed else _FORGOTTEN))
        for stream in unread() if wanted else ():
            threading.Thread(target=stream.put_aside, daemon=True).start()

    def _rested(self, seconds: float) -> Callable[[Any], bool]:
        now = time.monotonic()

        def rested(one: Any) -> bool:
            answers, since = self._resting.get(one, (-1, now))
            if answers != one.answers:
                self._resting[one] = one.answers, now
                return False
            return now - since > seconds

        return rested


_watch = _Watch()
