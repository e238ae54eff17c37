"""A slice of a selection, as lazy as the selection itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar, overload

__all__ = ["Window"]

T = TypeVar("T")


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

    def __iter__(self) -> Iterator[T]:
        part = self._part
        if any((value or 0) < 0 for value in (part.start, part.stop, part.step)):
            return iter(list(self._source)[part])
        return islice(self._source, part.start, part.stop, part.step)

    def __next__(self) -> T:
        if self._cursor is None:
            self._cursor = iter(self)
        return next(self._cursor)

    def __len__(self) -> int:
        return sum(1 for _ in self)

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
