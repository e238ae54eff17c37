"""A slice of a selection, as lazy as the selection itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar, overload

__all__ = ["Counted", "Window"]

T = TypeVar("T")

_COUNTED_SECONDS = 1.0


class Counted(Generic[T]):
    """What was read to count it, kept for a moment.

    ``list()`` asks for the length of what it is about to read: so nothing is asked twice. Only the
    thread that counted gets it, and only once.
    """

    def __init__(self) -> None:
        self._kept: tuple[int, float, list[T]] | None = None

    def keep(self, found: list[T]) -> int:
        """Keep what was read, and return how many it is."""
        self._kept = (threading.get_ident(), time.monotonic(), found)
        return len(found)

    def take(self) -> list[T] | None:
        """Return what was kept, None where there is nothing to use."""
        kept, self._kept = self._kept, None
        if kept is None or kept[0] != threading.get_ident():
            return None
        return kept[2] if time.monotonic() - kept[1] <= _COUNTED_SECONDS else None

    def __getstate__(self) -> dict[str, object]:
        return {"_kept": None}


class Window(Generic[T]):
    """A part of what a selection finds; nothing is asked until it is read.

    It is iterable again and again, and also an iterator of its own, for ``next()``.

    Parameters
    ----------
    source : iterable
    part : slice
    """

    def __init__(self, source: Iterable[T], part: slice) -> None:
        self._source = source
        self._part = part
        self._cursor: Iterator[T] | None = None
        self._counted: Counted[T] = Counted()

    def __iter__(self) -> Iterator[T]:
        # runs at the first element: list() asks for the length between making an iterator and that
        counted = self._counted.take()
        yield from self._read() if counted is None else counted

    def _read(self) -> Iterator[T]:
        part = self._part
        if any((value or 0) < 0 for value in (part.start, part.stop, part.step)):
            return iter(list(self._source)[part])
        return islice(self._source, part.start, part.stop, part.step)

    def __next__(self) -> T:
        if self._cursor is None:
            self._cursor = iter(self)
        return next(self._cursor)

    def __len__(self) -> int:
        return self._counted.keep(list(self._read()))

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        return list(self)[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Window, Sequence)):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_cursor": None}

    def __repr__(self) -> str:
        part = self._part
        text = ":".join("" if value is None else str(value) for value in (part.start, part.stop))
        step = "" if part.step is None else f":{part.step}"
        return f"{self._source!r}[{text}{step}]"
