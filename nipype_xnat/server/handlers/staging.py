"""The user's cache: a staging space of plain files, by account."""

from __future__ import annotations

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive import files
from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.files import About
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers, download
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import filetree, listings

_KIND = "cache"


def _owner(elements: Elements, make: bool) -> Element | None:
    c = s.element.c
    where = (c.kind == _KIND, c.id == elements.who.login)
    row = elements.connection.execute(sa.select(s.element).where(*where)).mappings().first()
    if row is None and make:
        now = {"insert_date": "", "insert_user": elements.who.login, "last_modified": ""}
        elements.connection.execute(
            s.element.insert().values(
                kind=_KIND, id=elements.who.login, xsi_type=_KIND, fields={}, **now
            )
        )
        row = elements.connection.execute(sa.select(s.element).where(*where)).mappings().first()
    return None if row is None else Element(**row)


def _resource(elements: Elements, owner: Element | None, label: str) -> int | None:
    if owner is None:
        return None
    found: int | None = elements.connection.execute(
        sa.select(s.resource.c.pk).where(
            s.resource.c.owner_pk == owner.pk, s.resource.c.label == label
        )
    ).scalar()
    return found


def find_file(elements: Elements, label: str, path: str) -> files.Stored | None:
    """Find a file in the cache of the person who asks."""
    pk = _resource(elements, _owner(elements, make=False), label)
    return None if pk is None else files.find(elements.connection, pk, path)


def _listing(call: Call, elements: Elements) -> Response:
    owner = _owner(elements, make=False)
    rows = []
    if owner is not None:
        labels = elements.connection.execute(
            sa.select(s.resource.c.label).where(s.resource.c.owner_pk == owner.pk)
        ).scalars()
        rows = [[label, f"/data/user/cache/resources/{label}"] for label in labels]
    return listings.finish(call, Table.of(["Resource", "URI"], rows, title="User Resources"))


def resources(call: Call) -> Response:
    """List, make and remove the folders of the cache, and the files in them."""
    if call.person.guest:
        raise HttpFailure(403)
    parts = [part for part in filetree.file_path(call).split("/") if part]
    if not parts:
        with call.archive.reading(call.person) as elements:
            return _listing(call, elements)
    label, rest = parts[0], parts[1:]
    if rest and rest[0] != "files":
        raise HttpFailure(404)
    path = "/".join(rest[1:])
    if call.method in {"PUT", "POST"}:
        return _write(call, label, path) if rest else _make(call, label)
    if call.method == "DELETE":
        return _remove(call, label, path)
    with call.archive.reading(call.person) as elements:
        pk = _resource(elements, _owner(elements, make=False), label)
        if pk is None:
            raise HttpFailure(404)
        if path:
            found = files.find(elements.connection, pk, path)
            if found is None:
                raise HttpFailure(404)
            return download.file(call, found)
        front = f"/data/user/cache/resources/{label}/files"
        rows = [
            [file.name, file.size, f"{front}/{file.path}"]
            for file in files.entries(elements.connection, [pk])[pk]
        ]
        return listings.finish(call, Table.of(["Name", "Size", "URI"], rows, title="Files"))


def _make(call: Call, label: str) -> Response:
    with call.archive.changing(call.person) as elements:
        owner = _owner(elements, make=True)
        if owner is None or _resource(elements, owner, label) is not None:
            raise HttpFailure(412, "The resource exists.")
        files.create_resource(elements, owner, "", label, About())
    return answers.text()


def _write(call: Call, label: str, path: str) -> Response:
    arrived = []
    for part in call.uploads():
        target = files.clean_path(path or part.name)
        if part.stream is not None and target:
            arrived.append((target, call.archive.blobs.add(part.stream)))
    if not arrived:
        raise HttpFailure(400, "There was no file in the request.")
    with call.archive.changing(call.person) as elements:
        owner = _owner(elements, make=True)
        assert owner is not None
        pk = _resource(elements, owner, label)
        if pk is None:
            pk = files.create_resource(elements, owner, "", label, About())
        _, obsolete = files.store(
            elements.connection, pk, arrived, About(), call.person.login, True, True
        )
    for name in obsolete:
        call.archive.blobs.drop(name)
    return answers.text("", 201 if call.method == "POST" else 200)


def _remove(call: Call, label: str, path: str) -> Response:
    blobs = []
    with call.archive.changing(call.person) as elements:
        pk = _resource(elements, _owner(elements, make=False), label)
        if pk is None:
            raise HttpFailure(404)
        if not path:
            blobs = files.remove_resource(elements.connection, pk)
        for name in path.split(",") if path else ():
            found = files.find(elements.connection, pk, name)
            if found is None:
                raise HttpFailure(404)
            elements.connection.execute(s.file.delete().where(s.file.c.pk == found.pk))
            blobs.append(found.blob)
    for name in blobs:
        call.archive.blobs.drop(name)
    return answers.text()
