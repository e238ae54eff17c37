"""The listings of the resource tree: columns, filters, paging."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nipype_xnat.archive import values
from nipype_xnat.archive.datatypes import DataType, Dictionary, shortcuts
from nipype_xnat.archive.people import Rights
from nipype_xnat.archive.query.sources import Sources, UnknownField
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.storage import schema as s

_PRIMARY = {
    "project": "ID",
    "subject": "ID",
    "experiment": "ID",
    "scan": "xnat_imagescandata_id",
    "recon": "xnat_reconstructedimagedata_id",
}
_DATE = re.compile(r"\d{1,4}[-/]\d{1,2}[-/]\d{1,4}")


@dataclass(frozen=True)
class Listing:
    """What a listing is of.

    Attributes
    ----------
    names : str
        Whose short names apply: ``project``, ``subject``, ``experiment``, ``assessor``,
        ``scan`` or ``recon``.
    base : str
        The most general type of its rows.
    default : tuple of str
        The columns shown when none are asked for.
    uri : str
        What stands before the id in the URI column; empty for none.
    project : str or None
        The project in whose eyes it is seen.
    """

    names: str
    base: str
    default: tuple[str, ...]
    uri: str = ""
    project: str | None = None
    subject_pk: int | None = None
    session_pk: int | None = None
    title: str = ""
    filters: tuple[tuple[str, str], ...] = ()
    columns: str | None = None
    xsi_type: str | None = None
    limit: str | None = None
    offset: str | None = None

    @property
    def paged(self) -> bool:
        """Whether only a part of the rows was asked for."""
        return self.limit is not None or self.offset is not None


def _mapping(names: str) -> dict[str, str]:
    table = shortcuts()[names]
    return {**table["write"], **table["read"]}


def root_type(dictionary: Dictionary, listing: Listing) -> DataType:
    """Choose the root: as asked, or the most special type among the fields used."""
    base = dictionary.get(listing.base)
    assert base is not None
    if listing.xsi_type and "," not in listing.xsi_type:
        asked = dictionary.get(listing.xsi_type)
        if asked is None:
            raise UnknownField(listing.xsi_type)
        return asked
    names = _mapping(listing.names)
    used = [key for key, _ in listing.filters]
    used += (listing.columns or "").split(",")
    found = base
    for key in used:
        address = key if "/" in key else names.get(key, "")
        known = dictionary.get(address.partition("/")[0])
        if known is not None and known.name != found.name and known.is_a(found.name):
            found = known
    return found


def criterion(expression: Any, declared: str, wanted: str) -> sa.ColumnElement[bool]:
    """Turn the value of a listing's filter into a condition; commas mean "or"."""
    parts = [part.strip() for part in wanted.split(",")]
    return sa.or_(*(_one(expression, declared, part) for part in parts))


def _one(expression: Any, declared: str, part: str) -> Any:
    if declared in {"integer", "float"}:
        number = sa.cast(expression, sa.Float)
        low, dash, high = part.partition("-")
        try:
            if dash and low:
                return sa.and_(number >= float(low), number <= float(high))
            return number == float(part)
        except ValueError as error:
            raise UnknownField(part) from error
    if declared in {"date", "datetime"}:
        low, dash, high = part.partition("-")
        if dash:
            start, end = values.parse_date(low) or low, values.parse_date(high) or high
            return sa.and_(expression >= start, expression <= end)
        return expression == (values.parse_date(part) or part)
    if "*" in part or "%" in part:
        return expression.like(f"%{part.replace('*', '%')}%")
    return expression == part


class _Prepared(NamedTuple):
    columns: list[str]
    statement: sa.Select[Any]


