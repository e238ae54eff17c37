"""How files travel: one by one, or many in a zip that the server unpacks."""

from __future__ import annotations

import hashlib
import io
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

from ..errors import TransferError, UnsafeName, XNATError
from ..transport import Body
from .digests import Source
from .watched import Watched
from .zip_stream import MOST, ROOM, WHOLE, ZipStream, length_of

__all__ = ["Parcel", "Way", "body_of", "checked_upload_name", "parcels"]

SMALL = 4 << 20
"""Bytes up to which a file counts as small."""

MANY = 3
"""Number of small files from which on they go together."""

ZIP_LIMIT = 512 << 20
"""Bytes of files after which a further zip is begun: it may need room in the temporary folder."""

_IN_MEMORY = 16 << 20  # bytes of files whose zip needs no temporary folder
_WORTH = 1 / 3  # part of the bytes that deflating must save
_SAMPLES = 8  # files that are tried
_SAMPLE = 1 << 13  # bytes of each

# what passes through a path and the server's decoding as it is; XNAT decodes a path only if it
# holds a blank, and then reads "+" as a blank
_PLAIN = re.compile(r"[A-Za-z0-9_.,:@=()$~/ -]+")
_PACKED = (".gz", ".zip", ".bz2", ".xz", ".zst", ".png", ".jpg", ".jpeg", ".mgz")
_BOUNDARY = "nipype-xnat-5b1c6d0e0f"


class Way(Enum):
    """How a parcel is sent."""

    ZIP = "zip"
    RAW = "raw"
    FORM = "form"


@dataclass(frozen=True)
class Parcel:
    """Files that one request carries.

    Parameters
    ----------
    way : Way
    sources : tuple of Source
        One, unless they go as a zip.
    """

    way: Way
    sources: tuple[Source, ...]

    @property
    def name(self) -> str:
        """Path to send it to: the file's own, or a name for the zip."""
        if self.way is not Way.ZIP:
            return self.sources[0].name
        text = "\0".join(f"{source.name}\0{source.size}" for source in self.sources)
        return f"{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}.zip"


def checked_upload_name(name: str) -> str:
    """Return a path within a resource that XNAT can keep.

    Raises
    ------
    UnsafeName
        If it leaves the resource, or is that of a catalog.
    """
    parts = name.split("/")
    if not name or "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise UnsafeName(f"{name!r} cannot be the path of a file within a resource")
    if parts[-1].endswith("_catalog.xml"):
        raise UnsafeName(
            f"{name!r}: XNAT keeps its own catalogs under names that end so, and ignores others",
            advice="rename the file",
        )
    if "\\" in name:
        raise UnsafeName(
            f"{name!r}: a server reads a backslash as the border of a folder",
            advice="rename the file",
        )
    try:
        name.encode()
    except UnicodeEncodeError:
        raise UnsafeName(
            f"{name!r} is not a name in UTF-8, which XNAT needs", advice="rename the file"
        ) from None
    return name


def parcels(sources: Sequence[Source]) -> list[Parcel]:
    """Decide how files travel, in as few requests as the server's habits allow."""
    small = {source.name for source in sources if source.size <= SMALL}
    names = {source.name for source in sources if _needs_zip(source.name)}
    if len(small) >= MANY:
        names |= small
    if names:
        # an empty file alone would need a form of its own
        names |= {source.name for source in sources if not source.size}
    plan: list[Parcel] = []
    batch: list[Source] = []
    weight = 0
    for source in sources:
        if source.name not in names:
            continue
        if batch and (weight + source.size > ZIP_LIMIT or len(batch) == MOST):
            plan.append(Parcel(Way.ZIP, tuple(batch)))
            batch, weight = [], 0
        batch.append(source)
        weight += source.size
    if batch:
        plan.append(Parcel(Way.ZIP, tuple(batch)))
    plan += [
        Parcel(Way.RAW if source.size else Way.FORM, (source,))
        for source in sources
        if source.name not in names
    ]
    return plan


def _needs_zip(name: str) -> bool:
    parts = name.split("/")
    return _PLAIN.fullmatch(name) is None or any(part != part.strip(" ") for part in parts)


