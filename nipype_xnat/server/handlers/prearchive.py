"""The prearchive: what waits to be archived. Nothing waits here."""

from __future__ import annotations

from werkzeug.wrappers import Response

from nipype_xnat.archive.query.table import Table
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import listings

_COLUMNS = [
    "project",
    "timestamp",
    "lastmod",
    "uploaded",
    "scan_date",
    "scan_time",
    "subject",
    "folderName",
    "name",
    "tag",
    "status",
    "url",
    "autoarchive",
    "prevent_anon",
    "prevent_auto_commit",
    "SOURCE",
]


def listing(call: Call) -> Response:
    """List what waits, of all projects or of some."""
    parts = [part for part in call.rest.split("/") if part]
    if len(parts) > 1:
        raise HttpFailure(404)
    with call.archive.reading(call.person) as elements:
        for name in parts[0].split(",") if parts else ():
            if name != "Unassigned" and elements.project(name) is None:
                raise HttpFailure(404)
    return listings.finish(call, Table.of(_COLUMNS, []))
