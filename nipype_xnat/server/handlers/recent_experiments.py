"""The image sessions that were changed last, as the front page of a site lists them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.query.sources import readable
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server.call import Call
from nipype_xnat.server.handlers import listings

COLUMNS = [
    "id",
    "label",
    "project",
    "date",
    "status",
    "workflow_status",
    "element_name",
    "type_desc",
    "insert_date",
    "activation_date",
    "last_modified",
    "workflow_date",
    "pipeline_name",
    "action_date",
    "scanner",
]
_DEFAULT = 60
_MOST = 36500


def _number(text: str | None) -> int:
    bare = (text or "").strip()
    return int(bare) if bare.isascii() and bare.isdecimal() and len(bare) < 9 else _DEFAULT


def listing(call: Call) -> Response:
    """List what was changed in the last days; only the newest."""
    days, limit = _number(call.param("recent")), _number(call.param("limit"))
    if _DEFAULT in {days, limit}:
        days = limit = _DEFAULT  # XNAT heeds the two only where both were said
    since = dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=min(days, _MOST))
    with call.archive.reading(call.person) as elements:
        rows = _rows(elements, since.strftime("%Y-%m-%d %H:%M:%S"), limit)
        table = Table.of(COLUMNS, rows, title="Recent Experiments")
        return listings.finish(call, table)


def _rows(elements: Elements, since: str, limit: int) -> list[list[Any]]:
    e = s.element
    family = elements.dictionary.family("xnat:imageSessionData")
    query = (
        sa.select(e, sa.func.json_extract(e.c.fields, '$."scanner"').label("scanner"))
        .where(e.c.kind == "experiment", e.c.xsi_type.in_(family), e.c.last_modified > since)
        .order_by(e.c.last_modified.desc(), e.c.pk.desc())
        .limit(limit)
    )
    allowed = elements.rights.readable()
    if allowed is not None:
        query = query.where(readable(e, allowed, "experiment"))
    found = []
    for row in elements.connection.execute(query).mappings():
        datatype = elements.dictionary.get(row["xsi_type"])
        told = {
            **row,
            "status": "active",
            "element_name": row["xsi_type"],
            "type_desc": datatype.singular if datatype else row["xsi_type"],
            "action_date": row["last_modified"],
        }
        found.append([told.get(name) for name in COLUMNS])
    return found
