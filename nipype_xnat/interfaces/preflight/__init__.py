"""Preflight: what would make a run fail is told before it, with what to do."""

from .checking import check
from .findings import Finding, Findings

__all__ = ["Finding", "Findings", "check"]
