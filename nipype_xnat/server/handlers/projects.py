"""What hangs on projects besides data: access, members, switches."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive import people
from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import listings

_LEVELS = {"public", "protected", "private"}
_SWITCHES = {"prearchive_code": "4", "quarantine_code": "0", "current_arc": "arc001"}
_USERS = ["GROUP_ID", "displayname", "login", "firstname", "lastname", "email"]


def find(call: Call, elements: Elements) -> Element:
    """Find the project of the path; who would change it must know of it at least."""
    key = call.names["project"]
    known = call.method not in {"GET", "HEAD"}
    return elements.require(elements.project(key, known=known), f"project: {key}")


def get_switch(call: Call, elements: Elements, project: Element) -> Response:
    """Show one of the project's switches."""
    name = call.rest.split("/")[0]
    if name == "scan_type_mapping":
        return answers.text(elements.setting(project.id, name, "true"))
    if name not in _SWITCHES:
        raise HttpFailure(400)
    return answers.text(elements.setting(project.id, name, _SWITCHES[name]))


def put_switch(call: Call) -> Response:
    """Set one of the project's switches."""
    name, _, value = call.rest.strip("/").partition("/")
    with call.archive.changing(call.person) as elements:
        project = find(call, elements)
        if name not in {*_SWITCHES, "scan_type_mapping"} or not value:
            raise HttpFailure(400)
        if not elements.rights.can_delete(project.id):
            raise HttpFailure(403)
        if name.endswith("_code"):
            value = {"true": "1", "false": "0"}.get(value, value)
            if not value.isdecimal():
                raise HttpFailure(400, f"The submitted code {value} is invalid.")
        elements.set_setting(project.id, name, value)
    return answers.text()


def accessibility(call: Call) -> Response:
    """Show or set who may see a project."""
    level = call.rest.strip("/")
    if call.method == "GET":
        with call.archive.reading(call.person) as elements:
            key = call.names["project"]
            project = elements.require(elements.project(key, known=True), f"project: {key}")
            return answers.text(elements.setting(project.id, "accessibility", "private"))
    if not level:
        raise HttpFailure(400, "You must specify the ACCESS_ID parameter for this PUT call")
    with call.archive.changing(call.person) as elements:
        project = find(call, elements)
        if not elements.rights.can_delete(project.id):
            raise HttpFailure(403)
        if level not in _LEVELS:
            level = (
                "private"  # XNAT opens a project for two words only, and closes it for all others
            )
        elements.set_setting(project.id, "accessibility", level)
    return answers.text(level)


def _role(text: str, project: str) -> str:
    for role, shown in people.ROLES.items():
        if text in {role, shown, f"{project}_{role}"}:
            return role
    raise HttpFailure(404, f"Unable to identify group: {text}")


def _user_table(elements: Elements, project: str) -> Table:
    a, m = s.account.c, s.member.c
    rows: list[list[Any]] = []
    query = (
        sa.select(m.role, a.login, a.firstname, a.lastname, a.email)
        .join_from(s.member, s.account, a.pk == m.account_pk)
        .where(m.project == project)
        .order_by(m.role, a.login)
    )
    for role, login, first, last, email in elements.connection.execute(query):
        rows.append([f"{project}_{role}", people.ROLES.get(role, role), login, first, last, email])
    return Table.of(_USERS, rows, title="Projects")


