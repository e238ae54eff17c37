"""One request, with the questions that the handlers ask of it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.parse import parse_qsl

from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.formparser import FormDataParser
from werkzeug.wrappers import Request

from nipype_xnat.archive.archive import Archive
from nipype_xnat.archive.files import Gunzip
from nipype_xnat.archive.people import GUEST, Person
from nipype_xnat.archive.storage.blobs import Blob, Readable
from nipype_xnat.server.answers import TYPES
from nipype_xnat.server.sessions import Session, Sessions

if TYPE_CHECKING:
    from werkzeug.datastructures import FileStorage

    from nipype_xnat.server.kept import Kept

_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"})
_XML = {"text/xml", "application/xml"}
_FORM = "application/x-www-form-urlencoded"
_MULTIPART = "multipart/form-data"
#: raw bodies of these types are taken for files even without inbody=true
_RAW = (
    "application/octet-stream",
    "application/zip",
    "application/x-zip-compressed",
    "application/x-tar",
    "application/x-gtar",
    "application/gzip",
    "application/x-gzip",
    "application/dicom",
    "application/pdf",
    "application/json",
    "application/xml",
    "image/",
    "text/",
)
FORM_LIMIT = 16 << 20
DOCUMENT_LIMIT = 64 << 20


class HttpFailure(Exception):
    """An answer with an error status that no domain error stands for."""

    def __init__(self, status: int, message: str = "", **headers: str):
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


class _Whole:
    """A body of known length: what ends early is an error, not a shorter file."""

    def __init__(self, source: Readable, length: int):
        self._source = source
        self._left = length

    def read(self, size: int = -1) -> bytes:
        """Read from the body."""
        if not self._left:
            return b""
        data = self._source.read(self._left if size < 0 else min(size, self._left))
        if not data:
            raise HttpFailure(400, "The body ended before its Content-Length.")
        self._left -= len(data)
        return data


class _Unpacked:
    """A body that arrived packed: what cannot be unpacked is the client's error."""

    def __init__(self, source: Readable, window: int):
        self._source = Gunzip(source, window)

    def read(self, size: int = -1) -> bytes:
        """Read from the body."""
        try:
            return self._source.read(size)
        except zlib.error as error:
            raise HttpFailure(400, f"The body is not what its encoding says: {error}") from error


def document(source: Readable) -> bytes:
    """Read a document: it is held in memory as a whole, so it has a limit."""
    data = source.read(DOCUMENT_LIMIT + 1)
    if len(data) > DOCUMENT_LIMIT:
        raise HttpFailure(413, "The document is too large.")
    return data


def escape(text: str) -> str:
    """Escape a value as XNAT does before it uses one."""
    return text.translate(_ESCAPES)


@dataclass
class Part:
    """One file that arrived in a request."""

    name: str
    stream: Readable | None = None
    blob: Blob | None = None
    field: str = ""


class _StoredPart:
    """Takes one part of a multipart body straight into the store."""

    def __init__(self, call: Call):
        self._temporary = call.archive.blobs.temporary()
        self._file: IO[bytes] = open(self._temporary, "w+b")  # noqa: SIM115

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        self._temporary.unlink(missing_ok=True)


