"""XNAT's search engine: criteria, the document that carries them, running it, and its tables."""

from .criteria import Criteria, Criterion, parse
from .engine import matching_ids, run
from .table import Table, TableRow

__all__ = ["Criteria", "Criterion", "Table", "TableRow", "matching_ids", "parse", "run"]
