"""Types of scans, taken over from scans of the same project that are called the same."""

from __future__ import annotations

import sqlalchemy as sa

from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.storage import schema as s

_SERIES = "series_description"


def fix(elements: Elements, session: Element) -> None:
    """Give each scan of a session that has no type the usual one of its series description."""
    for scan in elements.children(session, "scan"):
        series = scan.fields.get(_SERIES)
        if series and (not scan.scan_type or scan.scan_type == series):
            usual = _usual(elements, session.project, series)
            if usual:
                elements.connection.execute(
                    s.element.update().where(s.element.c.pk == scan.pk).values(scan_type=usual)
                )


def _usual(elements: Elements, project: str | None, series: str) -> str | None:
    e, session = s.element, s.element.alias()
    query = (
        sa.select(e.c.scan_type)
        .join(session, session.c.pk == e.c.session_pk)
        .where(
            e.c.kind == "scan",
            session.c.project == project,
            sa.func.json_extract(e.c.fields, f'$."{_SERIES}"') == series,
            e.c.scan_type.is_not(None),
            e.c.scan_type.not_in(["", series]),
        )
        .group_by(e.c.scan_type)
        .order_by(sa.func.count().desc())
        .limit(1)
    )
    found: str | None = elements.connection.execute(query).scalar()
    return found
