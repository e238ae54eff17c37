"""Many files in one answer: zip and tar streams, download catalogs."""

from __future__ import annotations

import io
import re
import tarfile
import time
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO
from xml.sax.saxutils import quoteattr

from werkzeug.wrappers import Response

from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.files import Stored
from nipype_xnat.archive.prearchive import Held
from nipype_xnat.archive.storage.blobs import Blobs
from nipype_xnat.archive.tree import Catalog, Scope
from nipype_xnat.archive.values import whole
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure

KINDS = {"zip", "tar", "tar.gz"}
ENDINGS = {"zip": ".zip", "xar": ".xar", "tar": ".tar", "tar.gz": ".tar.gz"}
CHUNK = 1 << 18
_WORDLESS = re.compile(r"[^A-Za-z0-9_]")
_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')


@dataclass(frozen=True)
class Written:
    """A member that lies nowhere: it was written for the answer."""

    content: bytes
    modified: float

    @property
    def size(self) -> int:
        """Its length."""
        return len(self.content)


Named = Sequence[tuple[str, Stored | Written]]


def _open(blobs: Blobs, file: Stored | Written) -> BinaryIO:
    return io.BytesIO(file.content) if isinstance(file, Written) else blobs.open(file.blob)


def stored(held: Held) -> Stored:
    """See a file that waits in the prearchive as one of a catalog."""
    return Stored(
        pk=held.pk,
        resource_pk=0,
        path=held.path,
        blob=held.blob,
        size=held.size,
        digest=held.digest,
        format=None,
        content=None,
        description=None,
        tags=None,
        created_by=None,
        created=None,
        modified=held.modified,
        catalogued=True,
    )


def _name(scope: Scope) -> str:
    security = scope.security
    return security.name if security is not None else "files"


class Layout:
    """Where files stand inside the archive that is sent."""

    def __init__(self, call: Call, elements: Elements, scope: Scope, kind: str):
        self.elements = elements
        self.scope = scope
        self.kind = kind
        self.structure = (call.param("structure") or "default").lower()
        self.with_project = call.flag("projectIncludedInPath")
        self.with_subject = call.flag("subjectIncludedInPath")
        self._parents: dict[int, Element] = {}

    def _by_pk(self, pk: int) -> Element:
        if pk not in self._parents:
            self._parents[pk] = self.elements.by_pk(pk)
        return self._parents[pk]

    def place(self, catalog: Catalog, file: Stored) -> str:
        """Give the path of a file."""
        collection = catalog.label or str(catalog.pk)
        owner = catalog.owner
        if self.structure == "improved":
            return self._improved(catalog, collection, file)
        session = self._by_pk(owner.session_pk) if owner.session_pk else owner
        front = session.name if session.kind != "project" else session.id
        below = self._below(catalog, owner)
        if self.structure == "simplified":
            path = f"{front}{below}/{collection}/{file.path}"
            return path.replace("/resources", "").replace("/files", "")
        if self.structure == "legacy":
            return self._legacy(catalog, owner, front, collection, file)
        path = f"{front}{below}/resources/{collection}/files/{file.path}"
        return self._prefix(session) + path

    def _prefix(self, session: Element) -> str:
        if not self.scope.sessions:
            return ""
        front = ""
        if self.with_project:
            front += f"{session.project}/"
        if self.with_subject and session.subject_pk:
            front += f"{self._by_pk(session.subject_pk).name}/"
        return front

    def _below(self, catalog: Catalog, owner: Element) -> str:
        if owner.kind == "scan":
            name = owner.id
            addressed = self.scope.scans_addressed and self.structure == "default"
            if addressed and owner.scan_type:
                name += "-" + _WORDLESS.sub("_", owner.scan_type)
            return f"/scans/{name}"
        direction = catalog.resource["direction"]
        step = f"/{direction}" if direction else ""
        if owner.kind == "recon":
            return f"/reconstructions/{owner.id}{step}"
        if owner.kind == "experiment" and owner.session_pk:
            return f"/assessors/{owner.name}{step}"
        return ""

    def _legacy(
        self, catalog: Catalog, owner: Element, front: str, collection: str, file: Stored
    ) -> str:
        if owner.kind == "scan":
            return f"{front}/SCANS/{owner.id}/{collection}/{file.path}"
        if owner.kind == "experiment" and owner.session_pk:
            direction = catalog.resource["direction"] or ""
            step = f"{direction.upper()}/" if direction else ""
            return f"{front}/ASSESSORS/{owner.name}/{step}{collection}/{file.path}"
        return f"{front}/RESOURCES/{collection}/{file.path}"

    def _improved(self, catalog: Catalog, collection: str, file: Stored) -> str:
        path = f"{catalog.category}/"
        if catalog.cat_id:
            path += catalog.cat_id
            if self.kind == "zip" and catalog.cat_desc:
                path += "_" + _FORBIDDEN.sub("_", catalog.cat_desc)
            path += "/"
        return f"{path}{collection}/{file.path}"


