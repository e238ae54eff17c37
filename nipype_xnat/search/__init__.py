"""XNAT's search engine: criteria, the document that carries them, running it, and its tables."""

from .criteria import Criteria, Criterion, parse
from .document import Query
from .engine import key_of, matching_ids, pages, run
from .expression import F
from .fields import Field, Fields
from .saved import KeptSearches
from .search import Search
from .table import Table, TableRow

__all__ = [
    "Criteria",
    "Criterion",
    "F",
    "Field",
    "Fields",
    "KeptSearches",
    "Query",
    "Search",
    "Table",
    "TableRow",
    "key_of",
    "matching_ids",
    "pages",
    "parse",
    "run",
]
