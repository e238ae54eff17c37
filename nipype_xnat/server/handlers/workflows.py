"""Workflows: what programs note about their work on elements; and the audit trail."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import unquote
from xml.sax.saxutils import quoteattr

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive import values
from nipype_xnat.archive.documents import parse
from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import items

_PREFIX = "wrk:workflowdata/"
_KEYS = ("id", "pipeline_name", "launch_time")
_FIELDS = {
    "data_type",
    "externalid",
    "status",
    "step_id",
    "step_description",
    "percentagecomplete",
    "current_step_id",
    "current_step_launch_time",
    "next_step_id",
    "description",
    "create_user",
    "comments",
    "justification",
    "type",
    "category",
    "details",
    "scan_id",
    "jobid",
}
_SHOWN = {"id": "ID", "externalid": "ExternalID", "percentagecomplete": "percentageComplete"}


def _said(call: Call) -> dict[str, str]:
    """Read what a request says of a workflow, from a document or from parameters."""
    found: dict[str, str] = {}
    document = call.document()
    if document is not None and document.strip():
        root = parse(document)
        pairs = {name.lower(): value for name, value in root.attrib.items()}
        pairs.update({str(c.tag).rpartition("}")[2].lower(): (c.text or "") for c in root})
        found.update(pairs)
    for name, value in call.given().items():
        lowered = name.lower()
        if lowered.startswith(_PREFIX):
            found[lowered.removeprefix(_PREFIX)] = unquote(value)
    known = _FIELDS | set(_KEYS)
    return {name: value for name, value in found.items() if name in known and value}


def _find(elements: Elements, number: str | None, said: dict[str, str]) -> Any:
    c = s.workflow.c
    if number:
        where = [c.pk == (int(number) if number.isdecimal() and len(number) < 18 else -1)]
    elif all(said.get(name) for name in _KEYS):
        where = [c[name] == said[name] for name in _KEYS]
    else:
        return None
    query = sa.select(s.workflow).where(*where).order_by(c.pk.desc())
    return elements.connection.execute(query).mappings().first()


def _element(elements: Elements, key: str) -> Element | None:
    return elements.experiment(None, key) or elements.subject(None, key) or elements.project(key)


def workflows(call: Call) -> Response:
    """Show or note a workflow."""
    number = call.rest.strip("/") or None
    if call.person.guest:
        raise HttpFailure(401)
    said = _said(call)
    if call.method == "PUT":
        return _put(call, number, said)
    with call.archive.reading(call.person) as elements:
        row = _find(elements, number, said)
        if row is None or not _visible(elements, row):
            raise HttpFailure(404, "Unable to find the specified workflow.")
    return _show(call, row)


def _visible(elements: Elements, row: Any) -> bool:
    mine: bool = elements.who.admin or row["login"] == elements.who.login
    return mine or _element(elements, row["id"]) is not None


def _put(call: Call, number: str | None, said: dict[str, str]) -> Response:
    with call.archive.changing(call.person) as elements:
        row = _find(elements, number, said)
        if row is None:
            if number:
                raise HttpFailure(404, "Unable to find the specified workflow.")
            if not all(said.get(name) for name in (*_KEYS, "data_type")):
                raise HttpFailure(
                    400,
                    "Id, launch_time, data_type and pipeline_name are all required (scan_id may "
                    "be specified when appropriate but is not required).",
                )
            if not call.person.admin and _element(elements, said["id"]) is None:
                raise HttpFailure(403, "You are not allowed to make changes to this workflow.")
            fields = {name: value for name, value in said.items() if name not in _KEYS}
            keys = {name: said[name] for name in _KEYS}
            elements.connection.execute(
                s.workflow.insert().values(login=call.person.login, fields=fields, **keys)
            )
            return answers.text()
        if not (call.person.admin or row["login"] == call.person.login):
            raise HttpFailure(403, "You are not allowed to make changes to this workflow.")
        fields = {**row["fields"], **{k: v for k, v in said.items() if k not in _KEYS}}
        elements.connection.execute(
            s.workflow.update().where(s.workflow.c.pk == row["pk"]).values(fields=fields)
        )
    return answers.text()


def _show(call: Call, row: Any) -> Response:
    fields: dict[str, Any] = {name: row[name] for name in _KEYS}
    fields.update(row["fields"])
    fields = {_SHOWN.get(name, name): value for name, value in fields.items()}
    if call.wants("xml", ("xml", "json")) == "json":
        data = {**fields, "wrk_workflowData_id": row["pk"]}
        meta = {"xsi:type": "wrk:workflowData", "isHistory": False}
        item = {"children": [], "meta": meta, "data_fields": data}
        return answers.streamed([json.dumps({"items": [item]}).encode()], answers.TYPES["json"])
    attributes = "".join(f" {name}={quoteattr(str(value))}" for name, value in fields.items())
    hidden = f'<!--hidden_fields[wrk_workflowData_id="{row["pk"]}"]-->'
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<wrk:Workflow xmlns:wrk="http://nrg.wustl.edu/'
        f'workflow"{attributes}>{hidden}</wrk:Workflow>\n'
    )
    return answers.streamed([body.encode()], "text/xml")


def audit(call: Call) -> Response:
    """Tell what happened to an element, named by its type and id."""
    xsi_type, _, key = call.rest.strip("/").partition("/")
    if not values.IDENTIFIER.fullmatch(key) or not xsi_type:
        raise HttpFailure(400, "Invalid value")
    with call.archive.reading(call.person) as elements:
        datatype = elements.dictionary.get(xsi_type)
        if datatype is None:
            raise HttpFailure(400, f"{xsi_type} is not a data type of this archive")
        found = _element(elements, key)
        if found is None or not elements.datatype(found).is_a(datatype.name):
            raise HttpFailure(404)
        return items.history(call, elements, found)
