"""What a thread does while it waits for its turn to open a connection."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["look_up", "while_waiting"]

_own = threading.local()


@contextmanager
def while_waiting(call: Callable[[], object]) -> Iterator[None]:
    """Have something called about once a second whenever this thread waits for a connection.

    Parameters
    ----------
    call : callable
        May raise to end the waiting.
    """
    before: tuple[Callable[[], object], ...] = getattr(_own, "calls", ())
    _own.calls = (*before, call)
    try:
        yield
    finally:
        _own.calls = before


def look_up() -> None:
    """Call what this thread shall do while it waits."""
    for call in getattr(_own, "calls", ()):
        call()
