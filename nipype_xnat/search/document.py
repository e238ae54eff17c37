"""The XML document that XNAT's search engine takes.

Source of the form: the server's class ``XdatStoredSearch`` and its search resource; values are
escaped by the XML library, never pasted into text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from ..errors import CriteriaError
from .criteria import Criteria, Criterion, criterion

__all__ = ["Query", "build"]

_XDAT = "http://nrg.wustl.edu/security"
ET.register_namespace("xdat", _XDAT)


@dataclass(frozen=True)
class Query:
    """A whole search, as a value.

    Parameters
    ----------
    root : str
        Data type of which each row is one, e.g. ``xnat:mrSessionData``.
    columns : tuple of str
        Fields, e.g. ``xnat:mrSessionData/AGE``.
    criteria : Criteria, optional
        None finds all.
    order_by : str
        Field by which the server sorts; empty leaves the order to it.
    id, name, description : str
        For a search that is kept on the server.
    users : tuple of str
        Logins who may use it.
    public : bool
        Whether everybody may.
    """

    root: str
    columns: tuple[str, ...]
    criteria: Criteria | None = None
    order_by: str = ""
    id: str = ""
    name: str = ""
    description: str = ""
    users: tuple[str, ...] = ()
    public: bool = True

    def to_xml(self) -> str:
        """Write the document.

        Raises
        ------
        CriteriaError
            If a column is no field.
        """
        bundle = ET.Element(
            f"{{{_XDAT}}}bundle",
            {
                "ID": self.id or f"@{self.root}",
                "brief-description": self.name,
                "description": self.description,
                "allow-diff-columns": "0",
                "secure": "false" if self.public else "true",
            },
        )
        _add(bundle, "root_element_name", self.root)
        for number, column in enumerate(self.columns):
            datatype, name = _parts(column)
            field = _add(bundle, "search_field")
            _add(field, "element_name", datatype)
            _add(field, "field_ID", name)
            _add(field, "sequence", str(number))
            _add(field, "type", "string")
            _add(field, "header", name)
        if self.criteria is not None:
            where = _add(bundle, "search_where")
            where.set("method", self.criteria.method)
            _fill(where, self.criteria)
        if self.order_by:
            datatype, name = _parts(self.order_by)
            order = _add(bundle, "sort_by")
            _add(order, "element_name", datatype)
            _add(order, "field_ID", name)
        for login in self.users:
            _add(_add(bundle, "allowed_user"), "login", login)
        return ET.tostring(bundle, encoding="unicode", xml_declaration=False)

    @classmethod
    def from_xml(cls, text: str | bytes) -> Query:
        """Read a document of this package, of pyxnat, or of the server itself.

        Raises
        ------
        CriteriaError
            If it is no search.
        """
        try:
            bundle = ET.fromstring(text)  # noqa: S314 - of the server; expat limits expansion
        except ET.ParseError as error:
            raise CriteriaError(f"the search is not XML: {error}") from None
        root = _text_of(bundle, "root_element_name")
        if not root:
            raise CriteriaError("the document is not a search: it has no root_element_name")
        fields = sorted(_all(bundle, "search_field"), key=_sequence)
        columns = tuple(
            f"{_text_of(field, 'element_name') or root}/{_text_of(field, 'field_ID')}"
            for field in fields
        )
        found = [_criteria_of(where) for where in _all(bundle, "search_where")]
        parts = [part for part in found if part is not None]
        order = ""
        for entry in _all(bundle, "sort_by"):
            if _text_of(entry, "field_ID"):
                order = f"{_text_of(entry, 'element_name')}/{_text_of(entry, 'field_ID')}"
        return cls(
            root,
            columns,
            parts[0] if len(parts) == 1 else Criteria("AND", tuple(parts)) if parts else None,
            order,
            (bundle.get("ID") or "") if not (bundle.get("ID") or "").startswith("@") else "",
            bundle.get("brief-description") or "",
            bundle.get("description") or "",
            tuple(_text_of(entry, "login") for entry in _all(bundle, "allowed_user")),
            (bundle.get("secure") or "true").lower() in ("false", "0"),
        )


def build(root: str, columns: Sequence[str], criteria: Criteria | None, order_by: str = "") -> str:
    """Write a search document; see :class:`Query`."""
    return Query(root, tuple(columns), criteria, order_by).to_xml()


def _parts(column: str) -> tuple[str, str]:
    datatype, separator, name = column.partition("/")
    if not separator or ":" not in datatype:
        raise CriteriaError(
            f"{column!r} is not a column: it must name a data type and a field",
            advice="for example xnat:mrSessionData/AGE",
        )
    return datatype, name


def _all(parent: ET.Element, name: str) -> list[ET.Element]:
    return [child for child in parent if child.tag == f"{{{_XDAT}}}{name}"]


def _text_of(parent: ET.Element, name: str) -> str:
    return next((child.text or "" for child in _all(parent, name)), "")


def _sequence(field: ET.Element) -> int:
    text = _text_of(field, "sequence")
    return int(text) if text.isdecimal() else 0


def _criteria_of(parent: ET.Element) -> Criteria | None:
    members: list[Criterion | Criteria] = []
    for child in parent:
        if child.tag == f"{{{_XDAT}}}criteria":
            members.append(
                criterion(
                    _text_of(child, "schema_field"),
                    _text_of(child, "comparison_type"),
                    _text_of(child, "value"),
                )
            )
        elif child.tag == f"{{{_XDAT}}}child_set":
            inner = _criteria_of(child)
            if inner is not None:
                members.append(inner)
    method = (parent.get("method") or "AND").upper()
    return Criteria(method, tuple(members)) if members else None


def _fill(parent: ET.Element, criteria: Criteria) -> None:
    for member in criteria.members:
        if isinstance(member, Criterion):
            entry = _add(parent, "criteria")
            entry.set("override_value_formatting", "0")
            _add(entry, "schema_field", member.field)
            _add(entry, "comparison_type", member.operator)
            _add(entry, "value", member.value)
        else:
            child = _add(parent, "child_set")
            child.set("method", member.method)
            _fill(child, member)


def _add(parent: ET.Element, name: str, text: str | None = None) -> ET.Element:
    child = ET.SubElement(parent, f"{{{_XDAT}}}{name}")
    child.text = text
    return child
