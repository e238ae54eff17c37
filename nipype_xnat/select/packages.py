"""Files under names: of lists, of folders and of zips, and zips of files."""

from __future__ import annotations

import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from .. import transfer
from ..errors import UsageError

__all__ = ["download", "existing", "named_files", "packed", "unpacked", "write_zip"]


def existing(path: Path) -> Path:
    """Return the path of a local file that is there.

    Raises
    ------
    UsageError
    """
    if not path.is_file():
        raise UsageError(f"{path} is not a file")
    return path


def named_files(
    sources: Iterable[str | Path] | Mapping[str, str | Path],
) -> tuple[dict[str, Path], str]:
    """Return files by the paths they get in a resource, and the name of the folder they share.

    Raises
    ------
    UsageError
        If a file is not there, or one path were to be taken twice.
    """
    if isinstance(sources, (str, bytes, Path)):
        raise UsageError("put takes a list of files", advice=f"put([{str(sources)!r}])")
    if isinstance(sources, Mapping):
        return {name: existing(Path(path).expanduser()) for name, path in sources.items()}, "files"
    paths = [existing(Path(path).expanduser()) for path in sources]
    if not paths:
        return {}, "files"
    absolute = [path.absolute() for path in paths]
    root = Path(os.path.commonpath([path.parent for path in absolute]))
    files = {path.relative_to(root).as_posix(): path for path in absolute}
    if len(files) != len(set(absolute)):
        raise UsageError("two of the files have the same name")
    return files, root.name or "files"


def write_zip(place: Path, files: Mapping[str, Path]) -> Path:
    """Write a zip, whole or not at all, and return its place."""
    place.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    os.close(handle)
    partial = Path(name)
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for path, source in files.items():
                archive.write(source, path)
        partial.chmod(0o644)
        partial.replace(place)
    finally:
        partial.unlink(missing_ok=True)
    return place


@contextmanager
def packed(files: Mapping[str, Path], name: str) -> Iterator[Path]:
    """Hold a zip of files for a while."""
    with tempfile.TemporaryDirectory(prefix="nipype_xnat-") as folder:
        yield write_zip(Path(folder) / f"{name or 'files'}.zip", files)


@contextmanager
def unpacked(place: Path) -> Iterator[dict[str, Path]]:
    """Hold the files of a zip for a while, by their paths within it.

    Raises
    ------
    UsageError
        If it is no zip, or a member's path leads out of it.
    """
    existing(place)
    with tempfile.TemporaryDirectory(prefix="nipype_xnat-") as folder:
        files = {}
        try:
            with zipfile.ZipFile(place) as archive:
                for member in archive.infolist():
                    if member.is_dir():
                        continue
                    path = PurePosixPath(member.filename.lstrip("/"))
                    if ".." in path.parts:
                        raise UsageError(f"{member.filename!r} in {place} leads out of the zip")
                    target = Path(folder).joinpath(*path.parts)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(member) as source, target.open("wb") as sink:
                        shutil.copyfileobj(source, sink, 1 << 20)
                    files[str(path)] = target
        except zipfile.BadZipFile as error:
            raise UsageError(f"{place} is no zip: {error}") from None
        yield files


def download(
    elements: Sequence[Any],
    folder: Path,
    types: Sequence[str],
    name: str | None,
    extract: bool,
    safe: bool,
    remove_zip: bool,
) -> str | list[str]:
    """Fetch the files of a session's elements into a zip, laid out as XNAT lays out its own.

    See :meth:`nipype_xnat.select.bulk.Bulk.download`.
    """
    first = elements[0].record
    plural = f"{elements[0].level}s"
    subject = first.subject_label or first.subject_id
    session = first.experiment_label or first.experiment_id
    default = "_".join([first.project, subject, session, plural, *types])
    place = folder / f"{name or default}.zip"
    records = [file.record for element in elements for file in _files(element)]
    fronts = [
        f"{session}/{plural}/{_part(record)}/resources/{record.resource_label}/files"
        for record in records
    ]
    paths = [f"{front}/{record.path}" for front, record in zip(fronts, records, strict=True)]
    targets = [folder / path for path in paths] if extract else []
    in_the_way = [path for path in [place, *targets] if path.exists()] if safe else []
    if in_the_way:
        raise UsageError(f"{in_the_way[0]} is there already", advice="safe=False replaces it")
    archive = elements[0]._archive
    fetched = transfer.fetch(archive.transport, records, archive.cache, listed=True)
    write_zip(place, {path: entry.path for path, entry in zip(paths, fetched, strict=True)})
    if not extract:
        return str(place)
    for front, entry in zip(fronts, fetched, strict=True):
        transfer.copy_to([entry], folder / front)
    if remove_zip:
        place.unlink()
    return [str(target) for target in targets]


def _files(element: Any) -> Iterator[Any]:
    yield from element.resources().files() if hasattr(element, "resources") else ()
    if hasattr(element, "out_resources"):
        yield from element.out_resources().files()


def _part(record: Any) -> str:
    if record.scan_id:
        kind = "".join(char if char.isalnum() else "_" for char in record.scan_type)
        return f"{record.scan_id}-{kind}" if kind else str(record.scan_id)
    return str(record.assessor_label or record.assessor_id or record.reconstruction_id)
