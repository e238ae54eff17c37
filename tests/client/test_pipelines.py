"""The pipelines of a project; the engine that the local archive has not is played before it."""

import json
from urllib.parse import parse_qs

import pytest

from nipype_xnat import Interface
from nipype_xnat.errors import NotFound, UsageError

SPECIFICATION = b"""<arc:project xmlns:arc="http://nrg.wustl.edu/arc"><arc:pipelines>
  <arc:descendants><arc:descendant xsiType="xnat:mrSessionData">
    <arc:pipeline stepId="D2N"><arc:name>DicomToNifti</arc:name>
      <arc:location>/pipelines/DicomToNifti.xml</arc:location></arc:pipeline>
  </arc:descendant></arc:descendants></arc:pipelines></arc:project>"""


class Engine:
    """Answers what XNAT's resources of pipelines and workflows do."""

    def __init__(self):
        self.listed = [{"Name": "DicomToNifti", "Datatype": "xnat:mrSessionData"}]
        self.runs = []
        self.deleted = []

    def __call__(self, application):
        def answer(environ, start):
            method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
            query = {name: values[0] for name, values in parse_qs(environ["QUERY_STRING"]).items()}
            found = self.of(method, path, query)
            if found is None:
                return application(environ, start)
            kind = "text/xml" if found.startswith(b"<") else "application/json"
            start("200 OK", [("Content-Type", kind), ("Content-Length", str(len(found)))])
            return [found]

        return answer

    def of(self, method, path, query):
        if path == "/data/projects/P/archive_spec":
            return SPECIFICATION
        if path == "/data/projects/P/pipelines" and method == "DELETE":
            self.deleted.append(query)
            return b""
        if path == "/data/projects/P/pipelines":
            return self.table(self.listed)
        if path == "/data/projects/P/pipelines/DicomToNifti":
            return json.dumps({"path": "/pipelines/DicomToNifti.xml", "steps": []}).encode()
        if method == "POST" and path.startswith("/data/projects/P/pipelines/"):
            self.runs.append((path.removeprefix("/data/projects/P/pipelines/"), query))
            return b""
        if path == "/data/services/workflows/DicomToNifti":
            return self.table(
                {
                    "wrk_workflowData_id": str(number),
                    "pipeline_name": f"/pipelines/{name}.xml",
                    "status": status,
                    "ID": query["experiment"],
                }
                for number, name, status in (
                    (9, "DicomToNifti", "Failed"),
                    (10, "DicomToNifti", "Complete"),
                    (11, "DicomToNiftiAll", "Running"),
                )
            )
        return None

    @staticmethod
    def table(rows):
        return json.dumps({"ResultSet": {"Result": list(rows)}}).encode()


@pytest.fixture
def engine():
    return Engine()


@pytest.fixture
def project(xnat_archive, fill, engine, tmp_path):
    fill.put("/data/projects/P")
    fill.session("P", "S", "MR", {}, ID="X_E1")
    fill.put("/data/projects/P/subjects/S/experiments/PET", xsiType="xnat:petSessionData")
    with (
        xnat_archive.archive.running(middleware=[engine]) as url,
        Interface(url, "admin", "admin", cache=tmp_path / "c") as found,
    ):
        yield found.select.project("P")


def test_what_a_project_has(project):
    assert project.pipelines.get() == ["DicomToNifti"]
    assert project.pipelines.info("DicomToNifti")[0]["Datatype"] == "xnat:mrSessionData"
    assert project.pipelines.info("none") == []
    assert project.pipelines.aliases() == {"DicomToNifti": "D2N"}
    pipeline = project.pipelines.pipeline("DicomToNifti")
    assert pipeline.exists()
    assert pipeline.info()["path"] == "/pipelines/DicomToNifti.xml"
    missing = project.pipelines.pipeline("none")
    assert not missing.exists()
    for call in (missing.info, missing.row, lambda: missing.run("MR")):
        with pytest.raises(NotFound, match="no pipeline 'none'"):
            call()


def test_running(project, engine):
    pipeline = project.pipelines.pipeline("DicomToNifti")
    pipeline.run("MR", {"overwrite": "true"})
    assert engine.runs == [("D2N/experiments/MR", {"overwrite": "true"})]
    with pytest.raises(UsageError, match="is for xnat:mrSessionData"):
        pipeline.run("PET")
    with pytest.raises(NotFound):
        pipeline.run("none")
    assert len(engine.runs) == 1


def test_the_last_run(project):
    status = project.pipelines.pipeline("DicomToNifti").status("MR")
    assert (status["wrk_workflowData_id"], status["status"]) == ("10", "Complete")
    with pytest.raises(NotFound):
        project.pipelines.pipeline("DicomToNifti").status("none")


def test_taking_one_away(project, engine):
    project.pipelines.delete("DicomToNifti")
    assert engine.deleted == [
        {"path": "/pipelines/DicomToNifti.xml", "datatype": "xnat:mrSessionData"}
    ]
    with pytest.raises(NotFound):
        project.pipelines.delete("none")
