"""The search document, read into a tree that knows nothing of SQL."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass, field

from nipype_xnat.archive.errors import Broken, Unparsable
from nipype_xnat.archive.values import whole

_ARRAY = re.compile(r"'\{(.*)\}'|ARRAY\s*\[(.*)\]", re.S | re.I)
_DEEPEST = 60
_ROOTS = {"bundle", "search", "stored_search"}


@dataclass
class Criterion:
    """One comparison."""

    field: str
    comparison: str
    value: str | None
    overridden: bool = False


@dataclass
class CriteriaSet:
    """Comparisons joined by one method."""

    method: str = "AND"
    members: list[Criterion | CriteriaSet] = field(default_factory=list)


@dataclass
class SearchField:
    """One column of the answer."""

    element: str
    field: str
    header: str = ""
    type: str = "string"
    value: str | None = None
    visible: bool = True
    sequence: int = 0


@dataclass
class SearchDocument:
    """A whole search."""

    root: str
    id: str = ""
    brief: str = ""
    description: str = ""
    tag: str = ""
    secure: str = "0"
    fields: list[SearchField] = field(default_factory=list)
    where: list[CriteriaSet] = field(default_factory=list)
    sort_by: tuple[str, str] | None = None
    users: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def chosen(self) -> list[tuple[str, list[str]]] | None:
        """Give the fields and values of the set that holds an ``IN``.

        All criteria of that set count as lists then, and all other sets are forgotten; a
        value goes to the database as it is, which takes an array and nothing else.

        Raises
        ------
        Broken
            When a value is no array.
        """
        for found in self.where:
            plain = [member for member in found.members if isinstance(member, Criterion)]
            if any(member.comparison == "IN" for member in plain):
                return [(member.field, _array(member.value or "")) for member in plain]
        return None


def _name(element: ET.Element) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _child(element: ET.Element, name: str) -> str | None:
    for child in element:
        if _name(child) == name:
            return (child.text or "").strip()
    return None


def _children(element: ET.Element, name: str) -> Iterator[ET.Element]:
    return (child for child in element if _name(child) == name)


def _array(value: str) -> list[str]:
    match = _ARRAY.fullmatch(value.strip())
    if match is None:
        raise Broken(f"{value} is not an array")
    if match[1] is not None:
        return [part.strip().strip('"') for part in match[1].split(",")]
    return [part.strip().strip("'") for part in match[2].split(",")]


def _set(element: ET.Element, depth: int = 0) -> CriteriaSet:
    if depth > _DEEPEST:
        raise Broken("The criteria are nested too deeply.")
    found = CriteriaSet((element.get("method") or "AND").upper())
    for child in element:
        kind = _name(child)
        if kind == "criteria":
            found.members.append(
                Criterion(
                    _child(child, "schema_field") or "",
                    _child(child, "comparison_type") or "=",
                    _child(child, "value") or None,
                    child.get("override_value_formatting") in {"1", "true"},
                )
            )
        elif kind == "child_set":
            found.members.append(_set(child, depth + 1))
    return found


def read(root: ET.Element) -> SearchDocument:
    """Read a search document.

    Raises
    ------
    Unparsable
        When the document is not a search.
    """
    if _name(root) not in _ROOTS:
        raise Unparsable("The document is not a stored search.")
    document = SearchDocument(
        root=_child(root, "root_element_name") or "",
        id=root.get("ID") or "",
        brief=root.get("brief-description") or "",
        description=root.get("description") or "",
        tag=root.get("tag") or "",
        secure=root.get("secure") or "1",
    )
    for entry in _children(root, "search_field"):
        sequence = _child(entry, "sequence") or "0"
        document.fields.append(
            SearchField(
                _child(entry, "element_name") or document.root,
                _child(entry, "field_ID") or "",
                _child(entry, "header") or "",
                _child(entry, "type") or "string",
                _child(entry, "value"),
                (entry.get("visible") or "true") not in {"false", "0"},
                whole(sequence) if sequence.isdecimal() else 0,
            )
        )
    document.fields.sort(key=lambda entry: entry.sequence)
    document.where = [_set(entry) for entry in _children(root, "search_where")]
    for entry in _children(root, "sort_by"):
        name, column = _child(entry, "element_name"), _child(entry, "field_ID")
        if name and column:
            document.sort_by = (name, column)
    for entry in _children(root, "allowed_user"):
        login = _child(entry, "login")
        if login:
            document.users.append(login)
    for entry in _children(root, "allowed_groups"):
        document.groups += [(g.text or "").strip() for g in _children(entry, "groupID")]
    return document
