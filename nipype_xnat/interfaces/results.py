"""The result files that Nipype keeps in the folders of nodes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nipype.pipeline.engine.utils import load_resultfile

__all__ = ["drop_broken", "made_elsewhere", "results_of"]


def results_of(folder: Path) -> list[Path]:
    """Return the result files of a node's folder."""
    return sorted(folder.glob("result_*.pklz"))


def drop_broken(folders: Iterable[Path]) -> list[Path]:
    """Remove results that stand for nothing, so that their nodes run again, and return which.

    Such are those that were cut off, by a full disk or the end of a job, those that name files
    in their node's folder that are not there, because a program ended well and wrote nothing, and
    those of a folder that was copied or moved, which name files of the folder that it was.
    Nipype takes all of them for results, and never makes them anew.
    """
    dropped = []
    for path in (path for folder in folders for path in results_of(folder)):
        try:
            result = load_resultfile(path)
            made = {path.parent.absolute(), *_made_in(result)}
            outputs = getattr(result, "outputs", None)
            broken = made_elsewhere(result, path.parent) is not None or not all(
                _is_there(text, made) for text in _texts(outputs)
            )
        except Exception:  # unpickling raises whatever it meets
            broken = True
        if broken:
            # the elements of a MapNode have results of their own
            for each in (path, *path.parent.glob("mapflow/*/result_*.pklz")):
                each.unlink(missing_ok=True)
            dropped.append(path)
    return dropped


def made_elsewhere(result: Any, folder: Path) -> Path | None:
    """Return the folder in which a result was made, if it is there and not the one that holds it.

    A folder has one number on all hosts, but may have many names.
    """
    for made in _made_in(result):
        with contextlib.suppress(OSError):
            number = folder.stat().st_ino
            # the elements of a MapNode have folders within its own
            if all(path.stat().st_ino != number for path in (made, *made.parents[:2])):
                return made
    return None


def _made_in(result: Any) -> list[Path]:
    """Return the folders in which a result was made; many of a MapNode."""
    runtimes = getattr(result, "runtime", None)
    found = [getattr(each, "cwd", None) for each in _listed(runtimes)]
    return [Path(text) for text in found if isinstance(text, str) and text.startswith("/")]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_there(text: str, folders: Iterable[Path]) -> bool:
    """Tell whether a text is no path into one of these folders, or that of a file that is there."""
    inside = any(text.startswith(f"{folder}/") for folder in folders)
    return not inside or Path(text).exists()


def _texts(outputs: Any) -> Iterator[str]:
    values = [*outputs.get().values()] if hasattr(outputs, "copyable_trait_names") else []
    while values:
        value = values.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, tuple)):
            values += value
