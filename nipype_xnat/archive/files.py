"""Resources and their files: reading, writing, extracting, removing, refreshing."""

from __future__ import annotations

import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import IO, Any, BinaryIO
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nipype_xnat.archive import values
from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.errors import Broken, Conflict, Forbidden, Invalid, NotFound
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.archive.storage.blobs import Blob, Blobs, Readable
from nipype_xnat.archive.storage.prepared import Prepared
from nipype_xnat.archive.tree import Catalog

_ZIPS = (".zip", ".zar")
_TARS = (".tar", ".xar")
_PACKED_TARS = (".tar.gz", ".tgz")
_UNREADABLE = (zipfile.BadZipFile, tarfile.TarError, EOFError, zlib.error, OSError)


@dataclass(slots=True)
class Stored:
    """One file of a catalog."""

    pk: int
    resource_pk: int
    path: str
    blob: str
    size: int
    digest: str
    format: str | None
    content: str | None
    description: str | None
    tags: str | None
    created_by: str | None
    created: str | None
    modified: float
    catalogued: bool

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]


_LISTED = sa.select(*(s.file.c[field.name] for field in fields(Stored))).where(s.file.c.catalogued)
_ENTRIES = _LISTED.where(
    s.file.c.resource_pk.in_(sa.bindparam("resources", expanding=True))
).order_by(s.file.c.resource_pk, s.file.c.pk)
_ENTRIES_NAMED = _ENTRIES.where(s.file.c.path.in_(sa.bindparam("paths", expanding=True)))
_OF_ONE = Prepared(
    _LISTED.where(s.file.c.resource_pk == sa.bindparam("resource")).order_by(s.file.c.pk)
)
_ENTRY = Prepared(
    _LISTED.where(
        s.file.c.resource_pk == sa.bindparam("resource"), s.file.c.path == sa.bindparam("path")
    )
)


@dataclass(frozen=True)
class About:
    """What a request says about the files it sends."""

    format: str | None = None
    content: str | None = None
    description: str | None = None
    tags: str | None = None

    def given(self) -> dict[str, str]:
        """List what was said."""
        found = {
            "format": self.format,
            "content": self.content,
            "description": self.description,
            "tags": self.tags,
        }
        return {name: value for name, value in found.items() if value}


class Gunzip:
    """Reads the content of a gzip file, however long, in little memory."""

    def __init__(self, source: Readable, window: int = 31):
        self._source = source
        self._window = window
        self._inflate = zlib.decompressobj(wbits=window)
        self._rest = b""
        self._begun = False

    def _more(self) -> bool:
        chunk = self._source.read(1 << 16)
        if not chunk:
            if self._begun and not self._inflate.eof:
                raise zlib.error("the packed content ends too early")
            return False
        self._begun = True
        self._rest += self._inflate.decompress(chunk)
        while self._inflate.eof and self._inflate.unused_data:
            tail = self._inflate.unused_data
            self._inflate = zlib.decompressobj(wbits=self._window)
            self._rest += self._inflate.decompress(tail)
        return True

    def read(self, size: int = -1, /) -> bytes:
        """Give so many bytes, or what there is."""
        while (size < 0 or len(self._rest) < size) and self._more():
            pass
        if size < 0:
            size = len(self._rest)
        out, self._rest = self._rest[:size], self._rest[size:]
        return out


def clean_path(text: str) -> str:
    """Make a path within a resource of what a client sent; it may name nothing above."""
    parts = [part for part in text.replace("\\", "/").split("/") if part not in {"", "."}]
    if ".." in parts:
        raise Invalid(f"'{text}' is not a path within a resource")
    return "/".join(parts)


def find(connection: Connection, resource_pk: int, path: str) -> Stored | None:
    """Find a catalogued file by its path, raw or percent-decoded."""
    for candidate in dict.fromkeys((path, unquote(path))):
        row = _ENTRY.first(connection, resource=resource_pk, path=candidate)
        if row is not None:
            return Stored(*row)
    return None


def entries(connection: Connection, resource_pks: Sequence[int]) -> dict[int, list[Stored]]:
    """List the catalogued files of resources, in the order of their catalogs."""
    if len(resource_pks) == 1:
        rows = _OF_ONE.all(connection, resource=resource_pks[0])
        return {resource_pks[0]: [Stored(*row) for row in rows]}
    found: dict[int, list[Stored]] = {pk: [] for pk in resource_pks}
    for start in range(0, len(resource_pks), 400):
        chunk = resource_pks[start : start + 400]
        for row in connection.execute(_ENTRIES, {"resources": chunk}):
            file = Stored(*row)
            found[file.resource_pk].append(file)
    return found


