"""The searches that the server makes up for a type: of the site, or of a project."""

from __future__ import annotations

from collections.abc import Iterable
from xml.sax.saxutils import escape, quoteattr

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from nipype_xnat.archive.datatypes import DataType, Dictionary, displays
from nipype_xnat.archive.query import display
from nipype_xnat.archive.query.display import sql_name
from nipype_xnat.archive.storage import schema as s

_XDAT = "http://nrg.wustl.edu/security"


def _fields(dictionary: Dictionary, datatype: DataType, project: str | None) -> Iterable[str]:
    if project is None:
        return display.defaults(datatype)
    table = displays()["project_defaults"]
    if datatype.name in table:
        return [str(name) for name in table[datatype.name]]
    if datatype.kind != "experiment":
        return display.defaults(datatype)
    upper = sql_name(datatype.name).upper()
    left = {"LABEL", "PROJECT", "RPT", "TYPE", "xnat:subjectData.GENDER_TEXT"}
    subject = "xnat:subjectData.SUBJECT_LABEL"
    found = [f"{upper}_PROJECT_IDENTIFIER="]
    for name in display.defaults(datatype):
        if name not in left:
            found.append(
                "xnat:subjectData.SUB_PROJECT_IDENTIFIER=" if name == subject else str(name)
            )
    return found


def _counted(connection: Connection, dictionary: Dictionary, project: str) -> list[str]:
    """List the kinds of experiments that a project has, as counts of its subjects."""
    c = s.element.c
    used = connection.execute(
        sa.select(c.xsi_type).where(c.project == project, c.kind == "experiment").distinct()
    ).scalars()
    known = (dictionary.get(name) for name in sorted(used))
    return [
        f"CNT_{sql_name(datatype.name).upper()}="
        for datatype in known
        if datatype is not None and not datatype.is_a("xnat:imageAssessorData")
    ]


def document(
    connection: Connection, dictionary: Dictionary, datatype: DataType, project: str | None
) -> str:
    """Write the search that shows all elements of a type.

    Parameters
    ----------
    connection : Connection
        Where to look what the project has.
    dictionary : Dictionary
        The types.
    datatype : DataType
        What is searched.
    project : str or None
        The project whose elements are shown; None for those of the site.
    """
    names = list(_fields(dictionary, datatype, project))
    head = f"ID={quoteattr('@' + datatype.name)}"
    if project is not None:
        if datatype.kind == "subject":
            names += _counted(connection, dictionary, project)
        head = (
            f'ID={quoteattr(f"{project}_{datatype.name}")} allow-diff-columns="0" secure="0" '
            f"brief-description={quoteattr(datatype.plural)} tag={quoteattr(project)}"
        )
    spaces = {**dictionary.namespaces, "xdat": _XDAT}
    spaces["xsi"] = "http://www.w3.org/2001/XMLSchema-instance"
    declared = " ".join(f"xmlns:{prefix}={quoteattr(uri)}" for prefix, uri in spaces.items())
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<xdat:bundle {head} {declared}>",
        f"<xdat:root_element_name>{datatype.name}</xdat:root_element_name>",
    ]
    number = 0
    for name in names:
        element, _, field = name.rpartition(".")
        element = element or datatype.name
        entry = display.find(dictionary, element, field.removesuffix("="))
        if entry is None:
            continue
        lines.append(_field(element, field, entry, number, project or ""))
        number += 1
    if project is not None:
        lines.append(_where(datatype, project))
    lines.append("</xdat:bundle>")
    return "\n".join(lines) + "\n"


def _field(element: str, field: str, entry: display.Entry, number: int, project: str) -> str:
    value = ""
    if field.endswith("="):
        field += project
        value = f"<xdat:value>{escape(project)}</xdat:value>"
    return (
        f"<xdat:search_field><xdat:element_name>{element}</xdat:element_name>"
        f"<xdat:field_ID>{escape(field)}</xdat:field_ID>"
        f"<xdat:sequence>{number}</xdat:sequence><xdat:type>{entry['type']}</xdat:type>"
        f"<xdat:header>{escape(str(entry['header']))}</xdat:header>{value}</xdat:search_field>"
    )


def _where(datatype: DataType, project: str) -> str:
    parts = ['<xdat:search_where method="AND"><xdat:child_set method="OR">']
    for path in ("sharing/share/project", "PROJECT"):
        parts.append(
            '<xdat:criteria override_value_formatting="0">'
            f"<xdat:schema_field>{datatype.name}/{path}</xdat:schema_field>"
            "<xdat:comparison_type>=</xdat:comparison_type>"
            f"<xdat:value>{escape(project)}</xdat:value></xdat:criteria>"
        )
    return "".join(parts) + "</xdat:child_set></xdat:search_where>"
