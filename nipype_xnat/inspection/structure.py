"""What is where, as a tree with counts: text, graph, picture."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ..levels import LEVELS
from ..select.listings import Listings
from ..transport import Transport

if TYPE_CHECKING:
    import networkx

__all__ = ["Structure", "of_levels", "of_project"]

_ROW, _INDENT, _WIDTH = 26, 28, 640


@dataclass
class Structure:
    """One node of a tree, and all below it.

    Parameters
    ----------
    name : str
    kind : str
        ``project``, ``subjects``, ``experiment``, ``scan``, ``resource`` or ``level``.
    count : int or None
        How many there are.
    below : list of Structure
    """

    name: str
    kind: str
    count: int | None = None
    below: list[Structure] = field(default_factory=list)

    def __iter__(self) -> Iterator[Structure]:
        """Yield the nodes directly below."""
        return iter(self.below)

    @property
    def label(self) -> str:
        """Name and count."""
        return self.name if self.count is None else f"{self.name} ({self.count})"

    def lines(self, depth: int = 0) -> Iterator[tuple[int, Structure]]:
        """Yield depth and node of all, from the top down."""
        yield depth, self
        for node in self.below:
            yield from node.lines(depth + 1)

    def text(self) -> str:
        """Return the tree as lines of text."""
        return "\n".join(f"{'  ' * depth}{node.label}" for depth, node in self.lines())

    def graph(self) -> networkx.DiGraph[str]:
        """Return the tree as a networkx graph.

        Nodes are paths of names (``P/xnat:mrSessionData/T1w``) with the attributes ``label``,
        ``kind`` and ``count``.
        """
        import networkx as nx

        found: networkx.DiGraph[str] = nx.DiGraph()

        def add(node: Structure, above: str) -> None:
            key = f"{above}/{node.name}" if above else node.name
            found.add_node(key, label=node.name, kind=node.kind, count=node.count)
            if above:
                found.add_edge(above, key)
            for below in node.below:
                add(below, key)

        add(self, "")
        return found

    def svg(self) -> str:
        """Return a picture of the tree, which any browser shows."""
        nodes = list(self.lines())
        parts = []
        last_at: dict[int, int] = {}
        for number, (depth, node) in enumerate(nodes):
            x, y = 14 + depth * _INDENT, 20 + number * _ROW
            if depth:
                up = last_at[depth - 1]
                parts.append(
                    f'<path d="M{x - _INDENT} {up + 6}V{y}H{x - 6}" fill="none" stroke="#999"/>'
                )
            last_at[depth] = y
            parts.append(
                f'<circle cx="{x}" cy="{y}" r="6" fill="{_COLOURS.get(node.kind, "#888")}"/>'
                f'<text x="{x + 12}" y="{y + 5}">{escape(node.label)}</text>'
            )
        height = 14 + len(nodes) * _ROW
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
            f'viewBox="0 0 {_WIDTH} {height}" font-family="sans-serif" font-size="14">'
            f"<title>{escape(self.label)}</title>{''.join(parts)}</svg>"
        )

    def save(self, path: str | Path) -> Path:
        """Write the picture to a file, as SVG."""
        target = Path(path)
        target.write_text(self.svg(), encoding="utf-8")
        return target

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        return self.text()


_COLOURS = {
    "project": "#1b6ca8",
    "subjects": "#2a9d8f",
    "experiment": "#e9a23b",
    "scan": "#d1495b",
    "resource": "#7b5ea7",
    "level": "#1b6ca8",
}


def of_levels() -> Structure:
    """Return the levels that XNAT has, from projects down to files."""

    def node(name: str) -> Structure:
        level = LEVELS[name]
        return Structure(level.plural, "level", None, [node(child) for child in level.children])

    return node("project")


def of_project(transport: Transport, project: str) -> Structure:
    """Count what a project holds, by types: three requests.

    Raises
    ------
    NotFound
        If there is no such project.
    """
    listings = Listings(transport)
    subjects = {record.subject_id for record in listings.subjects(project)}
    experiments: dict[str, set[str]] = defaultdict(set)
    for record in listings.experiments(project, xsi_type="xnat:subjectAssessorData"):
        experiments[record.xsi_type].add(record.experiment_id)
    scans: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    resources: dict[tuple[str, str, str], set[tuple[str, str]]] = defaultdict(set)
    joined = listings.experiments(project, scan_columns=(), with_resources=True)
    for record in joined:
        if not record.scan_id:
            continue
        kind = (record.xsi_type, record.scan_type)
        scans[kind].add((record.experiment_id, record.scan_id))
        if record.resource_label:
            where = (record.experiment_id, record.scan_id)
            resources[kind[0], kind[1], record.resource_label].add(where)
    return Structure(
        project,
        "project",
        None,
        [
            Structure("subjects", "subjects", len(subjects)),
            *(
                Structure(name, "experiment", len(ids), _scans_of(name, scans, resources))
                for name, ids in sorted(experiments.items())
            ),
        ],
    )


def _scans_of(
    session: str,
    scans: dict[tuple[str, str], set[tuple[str, str]]],
    resources: dict[tuple[str, str, str], set[tuple[str, str]]],
) -> list[Structure]:
    return [
        Structure(
            kind or "(no type)",
            "scan",
            len(found),
            [
                Structure(label, "resource", len(where))
                for (owner, scan, label), where in sorted(resources.items())
                if (owner, scan) == (session, kind)
            ],
        )
        for (owner, kind), found in sorted(scans.items())
        if owner == session
    ]
