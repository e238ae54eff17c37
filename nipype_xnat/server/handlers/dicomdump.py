"""Headers of DICOM files, as a table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from werkzeug.wrappers import Response

from nipype_xnat.archive import files
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.prearchive import UNASSIGNED, Prearchive
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.tree import Scope, Tree
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import listings

_COLUMNS = ["tag1", "tag2", "vr", "value", "desc"]
_LABELS = ("DICOM", "secondary")
_LONGEST = 255
_MOST_FILES = 10_000
_ARCHIVE = re.compile(
    r"^/archive/projects/(?P<project>[^/]+)(?:/subjects/[^/]+)?/experiments/(?P<session>[^/]+)"
    r"(?:/(?P<below>scans|assessors|recons)/(?P<name>[^/]+)"
    r"(?:/resources/DICOM/files/(?P<file>[^/]+))?)?"
)
_PREARCHIVE = re.compile(
    r"^/prearchive/projects/(?P<project>[^/]+)/(?P<timestamp>[^/]+)/(?P<folder>[^/]+)"
    r"(?:/scans/(?P<name>[^/]+)(?:/resources/DICOM/files/(?P<file>[^/]+))?)?"
)
_ELEMENT_TYPES = {"scans": "scan", "recons": "recon"}


def _tags(wanted: Sequence[str]) -> list[int]:
    from pydicom.datadict import tag_for_keyword

    found = []
    for text in wanted:
        name = text.partition(":")[0]
        tag = tag_for_keyword(name)
        if tag is None:
            if not re.fullmatch(r"[0-9A-Fa-f]{1,8}", name):
                raise HttpFailure(400, f"not a valid DICOM attribute tag: {name}")
            tag = int(name, 16)
        found.append(tag)
    return found


def _waiting(elements: Elements, match: re.Match[str]) -> list[str]:
    prearchive = Prearchive(elements)
    project: str | None = match["project"]
    if project == UNASSIGNED:
        project = None
    prearchive.enter(project)
    found = prearchive.require(project, match["timestamp"], match["folder"])
    return [
        held.blob
        for held in prearchive.files(found, match["name"])
        if held.label in _LABELS and match["file"] in {None, held.path.rsplit("/", 1)[-1]}
    ]


def _archived(elements: Elements, match: re.Match[str]) -> list[str]:
    project = elements.project(match["project"])
    session = None
    if project is not None:
        session = elements.experiment(project.id, match["session"])
    if session is None:
        raise HttpFailure(404, "Experiment or project not found")
    if match["below"] in {None, "scans", "recons"}:
        kind = _ELEMENT_TYPES.get(match["below"] or "scans", "scan")
        owners = elements.children(session, kind)
    else:
        owners = [e for e in elements.children(session, "experiment") if elements.readable(e)]
    if match["name"] is not None:
        owners = [e for e in owners if match["name"] in {e.id, e.label}]
    blobs = []
    for owner in owners:
        scope = Scope(sessions=[session], wanted=list(_LABELS))
        scope.direction = "out"
        target = {"scan": scope.scans, "recon": scope.recons}.get(owner.kind, scope.experiments)
        target.append(owner)
        catalogs = Tree(elements).catalogs(scope, everything=False)
        listed = files.entries(elements.connection, [catalog.pk for catalog in catalogs])
        for catalog in catalogs:
            for file in listed[catalog.pk]:
                if match["file"] in {None, file.name}:
                    blobs.append(file.blob)
    return blobs


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return ""
    if hasattr(value, "insert") and not isinstance(value, str):
        return "\\".join(str(part) for part in value)
    return str(value)


def _header(call: Call, blob: str, wanted: Sequence[int]) -> Iterator[list[str]]:
    import pydicom

    last = max(wanted) if wanted else 0x7FE0000F

    def stop(tag: Any, _vr: str | None, _length: int) -> bool:
        return int(tag) > last

    try:
        with call.archive.blobs.open(blob) as stream:
            data = pydicom.filereader.dcmread(stream, stop_before_pixels=True)
            elements = [element for element in data if not stop(element.tag, None, 0)]
    except Exception as error:  # pydicom fails in many ways on what is no DICOM
        raise HttpFailure(404, "There was an error rendering Dicom Header") from error
    meta = list(data.file_meta) if not wanted or min(wanted) < 0x00080000 else []
    for element in (*meta, *elements):
        if wanted and int(element.tag) not in wanted:
            continue
        if element.VR == "SQ":
            for item in element.value:
                yield _row(element, _name(element), "")
                for inner in item:
                    yield _row(inner, _name(element), _name(inner))
            continue
        yield _row(element, _name(element), "")


def _name(element: Any) -> str:
    return f"({element.tag.group:04X},{element.tag.element:04X})"


def _row(element: Any, first: str, second: str) -> list[str]:
    try:
        value = "" if element.VR == "SQ" else _shown(element.value)
    except Exception:  # a broken element has no value
        value = ""
    description = str(element.name).replace("'", "\u2019").replace("\u2019", "&rsquo;")
    return [first, second, str(element.VR), escape(value[:_LONGEST], quote=False), description]


def _joined(rows: Sequence[list[str]]) -> list[list[str]]:
    kept: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        known = kept.setdefault((row[0], row[1]), [*row[:3], "", row[4]])
        if row[3] and row[3] not in known[3].split(", "):
            known[3] = f"{known[3]}, {row[3]}" if known[3] else row[3]
    return [kept[key] for key in sorted(kept)]


def dump(call: Call) -> Response:
    """Show the header of a file, or of all files of a scan or session summed up."""
    source = call.param("src")
    if source is None:
        raise HttpFailure(400, "Please set the src parameter")
    wanted = _tags(call.params("field"))
    blobs: list[str] = []
    with call.archive.reading(call.person) as elements:
        archived, waiting = _ARCHIVE.match(source), _PREARCHIVE.match(source)
        if archived is not None:
            blobs = _archived(elements, archived)
        elif waiting is not None:
            blobs = _waiting(elements, waiting)
    rows: list[list[str]] = []
    if call.param("summary") == "true":
        for blob in blobs[:_MOST_FILES]:
            rows += _header(call, blob, wanted)
        rows = _joined(rows)
    elif blobs:
        rows = list(_header(call, blobs[0], wanted))
    return listings.finish(call, Table.of(_COLUMNS, rows))
