"""XNAT's search engine: criteria, the document that carries them, and running it."""

from .criteria import Criteria, Criterion, parse
from .engine import matching_ids, run

__all__ = ["Criteria", "Criterion", "matching_ids", "parse", "run"]
