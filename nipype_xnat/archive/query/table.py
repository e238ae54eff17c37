"""Rows with named columns, as listings and searches answer them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Table:
    """An answer in rows.

    Attributes
    ----------
    columns : list of str
        Names, in order.
    rows : list of sequence
        Values, None for nothing.
    title : str
        What it shows; may be blank.
    total : str or None
        What ``totalRecords`` says; None leaves it out.
    properties : dict
        More facts about columns, by name.
    extra : dict
        More members of the answer, such as the id of a kept search.
    times : set of int
        Which columns hold times of day.
    """

    columns: list[str]
    rows: list[Any] = field(default_factory=list)
    title: str = ""
    total: str | None = None
    properties: list[Mapping[str, Any]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)
    times: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, columns: Iterable[str], rows: Iterable[Sequence[Any]], **more: Any) -> Table:
        """Make a table and count its rows."""
        table = cls(list(columns), list(rows), **more)
        if table.total is None:
            table.total = str(len(table.rows))
        return table

    def column(self, name: str) -> int | None:
        """Find a column by its name, in any case."""
        wanted = name.lower()
        for number, known in enumerate(self.columns):
            if known.lower() == wanted:
                return number
        return None

    def sorted(self, names: str, descending: bool) -> None:
        """Sort by columns, given by name and separated by commas; unknown ones are passed over.

        Nothing comes after everything else, or before it when the order is turned around.
        """
        at = [n for n in (self.column(name) for name in names.split(",") if name) if n is not None]
        if not at:
            return
        self.rows.sort(key=lambda row: [_comparable(row[number]) for number in at])
        if descending:
            self.rows.reverse()


def _comparable(value: Any) -> tuple[int, Any]:
    if value is None:
        return (2, 0)
    if isinstance(value, (int, float)):
        return (0, value)
    return (1, str(value))
