"""Documents that are sent without an address: what they are says where they belong."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from werkzeug.wrappers import Response

from nipype_xnat.archive.documents import Reader, parse
from nipype_xnat.archive.elements import Draft, Element, Elements
from nipype_xnat.archive.errors import Unparsable
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import saving

_DOCUMENTS = {"text/plain", "application/xml"}


def upload_xml(call: Call) -> Response:
    """Make or change the element that a document describes, and tell where it is."""
    if call.person.guest:
        raise HttpFailure(403)
    body = _sent_whole(call) if call.method == "PUT" else _sent_as_part(call)
    if not body.strip():
        raise HttpFailure(204)
    with call.archive.changing(call.person) as elements:
        draft = Reader(elements.dictionary).draft(_parsed(body))
        draft.replaces = call.flag("allowDataDeletion")
        path, element = _save(call, elements, draft)
        elements.record(element, "Uploaded XML", call.reason)
    return answers.plain(path, "text/plain;charset=UTF-8")


def _sent_whole(call: Call) -> bytes:
    if call.content_type not in _DOCUMENTS:
        raise HttpFailure(415)
    if call.param("allowDataDeletion") is None:
        raise HttpFailure(400, "Required boolean parameter 'allowDataDeletion' is not present")
    return call.body()


def _sent_as_part(call: Call) -> bytes:
    if call.content_type != "multipart/form-data":
        raise HttpFailure(415)
    call.read_form()
    for part in call.files:
        if part.field == "item" and part.stream is not None:
            return part.stream.read()
    raise HttpFailure(400, "Required request part 'item' is not present")


def _parsed(body: bytes) -> ET.Element:
    try:
        return parse(body)
    except Unparsable as problem:
        raise HttpFailure(400, f"An error occurred processing the XML: {problem}") from problem


def _save(call: Call, elements: Elements, draft: Draft) -> tuple[str, Element]:
    datatype = elements.dictionary.get(draft.xsi_type or "")
    kind = datatype.kind if datatype is not None else None
    if kind == "project":
        if not draft.id:
            raise HttpFailure(400, "The project has no ID.")
        element = saving.save_project(elements, call, draft.id, draft, "private")
        return f"/archive/projects/{element.id}", element
    if kind == "subject":
        found = elements.subject(None, draft.id) if draft.id else None
        project = _project(elements, draft, found)
        element, _ = saving.save_subject(elements, project, draft.label, draft, found)
        return f"/archive/subjects/{element.id}", element
    if kind == "experiment":
        found = elements.experiment(None, draft.id) if draft.id else None
        project = _project(elements, draft, found)
        element, _ = saving.save_experiment(elements, project, draft.label, draft, found)
        return f"/archive/experiments/{element.id}", element
    if kind == "scan":
        session = elements.experiment(None, draft.session) if draft.session else None
        if session is None:
            raise HttpFailure(400, "Cannot insert scan: its image_session_ID names no session.")
        known = elements.scan(session, draft.id) if draft.id else None
        scan = saving.save_scan(elements, session, "scan", draft.id, draft, known)
        return f"/archive/experiments/{session.id}/scans/{scan.id}", session
    raise HttpFailure(400, f"A document of type {draft.xsi_type} cannot be uploaded.")


def _project(elements: Elements, draft: Draft, found: Element | None) -> str:
    if found is not None:
        return found.project or ""
    project = elements.project(draft.project or "", known=True)
    return elements.require(project, f"project: {draft.project}").id
