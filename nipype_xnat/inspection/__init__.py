"""Looking around: what a server can do, which types, fields and values it has, what is where."""

from .abilities import Abilities
from .inspector import Inspector
from .structure import Structure

__all__ = ["Abilities", "Inspector", "Structure"]
