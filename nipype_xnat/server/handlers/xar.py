"""Taking in what was sent out as an XAR: a document and a session folder."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from nipype_xnat.archive import files
from nipype_xnat.archive.documents import Reader, parse
from nipype_xnat.archive.elements import Draft, Element, Elements
from nipype_xnat.archive.errors import ArchiveError
from nipype_xnat.archive.files import About
from nipype_xnat.archive.packed import Member
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.archive.storage.blobs import Blob
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import saving

_PLACE = re.compile(
    r"(?:^|/)(?:(?P<kind>SCANS|PROCESSED|ASSESSORS)/(?P<name>[^/]+)/|RESOURCES/)"
    r"(?P<label>[^/]+)/(?P<path>.+)$"
)
_KINDS = {"SCANS": "scan", "PROCESSED": "recon"}
_DOCUMENT_LIMIT = 64 << 20


def restore(call: Call, taken: Sequence[Member]) -> list[str]:
    """Make or complete a session of the members of an XAR, and return its address."""
    try:
        session_id, kept = _restore(call, taken)
    except (ArchiveError, HttpFailure):
        for _, blob in taken:
            call.archive.blobs.drop(blob.name)
        raise
    for _, blob in taken:
        if blob.name not in kept:
            call.archive.blobs.drop(blob.name)
    return [f"/archive/experiments/{session_id}"]


def _documents(call: Call, taken: Sequence[Member]) -> list[bytes]:
    found = {}
    for name, blob in taken:
        if name.lower().endswith(".xml") and not name.endswith("_catalog.xml"):
            found[name] = blob
    if not found:
        raise HttpFailure(400, "Unable to locate XNAT xml document.")
    top = min(name.count("/") for name in found)
    documents = []
    for name, blob in found.items():
        if name.count("/") == top and blob.size <= _DOCUMENT_LIMIT:
            with call.archive.blobs.open(blob.name) as stream:
                documents.append(stream.read())
    return documents


def _restore(call: Call, taken: Sequence[Member]) -> tuple[str, set[str]]:
    documents = _documents(call, taken)
    if len(documents) != 1:
        raise HttpFailure(400, "XAR can only include data for one imaging session.")
    with call.archive.changing(call.person) as elements:
        draft = Reader(elements.dictionary).draft(parse(documents[0]), None)
        said = {
            (child.id or "", entry.get("label", "")): About(
                entry.get("format"), entry.get("content"), entry.get("description")
            )
            for child in (draft, *draft.children)
            for entry in child.resources
        }
        session = _session(elements, draft)
        kept = _files(elements, session, taken, said)
        elements.record(session, "Imported XAR", call.reason)
        return session.id, kept


def _session(elements: Elements, draft: Draft) -> Element:
    datatype = elements.dictionary.get(draft.xsi_type or "")
    if datatype is None or not datatype.is_a("xnat:imageSessionData"):
        raise HttpFailure(400, "XAR can only include data for one imaging session.")
    project = elements.project(draft.project or "")
    if project is None:
        raise HttpFailure(400, "Could not process XAR file - Invalid project tag.")
    existing = elements.experiment(project.id, draft.label or draft.id or "")
    draft.resources = []
    for child in draft.children:
        child.resources = []
    if existing is not None:
        draft.id = existing.id
        draft.subject = None
    elif not draft.subject:
        raise HttpFailure(400, "Could not process XAR file - Invalid subject.")
    key = draft.label or draft.id
    element, _ = saving.save_experiment(elements, project.id, key, draft, existing)
    return element


def _files(
    elements: Elements,
    session: Element,
    taken: Sequence[Member],
    said: Mapping[tuple[str, str], About],
) -> set[str]:
    groups: dict[tuple[int, str, str], list[tuple[str, Blob]]] = {}
    owners: dict[int, Element] = {}
    for name, blob in taken:
        match = _PLACE.search(name)
        if match is None or name.endswith("_catalog.xml"):
            continue
        owner = _owner(elements, session, match["kind"], match["name"])
        if owner is None:
            continue
        direction = "out" if match["kind"] in {"PROCESSED", "ASSESSORS"} else ""
        owners[owner.pk] = owner
        path = files.clean_path(match["path"])
        groups.setdefault((owner.pk, direction, match["label"]), []).append((path, blob))
    kept = set()
    c = s.resource.c
    for (pk, direction, label), arrived in groups.items():
        where = (c.owner_pk == pk, c.direction == direction, c.label == label)
        resource = elements.connection.execute(sa.select(c.pk).where(*where)).scalar()
        if resource is None:
            about = said.get((owners[pk].id, label), About())
            resource = files.create_resource(elements, owners[pk], direction, label, about)
        _, unused = files.store(
            elements.connection,
            resource,
            arrived,
            About(),
            elements.who.login,
            False,
            elements.site.checksums,
        )
        files.bump(elements.connection, resource, None)
        files.count(elements.connection, resource)
        kept |= {blob.name for _, blob in arrived} - set(unused)
    return kept


def _owner(
    elements: Elements, session: Element, kind: str | None, name: str | None
) -> Element | None:
    if kind is None or name is None:
        return session
    if kind == "ASSESSORS":
        return elements.assessor(session, session.project, name)
    return elements.scan(session, name, _KINDS[kind])
