"""Asking for many sessions in one request, and for fewer where that is refused.

XNAT takes comma lists of experiments in the addresses of resources and files. How many fit is
limited by the length of an address (Tomcat refuses header blocks over 8 KiB) and by the time that
a proxy waits for an answer, mostly a minute. So the first batches are small, and by the time that
they took the next ones are as large as the address allows, half as large where the server is slow,
and smaller only where even that would take too long. A batch that fails is halved.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, islice
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from ..address import ADDRESS_LIMIT
from ..errors import (
    AnswerError,
    BadRequest,
    CannotReachServer,
    NotAllowed,
    NotFound,
    ServerBroken,
    ServerTimeout,
)
from ..transport import Around, Transport
from .parallel import WORKERS, in_parallel

__all__ = ["Batches", "Lists", "Problem", "lists_of"]

log = logging.getLogger("nipype_xnat.select")

T = TypeVar("T")
R = TypeVar("R")

_LEAST_ADDRESS = 500
_FIRST = 75
# seconds: what a batch may take without a thought, and what it may take at most
_COMFORTABLE = 5.0
_LONGEST = 20.0
_IN_FLIGHT = 4
# what says nothing of lists: the server was busy, or did not answer in time
_PASSING = (None, 429, 502, 503, 504)

_REFUSALS = (ServerBroken, ServerTimeout, NotFound, NotAllowed, BadRequest)


@dataclass(frozen=True)
class Problem(Generic[T]):
    """A member that could not be asked for, and why."""

    member: T
    error: AnswerError | CannotReachServer


@dataclass
class Lists:
    """What is known of lists in the addresses of a server.

    Parameters
    ----------
    refused : bool
        Whether it refuses them.
    taken : bool
        Whether it has taken one.
    """

    refused: bool = False
    taken: bool = False


_known: WeakKeyDictionary[Transport, Lists] = WeakKeyDictionary()


def lists_of(transport: Transport) -> Lists:
    """Return what a connection has learnt of lists: a server that refuses them is asked once."""
    while isinstance(transport, Around):
        transport = transport.inner
    return _known.setdefault(transport, Lists())


class Batches(Generic[T, R]):
    """Ask for many members in as few requests as the server takes.

    Parameters
    ----------
    ask : callable
        Gets a list of members, sends one request, returns its rows.
    length : callable
        Gets a list of members, returns the length of the address that asks for them.
    on_problem : callable, optional
        Gets a :class:`Problem` for a member that fails even when asked for alone; without it the
        error is raised.
    lists : Lists, optional
        What is known of the server, and is learnt here.
    clock : callable
        Seconds that never go back.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[T]], list[R]],
        length: Callable[[Sequence[T]], int],
        on_problem: Callable[[Problem[T]], None] | None = None,
        lists: Lists | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._length = length
        self._on_problem = on_problem
        self._lists = lists or Lists()
        self._clock = clock
        self._trying = threading.Lock()
        self._limit = ADDRESS_LIMIT
        self._most = ADDRESS_LIMIT
        self._failed = 0
        # seconds for each member of the last batch, and members that filled the last address
        self._each: float | None = None
        self._fitted = _FIRST

    def rows(self, members: Iterable[T], few: bool = False) -> Iterator[R]:
        """Yield the rows of all members, batch by batch, in order.

        Members are taken from the iterable only as batches are sent.

        Parameters
        ----------
        members : iterable
        few : bool
            Whether the first rows may be all that is wanted: then the first batch goes alone.
        """
        waiting: deque[T] = deque()
        source = iter(members)
        running: deque[Future[list[R]]] = deque()
        pool = ThreadPoolExecutor(max(_IN_FLIGHT, WORKERS), thread_name_prefix="xnat-batches")
        try:
            at_once = 1 if few else self._at_once
            while True:
                while len(running) < at_once:
                    batch = self._next_batch(waiting, source)
                    if not batch:
                        break
                    running.append(pool.submit(self._careful, batch))
                if not running:
                    return
                yield from running.popleft().result()
                at_once = self._at_once
        finally:
            for future in running:
                future.cancel()
            pool.shutdown(wait=True, cancel_futures=True)

    @property
    def _at_once(self) -> int:
        return WORKERS if self._lists.refused else _IN_FLIGHT

    def _next_batch(self, waiting: deque[T], source: Iterator[T]) -> list[T]:
        if self._lists.refused:
            size = 1
        elif self._each is None:
            size = min(_FIRST, self._fitting(waiting, source, _FIRST))
        else:
            full = self._fitting(waiting, source, self._most)
            comfortable, longest = _COMFORTABLE / self._each, _LONGEST / self._each
            size = min(full, int(max(comfortable, min(full / 2, longest))))
        batch = _first_of(waiting, source, max(1, size))
        for _ in batch:
            waiting.popleft()
        return batch

    def _fitting(self, waiting: deque[T], source: Iterator[T], most: int) -> int:
        """Return how many members such as the next ones, at most so many, fit into an address."""
        size = min(self._fitted, most)
        while True:
            batch = _first_of(waiting, source, size)
            if not batch:
                return size
            length = self._length(batch)
            share = max(1, int(len(batch) * self._limit / length))
            if length > self._limit and len(batch) > 1:
                # the share that fits, at least one less
                size = min(share, len(batch) - 1)
                continue
            if len(batch) == size < most and share > size + size // 50:
                size = min(share, most)
                continue
            self._fitted = size if len(batch) == size else share
            return min(self._fitted, most)

    def _careful(self, batch: Sequence[T]) -> list[R]:
        started = self._clock()
        try:
            found = self._ask(batch)
        except _REFUSALS as error:
            return self._halved(batch, error)
        elapsed = max(self._clock() - started, 1e-3)
        if len(batch) > 1:
            self._lists.taken = True
        if len(batch) >= min(_FIRST, self._most):
            # what is asked on the side, or the end of a cohort, tells little
            self._each = elapsed / len(batch)
            self._most += max(1, self._most // 4)
        return found

    def _halved(self, batch: Sequence[T], error: AnswerError | ServerTimeout) -> list[R]:
        if len(batch) == 1:
            if self._on_problem is None:
                raise error
            self._failed += 1
            self._on_problem(Problem(batch[0], error))
            return []
        log.info(
            "a request for %d sessions failed, asking for fewer: %s", len(batch), error.message
        )
        failed = self._failed
        found: list[R] = []
        rest = batch
        if len(batch) > 2 and isinstance(error, BadRequest | NotAllowed):
            # one of the batches that were asked for at once finds out whether two are taken
            with self._trying:
                if not (self._lists.taken or self._lists.refused):
                    found, rest = self._careful(batch[:2]), batch[2:]
        if self._lists.refused:
            alone = in_parallel(self._careful, ([member] for member in rest))
            return [*found, *chain.from_iterable(alone)]
        middle = len(rest) // 2
        for part in (rest[:middle], rest[middle:]):
            if part:
                found = [*found, *self._careful(part)]
        if self._failed == failed:
            # no member is to blame: it was the list
            if len(batch) == 2 and not self._lists.taken and error.status not in _PASSING:
                log.info("this server refuses lists: each session is asked for by itself")
                self._lists.refused = True
            elif error.status in (400, 414, 431):
                least = max(_LEAST_ADDRESS, self._length(batch) * 3 // 4)
                self._limit = min(self._limit, least)
            else:
                self._most = max(1, min(self._most, middle))
        return found


def _first_of(waiting: deque[T], source: Iterator[T], number: int) -> list[T]:
    """Return the next members; they stay in line."""
    waiting.extend(islice(source, max(0, number - len(waiting))))
    return list(islice(waiting, number))
