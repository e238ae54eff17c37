"""Receiving files."""

from __future__ import annotations

import json

from werkzeug.wrappers import Response

from nipype_xnat.archive import files
from nipype_xnat.archive.errors import Broken, NotFound
from nipype_xnat.archive.storage.blobs import Blob
from nipype_xnat.archive.tree import Catalog, Scope, Tree
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure


def receive(call: Call) -> Response:
    """Take the files of a request into a resource.

    The version of the catalog is read before the body and compared after it: of two
    uploads into one resource at once, the later leaves its file on disk, uncatalogued,
    and fails.
    """
    from nipype_xnat.server.handlers import filetree

    if call.request.headers.get("Range"):
        raise HttpFailure(501)
    path = filetree.file_path(call)
    with call.archive.reading(call.person) as elements:
        tree = Tree(elements)
        scope = tree.scope(call.names, many=False)
        tree.check(scope)
        security = scope.security
        if security is None:
            raise NotFound("Unable to identify element")
        allowed = elements.rights.can_edit(elements.owner(security))
        # without statistics no workflow is opened, and so nobody asks for a reason
        asked = allowed and not call.denied("update-stats")
        if asked and not elements.justified(security.xsi_type, call.reason):
            raise Broken("Justification required.")
        target = _target(tree, scope)
        before = int(target.resource["version"]) if target is not None else None
    if not allowed:
        # XNAT answers so, and stores nothing
        return answers.text()
    arrived = _store_bodies(call, path)
    try:
        return _enter(call, arrived, target, before)
    except BaseException:
        for _, blob in arrived:
            if not _known(call, blob):
                call.archive.blobs.drop(blob.name)
        raise


def _known(call: Call, blob: Blob) -> bool:
    import sqlalchemy as sa

    from nipype_xnat.archive.storage import schema as s

    with call.archive.database.read() as connection:
        found = connection.execute(sa.select(s.file.c.pk).where(s.file.c.blob == blob.name))
        return found.scalar() is not None


def _target(tree: Tree, scope: Scope) -> Catalog | None:
    catalogs, named = tree.selected(scope, False)
    if named:
        return named[0]
    if scope.wanted:
        if all(part.isdecimal() for part in scope.wanted):
            raise NotFound("Unable to identify resource")
        return None
    return catalogs[0] if catalogs else None


def _store_bodies(call: Call, path: str) -> list[tuple[str, Blob]]:
    blobs = call.archive.blobs
    arrived: list[tuple[str, Blob]] = []
    found = False
    try:
        for part in call.uploads():
            found = True
            name = path or part.name
            if not name:
                raise HttpFailure(400, "The file has no name.")
            if part.stream is None:
                continue
            target = files.clean_path(name)
            if not target:
                raise HttpFailure(400, "The file has no name.")
            if call.flag("extract"):
                shown = target.rsplit("/", 1)[-1]
                arrived += files.unpack(blobs, shown, part.stream, target)
            else:
                arrived.append((target, blobs.add(part.stream)))
    except BaseException:
        for _, blob in arrived:
            blobs.drop(blob.name)
        raise
    if not found:
        size = call.request.content_length or 0
        raise HttpFailure(
            400,
            f"You tried to {call.method} a payload of {size} bytes to this service, but didn't "
            "provide any data. If you think you sent data to upload, you can try to "
            f"{call.method} with the query-string parameter inbody=true or use "
            "multipart/form-data encoding.",
        )
    return arrived


def _enter(
    call: Call,
    arrived: list[tuple[str, Blob]],
    target: Catalog | None,
    before: int | None,
) -> Response:
    from nipype_xnat.server.handlers import filetree

    about = filetree.about(call)
    raced = False
    with call.archive.changing(call.person) as elements:
        tree = Tree(elements)
        scope = tree.scope(call.names, many=False)
        now = _target(tree, scope)
        parent, security = scope.parent, scope.security
        assert parent is not None and security is not None
        if now is None:
            label = scope.wanted[0] if scope.wanted else None
            pk = files.create_resource(
                elements, parent, filetree._direction(scope, elements), label, about
            )
        else:
            pk = now.pk
            raced = target is None or before is None or now.resource["version"] != before
        overwrite = call.flag("overwrite")
        duplicates, obsolete = files.store(
            elements.connection,
            pk,
            arrived,
            about,
            call.person.login,
            overwrite,
            call.archive.site.checksums,
            catalogued=not raced,
        )
        if not raced:
            if len(duplicates) < len(arrived):
                files.bump(elements.connection, pk, None)
            if not call.denied("update-stats"):
                files.count(elements.connection, pk)
            _describe(elements.connection, pk, about)
            elements.touch(parent)
            elements.record(security, "Uploaded file", call.reason)
    for name in obsolete:
        call.archive.blobs.drop(name)
    if raced:
        raise Broken("ConcurrentModificationException: the catalog was changed by another upload")
    if duplicates:
        return answers.plain(json.dumps({"duplicates": duplicates}), "text/html; charset=UTF-8")
    return answers.text()


def _describe(connection: object, pk: int, about: files.About) -> None:
    from sqlalchemy.engine import Connection

    from nipype_xnat.archive.storage import schema as s

    given = about.given()
    if given and isinstance(connection, Connection):
        connection.execute(s.resource.update().where(s.resource.c.pk == pk).values(given))
