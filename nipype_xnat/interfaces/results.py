"""The result files that Nipype keeps in the folders of nodes."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from nipype.pipeline.engine.utils import load_resultfile

__all__ = ["drop_unreadable", "results_of"]


def results_of(folder: Path) -> list[Path]:
    """Return the result files of a node's folder."""
    return sorted(folder.glob("result_*.pklz"))


def drop_unreadable(folders: Iterable[Path]) -> list[Path]:
    """Remove results that were cut off, by a full disk or the end of a job, and return which.

    Nipype takes such a file for a result, hands on nothing from it, and never computes it anew.
    """
    dropped = []
    for path in (path for folder in folders for path in results_of(folder)):
        try:
            load_resultfile(path)
        except Exception:  # unpickling raises whatever it meets
            path.unlink(missing_ok=True)
            dropped.append(path)
    return dropped