def archive(
    call: Call,
    elements: Elements,
    scope: Scope,
    pairs: Sequence[tuple[Catalog, Stored]],
    kind: str,
) -> Response:
    """Answer with all files in one archive."""
    layout = Layout(call, elements, scope, kind)
    named = [
        (layout.place(catalog, file), file)
        for catalog, file in pairs
        if call.archive.blobs.path(file.blob).exists()
    ]
    return files(call, scope, named, kind)


def files(call: Call, scope: Scope, named: Named, kind: str, title: str | None = None) -> Response:
    """Answer with named files in one archive."""
    if not named:
        if call.flag("accept-not-found"):
            return answers.text("", 204)
        raise HttpFailure(404)
    asked = call.request.headers.get("Range", "")
    if asked.startswith("bytes=") and (asked.endswith("-") or asked.startswith("bytes=-")):
        raise HttpFailure(500, "The length of the answer is not known.")
    level = call.param("compression") or "0"
    blobs = call.archive.blobs
    if kind in {"zip", "xar"}:
        chunks = zipped(named, blobs, min(9, whole(level)) if level.isdecimal() else 0)
    else:
        chunks = tarred(named, blobs)
        if kind == "tar.gz":
            chunks = _gzipped(chunks)
    response = answers.streamed(chunks, answers.TYPES[kind])
    shown = f"{title or _name(scope)}{ENDINGS[kind]}"
    response.headers["Content-Disposition"] = f'attachment; filename="{shown}"'
    return response


def held(call: Call, named: Sequence[tuple[str, Held]], kind: str, title: str) -> Response:
    """Answer with files that wait in the prearchive, in one archive."""
    return files(call, Scope(), [(name, stored(one)) for name, one in named], kind, title)


class _Sink(io.RawIOBase):
    """Collects what a zip writer writes, until it is sent."""

    def __init__(self) -> None:
        self.held: list[bytes] = []
        self._at = self._taken = 0

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        self.held.append(piece)
        self._at += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return False

    def take(self, least: int = CHUNK) -> Iterator[bytes]:
        """Give what was written, once it is so much."""
        if self._at - self._taken >= least:
            held, self.held, self._taken = self.held, [], self._at
            yield b"".join(held)


def zipped(named: Named, blobs: Blobs, level: int) -> Iterator[bytes]:
    """Give a zip file of named contents, piece by piece."""
    sink = _Sink()
    method = zipfile.ZIP_DEFLATED if level else zipfile.ZIP_STORED
    seen: set[str] = set()
    with zipfile.ZipFile(sink, "w", method, compresslevel=level or None) as target:
        for name, file in named:
            if name in seen:
                continue
            seen.add(name)
            info = zipfile.ZipInfo(name, time.localtime(file.modified)[:6])
            info.compress_type = method
            info.file_size = file.size
            with _open(blobs, file) as source, target.open(info, "w") as entry:
                while chunk := source.read(CHUNK):
                    entry.write(chunk)
                    yield from sink.take()
            yield from sink.take()
    yield from sink.take(1)


def tarred(named: Named, blobs: Blobs) -> Iterator[bytes]:
    """Give a tar file of named contents, piece by piece."""
    size = 0
    for name, file in named:
        info = tarfile.TarInfo(name)
        info.size, info.mtime = file.size, int(file.modified)
        held = [info.tobuf(tarfile.PAX_FORMAT)]
        size += len(held[0])
        left = file.size
        with _open(blobs, file) as source:
            while left:
                chunk = source.read(min(left, CHUNK))
                if not chunk:
                    raise EOFError("a stored file is shorter than its row says")
                left -= len(chunk)
                held.append(chunk)
                if left:
                    yield b"".join(held)
                    held = []
        held.append(bytes(-file.size % tarfile.BLOCKSIZE))
        yield b"".join(held)
        size += file.size + len(held[-1])
    size += 2 * tarfile.BLOCKSIZE
    yield bytes(2 * tarfile.BLOCKSIZE + -size % tarfile.RECORDSIZE)


def _gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()


def catalog(
    call: Call,
    elements: Elements,
    scope: Scope,
    pairs: Iterable[tuple[Catalog, Stored]],
) -> Response:
    """Answer with a catalog of absolute addresses."""
    layout = Layout(call, elements, scope, "zip")
    base = call.request.host_url.rstrip("/") + call.archive.site.context
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<cat:Catalog xmlns:cat="http://nrg.wustl.edu/catalog"><cat:entries>',
    ]
    for found, file in pairs:
        uri = quoteattr(f"{base}{found.path}/files/{file.path}")
        name = quoteattr(layout.place(found, file))
        lines.append(f"<cat:entry name={name} URI={uri}><cat:metaFields>")
        lines.append(f'<cat:metaField name="SIZE">{file.size}</cat:metaField>')
        lines.append("</cat:metaFields></cat:entry>")
    lines.append("</cat:entries></cat:Catalog>")
    response = answers.streamed(["\n".join(lines).encode()], answers.TYPES["xcat"])
    response.headers["Content-Disposition"] = 'attachment; filename="files.xcat"'
    return response