@dataclass
class Call:
    """A request on its way through the handlers."""

    archive: Archive
    sessions: Sessions
    request: Request
    method: str
    path: str
    entry: str = "/data"
    names: dict[str, str] = field(default_factory=dict)
    rest: str = ""
    person: Person = GUEST
    session: Session | None = None
    query: list[tuple[str, str]] = field(default_factory=list)
    form: list[tuple[str, str]] | None = None
    files: list[Part] = field(default_factory=list)
    headers: Headers = field(default_factory=Headers)
    media: str | None = None
    unpacked: IO[bytes] | None = None
    kept: Kept | None = None

    def __post_init__(self) -> None:
        coding = (self.request.headers.get("Content-Encoding") or "").lower()
        if coding in {"gzip", "x-gzip", "deflate"}:
            # what arrives packed is seen unpacked by everybody; its size is not known then
            window = 15 if coding == "deflate" else 31
            self.unpacked = cast("IO[bytes]", _Unpacked(self.request.stream, window))
        raw = self.request.query_string.decode("latin-1")
        pairs = parse_qsl(raw, keep_blank_values=True, encoding="utf-8", errors="replace")
        for name, value in pairs:
            if name == "media":
                self.media = value
            elif name not in {"encoding", "charset", "language"}:
                self.query.append((name, escape(value)))

    # ---- parameters ----------------------------------------------------------------

    def param(self, name: str, default: str | None = None) -> str | None:
        """Give a query parameter, or a form field that counts as one."""
        for key, value in self.query:
            if key == name:
                return value
        for key, value in self.form or ():
            if key == name:
                return value
        return default

    def params(self, name: str) -> list[str]:
        """Give all values of a parameter."""
        return [value for key, value in (*self.query, *(self.form or ())) if key == name]

    def flag(self, name: str) -> bool:
        """Tell whether a parameter is there and is not false."""
        value = self.param(name)
        return value is not None and value.lower() not in {"false", "0"}

    def denied(self, name: str) -> bool:
        """Tell whether a parameter is there and is false."""
        value = self.param(name)
        return value is not None and value.lower() in {"false", "0"}

    def given(self) -> dict[str, str]:
        """Give the parameters of an element: form fields first, the query wins."""
        return {**dict(self.form or ()), **dict(self.query)}

    @property
    def reason(self) -> str | None:
        """The reason given for a change."""
        return self.param("event_reason")

    @property
    def form_counts(self) -> bool:
        """Whether a listing is to read the form too."""
        return self.param("req_format") == "form"

    # ---- content -------------------------------------------------------------------

    @property
    def stream(self) -> IO[bytes]:
        """The body."""
        return self.unpacked if self.unpacked is not None else self.request.stream

    @property
    def content_type(self) -> str:
        """The content type of the body, without parameters, in lower case."""
        return str(self.request.mimetype or "").lower()

    @property
    def inbody(self) -> bool:
        """Whether the body is declared to be the thing itself."""
        return self.flag("inbody")

    def wants(self, default: str, among: Iterable[str] = ()) -> str:
        """Say in which form to answer: ``format=`` first, then Accept, then the default."""
        asked = self.param("format") or self.media
        if asked:
            lowered = asked.lower()
            if lowered in TYPES:
                return {"text": "txt", "tgz": "tar.gz"}.get(lowered, lowered)
            for short, full in TYPES.items():
                if full.lower() == lowered:
                    return short
        if self.request.environ.get("HTTP_ACCEPT", "*/*") == "*/*":
            return default
        accepted = self.request.accept_mimetypes
        if accepted and not (len(accepted) == 1 and accepted.best == "*/*"):
            offers = [TYPES[kind] for kind in among or ("json", "csv", "xml", "html")]
            best = accepted.best_match([TYPES[default], *offers], default=TYPES[default])
            for short, full in TYPES.items():
                if full == best:
                    return short
        return default

    def read_form(self) -> None:
        """Read an urlencoded or multipart body; files stay on disk until the end."""
        if self.form is not None:
            return
        self.form = []
        if self.content_type == _FORM:
            body = self.stream.read(FORM_LIMIT + 1)
            if len(body) > FORM_LIMIT:
                raise HttpFailure(400, "The form is too large.")
            pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)
            self.form = [(name, escape(value)) for name, value in pairs]
        elif self.content_type == _MULTIPART:
            self._read_multipart()

    def _read_multipart(self) -> None:
        assert self.form is not None

        def sink(*_: Any, **__: Any) -> IO[bytes]:
            return cast("IO[bytes]", _StoredPart(self))

        parser = FormDataParser(stream_factory=sink, max_form_memory_size=FORM_LIMIT, silent=False)
        try:
            _, form, files = parser.parse(
                self.stream,
                self.content_type,
                self.request.content_length,
                dict(self.request.mimetype_params),
            )
        except (ValueError, HTTPException) as error:
            raise HttpFailure(400, f"The multipart body cannot be read: {error}") from error
        self.form = [(name, escape(value)) for name, value in form.items(multi=True)]
        item: FileStorage
        for name, item in files.items(multi=True):
            base = (item.filename or "").replace("\\", "/").rsplit("/", 1)[-1]
            self.files.append(Part(base, cast(Readable, item.stream), field=name))

    def body(self) -> bytes:
        """Read a whole body that is a document."""
        return document(self.stream)

    def document(self) -> bytes | None:
        """Give the XML document that came with the request, if one did."""
        if self.content_type == _MULTIPART:
            self.read_form()
            for part in self.files:
                if part.stream is not None and (part.name.endswith(".xml") or not part.name):
                    return document(part.stream)
            return None
        declared = self.inbody or self.param("req_format") == "xml"
        if self.content_type in _XML or declared:
            return self.body() or None
        if self.content_type == _FORM:
            self.read_form()
        return None

    def uploads(self) -> Iterator[Part]:
        """Give the files that came with the request."""
        if self.content_type == _MULTIPART:
            if self.inbody:
                raise HttpFailure(400, "A multipart body cannot be combined with inbody=true.")
            self.read_form()
            yield from (part for part in self.files if part.name)
            return
        if not (self.inbody or self.content_type.startswith(_RAW)):
            return
        length = self.request.content_length
        streaming = self.content_type == "application/zip"
        if not length and not (length is None and streaming and self._chunked):
            raise HttpFailure(500, "The size of the body must be known and not zero.")
        disposition = self.param("filename") or ""
        whole = cast(Readable, self.stream)
        # the length is that of what is sent: a packed body is longer once it is unpacked
        known = length is not None and not self.request.headers.get("Content-Encoding")
        yield Part(disposition, _Whole(whole, length or 0) if known else whole)

    @property
    def _chunked(self) -> bool:
        coding: str = self.request.headers.get("Transfer-Encoding", "")
        return "chunked" in coding.lower()

    def close(self) -> None:
        """Remove what is left of a multipart body."""
        for part in self.files:
            if isinstance(part.stream, _StoredPart):
                part.stream.close()
