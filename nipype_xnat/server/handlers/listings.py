"""Listings of elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_plus

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive import people
from nipype_xnat.archive.datatypes import shortcuts
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.errors import Broken
from nipype_xnat.archive.query import listing as q
from nipype_xnat.archive.query.sources import UnknownField
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import elements as common
from nipype_xnat.server.kept import kept

_EXPERIMENT = ["ID", "project", "date", "xsiType", "label", "insert_date"]


def _parameters(call: Call) -> dict[str, str]:
    given = dict(call.query)
    if call.form_counts:
        call.read_form()
        given = {**dict(call.form or ()), **given}
    return given


@lru_cache(maxsize=16)
def _short_names(names: str) -> dict[str, str]:
    table = shortcuts()[names]
    return {**table["write"], **table["read"]}


def _filters(given: Mapping[str, str], names: str) -> dict[str, str]:
    known = _short_names(names)
    return {key: value for key, value in given.items() if key in known or "/" in key}


def answer(
    call: Call, elements: Elements, names: str, base: str, default: Sequence[str], **more: Any
) -> Response:
    """Run a listing and answer with it."""
    given = _parameters(call)
    if "fields" in given:
        rows = [[k, v] for k, v in _short_names(names).items()]
        return answers.table(Table.of(["key", "xpath"], rows), call.wants("json"))
    listing = q.Listing(
        names=names,
        base=base,
        default=tuple(default),
        filters=tuple(_filters(given, names).items()),
        # XNAT decodes them once more than everything else
        columns=unquote_plus(given["columns"]) if "columns" in given else None,
        xsi_type=given.get("xsiType"),
        limit=given.get("limit"),
        offset=given.get("offset"),
        **more,
    )
    table_ = q.run(
        elements.connection,
        elements.dictionary,
        elements.rights,
        listing,
        elements.site.page_size,
    )
    return finish(call, table_)


def finish(call: Call, table: Table, default: str = "json") -> Response:
    """Sort a table as asked, and answer with it in the form that was asked for."""
    return sorted_answer(call, table, call.wants(default))


def sorted_answer(call: Call, table: Table, kind: str) -> Response:
    """Sort a table as asked, and answer with it in one form."""
    names = call.param("sortBy")
    if names:
        table.sorted(names, (call.param("sortOrder") or "").upper() == "DESC")
    return answers.table(table, kind)


def _swallowing(call: Call, run: Callable[[], Response]) -> Response:
    try:
        return run()
    except (UnknownField, Broken):
        # XNAT hides the errors of these listings
        return answers.plain("", answers.TYPES[call.wants("json")])


def _failing(run: Callable[[], Response]) -> Response:
    try:
        return run()
    except UnknownField as error:
        raise HttpFailure(500, f"Unknown field: {error}") from error


@kept
def subjects(call: Call) -> Response:
    """List subjects, of a project or of the site."""
    with call.archive.reading(call.person) as elements:
        project = common.project_id(elements, call)
        if project is None and elements.rights.readable() == set():
            raise HttpFailure(500, "The user does not have access to any projects.")
        return _failing(
            lambda: answer(
                call,
                elements,
                "subject",
                "xnat:subjectData",
                default=["ID", "project", "label", "insert_date", "insert_user"],
                uri="/data/subjects/",
                project=project,
            )
        )


@kept
def experiments(call: Call) -> Response:
    """List all experiments of the site."""
    with call.archive.reading(call.person) as elements:
        given = _parameters(call)
        asked = elements.dictionary.get(given.get("xsiType") or "")
        names = "assessor" if asked and asked.is_a("xnat:imageAssessorData") else "experiment"
        default = list(_EXPERIMENT)
        if names == "assessor":
            default += ["session_ID", "session_label"]
        elif asked and asked.is_a("xnat:subjectAssessorData"):
            default += ["subject_ID", "subject_label"]
        return _failing(
            lambda: answer(
                call,
                elements,
                "experiment",
                "xnat:experimentData",
                default=default,
                uri="/data/experiments/",
                title="Matching experiments",
            )
        )


@kept
def project_experiments(call: Call) -> Response:
    """List the experiments of a project, or of one of its subjects."""
    with call.archive.reading(call.person) as elements:
        project = common.project_id(elements, call)
        subject_pk = None
        if "subject" in call.names:
            subject_pk = elements.require(common.find_subject(elements, call), "subject").pk
        return _swallowing(
            call,
            lambda: answer(
                call,
                elements,
                "experiment",
                "xnat:subjectAssessorData",
                default=_EXPERIMENT,
                uri="/data/experiments/",
                project=project,
                subject_pk=subject_pk,
                title="Matching experiments",
            ),
        )


@kept
def scans(call: Call) -> Response:
    """List the scans of a session."""
    with call.archive.reading(call.person) as elements:
        session = elements.require(common.find_session(elements, call), "session")
        return _failing(
            lambda: answer(
                call,
                elements,
                "scan",
                "xnat:imageScanData",
                default=[
                    "xnat_imagescandata_id",
                    "ID",
                    "type",
                    "quality",
                    "xsiType",
                    "note",
                    "series_description",
                ],
                uri=f"/data/experiments/{session.id}/scans/",
                session_pk=session.pk,
                filtered=False,
                paged=False,
            )
        )


@kept
def recons(call: Call) -> Response:
    """List the reconstructions of a session."""
    with call.archive.reading(call.person) as elements:
        session = elements.require(common.find_session(elements, call), "session")
        return _failing(
            lambda: answer(
                call,
                elements,
                "recon",
                "xnat:reconstructedImageData",
                default=["xnat_reconstructedimagedata_id", "ID", "type", "baseScanType"],
                uri=f"/data/experiments/{session.id}/reconstructions/",
                session_pk=session.pk,
                filtered=False,
                paged=False,
            )
        )


@kept
def assessors(call: Call) -> Response:
    """List the assessors of a session."""
    with call.archive.reading(call.person) as elements:
        session = elements.require(common.find_session(elements, call), "session")
        return _swallowing(
            call,
            lambda: answer(
                call,
                elements,
                "assessor",
                "xnat:imageAssessorData",
                default=[
                    "ID",
                    "project",
                    "label",
                    "date",
                    "xsiType",
                    "insert_date",
                    "session_ID",
                    "session_label",
                ],
                uri="/data/experiments/",
                session_pk=session.pk,
                filtered=False,
                paged=False,
            ),
        )


_OWN = (
    "accessible",
    "data",
    "owner",
    "member",
    "collaborator",
    "recent",
    "favorite",
    "activeSince",
    "admin",
    "prearc_code",
    "users",
)
_NEEDS = {"read": 1, "edit": 2, "create": 2, "delete": 3}


def _strength(elements: Elements, project: str, level: str) -> int:
    if elements.rights.who.admin:
        return 3
    role = elements.rights.roles.get(project, "")
    return {"owner": 3, "member": 2, "collaborator": 1}.get(role, 1 if level == "public" else 0)


def _leader(fields: Mapping[str, Any]) -> str:
    return f"{fields.get('PI/firstname') or ''} {fields.get('PI/lastname') or ''}".strip()


def _restriction(given: Mapping[str, str]) -> str | None:
    """Give the role that ``restrict`` asks for: projects are changed by their owners."""
    return "owner" if given.get("restrict") in {"edit", "delete"} else None


def _own_projects(call: Call, elements: Elements) -> Table:
    """List projects by what the caller is in them, in the lower-case columns of that list."""
    given = _parameters(call)
    uid = elements.who.pk
    columns = [
        "id",
        "name",
        "description",
        "secondary_id",
        "pi",
        "project_invs",
        "project_access",
        "project_access_img",
        "insert_date",
        "insert_user",
        f"user_role_{uid}",
        f"last_accessed_{uid}",
        "quarantine_status",
    ]
    if "prearc_code" in given:
        columns += ["proj_quarantine", "proj_prearchive_code"]
    rows = []
    c = s.element.c
    found = elements.connection.execute(sa.select(s.element).where(c.kind == "project"))
    for row in found.mappings():
        project, fields = row["id"], row["fields"]
        level = elements.setting(project, "accessibility", "private")
        role = elements.rights.roles.get(project, "")
        able = _strength(elements, project, level)
        seen = able > 0 or level == "protected"
        accessible = given.get("accessible")
        if accessible is not None:
            wanted = accessible.lower() not in {"false", "0"}
            seen = seen if wanted else (seen and (not role or elements.rights.who.admin))
        if given.get("data") == "writable":
            seen = able >= 2
        elif given.get("data") == "readable":
            seen = able >= 1
        for name in ("owner", "member", "collaborator"):
            if given.get(name, "false").lower() == "true":
                seen = role == name
        if not seen:
            continue
        cells = [
            project,
            fields.get("name"),
            fields.get("description"),
            fields.get("secondary_ID"),
            _leader(fields),
            _leader(fields),
            level,
            "/@WEBAPPimages/" + ("globe.gif" if level == "public" else "key.gif"),
            row["insert_date"],
            row["insert_user"],
            people.ROLES.get(role, ""),
            None,
            "active",
        ]
        if "prearc_code" in given:
            cells += [
                elements.setting(project, "quarantine_code", "0"),
                elements.setting(project, "prearchive_code", "4"),
            ]
        rows.append(cells)
    table = Table.of(columns, rows, title="Projects")
    table.extra["xdat_user_id"] = str(uid)
    return table


def _permitted(call: Call, elements: Elements, needed: int, columns: list[str]) -> Table:
    rows = []
    c = s.element.c
    found = elements.connection.execute(sa.select(s.element).where(c.kind == "project"))
    for row in found.mappings():
        level = elements.setting(row["id"], "accessibility", "private")
        if _strength(elements, row["id"], level) >= needed:
            fields = row["fields"]
            known = {
                "id": row["id"],
                "secondary_id": fields.get("secondary_ID"),
                "name": fields.get("name"),
                "description": fields.get("description"),
            }
            rows.append([known[name] for name in columns])
    return Table.of(columns, rows)


@kept
def projects(call: Call) -> Response:
    """List the projects of the site."""
    given = _parameters(call)
    with call.archive.reading(call.person) as elements:
        if "permissions" in given and "dataType" in given:
            needed = _NEEDS.get(given["permissions"])
            if needed is None:
                raise HttpFailure(400)
            return finish(call, _permitted(call, elements, needed, ["id", "secondary_id"]))
        if given.get("creatableTypes") == "true":
            names = ["id", "secondary_id", "name", "description"]
            return finish(call, _permitted(call, elements, 2, names))
        if any(name in given for name in _OWN):
            return finish(call, _own_projects(call, elements))
        return _failing(
            lambda: answer(
                call,
                elements,
                "project",
                "xnat:projectData",
                default=[
                    "ID",
                    "secondary_ID",
                    "name",
                    "description",
                    "pi_firstname",
                    "pi_lastname",
                ],
                uri="/data/projects/",
                title="Projects",
                paged=False,
                strength=_restriction(given),
            )
        )
