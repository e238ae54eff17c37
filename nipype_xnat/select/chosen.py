"""Selections of elements that are known already, or that a listing of their own tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .grammar import Path, Pattern
from .selection import E, Selection

if TYPE_CHECKING:
    from .element import Archive, Element

__all__ = ["Chosen"]


class Chosen(Selection[E]):
    """Elements that something else than paths chose; it reads and chains as a selection does.

    Parameters
    ----------
    archive : Archive
        Whom to ask for what is below.
    level : str
        Level of the elements, for what is shown of them.
    elements : callable
        Returns the elements, asked each time that they are read; picklable, as selections are.
    """

    def __init__(
        self, archive: Archive, level: str, elements: Callable[[], Iterable[Element]]
    ) -> None:
        super().__init__(archive, [Path().down(level) if level == "project" else _any(level)])
        self._elements = elements

    def _found(self, few: bool = False) -> Iterator[Any]:
        return iter(self._elements())

    def _paths(self) -> list[Path]:
        return [element.path for element in self._elements()]

    def where(
        self,
        constraints: Any = None,
        template: Any = None,
        query: Any = None,
        *,
        level: str = "subject",
    ) -> Selection[E]:
        """Selections of chosen elements take no criteria: select by path first."""
        raise UsageError(
            "criteria narrow a selection by path, and these elements were chosen otherwise",
            advice="for example select('/projects/P/experiments').where(...)",
        )

    def _down(self, level: str, pattern: str | Pattern) -> Selection[Any]:
        return Chosen(self._archive, level, partial(self._below, level, pattern))

    def _below(self, level: str, pattern: str | Pattern) -> Iterator[Any]:
        for path in self._paths():
            yield from Selection(self._archive, [path.down(level, pattern)])

    def explain(self) -> str:
        """Describe the requests that reading sends; nothing is sent now."""
        return f"the {self.level}s that were chosen one by one"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Chosen):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None


def _any(level: str) -> Path:
    from ..levels import paths_down

    path = Path()
    for name in paths_down("root", level)[0][1:]:
        path = path.down(name)
    return path
