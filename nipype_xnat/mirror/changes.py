"""What differs between two states of a mirror."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Change", "Changes", "compare", "referenced"]


@dataclass(frozen=True)
class Change:
    """Counts for one kind of thing.

    Parameters
    ----------
    added, changed, gone : int
    """

    added: int = 0
    changed: int = 0
    gone: int = 0

    def __str__(self) -> str:
        return f"{self.added} added, {self.changed} changed, {self.gone} gone"


@dataclass(frozen=True)
class Changes:
    """What differs between a mirror and the server, or between two pulls.

    Parameters
    ----------
    subjects, experiments, scans, files : Change
    """

    subjects: Change
    experiments: Change
    scans: Change
    files: Change

    @property
    def any(self) -> bool:
        """Whether anything differs."""
        nothing = Change()
        found = (self.subjects, self.experiments, self.scans, self.files)
        return any(one != nothing for one in found)

    def __str__(self) -> str:
        return "\n".join(
            f"{name}: {getattr(self, name)}"
            for name in ("subjects", "experiments", "scans", "files")
        )


# one line each: what identifies it, and what of it may change
_ELEMENTS = """
    SELECT e.id AS a, coalesce(o.id, '') AS b,
           json_array(e.label, e.project, e.xsi_type, e.scan_type, e.date, e.fields,
                      e.last_modified) AS value
    FROM {db}.element e LEFT JOIN {db}.element o ON o.pk = e.session_pk
    WHERE e.kind = '{kind}'
"""
_FILES = """
    SELECT f.resource_pk AS a, f.path AS b, json_array(f.size, f.digest) AS value
    FROM {db}.file f
"""


def compare(old: Path | None, new: Path) -> Changes:
    """Compare two states.

    Parameters
    ----------
    old : path or None
        Folder of the state before; None where there was none.
    new : path
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("ATTACH ? AS new", (_read_only(new),))
        if old is not None and (old / "archive.sqlite").exists():
            connection.execute("ATTACH ? AS old", (_read_only(old),))
        else:
            old = None

        def change(query: str, **values: str) -> Change:
            after = query.format(db="new", **values)
            if old is None:
                return Change(added=_one(connection, f"SELECT count(*) FROM ({after})"))  # noqa: S608
            before = query.format(db="old", **values)
            joined = f"({after}) n {{}} JOIN ({before}) o ON n.a = o.a AND n.b = o.b"
            return Change(
                _one(
                    connection,
                    f"SELECT count(*) FROM {joined.format('LEFT')} WHERE o.a IS NULL",  # noqa: S608
                ),
                _one(
                    connection,
                    f"SELECT count(*) FROM {joined.format('')} WHERE n.value != o.value",  # noqa: S608
                ),
                _one(
                    connection,
                    f"SELECT count(*) FROM ({before}) o LEFT JOIN ({after}) n "  # noqa: S608
                    "ON n.a = o.a AND n.b = o.b WHERE n.a IS NULL",
                ),
            )

        return Changes(
            change(_ELEMENTS, kind="subject"),
            change(_ELEMENTS, kind="experiment"),
            change(_ELEMENTS, kind="scan"),
            change(_FILES),
        )


@contextmanager
def referenced(state: Path) -> Iterator[Callable[[str], bool]]:
    """Give a function that tells whether a state names bytes with a digest."""
    with closing(sqlite3.connect(_read_only(state), uri=True)) as connection:
        connection.execute("CREATE TEMP TABLE named (digest TEXT PRIMARY KEY) WITHOUT ROWID")
        connection.execute("INSERT OR IGNORE INTO named SELECT blob FROM file")

        def is_named(digest: str) -> bool:
            found = connection.execute("SELECT 1 FROM named WHERE digest = ?", (digest,))
            return found.fetchone() is not None

        yield is_named


def _one(connection: sqlite3.Connection, query: str) -> int:
    return int(connection.execute(query).fetchone()[0])


def _read_only(state: Path) -> str:
    return (state / "archive.sqlite").absolute().as_uri() + "?mode=ro"
