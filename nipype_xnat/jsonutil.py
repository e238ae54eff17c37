"""Tables under the names by which scripts written for pyxnat know them."""

from __future__ import annotations

import csv
import io

from .search import Table
from .tables import Row

__all__ = ["JsonTable", "csv_to_json"]

JsonTable = Table
"""What searches and listings answer, see :class:`nipype_xnat.search.Table`."""


def csv_to_json(csv_str: str | bytes) -> list[Row]:
    """Return the rows of a CSV text as dicts, by the names in its first line."""
    text = csv_str.decode("utf-8") if isinstance(csv_str, bytes) else csv_str
    return list(csv.DictReader(io.StringIO(text, newline="")))
