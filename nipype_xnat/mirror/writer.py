"""Writing a state: what a server's tables say becomes an archive.

Elements keep the ids, times and numbers that they have on the server, so nothing here follows the
rules by which an archive makes new ones.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import Connection

from ..archive import values
from ..archive.datatypes import DataType
from ..archive.errors import Invalid
from ..archive.storage import schema as s
from ..archive.storage.database import Database
from ..records import Record
from .types import Types

__all__ = ["Writer", "writing"]

_MANY = 1000
_OWN_NUMBERS = 1 << 40
_EMPTY: dict[str, Any] = {
    "fields": {},
    "label": None,
    "project": None,
    "subject_pk": None,
    "session_pk": None,
    "scan_type": None,
    "date": None,
    "insert_date": "",
    "insert_user": "",
    "last_modified": "",
}
_ADD_FIELDS = (
    s.element.update()
    .where(s.element.c.pk == sa.bindparam("of"))
    .values(fields=sa.func.json_patch(s.element.c.fields, sa.bindparam("more"), type_=sa.JSON))
)


class Writer:
    """Writes elements, resources and files of one state.

    Parameters
    ----------
    connection : Connection
    types : Types
        The data types that the state knows.
    """

    def __init__(self, connection: Connection, types: Types) -> None:
        self.connection = connection
        self.types = types
        self._keys: dict[tuple[object, ...], int] = {}
        self._numbers: set[int] = set()
        self._next = _OWN_NUMBERS
        self._rows: list[dict[str, Any]] = []
        self._fields: list[dict[str, Any]] = []

    # -- elements

    def element(self, kind: str, xsi_type: str, id: str, **columns: Any) -> int:
        """Write an element, or add to the one that is there, and return its key.

        Subjects and experiments are the same in each project that sees them.
        """
        inside = columns.get("session_pk") if kind in ("scan", "recon") else None
        name = (kind, inside, id)
        columns = {column: value for column, value in columns.items() if value is not None}
        number: int | None = columns.pop("pk", None)
        known = self._keys.get(name)
        if known is not None:
            if columns:
                self.flush()
                self.connection.execute(
                    s.element.update().where(s.element.c.pk == known).values(columns)
                )
            return known
        if number is None or number in self._numbers:
            self._next += 1
            number = self._next
        self._numbers.add(number)
        self._keys[name] = number
        self._rows.append({**_EMPTY, "pk": number, "kind": kind, "id": id, "xsi_type": xsi_type})
        self._rows[-1].update(columns)
        if len(self._rows) >= _MANY:
            self.flush()
        return number

    def key(self, kind: str, id: str) -> int | None:
        """Return the key of a project, subject or experiment."""
        return self._keys.get((kind, None, id))

    def inside(self, kind: str, session: str, id: str) -> int | None:
        """Return the key of a scan or reconstruction."""
        return self._keys.get((kind, self.key("experiment", session), id))

    def fields(self, pk: int | None, datatype: DataType, given: Mapping[str, str]) -> None:
        """Add fields to an element: their paths in its type, and what a table showed."""
        if pk is None:
            return
        kept: dict[str, str] = {}
        for path, text in given.items():
            field = datatype.fields.get(path)
            if field is None or not text:
                continue
            try:
                kept[path] = values.canonical(field, text)
            except Invalid:  # a server may hold what this dictionary would not take
                kept[path] = text
        if kept:
            self._fields.append({"of": pk, "more": json.dumps(kept)})
        if len(self._fields) >= _MANY:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered, so that it can be asked for."""
        if self._rows:
            self.connection.execute(s.element.insert(), self._rows)
        if self._fields:
            self.connection.execute(_ADD_FIELDS, self._fields)
        self._rows, self._fields = [], []

    def variable(self, pk: int | None, name: str, value: str) -> None:
        """Write a custom variable."""
        if pk is not None and name:
            self.flush()
            row = {"element_pk": pk, "name": name, "value": value}
            self.connection.execute(insert(s.variable).values(row).on_conflict_do_nothing())

    def share(self, pk: int | None, project: str, label: str | None) -> None:
        """Note that an element is seen in a project that does not own it."""
        if pk is not None and project:
            self.flush()
            row = {"element_pk": pk, "project": project, "label": label}
            self.connection.execute(insert(s.share).values(row).on_conflict_do_nothing())

    def alias(self, project: str, alias: str) -> None:
        """Write another name of a project."""
        row = {"alias": alias, "project": project}
        self.connection.execute(insert(s.alias).values(row).on_conflict_do_nothing())

    def setting(self, scope: str, name: str, value: str) -> None:
        """Write a setting of a project."""
        row = {"scope": scope, "name": name, "value": value}
        self.connection.execute(insert(s.setting).values(row).on_conflict_do_nothing())

    def count(self, what: str) -> int:
        """Return how many there are of a kind of element, or of resources."""
        self.flush()
        query = sa.select(sa.func.count())
        if what == "resource":
            query = query.select_from(s.resource)
        else:
            query = query.select_from(s.element).where(s.element.c.kind == what.removesuffix("s"))
        return int(self.connection.execute(query).scalar() or 0)

    # -- resources and files

    def holders(self, level: str, project: str) -> frozenset[str]:
        """Return the ids of the subjects or experiments that hold resources at a level.

        Parameters
        ----------
        level : str
            ``project``, ``subject``, ``experiment``, ``scan``, ``assessor`` (its own resources),
            ``in`` or ``out`` (of assessors), ``recon-in`` or ``recon-out``.
        project : str
        """
        self.flush()
        owner, session = s.element.alias(), s.element.alias()
        below = level not in ("project", "subject", "experiment")
        shown = session if below else owner
        source = s.resource.join(owner, owner.c.pk == s.resource.c.owner_pk)
        if below:
            source = source.join(session, session.c.pk == owner.c.session_pk)
        direction = {"in": "in", "out": "out", "recon-in": "in", "recon-out": "out"}.get(level, "")
        kind = {"project": "project", "subject": "subject", "scan": "scan"}.get(level, "experiment")
        if level.startswith("recon"):
            kind = "recon"
        where = [owner.c.kind == kind, s.resource.c.direction == direction]
        if level == "experiment":
            where.append(owner.c.session_pk.is_(None))
        shared = sa.select(s.share.c.element_pk).where(s.share.c.project == project)
        here = shown.c.id if level == "project" else shown.c.project
        where.append(sa.or_(here == project, shown.c.pk.in_(shared)))
        query = sa.select(shown.c.id).distinct().select_from(source).where(*where)
        return frozenset(self.connection.execute(query).scalars())

    def resource(self, number: int, owner_pk: int, direction: str, **columns: Any) -> None:
        """Write a resource under the number that it has on the server."""
        self.flush()
        row = {"pk": number, "owner_pk": owner_pk, "direction": direction}
        row.update({name: value for name, value in columns.items() if value not in (None, "")})
        self.connection.execute(insert(s.resource).values(row).on_conflict_do_nothing())

    def files(self, records: Iterable[Record]) -> int:
        """Write the files of resources that are there already; return how many."""
        rows: list[dict[str, Any]] = []
        count = 0
        for record in records:
            count += 1
            rows.append(
                {
                    "resource_pk": int(record.resource_id),
                    "path": record.path,
                    "blob": record.digest,
                    "size": record.size or 0,
                    "digest": record.digest,
                    "format": record.format or None,
                    "content": record.content or None,
                    # tables show them with "=", the archive keeps them with ":"
                    "tags": record.tags.replace("=", ":") or None,
                    "modified": 0.0,
                    "catalogued": True,
                }
            )
            if len(rows) == _MANY:
                self._write_files(rows)
                rows = []
        self._write_files(rows)
        return count

    def _write_files(self, rows: list[dict[str, Any]]) -> None:
        if rows:
            self.connection.execute(insert(s.file).on_conflict_do_nothing(), rows)

    def blob(self, record: Record, digest: str) -> None:
        """Say which bytes a file has whose server keeps no digests."""
        self.connection.execute(
            s.file.update()
            .where(s.file.c.resource_pk == int(record.resource_id), s.file.c.path == record.path)
            .values(blob=digest)
        )


@contextmanager
def writing(folder: Path, types: Types) -> Iterator[Writer]:
    """Write the database of a state in one transaction, and its types.

    Afterwards it is one plain file, which can be read where nothing may be written.
    """
    path = folder / "archive.sqlite"
    database = Database(path, durable=False)
    try:
        with database.change() as connection:
            writer = Writer(connection, types)
            yield writer
            writer.flush()
        types.write(folder)
    finally:
        database.close()
    plain = sqlite3.connect(path)
    try:
        plain.execute("PRAGMA journal_mode=DELETE")
        plain.execute("ANALYZE")
        plain.commit()
    finally:
        plain.close()