@lru_cache(maxsize=256)
def _prepare(
    dictionary: Dictionary,
    listing: Listing,
    allowed: frozenset[str] | None,
    protected: frozenset[str],
    page: int,
) -> _Prepared:
    # building a statement takes longer than answering it: the same question keeps its own
    root = root_type(dictionary, listing)
    sources = Sources(dictionary, root, listing.project)
    names = _mapping(listing.names)
    wanted = [f"{root.name}/{_PRIMARY[root.kind]}"]
    asked = listing.columns
    default = not asked or asked == "DEFAULT"
    for key in listing.default if default else str(asked).split(","):
        short = key.strip()
        address = short if "/" in short else names.get(short)
        if address is not None and address.lower() not in {w.lower() for w in wanted}:
            wanted.append(address)
    labels = {address.lower(): key for key, address in names.items()}
    columns = [labels.get(address.lower(), address.lower()) for address in wanted]
    expressions = [sources.expression(address)[0] for address in wanted]
    where = sources.conditions()
    for key, value in listing.filters:
        address = key if "/" in key else names.get(key)
        if address is None or key == "xsiType" or not value:
            continue
        where.append(criterion(*sources.expression(address), value))
    if listing.xsi_type and "," in listing.xsi_type:
        family = {t for n in listing.xsi_type.split(",") for t in dictionary.family(n.strip())}
        where.append(sources.row.c.xsi_type.in_(family))
    if listing.subject_pk is not None:
        where.append(sources.row.c.subject_pk == sa.bindparam("subject_pk"))
    if listing.session_pk is not None:
        where.append(sources.row.c.session_pk == sa.bindparam("session_pk"))
    if listing.project is None and listing.session_pk is None:
        visible = _visible(sources, allowed, protected)
        if visible is not None:
            where.append(visible)
    query = sa.select(sources.row.c.id, *(e.label(f"c{n}") for n, e in enumerate(expressions)))
    query = query.select_from(sources.source).where(*where).order_by(sources.row.c.pk)
    if listing.paged and listing.limit != "*":
        query = query.limit(min(int(listing.limit or page), 2**62))
        query = query.offset(min(int(listing.offset or 0), 2**62))
    if listing.uri:
        columns.append("URI")
    return _Prepared(columns, query)


def run(
    connection: Connection, dictionary: Dictionary, rights: Rights, listing: Listing, page: int
) -> Table:
    """Answer a listing.

    Raises
    ------
    UnknownField
        When a column or filter names a field that does not exist.
    """
    bound: dict[str, int] = {}
    general = listing
    # which subject or session it is of is bound when it is asked
    if listing.subject_pk is not None:
        bound["subject_pk"] = listing.subject_pk
        general = replace(general, subject_pk=0)
    if listing.session_pk is not None:
        bound["session_pk"] = listing.session_pk
        general = replace(general, session_pk=0)
    allowed = rights.readable()
    found = _prepare(
        dictionary,
        general,
        None if allowed is None else frozenset(allowed),
        frozenset(() if allowed is None else rights.protected),
        page,
    )
    rows: list[Sequence[Any]] = []
    for key, *cells in connection.execute(found.statement, bound):
        rows.append([*cells, listing.uri + key] if listing.uri else cells)
    table = Table(list(found.columns), rows, title=listing.title)
    if not listing.paged:
        table.total = str(len(rows))
    return table


def readable_rows(sources: Sources, rights: Rights) -> sa.ColumnElement[bool] | None:
    """Restrict rows to what the person may read; None where that is everything."""
    allowed = rights.readable()
    return None if allowed is None else _visible(sources, allowed, rights.protected)


def _visible(
    sources: Sources, allowed: Collection[str] | None, protected: Collection[str]
) -> sa.ColumnElement[bool] | None:
    if allowed is None:
        return None
    c = sources.row.c
    if sources.root.kind == "project":
        seen: sa.ColumnElement[bool] = c.id.in_({*allowed, *protected})
        return seen
    if sources.root.kind in {"scan", "recon"}:
        session = s.element.alias()
        shared = sa.select(s.share.c.element_pk).where(s.share.c.project.in_(allowed))
        visible = sa.select(session.c.pk).where(
            sa.or_(session.c.project.in_(allowed), session.c.pk.in_(shared))
        )
        below: sa.ColumnElement[bool] = c.session_pk.in_(visible)
        return below
    shared = sa.select(s.share.c.element_pk).where(s.share.c.project.in_(allowed))
    return sa.or_(c.project.in_(allowed), c.pk.in_(shared))


__all__ = ["Listing", "criterion", "readable_rows", "root_type", "run"]
