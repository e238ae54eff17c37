"""What an archive has, as networkx graphs and as pictures of these: ``interface.draw``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..levels import LEVELS
from .inspector import Inspector
from .schemas import Managed

if TYPE_CHECKING:
    import networkx

__all__ = ["GraphData", "PaintGraph"]


class GraphData:
    """Graphs of an archive; their nodes have a ``label`` and a ``weight``.

    Parameters
    ----------
    archive : Interface
    """

    def __init__(self, archive: Managed) -> None:
        self._inspector = Inspector(archive)

    def architecture(self, with_datatypes: bool = True) -> networkx.DiGraph[str]:
        """Return the levels, from projects down to files.

        Parameters
        ----------
        with_datatypes : bool
            Show the data types too that are in use at a level; four requests.
        """
        types = {name: self._types(name) for name in _TYPED} if with_datatypes else {}
        graph = _empty()

        def add(level: str, above: str) -> None:
            key = f"{above}/{LEVELS[level].plural}" if above else LEVELS[level].plural
            graph.add_node(key, label=LEVELS[level].plural, weight=100 / (1 + key.count("/")))
            if above:
                graph.add_edge(above, key)
            for datatype in types.get(level, ()):
                graph.add_node(datatype, label=datatype, weight=10)
                graph.add_edge(key, datatype)
            for child in LEVELS[level].children:
                add(child, key)

        add("project", "")
        return graph

    def datatypes(self, pattern: str = "*") -> networkx.DiGraph[str]:
        """Return the data types below their namespaces; wildcards match types."""
        return _by_namespace("datatypes", self._inspector.datatypes(pattern))

    def rest_resource(self, name: str) -> networkx.DiGraph[str]:
        """Return the data types in use at a level, below their namespaces.

        Parameters
        ----------
        name : str
            ``experiments``, ``assessors``, ``reconstructions`` or ``scans``; others have one type.
        """
        level = name.removesuffix("s")
        if level not in LEVELS:
            raise UsageError(f"{name!r} is no level", advice=f"one of {', '.join(_TYPED)}")
        return _by_namespace(name, self._types(level))

    def field_values(self, field_name: str) -> networkx.DiGraph[str]:
        """Return the values of a field; the weight of each is how often it occurs."""
        counted = Counter(self._inspector.field_occurrences(field_name))
        graph = _empty()
        graph.add_node(field_name, label=field_name, weight=max(counted.values(), default=1))
        for value, number in sorted(counted.items()):
            graph.add_node(value, label=value, weight=number)
            graph.add_edge(field_name, value)
        return graph

    def _types(self, level: str) -> list[str]:
        if level not in _TYPED:
            return [LEVELS[level].xsi_type] if LEVELS[level].xsi_type else []
        found: list[str] = getattr(self._inspector, f"{level}_types")()
        return found


_TYPED = ("experiment", "assessor", "reconstruction", "scan")


class PaintGraph:
    """``interface.draw``: pictures of :class:`GraphData`, by matplotlib.

    Each method shows the picture, or writes it to the file ``save``.

    Parameters
    ----------
    archive : Interface
    """

    def __init__(self, archive: Managed) -> None:
        self.get_graph = GraphData(archive)

    def architecture(self, with_datatypes: bool = True, save: str | Path | None = None) -> None:
        """Draw the levels; see :meth:`GraphData.architecture`."""
        _draw(self.get_graph.architecture(with_datatypes), save)

    def experiments(self, save: str | Path | None = None) -> None:
        """Draw the data types of experiments."""
        _draw(self.get_graph.rest_resource("experiments"), save)

    def assessors(self, save: str | Path | None = None) -> None:
        """Draw the data types of assessors."""
        _draw(self.get_graph.rest_resource("assessors"), save)

    def reconstructions(self, save: str | Path | None = None) -> None:
        """Draw the data types of reconstructions."""
        _draw(self.get_graph.rest_resource("reconstructions"), save)

    def scans(self, save: str | Path | None = None) -> None:
        """Draw the data types of scans."""
        _draw(self.get_graph.rest_resource("scans"), save)

    def datatypes(self, pattern: str = "*", save: str | Path | None = None) -> None:
        """Draw data types; see :meth:`GraphData.datatypes`."""
        _draw(self.get_graph.datatypes(pattern), save)

    def field_values(self, field_name: str, save: str | Path | None = None) -> None:
        """Draw the values of a field; see :meth:`GraphData.field_values`."""
        _draw(self.get_graph.field_values(field_name), save)


def _empty() -> networkx.DiGraph[str]:
    import networkx as nx

    return nx.DiGraph()


def _by_namespace(name: str, types: Iterable[str]) -> networkx.DiGraph[str]:
    graph = _empty()
    graph.add_node(name, label=name, weight=100)
    for datatype in types:
        namespace = datatype.partition(":")[0]
        graph.add_node(namespace, label=namespace, weight=70)
        graph.add_node(datatype, label=datatype, weight=40)
        graph.add_edge(name, namespace)
        graph.add_edge(namespace, datatype)
    return graph


def _draw(graph: networkx.DiGraph[str], save: str | Path | None) -> None:
    try:
        import matplotlib.pyplot as plt
        import networkx as nx
    except ImportError:
        raise UsageError(
            "drawing needs matplotlib",
            advice="pip install matplotlib; inspect.structure() draws without it",
        ) from None
    figure, axes = plt.subplots(figsize=(8, 8))
    heaviest = max(nx.get_node_attributes(graph, "weight").values())
    nx.draw_networkx(
        graph,
        nx.spring_layout(graph, seed=1),
        ax=axes,
        labels=nx.get_node_attributes(graph, "label"),
        node_size=[20 + 1000 * data["weight"] / heaviest for _, data in graph.nodes(data=True)],
        node_color="#9ecae1",
        edge_color="#bbbbbb",
        font_size=8,
    )
    axes.set_axis_off()
    if save is None:
        plt.show()
    else:
        figure.savefig(save)
    plt.close(figure)
