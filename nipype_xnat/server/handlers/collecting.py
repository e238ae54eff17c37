"""Download catalogs: files of many sessions, chosen once and fetched by an id."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from xml.sax.saxutils import quoteattr

from werkzeug.wrappers import Response

from nipype_xnat.archive import files
from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.files import Stored
from nipype_xnat.archive.tree import Catalog, Scope, Tree
from nipype_xnat.server import answers, bundle, json_body
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers.account import xapi_json

_UNSAFE = re.compile(r"[\\/(), ]")
_LISTS = (
    *("sessions", "projectIds", "scan_types", "scan_formats", "reconstructions", "assessors"),
    *("resources", "options"),
)
Asked = dict[str, Sequence[str]]
Pairs = list[tuple[Catalog, Stored]]


def _sessions(elements: Elements, given: Asked) -> list[Element]:
    found = []
    for text in given["sessions"]:
        session = elements.experiment(None, text.rsplit(":", 1)[-1])
        if session is None:
            raise HttpFailure(403)
        found.append(session)
    return found


def _wanted(catalog: Catalog, given: Asked) -> bool:
    label = catalog.label or "NULL"
    kind = catalog.owner.kind
    if kind == "scan":
        fits = not given["scan_formats"] or label in given["scan_formats"]
        return catalog.owner.scan_type in given["scan_types"] and fits
    if kind == "recon":
        return catalog.owner.scan_type in given["reconstructions"]
    if catalog.category == "assessors":
        return catalog.owner.xsi_type in given["assessors"]
    return label in given["resources"]


def _collect(elements: Elements, given: Asked) -> Pairs:
    sessions = _sessions(elements, given)
    tree = Tree(elements)
    catalogs = tree.catalogs(Scope(experiments=sessions), everything=True) if sessions else []
    chosen = [catalog for catalog in catalogs if _wanted(catalog, given)]
    listed = files.entries(elements.connection, [catalog.pk for catalog in chosen])
    return [(catalog, file) for catalog in chosen for file in listed[catalog.pk]]


def _place(elements: Elements, catalog: Catalog, file: Stored, options: set[str]) -> str:
    owner = catalog.owner
    session = elements.by_pk(owner.session_pk) if owner.session_pk else owner
    label = catalog.label or str(catalog.pk)
    front = session.name
    if "subjectIncludedInPath" in options and session.subject_pk:
        front = f"{elements.by_pk(session.subject_pk).name}/{front}"
    if "projectIncludedInPath" in options:
        front = f"{session.project}/{front}"
    if owner.kind == "scan":
        name = owner.id
        if "simplified" in options:
            return f"{front}/{name}/{label}/{file.path}"
        if owner.scan_type:
            name += "-" + _UNSAFE.sub("_", owner.scan_type)
        return f"{front}/scans/{name}/resources/{label}/{file.path}"
    below = ""
    if owner.kind == "recon":
        below = f"/reconstructions/{owner.id}"
    elif owner.session_pk:
        below = f"/assessors/{owner.name}"
    if "simplified" in options:
        return f"{front}{below}/{label}/{file.path}"
    return f"{front}{below}/resources/{label}/{file.path}"


def _start(call: Call, with_size: bool) -> Response:
    try:
        said = json_body.decoded(call.body() or b"{}")
    except ValueError as error:
        raise HttpFailure(400, str(error)) from error
    if not isinstance(said, dict):
        raise HttpFailure(400)
    given = {name: json_body.texts(said, name) for name in _LISTS}
    if not (given["sessions"] or given["projectIds"]):
        return answers.plain("", "text/plain", 204)
    with call.archive.reading(call.person) as elements:
        pairs = _collect(elements, given)
    assert call.session is not None
    moment = f"{time.strftime('%Y%m%d_%H%M%S')}{time.time_ns() // 1_000_000 % 1000:03d}"
    key = f"{call.person.login}-{moment}"
    call.session.tables[f"download {key}"] = given
    if with_size:
        size = sum(file.size for _, file in pairs)
        return xapi_json({"id": key, "size": size, "resourcesOfUnknownSize": 0})
    return answers.plain(key, "text/plain")


def download(call: Call) -> Response:
    """Choose files, or give those that were chosen."""
    parts = [part for part in call.rest.split("/") if part]
    if call.method == "POST":
        if parts:
            raise HttpFailure(404)
        return _start(call, with_size=False)
    kept = call.session.tables.get(f"download {parts[0]}") if call.session and parts else None
    if not isinstance(kept, dict) or len(parts) != 2:
        raise HttpFailure(404)
    with call.archive.reading(call.person) as elements:
        pairs = _collect(elements, kept)
        options = set(kept["options"])
        named = [(_place(elements, c, f, options), f) for c, f in pairs]
        if parts[1] == "zip":
            return bundle.files(call, Scope(), named, "zip", parts[0])
        if parts[1] == "xml":
            return _catalog(parts[0], pairs, named)
    raise HttpFailure(404)


def _catalog(key: str, pairs: Pairs, named: list[tuple[str, Stored]]) -> Response:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<cat:Catalog ID={quoteattr(key)} xmlns:cat="http://nrg.wustl.edu/catalog"><cat:entries>',
    ]
    for (catalog, file), (name, _) in zip(pairs, named, strict=True):
        uri = quoteattr(f"{catalog.path}/files/{file.path}")
        lines.append(f"<cat:entry name={quoteattr(name)} URI={uri}/>")
    lines.append("</cat:entries></cat:Catalog>")
    return answers.plain("\n".join(lines), "application/xml")


def download_with_size(call: Call) -> Response:
    """Choose files, and say how much they are."""
    return _start(call, with_size=True)
