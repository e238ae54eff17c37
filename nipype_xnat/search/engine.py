"""Running searches on a server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..address import Address
from ..errors import BadRequest, ServerBroken
from ..tables import Row, rows
from ..transport import Body, Request, Transport
from . import document
from .criteria import Criteria

__all__ = ["matching_ids", "run"]

_SUBJECT = "xnat:subjectData"
_NOT_SESSIONS = (_SUBJECT, "xnat:projectData")


def run(
    transport: Transport, root: str, columns: Sequence[str], criteria: Criteria | None
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
    request = Request(
        "POST",
        Address.of("data", "search").ask(format="csv"),
        Body.of_text(document.build(root, columns, criteria)),
        expect="csv",
        repeatable=True,
    )
    try:
        answer = transport.send(request)
    except ServerBroken as error:
        if error.status != 500:
            raise
        raise BadRequest(
            "the search engine failed, as it does for a field or a data type that it does not know",
            server=transport.server,
            asked=f"search {root}{f' where {criteria}' if criteria is not None else ''}",
            advice="check the spelling: inspect.datatypes('xnat:mrSessionData') lists the fields",
            status=500,
        ) from error
    return rows(answer)


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
    sessions = [name for name in criteria.datatypes if name not in _NOT_SESSIONS]
    if level == "experiment" and sessions:
        root = sessions[0]
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
