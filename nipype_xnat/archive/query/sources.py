"""From the address of a field to an SQL expression, with the joins that it needs.

A query has one root type, one row of the answer per row of the root, multiplied by
whatever else is joined in. Every value travels as a bound parameter; every name comes
from the dictionary or from the table definitions.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from nipype_xnat.archive.datatypes import DataType, Dictionary
from nipype_xnat.archive.items import LISTS
from nipype_xnat.archive.storage import schema as s

_LISTED = re.compile(r"^([^\[]+)\[([^\]]+)\]/(.+)$")
_TYPED = re.compile(r"\[@xsi:type\s*=\s*[^\]]+\]", re.I)
_BELOW = re.compile(
    r"^(?P<place>\w+/\w+)(?:\[@?xsi:type\s*=\s*'?(?P<type>[\w:]+)'?\])?/(?P<rest>.+)$", re.I
)
_VARIABLE = re.compile(r"^fields/field\[@?name\s*=\s*['\"]?([^\]'\"]+)['\"]?\]/field$", re.I)

_COLUMNS = {
    ("project", "id"): "id",
    ("subject", "id"): "id",
    ("subject", "label"): "label",
    ("subject", "project"): "project",
    ("experiment", "id"): "id",
    ("experiment", "label"): "label",
    ("experiment", "project"): "project",
    ("experiment", "date"): "date",
    ("scan", "id"): "id",
    ("scan", "type"): "scan_type",
    ("scan", "xnat_imagescandata_id"): "pk",
    ("recon", "id"): "id",
    ("recon", "type"): "scan_type",
    ("recon", "xnat_reconstructedimagedata_id"): "pk",
}
_META = {
    "meta/insert_date": "insert_date",
    "meta/insert_user/login": "insert_user",
    "meta/last_modified": "last_modified",
    "extension_item/element_name": "xsi_type",
    "element_name": "xsi_type",
}
_RESOURCE = {
    "label": "label",
    "file_count": "file_count",
    "file_size": "file_size",
    "format": "format",
    "content": "content",
    "description": "description",
    "tags/tag/tag": "tags",
    "xnat_abstractresource_id": "pk",
    "element_name": "xsi_type",
}
_RESOURCE_FIELDS = {
    "file": "",
    "resources/resource": "",
    "out/file": "out",
    "in/file": "in",
}


@lru_cache(maxsize=256)
def seen_as(table: sa.Table, name: str) -> Any:
    """Give a table under another name; copying its columns each time costs more than asking."""
    return table.alias(name)


#: what one element lies below
_ABOVE = {
    "subject": {"project"},
    "experiment": {"project", "subject"},
    "session": {"project", "subject"},
    "assessor": {"project", "subject", "session", "experiment"},
    "scan": {"project", "subject", "session", "experiment"},
    "recon": {"project", "subject", "session", "experiment"},
}


class UnknownField(LookupError):
    """An address that no type has."""


def role(datatype: DataType) -> str:
    """Say which place in the tree a type has."""
    if datatype.kind == "experiment":
        if datatype.is_a("xnat:imageAssessorData"):
            return "assessor"
        if datatype.is_a("xnat:imageSessionData"):
            return "session"
        return "experiment"
    return datatype.kind


def readable(alias: Any, allowed: Collection[str], kind: str) -> sa.ColumnElement[bool]:
    """Restrict elements to those that belong to, or are shared into, some projects."""
    c = alias.c
    if kind == "project":
        return c.id.in_(allowed)  # type: ignore[no-any-return]
    shared = sa.select(s.share.c.element_pk).where(s.share.c.project.in_(allowed))
    if kind in {"scan", "recon"}:
        session = s.element.alias()
        visible = sa.select(session.c.pk).where(
            sa.or_(session.c.project.in_(allowed), session.c.pk.in_(shared))
        )
        return c.session_pk.in_(visible)  # type: ignore[no-any-return]
    return sa.or_(c.project.in_(allowed), c.pk.in_(shared))


class Sources:
    """The FROM part of one query, growing with the fields that are asked for.

    Parameters
    ----------
    dictionary : Dictionary
        The types.
    root : DataType
        What a row of the answer is.
    context : str, optional
        The project in whose eyes it is seen: shared elements then carry the label and
        the project that they have there.
    single : bool
        Whether one element at most is joined where there are several, as the search
        engine shows them: the latest.
    allowed : collection of str, optional
        The projects whose elements may be joined; None for all.
    """

    def __init__(
        self,
        dictionary: Dictionary,
        root: DataType,
        context: str | None = None,
        *,
        single: bool = False,
        allowed: Collection[str] | None = None,
    ):
        self.dictionary = dictionary
        self.single = single
        self.allowed = allowed
        self.root = root
        self.role = role(root)
        self.context = context
        self.row = seen_as(s.element, "root")
        self.source: sa.FromClause = self.row
        self._aliases: dict[str, Any] = {}
        self._here: Any = None
        if context is not None and root.kind in {"subject", "experiment"}:
            self._here = seen_as(s.share, "here")
            self._join(
                self._here,
                sa.and_(self._here.c.element_pk == self.row.c.pk, self._here.c.project == context),
            )

    def _join(self, alias: Any, on: sa.ColumnElement[bool]) -> None:
        self.source = self.source.outerjoin(alias, on)

    def conditions(self, narrow: bool = True) -> list[sa.ColumnElement[bool]]:
        """Restrict the rows to the root type, and to the project seen from, if any.

        Parameters
        ----------
        narrow : bool
            Whether the database may begin with all elements of the type; not where other
            conditions leave fewer.
        """
        kind, xsi_type = self.row.c.kind, self.row.c.xsi_type
        if not narrow:
            kind, xsi_type = kind.concat(""), xsi_type.concat("")
        found: list[sa.ColumnElement[bool]] = [
            self._seen_there() if self._here is not None else kind == self.root.kind
        ]
        family = self.dictionary.family(self.root.name)
        if self.root.name not in {
            "xnat:experimentData",
            "xnat:imageScanData",
            "xnat:subjectData",
            "xnat:projectData",
            "xnat:reconstructedImageData",
        }:
            found.append(xsi_type.in_(family))
        return found

    def shared_into(self, element: str, project: str) -> sa.ColumnElement[bool]:
        """Restrict the elements of a type to those that are shared into a project."""
        datatype = self.dictionary.get(element)
        if datatype is None:
            raise UnknownField(element)
        shared = sa.select(s.share.c.element_pk).where(s.share.c.project == project)
        found: sa.ColumnElement[bool] = self.alias_of(datatype).c.pk.in_(shared)
        return found

    def _seen_there(self) -> sa.ColumnElement[bool]:
        # a set of numbers, and a kind that no index is used for: SQLite would else look at
        # every element of that kind in the site
        own, shared = seen_as(s.element, "own").c, s.share.c
        found: sa.ColumnElement[bool] = sa.and_(
            self.row.c.pk.in_(
                sa.union_all(
                    sa.select(own.pk).where(
                        own.project == self.context, own.kind == self.root.kind
                    ),
                    sa.select(shared.element_pk).where(shared.project == self.context),
                )
            ),
            self.row.c.kind.concat("") == self.root.kind,
        )
        return found

    def find(self, address: str) -> tuple[DataType, str]:
        """Split an address into its type and the path within."""
        prefix, slash, rest = address.partition("/")
        if not slash:
            prefix, slash, rest = address.partition(".")
            rest = rest.replace(".", "/")
        if prefix.lower() == "xnat:demographicdata":
            prefix, rest = "xnat:subjectData", f"demographics/{rest}"
        found = self.dictionary.get(prefix)
        if found is None or not rest:
            raise UnknownField(address)
        match = _BELOW.match(rest)
        many = found.repeated.get(match["place"]) if match else None
        if match and many is not None:
            # what lies below an element has tables of its own, and is joined like any other
            held = self.dictionary.get(match["type"] or many.holds)
            if held is not None and held.kind in {"scan", "recon", "experiment"}:
                return held, match["rest"]
        return found, rest

    def alias_of(self, datatype: DataType) -> Any:
        """Give the table in which elements of a type are seen, joining it when new."""
        if self.root.is_a(datatype.name) or datatype.is_a(self.root.name):
            return self.row
        place = role(datatype)
        if place == "subject" and self.role == "subject":
            return self.row
        key = datatype.name if place in {"session", "experiment", "assessor"} else place
        if place == "scan" and datatype.name != "xnat:imageScanData":
            key = datatype.name
        if key not in self._aliases:
            # a generic type is served by a more special one that is joined already
            for known, alias in self._aliases.items():
                other = self.dictionary.get(known)
                if other is not None and other.is_a(datatype.name):
                    return alias
            alias = seen_as(s.element, f"e{len(self._aliases)}")
            self._aliases[key] = alias
            self._join(alias, self._chosen(alias, datatype, place))
        return self._aliases[key]

    def _chosen(self, alias: Any, datatype: DataType, place: str) -> sa.ColumnElement[bool]:
        """Say which elements are joined: all that are related, or the latest of them."""
        if place in _ABOVE.get(self.role, ()):
            return self._relation(alias, datatype, place)  # there is one, and who sees it sees that
        if not self.single:
            return sa.and_(
                self._relation(alias, datatype, place), self._may_join(alias, datatype.kind)
            )
        other = s.element.alias()
        related = sa.and_(
            self._relation(other, datatype, place), self._may_join(other, datatype.kind)
        )
        latest = other.c.date.desc()
        # XNAT counts from the date of the root, where it has one; PostgreSQL takes what
        # has no date for the latest, unless there is nothing to count from
        order = latest.nulls_last() if self.root.kind == "experiment" else latest.nulls_first()
        best = sa.select(other.c.pk).where(related).order_by(order, other.c.pk.desc()).limit(1)
        # everything else in it belongs to the query around
        found: sa.ColumnElement[bool] = alias.c.pk == best.correlate_except(other).scalar_subquery()
        return found

    def _may_join(self, alias: Any, kind: str) -> sa.ColumnElement[bool]:
        if self.allowed is None:
            return sa.true()
        return readable(alias, self.allowed, kind)

    def _session_pk(self) -> Any:
        if self.role == "session" or self.root.name in {
            "xnat:experimentData",
            "xnat:subjectAssessorData",
        }:
            return self.row.c.pk
        if self.role in {"scan", "recon", "assessor"}:
            return self.row.c.session_pk
        for name, alias in self._aliases.items():
            known = self.dictionary.get(name)
            if known is not None and role(known) == "session":
                return alias.c.pk
        general = self.dictionary.get("xnat:imageSessionData")
        assert general is not None
        return self.alias_of(general).c.pk

    def _subject_pk(self) -> Any:
        if self.role in {"scan", "recon", "assessor"}:
            general = self.dictionary.get("xnat:imageSessionData")
            assert general is not None
            return self.alias_of(general).c.subject_pk
        return self.row.c.subject_pk

    def _relation(self, alias: Any, datatype: DataType, place: str) -> sa.ColumnElement[bool]:
        c = alias.c
        family = c.xsi_type.in_(self.dictionary.family(datatype.name))
        if place == "project":
            if self.role in {"scan", "recon"}:
                general = self.dictionary.get("xnat:imageSessionData")
                assert general is not None
                project = self.alias_of(general).c.project
            else:
                project = self.row.c.project
            return sa.and_(c.kind == "project", c.id == project)
        if place == "subject":
            if self.role == "project":
                return sa.and_(c.kind == "subject", c.project == self.row.c.id)
            match: sa.ColumnElement[bool] = c.pk == self._subject_pk()
            return match
        if place in {"session", "experiment"}:
            if self.role in {"scan", "recon", "assessor"}:
                return sa.and_(c.pk == self.row.c.session_pk, family)
            if self.role == "project":
                return sa.and_(c.project == self.row.c.id, family)
            subject = self.row.c.pk if self.role == "subject" else self.row.c.subject_pk
            return sa.and_(c.subject_pk == subject, c.kind == "experiment", family)
        if place in {"scan", "recon", "assessor"}:
            kind = "experiment" if place == "assessor" else place
            on = sa.and_(c.session_pk == self._session_pk(), c.kind == kind)
            if datatype.name not in {"xnat:imageScanData", "xnat:reconstructedImageData"}:
                on = sa.and_(on, family)
            return on
        raise UnknownField(datatype.name)

    def _named(self, key: str, table: Any, alias: Any, *more: Any) -> Any:
        if key not in self._aliases:
            joined = seen_as(table, f"j{len(self._aliases)}")
            self._aliases[key] = joined
            column = joined.c.owner_pk if "owner_pk" in joined.c else joined.c.element_pk
            self._join(joined, sa.and_(column == alias.c.pk, *(m(joined) for m in more)))
        return self._aliases[key]

    def expression(self, address: str, seen: bool = False) -> tuple[sa.ColumnElement[Any], str]:
        """Turn an address into an expression and the datatype of its values.

        Parameters
        ----------
        address : str
            The field.
        seen : bool
            Whether labels and projects are wanted as the project seen from has them.

        Raises
        ------
        UnknownField
            When no type has such a field.
        """
        datatype, rest = self.find(address)
        match = _VARIABLE.match(rest)
        if match:
            alias = self.alias_of(datatype)
            value = (
                sa.select(s.variable.c.value)
                .where(
                    s.variable.c.element_pk == alias.c.pk,
                    s.variable.c.name == match.group(1),
                )
                .scalar_subquery()
            )
            return value, "string"
        path = _TYPED.sub("", rest).lower()
        found = self._plain(datatype, path, seen)
        if found is None:
            found = self._joined(datatype, path) or self._listed(datatype, _TYPED.sub("", rest))
        if found is None:
            raise UnknownField(address)
        expression, declared = found
        if datatype.is_a(self.root.name) and datatype.name != self.root.name:
            # a field of a special type is blank on the rows of other types
            family = self.dictionary.family(datatype.name)
            expression = sa.case((self.row.c.xsi_type.in_(family), expression), else_=None)
        return expression, declared

    def _plain(self, datatype: DataType, path: str, seen: bool) -> tuple[Any, str] | None:
        column = _COLUMNS.get((datatype.kind, path)) or _META.get(path)
        if path in {"subject_id"} and datatype.kind == "experiment":
            subject = self.dictionary.get("xnat:subjectData")
            assert subject is not None
            if self.root.is_a(datatype.name) or datatype.is_a(self.root.name):
                return self.alias_of(subject).c.id, "string"
            alias, parent = self.alias_of(datatype), s.element.alias()
            return (
                sa.select(parent.c.id).where(parent.c.pk == alias.c.subject_pk).scalar_subquery(),
                "string",
            )
        if path in {"image_session_id", "imagesession_id"}:
            alias, parent = self.alias_of(datatype), s.element.alias()
            return (
                sa.select(parent.c.id).where(parent.c.pk == alias.c.session_pk).scalar_subquery(),
                "string",
            )
        if column is not None:
            alias = self.alias_of(datatype)
            if seen and self._here is not None:
                translated = self._seen(alias, datatype, column)
                if translated is not None:
                    return translated, "string"
            declared = {"date": "date", "pk": "integer"}.get(column, "string")
            if column in {"insert_date", "last_modified"}:
                declared = "datetime"
            return alias.c[column], declared
        field = datatype.lower.get(path)
        if field is None:
            return None
        alias = self.alias_of(datatype)
        return sa.func.json_extract(alias.c.fields, f'$."{field.path}"'), field.datatype

    def _seen(self, alias: Any, datatype: DataType, column: str) -> Any:
        """Give a label or a project as the project seen from has it, if it may differ."""
        if alias is self.row and column == "label":
            return sa.func.coalesce(sa.func.nullif(self._here.c.label, ""), alias.c.label)
        if self.root.kind != "experiment":
            return None  # subjects keep the name of their own project
        if alias is self.row and column == "project":
            return sa.func.coalesce(self._here.c.project, alias.c.project)
        if datatype.kind == "subject" and column == "label":
            there = (
                sa.select(sa.func.nullif(s.share.c.label, ""))
                .where(
                    s.share.c.element_pk == alias.c.pk, s.share.c.project == self._here.c.project
                )
                .scalar_subquery()
            )
            return sa.func.coalesce(there, alias.c.label)
        return None

    def _joined(self, datatype: DataType, path: str) -> tuple[Any, str] | None:
        for front, direction in _RESOURCE_FIELDS.items():
            if path.startswith(front + "/") and (front != "file" or datatype.kind == "scan"):
                column = _RESOURCE.get(path[len(front) + 1 :])
                if column is None:
                    return None
                alias = self.alias_of(datatype)
                joined = self._named(
                    f"{alias.name}/{front}",
                    s.resource,
                    alias,
                    lambda j, d=direction: j.c.direction == d,
                )
                number = column in {"file_count", "file_size", "pk"}
                return joined.c[column], "integer" if number else "string"
        if path in {"fields/field/name", "fields/field/field"}:
            alias = self.alias_of(datatype)
            joined = self._named(f"{alias.name}/variable", s.variable, alias)
            return joined.c["name" if path.endswith("name") else "value"], "string"
        if path in {"sharing/share/project", "sharing/share/label"}:
            alias = self.alias_of(datatype)
            joined = self._named(f"{alias.name}/share", s.share, alias)
            return joined.c[path.rsplit("/", 1)[1]], "string"
        if path == "aliases/alias/alias":
            value = (
                sa.select(sa.func.group_concat(s.alias.c.alias))
                .where(s.alias.c.project == self.alias_of(datatype).c.id)
                .scalar_subquery()
            )
            return value, "string"
        return None

    def _listed(self, datatype: DataType, path: str) -> tuple[Any, str] | None:
        """Find a field of the items that a list of the type holds.

        An item named by one of its fields, as in ``addParam[name=x]``, is one value;
        without a name there is a row for each item.
        """
        match = _LISTED.match(path)
        address, where, rest = match.groups() if match else (path, None, "")
        address, rest = address.lower(), rest.lower()
        for place, many in datatype.repeated.items():
            held = self.dictionary.get(many.holds)
            inner = rest if match else address[len(place) + 1 :]
            same = address == place.lower() if match else address.startswith(f"{place.lower()}/")
            spec = held.lower.get(inner) if same and held and held.kind == "part" else None
            if held is None or spec is None:
                continue
            alias = self.alias_of(datatype)
            entries = sa.func.json_each(alias.c.fields, f'$."{LISTS}"."{place}"')
            if where is None:
                key = f"{alias.name}/{place}"
                if key not in self._aliases:
                    joined = entries.table_valued("value", name=f"j{len(self._aliases)}")
                    self._aliases[key] = joined
                    self._join(joined, sa.true())
                value = self._aliases[key].c.value
                return sa.func.json_extract(value, f'$."{spec.path}"'), spec.datatype
            name, _, wanted = where.partition("=")
            by = held.lower.get(name.strip().lstrip("@").lower())
            if by is None:
                return None
            found = entries.table_valued("value", name=f"j{len(self._aliases)}_{len(place)}")
            item = found.c.value
            value = (
                sa.select(sa.func.json_extract(item, f'$."{spec.path}"'))
                .select_from(found)
                .where(sa.func.json_extract(item, f'$."{by.path}"') == wanted.strip().strip("'\""))
                .limit(1)
                .scalar_subquery()
            )
            return value, spec.datatype
        return None
