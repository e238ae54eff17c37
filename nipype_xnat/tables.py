"""Decoding an archive's tables into rows of plain strings."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator

from .errors import UnreadableAnswer
from .transport import Answer

__all__ = ["Row", "rows"]

Row = dict[str, str]
"""One row of a table: values by column name, all of them strings, empty for null."""


def rows(answer: Answer) -> Iterator[Row]:
    """Yield the rows of a table, as JSON (``ResultSet``) or as CSV.

    CSV is decoded while it arrives, so a table of any length needs little memory.

    Raises
    ------
    UnreadableAnswer
        If it is no table. An empty body counts as that: XNAT sends 200 and nothing where a listing
        failed inside (its classes ProjSubExptList and ProjSubExptAsstList).
    """
    if answer.request.expect == "csv":
        yield from _csv_rows(answer)
        return
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
    for row in found:
        yield {key: "" if value is None else str(value) for key, value in row.items()}


def _csv_rows(answer: Answer) -> Iterator[Row]:
    reader = csv.reader(_lines(answer))
    header = next(reader, None)
    if header is None:
        raise UnreadableAnswer(
            "the server promised a table and sent an empty body (it swallowed an error of its own)",
            server=answer.server,
            asked=answer.request.asked,
            status=answer.status,
        )
    for cells in reader:
        if cells:
            yield dict(zip(header, cells, strict=False))


def _lines(answer: Answer) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    rest = ""
    for chunk in answer.stream():
        text = rest + decoder.decode(chunk)
        *whole, rest = text.split("\n")
        for line in whole:
            yield line + "\n"
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest
