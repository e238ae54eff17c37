"""The configuration service: versioned texts of tools, by site and by project."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive import values
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import listings

_COLUMNS = [
    "tool",
    "path",
    "project",
    "user",
    "create_date",
    "reason",
    "contents",
    "unversioned",
    "version",
    "status",
]


def _row(row: Any) -> list[Any]:
    return [
        row["tool"],
        row["path"],
        row["project"],
        row["login"],
        row["created"],
        row["reason"],
        row["contents"],
        "false",
        row["version"],
        row["status"],
    ]


def _versions(elements: Elements, project: str, tool: str, path: str) -> list[Any]:
    c = s.config.c
    query = (
        sa.select(s.config)
        .where(c.project == project, c.tool == tool, c.path == path)
        .order_by(c.version)
    )
    return list(elements.connection.execute(query).mappings())


def config(call: Call) -> Response:
    """Show, write or switch off a configuration."""
    tool, _, path = call.rest.strip("/").partition("/")
    with call.archive.changing(call.person) as elements:
        project = ""
        if "project" in call.names:
            key = call.names["project"]
            found = elements.project(key)
            if found is None and call.method != "GET":
                raise HttpFailure(403)
            project = elements.require(found, f"project: {key}").id
        if call.method == "GET":
            return _show(call, elements, project, tool, path)
        may = elements.rights.can_delete(project) if project else call.person.admin
        if not may:
            raise HttpFailure(403)
        if not tool:
            raise HttpFailure(400)
        return _write(call, elements, project, tool, path)


def _show(call: Call, elements: Elements, project: str, tool: str, path: str) -> Response:
    c = s.config.c
    if not tool:
        tools = elements.connection.execute(
            sa.select(c.tool).distinct().where(c.project == project)
        ).scalars()
        return listings.finish(call, Table.of(["tool"], [[name] for name in tools]))
    found = _versions(elements, project, tool, path)
    if not found and project and call.flag("defaultToSiteWide"):
        found = _versions(elements, "", tool, path)
    if not found and not path:
        query = sa.select(s.config).where(c.project == project, c.tool == tool)
        latest = {row["path"]: row for row in elements.connection.execute(query).mappings()}
        if latest:
            rows = [_row(row) for row in latest.values()]
            return listings.finish(call, Table.of(_COLUMNS, rows))
    version = call.param("version")
    if version is not None:
        found = [row for row in found if str(row["version"]) == version]
    if not found:
        if call.flag("accept-not-found"):
            return answers.text("", 204)
        raise HttpFailure(404, "Couldn't find config for those parameters.")
    if call.param("action") == "getHistory":
        return listings.finish(call, Table.of(_COLUMNS, [_row(row) for row in found]))
    if call.flag("contents"):
        return answers.plain(found[-1]["contents"], "text/plain; charset=UTF-8")
    return listings.finish(call, Table.of(_COLUMNS, [_row(found[-1])]))


def _write(call: Call, elements: Elements, project: str, tool: str, path: str) -> Response:
    found = _versions(elements, project, tool, path)
    status = call.param("status")
    if status not in {None, "enabled", "disabled"}:
        raise HttpFailure(400, "The status must be enabled or disabled.")
    contents = call.body().decode("utf-8", "replace") if call.inbody else ""
    if call.method == "DELETE" or (status and not contents):
        if not found:
            raise HttpFailure(404)
        contents = found[-1]["contents"]
        status = "disabled" if call.method == "DELETE" else status
    elif not contents:
        raise HttpFailure(400, "There is nothing to store.")
    elements.connection.execute(
        s.config.insert().values(
            project=project,
            tool=tool,
            path=path,
            version=len(found) + 1,
            status=status or "enabled",
            contents=contents,
            login=call.person.login,
            reason=call.param("reason"),
            created=values.now(),
        )
    )
    return answers.text("", 200 if found else 201)
