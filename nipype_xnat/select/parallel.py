"""A few calls at once, with their answers in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

__all__ = ["WORKERS", "in_parallel"]

T = TypeVar("T")
R = TypeVar("R")

WORKERS = 8
"""Calls at once: as many as a client opens connections."""


def in_parallel(call: Callable[[T], R], items: Iterable[T], workers: int = WORKERS) -> Iterator[R]:
    """Call with each item, some at once, and yield the answers in order.

    Items are taken from the iterable a few ahead of what is yielded, no more.
    """
    source = iter(items)
    first = list(islice(source, 1))
    if not first:
        return
    yield call(first[0])  # one item needs no threads, and the first answer comes soonest
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="xnat-plan") as pool:
        running = [pool.submit(call, item) for item in islice(source, max(1, workers))]
        try:
            while running:
                yield running.pop(0).result()
                running.extend(pool.submit(call, item) for item in islice(source, 1))
        finally:
            for future in running:
                future.cancel()
