"""Statements that are compiled once, for what is looked up by nearly every request.

To look up one row by an index takes SQLite a few microseconds, and SQLAlchemy's way to it, from the
key of its cache of statements to its cursor and its row, many times as long.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import Connection

Row = tuple[Any, ...]
_DIALECT = sqlite.dialect(paramstyle="named")


class Prepared:
    """A statement whose text never changes.

    Parameters
    ----------
    statement : sa.Select
        All of its values are bound, each by a name and none as a list.
    """

    def __init__(self, statement: sa.Select[Any]):
        self._statement = statement

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns."""
        return tuple(column.name for column in self._statement.selected_columns)

    @cached_property
    def _text(self) -> tuple[str, dict[str, Any]]:
        compiled = self._statement.compile(dialect=_DIALECT)
        return str(compiled), dict(compiled.params)

    @cached_property
    def _read(self) -> list[tuple[int, Callable[[Any], Any]]]:
        """What makes values of what SQLite stores, where that is not the same."""
        found: list[tuple[int, Callable[[Any], Any]]] = []
        for place, column in enumerate(self._statement.selected_columns):
            kind = column.type.dialect_impl(_DIALECT)
            process = kind.result_processor(_DIALECT, None)
            if process is not None:
                found.append((place, process))
        return found

    def _value(self, row: Row) -> Row:
        if not self._read:
            return row
        values: list[Any] = list(row)
        for place, process in self._read:
            values[place] = process(values[place])
        return tuple(values)

    def all(self, connection: Connection, **bound: Any) -> Sequence[Row]:
        """Give all rows."""
        text, fixed = self._text
        driver: Any = connection.connection.driver_connection
        return [self._value(row) for row in driver.execute(text, {**fixed, **bound})]

    def first(self, connection: Connection, **bound: Any) -> Row | None:
        """Give the first row."""
        text, fixed = self._text
        driver: Any = connection.connection.driver_connection
        row = driver.execute(text, {**fixed, **bound}).fetchone()
        return None if row is None else self._value(row)
