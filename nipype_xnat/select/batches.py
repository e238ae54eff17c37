"""Asking for many sessions in one request, and for fewer where that is refused.

XNAT takes comma lists of experiments in the addresses of resources and files. How many fit is
limited by the length of an address (Tomcat refuses header blocks over 8 KiB) and by the time that
the server needs for each resource, so batches start small, grow by the time that was measured, and
are halved when one fails.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from ..errors import (
    AnswerError,
    BadRequest,
    CannotReachServer,
    NotFound,
    ServerBroken,
    ServerTimeout,
)

__all__ = ["ADDRESS_LIMIT", "Batches", "Problem"]

log = logging.getLogger("nipype_xnat.select")

T = TypeVar("T")
R = TypeVar("R")

ADDRESS_LIMIT = 7000
"""Characters of an address; 8 KiB is the limit of a header block, cookies included."""

_FIRST = 50
_TARGET_SECONDS = 4.0
# of several requests at once each takes longer: that alone is no reason to ask for less
_MUCH_LONGER = 0.5
_MOST_GROWTH = 8
_IN_FLIGHT = 4


@dataclass(frozen=True)
class Problem(Generic[T]):
    """A member that could not be asked for, and why."""

    member: T
    error: AnswerError | CannotReachServer


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
    """

    def __init__(
        self,
        ask: Callable[[Sequence[T]], list[R]],
        length: Callable[[Sequence[T]], int],
        on_problem: Callable[[Problem[T]], None] | None = None,
    ) -> None:
        self._ask = ask
        self._length = length
        self._on_problem = on_problem
        self._size = _FIRST
        self._limit = ADDRESS_LIMIT

    def rows(self, members: Iterable[T]) -> Iterator[R]:
        """Yield the rows of all members, batch by batch, in order.

        Members are taken from the iterable only as batches are sent.
        """
        waiting = deque(iter(()), maxlen=None)  # type: deque[T]
        source = iter(members)
        running: deque[Future[list[R]]] = deque()
        pool = ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="xnat-batches")
        try:
            # the first batch goes alone: its time tells how large the next ones may be
            ahead = 1
            while True:
                while len(running) < ahead:
                    batch = self._next_batch(waiting, source)
                    if not batch:
                        break
                    running.append(pool.submit(self._careful, batch))
                if not running:
                    return
                yield from running.popleft().result()
                ahead = _IN_FLIGHT
        finally:
            for future in running:
                future.cancel()
            pool.shutdown(wait=True, cancel_futures=True)

    def _next_batch(self, waiting: deque[T], source: Iterator[T]) -> list[T]:
        size = self._size
        while len(waiting) < size:
            member = next(source, None)
            if member is None:
                break
            waiting.append(member)
        batch = list(waiting)[:size]
        while len(batch) > 1 and self._length(batch) > self._limit:
            # the share that fits, at least one less
            fits = int(len(batch) * self._limit / self._length(batch))
            batch = batch[: max(1, min(fits, len(batch) - 1))]
        for _ in batch:
            waiting.popleft()
        return batch

    def _careful(self, batch: Sequence[T]) -> list[R]:
        started = time.monotonic()
        try:
            found = self._ask(batch)
        except (ServerBroken, ServerTimeout, NotFound, BadRequest) as error:
            return self._halved(batch, error)
        elapsed = max(time.monotonic() - started, 1e-3)
        if len(batch) >= min(self._size, _FIRST):
            growth = min(_MOST_GROWTH, _TARGET_SECONDS / elapsed)
            if growth > 1 or growth < _MUCH_LONGER:
                self._size = max(1, int(len(batch) * growth))
        return found

    def _halved(
        self, batch: Sequence[T], error: ServerBroken | ServerTimeout | NotFound | BadRequest
    ) -> list[R]:
        if len(batch) == 1:
            if self._on_problem is None:
                raise error
            self._on_problem(Problem(batch[0], error))
            return []
        log.info(
            "a request for %d sessions failed, asking for fewer: %s", len(batch), error.message
        )
        middle = len(batch) // 2
        if getattr(error, "status", None) in (400, 414, 431):
            self._limit = max(500, min(self._limit, self._length(batch)) * 3 // 4)
        self._size = max(1, min(self._size, middle))
        return [*self._careful(batch[:middle]), *self._careful(batch[middle:])]