def named(
    connection: Connection, resource_pks: Sequence[int], paths: Sequence[str]
) -> dict[int, list[Stored]]:
    """List those of the catalogued files of resources that have one of a few paths."""
    found: dict[int, list[Stored]] = {pk: [] for pk in resource_pks}
    if len(resource_pks) == 1:
        for path in paths:
            row = _ENTRY.first(connection, resource=resource_pks[0], path=path)
            if row is not None:
                found[resource_pks[0]].append(Stored(*row))
        return found
    for start in range(0, len(resource_pks), 400):
        bound = {"resources": resource_pks[start : start + 400], "paths": paths}
        for row in connection.execute(_ENTRIES_NAMED, bound):
            file = Stored(*row)
            found[file.resource_pk].append(file)
    return found


def within(files: Iterable[Stored], path: str) -> list[Stored]:
    """List the files that a path removes: all that begin with it, or match its wildcard."""
    if path.endswith("*"):
        pattern = re.compile(".*".join(re.escape(part) for part in path.split("*")) + r"\Z")
        return [file for file in files if pattern.match(file.path)]
    return [file for file in files if file.path.startswith(path)]


def tag_text(tags: str | None) -> str:
    """Write the tags of a file as tables show them."""
    return ",".join(part.replace(":", "=", 1) for part in (tags or "").split(",") if part)


def create_resource(
    elements: Elements, owner: Element, direction: str, label: str | None, about: About
) -> int:
    """Make a resource below an element.

    Raises
    ------
    Conflict
        When there is one of that label already.
    """
    connection = elements.connection
    c = s.resource.c
    if label is not None:
        taken = connection.execute(
            sa.select(c.pk).where(
                c.owner_pk == owner.pk, c.direction == direction, c.label == label
            )
        ).scalar()
        if taken is not None:
            raise Conflict("Specified resource already exists.")
    result = connection.execute(
        s.resource.insert().values(
            owner_pk=owner.pk, direction=direction, label=label, **about.given()
        )
    )
    elements.touch(owner)
    return int((result.inserted_primary_key or (0,))[0])


def count(connection: Connection, resource_pk: int) -> None:
    """Bring the statistics of a resource up to date."""
    number, size = connection.execute(
        sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(s.file.c.size), 0)).where(
            s.file.c.resource_pk == resource_pk, s.file.c.catalogued
        )
    ).one()
    connection.execute(
        s.resource.update()
        .where(s.resource.c.pk == resource_pk)
        .values(file_count=number, file_size=size)
    )


def unpack(blobs: Blobs, name: str, source: Readable, path: str) -> list[tuple[str, Blob]]:
    """Store the members of an archive file, or what else was sent, under their paths.

    Parameters
    ----------
    blobs : Blobs
        Where contents go.
    name : str
        The name of what was sent; its ending says what it is.
    source : Readable
        Its content.
    path : str
        The path for what turns out to be no archive.
    """
    if name.endswith((*_ZIPS, *_TARS, *_PACKED_TARS)):
        added: list[tuple[str, Blob]] = []
        try:
            with blobs.passing(source) as stream, blobs.together() as add:
                read = _from_zip if name.endswith(_ZIPS) else _from_tar
                for member, content in read(stream):
                    if not _ignored(member):
                        added.append((clean_path(member), add(content, None)))
        except BaseException as error:
            for _, blob in added:
                blobs.drop(blob.name)
            if isinstance(error, _UNREADABLE):
                raise Broken(f"{name} cannot be read: {error}") from error
            raise
        return added
    if name.endswith(".gz"):
        try:
            return [(path[:-3], blobs.add(Gunzip(source)))]
        except zlib.error as error:
            raise Broken(f"{name} cannot be read: {error}") from error
    return [(path, blobs.add(source))]


def _ignored(member: str) -> bool:
    return member.endswith(("_catalog.xml", ".lock"))


