"""The answer of a search: rows that slice, filter, sort, join and travel to other programs."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from ..errors import UsageError
from ..tables import Row

if TYPE_CHECKING:
    import pandas

__all__ = ["Table", "TableRow"]


class TableRow(dict[str, str]):
    """One row: values by column, with the names that a table of one row has."""

    @property
    def data(self) -> list[Row]:
        """The row as the rows of a table of its own."""
        return [dict(self)]

    def headers(self) -> list[str]:
        """Return the names of the columns."""
        return list(self)


class Table(Sequence[TableRow]):
    """Rows of one search or listing.

    A table is a sequence of rows, and a row is a dict of strings. Each method that narrows or
    orders gives a new table; nothing is asked of the archive.

    Parameters
    ----------
    rows : iterable of mapping
        Values by column. All become strings, None an empty one.
    columns : sequence of str, optional
        Names of columns that come first, in this order; a table without rows has no others.

    Examples
    --------
    >>> ages = Table([{"id": "E1", "age": "81"}, {"id": "E2", "age": "9"}])
    >>> ages.order_by("age")["id"]
    ['E2', 'E1']
    >>> ages.where(id="E1").as_list()
    [['id', 'age'], ['E1', '81']]
    """

    def __init__(self, rows: Iterable[Mapping[str, Any]] = (), columns: Sequence[str] = ()) -> None:
        found = [{key: _text(value) for key, value in row.items()} for row in rows]
        names = dict.fromkeys(columns)
        for row in found:
            names.update(dict.fromkeys(row))
        self._columns = tuple(names)
        self._rows = [TableRow((name, row.get(name, "")) for name in names) for row in found]

    # -- looking

    @property
    def data(self) -> list[Row]:
        """The rows as plain dicts."""
        return [dict(row) for row in self._rows]

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return self._columns

    def headers(self) -> list[str]:
        """Return the names of the columns, in order."""
        return list(self._columns)

    def has_header(self, name: str) -> bool:
        """Tell whether there is a column of exactly this name."""
        return name in self._columns

    def get(self, col: str, val_pattern: str = "*", always_list: bool = False) -> Any:
        """Return the values of a column.

        Parameters
        ----------
        col : str
            A column, or the field that was asked for (``xnat:mrSessionData/AGE`` is ``age``).
        val_pattern : str
            Only values that match these wildcards.
        always_list : bool
            False gives the bare value where the table has one row, as pyxnat does;
            :meth:`column` always gives a list.

        Raises
        ------
        UsageError
            If there is no such column.
        """
        values = [value for value in self.column(col) if fnmatchcase(value, val_pattern)]
        if len(self) == 1 and len(values) == 1 and not always_list:
            return values[0]
        return values

    def column(self, name: str) -> list[str]:
        """Return the values of a column, one for each row.

        Raises
        ------
        UsageError
            If there is no such column.
        """
        found = self._column(name)
        return [row[found] for row in self._rows]

    def _column(self, asked: str) -> str:
        """Return the name under which the engine answers what was asked for."""
        if asked in self._columns:
            return asked
        folded = {name.lower(): name for name in self._columns}
        datatype, _, field = asked.partition("/")
        plain = re.sub(r"[^a-z0-9_]", "_", field.lower())
        prefix = datatype.lower().replace(":", "_")
        for name in (asked.lower(), *([f"{prefix}_{plain}", plain] if field else [])):
            if name in folded:
                return folded[name]
        near = get_close_matches(plain or asked.lower(), list(folded), 1)
        raise UsageError(
            f"the table has no column {asked!r}",
            advice=f"did you mean {folded[near[0]]!r}?" if near else f"it has {self.headers()}",
        )

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[TableRow]:
        return iter(self._rows)

    @overload
    def __getitem__(self, index: int) -> TableRow: ...
    @overload
    def __getitem__(self, index: slice | list[str]) -> Table: ...
    @overload
    def __getitem__(self, index: str) -> Any: ...
    def __getitem__(self, index: int | slice | str | list[str]) -> Any:
        if isinstance(index, str):
            return self.get(index)
        if isinstance(index, list):
            return self.select(index)
        if isinstance(index, slice):
            return self._with(self._rows[index])
        return self._rows[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Table):
            return (self._columns, self._rows) == (other._columns, other._rows)
        if isinstance(other, Sequence) and not isinstance(other, str):
            return self._rows == list(other)
        return NotImplemented

    __hash__ = None  # type: ignore[assignment]

    # -- narrowing, ordering, joining

    def _with(self, rows: Iterable[Mapping[str, Any]]) -> Table:
        return Table(rows, self._columns)

    def select(self, columns: str | Sequence[str]) -> Table:
        """Keep some columns, in the order given.

        Raises
        ------
        UsageError
            If there is no such column.
        """
        wanted = [columns] if isinstance(columns, str) else columns
        names = [self._column(name) for name in wanted]
        return Table(({name: row[name] for name in names} for row in self._rows), names)

    def where(self, *args: str | Callable[[TableRow], bool], **kwargs: object) -> Table:
        """Keep the rows that fulfil all conditions.

        Parameters
        ----------
        *args : str or callable
            A value (or a column's name) that the row must hold, or a function of the row.
        **kwargs
            Values by column.
        """
        test = self._condition(args, kwargs)
        return self._with(row for row in self._rows if test(row))

    def where_not(self, *args: str | Callable[[TableRow], bool], **kwargs: object) -> Table:
        """Keep the rows that :meth:`where` leaves out."""
        test = self._condition(args, kwargs)
        return self._with(row for row in self._rows if not test(row))

    def _condition(self, args: Sequence[Any], values: Mapping[str, object]) -> Any:
        wanted = {self._column(name): _text(value) for name, value in values.items()}

        def holds(row: TableRow) -> bool:
            return all(row[name] == value for name, value in wanted.items()) and all(
                bool(item(row)) if callable(item) else item in row or str(item) in row.values()
                for item in args
            )

        return holds

    def order_by(self, *columns: str, descending: bool = False) -> Table:
        """Sort by columns: as numbers where all values are numbers, empty values last.

        Parameters
        ----------
        *columns : str
        descending : bool
            Largest first; empty values stay last.
        """
        rows = list(self._rows)
        for name in reversed([self._column(column) for column in columns]):
            filled = [row for row in rows if row[name]]
            numbers = all(_NUMBER.fullmatch(row[name]) for row in filled)
            filled.sort(
                key=lambda row, n=name, f=numbers: float(row[n]) if f else row[n],  # type: ignore[misc]
                reverse=descending,
            )
            rows = filled + [row for row in rows if not row[name]]
        return self._with(rows)

    def join(self, join_column: str, *tables: Table, how: str = "inner") -> Table:
        """Put rows of other tables beside the rows that have the same value in a column.

        Parameters
        ----------
        join_column : str
        *tables : Table
        how : str
            ``inner``: only rows that all tables have. ``left``: all rows of this table, with empty
            values where another one has no partner.

        Returns
        -------
        Table
            One row for each pair. A column that both have keeps its name here, and the other
            table's is called ``name_2``: nothing is overwritten.
        """
        if how not in ("inner", "left"):
            raise UsageError(f"{how!r} is no way to join", advice="use 'inner' or 'left'")
        joined = self
        for other in tables:
            joined = joined._join_one(join_column, other, how == "left")
        return joined

    def _join_one(self, asked: str, other: Table, keep: bool) -> Table:
        here, there = self._column(asked), other._column(asked)
        taken = set(self._columns)
        names = {}
        for name in other._columns:
            if name == there:
                continue
            free, number = name, 2
            while free in taken:
                free, number = f"{name}_{number}", number + 1
            taken.add(free)
            names[name] = free
        partners: dict[str, list[TableRow]] = {}
        for row in other._rows:
            partners.setdefault(row[there], []).append(row)
        rows = []
        for row in self._rows:
            found = partners.get(row[here], [TableRow()] if keep else [])
            for partner in found:
                right = {new: partner.get(old, "") for old, new in names.items()}
                rows.append({**row, **right})
        return Table(rows, (*self._columns, *names.values()))

    # -- out and in

    def as_list(self) -> list[list[str]]:
        """Return the names of the columns and below them the rows, as lists."""
        return [self.headers(), *(list(row.values()) for row in self._rows)]

    def items(self) -> list[tuple[str, ...]]:
        """Return the rows as tuples, without the names of the columns."""
        return [tuple(row.values()) for row in self._rows]

    def dumps_csv(self, delimiter: str = ",") -> str:
        """Return the table as CSV (RFC 4180), names of the columns first."""
        stream = io.StringIO(newline="")
        csv.writer(stream, delimiter=delimiter).writerows(self.as_list())
        return stream.getvalue()

    def dump_csv(self, dest: str | Path, delimiter: str = ",") -> None:
        """Write the table to a file as CSV, in UTF-8."""
        with Path(dest).open("w", encoding="utf-8", newline="") as stream:
            stream.write(self.dumps_csv(delimiter))

    def dumps_json(self) -> str:
        """Return the rows as a JSON list of objects."""
        return json.dumps(self._rows, ensure_ascii=False)

    def dump_json(self, dest: str | Path) -> None:
        """Write the rows to a file as JSON."""
        Path(dest).write_text(self.dumps_json(), encoding="utf-8", newline="")

    @classmethod
    def from_csv(cls, source: str | Path, delimiter: str = ",") -> Table:
        """Read what :meth:`dumps_csv` (a text) or :meth:`dump_csv` (a Path) wrote."""
        text = source
        if isinstance(source, Path):
            with source.open(encoding="utf-8", newline="") as stream:
                text = stream.read()
        lines = csv.reader(io.StringIO(str(text), newline=""), delimiter=delimiter)
        columns = next(lines, [])
        if len(set(columns)) < len(columns):
            raise UsageError("two columns of the CSV have one name", advice=f"it has {columns}")
        return cls((dict(zip(columns, cells, strict=False)) for cells in lines if cells), columns)

    @classmethod
    def from_json(cls, source: str | Path) -> Table:
        """Read what :meth:`dumps_json` (a text) or :meth:`dump_json` (a Path) wrote."""
        text = source.read_text(encoding="utf-8") if isinstance(source, Path) else source
        try:
            rows = json.loads(text)
        except ValueError as error:
            raise UsageError(f"this is not JSON: {error}") from None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise UsageError("a table's JSON is a list of objects")
        return cls(rows)

    def to_pandas(self) -> pandas.DataFrame:
        """Return the table as a pandas DataFrame of texts.

        Raises
        ------
        UsageError
            If pandas is not installed; nothing else of this package needs it.
        """
        try:
            import pandas as pd
        except ImportError:
            raise UsageError(
                "pandas is not installed", advice="pip install pandas, or use dump_csv()"
            ) from None
        return pd.DataFrame(self.data, columns=list(self._columns))

    def __str__(self) -> str:
        return self.dumps_csv()

    def __repr__(self) -> str:
        shown = ", ".join(self._columns[:8]) + (", ..." if len(self._columns) > 8 else "")
        return f"<Table {len(self)} rows: {shown}>"

    def _repr_html_(self) -> str:
        from html import escape

        head = "".join(f"<th>{escape(name)}</th>" for name in self._columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(value)}</td>" for value in row.values()) + "</tr>"
            for row in self._rows[:50]
        )
        more = f"<p>{len(self)} rows</p>" if len(self) > 50 else ""
        return f"<table><tr>{head}</tr>{body}</table>{more}"


_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def _text(value: object) -> str:
    return "" if value is None else str(value)
