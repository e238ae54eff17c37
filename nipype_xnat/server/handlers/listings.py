"""Listings of elements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from werkzeug.wrappers import Response

from nipype_xnat.archive.datatypes import shortcuts
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.query import listing as q
from nipype_xnat.archive.query.sources import UnknownField
from nipype_xnat.archive.query.table import Table
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import elements as common

_EXPERIMENT = ["ID", "project", "date", "xsiType", "label", "insert_date"]


def _parameters(call: Call) -> dict[str, str]:
    given = dict(call.query)
    if call.form_counts:
        call.read_form()
        given = {**dict(call.form or ()), **given}
    return given


def _filters(given: Mapping[str, str], names: str) -> dict[str, str]:
    table = shortcuts()[names]
    known = {**table["write"], **table["read"]}
    return {key: value for key, value in given.items() if key in known or "/" in key}


def answer(call: Call, elements: Elements, names: str, base: str, **more: Any) -> Response:
    """Run a listing and answer with it."""
    given = _parameters(call)
    if "fields" in given:
        table = shortcuts()[names]
        rows = [[k, v] for k, v in {**table["write"], **table["read"]}.items()]
        return answers.table(Table.of(["key", "xpath"], rows), call.wants("json"))
    listing = q.Listing(
        names=names,
        base=base,
        filters=_filters(given, names),
        columns=given.get("columns"),
        xsi_type=given.get("xsiType"),
        limit=given.get("limit"),
        offset=given.get("offset"),
        **more,
    )
    for text in (listing.limit, listing.offset):
        if text is not None and text != "*" and not text.isdigit():
            raise HttpFailure(400, f"'{text}' is not a number")
    table_ = q.run(
        elements.connection,
        elements.dictionary,
        elements.rights,
        listing,
        elements.site.page_size,
    )
    return finish(call, table_)


def finish(call: Call, table: Table, default: str = "json") -> Response:
    """Sort a table as asked, and answer with it."""
    names = call.param("sortBy")
    if names:
        table.sorted(names, (call.param("sortOrder") or "").upper() == "DESC")
    return answers.table(table, call.wants(default))


def _swallowing(run: Callable[[], Response]) -> Response:
    try:
        return run()
    except UnknownField:
        # XNAT hides the errors of these listings
        return answers.plain("", "text/plain")


def _failing(run: Callable[[], Response]) -> Response:
    try:
        return run()
    except UnknownField as error:
        raise HttpFailure(500, f"Unknown field: {error}") from error


def subjects(call: Call) -> Response:
    """List subjects, of a project or of the site."""
    with call.archive.reading(call.person) as elements:
        project = common.project_id(elements, call)
        return _failing(
            lambda: answer(
                call,
                elements,
                "subject",
                "xnat:subjectData",
                default=["ID", "project", "label", "insert_date", "insert_user"],
                uri="/data/subjects/",
                project=project,
                title="Subjects",
            )
        )


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


def project_experiments(call: Call) -> Response:
    """List the experiments of a project, or of one of its subjects."""
    with call.archive.reading(call.person) as elements:
        project = common.project_id(elements, call)
        subject_pk = None
        if "subject" in call.names:
            subject_pk = elements.require(common.find_subject(elements, call), "subject").pk
        return _swallowing(
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
            )
        )


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
            )
        )


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
            )
        )


def assessors(call: Call) -> Response:
    """List the assessors of a session."""
    with call.archive.reading(call.person) as elements:
        session = elements.require(common.find_session(elements, call), "session")
        return _swallowing(
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
            )
        )


def projects(call: Call) -> Response:
    """List the projects of the site."""
    with call.archive.reading(call.person) as elements:
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
            )
        )