def _from_zip(stream: BinaryIO) -> Iterable[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(stream) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                with archive.open(info) as content:
                    yield info.filename, content


def _from_tar(stream: BinaryIO) -> Iterable[tuple[str, IO[bytes]]]:
    with tarfile.open(fileobj=stream, mode="r:*") as archive:
        for info in archive:
            content = archive.extractfile(info) if info.isfile() else None
            if content is not None:
                with content:
                    yield info.name, content


def _present(
    connection: Connection, resource_pk: int, paths: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for start in range(0, len(paths), 400):
        query = sa.select(s.file).where(
            s.file.c.resource_pk == resource_pk, s.file.c.path.in_(paths[start : start + 400])
        )
        found.update((row["path"], dict(row)) for row in connection.execute(query).mappings())
    return found


def store(
    connection: Connection,
    resource_pk: int,
    arrived: Sequence[tuple[str, Blob]],
    about: About,
    login: str,
    overwrite: bool,
    checksums: bool,
    catalogued: bool = True,
) -> tuple[list[str], list[str]]:
    """Enter stored contents into a catalog.

    Returns
    -------
    tuple of list
        The paths that were there already and not replaced, and the names of contents
        that nothing refers to any longer.
    """
    duplicates: list[str] = []
    obsolete: list[str] = []
    now = values.now()
    present = _present(connection, resource_pk, [path for path, _ in arrived])
    fresh: dict[str, dict[str, Any]] = {}
    for path, blob in arrived:
        entry: dict[str, Any] = {
            "blob": blob.name,
            "size": blob.size,
            "digest": blob.digest if checksums else "",
            "modified": blob.modified,
            "created_by": login,
            "created": now,
            "catalogued": catalogued,
            **about.given(),
        }
        row = present.get(path)
        if row is None and path not in fresh:
            fresh[path] = {"resource_pk": resource_pk, "path": path, **entry}
            continue
        if not overwrite:
            duplicates.append(path)
            obsolete.append(blob.name)
            continue
        if path.endswith("_catalog.xml"):
            raise Broken(f"XNAT cannot catalog {path}")
        if row is None:
            # an archive file may hold one name twice
            obsolete.append(fresh[path]["blob"])
            fresh[path].update(entry)
            continue
        obsolete.append(row["blob"])
        if not catalogued:
            entry["catalogued"] = row["catalogued"]
        connection.execute(s.file.update().where(s.file.c.pk == row["pk"]).values(entry))
        present[path] = {**row, **entry}
    if fresh:
        connection.execute(s.file.insert(), list(fresh.values()))
    return duplicates, obsolete


def bump(connection: Connection, resource_pk: int, expected: int | None) -> bool:
    """Move a catalog to its next version, if it is still at the expected one."""
    changed = connection.execute(
        s.resource.update()
        .where(
            s.resource.c.pk == resource_pk,
            sa.true() if expected is None else s.resource.c.version == expected,
        )
        .values(version=s.resource.c.version + 1)
    )
    return changed.rowcount == 1


def refresh(
    connection: Connection, catalog: Catalog, options: Mapping[str, bool], blobs: Blobs
) -> None:
    """Bring a catalog in line with what is on disk."""
    pk = catalog.pk
    bump(connection, pk, None)
    if options.get("append"):
        connection.execute(
            s.file.update().where(s.file.c.resource_pk == pk).values(catalogued=True)
        )
    if options.get("delete") or options.get("checksum"):
        for file in entries(connection, [pk])[pk]:
            where = s.file.c.pk == file.pk
            if not blobs.path(file.blob).exists():
                if options.get("delete"):
                    connection.execute(s.file.delete().where(where))
            elif options.get("checksum") and not file.digest:
                connection.execute(
                    s.file.update().where(where).values(digest=_digest(blobs, file.blob))
                )
    if options.get("populateStats"):
        count(connection, pk)


def _digest(blobs: Blobs, name: str) -> str:
    import hashlib

    with blobs.open(name) as stream:
        digest = hashlib.md5(usedforsecurity=False)
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def remove(connection: Connection, catalog: Catalog, path: str) -> list[str]:
    """Take files out of a catalog, and return the names of their contents.

    Raises
    ------
    NotFound
        When nothing matches.
    """
    victims = within(entries(connection, [catalog.pk])[catalog.pk], path)
    if not victims:
        raise NotFound("No matched files")
    for victim in victims:
        connection.execute(s.file.delete().where(s.file.c.pk == victim.pk))
    bump(connection, catalog.pk, None)
    count(connection, catalog.pk)
    return [victim.blob for victim in victims]


def remove_resource(connection: Connection, resource_pk: int) -> list[str]:
    """Remove a resource, and return the names of its contents."""
    blobs = list(
        connection.execute(
            sa.select(s.file.c.blob).where(s.file.c.resource_pk == resource_pk)
        ).scalars()
    )
    connection.execute(s.resource.delete().where(s.resource.c.pk == resource_pk))
    return blobs


def blobs_below(connection: Connection, element_pks: Sequence[int]) -> list[str]:
    """List the contents of all files of some elements."""
    return list(
        connection.execute(
            sa.select(s.file.c.blob)
            .join(s.resource, s.resource.c.pk == s.file.c.resource_pk)
            .where(s.resource.c.owner_pk.in_(element_pks))
        ).scalars()
    )


Authorize = Callable[[Element], bool]

__all__ = [
    "About",
    "Forbidden",
    "Gunzip",
    "Stored",
    "blobs_below",
    "bump",
    "clean_path",
    "count",
    "create_resource",
    "entries",
    "find",
    "named",
    "refresh",
    "remove",
    "remove_resource",
    "store",
    "tag_text",
    "unpack",
    "within",
]
