"""The listings of the resource tree: columns, filters, paging."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nipype_xnat.archive.datatypes import DataType, Dictionary, shortcuts
from nipype_xnat.archive.errors import Broken
from nipype_xnat.archive.people import Rights
from nipype_xnat.archive.query.comparisons import Condition, like, literal, suspicious, typed
from nipype_xnat.archive.query.sources import Sources, UnknownField, readable
from nipype_xnat.archive.query.table import Table

_PRIMARY = {
    "project": "ID",
    "subject": "ID",
    "experiment": "ID",
    "scan": "xnat_imagescandata_id",
    "recon": "xnat_reconstructedimagedata_id",
}
#: types whose rights are judged by the types of the rows
_UNSECURED = {"xnat:experimentData", "xnat:subjectAssessorData", "xnat:imageSessionData"}


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
    filtered, paged : bool
        Whether filters, and limit and offset, are heeded; XNAT forgets them below a session.
    strength : str or None
        The role that the person must have in the projects that are listed.
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
    filtered: bool = True
    paged: bool = True
    strength: str | None = None


def _mapping(names: str) -> dict[str, str]:
    table = shortcuts()[names]
    return {**table["write"], **table["read"]}


def root_type(dictionary: Dictionary, listing: Listing) -> DataType:
    """Choose the root: as asked, or the most special type among the fields used."""
    base = dictionary.get(listing.base)
    assert base is not None
    if listing.xsi_type and "," not in listing.xsi_type:
        asked = dictionary.get(listing.xsi_type)
        if asked is None or asked.kind != base.kind:
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


def criterion(expression: Any, declared: str, wanted: str) -> list[Condition]:
    """Turn the value of a listing's filter into conditions, of which one must hold.

    Raises
    ------
    Broken
        When a value does not fit the datatype.
    """
    parts = wanted.split(",")
    # what stands after the last comma keeps its blanks, and is left out when nothing stands there
    parts = [part.strip() for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
    return [_one(expression, declared, part) for part in parts]


def _one(expression: Any, declared: str, part: str) -> Condition:
    if suspicious(part):
        return sa.false()
    if declared in {"integer", "float"} and "-" in part:
        low, _, high = part.partition("-")
        return _range(typed(expression, declared), declared, low, high)
    if declared in {"date", "datetime", "time"} and "-" in part:
        low, _, high = part.partition("-")
        return _range(expression, declared, low, high)
    if declared == "string" and ("*" in part or "%" in part):
        return like(expression, "%" + part.replace("*", "%").strip("'%") + "%", declared)
    if part.upper() == "NULL":
        return sa.false()
    found: Condition = typed(expression, declared) == literal(part, declared)
    return found


def _range(subject: Any, declared: str, low: str, high: str) -> Condition:
    if declared in {"integer", "float"} and not (low.strip() and high.strip()):
        return sa.false()  # an end left open is compared with null
    return subject.between(  # type: ignore[no-any-return]
        literal(low, declared), literal(high, declared)
    )


def _filters(sources: Sources, listing: Listing, names: Mapping[str, str]) -> list[Condition]:
    """Turn the filters of a listing into conditions.

    An unknown field leaves an empty pair of brackets in XNAT's SQL: without effect when it
    stands alone, an error beside others.
    """
    found = []
    lost = None
    for key, value in listing.filters:
        address = key if "/" in key else names.get(key)
        if address is None or key == "xsiType":
            continue
        try:
            parts = criterion(*sources.expression(address), value)
        except UnknownField as error:
            lost = error
            continue
        if parts:
            found.append(sa.or_(*parts))
        else:
            lost = UnknownField(key)
    if lost is not None and found:
        raise lost
    return found


def _page(listing: Listing, size: int) -> tuple[int, int] | None:
    """Read limit and offset: both are needed, and ``*`` stands for none."""
    if not listing.paged or (listing.limit is None and listing.offset is None):
        return None
    texts = (listing.limit or str(size), listing.offset or "0")
    if "*" in texts:
        return None
    try:
        limit, offset = (int(text) for text in texts)
    except ValueError as error:
        raise Broken(f"'{texts[0]}' and '{texts[1]}' are not both numbers") from error
    if limit <= 0 and offset <= 0:
        return None
    if limit < 0 or offset < 0 or max(limit, offset) >= 2**63:
        raise Broken("LIMIT and OFFSET must not be negative")
    return limit, offset


def _wanted(root: DataType, listing: Listing, names: Mapping[str, str]) -> list[str]:
    """List the addresses of the columns: the key of the root comes first."""
    wanted = [f"{root.name}/{_PRIMARY[root.kind]}"]
    asked = listing.columns
    default = not asked or asked == "DEFAULT"
    for key in listing.default if default else str(asked).split(","):
        short = key.strip()
        address = short if "/" in short else names.get(short)
        if address is not None:
            wanted.append(address)
    if root.name in _UNSECURED and listing.session_pk is None:
        # what rights are judged by is asked for, and stays in the answer
        wanted += [names["xsiType"], names["project"]]
    first: dict[str, str] = {}
    for address in wanted:
        first.setdefault(address.lower(), address)
    return list(first.values())


class _Prepared(NamedTuple):
    columns: list[str]
    statement: sa.Select[Any]
    times: frozenset[int]
    whole: bool


@lru_cache(maxsize=256)
def _prepare(
    dictionary: Dictionary,
    listing: Listing,
    allowed: frozenset[str] | None,
    protected: frozenset[str],
    held: frozenset[str] | None,
    page: int,
) -> _Prepared:
    # building a statement takes longer than answering it: the same question keeps its own
    root = root_type(dictionary, listing)
    sources = Sources(dictionary, root, listing.project, allowed=allowed)
    names = _mapping(listing.names)
    wanted = _wanted(root, listing, names)
    labels: dict[str, str] = {}
    for key, address in names.items():
        labels.setdefault(address.lower(), key)
    columns = [labels.get(address.lower(), address.lower()) for address in wanted]
    # names that a project gave are put in place of the own ones where labels are shown
    seen = "label" in columns
    expressions = [sources.expression(address, seen) for address in wanted]
    where = sources.conditions()
    if listing.filtered:
        where += _filters(sources, listing, names)
    if listing.xsi_type and "," in listing.xsi_type:
        family = {t for n in listing.xsi_type.split(",") for t in dictionary.family(n.strip())}
        where.append(sources.row.c.xsi_type.in_(family))
    if listing.subject_pk is not None:
        where.append(sources.row.c.subject_pk == sa.bindparam("subject_pk"))
    if listing.session_pk is not None:
        where.append(sources.row.c.session_pk == sa.bindparam("session_pk"))
    if held is not None:
        where.append(sources.row.c.id.in_(held))
    if listing.project is None and listing.session_pk is None:
        visible = _visible(sources, allowed, protected)
        if visible is not None:
            where.append(visible)
    cells = [found.label(f"c{n}") for n, (found, _) in enumerate(expressions)]
    query = sa.select(sources.row.c.id, *cells)
    query = query.select_from(sources.source).where(*where).order_by(sources.row.c.pk)
    paging = _page(listing, page)
    if paging is not None:
        query = query.limit(paging[0]).offset(paging[1])
    if listing.uri:
        columns.append("URI")
    times = frozenset(n for n, (_, declared) in enumerate(expressions) if declared == "time")
    return _Prepared(columns, query, times, paging is None)


def run(
    connection: Connection, dictionary: Dictionary, rights: Rights, listing: Listing, page: int
) -> Table:
    """Answer a listing.

    Raises
    ------
    UnknownField
        When a column names a field that does not exist.
    Broken
        When a filter or a page makes no sense.
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
    held = None
    if listing.strength and allowed is not None:
        held = frozenset(n for n, role in rights.roles.items() if role == listing.strength)
    found = _prepare(
        dictionary,
        general,
        None if allowed is None else frozenset(allowed),
        frozenset(() if allowed is None else rights.protected),
        held,
        page,
    )
    rows: list[Sequence[Any]] = []
    try:
        for key, *cells in connection.execute(found.statement, bound):
            rows.append([*cells, listing.uri + key] if listing.uri else cells)
    except sa.exc.DBAPIError as error:
        # too many values, or numbers that are too large
        raise Broken("The listing cannot be made.") from error
    table = Table(list(found.columns), rows, title=listing.title, times=set(found.times))
    if found.whole:
        table.total = str(len(rows))
    return table


def readable_rows(sources: Sources, rights: Rights) -> Condition | None:
    """Restrict rows to what the person may read; None where that is everything."""
    allowed = rights.readable()
    return None if allowed is None else _visible(sources, allowed, rights.protected)


def _visible(
    sources: Sources, allowed: Collection[str] | None, protected: Collection[str]
) -> Condition | None:
    if allowed is None:
        return None
    if sources.root.kind == "project":
        seen: Condition = sources.row.c.id.in_({*allowed, *protected})
        return seen
    return readable(sources.row, allowed, sources.root.kind)


__all__ = ["Listing", "criterion", "readable_rows", "root_type", "run"]
