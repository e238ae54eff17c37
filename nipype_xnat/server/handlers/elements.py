"""Element resources: projects, subjects, experiments, assessors, scans, reconstructions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from werkzeug.wrappers import Response

from nipype_xnat.archive import files, forms
from nipype_xnat.archive.documents import Reader, parse
from nipype_xnat.archive.elements import Draft, Element, Elements
from nipype_xnat.archive.prearchive import Prearchive
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import items

Finder = Callable[[Elements, Call], "Element | None"]


def project_id(elements: Elements, call: Call) -> str | None:
    """Give the id of the project in the path; it must be readable, or known to who makes."""
    if "project" not in call.names:
        return None
    found = elements.project(call.names["project"], known=call.method not in {"GET", "HEAD"})
    return elements.require(found, f"project: {call.names['project']}").id


def find_subject(elements: Elements, call: Call) -> Element | None:
    """Find the subject of the path."""
    return elements.subject(project_id(elements, call), call.names["subject"])


def find_session(elements: Elements, call: Call) -> Element | None:
    """Find the session of the path."""
    return elements.experiment(project_id(elements, call), call.names["session"])


def find_experiment(elements: Elements, call: Call) -> Element | None:
    """Find the experiment of the path."""
    return elements.experiment(project_id(elements, call), call.names["experiment"])


def find_below(kind: str, name: str) -> Finder:
    """Make a finder of what lies below a session."""

    def finder(elements: Elements, call: Call) -> Element | None:
        session = elements.require(find_session(elements, call), "session")
        key = unquote(call.names[name])
        if kind == "experiment":
            return elements.assessor(session, project_id(elements, call), key)
        return elements.scan(session, key, kind)

    return finder


def read_draft(call: Call, elements: Elements, kind: str, base: str | None) -> Draft | None:
    """Read what a request wants an element to be; None when it says nothing."""
    document = call.document()
    draft = None
    if document is not None and document.strip():
        draft = Reader(elements.dictionary).draft(parse(document), base)
        # clients leave blank what the server knows better
        for name in ("id", "label", "project", "subject", "session"):
            if not getattr(draft, name):
                setattr(draft, name, None)
    elif call.content_type == "multipart/form-data":
        call.read_form()
    given = call.given()
    said = elements.draft(kind, given, draft.xsi_type if draft else base)
    if draft is None:
        return (
            said
            if said.xsi_type or said.values or said.variables or said.lists or said.label
            else (said if base is not None else None)
        )
    if said.xsi_type and not document:
        draft.xsi_type = said.xsi_type
    draft.values.update(said.values)
    draft.variables.update(said.variables)
    for path, entries in said.lists.items():
        draft.lists.setdefault(path, []).extend(entries)
    draft.children += said.children
    draft.aliases += said.aliases
    draft.shares += said.shares
    draft.replaces = call.flag("allowDataDeletion")
    draft.label = said.label or draft.label
    draft.id = said.id or draft.id
    draft.subject = said.subject or draft.subject
    draft.session = said.session or draft.session
    draft.project = said.project or draft.project
    return draft


# ---- reading ---------------------------------------------------------------------------


def getter(find: Finder, what: str) -> Callable[[Call], Response]:
    """Make the reading half of an element resource."""

    def get(call: Call) -> Response:
        with call.archive.reading(call.person) as elements:
            element = elements.require(find(elements, call), what)
            answer = items.beyond(call, elements, element) if call.rest else None
            if answer is None and call.rest and element.kind == "project":
                from nipype_xnat.server.handlers import projects

                return projects.get_switch(call, elements, element)
            return answer or items.show(call, elements, element)

    return get


# ---- deleting --------------------------------------------------------------------------


def deleter(find: Finder, what: str) -> Callable[[Call], Response]:
    """Make the deleting half of an element resource."""

    def delete(call: Call) -> Response:
        with call.archive.changing(call.person) as elements:
            element = elements.require(find(elements, call), what)
            target = call.rest.strip("/")
            via = project_id(elements, call)
            if target.startswith("projects/"):
                via = target.split("/", 1)[1]
            if not elements.justified(element.xsi_type, call.reason):
                raise HttpFailure(403, "Justification required.")
            shareable = element.kind in {"subject", "experiment"}
            if shareable and via is not None and via != element.project:
                elements.unshare(element, via)
                return answers.text()
            pks = [victim.pk for victim in elements.below(element)]
            blobs = files.blobs_below(elements.connection, pks)
            elements.delete(element)
            if element.kind == "project":
                forms.forget(elements.connection, element.id)
                prearchive = Prearchive(elements)
                for waiting in (*prearchive.of([element.id]), *prearchive.direct(element.id)):
                    blobs += prearchive.delete(waiting)
        for name in blobs:
            call.archive.blobs.drop(name)
        return answers.text()

    return delete


# ---- sharing ---------------------------------------------------------------------------


def share(call: Call, elements: Elements, element: Element) -> Response | None:
    """Share an element when the path says so; None when it does not."""
    target = call.rest.strip("/")
    if not target:
        return None
    if not target.startswith("projects/"):
        raise HttpFailure(400)
    into = target.split("/", 1)[1]
    if not elements.justified(element.xsi_type, call.reason):
        raise HttpFailure(500)
    base = element
    if element.kind in {"scan", "recon"} and element.session_pk:
        base = elements.by_pk(element.session_pk)
        if into in dict(elements.shares(base)):
            return items.show(call, elements, element)
    if call.flag("primary"):
        along = (call.param("moveAssessors") or "").split(",")
        elements.move(base, into, call.param("label"), along)
        return answers.text()
    elements.share(base, into, call.param("label"))
    return items.show(call, elements, element)


def resource(
    find: Finder, what: str, put: Callable[[Call], Response] | None
) -> Callable[[Call], Response]:
    """Join reading, writing and deleting of one kind of element."""
    get, delete = getter(find, what), deleter(find, what)

    def handler(call: Call) -> Response:
        if call.method == "DELETE":
            return delete(call)
        if call.method in {"PUT", "POST"}:
            assert put is not None
            return put(call)
        return get(call)

    return handler


def sharing(find: Finder) -> Any:
    """Expose sharing to the writing half."""

    def attempt(call: Call, elements: Elements) -> Response | None:
        if not call.rest.strip("/"):
            return None
        element = elements.require(find(elements, call), "element")
        return share(call, elements, element)

    return attempt
