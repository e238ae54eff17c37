"""Taking uploads apart that hold many files: zip, tar, and what is packed inside them."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable, Iterator
from gzip import GzipFile
from tarfile import TarError
from tarfile import open as open_tar
from typing import IO, BinaryIO

from nipype_xnat.archive.errors import Invalid
from nipype_xnat.archive.storage.blobs import Blob, Blobs, Readable

_ZIP, _GZIP, _TAR, _DICOM = b"PK", b"\x1f\x8b", b"ustar", b"DICM"
_TAR_AT, _DICOM_AT = 257, 128
_DEPTH = 4
Member = tuple[str, Blob]
Add = Callable[[Readable, "int | None"], Blob]


def kind(stream: BinaryIO) -> str:
    """Say what a file is by its first bytes: ``zip``, ``tar``, ``dicom`` or nothing."""
    start = stream.read(_TAR_AT + len(_TAR))
    stream.seek(0)
    if start.startswith(_ZIP):
        return "zip"
    if start[_DICOM_AT : _DICOM_AT + len(_DICOM)] == _DICOM:
        return "dicom"
    if start.startswith(_GZIP):
        start = _unpacked_start(stream)
    return "tar" if start[_TAR_AT:] == _TAR else ""


def _unpacked_start(stream: BinaryIO) -> bytes:
    try:
        return GzipFile(fileobj=stream).read(_TAR_AT + len(_TAR))
    except (OSError, EOFError, zlib.error):
        return b""
    finally:
        stream.seek(0)


def members(blobs: Blobs, name: str, source: Readable) -> list[Member]:
    """Store what an upload holds, each file with its name in the upload.

    Archives inside of archives are taken apart too. What is no archive is stored as it is.

    Raises
    ------
    Invalid
        When an archive cannot be read.
    """
    found: list[Member] = []
    try:
        with blobs.together() as add:
            _take(blobs, add, name, source, 0, found)
    except BaseException as error:
        for _, blob in found:
            blobs.drop(blob.name)
        if isinstance(error, (zipfile.BadZipFile, TarError, EOFError, zlib.error, RuntimeError)):
            raise Invalid("unable to read data from file") from error
        raise
    return found


def _take(
    blobs: Blobs, add: Add, name: str, source: Readable, depth: int, found: list[Member]
) -> None:
    blob = add(source, None)
    try:
        with blobs.open(blob.name) as stream:
            what = kind(stream)
            if what not in {"zip", "tar"} or depth >= _DEPTH:
                found.append((name, blob))
                return
            read = _zip if what == "zip" else _tar
            for inner, content in read(stream):
                _take(blobs, add, inner, content, depth + 1, found)
    except BaseException:
        if not found or found[-1][1] is not blob:
            blobs.drop(blob.name)
        raise
    blobs.drop(blob.name)


def _zip(stream: BinaryIO) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(stream) as archive:
        for info in archive.infolist():
            if not info.is_dir():
                with archive.open(info) as content:
                    yield info.filename, content


def _tar(stream: BinaryIO) -> Iterator[tuple[str, IO[bytes]]]:
    with open_tar(fileobj=stream, mode="r:*") as archive:
        for info in archive:
            content = archive.extractfile(info) if info.isfile() else None
            if content is not None:
                with content:
                    yield info.name, content
