"""Display fields: what the search engine calls the fields of a type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nipype_xnat.archive.datatypes import DataType, Dictionary, displays
from nipype_xnat.archive.query.sources import Sources
from nipype_xnat.archive.storage import schema as s

#: what is known of a display field: header, type, and a path or the name of a rule
Entry = Mapping[str, Any]

_DAYS = 365
_LETTERS = {
    "gender": {"male": "M", "female": "F", "M": "M", "F": "F", "other": "O"},
    "handedness": {"right": "R", "left": "L", "ambidextrous": "A"},
}


def sql_name(name: str) -> str:
    """Write the name of a type as the engine's tables have it."""
    return name.replace(":", "_")


def of(datatype: DataType) -> dict[str, Entry]:
    """List the display fields of a type, those of its ancestors included."""
    found: dict[str, Entry] = {}
    if datatype.kind in {"scan", "experiment", "recon"}:
        # the server generates one for every field of such a type
        for path, spec in datatype.fields.items():
            header = path.rsplit("/", 1)[-1]
            found[path.replace("/", "_").upper()] = {
                "header": header,
                "type": spec.datatype,
                "path": path,
            }
    if datatype.kind == "experiment":
        upper = sql_name(datatype.name).upper()
        found["RPT"] = {"header": "ID", "type": "UNKNOWN", "path": "ID"}
        found[f"{upper}_PROJECT_IDENTIFIER"] = {
            "header": upper,
            "type": "string",
            "special": "label_in",
        }
        found[f"{upper}_FIELD_MAP"] = {"header": "Field", "type": "string", "special": "variable"}
    found.update(_written(datatype))
    return found


def _written(datatype: DataType) -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    table = displays()["fields"]
    for name in reversed(datatype.lineage):
        found.update(table.get(name, {}))
    return found


def for_path(datatype: DataType, path: str) -> tuple[str, Entry]:
    """Find the display field that shows a schema field, or make one up as the server does."""
    tables = [displays()["fields"].get(name, {}) for name in datatype.lineage]
    if path.lower() == "date" and "DATE" in of(datatype):
        return "DATE", of(datatype)["DATE"]  # though sessions of a type may have another one too
    # what the type itself says comes before what it inherits
    for table in [of(datatype)] if datatype.kind == "scan" else tables:
        for key, entry in table.items():
            if str(entry.get("path", "")).lower() == path.lower():
                return key, entry
    key = clean(f"{datatype.name}/{path}").upper()
    return key, {"header": path.rsplit("/", 1)[-1], "path": path, "type": "string"}


def clean(text: str) -> str:
    """Write a text so that it can be part of a column's name."""
    bare = re.sub(r"[/@\[\]]", "", text).replace(":", "_col_").replace(",", "_com_")
    return re.sub(r"[ .!#$%&'()*+\-;<=>?\"\\^`{|}~]", "_", bare)


def defaults(datatype: DataType) -> list[str]:
    """List the fields that a type shows when nobody says which."""
    table = displays()["defaults"]
    for name in datatype.lineage:
        if name in table:
            return list(table[name])
    return []


def linked(datatype: DataType, field: str) -> list[str]:
    """List the fields that come along with one, as what it is shown with needs them."""
    table = displays()["links"]
    for name in datatype.lineage:
        if field in table.get(name, {}):
            return list(table[name][field])
    return []


def find(dictionary: Dictionary, element: str, field: str) -> Entry | None:
    """Find a display field."""
    datatype = dictionary.get(element)
    if datatype is None:
        return None
    known = of(datatype).get(field)
    if known is None and datatype.kind == "subject" and field.startswith("CNT_"):
        for other in dictionary:
            if field == f"CNT_{sql_name(other.name).upper()}":
                return {
                    "header": other.plural,
                    "type": "integer",
                    "special": f"count_in:{other.name}",
                }
    if known is None and field == "XNAT_SUBJECTDATA_FIELD_MAP" and datatype.kind == "subject":
        return {"header": "Field", "type": "string", "special": "variable"}
    return known


