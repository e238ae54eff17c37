"""What a state of a mirror holds, element by element, for whoever compares or copies it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.sax.saxutils import unescape

import sqlalchemy as sa

from ..archive.storage import schema as s
from ..archive.storage.database import Database
from .lists import spelt
from .types import types_in

__all__ = ["Held", "HeldFile", "HeldResource", "Holdings"]


@dataclass(frozen=True)
class Held:
    """One element.

    Parameters
    ----------
    pk : int
        Its key in this state.
    kind : str
        ``project``, ``subject``, ``experiment`` (assessors too), ``scan`` or ``recon``.
    id, label, project, xsi_type : str
    subject_pk, session_pk : int or None
    values : dict of str to str
        Fields and custom variables by the addresses by which they are set.
    """

    pk: int
    kind: str
    id: str
    label: str
    project: str
    xsi_type: str
    subject_pk: int | None
    session_pk: int | None
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class HeldResource:
    """A resource: its key, where it stands at its owner, its label and words."""

    pk: int
    direction: str
    label: str
    words: dict[str, str]


@dataclass(frozen=True)
class HeldFile:
    """A file: its path, digest and size, the name of its bytes, and its words."""

    path: str
    digest: str
    size: int
    blob: str
    words: dict[str, str]


class Holdings:
    """Reads one state, from any thread.

    Parameters
    ----------
    state : path
        Its folder.
    """

    def __init__(self, state: Path) -> None:
        self._state = state
        self._database = Database(state / "archive.sqlite", read_only=True)
        self._dictionary = types_in(state)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()

    # -- elements

    def project(self, name: str) -> Held | None:
        """Return a project."""
        c = s.element.c
        return self._one(c.kind == "project", c.id == name)

    def subjects(self, project: str) -> list[Held]:
        """Return the subjects that a project owns."""
        c = s.element.c
        return self._all(c.kind == "subject", c.project == project)

    def experiments(self, project: str) -> list[Held]:
        """Return the experiments that a project owns, but for assessors."""
        c = s.element.c
        return self._all(c.kind == "experiment", c.project == project, c.session_pk.is_(None))

    def below(self, session: Held) -> list[Held]:
        """Return the scans, reconstructions and assessors of a session."""
        return self._all(s.element.c.session_pk == session.pk)

    def by_key(self, pk: int) -> Held | None:
        """Return the element with a key."""
        return self._one(s.element.c.pk == pk)

    def labelled(self, kind: str, project: str, label: str) -> Held | None:
        """Return what a project calls so: its own, or what is shared into it."""
        c = s.element.c
        named = sa.or_(c.label == label, sa.and_(c.label.is_(None), c.id == label))
        found = self._one(c.kind == kind, c.project == project, named)
        if found is not None:
            return found
        shown = sa.select(s.share.c.element_pk).where(s.share.c.project == project)
        called = c.pk.in_(shown.where(s.share.c.label == label))
        as_at_home = sa.and_(named, c.pk.in_(shown.where(s.share.c.label.is_(None))))
        return self._one(c.kind == kind, sa.or_(called, as_at_home))

    def inside(self, session: Held, kind: str, id: str) -> Held | None:
        """Return a scan or a reconstruction of a session."""
        c = s.element.c
        return self._one(c.session_pk == session.pk, c.kind == kind, c.id == id)

    def shares(self, element: Held) -> dict[str, str]:
        """Return what an element is called in the projects that it is shared into."""
        query = sa.select(s.share.c.project, s.share.c.label).where(
            s.share.c.element_pk == element.pk
        )
        with self._database.read() as connection:
            return {project: label or element.label for project, label in connection.execute(query)}

    def _one(self, *conditions: Any) -> Held | None:
        found = self._all(*conditions)
        return found[0] if found else None

    def _all(self, *conditions: Any) -> list[Held]:
        query = sa.select(s.element).where(*conditions).order_by(s.element.c.pk)
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
            return [self._held(dict(row), self._variables(connection, row["pk"])) for row in rows]

    def _variables(self, connection: sa.Connection, pk: int) -> dict[str, str]:
        v = s.variable.c
        query = sa.select(v.name, v.value).where(v.element_pk == pk)
        return {name: value or "" for name, value in connection.execute(query)}

    def _held(self, row: Mapping[str, Any], variables: Mapping[str, str]) -> Held:
        xsi_type = row["xsi_type"]
        values: dict[str, str] = {}
        for name, column in (("date", row["date"]), ("type", row["scan_type"])):
            if column:
                values[f"{xsi_type}/{name}"] = column
        datatype = self._dictionary.get(xsi_type)
        for path, value in row["fields"].items():
            if datatype is not None and path in datatype.fields and isinstance(value, str):
                values[f"{xsi_type}/{spelt(path)}"] = value
        for name, value in variables.items():
            values[f"{xsi_type}/fields/field[name={name}]/field"] = value
        return Held(
            row["pk"],
            row["kind"],
            row["id"],
            row["label"] or row["id"],
            row["project"] or "",
            xsi_type,
            row["subject_pk"],
            row["session_pk"],
            {address: _sent(value) for address, value in values.items()},
        )

    # -- resources and files

    def resources(self, owner: Held) -> list[HeldResource]:
        """Return the resources of an element."""
        c = s.resource.c
        query = sa.select(s.resource).where(c.owner_pk == owner.pk).order_by(c.pk)
        with self._database.read() as connection:
            return [
                HeldResource(row["pk"], row["direction"], row["label"] or "", _words(dict(row)))
                for row in connection.execute(query).mappings()
            ]

    def files(self, resource: HeldResource) -> list[HeldFile]:
        """Return the files of a resource."""
        c = s.file.c
        query = sa.select(s.file).where(c.resource_pk == resource.pk).order_by(c.path)
        with self._database.read() as connection:
            return [
                HeldFile(row["path"], row["digest"], row["size"], row["blob"], _words(dict(row)))
                for row in connection.execute(query).mappings()
            ]

    def bytes_of(self, file: HeldFile) -> Path | None:
        """Return where the bytes of a file are; None where they are not held."""
        if not file.blob:
            return None
        path = self._state / "files" / file.blob[:2] / file.blob
        return path if path.is_file() else None


def _words(row: Mapping[str, Any]) -> dict[str, str]:
    names = ("format", "content", "tags", "description")
    return {name: _sent(str(row[name])) for name in names if row[name]}


def _sent(text: str) -> str:
    """Return the value that was sent for one that is stored.

    XNAT stores ``&amp;`` for an ``&`` in a query; sent as it is stored it would be escaped twice.
    """
    return unescape(text, {"&quot;": '"', "&apos;": "'"})
