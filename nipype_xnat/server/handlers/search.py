"""The search engine's resources: searches, and answers that are kept."""

from __future__ import annotations

from typing import Any

from werkzeug.wrappers import Response

from nipype_xnat.archive.documents import parse
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.query import criteria
from nipype_xnat.archive.query.comparisons import suspicious
from nipype_xnat.archive.query.kept import Kept
from nipype_xnat.archive.query.search import Engine
from nipype_xnat.archive.query.table import Table
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.call import document as read_document
from nipype_xnat.server.handlers import listings


def document(call: Call) -> bytes:
    """Read the document that was sent."""
    if call.content_type == "multipart/form-data":
        call.read_form()
        for part in call.files:
            if part.stream is not None and part.name.endswith(".xml"):
                return read_document(part.stream)
        return b""
    return call.body()


def engine(elements: Elements) -> Engine:
    """Give the engine of a connection."""
    return Engine(elements.connection, elements.dictionary, elements.rights)


def _descending(call: Call) -> bool:
    return (call.param("sortOrder") or "").strip().upper() == "DESC"


def run(
    call: Call, elements: Elements, found: criteria.SearchDocument, keyed: bool = False
) -> Table:
    """Run a search, sorted as the call asks."""
    return engine(elements).run(found, call.param("sortBy") or "", _descending(call), keyed)


def kept_answer(call: Call, found: criteria.SearchDocument) -> Kept | None:
    """Find the answer that the same search had before, unless a new one is wanted."""
    if not found.id or found.id.startswith("@") or call.flag("refresh"):
        return None
    return call.archive.kept_tables.of_search(call.person.login, found.id)


def seen_again(
    elements: Elements, found: criteria.SearchDocument, kept: Kept, rows: list[Any]
) -> Table:
    """Show rows of a kept answer, with the columns that are asked for now."""
    table = Table(kept.table.columns, rows, times=kept.table.times)
    table.properties = engine(elements).describe(found)
    table.extra["rootElementName"] = found.root
    return table


def search(call: Call) -> Response:
    """Run the search that was sent.

    An answer that is kept shows as many rows as ``limit`` says, by default none; any other
    one is whole.
    """
    found = criteria.read(parse(document(call)))
    caching = (call.param("cache") or "").lower() == "true"
    kept = kept_answer(call, found)
    with call.archive.reading(call.person) as elements:
        if kept is not None:
            rows = [] if caching else list(kept.table.rows)
            table = seen_again(elements, found, kept, rows)
        else:
            table = run(call, elements, found, keyed=caching)
    if caching:
        if kept is None:
            limit = _number(call, "limit", 500) or 0
            kept = call.archive.kept_tables.keep(call.person.login, found.id, table)
            table = Table(
                table.columns,
                table.rows[:limit],
                properties=table.properties,
                extra=dict(table.extra),
                times=table.times,
            )
        table.extra["ID"] = kept.name
        table.total = str(len(kept.table.rows))
    else:
        table.total = str(len(table.rows))
    return finish(call, table)


def finish(call: Call, table: Table) -> Response:
    """Answer with a table; JSON whatever Accept says."""
    kind = (call.param("format") or "json").lower()
    return listings.sorted_answer(call, table, kind if kind in answers.TABLES else "json")


def _number(call: Call, name: str, status: int) -> int | None:
    text = call.param(name)
    if text is None:
        return None
    try:
        number = int(text)
    except ValueError as error:
        raise HttpFailure(status, f"'{text}' is not a number") from error
    if number < 0:
        raise HttpFailure(500 if status == 500 else 410, f"{name} must not be negative")
    return number


def cached(call: Call) -> Response:
    """Show a kept answer, or the distinct values of one of its columns."""
    offset, limit = _number(call, "offset", 422), _number(call, "limit", 422)
    sort, order = call.param("sortBy"), call.param("sortOrder") or "ASC"
    for text in (sort, order):
        if text is not None and suspicious(text):
            raise HttpFailure(422, f"Invalid value: {text}")
    kept = call.archive.kept_tables.get(call.names["name"])
    if kept is None:
        raise HttpFailure(410, "The search result is gone.")
    if kept.login != call.person.login:
        return answers.plain("", answers.TYPES[call.wants("json")])
    if call.rest.strip("/"):
        return _values(call, kept, call.rest.strip("/"))
    table = Table(kept.table.columns, list(kept.table.rows), times=kept.table.times)
    if sort is not None:
        if table.column(sort.replace(" ", "")) is None or order.upper() not in {"ASC", "DESC"}:
            raise HttpFailure(410, f"There is no column {sort}")
        # rows that are equal stay in the order of their keys
        table.sorted("key", False)
        table.rows = _ordered(table, sort.replace(" ", ""), order.upper() == "DESC")
    stop = None if limit is None else (offset or 0) + limit
    table.rows = table.rows[offset or 0 : stop]
    table.extra["ID"] = kept.name
    return answers.table(table, call.wants("json"))


def _ordered(table: Table, name: str, descending: bool) -> list[Any]:
    ordered = Table(table.columns, list(reversed(table.rows)) if descending else table.rows)
    ordered.sorted(name, descending)
    return ordered.rows


def _values(call: Call, kept: Kept, name: str) -> Response:
    at = kept.table.column(name)
    if at is None:
        raise HttpFailure(410, f"There is no column {name}")
    counts: dict[Any, int] = {}
    for row in kept.table.rows:
        counts[row[at]] = counts.get(row[at], 0) + 1
    found = Table(["values", "count"], [[value, number] for value, number in counts.items()])
    found.sorted("values", False)
    found.extra = {"ID": kept.name, "COLUMN": name}
    return listings.finish(call, found)