def expression(
    sources: Sources, element: str, entry: Entry, value: str | None
) -> tuple[sa.ColumnElement[Any], str]:
    """Turn a display field into an expression and the datatype of its values."""
    datatype = sources.dictionary.get(element)
    assert datatype is not None
    if "path" in entry:
        found, declared = sources.expression(f"{datatype.name}/{entry['path']}")
        return found, declared if declared != "string" else str(entry["type"])
    special, _, argument = str(entry["special"]).partition(":")
    maker = _SPECIAL[special]
    if special == "count_in":
        argument = f"{argument}={value or ''}"
    return maker(sources, datatype, argument or value or ""), str(entry["type"])


def _field(sources: Sources, address: str) -> Any:
    return sources.expression(address)[0]


def _label(sources: Sources, datatype: DataType, _: str) -> Any:
    return sa.func.coalesce(
        _field(sources, f"{datatype.name}/label"), _field(sources, f"{datatype.name}/ID")
    )


def _subject_label(sources: Sources, datatype: DataType, _: str) -> Any:
    return _field(sources, "xnat:subjectData/label")


def _label_in(sources: Sources, datatype: DataType, project: str) -> Any:
    alias = sources.alias_of(datatype)
    shared = (
        sa.select(s.share.c.label)
        .where(s.share.c.element_pk == alias.c.pk, s.share.c.project == project)
        .scalar_subquery()
    )
    own = sa.case((alias.c.project == project, alias.c.label), else_=None)
    return sa.func.coalesce(shared, own, alias.c.id)


def _letter(which: str) -> Any:
    def make(sources: Sources, datatype: DataType, _: str) -> Any:
        found = _field(sources, f"{datatype.name}/demographics/{which}")
        whens = [(found == word, letter) for word, letter in _LETTERS[which].items()]
        return sa.case(*whens, else_=sa.case((found.is_(None), None), else_="U"))

    return make


def _year(date: Any) -> Any:
    return sa.cast(sa.func.substr(date, 1, 4), sa.Integer)


def _birth_year(sources: Sources, datatype: DataType, _: str) -> Any:
    front = f"{datatype.name}/demographics"
    yob = sa.cast(_field(sources, f"{front}/yob"), sa.Integer)
    return sa.func.coalesce(yob, _year(_field(sources, f"{front}/dob")))


def _age(sources: Sources, datatype: DataType, _: str) -> Any:
    # whole years of 365 days, as the server's generated definition counts them;
    # else the difference of the years; else the age that was entered
    date = _field(sources, f"{datatype.name}/date")
    front = "xnat:subjectData/demographics"
    dob = _field(sources, f"{front}/dob")
    yob = sa.cast(_field(sources, f"{front}/yob"), sa.Integer)
    entered = sa.cast(_field(sources, f"{front}/age"), sa.Integer)
    days = sa.func.julianday(date) - sa.func.julianday(dob)
    # CAST cuts towards zero, the definition rounds down
    years = sa.cast(days / _DAYS, sa.Integer) - sa.case((days < 0, 1), else_=0)
    return sa.func.coalesce(years, _year(date) - yob, entered)


def _projects(sources: Sources, datatype: DataType, _: str) -> Any:
    alias = sources.alias_of(datatype)
    shared = (
        sa.select(sa.func.group_concat(s.share.c.project, ", "))
        .where(s.share.c.element_pk == alias.c.pk)
        .scalar_subquery()
    )
    return sa.case(
        (shared.is_(None), sa.literal("<") + alias.c.project + ">"),
        else_=sa.literal("<") + alias.c.project + ">, <" + shared + ">",
    )


def _variable(sources: Sources, datatype: DataType, name: str) -> Any:
    return _field(sources, f"{datatype.name}/fields/field[name={name}]/field")


def _nonzero(query: Any) -> Any:
    # the engine joins tables of counts, in which what does not occur is not there
    return sa.func.nullif(query.scalar_subquery(), 0)


