"""Which nodes a run has, where no record of a cohort tells it: from Nipype's own files."""

from __future__ import annotations

import json
from pathlib import Path

__all__ = ["GRAPH", "has_run", "nodes_of"]

GRAPH = "graph1.json"
"""Nipype writes it at the start of each run."""


def has_run(folder: Path) -> bool:
    """Tell whether a folder is that of a workflow which has run, and wrote down its nodes."""
    return (folder / GRAPH).is_file()


def nodes_of(run: Path) -> dict[Path, set[Path]]:
    """Return the folders of a run's nodes, each with those directly before it.

    Nipype writes ``graph1.json`` at the start of a run, unless ``create_report`` is switched off;
    then the nodes are those that have begun, and what they are connected to they know themselves.

    Parameters
    ----------
    run : pathlib.Path
        ``base_dir/workflow``.
    """
    try:
        graph = json.loads((run / GRAPH).read_text(encoding="utf-8"))
        folders = [_folder(run, node["result"]) for node in graph["nodes"]]
        before: dict[Path, set[Path]] = {folder: set() for folder in folders}
        for link in graph["links"]:
            before[folders[link["target"]]].add(folders[link["source"]])
        return before
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return {
            path.parent: set()
            for path in sorted(run.rglob("_node.pklz"))
            if "mapflow" not in path.relative_to(run).parts
        }


def _folder(run: Path, result: str) -> Path:
    """Return a node's folder: the file has paths below the run, or whole ones behind a link."""
    whole = Path(result)
    if whole.is_relative_to(run.resolve()):
        return whole.parent
    return (run / result.lstrip("/")).parent
