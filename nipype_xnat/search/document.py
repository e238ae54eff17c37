"""The XML document that XNAT's search engine takes.

Source of the form: the server's class ``XdatStoredSearch`` and its search resource; values are
escaped by the XML library, never pasted into text.
"""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree as ET

from ..errors import CriteriaError
from .criteria import Criteria, Criterion

__all__ = ["build"]

_XDAT = "http://nrg.wustl.edu/security"
ET.register_namespace("xdat", _XDAT)


def build(root: str, columns: Sequence[str], criteria: Criteria | None) -> str:
    """Write a search document.

    Parameters
    ----------
    root : str
        Data type of which each row is one, e.g. ``xnat:mrSessionData``.
    columns : sequence of str
        Fields, e.g. ``xnat:mrSessionData/AGE``.
    criteria : Criteria, optional
        None finds all.

    Returns
    -------
    str
        XML.
    """
    bundle = ET.Element(
        f"{{{_XDAT}}}bundle",
        {
            "ID": f"@{root}",
            "brief-description": "",
            "description": "",
            "allow-diff-columns": "0",
            "secure": "false",
        },
    )
    _add(bundle, "root_element_name", root)
    for number, column in enumerate(columns):
        datatype, separator, name = column.partition("/")
        if not separator or ":" not in datatype:
            raise CriteriaError(
                f"{column!r} is not a column: it must name a data type and a field",
                advice="for example xnat:mrSessionData/AGE",
            )
        field = _add(bundle, "search_field")
        _add(field, "element_name", datatype)
        _add(field, "field_ID", name)
        _add(field, "sequence", str(number))
        _add(field, "type", "string")
        _add(field, "header", name)
    if criteria is not None:
        where = _add(bundle, "search_where")
        where.set("method", criteria.method)
        _fill(where, criteria)
    return ET.tostring(bundle, encoding="unicode", xml_declaration=False)


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
