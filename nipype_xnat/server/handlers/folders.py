"""Session folders: the files of an experiment as they would lie on XNAT's disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from werkzeug.wrappers import Response

from nipype_xnat.archive import dicomdir as directory
from nipype_xnat.archive import files
from nipype_xnat.archive.documents import Writer, catalog_xml, to_xml
from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.files import Stored
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.tree import Catalog, Scope, Tree
from nipype_xnat.server import answers, bundle, download
from nipype_xnat.server.bundle import Written
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import filetree, items, listings

_COLUMNS = ["Name", "DIR", "Size", "URI"]
_FOLDER_SIZE = 4096
_MANY = 20_000


@dataclass
class Folder:
    """One folder, with what is in it."""

    path: str
    folders: dict[str, Folder] = field(default_factory=dict)
    files: dict[str, Stored | Written] = field(default_factory=dict)

    def put(self, path: str, file: Stored | Written) -> None:
        """Enter a file below."""
        place = self
        *above, last = path.split("/")
        for name in above:
            inner = f"{place.path}/{name}".lstrip("/")
            place = place.folders.setdefault(name, Folder(inner))
        place.files[last] = file

    def below(self) -> list[tuple[str, Stored | Written]]:
        """List all files below, with their paths from the root."""
        found: list[tuple[str, Stored | Written]] = []
        stack = [self]
        while stack:
            place = stack.pop()
            front = f"{place.path}/" if place.path else ""
            found += [(front + name, file) for name, file in place.files.items()]
            stack += reversed(place.folders.values())
        return found

    def match(self, parts: Sequence[str]) -> list[Folder | tuple[str, Stored | Written]]:
        """List what a path with wildcards means."""
        if not parts:
            return [self]
        first, rest = parts[0], parts[1:]
        found: list[Folder | tuple[str, Stored | Written]] = []
        for name, folder in self.folders.items():
            if fnmatchcase(name, first):
                found += folder.match(rest)
        if not rest:
            front = f"{self.path}/" if self.path else ""
            found += [(front + n, f) for n, f in self.files.items() if fnmatchcase(n, first)]
        return found


def _front(catalog: Catalog) -> str:
    label = catalog.label or str(catalog.pk)
    owner = catalog.owner
    if owner.kind == "scan":
        return f"SCANS/{owner.id}/{label}"
    if owner.kind == "recon":
        return f"PROCESSED/{owner.id}/{label}"
    if owner.kind == "experiment" and owner.session_pk:
        return f"ASSESSORS/{owner.name}/{label}"
    return f"RESOURCES/{label}"


def tree(elements: Elements, experiment: Element) -> Folder:
    """Build the folder of an experiment."""
    scope = Scope(experiments=[experiment])
    catalogs = Tree(elements).catalogs(scope, everything=True)
    listed = files.entries(elements.connection, [catalog.pk for catalog in catalogs])
    root = Folder("")
    for catalog in catalogs:
        front = _front(catalog)
        label = catalog.label or str(catalog.pk)
        held = listed[catalog.pk]
        for file in held:
            root.put(f"{front}/{file.path}", file)
        text = catalog_xml(label, elements.owner(catalog.owner), held)
        newest = max((file.modified for file in held), default=time.time())
        root.put(f"{front}/{label}_catalog.xml", Written(text.encode(), newest))
    return root


def _experiment(call: Call, elements: Elements) -> Element:
    if call.person.guest:
        raise HttpFailure(401)
    project = None
    if "project" in call.names:
        found = elements.project(call.names["project"])
        project = found.id if found is not None else None
        if project is None:
            raise HttpFailure(404)
    key = call.names["experiment"]
    experiment = elements.require(elements.experiment(project, key), f"experiment: {key}")
    if not elements.datatype(experiment).is_a("xnat:subjectAssessorData"):
        raise HttpFailure(
            400, "Resource only available for extensions of the xnat:subjectAssessorData type."
        )
    return experiment


def folder(call: Call) -> Response:
    """List the folder of an experiment, or send what is in it."""
    path = filetree.file_path(call)
    parts = [part for part in path.split("/") if part]
    if ".." in parts:
        raise HttpFailure(400, "'..' is not allowed in this resource URI.")
    with call.archive.reading(call.person) as elements:
        experiment = _experiment(call, elements)
        root = tree(elements, experiment)
    if not root.folders:
        raise HttpFailure(
            404, "Session directory doesn't exist in standard location for this experiment."
        )
    hits = root.match(parts)
    if not hits:
        raise HttpFailure(404, "Specified request didn't match any stored files.")
    kind = call.wants("xml", ("xml", "json", "csv", "html", "zip"))
    if len(hits) == 1 and isinstance(hits[0], tuple):
        return _one(call, *hits[0], kind)
    if kind in bundle.KINDS or kind == "xar":
        named = []
        for hit in hits:
            named += hit.below() if isinstance(hit, Folder) else [hit]
        named = [(f"{experiment.name}/{place}", file) for place, file in named]
        return bundle.files(call, Scope(), named, kind, experiment.name)
    return _listing(call, experiment, hits)


def _one(call: Call, path: str, file: Stored | Written, kind: str) -> Response:
    name = path.rsplit("/", 1)[-1]
    if kind in bundle.KINDS and call.param("format"):
        return bundle.files(call, Scope(), [(name, file)], kind, name)
    if isinstance(file, Written):
        return answers.plain(file.content, "text/xml")
    return download.file(call, file)


def _listing(
    call: Call,
    experiment: Element,
    hits: Sequence[Folder | tuple[str, Stored | Written]],
) -> Response:
    front = f"/data/experiments/{experiment.id}/DIR/"
    asked = call.param("format")
    query = f"?format={asked}" if asked else ""
    rows: list[list[object]] = []
    for hit in hits:
        if isinstance(hit, tuple):
            path, file = hit
            rows.append([path.rsplit("/", 1)[-1], False, file.size, front + path])
            continue
        above = f"{hit.path}/" if hit.path else ""
        if call.flag("recursive"):
            for path, file in hit.below():
                rows.append([path.removeprefix(above), False, file.size, front + path])
            continue
        for name in hit.folders:
            rows.append([f"{name}/", True, _FOLDER_SIZE, f"{front}{above}{name}/{query}"])
        for name, file in hit.files.items():
            rows.append([name, False, file.size, f"{front}{above}{name}"])
    found = Table(_COLUMNS, rows, title="Files")
    found.properties = [{"serverRoot": call.archive.site.context, "key": "URI"}]
    return listings.finish(call, found, "xml")


def packed(call: Call) -> Response:
    """Send an experiment whole: its document, and its folder."""
    with call.archive.reading(call.person) as elements:
        experiment = _experiment(call, elements)
        root = tree(elements, experiment)
        node = Writer(elements).node(experiment)
        text = to_xml(node, elements.dictionary, items.base_url(call), True)
    named: list[tuple[str, Stored | Written]] = [
        (f"{experiment.id}.xml", Written(text.encode(), time.time()))
    ]
    named += [(f"{experiment.name}/{place}", file) for place, file in root.below()]
    return bundle.files(call, Scope(), named, "xar", experiment.name)


def dicomdir(call: Call) -> Response:
    """Send the DICOM files of scans, with a directory of them."""
    with call.archive.reading(call.person) as elements:
        resolver = Tree(elements)
        scope = resolver.scope(call.names, many=True)
        if not scope.sessions:
            raise HttpFailure(404, "Unable to find the specified session.")
        if not scope.scans:
            raise HttpFailure(404, "Unable to find the specified scan(s).")
        catalogs = [c for c in resolver.catalogs(scope, False) if c.resource["format"] == "DICOM"]
        listed = files.entries(elements.connection, [catalog.pk for catalog in catalogs])
        layout = bundle.Layout(call, elements, scope, "zip")
        named: list[tuple[str, Stored | Written]] = []
        found = []
        for catalog in catalogs:
            for file in listed[catalog.pk]:
                if not call.archive.blobs.path(file.blob).exists():
                    continue
                place = layout.place(catalog, file)
                named.append((place, file))
                with call.archive.blobs.open(file.blob) as stream:
                    header = directory.header(stream)
                if header is not None:
                    found.append((place, header))
        title = scope.sessions[0].name
    named.append(("DICOMDIR", Written(directory.write(found), time.time())))
    return bundle.files(call, Scope(), named, "zip", title)
