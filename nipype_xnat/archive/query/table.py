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
    """

    columns: list[str]
    rows: list[Any] = field(default_factory=list)
    title: str = ""
    total: str | None = None
    properties: list[Mapping[str, Any]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, columns: Iterable[str], rows: Iterable[Sequence[Any]], **more: Any) -> Table:
        """Make a table and count its rows."""
        table = cls(list(columns), list(rows), **more)
        if table.total is None:
            table.total = str(len(table.rows))
        return table

    def sorted(self, names: str, descending: bool) -> None:
        """Sort by one or more columns, given by name and separated by commas."""
        for name in reversed(names.split(",")):
            if name in self.columns:
                at = self.columns.index(name)
                self.rows.sort(
                    key=lambda row: (row[at] is not None, _comparable(row[at])),
                    reverse=descending,
                )


def _comparable(value: Any) -> tuple[int, Any]:
    if isinstance(value, (int, float)):
        return (0, value)
    return (1, "" if value is None else str(value))
