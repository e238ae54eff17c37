"""The search engine: a search document in, a table out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nipype_xnat.archive import values
from nipype_xnat.archive.datatypes import Dictionary
from nipype_xnat.archive.errors import Broken
from nipype_xnat.archive.people import Rights
from nipype_xnat.archive.query import display
from nipype_xnat.archive.query.criteria import (
    CriteriaSet,
    Criterion,
    SearchDocument,
    SearchField,
)
from nipype_xnat.archive.query.listing import readable_rows
from nipype_xnat.archive.query.sources import Sources, UnknownField
from nipype_xnat.archive.query.table import Table

_KEY_LIMIT = 63
_NOT_A_NAME = re.compile(r"[^a-z0-9_]")
_ORDERED = {"<", ">", "<=", ">="}


def _split(field: str) -> tuple[str, str]:
    """Split ``type/FIELD`` or ``type.FIELD``."""
    cut = min((at for at in (field.find("/"), field.find(".")) if at > 0), default=-1)
    if cut < 0:
        raise UnknownField(field)
    return field[:cut], field[cut + 1 :]


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
            return expression, declared, True
        expression, declared = sources.expression(f"{element}/{name.replace('.', '/')}")
        return expression, declared, False

    def _criterion(self, sources: Sources, item: Criterion) -> Any:
        try:
            expression, declared, shown = self._operand(sources, item.field)
        except UnknownField as error:
            raise Broken(f"Unknown field: {item.field}") from error
        comparison = " ".join(item.comparison.upper().split())
        value = item.value.strip()
        if comparison in {"IS", "IS NOT"} and value.upper() in {"NULL", "NOT NULL"}:
            negated = (comparison == "IS NOT") != (value.upper() == "NOT NULL")
            comparison = "IS NOT NULL" if negated else "IS NULL"
        if comparison == "IS NULL":
            return sa.or_(expression.is_(None), expression == "")
        if comparison == "IS NOT NULL" or (value == "*" and comparison == "="):
            return sa.and_(expression.is_not(None), expression != "")
        if comparison == "=" and value == "":
            return sa.or_(expression.is_(None), expression == "")
        if comparison in {"LIKE", "NOT LIKE"}:
            pattern = value if shown else f"%{value.replace('*', '%')}%"
            text = sa.cast(expression, sa.Text)
            return text.like(pattern) if comparison == "LIKE" else text.not_like(pattern)
        if comparison == "IN":
            parts = [self._value(part.strip().strip("'"), declared) for part in value.split(",")]
            return self._typed(expression, declared).in_(parts)
        if comparison == "BETWEEN":
            low, _, high = re.sub(r"\s+and\s+", " AND ", value, flags=re.I).partition(" AND ")
            typed = self._typed(expression, declared)
            return typed.between(self._value(low, declared), self._value(high, declared))
        typed, wanted = self._typed(expression, declared), self._value(value, declared)
        if comparison == "=":
            return typed == wanted
        if comparison in {"!=", "<>"}:
            if shown:
                return sa.or_(typed != wanted, expression.is_(None))
            return typed != wanted
        if comparison in _ORDERED:
            return typed.op(comparison, is_comparison=True)(wanted)
        raise Broken(f"Unknown comparison: {item.comparison}")

    @staticmethod
    def _typed(expression: Any, declared: str) -> Any:
        if declared in {"integer", "float"}:
            return sa.cast(expression, sa.Float)
        return expression

    @staticmethod
    def _value(text: str, declared: str) -> Any:
        text = text.strip()
        if declared in {"integer", "float"}:
            try:
                return float(text)
            except ValueError as error:
                raise Broken(f"'{text}' is not a number") from error
        if declared == "date":
            found = values.parse_date(text)
            if found is None:
                raise Broken(f"'{text}' is not a date")
            return found
        return text

    def _set(self, sources: Sources, found: CriteriaSet) -> sa.ColumnElement[bool] | None:
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
        return sa.or_(*parts) if found.method == "OR" else sa.and_(*parts)

    # ---- columns -------------------------------------------------------------------

    def _key(self, root: str, element: str, field: str) -> str:
        name = field.replace("=", "_").lower()
        name = _NOT_A_NAME.sub("_", name)
        if element.lower() != root.lower():
            name = f"{element.replace(':', '_').lower()}_{name}"
        return name[:_KEY_LIMIT]

    def _column(
        self, sources: Sources, root: str, wanted: SearchField
    ) -> tuple[Any, dict[str, Any]] | None:
        plain, mark, argument = wanted.field.partition("=")
        entry = display.find(self.dictionary, wanted.element, plain)
        try:
            if entry is not None:
                value = argument if mark else wanted.value
                expression, declared = display.expression(sources, wanted.element, entry, value)
                header = wanted.header or str(entry["header"])
            else:
                path = wanted.field.replace(".", "/")
                if path.lower().startswith(wanted.element.lower() + "/"):
                    path = path[len(wanted.element) + 1 :]
                expression, declared = sources.expression(f"{wanted.element}/{path}")
                header = wanted.header or wanted.field
        except UnknownField:
            return None  # XNAT drops columns that it does not know
        datatype = self.dictionary.get(wanted.element)
        element = datatype.name if datatype else wanted.element
        facts = {
            "key": self._key(root, element, wanted.field),
            "element_name": element,
            "id": wanted.field,
            "xPATH": f"{element}.{wanted.field}",
            "header": header,
            "type": declared,
            "visible": "true" if wanted.visible else "false",
        }
        return expression, facts

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

    def run(self, document: SearchDocument, limit: int | None = None) -> Table:
        """Answer a search.

        Raises
        ------
        Broken
            On an unknown root, an unknown field in a criterion, a value that does not fit.
        """
        root = self.dictionary.get(document.root)
        if root is None:
            raise Broken(f"Unknown element: {document.root}")
        sources = Sources(self.dictionary, root)
        columns = [self._column(sources, root.name, field) for field in document.fields]
        kept = [column for column in columns if column is not None]
        if not kept:
            columns = [self._column(sources, root.name, field) for field in self.default(root.name)]
            kept = [column for column in columns if column is not None]
        where = [self._set(sources, found) for found in document.where]
        conditions = [*sources.conditions(), *(c for c in where if c is not None)]
        visible = readable_rows(sources, self.rights)
        if visible is not None:
            conditions.append(visible)
        row = sources.row
        cells = [expression.label(f"c{n}") for n, (expression, _) in enumerate(kept)]
        order: Sequence[Any] = [row.c.pk]
        if document.sort_by is not None:
            try:
                order = [self._operand(sources, "/".join(document.sort_by))[0], row.c.pk]
            except UnknownField:
                pass
        query = (
            sa.select(row.c.pk, *cells)
            .distinct()
            .select_from(sources.source)
            .where(*conditions)
            .order_by(*order)
        )
        if limit is not None:
            query = query.limit(limit)
        rows = [[*found, None] for _, *found in self.connection.execute(query)]
        keys = [facts["key"] for _, facts in kept]
        table = Table.of([*keys, "quarantine_status"], rows)
        table.properties = [facts for _, facts in kept]
        table.properties.append(
            {"key": "quarantine_status", "element_name": root.name, "visible": "false"}
        )
        table.extra["rootElementName"] = root.name
        return table
