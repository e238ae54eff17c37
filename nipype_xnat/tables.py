"""Decoding an archive's tables into rows of plain strings."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from .errors import UnreadableAnswer
from .records import Columns, Header
from .transport import Answer

__all__ = ["Row", "columns", "rows"]

_IN_MEMORY = 8 << 20
_TEXT = frozenset({str})

Row = dict[str, str]
"""One row of a table: values by column name, all of them strings, empty for null."""


def rows(answer: Answer) -> Iterator[Row]:
    """Return the rows of a table, as JSON (``ResultSet``) or as CSV.

    The answer is read whole before the first row is given, so that its connection is free for what
    is asked while rows are worked on; a long CSV waits on disk and is decoded row by row.

    Raises
    ------
    UnreadableAnswer
        If it is no table. An empty body counts as that: XNAT sends 200 and nothing where a listing
        failed inside (its classes ProjSubExptList and ProjSubExptAsstList).
    """
    if answer.request.expect == "csv":
        return _csv_rows(answer, _spooled(answer))
    return _json_rows(answer)


def columns(answer: Answer) -> Iterator[Columns]:
    """Return the rows of a CSV table without naming their values yet; see :func:`rows`.

    What is the same in many rows is kept once.
    """
    return _csv_columns(answer, _spooled(answer))


def _json_rows(answer: Answer) -> Iterator[Row]:
    document = answer.json()
    try:
        found = document["ResultSet"]["Result"]
    except (KeyError, TypeError):
        raise UnreadableAnswer(
            "the server sent JSON that is not a table",
            server=answer.server,
            asked=answer.request.asked,
            status=answer.status,
        ) from None
    return map(_strings, found)


def _strings(row: dict[str, Any]) -> Row:
    if set(map(type, row.values())) <= _TEXT:
        return row
    return {key: "" if value is None else str(value) for key, value in row.items()}


def _spooled(answer: Answer) -> IO[bytes]:
    spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (closed with its generator)
    for chunk in answer.stream():
        spool.write(chunk)
    spool.seek(0)
    return spool


def _csv_rows(answer: Answer, spool: IO[bytes]) -> Iterator[Row]:
    with spool:
        header, lines = _read(answer, spool)
        for cells in lines:
            if cells:
                yield dict(zip(header, cells, strict=False))


def _csv_columns(answer: Answer, spool: IO[bytes]) -> Iterator[Columns]:
    same: dict[str, str] = {}
    with spool:
        names, lines = _read(answer, spool)
        header = Header(names)
        for cells in lines:
            if cells:
                yield Columns(header, tuple(map(same.setdefault, cells, cells)))


def _read(answer: Answer, spool: IO[bytes]) -> tuple[list[str], Iterator[list[str]]]:
    reader = csv.reader(line.decode("utf-8", "replace") for line in spool)
    header = next(reader, None)
    if header is None:
        raise UnreadableAnswer(
            "the server promised a table and sent an empty body (it swallowed an error of its own)",
            server=answer.server,
            asked=answer.request.asked,
            advice="it may not know a field or a data type of the request; check their names",
            status=answer.status,
        )
    return header, reader
