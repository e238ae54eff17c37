"""Custom forms: listing, saving, and saying for what they are used."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Callable
from typing import Any

from sqlalchemy.engine import Connection
from werkzeug.wrappers import Response

from nipype_xnat.archive import forms as store
from nipype_xnat.archive import people
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers, json_body
from nipype_xnat.server.call import Call, HttpFailure

_JSON = "application/json"
_FORBIDDEN = ("<", "&lt;", ">", "&gt;")
_FURTHEST = 1_000_000


def forms(call: Call) -> Response:
    """Answer all requests about custom forms."""
    if call.person.guest:
        raise HttpFailure(401)
    what, _, more = call.rest.partition("/")
    method = "GET" if call.method == "HEAD" else call.method
    handler = _HANDLERS.get((method, what, bool(more)))
    if handler is None:
        known = any(name == what and deep == bool(more) for _, name, deep in _HANDLERS)
        raise HttpFailure(405 if known else 404)
    return handler(call, more)


def _json(found: Any) -> Response:
    return answers.plain(json.dumps(found), _JSON)


def _said(text: str, status: int = 200) -> Response:
    return answers.plain(text, "text/plain;charset=UTF-8", status)


def _manager(call: Call, connection: Connection) -> bool:
    mine = people.site_roles(connection, call.person.login)
    return call.person.admin or "CustomFormManager" in mine


def _managers_only(call: Call) -> None:
    with call.archive.database.read() as connection:
        if not _manager(call, connection):
            raise HttpFailure(403)


def _body(call: Call) -> Any:
    if call.content_type != _JSON:
        raise HttpFailure(415)
    try:
        return json_body.decoded(call.body())
    except ValueError as error:
        raise HttpFailure(400, "Invalid input JSON.") from error


def _rows(call: Call) -> list[dict[str, Any]]:
    found = _body(call)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise HttpFailure(400, "A list of what forms apply to is needed.")
    return found


def _project_names(call: Call) -> list[str]:
    found = _body(call)
    if not isinstance(found, list) or not found or not all(str(one).strip() for one in found):
        raise HttpFailure(400, "Projects not passed")
    return [str(one) for one in found]


# ---- reading ---------------------------------------------------------------------------


def _list(call: Call, _: str) -> Response:
    project = call.param("projectId")
    with call.archive.database.read() as connection:
        found = [_described(connection, form, project) for form in store.listed(connection)]
    return _json([one for one in found if one["appliesToList"]])


def _described(connection: Connection, form: store.Form, project: str | None) -> dict[str, Any]:
    created = dt.datetime.fromisoformat(form.created[:19]).replace(tzinfo=dt.timezone.utc)
    uses = form.ordered(project)
    first = uses[0] if uses else None
    return {
        "appliesToList": [
            {
                "entityId": use.project or "Site",
                "idCustomVariableFormAppliesTo": use.row,
                "status": use.status,
            }
            for use in uses
        ],
        "contents": json.dumps(form.definition),
        "formId": str(form.pk),
        "formUUID": form.uuid,
        "formDisplayOrder": form.position,
        "path": f"datatype/{first.xsi_type}" if first else None,
        "scope": "Site" if form.sitewide else "Project",
        "doProjectsShareForm": len({use.project for use in form.uses if use.project}) > 1,
        "username": form.login,
        "dateCreated": int(created.timestamp() * 1000),
        "hasData": first is not None and store.has_data(connection, form, first),
    }


def _element(call: Call, _: str) -> Response:
    kind = call.param("xsiType")
    if not kind or call.param("appendPrevNextButtons") is None:
        raise HttpFailure(400, "The parameters xsiType and appendPrevNextButtons are needed.")
    key, named = (_name(call, "id"), _name(call, "projectId"))
    with call.archive.reading(call.person) as elements:
        project = _project_of(elements, kind, key, named)
        return _json(store.page(store.shown(elements.connection, project, kind)))


def _name(call: Call, parameter: str) -> str | None:
    found = call.param(parameter)
    return found if found and found.lower() != "null" else None


def _project_of(elements: Elements, kind: str, key: str | None, named: str | None) -> str | None:
    if key is None and named is None:
        return None
    project = elements.project(named) if named else None
    if key and kind == "xnat:projectData":
        project = elements.project(key) or project
    elif key:
        find = elements.subject if kind == "xnat:subjectData" else elements.experiment
        found = find(None, key) or (find(project.id, key) if project else None)
        if found is not None:
            return found.project
    if project is None:
        raise HttpFailure(400, f"Did not find {key or named}")
    return project.id


def _env(call: Call, _: str) -> Response:
    project = call.param("projectId")
    with call.archive.reading(call.person) as elements:
        owner = project is not None and elements.rights.can_delete(project)
        if not (owner or _manager(call, elements.connection)):
            raise HttpFailure(403)
    return _json({"siteHasProtocolsPluginDeployed": False, "features": {}})


def _has_data(call: Call, row: str) -> Response:
    with call.archive.database.read() as connection:
        use = store.find_use(connection, row)
        if use is None:
            raise HttpFailure(400, f"Invalid row ID {row}")
        form = store.listed(connection, use.form_pk)[0]
        return _json(store.has_data(connection, form, use))


# ---- saving ----------------------------------------------------------------------------


def _save(call: Call, _: str) -> Response:
    _managers_only(call)
    sent = _body(call)
    sent = sent if isinstance(sent, dict) else {}
    data = (sent.get("submission") or {}).get("data") if _is_map(sent, "submission") else None
    if not isinstance(data, dict):
        raise HttpFailure(400, 'Invalid form submission: Missing required value "submission"')
    sitewide = str(data.get("isThisASiteWideConfiguration") or "").upper()
    if sitewide not in {"YES", "NO"}:
        message = '"isThisASiteWideConfiguration" must be one of {YES, NO}'
        raise HttpFailure(400, f"Invalid form submission: {message}")
    definition = sent.get("builder")
    title = definition.get("title") if isinstance(definition, dict) else None
    if not isinstance(definition, dict) or title is None:
        raise HttpFailure(400, "Missing form title")
    if not str(title).strip() or any(text in str(title) for text in _FORBIDDEN):
        raise HttpFailure(400, "Invalid characters in form title")
    kind = data["xnatDatatype"].get("value") if _is_map(data, "xnatDatatype") else None
    projects = [] if sitewide == "YES" else _listed_projects(data)
    position = data.get("zIndex", 0)
    whole = isinstance(position, int) and abs(position) < 1 << 31
    if not isinstance(kind, str) or not kind or not whole or not (sitewide == "YES" or projects):
        raise HttpFailure(400, "Could not create form")
    known = _known(data)
    with call.archive.changing(call.person) as elements:
        saved = store.save(elements.connection, definition, position, call.person.login, known)
        if saved is None:
            raise HttpFailure(400, "Could not create form")
        for project in projects or [""]:
            store.add_use(elements.connection, saved[0], project, kind)
    return _said(saved[1], 201)


def _is_map(found: dict[str, Any], name: str) -> bool:
    return isinstance(found.get(name), dict)


def _listed_projects(data: dict[str, Any]) -> list[str]:
    listed = data.get("xnatProject")
    listed = listed if isinstance(listed, list) else []
    found = [one.get("value") for one in listed if isinstance(one, dict)]
    return [str(name).rpartition(":")[2] for name in found if name]


def _known(data: dict[str, Any]) -> int | None:
    row = str(data.get("idCustomVariableFormAppliesTo") or "-1_-1")
    number = row.partition("_")[0]
    if number == "-1":
        return None
    if not (number.isascii() and number.isdecimal() and len(number) < 18):
        raise HttpFailure(400, "Incorrect row id received")
    return int(number)


def _position(call: Call, name: str) -> Response:
    _managers_only(call)
    text = call.param("displayOrder") or ""
    try:
        position, wanted = int(text), str(uuid.UUID(name))
    except ValueError as error:
        raise HttpFailure(400, "Invalid form id or display order") from error
    if abs(position) > _FURTHEST:
        raise HttpFailure(400, "The display order is outside the allowed range.")
    with call.archive.changing(call.person) as elements:
        done = elements.connection.execute(
            s.form.update().where(s.form.c.uuid == wanted).values(position=position)
        )
        if not done.rowcount:
            raise HttpFailure(400, "Failed to modify display order")
    return _said(f"Display order updated to {position}")


# ---- what forms are for ----------------------------------------------------------------


def _setting(status: str, done: str, failed: str) -> Callable[[Call, str], Response]:
    def handler(call: Call, _: str) -> Response:
        _managers_only(call)
        rows = _rows(call)
        with call.archive.changing(call.person) as elements:
            for row in rows:
                use = _use(elements, row)
                if use is None:
                    raise HttpFailure(400, failed)
                store.set_status(elements.connection, use.pk, status)
        return _said(done)

    return handler


def _use(elements: Elements, row: dict[str, Any]) -> store.Use | None:
    return store.find_use(elements.connection, str(row.get("idCustomVariableFormAppliesTo")))


def _delete(call: Call, _: str) -> Response:
    _managers_only(call)
    done = []
    rows = _rows(call)
    with call.archive.changing(call.person) as elements:
        for row in rows:
            use = _use(elements, row)
            if use is None:
                continue
            form = store.listed(elements.connection, use.form_pk)[0]
            if store.has_data(elements.connection, form, use):
                store.set_status(elements.connection, use.pk, store.DISABLED)
                status = store.DISABLED
            else:
                store.remove_use(elements.connection, use)
                status = "deleted"
            done.append(f"{row.get('entityId') or 'Site Wide'}: {status}")
    if not done:
        raise HttpFailure(400, "Custom Form could not be deleted")
    return _said("Form " + ",".join(done))


def _promote(call: Call, _: str) -> Response:
    _managers_only(call)
    rows = _rows(call)
    with call.archive.changing(call.person) as elements:
        uses = [_use(elements, row) for row in rows]
        found = [use for use in uses if use is not None]
        if len(found) < len(uses):
            raise HttpFailure(404, "Form not found")
        if not found or not found[0].project or len({use.form_pk for use in found}) > 1:
            raise HttpFailure(400, "Failed to promote form to site repository.")
        store.add_use(elements.connection, found[0].form_pk, "", found[0].xsi_type)
        for use in found:
            store.remove_use(elements.connection, use)
    return _said("Form promoted to site repository")


def _projects_owned(call: Call, elements: Elements, names: list[str]) -> None:
    manager = _manager(call, elements.connection)
    for name in names:
        known = elements.connection.execute(
            s.element.select().where(s.element.c.kind == "project", s.element.c.id == name)
        ).first()
        if known is None or not (manager or elements.project(name) is not None):
            raise HttpFailure(404, "Not found")
        if not (manager or elements.rights.can_delete(name)):
            raise HttpFailure(403, "Not enough permissions")


def _opt_in(call: Call, row: str) -> Response:
    names = _project_names(call)
    with call.archive.changing(call.person) as elements:
        use = store.find_use(elements.connection, row)
        if use is None:
            raise HttpFailure(400, f"Could not opt projects into form: {row} is not known")
        _projects_owned(call, elements, names)
        form = store.listed(elements.connection, use.form_pk)[0]
        for name in names:
            mine = [other for other in form.uses if other.project == name]
            if mine:
                # XNAT takes away what there is, so that the form of all projects holds again
                store.remove_use(elements.connection, mine[0])
            else:
                store.add_use(elements.connection, form.pk, name, use.xsi_type, use.status)
    return _said("Projects opted into form")


def _opt_out(call: Call, row: str) -> Response:
    names = _project_names(call)
    if not all(part.isdecimal() for part in row.split("_")) or "_" not in row:
        raise HttpFailure(400, "Invalid data")
    with call.archive.changing(call.person) as elements:
        _projects_owned(call, elements, names)
        use = store.find_use(elements.connection, row)
        if use is None:
            raise HttpFailure(400, "Invalid data")
        form = store.listed(elements.connection, use.form_pk)[0]
        if form.sitewide:
            for name in names:
                store.add_use(elements.connection, form.pk, name, use.xsi_type, store.OPTED_OUT)
            return _said("Projects  have opted out")
        if len(form.uses) == 1:
            raise HttpFailure(400, "Invalid data")
        leaving = [other for other in form.uses if other.project in names]
        if len(leaving) == len(form.uses):
            store.add_use(elements.connection, form.pk, "", use.xsi_type, store.DISABLED)
        for other in leaving:
            store.remove_use(elements.connection, other)
    return _said("Projects  have opted out")


_HANDLERS: dict[tuple[str, str, bool], Callable[[Call, str], Response]] = {
    ("GET", "", False): _list,
    ("DELETE", "", False): _delete,
    ("PUT", "save", False): _save,
    ("GET", "element", False): _element,
    ("GET", "env", False): _env,
    ("GET", "hasdata", True): _has_data,
    ("POST", "enable", False): _setting(store.ENABLED, "Form Enabled", "Form not enabled"),
    ("POST", "disable", False): _setting(
        store.DISABLED, "Form disabled", "Custom Form could not be disabled"
    ),
    ("POST", "promote", False): _promote,
    ("POST", "optin", True): _opt_in,
    ("POST", "optout", True): _opt_out,
    ("POST", "formId", True): _position,
}
