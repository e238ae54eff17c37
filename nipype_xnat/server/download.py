"""Giving single files, whole or in part."""

from __future__ import annotations

import datetime as dt
import re
import zipfile
from collections.abc import Iterator
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache

from werkzeug.wrappers import Response

from nipype_xnat.archive.files import Stored
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.values import whole
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.wire import CHUNK, FilePart

_TYPES = {
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".html": "text/html",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".tiff": "image/tiff",
    ".txt": "text/plain",
    ".xml": "text/xml",
}
_ZIP = re.compile(r"\.(zip|jar|rar|ear|gar|mrb)[!/]", re.I)
_RANGE = re.compile(r"^bytes=(\d*)-(\d*)$")


def content_type(name: str) -> str:
    """Give the type of a file by its ending."""
    _, dot, ending = name.lower().rpartition(".")
    return _TYPES.get(dot + ending, "application/octet-stream")


def split_zip(path: str) -> tuple[str, str | None]:
    """Split a path that goes into an archive file."""
    match = _ZIP.search(path)
    if match is None:
        return path, None
    return path[: match.end() - 1], path[match.end() :].lstrip("/")


def _disposition(name: str) -> str:
    # headers are Latin-1; what does not fit is sent as UTF-8 bytes, as Tomcat does
    return f'attachment; filename="{name}";'.encode().decode("latin-1")


def _date(text: str | None) -> dt.datetime | None:
    try:
        found = parsedate_to_datetime(text) if text else None
    except (TypeError, ValueError):
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=dt.timezone.utc)


def file(call: Call, stored: Stored) -> Response:
    """Answer with a file, or the part of it that was asked for."""
    asked = call.request.environ
    if asked.get("HTTP_IF_MATCH") not in {None, "*"}:
        raise HttpFailure(412)
    modified = _stamp(int(stored.modified))
    if "HTTP_IF_MODIFIED_SINCE" in asked or "HTTP_IF_UNMODIFIED_SINCE" in asked:
        last = dt.datetime.fromtimestamp(int(stored.modified), dt.timezone.utc)
        since = _date(asked.get("HTTP_IF_UNMODIFIED_SINCE"))
        if since is not None and last > since:
            raise HttpFailure(412)
        since = _date(asked.get("HTTP_IF_MODIFIED_SINCE"))
        if since is not None and last <= since <= dt.datetime.now(dt.timezone.utc):
            response = answers.plain("", "text/plain", 304)
            response.headers["Last-Modified"] = modified
            return response
    start, stop, status = 0, stored.size, 200
    if wanted := asked.get("HTTP_RANGE"):
        start, stop, status = _part(wanted, stored.size)
    try:
        stream = call.archive.blobs.open_raw(stored.blob)
    except FileNotFoundError:
        raise HttpFailure(404, "Unable to find file.") from None
    headers = [
        ("Content-Type", content_type(stored.name)),
        ("Content-Length", str(stop - start)),
        ("Last-Modified", modified),
        ("Cache-Control", "must-revalidate"),
        ("Content-Disposition", _disposition(stored.name)),
        ("Accept-Ranges", "bytes"),
        ("Vary", answers.VARY),
    ]
    if status == 206:
        headers.append(("Content-Range", f"bytes {start}-{stop - 1}/{stored.size}"))
    return Response(FilePart(stream, start, stop), status, headers, direct_passthrough=True)


@lru_cache(maxsize=256)
def _stamp(modified: int) -> str:
    return formatdate(modified, usegmt=True)


def _part(asked: str, size: int) -> tuple[int, int, int]:
    if "," in asked:
        raise HttpFailure(501, "Multiple ranges are not supported.")
    match = _RANGE.match(asked.strip())
    if match is None or match.groups() == ("", ""):
        return 0, size, 200
    first, last = match.groups()
    if first == "":
        start, stop = max(0, size - whole(last)), size
    else:
        start, stop = whole(first), min(size, whole(last) + 1) if last else size
    if start >= size or stop <= start:
        raise HttpFailure(
            416, "The range is outside of the file.", **{"Content-Range": f"bytes */{size}"}
        )
    return start, stop, 206


def zip_entry(call: Call, stored: Stored, name: str) -> Response:
    """Answer with one member of a zip file."""
    try:
        with zipfile.ZipFile(call.archive.blobs.path(stored.blob)) as archive:
            archive.getinfo(name)
    except zipfile.BadZipFile as error:
        raise HttpFailure(415, str(error)) from error
    except KeyError:
        raise HttpFailure(404, "Unable to find file.") from None

    def chunks() -> Iterator[bytes]:
        path = call.archive.blobs.path(stored.blob)
        with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
            while chunk := stream.read(CHUNK):
                yield chunk

    return answers.streamed(chunks(), content_type(name))


def zip_listing(call: Call, stored: Stored) -> Response:
    """List the members of a zip file."""
    try:
        with zipfile.ZipFile(call.archive.blobs.path(stored.blob)) as archive:
            rows = [[info.filename, info.file_size] for info in archive.infolist()]
    except zipfile.BadZipFile as error:
        raise HttpFailure(415, str(error)) from error
    return answers.table(Table(["File Name", "Size"], rows), call.wants("json"))
