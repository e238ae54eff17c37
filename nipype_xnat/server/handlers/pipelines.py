"""Pipelines of a project, as an XNAT without a pipeline engine answers; archive settings."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from werkzeug.wrappers import Response

from nipype_xnat.archive import building
from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.query.table import Table
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import listings, projects

_COLUMNS = ["Datatype", "Path", "Name", "Description", "Generates", "stepId", "customwebpage"]


def _specification(call: Call, elements: Elements, project: Element) -> Response:
    def setting(name: str, default: str) -> str:
        return elements.setting(project.id, name, default)

    root = call.archive.root.resolve()
    paths = "".join(
        f"<arc:{name}>{root}/{name.removesuffix('Path')}/{project.id}/</arc:{name}>"
        for name in ("archivePath", "prearchivePath", "cachePath", "buildPath")
    )
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<arc:Project xmlns:arc="http://nrg.wustl.edu/arc" id={quoteattr(project.id)} '
        f"current_arc={quoteattr(setting('current_arc', 'arc001'))}><arc:paths>{paths}</arc:paths>"
        f"<arc:prearchive_code>{setting('prearchive_code', '4')}</arc:prearchive_code>"
        f"<arc:quarantine_code>{setting('quarantine_code', '0')}</arc:quarantine_code>"
        "<arc:pipelines/></arc:Project>\n"
    )
    return answers.streamed([body.encode()], "text/xml")


def archive_spec(call: Call) -> Response:
    """Show the settings of a project's archive."""
    with call.archive.reading(call.person) as elements:
        return _specification(call, elements, projects.find(call, elements))


def listing(call: Call) -> Response:
    """List the pipelines of a project; there are none."""
    key = call.names["project"]
    with call.archive.reading(call.person) as elements:
        project = elements.project(key)
        allowed = project is not None and elements.rights.can_delete(project.id)
        if call.method == "DELETE":
            if project is None:
                raise HttpFailure(417, "Expecting path and datatype as query parameters")
            if not (call.param("path") and call.param("datatype")):
                return answers.text()
        if project is None or not allowed:
            raise HttpFailure(403)
        if call.wants("json", ("json", "xml")) == "xml":
            return _specification(call, elements, project)
    return listings.finish(call, Table.of(_COLUMNS, []))


def step(call: Call) -> Response:
    """Do one of XNAT's own steps on an experiment; others need an engine that is not there."""
    name = call.names["step"]
    changing = call.method == "POST"
    opened = call.archive.changing if changing else call.archive.reading
    with opened(call.person) as elements:
        project = elements.project(call.names["project"])
        experiment = None
        if project is not None:
            experiment = elements.experiment(project.id, call.names["experiment"])
        if not changing and project is not None:
            # XNAT looks for it among those of the project, and stumbles over the empty hand
            raise HttpFailure(500, f"The project has no pipeline {name}.")
        if project is None or experiment is None:
            raise HttpFailure(400)
        allowed = elements.rights.can_edit(experiment.project)
        if name in {"pullDataFromHeaders", "fixScanTypes"} and not allowed:
            raise HttpFailure(403)
        if name == "pullDataFromHeaders":
            _pull(call, elements, experiment)
        elif name == "triggerPipelines" and allowed:
            elements.record(experiment, "Trigger Pipelines", call.reason)
    return answers.text()


def _pull(call: Call, elements: Elements, session: Element) -> None:
    building.read_again(elements, call.archive.blobs, session)
    elements.record(session, "Modified Session from DICOM headers", call.reason)