def users(call: Call) -> Response:
    """List, add or remove the members of a project."""
    if call.method == "GET":
        with call.archive.reading(call.person) as elements:
            project = find(call, elements)
            return listings.finish(call, _user_table(elements, project.id))
    parts = call.rest.strip("/").split("/")
    if len(parts) < 2:
        raise HttpFailure(400)
    from urllib.parse import unquote

    group, names = unquote(parts[0]), unquote(parts[1])
    with call.archive.changing(call.person) as elements:
        project = find(call, elements)
        if not elements.rights.can_delete(project.id):
            raise HttpFailure(403)
        role = _role(group, project.id)
        for name in names.split(" , "):
            account = people.find_account(elements.connection, name.strip())
            if name.strip() == "guest":
                raise HttpFailure(412, "Guests cannot be members.")
            if account is None:
                if "@" in name:
                    continue  # an invitation by mail, which a local archive cannot send
                raise HttpFailure(404, f"Unable to identify user: {name}")
            if call.method == "PUT":
                elements.join(project.id, account["pk"], role)
            else:
                elements.leave(project.id, account["pk"])
        return listings.finish(call, _user_table(elements, project.id))


def groups(call: Call) -> Response:
    """List the groups of a project."""
    with call.archive.reading(call.person) as elements:
        project = find(call, elements)
        rows = []
        for number, (role, shown) in enumerate(people.ROLES.items(), 1):
            members = elements.connection.execute(
                sa.select(sa.func.count()).where(
                    s.member.c.project == project.id, s.member.c.role == role
                )
            ).scalar()
            rows.append([f"{project.id}_{role}", shown, project.id, number, members])
        columns = ["id", "displayname", "tag", "xdat_usergroup_id", "users"]
        return listings.finish(call, Table.of(columns, rows))


def values_of(kind: str) -> Any:
    """Make a listing of values in use: scan types, scanners, investigators."""

    def handler(call: Call) -> Response:
        with call.archive.reading(call.person) as elements:
            project = find(call, elements).id if "project" in call.names else None
            e, session = s.element, s.element.alias()
            allowed = elements.rights.readable()
            query = sa.select(e.c.scan_type, e.c.xsi_type).distinct().where(e.c.kind == "scan")
            columns = ["type"]
            if kind == "scanners":
                columns = ["scanner"]
                scanner = sa.func.json_extract(session.c.fields, '$."scanner"')
                query = (
                    sa.select(scanner)
                    .distinct()
                    .where(session.c.kind == "experiment", scanner.is_not(None))
                )
            elif kind == "investigators":
                columns = ["firstname", "lastname"]
                first = sa.func.json_extract(session.c.fields, '$."PI/firstname"')
                last = sa.func.json_extract(session.c.fields, '$."PI/lastname"')
                query = (
                    sa.select(first, last)
                    .distinct()
                    .where(session.c.kind == "project", last.is_not(None))
                )
            else:
                query = query.join(session, session.c.pk == e.c.session_pk)
            if project is not None:
                query = query.where(session.c.project == project)
            elif allowed is not None:
                query = query.where(session.c.project.in_(allowed))
            rows = [list(row)[: len(columns)] for row in elements.connection.execute(query)]
            unique = [list(row) for row in dict.fromkeys(tuple(row) for row in rows)]
            return listings.finish(call, Table.of(columns, unique))

    return handler


def refresh(call: Call) -> Response:
    """Bring catalogs in line with what is on disk."""
    from nipype_xnat.archive import files
    from nipype_xnat.server.handlers.resolve import catalogs_of

    call.read_form()
    names = ("append", "checksum", "delete", "populateStats")
    said = {part.strip() for text in call.params("options") for part in text.split(",")}
    options = {name: name in said or call.flag(name) for name in names}
    if not any(options.values()):
        options = dict.fromkeys(names, True)
        options["checksum"] = call.archive.site.checksums
    wanted = call.params("resource")
    if not wanted:
        raise HttpFailure(400, "No resource was named.")
    with call.archive.changing(call.person) as elements:
        for path in wanted:
            found, security = catalogs_of(elements, path)
            if not elements.rights.can_edit(elements.owner(security)):
                raise HttpFailure(403)
            if not elements.justified(security.xsi_type, call.reason):
                raise HttpFailure(403, "Justification required.")
            for catalog in found:
                files.refresh(elements.connection, catalog, options, call.archive.blobs)
    return answers.text()
