"""XNAT's resource tree as one table.

Select paths, elements, the planner and the interfaces all read the names, columns and children of
a level here; nothing else in the package spells them out. :func:`graph` gives the same table as a
networkx graph, on which the expansion of ``//`` is a search for paths.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import networkx

__all__ = [
    "FILE_LEVELS",
    "LEVELS",
    "PREARCHIVE_PATH",
    "RESOURCE_LEVELS",
    "SHORT_CUTS",
    "Level",
    "by_name",
    "graph",
    "paths_down",
]


@dataclass(frozen=True)
class Level:
    """One level of the tree.

    Parameters
    ----------
    name, plural : str
        The names that stand in a select path, e.g. ``subject`` and ``subjects``.
    children : tuple of str
        Names of the levels that may follow.
    route : tuple of str
        What stands in a REST address before the identifier.
    xsi_type : str
        Default data type of a listing, and of an element that is created here.
    """

    name: str
    plural: str
    children: tuple[str, ...]
    route: tuple[str, ...]
    xsi_type: str = ""


_TABLE = (
    Level(
        "project",
        "projects",
        ("subject", "experiment", "resource"),
        ("projects",),
        xsi_type="xnat:projectData",
    ),
    Level(
        "subject",
        "subjects",
        ("experiment", "resource"),
        ("subjects",),
        xsi_type="xnat:subjectData",
    ),
    Level(
        "experiment",
        "experiments",
        ("assessor", "reconstruction", "scan", "resource"),
        ("experiments",),
        xsi_type="xnat:mrSessionData",
    ),
    Level("scan", "scans", ("resource",), ("scans",), xsi_type="xnat:mrScanData"),
    Level(
        "assessor",
        "assessors",
        ("resource", "in_resource", "out_resource"),
        ("assessors",),
        xsi_type="xnat:qcAssessmentData",
    ),
    Level(
        "reconstruction",
        "reconstructions",
        ("in_resource", "out_resource"),
        ("reconstructions",),
        xsi_type="xnat:reconstructedImageData",
    ),
    Level("resource", "resources", ("file",), ("resources",)),
    Level(
        "in_resource",
        "in_resources",
        ("file",),
        ("in", "resources"),
    ),
    Level(
        "out_resource",
        "out_resources",
        ("file",),
        ("out", "resources"),
    ),
    Level("file", "files", (), ("files",)),
)

LEVELS: dict[str, Level] = {level.name: level for level in _TABLE}
"""All levels by their singular name, outermost first."""

# what a path below the prearchive may name: sessions wait there, and have scans and resources
PREARCHIVE_PATH = re.compile(r"(project )?(subject )?experiment( scan)?( resource( file)?)?")

RESOURCE_LEVELS = ("resource", "in_resource", "out_resource")
FILE_LEVELS = (*RESOURCE_LEVELS, "file")

_BY_NAME = {name: level for level in _TABLE for name in (level.name, level.plural)}

# a project lists the experiments of its subjects: a short cut for people who know no subject,
# which the expansion of // must not take, or each experiment would be found twice
SHORT_CUTS = {("project", "experiment")}


def by_name(word: str) -> Level | None:
    """Return the level that a word of a path names (singular or plural), or None."""
    return _BY_NAME.get(word)


@lru_cache(maxsize=1)
def graph() -> networkx.DiGraph[str]:
    """Return the tree as a directed graph from ``root`` down to ``file``."""
    import networkx as nx  # a tenth of a second, needed for // and for pictures only

    tree: networkx.DiGraph[str] = nx.DiGraph()
    tree.add_edge("root", "project", short_cut=False)
    for level in _TABLE:
        for child in level.children:
            tree.add_edge(level.name, child, short_cut=(level.name, child) in SHORT_CUTS)
    return tree


def paths_down(start: str, end: str) -> list[tuple[str, ...]]:
    """List the ways from one level down to another, shortest first, both ends included.

    Parameters
    ----------
    start : str
        A level's name, or ``root``.
    end : str
        A level's name.
    """
    import networkx as nx

    tree = graph()
    plain = nx.subgraph_view(tree, filter_edge=lambda a, b: not tree.edges[a, b]["short_cut"])
    ways = [tuple(way) for way in nx.all_simple_paths(plain, start, end)]
    return sorted(ways, key=lambda way: (len(way), way))
