"""Files that belong beside each other: an image and its header, or what describes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from ..records import Record

__all__ = ["companions"]

_TOGETHER = (
    *(".nii.gz", ".nii", ".img.gz", ".img", ".hdr.gz", ".hdr", ".mat"),  # NIfTI, Analyze, SPM
    *(".json", ".bval", ".bvec", ".tsv", ".mgz", ".mgh"),
    *(".BRIK.gz", ".BRIK", ".HEAD", ".mhd", ".mha", ".raw", ".zraw", ".nrrd", ".nhdr"),
    *(".par", ".rec", ".PAR", ".REC"),
)


def companions(files: Sequence[Record], chosen: Sequence[Record]) -> dict[str, tuple[Record, ...]]:
    """Return the files that belong beside chosen ones, by the path of each chosen one.

    They are in the same folder, and their names differ in their suffix only, where the suffixes are
    of kinds that belong together. Files that are chosen themselves are no companions.

    Parameters
    ----------
    files : sequence of Record
        All files of a resource.
    chosen : sequence of Record
        Some of them.
    """
    wanted = {record.path for record in chosen}
    beside: dict[tuple[str, str], tuple[Record, ...]] = {}
    for record in files:
        stem = _stem(record.path)
        if stem is not None and record.path not in wanted:
            beside[stem] = (*beside.get(stem, ()), record)
    stems = {record.path: _stem(record.path) for record in chosen}
    return {path: beside[stem] for path, stem in stems.items() if stem in beside}


def _stem(path: str) -> tuple[str, str] | None:
    """Return folder and name without its suffix, None for a file that stands for itself."""
    pure = PurePosixPath(path)
    suffix = next((suffix for suffix in _TOGETHER if pure.name.endswith(suffix)), None)
    return None if suffix is None else (str(pure.parent), pure.name.removesuffix(suffix))
