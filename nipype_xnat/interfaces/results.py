"""The result files that Nipype keeps in the folders of nodes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nipype.pipeline.engine.utils import load_resultfile

__all__ = ["drop_broken", "results_of"]


def results_of(folder: Path) -> list[Path]:
    """Return the result files of a node's folder."""
    return sorted(folder.glob("result_*.pklz"))


def drop_broken(folders: Iterable[Path]) -> list[Path]:
    """Remove results that stand for nothing, so that their nodes run again, and return which.

    Such are those that were cut off, by a full disk or the end of a job, and those that name files
    in their node's folder that are not there, because a program ended well and wrote nothing.
    Nipype takes both for results, and never makes them anew.
    """
    dropped = []
    for path in (path for folder in folders for path in results_of(folder)):
        try:
            outputs = getattr(load_resultfile(path), "outputs", None)
            broken = not all(_is_there(text, path.parent) for text in _texts(outputs))
        except Exception:  # unpickling raises whatever it meets
            broken = True
        if broken:
            path.unlink(missing_ok=True)
            dropped.append(path)
    return dropped


def _is_there(text: str, folder: Path) -> bool:
    """Tell whether a text is no path into a folder, or that of a file that is there."""
    return not text.startswith(f"{folder.absolute()}/") or Path(text).exists()


def _texts(outputs: Any) -> Iterator[str]:
    values = [*outputs.get().values()] if hasattr(outputs, "copyable_trait_names") else []
    while values:
        value = values.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, tuple)):
            values += value
