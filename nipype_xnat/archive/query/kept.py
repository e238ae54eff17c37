"""Answers of the search engine that are kept, to be looked at page by page."""

from __future__ import annotations

import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from nipype_xnat.archive.query.display import clean
from nipype_xnat.archive.query.table import Table

_NAME_LIMIT = 63
_HOUR = 3600.0


@dataclass
class Kept:
    """One answer, whose it is, and the search that it came from."""

    name: str
    login: str
    search: str
    table: Table
    used: float


class KeptTables:
    """All answers that are kept: the newest ones, for an hour after they were last used.

    Parameters
    ----------
    rows : int
        How many rows they may have together; the newest is kept whatever its size.
    """

    def __init__(self, rows: int = 500_000):
        self._rows = rows
        self._tables: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._last = 0

    def keep(self, login: str, search: str, table: Table) -> Kept:
        """Keep an answer, under a name of its own."""
        now = time.monotonic()
        with self._lock:
            # names carry the time in milliseconds; two of the same one must not meet
            self._last = max(self._last + 1, int(time.time() * 1000))
            front = f"_{clean(search)}" if search else ""
            name = f"{front}_{clean(login)}_{self._last}"
            if len(name) > _NAME_LIMIT:
                name = f"{name[:45]}_{self._last}"
            kept = Kept(re.sub(r"[^A-Za-z0-9_]", "_", name), login, search, table, now)
            self._tables[kept.name] = kept
            for old in [k for k, v in self._tables.items() if now - v.used > _HOUR]:
                del self._tables[old]
            total = sum(len(one.table.rows) + 1 for one in self._tables.values())
            while total > self._rows and len(self._tables) > 1:
                _, oldest = self._tables.popitem(last=False)
                total -= len(oldest.table.rows) + 1
        return kept

    def get(self, name: str) -> Kept | None:
        """Find an answer by its name."""
        with self._lock:
            found = self._tables.get(name)
            if found is not None:
                found.used = time.monotonic()
                self._tables.move_to_end(name)
            return found

    def of_search(self, login: str, search: str) -> Kept | None:
        """Find the answer of a search that a person used last."""
        with self._lock:
            for kept in reversed(self._tables.values()):
                if kept.login == login and kept.search == search:
                    return kept
            return None

    def drop(self, names: Iterable[str]) -> None:
        """Forget answers."""
        with self._lock:
            for name in names:
                self._tables.pop(name, None)

    def clear(self) -> None:
        """Forget all answers."""
        with self._lock:
            self._tables.clear()
