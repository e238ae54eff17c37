"""Looking around: what a server can do, which types, fields and values it has, what is where."""

from .abilities import Abilities
from .array import ArrayData
from .graphs import GraphData, PaintGraph
from .inspector import Inspector
from .schemas import SchemasInspector
from .structure import Structure
from .xpath_store import XpathStore

__all__ = [
    "Abilities",
    "ArrayData",
    "GraphData",
    "Inspector",
    "PaintGraph",
    "SchemasInspector",
    "Structure",
    "XpathStore",
]
