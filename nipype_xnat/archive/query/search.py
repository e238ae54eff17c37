"""The search engine: a search document in, a table out."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nipype_xnat.archive.datatypes import DataType, Dictionary
from nipype_xnat.archive.errors import Broken
from nipype_xnat.archive.people import Rights
from nipype_xnat.archive.query import comparisons, display
from nipype_xnat.archive.query.criteria import (
    CriteriaSet,
    Criterion,
    SearchDocument,
    SearchField,
)
from nipype_xnat.archive.query.listing import readable_rows
from nipype_xnat.archive.query.sources import Sources, UnknownField
from nipype_xnat.archive.query.table import Table

#: what PostgreSQL takes as the name of a column
_NAME_LIMIT = 63
_GROUP = 200
_SEVERAL = re.compile(
    r"^(sharing/share|fields/field|resources/resource|(in/|out/)?file)(/|$)", re.I
)

_SHARED = re.compile(r"[^/.]+[/.]sharing[/.]share[/.]project", re.I)
_PROJECT = re.compile(r"[^/.]+[/.](.*[/.])?project", re.I)

_aliases: dict[str, str] = {}
_aliases_lock = threading.Lock()


def _alias(key: str) -> str:
    """Name the column of a key; one that is too long gets a number, as in XNAT."""
    if len(key) <= _NAME_LIMIT:
        return key
    with _aliases_lock:
        return _aliases.setdefault(key, f"df_alias_{len(_aliases)}")


def _split(field: str) -> tuple[str, str]:
    """Split ``type/FIELD`` or ``type.FIELD``."""
    cut = min((at for at in (field.find("/"), field.find(".")) if at > 0), default=-1)
    if cut < 0:
        raise UnknownField(field)
    return field[:cut], field[cut + 1 :]


@dataclass
class _Column:
    """One column of the answer."""

    expression: Any
    declared: str
    name: str
    facts: dict[str, Any]
    #: whether nobody asked for it: it comes with another one, and is not described
    linked: bool = False


class Engine:
    """Turns search documents into tables.

    Parameters
    ----------
    connection : Connection
        Where to look.
    dictionary : Dictionary
        The types.
    rights : Rights
        What may be seen.
    """

    def __init__(self, connection: Connection, dictionary: Dictionary, rights: Rights):
        self.connection = connection
        self.dictionary = dictionary
        self.rights = rights

    # ---- criteria ------------------------------------------------------------------

    def _operand(self, sources: Sources, field: str) -> tuple[Any, str, bool]:
        element, name = _split(field)
        plain, _, argument = name.partition("=")
        entry = display.find(self.dictionary, element, plain)
        if entry is not None:
            expression, declared = display.expression(sources, element, entry, argument)
            return expression, declared.lower(), True
        expression, declared = sources.expression(f"{element}/{name.replace('.', '/')}")
        return expression, declared, False

    def _criterion(self, sources: Sources, item: Criterion) -> comparisons.Condition:
        try:
            if item.comparison.strip() == "=" and item.value and _SHARED.fullmatch(item.field):
                # a list of elements, not a join of all of them with what they are shared into
                return sources.shared_into(_split(item.field)[0], item.value)
            expression, declared, shown = self._operand(sources, item.field)
        except UnknownField as error:
            raise Broken(f"Unknown field: {item.field}") from error
        if comparisons.is_null_test(item.comparison):
            return comparisons.null_test(expression, declared, item.comparison, item.value)
        if item.value is not None and comparisons.suspicious(item.value):
            raise Broken(f"Invalid search value ({item.value})")
        compare = comparisons.display if shown else comparisons.schema
        value = item.value
        if item.overridden and value is not None:
            value = value.strip().strip("'")
        return compare(expression, declared, item.comparison, value)

    def _set(self, sources: Sources, found: CriteriaSet) -> comparisons.Condition | None:
        parts = []
        for member in found.members:
            if isinstance(member, Criterion):
                parts.append(self._criterion(sources, member))
            else:
                inner = self._set(sources, member)
                if inner is not None:
                    parts.append(inner)
        if not parts:
            return None
        return _joined(sa.or_ if found.method == "OR" else sa.and_, parts)

    def _matching(self, root: DataType, document: SearchDocument) -> Any:
        """Select the elements that fulfil the criteria; None where there are none."""
        sources = Sources(self.dictionary, root, allowed=self.rights.readable())
        found = [self._set(sources, entry) for entry in document.where]
        where = [condition for condition in found if condition is not None]
        if not where:
            return None
        # a project is the best way in, where one is named; else it is the kind of element
        where += sources.conditions(narrow=not any(_names_project(s) for s in document.where))
        query = sa.select(sources.row.c.pk).select_from(sources.source).where(*where)
        return query.correlate(None)  # its tables have the names of those around it

    # ---- columns -------------------------------------------------------------------

    def _entry(self, root: DataType, element: DataType, field: str) -> tuple[str, str, Any] | None:
        """Find a field of the answer: its name, its address (of a schema field), its entry."""
        entry = display.find(self.dictionary, element.name, field)
        if entry is not None:
            return field, "", entry
        address = field if "/" in field else f"{root.name}/{field}"
        prefix, _, path = address.partition("/")
        datatype = self.dictionary.get(prefix)
        if datatype is None or not path or _SEVERAL.match(path):
            return None
        key, entry = display.for_path(datatype, path)
        if "special" in entry or datatype is not element:
            return key, address, entry
        return key, address, entry

    def _column(self, sources: Sources, root: DataType, wanted: SearchField) -> _Column | None:
        element = self.dictionary.get(wanted.element)
        if element is None:
            return None
        field, value = _named(wanted)
        found = self._entry(root, element, field)
        if found is None:
            return None
        name, address, entry = found
        try:
            if address:
                expression, declared = sources.expression(address)
            else:
                expression, declared = display.expression(sources, element.name, entry, value)
        except UnknownField:
            return None  # XNAT drops columns that it does not know
        key = name if value is None else f"{name}_{display.clean(value)}"
        if element.name != root.name:
            key = f"{display.sql_name(element.name)}_{key}"
        facts = {
            "key": key.lower(),
            "element_name": element.name,
            "id": name if value is None else f"{name}={value}",
            "xPATH": f"{element.name}.{name}",
            "header": wanted.header or str(entry["header"]) or " ",
            "type": declared,
        }
        if not wanted.visible:
            facts["visible"] = "false"
        return _Column(expression, declared, _alias(key.lower()), facts)

    def default(self, root: str) -> list[SearchField]:
        """List the columns that a type shows when none are asked for."""
        datatype = self.dictionary.get(root)
        if datatype is None:
            raise Broken(f"Unknown element: {root}")
        found = []
        for text in display.defaults(datatype):
            element, dot, name = text.rpartition(".")
            found.append(SearchField(element if dot else datatype.name, name))
        return found

    def describe(self, document: SearchDocument) -> list[Mapping[str, Any]]:
        """Describe the columns of a search without running it."""
        root = self.dictionary.get(document.root)
        if root is None:
            raise Broken(f"Unknown element: {document.root}")
        sources = Sources(self.dictionary, root, single=True)
        columns = self._columns(sources, root, document.fields)
        columns = columns or self._columns(sources, root, self.default(root.name))
        return [*_described(columns), {"key": "quarantine_status"}]

    def _columns(
        self, sources: Sources, root: DataType, wanted: Sequence[SearchField]
    ) -> list[_Column]:
        columns: dict[str, _Column] = {}
        for field in wanted:
            column = self._column(sources, root, field)
            if column is None:
                continue
            first = columns.setdefault(column.facts["key"], column)
            if first.linked:
                # it stays where it is, but was asked for
                first.facts, first.linked = column.facts, False
            for linked in self._linked(sources, root, column):
                columns.setdefault(linked.facts["key"], linked)
        return list(columns.values())

    def _linked(self, sources: Sources, root: DataType, column: _Column) -> Iterator[_Column]:
        element = self.dictionary.get(column.facts["element_name"])
        for name in display.linked(element, column.facts["id"]) if element is not None else ():
            found = self._column(sources, root, SearchField(column.facts["element_name"], name))
            if found is not None:
                found.linked = True
                yield found

    # ---- answers -------------------------------------------------------------------

    def _order(
        self, sources: Sources, root: DataType, columns: list[_Column], sort: str, descending: bool
    ) -> list[Any]:
        if not sort:
            return [columns[0].expression.asc().nulls_last()]
        element, _, name = sort.rpartition(".")
        field = f"{element or root.name}/{name.partition('=')[0]}"
        if display.find(self.dictionary, *field.split("/", 1)) is None:
            raise Broken(f"Unknown field: {sort}")
        # a field that takes a value is sorted by as it is shown
        shown = [c for c in columns if c.facts["xPATH"] == field.replace("/", ".", 1)]
        expression = shown[0].expression if shown else self._operand(sources, field)[0]
        if descending:
            return [expression.desc().nulls_first()]
        return [expression.asc().nulls_last()]

    def run(
        self,
        document: SearchDocument,
        sort: str = "",
        descending: bool = False,
        keyed: bool = False,
    ) -> Table:
        """Answer a search.

        Parameters
        ----------
        document : SearchDocument
            What is searched.
        sort : str
            The display field to sort by, instead of what the document says.
        descending : bool
            Whether that is the other way round.
        keyed : bool
            Whether the key of each row stands in the last column.

        Raises
        ------
        Broken
            On an unknown root, an unknown field in a criterion, a value that does not fit.
        """
        root = self.dictionary.get(document.root)
        if root is None or root.kind == "resource":
            raise Broken(f"Unknown element: {document.root}")
        try:
            return self._run(root, document, sort, descending, keyed)
        except sa.exc.DBAPIError as error:
            # too many or too deeply nested comparisons, numbers that are too large
            raise Broken("The search cannot be run.") from error

    def _run(
        self, root: DataType, document: SearchDocument, sort: str, descending: bool, keyed: bool
    ) -> Table:
        sources = Sources(self.dictionary, root, single=True, allowed=self.rights.readable())
        columns = self._columns(sources, root, document.fields)
        if not columns:
            columns = self._columns(sources, root, self.default(root.name))
        chosen = document.chosen()
        conditions = sources.conditions()
        if chosen is None:
            matching = self._matching(root, document)
            if matching is not None:
                conditions.append(sources.row.c.pk.in_(matching))
        visible = readable_rows(sources, self.rights)
        if visible is not None:
            conditions.append(visible)
        row = sources.row
        if not sort and document.sort_by is not None:
            sort = ".".join(document.sort_by)
        order = self._order(sources, root, columns, sort, descending) if columns else []
        key = row.c.pk if root.kind in {"scan", "recon"} else row.c.id
        extra: list[Any] = []
        if chosen is not None:
            extra = [self._in_field(sources, name) for name, _ in chosen]
            for expression, (_, values) in zip(extra, chosen, strict=True):
                conditions.append(expression.in_(values))
        cells = [c.expression.label(f"c{n}") for n, c in enumerate(columns)]
        cells += [expression.label(f"k{n}") for n, expression in enumerate(extra)]
        query = sa.select(key, *cells).select_from(sources.source).where(*conditions)
        answer = self.connection.execute(query.order_by(*order, row.c.pk))
        width = len(columns)
        rows: list[Any]
        if chosen is None:
            rows = [[*cells, "active", *([key] if keyed else [])] for key, *cells in answer]
        else:
            found = [([*cells[:width], "active"], cells[width:]) for _, *cells in answer]
            rows = _in_order(found, [values for _, values in chosen], width + 1)
        names = [column.name for column in columns]
        more = ["key"] if keyed and chosen is None else []
        for number in range(len(chosen or ())):
            more += [f"search_field{number}", f"sort_order{number}"]
        table = Table.of([*names, "quarantine_status", *more], rows)
        table.times = {n for n, column in enumerate(columns) if column.declared == "time"}
        table.properties = [{"key": f"search_field{n}", "header": ""} for n in range(len(extra))]
        table.properties += _described(columns)
        table.properties.append({"key": "quarantine_status"})
        table.extra["rootElementName"] = root.name
        return table

    def _in_field(self, sources: Sources, field: str) -> Any:
        try:
            expression, declared, _ = self._operand(sources, field)
        except UnknownField as error:
            raise Broken(f"Unknown field: {field}") from error
        if declared not in {"string", "unknown"}:
            raise Broken(f"{field} cannot be compared with texts")
        return expression


def _described(columns: list[_Column]) -> list[dict[str, Any]]:
    return [column.facts for column in columns if not column.linked]


def _in_order(found: list[Any], wanted: list[list[str]], width: int) -> list[Any]:
    """Put rows into the order of the values they were chosen by; each value has a row."""
    rows = found
    for number, values in enumerate(wanted):
        kept = []
        for place, value in enumerate(values, 1):
            same = [row for row in rows if row[1][number] == value]
            for cells, keys in same or [([None] * (width + 2 * number), [None] * len(wanted))]:
                kept.append(([*cells, value, place], keys))
        rows = kept
    return [cells for cells, _ in rows]


def _names_project(found: CriteriaSet) -> bool:
    return any(
        _PROJECT.fullmatch(member.field)
        if isinstance(member, Criterion)
        else _names_project(member)
        for member in found.members
    )


def _named(field: SearchField) -> tuple[str, str | None]:
    """Tell the name of a field from the value that it takes, which may be part of the name."""
    name, value = field.field, field.value or None
    if value is not None:
        for mark in "=.":
            at = name.find(mark + value)
            if at >= 0:
                return (name[:at] if at else name), value
        return name, value
    if "=" in name:
        name, _, value = name.partition("=")
    if "." in name:
        name, _, value = name.partition(".")
    return name, value


def _joined(how: Callable[..., Any], parts: list[Any]) -> comparisons.Condition:
    """Join conditions; in groups, as SQLite reads no more than a thousand in one row."""
    while len(parts) > _GROUP:
        parts = [
            sa.func.coalesce(how(*parts[at : at + _GROUP]), sa.false())
            for at in range(0, len(parts), _GROUP)
        ]
    found: comparisons.Condition = how(*parts)
    return found
