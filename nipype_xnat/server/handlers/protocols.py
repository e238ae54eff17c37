"""Data type protocols: which custom variables a project has for a data type."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.wrappers import Response

from nipype_xnat.archive.documents import Reader, Writer, parse, to_json, to_xml
from nipype_xnat.archive.elements import Draft, Element, Elements
from nipype_xnat.archive.items import LISTS, TYPE, Item
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import items, projects

_PLACE = "studyProtocol"
_BASE, _TYPE = "xnat:abstractProtocol", "xnat:datatypeProtocol"


def protocol(call: Call) -> Response:
    """Show, set or delete one protocol of a project, by its id or its data type."""
    changes = call.method not in {"GET", "HEAD"}
    if not changes:
        with call.archive.reading(call.person) as elements:
            project = projects.find(call, elements)
            found = _find(call, project)
            if found is not None:
                return _show(call, elements, found)
            if not call.param("dataType"):
                raise HttpFailure(404, f"Unable to find the protocol: {call.names['protocol']}")
    with call.archive.changing(call.person) as elements:
        project = projects.find(call, elements)
        if not elements.rights.can_edit(project.id):
            raise HttpFailure(403, "Specified user account has insufficient edit privileges.")
        if call.method == "DELETE":
            return _delete(call, elements, project)
        wanted = _sent(call, elements, project) if changes else _default(call, elements, project)
        elements.update(project, Draft(lists={_PLACE: [wanted]}))
        elements.record(project, "Modified event data-type protocol.", call.reason)
        stored = _protocols(elements.by_pk(project.pk))
        return _show(call, elements, next(one for one in stored if one["ID"] == wanted["ID"]))


def _protocols(project: Element) -> list[Item]:
    listed: list[Item] = project.fields.get(LISTS, {}).get(_PLACE, [])
    return [one for one in listed if one.get(TYPE) == _TYPE]


def _find(call: Call, project: Element) -> Item | None:
    datatype = call.param("dataType")
    for one in _protocols(project):
        if one.get("ID") == call.names["protocol"]:
            return one
    for one in _protocols(project):
        if datatype and one.get("data-type") == datatype:
            return one
    return None


def _default(call: Call, elements: Elements, project: Element) -> Item:
    """Make the protocol that a project has of a data type before anybody changes it."""
    datatype = elements.dictionary.get(call.param("dataType") or "")
    if datatype is None or datatype.kind not in {"project", "subject", "experiment"}:
        raise HttpFailure(404, f"Unknown data type: {call.param('dataType')}")
    name = datatype.name
    group = {"ID": "default", "data-type": name, "project-specific": "false"}
    return {
        TYPE: _TYPE,
        "ID": f"{project.id}_{name.replace(':', '_')}",
        "name": datatype.plural,
        "data-type": name,
        LISTS: {"definitions/definition": [group]},
    }


def _sent(call: Call, elements: Elements, project: Element) -> Item:
    body = call.document()
    if body is None or not body.strip():
        raise HttpFailure(422, "A protocol must be sent as an XML document.")
    root = parse(body)
    reader = Reader(elements.dictionary)
    draft = reader.draft(root, _TYPE)
    if draft.xsi_type != _TYPE:
        message = f"The submitted object should be {_TYPE} but is {draft.xsi_type}"
        raise HttpFailure(406, message)
    known = _find(call, project)
    sent: Item = {TYPE: _TYPE, **draft.values, LISTS: draft.lists}
    sent["ID"] = draft.id or (known["ID"] if known else sent.get("data-type"))
    if not sent["ID"]:
        raise HttpFailure(400, "The protocol has neither an ID nor a data type.")
    return sent


def _delete(call: Call, elements: Elements, project: Element) -> Response:
    found = _find(call, project)
    if found is None:
        raise HttpFailure(404, f"Unable to find the protocol: {call.names['protocol']}")
    fields: dict[str, Any] = dict(project.fields)
    lists = dict(fields[LISTS])
    lists[_PLACE] = [one for one in lists[_PLACE] if one != found]
    fields[LISTS] = {path: entries for path, entries in lists.items() if entries}
    elements.connection.execute(
        s.element.update().where(s.element.c.pk == project.pk).values(fields=fields)
    )
    elements.touch(project)
    elements.record(project, "Deleted event data-type protocol.", call.reason)
    return answers.text()


def _show(call: Call, elements: Elements, found: Item) -> Response:
    node = Writer(elements).item(_BASE, found, 1)
    if call.wants("xml", ("xml", "json")) == "json":
        body = json.dumps({"items": [to_json(node)]}, ensure_ascii=False)
        return answers.streamed([body.encode()], answers.TYPES["json"])
    text = to_xml(node, elements.dictionary, items.base_url(call))
    return answers.streamed([text.encode()], "text/xml")