def _count(sources: Sources, datatype: DataType, counted: str) -> Any:
    alias, e = sources.alias_of(datatype), s.element.alias()
    family = sources.dictionary.family(counted)
    return _nonzero(
        sa.select(sa.func.count()).where(e.c.subject_pk == alias.c.pk, e.c.xsi_type.in_(family))
    )


def _count_in(sources: Sources, datatype: DataType, counted: str) -> Any:
    kind, _, project = counted.partition("=")
    alias, e = sources.alias_of(datatype), s.element.alias()
    shared = sa.select(s.share.c.element_pk).where(s.share.c.project == project)
    return _nonzero(
        sa.select(sa.func.count()).where(
            e.c.subject_pk == alias.c.pk,
            e.c.xsi_type.in_(sources.dictionary.family(kind)),
            sa.or_(e.c.project == project, e.c.pk.in_(shared)),
        )
    )


def _setting(sources: Sources, datatype: DataType, name: str) -> Any:
    alias = sources.alias_of(datatype)
    return (
        sa.select(s.setting.c.value)
        .where(s.setting.c.scope == alias.c.id, s.setting.c.name == name)
        .scalar_subquery()
    )


def _members(sources: Sources, datatype: DataType, role: str) -> Any:
    alias = sources.alias_of(datatype)
    name = s.account.c.firstname + " " + s.account.c.lastname
    return (
        sa.select(sa.func.group_concat(name, " <br/> "))
        .join(s.member, s.member.c.account_pk == s.account.c.pk)
        .where(s.member.c.project == alias.c.id, s.member.c.role == role)
        .scalar_subquery()
    )


def _project_count(sources: Sources, datatype: DataType, counted: str) -> Any:
    alias, e = sources.alias_of(datatype), s.element.alias()
    family = sources.dictionary.family(counted)
    return _nonzero(
        sa.select(sa.func.count()).where(e.c.project == alias.c.id, e.c.xsi_type.in_(family))
    )


def _scan_counts(sources: Sources, datatype: DataType, _: str) -> Any:
    alias, e = sources.alias_of(datatype), s.element.alias()
    grouped = (
        sa.select(
            (
                sa.func.coalesce(e.c.scan_type, "") + "(" + sa.cast(sa.func.count(), sa.Text) + ")"
            ).label("text")
        )
        .where(e.c.session_pk == alias.c.pk, e.c.kind == "scan")
        .group_by(e.c.scan_type)
        .order_by(e.c.scan_type)
        .correlate(alias)
        .subquery()
    )
    return sa.select(sa.func.group_concat(grouped.c.text, ", ")).scalar_subquery()


def _scan_count(sources: Sources, datatype: DataType, wanted: str) -> Any:
    alias, e = sources.alias_of(datatype), s.element.alias()
    conditions = [e.c.session_pk == alias.c.pk, e.c.kind == "scan"]
    if wanted:
        conditions.append(e.c.scan_type == wanted)
    return _nonzero(sa.select(sa.func.count()).where(*conditions))


def _of_session(column: str) -> Any:
    def make(sources: Sources, datatype: DataType, _: str) -> Any:
        # joined, not looked up for each row: the database may begin with the sessions then
        session = sources.dictionary.get("xnat:imageSessionData")
        assert session is not None
        return sources.alias_of(session).c[column]

    return make


def _subject_of_session(sources: Sources, datatype: DataType, _: str) -> Any:
    return _field(sources, "xnat:imageSessionData/subject_ID")


_SPECIAL: dict[str, Any] = {
    "label": _label,
    "label_in": _label_in,
    "subject_label": _subject_label,
    "gender_text": _letter("gender"),
    "handedness_text": _letter("handedness"),
    "birth_year": _birth_year,
    "age": _age,
    "projects": _projects,
    "variable": _variable,
    "count": _count,
    "count_in": _count_in,
    "project_count": _project_count,
    "setting": _setting,
    "members": _members,
    "scan_counts": _scan_counts,
    "scan_count": _scan_count,
    "scan_count_type": _scan_count,
    "session_label": _of_session("label"),
    "session_project": _of_session("project"),
    "session_date": _of_session("date"),
    "session_subject": _subject_of_session,
}
