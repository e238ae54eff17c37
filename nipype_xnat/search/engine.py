"""Running searches on a server."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ..address import Address
from ..errors import BadRequest, CriteriaError, ServerBroken, UsageError
from ..tables import Row, rows
from ..transport import Answer, Body, Request, Transport
from . import document
from .criteria import Criteria
from .fields import Fields
from .table import Table

__all__ = ["key_of", "matching_ids", "pages", "run"]

_SUBJECT = "xnat:subjectData"
_NOT_SESSIONS = (_SUBJECT, "xnat:projectData")


def run(
    transport: Transport,
    root: str,
    columns: Sequence[str],
    criteria: Criteria | None,
    order_by: str = "",
) -> Iterator[Row]:
    """Search, and yield rows while they arrive.

    Parameters
    ----------
    transport : Transport
    root : str
        Data type of which each row is one.
    columns : sequence of str
        Fields with their data types.
    criteria : Criteria, optional
    order_by : str
        Field by which the server sorts.

    Yields
    ------
    dict
        Values by the engine's own keys: lower-case field names, those of other types than the root
        with the type before them (``xnat_subjectdata_gender``).

    Raises
    ------
    BadRequest
        If the engine does not know a type or a field. XNAT itself answers 500 to that.
    """
    document_text = document.build(root, columns, criteria, order_by)
    return rows(_send(transport, root, columns, criteria, document_text, format="csv"))


def pages(
    transport: Transport,
    root: str,
    columns: Sequence[str],
    criteria: Criteria | None,
    order_by: str = "",
    size: int = 1000,
) -> Iterator[Table]:
    """Search once, keep the answer on the server, and yield it page by page.

    Parameters
    ----------
    transport, root, columns, criteria, order_by
        See :func:`run`.
    size : int
        Rows of a page.

    Yields
    ------
    Table

    Raises
    ------
    XNATError
        With status 410 if the server dropped its answer in between.
    """
    if size < 1:
        raise UsageError(f"a page of {size} rows", advice="give a size of 1 or more")
    document_text = document.build(root, columns, criteria, order_by)
    answer = _send(
        transport, root, columns, criteria, document_text, format="json", cache=True, limit=size
    )
    table = answer.json()["ResultSet"]
    name, total = table.get("ID"), int(table.get("totalRecords") or 0)
    found = table["Result"]
    headers = [entry["key"] for entry in table.get("Columns", ()) if "key" in entry]
    yield _without_key(Table(found, headers))
    # the engine's own key keeps the order of pages where nothing else is asked for
    sorting = {"sortBy": key_of(root, order_by) if order_by else "key"}
    for offset in range(size, total, size):
        address = Address.of("data", "search", name).ask(
            format="json", offset=offset, limit=size, **sorting
        )
        page = transport.send(Request("GET", address, expect="json"))
        yield _without_key(Table(rows(page), headers))


def _without_key(table: Table) -> Table:
    return table.select([name for name in table.columns if name != "key"])


def key_of(root: str, column: str) -> str:
    """Return the key under which the engine answers a column."""
    datatype, _, field = column.partition("/")
    key = re.sub(r"[^a-z0-9_]", "_", field.lower())
    return key if datatype == root else f"{datatype.replace(':', '_').lower()}_{key}"


def _send(
    transport: Transport,
    root: str,
    columns: Sequence[str],
    criteria: Criteria | None,
    text: str,
    **query: str | int | bool,
) -> Answer:
    request = Request(
        "POST",
        Address.of("data", "search").ask(query),
        Body.of_text(text),
        expect=str(query["format"]),
        repeatable=True,
    )
    try:
        return transport.send(request)
    except ServerBroken as error:
        if error.status != 500:
            raise
        failed = BadRequest(
            "the search engine failed, as it does for a field or a data type that it does not know",
            server=transport.server,
            asked=f"search {root}{f' where {criteria}' if criteria is not None else ''}",
            advice=_advice(transport, root, columns, criteria),
            status=500,
        )
        raise failed from error


def _advice(
    transport: Transport, root: str, columns: Sequence[str], criteria: Criteria | None
) -> str:
    """Look for what was misspelt, now that something went wrong."""
    known = Fields(transport)
    try:
        known.check(root, columns, criteria)
    except CriteriaError as error:
        return f"{error.message}: {error.advice}"
    names = [] if criteria is None else [criterion.field for criterion in criteria]
    doubts = [advice for name in names if (advice := known.suggestion(name))]
    return "; ".join(doubts) or (
        "check the spelling: inspect.datatypes('xnat:mrSessionData') lists the fields"
    )


def matching_ids(
    transport: Transport, criteria: Criteria, level: str = "experiment"
) -> tuple[str, frozenset[str]]:
    """Find what fulfils criteria.

    Parameters
    ----------
    transport : Transport
    criteria : Criteria
    level : str
        ``experiment``: the sessions that fulfil them (or, where they speak of subjects only, the
        subjects). ``subject``: the subjects of which something fulfils them, as in pyxnat.

    Returns
    -------
    (str, frozenset of str)
        ``experiment`` or ``subject``, and the ids of that level.
    """
    others = [name for name in criteria.datatypes if name not in _NOT_SESSIONS]
    if level == "experiment" and others:
        sessions = [name for name in others if name.lower().endswith("sessiondata")]
        root = (sessions or others)[0]
        columns = [f"{root}/SESSION_ID"]
        key = "session_id"
        found_level = "experiment"
    else:
        root, columns, key = _SUBJECT, [f"{_SUBJECT}/SUBJECT_ID"], "subject_id"
        found_level = "subject"
    found = frozenset(
        value for row in run(transport, root, columns, criteria) if (value := _value(row, key))
    )
    return found_level, found


def _value(row: Row, key: str) -> str:
    """Return a column of the root type, whatever the engine put before its name."""
    if key in row:
        return row[key]
    return next((value for name, value in row.items() if name.endswith(key)), "")