@contextmanager
def body_of(parcel: Parcel, report: Callable[[int], None]) -> Iterator[Body]:
    """Make the body that carries a parcel.

    Files are read, and their digests found, while they are sent; but a zip of files that are worth
    deflating is made before, in memory or in a temporary folder.
    """
    if parcel.way is Way.FORM:
        yield _form(parcel.sources[0])
    elif parcel.way is Way.RAW:
        source = parcel.sources[0]
        digest = None if source.hashed else source.sent
        yield Body(Watched.opening(source.open, source.size, report, digest), source.size)
    elif (length := length_of(parcel.sources)) >= ROOM:
        with _on_disk(partial(_write_huge, parcel.sources)) as path:
            yield _zip(lambda: path.open("rb"), path.stat().st_size, report)
    elif not _is_worth_it(parcel.sources):
        yield _zip(lambda: cast(BinaryIO, ZipStream(parcel.sources)), length, report)
    elif length <= _IN_MEMORY:
        with ZipStream(parcel.sources, _is_loose) as stream:
            data = stream.read()
        yield _zip(lambda: io.BytesIO(data), len(data), report)
    else:
        with _on_disk(partial(_write_deflated, parcel.sources)) as path:
            yield _zip(lambda: path.open("rb"), path.stat().st_size, report)


@contextmanager
def _on_disk(write: Callable[[BinaryIO], object]) -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nipype_xnat-"))
            path = Path(folder) / "packed.zip"
            with path.open("wb") as stream:
                write(stream)
        except OSError as error:
            if isinstance(error, XNATError):
                raise
            raise TransferError(
                f"cannot pack files for sending: {error}",
                advice="make room in the folder for temporary files, or set TMPDIR to another",
            ) from error
        yield path


def _zip(opener: Callable[[], BinaryIO], length: int, report: Callable[[int], None]) -> Body:
    return Body(Watched.opening(opener, length, report), length, "application/zip")


def _is_loose(source: Source) -> bool:
    return not source.name.lower().endswith(_PACKED)


def _is_worth_it(sources: Sequence[Source]) -> bool:
    """Try on some of the small files whether deflating them saves much."""
    total = sum(source.size for source in sources)
    loose = [one for one in sources if 0 < one.size <= WHOLE and _is_loose(one)]
    size = sum(source.size for source in loose)
    if not size or size < _WORTH * total:
        return False
    loose.sort(key=lambda source: source.name)
    before = after = 0
    for source in loose[:: -(-len(loose) // _SAMPLES)]:
        with source.open() as stream:
            # the middle tells more of an image than its header
            stream.seek(max(0, (source.size - _SAMPLE) // 2))
            sample = stream.read(_SAMPLE)
        before += len(sample)
        after += len(zlib.compress(sample, 1))
    return size * (before - after) > _WORTH * total * before


def _write_deflated(sources: Sequence[Source], target: BinaryIO) -> None:
    with ZipStream(sources, _is_loose) as stream:
        shutil.copyfileobj(stream, target, 1 << 20)


def _write_huge(sources: Sequence[Source], target: BinaryIO) -> None:
    """Write a zip of 64-bit lengths."""
    with zipfile.ZipFile(target, "w") as bundle:
        for source in sorted(sources, key=lambda item: item.name):
            entry = zipfile.ZipInfo(source.name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            digest = None if source.hashed else source.sent
            with (
                Watched(source.open(), source.size, lambda _: None, digest) as stream,
                bundle.open(entry, "w", force_zip64=source.size >= 1 << 31) as member,
            ):
                shutil.copyfileobj(stream, member, 1 << 20)


def _form(source: Source) -> Body:
    """Carry an empty file, which XNAT refuses as a bare body."""
    name = source.name.rpartition("/")[2].replace('"', "")
    text = (
        f"--{_BOUNDARY}\r\n"
        f'Content-Disposition: form-data; name="file"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
        f"\r\n--{_BOUNDARY}--\r\n"
    )
    return Body.of_bytes(text.encode(), f"multipart/form-data; boundary={_BOUNDARY}")
