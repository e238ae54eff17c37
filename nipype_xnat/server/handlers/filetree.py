"""Resources and files: listings, catalogs, single files, archives of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote, unquote_plus

from werkzeug.wrappers import Response

from nipype_xnat.archive import files
from nipype_xnat.archive.documents import catalog_xml, parse, resource_attributes
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.errors import Broken, Conflict
from nipype_xnat.archive.files import About, Stored
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.tree import Catalog, Scope, Tree
from nipype_xnat.archive.values import whole
from nipype_xnat.server import answers, bundle, download
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import listings
from nipype_xnat.server.kept import kept

_RESOURCES = [
    "xnat_abstractresource_id",
    "label",
    "element_name",
    "category",
    "cat_id",
    "cat_desc",
    "file_count",
    "file_size",
    "tags",
    "content",
    "format",
]
_FILES = [
    "Name",
    "Size",
    "URI",
    "collection",
    "file_tags",
    "file_format",
    "file_content",
    "cat_ID",
    "digest",
]


def about(call: Call) -> About:
    """Read what a request says about the files it sends."""
    tags = ",".join(call.params("tags"))
    return About(
        call.param("format"), call.param("content"), call.param("description"), tags or None
    )


def missing(call: Call, message: str) -> Response:
    """Answer that nothing was found, mildly when asked to."""
    if call.flag("accept-not-found"):
        return answers.text("", 204)
    raise HttpFailure(404, message)


# ---- resources -------------------------------------------------------------------------


@kept
def resources(call: Call) -> Response:
    """List resources, or make one from a document."""
    if call.method == "POST":
        return _post_resource(call)
    many = call.method == "GET"
    with call.archive.reading(call.person) as elements:
        tree = Tree(elements)
        scope = tree.scope(call.names, many)
        tree.check(scope)
        rows = []
        for catalog in tree.catalogs(scope, call.flag("all")):
            r = catalog.resource
            rows.append(
                [
                    catalog.pk,
                    catalog.label,
                    r["xsi_type"],
                    catalog.category,
                    catalog.cat_id,
                    catalog.cat_desc.strip(),
                    r["file_count"],
                    r["file_size"],
                    files.tag_text(r["tags"]),
                    r["content"],
                    r["format"],
                ]
            )
    return listings.finish(call, Table.of(_RESOURCES, rows, title="Resources"))


def _direction(scope: Scope, elements: Elements) -> str:
    if scope.recons:
        return scope.direction
    parent = scope.parent
    if not scope.experiments or parent is None or scope.scans:
        return ""
    if scope.sessions or elements.datatype(parent).is_a("xnat:imageAssessorData"):
        return scope.direction
    return ""


def _post_resource(call: Call) -> Response:
    document = call.document()
    if document is None:
        raise HttpFailure(417, "Need POST Contents")
    given = resource_attributes(parse(document))
    with call.archive.changing(call.person) as elements:
        tree = Tree(elements)
        scope = tree.scope(call.names, many=False)
        tree.check(scope)
        tree.forbid(scope)
        parent = scope.parent
        assert parent is not None
        said = About(given.get("format"), given.get("content"), given.get("description"))
        pk = files.create_resource(
            elements, parent, _direction(scope, elements), given.get("label"), said
        )
        path = f"{scope.base}/resources/{pk}"
    return answers.text(path)


def resource(call: Call) -> Response:
    """Show, make or remove a resource."""
    if call.method in {"PUT", "POST"}:
        return _put_resource(call)
    if call.method == "DELETE":
        return _delete_resource(call)
    with call.archive.reading(call.person) as elements:
        tree = Tree(elements)
        scope = tree.scope(call.names, many=call.method == "GET")
        tree.check(scope)
        _, named = tree.selected(scope, False)
        if len(named) != 1:
            return missing(call, "Unable to find the specified catalog.")
        catalog = named[0]
        entries = files.entries(elements.connection, [catalog.pk])[catalog.pk]
        project = elements.owner(catalog.owner)
        body = catalog_xml(catalog.label or str(catalog.pk), project, entries)
    return answers.streamed([body.encode()], "text/xml")


def _put_resource(call: Call) -> Response:
    label = call.names["resource"]
    if call.rest:
        raise HttpFailure(400)
    with call.archive.changing(call.person) as elements:
        tree = Tree(elements)
        if label.isdecimal():
            raise HttpFailure(404, "A resource cannot be called by a number.")
        scope = tree.scope(call.names, many=False)
        tree.check(scope)
        tree.forbid(scope)
        if tree.selected(scope, False)[0]:
            raise Conflict("Specified resource already exists.")
        parent, security = scope.parent, scope.security
        assert parent is not None and security is not None
        if not elements.justified(security.xsi_type, call.reason):
            raise HttpFailure(500, "Justification required.")
        files.create_resource(elements, parent, _direction(scope, elements), label, about(call))
        elements.record(security, "Created resource", call.reason)
    return answers.text()


def _delete_resource(call: Call) -> Response:
    with call.archive.changing(call.person) as elements:
        tree = Tree(elements)
        several = dict(call.names)
        wanted = several.pop("resource")
        scope = tree.scope(several, many=False)
        tree.check(scope)
        scope.wanted = tree.scope({"resource": wanted}, many=True).wanted
        _, named = tree.selected(scope, False)
        security = scope.security
        assert security is not None
        if not elements.rights.can_delete(elements.owner(security)):
            raise HttpFailure(403, "User account doesn't have permission to modify this session.")
        if not elements.justified(security.xsi_type, call.reason):
            raise HttpFailure(403, "Justification required.")
        blobs: list[str] = []
        for catalog in named:
            blobs += files.remove_resource(elements.connection, catalog.pk)
        if named:
            elements.touch(security)
            elements.record(security, "Removed resource", call.reason)
    for name in blobs:
        call.archive.blobs.drop(name)
    return answers.text()


# ---- files -----------------------------------------------------------------------------


@kept
def tree_files(call: Call) -> Response:
    """List, give, take or remove files."""
    if call.method in {"PUT", "POST"}:
        from nipype_xnat.server import upload

        return upload.receive(call)
    if call.method == "DELETE":
        return _delete_files(call)
    return _get_files(call)


def file_path(call: Call) -> str:
    """Give the file path of a request, decoded where XNAT decodes it."""
    path = call.rest
    if "%20" in path or "%2B" in path:
        path = unquote_plus(path)
    return path


def _get_files(call: Call) -> Response:
    path = file_path(call)
    with call.archive.reading(call.person) as elements:
        tree = Tree(elements)
        scope = tree.scope(call.names, many=call.method == "GET")
        catalogs, named = tree.selected(scope, call.flag("all"))
        tree.check(scope)
        kind = call.wants("json", ("json", "html", "xml"))
        bundled = kind in bundle.KINDS
        single = len(named) == 1 and not bundled
        chosen = named or catalogs
        if single:
            chosen[0].path = f"{scope.base}/resources/{chosen[0].pk}"
        pks = [catalog.pk for catalog in chosen]
        if path and not path.endswith(("/", "*")):
            listed = files.named(elements.connection, pks, _spellings(path, single))
        else:
            listed = files.entries(elements.connection, pks)
        pairs = [(catalog, file) for catalog in chosen for file in listed[catalog.pk]]
        keep = _filter(call)
        if path and not path.endswith("/"):
            return _one(call, elements, scope, pairs, path, kind, single)
        if path:
            # a folder: everything below it
            pairs = [(c, f) for c, f in pairs if f.path.startswith(path)]
            if call.denied("recursive"):
                pairs = [(c, f) for c, f in pairs if "/" in f.path[len(path) :]]
        pairs = [(c, f) for c, f in pairs if keep(f)]
        index = call.param("index")
        if index is not None:
            if single and not _filtered(call):
                return missing(call, "Unable to find file.")
            if not index.isdecimal() or whole(index) >= len(pairs):
                return missing(call, "Unable to find file.")
            return download.file(call, pairs[whole(index)][1])
        if bundled:
            return bundle.archive(call, elements, scope, pairs, kind)
        if kind == "xcat":
            return bundle.catalog(call, elements, scope, pairs)
        return _table(call, pairs)


def _spellings(path: str, single: bool) -> list[str]:
    """List the paths that the file of a request may have."""
    inside = download.split_zip(path)[0] if single else path
    return list(dict.fromkeys((inside, unquote(inside), path)))


def _filtered(call: Call) -> bool:
    return call.param("file_content") is not None or call.param("file_format") is not None


def _filter(call: Call) -> Any:
    contents = [v for text in call.params("file_content") for v in text.split(",")]
    formats = [v for text in call.params("file_format") for v in text.split(",")]

    def keep(file: Stored) -> bool:
        if formats and file.format not in formats:
            return False
        if not contents:
            return True
        return "NULL" in contents if file.content is None else file.content in contents

    return keep


def _table(call: Call, pairs: Sequence[tuple[Catalog, Stored]]) -> Response:
    locator = call.param("locator") or "URI"
    local = locator.lower() in {"absolutepath", "projectpath"}
    columns = list(_FILES)
    if local:
        columns[2] = "absolutePath" if locator.lower() == "absolutepath" else "projectPath"
    rows = []
    for catalog, file in pairs:
        place = f"{catalog.path}/files/{file.path}"
        if local:
            place = str(call.archive.blobs.path(file.blob))
        rows.append(
            [
                file.name,
                file.size,
                place,
                catalog.label,
                files.tag_text(file.tags),
                file.format,
                file.content,
                catalog.pk,
                file.digest,
            ]
        )
    table = Table(columns, rows, title="Files")
    table.properties = [{"serverRoot": call.archive.site.context, "key": "URI"}]
    return listings.finish(call, table)


def _one(
    call: Call,
    elements: Elements,
    scope: Scope,
    pairs: Sequence[tuple[Catalog, Stored]],
    path: str,
    kind: str,
    single: bool,
) -> Response:
    inside, entry = download.split_zip(path) if single else (path, None)
    for wanted in dict.fromkeys((inside, unquote(inside))):
        for _, file in pairs:
            if file.path == wanted:
                if entry is not None:
                    return download.zip_entry(call, file, unquote(entry))
                if call.flag("listContents"):
                    return download.zip_listing(call, file)
                if kind in bundle.KINDS and not file.name.lower().endswith(bundle.ENDINGS[kind]):
                    return bundle.files(call, scope, [(file.name, file)], kind)
                return download.file(call, file)
    if entry is not None:
        for _, file in pairs:
            if file.path == path:
                return download.file(call, file)
    if path.endswith("*") and not single:
        hits = files.within([file for _, file in pairs], path)
        if len(hits) == 1:
            return download.file(call, hits[0])
        if hits and kind in bundle.KINDS:
            return bundle.files(call, scope, [(f.path, f) for f in hits], kind)
    return missing(call, "Unable to find catalog entry for given uri.")


def _delete_files(call: Call) -> Response:
    path = file_path(call)
    with call.archive.changing(call.person) as elements:
        tree = Tree(elements)
        scope = tree.scope(call.names, many=False)
        _, named = tree.selected(scope, False)
        security = scope.security
        if not named or security is None:
            raise HttpFailure(400, "Unable to determine resource, parent, or security.")
        if not elements.rights.can_delete(elements.owner(security)):
            raise HttpFailure(403, "User account doesn't have permission to modify this session.")
        matched = files.entries(elements.connection, [named[0].pk])[named[0].pk]
        if not files.within(matched, path):
            return missing(call, "No matched files")
        if not elements.justified(security.xsi_type, call.reason):
            raise Broken("Justification required.")
        blobs = files.remove(elements.connection, named[0], path)
        elements.record(security, "Removed file", call.reason)
    if not call.denied("removeFiles"):
        for name in blobs:
            call.archive.blobs.drop(name)
    return answers.text()
