"""Custom fields: a JSON object beside the fields of an element."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers, json_body
from nipype_xnat.server.call import Call, HttpFailure

_STEPS = {
    "projects": "project",
    "subjects": "subject",
    "experiments": "experiment",
    "scans": "scan",
    "assessors": "assessor",
}
#: the orders in which a path may name elements
_PATHS = {
    (*front, *below)
    for front in ((), ("project",), ("project", "subject"), ("subject",))
    for below in ((), ("experiment",), ("experiment", "scan"), ("experiment", "assessor"))
    if front + below and not (front == ("subject",) and below)
}


def _split(call: Call) -> tuple[dict[str, str], str | None]:
    """Read the elements of the path, and the name of a field."""
    parts = call.rest.split("/")
    names: dict[str, str] = {}
    while parts and parts[0] != "fields":
        if len(parts) < 2 or parts[0] not in _STEPS or not parts[1]:
            raise HttpFailure(404)
        names[_STEPS[parts[0]]] = parts[1]
        parts = parts[2:]
    if tuple(names) not in _PATHS or not parts or len(parts) > 2:
        raise HttpFailure(404)
    return names, unquote(parts[1]) if len(parts) == 2 and parts[1] else None


def _find(elements: Elements, names: dict[str, str]) -> Element:
    """Find the element; what a person may not see is forbidden, not unknown."""
    refused = 404 if elements.who.admin else 403
    project = None
    found: Element | None = None
    if "project" in names:
        found = elements.project(names["project"])
        if found is None:
            raise HttpFailure(refused)
        project = found.id
    if "subject" in names:
        found = elements.subject(project, names["subject"])
        if found is None:
            raise HttpFailure(refused)
    if "experiment" in names:
        subject = found if "subject" in names else None
        found = elements.experiment(project, names["experiment"])
        if found is None:
            raise HttpFailure(refused)
        if subject is not None and found.subject_pk != subject.pk:
            raise HttpFailure(404, f"Unable to identify experiment: {names['experiment']}")
    session = found
    if session is not None and "scan" in names:
        found = elements.scan(session, names["scan"])
    elif session is not None and "assessor" in names:
        found = elements.assessor(session, project, names["assessor"])
    if found is None:
        raise HttpFailure(404, "Unable to find item")
    return found


def _may_edit(elements: Elements, element: Element) -> bool:
    owner = elements.owner(element)
    if element.kind == "project":
        return elements.rights.can_delete(owner)
    return elements.rights.can_edit(owner)


def _fields(elements: Elements, element: Element) -> dict[str, Any]:
    found = elements.connection.execute(
        sa.select(s.custom_fields.c.fields).where(s.custom_fields.c.element_pk == element.pk)
    ).scalar()
    return dict(found or {})


def _keep(elements: Elements, element: Element, fields: dict[str, Any]) -> None:
    where = s.custom_fields.c.element_pk == element.pk
    elements.connection.execute(s.custom_fields.delete().where(where))
    elements.connection.execute(
        s.custom_fields.insert().values(element_pk=element.pk, fields=fields)
    )
    elements.touch(element)
    elements.record(element, "Modified Custom Fields", None)


def _json(found: Any) -> Response:
    return answers.plain(json.dumps(found), "application/json")


def custom_fields(call: Call) -> Response:
    """Show, set or remove custom fields of an element."""
    if call.person.guest and call.method not in {"GET", "HEAD"}:
        raise HttpFailure(403)
    names, name = _split(call)
    if call.method in {"GET", "HEAD"}:
        with call.archive.reading(call.person) as elements:
            fields = _fields(elements, _find(elements, names))
        return _show(call, fields, name)
    if call.method == "PUT":
        if name is not None:
            raise HttpFailure(405)
        said = _read(call)
        with call.archive.changing(call.person) as elements:
            element = _allowed(elements, names)
            fields = {**_fields(elements, element), **said}
            _keep(elements, element, fields)
        return _json(fields)
    if name is None:
        raise HttpFailure(405)
    with call.archive.changing(call.person) as elements:
        element = _allowed(elements, names)
        fields = _fields(elements, element)
        if fields.get(name) is None:
            raise HttpFailure(404, f"Field {name} does not exist.")
        del fields[name]
        _keep(elements, element, fields)
    return _json(fields)


def _allowed(elements: Elements, names: dict[str, str]) -> Element:
    element = _find(elements, names)
    if not _may_edit(elements, element):
        raise HttpFailure(403)
    return element


def _show(call: Call, fields: dict[str, Any], name: str | None) -> Response:
    if name is None:
        wanted = [part for text in call.params("fieldNames") for part in text.split(",")]
        return _json({k: fields[k] for k in wanted if k in fields} if wanted else fields)
    if name not in fields:
        raise HttpFailure(404, f"Field {name} does not exist.")
    value = fields[name]
    text = value if isinstance(value, str) else json.dumps(value)
    return answers.plain(text, "text/plain;charset=UTF-8")


def _read(call: Call) -> dict[str, Any]:
    if call.content_type != "application/json":
        raise HttpFailure(415)
    try:
        found = json_body.decoded(call.body())
    except ValueError as error:
        raise HttpFailure(400, "The body is no JSON.") from error
    return found if isinstance(found, dict) else {}
