"""Nodes as the last run handed them to a scheduler, for workflows that keep no record of a cohort.

Nipype's cluster plugins pickle each node that they submit into the folder ``batch`` of the run. One
that is newer than ``graph1.json``, which Nipype writes at the start of a run, was submitted by the
last run: it says what the workflow names now, whether or not its job has run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nipype.utils.filemanip import loadpkl

from .graph_file import GRAPH
from .node_folder import NodeFolder, Unreadable, loaded
from .run_record import PlannedNode, planned_node

__all__ = ["Submitted"]

_STAMP = len("node_20260101_000000_")


class Submitted:
    """What was submitted; folders are listed once."""

    def __init__(self) -> None:
        self._listed: dict[Path, dict[str, Path]] = {}

    def node(self, folder: NodeFolder) -> PlannedNode | None:
        """Return a node as it was submitted by the last run; None if it was not.

        Parameters
        ----------
        folder : NodeFolder
        """
        run = next((path for path in folder.path.parents if (path / GRAPH).is_file()), None)
        if run is None:
            return None
        try:
            stored = folder.node
            path = self._of(run).get("_".join(filter(None, (stored._hierarchy, stored._id))))
            if path is None or (not _writes_graph(stored) and _ran_after(folder, path)):
                return None
            return planned_node(loaded(loadpkl, path)["node"])
        except (Unreadable, TypeError, KeyError, AttributeError, OSError):
            return None

    def _of(self, run: Path) -> dict[str, Path]:
        """Return the last pickle of each node, by the node's name in it."""
        if run not in self._listed:
            begun = (run / GRAPH).stat().st_mtime_ns
            found = {}
            for path in sorted((run / "batch").glob("node_*.pklz")):
                if path.stat().st_mtime_ns >= begun:
                    found[path.name[_STAMP:].removesuffix(".pklz")] = path
            self._listed[run] = found
        return self._listed[run]


def _writes_graph(node: Any) -> bool:
    """Tell whether the run of a node wrote a graph; otherwise there is that of an earlier run."""
    report = node.config["execution"].get("create_report", "true")
    return str(report).lower() not in ("false", "no", "off", "0")


def _ran_after(folder: NodeFolder, submitted: Path) -> bool:
    return (folder.path / "_node.pklz").stat().st_mtime_ns > submitted.stat().st_mtime_ns
