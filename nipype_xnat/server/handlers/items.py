"""Showing one element: XML, JSON, HTML, its status, history and shares."""

from __future__ import annotations

import json
from html import escape

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive.documents import Node, Writer, to_json, to_xml
from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure


def base_url(call: Call) -> str:
    """Give the address of the site."""
    return call.request.host_url.rstrip("/") + call.archive.site.context


def show(call: Call, elements: Elements, element: Element) -> Response:
    """Answer with an element as a document."""
    kind = call.wants("html", ("xml", "json", "html"))
    handler = call.param("handler")
    if handler and handler != "values":
        raise HttpFailure(400, f"Unknown handler: {handler}")
    node = Writer(elements).node(element)
    if handler == "values":
        return _values(call, node, kind)
    if kind == "json":
        body = json.dumps({"items": [to_json(node)]}, ensure_ascii=False)
        return answers.streamed([body.encode()], answers.TYPES["json"])
    if kind != "html":
        # whatever else is asked for, an item comes as XML
        hidden = not call.flag("concealHiddenFields")
        body = to_xml(node, elements.dictionary, base_url(call), hidden)
        return answers.streamed([body.encode()], "text/xml")
    return answers.plain(_page(element, node), "text/html;charset=UTF-8")


def _values(call: Call, node: Node, kind: str) -> Response:
    known = {path.lower(): value for path, _, value in node.data}
    asked = (call.param("columns") or "").split(",")
    row = [
        known.get(name.rpartition(":")[2].partition("/")[2].lower() or name.lower())
        for name in asked
    ]
    row = [known.get(name.lower(), value) for name, value in zip(asked, row, strict=True)]
    return answers.table(Table.of(asked, [row]), kind if kind != "html" else "json")


def _page(element: Element, node: Node) -> str:
    rows = "".join(
        f"<tr><th>{escape(path)}</th><td>{escape(str(value))}</td></tr>"
        for path, _, value in node.data
    )
    name = escape(element.name)
    # pages that begin with a DOCTYPE are taken for errors by some clients
    return (
        f"<!-- {name} -->\n<html lang='en'><head><title>{name}</title></head><body><h1>{name}</h1>"
        f"<p>{escape(element.xsi_type)}</p><table>{rows}</table></body></html>\n"
    )


def shares(call: Call, elements: Elements, element: Element) -> Response:
    """List the projects an element belongs to."""
    rows = []
    entries = [(element.project or "", element.label), *elements.shares(element)]
    for project, label in entries:
        row = elements.connection.execute(
            sa.select(s.element.c.fields).where(
                s.element.c.kind == "project", s.element.c.id == project
            )
        ).scalar()
        fields = row or {}
        rows.append([label, project, fields.get("secondary_ID"), fields.get("name")])
    table = Table(["label", "ID", "Secondary_ID", "Name"], rows)
    return answers.table(table, call.wants("json"))


def history(call: Call, elements: Elements, element: Element) -> Response:
    """Tell what happened to an element."""
    rows = elements.connection.execute(
        sa.select(s.event).where(s.event.c.element_pk == element.pk).order_by(s.event.c.pk)
    ).mappings()
    found = [
        {
            "event_id": str(row["pk"]),
            "event_action": row["action"],
            "event_user": row["login"],
            "event_date": row["at"],
            "event_reason": row["reason"] or "",
        }
        for row in rows
    ]
    return answers.streamed([json.dumps(found).encode()], answers.TYPES["json"])


def beyond(call: Call, elements: Elements, element: Element) -> Response | None:
    """Answer the sub-verbs that every element knows; None when it is none of them."""
    verb = call.rest.strip("/")
    if verb == "projects":
        return shares(call, elements, element)
    if verb == "history":
        return history(call, elements, element)
    if verb == "status":
        return answers.text("active")
    return None
