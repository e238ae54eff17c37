"""Making elements: types and fields at every level, documents, and who may not."""

import pytest

from nipype_xnat.errors import NotFound, UsageError

SESSION = (
    '<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" label="other" project="P">'
    "<xnat:date>2014-12-09</xnat:date>"
    "<xnat:acquisition_site>Here &amp; there</xnat:acquisition_site></xnat:MRSession>"
)


@pytest.fixture
def project(client, fill):
    fill.put("/data/projects/P")
    return client.select.project("P")


def test_fields_go_to_the_level_that_has_them(project):
    session = project.subject("S").experiment("E")
    session.create(
        **{
            "ID": "MY_E",
            "xnat:mrSessionData/age": "42",
            "xnat:subjectData/investigator/lastname": "doe",
            "xnat:subjectData/ID": "MY_S",
        }
    )
    assert session.id() == "MY_E"
    assert session.attrs.get("xnat:mrSessionData/age") == "42.0"
    subject = session.parent()
    assert subject.id() == "MY_S"
    assert subject.attrs.mget(["xnat:subjectData/investigator/lastname"]) == ["doe"]


def test_types_at_every_missing_level(client, project):
    path = "/projects/P/subjects/S/experiments/E/assessors/A"
    assessor = client.select(path).create(
        experiments="xnat:petSessionData", assessors="xnat:qcManualAssessorData"
    )
    assert assessor.datatype() == "xnat:qcManualAssessorData"
    assert client.select("/projects/P/subjects/S/experiments/E").datatype() == "xnat:petSessionData"


def test_fields_of_a_level_that_is_there_are_written(project):
    subject = project.subject("S").create()
    subject.experiment("E").create(**{"xnat:subjectData/group": "control"})
    assert subject.attrs.get("group") == "control"


def test_use_label(project):
    scan = project.subject("S").experiment("E").scan("1").create(use_label=True)
    session = scan.parent()
    assert (session.id(), session.label()) == ("E", "E")
    assert session.parent().id() == "S"


def test_a_document(project, tmp_path):
    place = tmp_path / "session.xml"
    place.write_text(SESSION, encoding="utf-8")
    session = project.subject("S").experiment("E").create(xml=str(place))
    assert session.label() == "E"
    assert session.attrs.get("date") == "2014-12-09"
    assert b"Here &amp; there" in session.get()
    assert session.xpath("//xnat:acquisition_site/text()") == ["Here & there"]
    assert session.details()["label"] == "E"


def test_bad_input_is_told_before_any_request(client, project, xnat_archive, tmp_path):
    xnat_archive.requests.clear()
    broken = tmp_path / "broken.xml"
    broken.write_text("<a>", encoding="utf-8")
    for options in (
        {"xml": tmp_path / "none.xml"},
        {"xml": broken},
        {"date": ["2020-01-01"]},
    ):
        with pytest.raises(UsageError):
            project.subject("S").experiment("E").create(**options)
    with pytest.raises(UsageError, match="names none"):
        project.create(**{"xnat:subjectData/group": "x"})
    assert not xnat_archive.requests


def test_requests_of_a_creation(client, project, xnat_archive):
    subject = project.subject("S").create()
    xnat_archive.requests.clear()
    session = subject.experiment("E").create()
    # is the subject there, and make the session
    assert [entry.method for entry in xnat_archive.requests] == ["GET", "PUT"]
    xnat_archive.requests.clear()
    assert session.id().startswith("XNAT_E")
    session.attrs.get("date")
    session.attrs.set("date", "2020-01-01")
    session.xml()
    session.delete()
    assert len(xnat_archive.requests) == 4


def test_parents_and_children(project):
    scan = project.subject("S").experiment("E").scan("1").create()
    session = scan.parent()
    assert session.children() == ["assessors", "reconstructions", "scans", "resources"]
    assert [type(found).__name__ for found in session.children(False)] == ["Scan"]
    assert project.children() == ["subjects", "resources"]
    assert project.parent() is None
    assert scan._uri.endswith("/scans/1")


def test_last_modified(project):
    subject = project.subject("S").create()
    before = project.last_modified()
    assert before == {subject.id(): subject.last_modified()}
    subject.attrs.set("group", "other")
    assert project.last_modified() != before


def test_triggers(project, xnat_archive):
    session = project.subject("S").experiment("E").create()
    xnat_archive.requests.clear()
    session.trigger(pipelines=True, fix_types=True, scan_headers=False)
    session.trigger(pipelines=False, fix_types=False, scan_headers=False)
    (sent,) = xnat_archive.requests
    assert sent.query == "triggerPipelines=true&fixScanTypes=true"


def test_the_fields_that_an_element_may_have(project):
    assert "xnat:projectData/aliases/alias" in project.attrs()
    paths = project.subject("S").experiment("E").create().attrs()
    assert "xnat:mrSessionData/scanner/manufacturer" in paths
    assert "xnat:mrSessionData/date" in paths


def test_parameters(project):
    scan = project.subject("S").experiment("E").scan("1").create()
    scan.set_param("foo", "a value")
    scan.set_param("bar", 1)
    assert scan.params() == ["foo", "bar"]
    assert scan.get_params() == ["a value", "1"]
    assert scan.get_param("bar") == "1"
    with pytest.raises(NotFound, match="foo, bar"):
        scan.get_param("baz")


def test_custom_variables(project, fill):
    protocol = (
        '<xnat:Project ID="P" xmlns:xnat="http://nrg.wustl.edu/xnat" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><xnat:studyProtocol '
        'ID="P_xnat_subjectData" name="Subjects" data-type="xnat:subjectData" '
        'xsi:type="xnat:datatypeProtocol"/></xnat:Project>'
    )
    kind = {"Content-Type": "text/xml"}
    fill.call("PUT", "/data/projects/P", data=protocol, headers=kind)
    variables = {"Subjects": {"scores": {"iq": "integer", "comment": "string"}}}
    project.add_custom_variables(variables)
    project.add_custom_variables(variables)
    assert project.get_custom_variables() == variables
    with pytest.raises(UsageError, match="Subjects"):
        project.add_custom_variables({"Nothing": {}})
    subject = project.subject("S").create()
    subject.set_custom_variables({"iq": 120, "comment": "a < b"})
    assert subject.get_custom_variables() == {"iq": "120", "comment": "a &lt; b"} or (
        subject.get_custom_variables() == {"iq": "120", "comment": "a < b"}
    )
    assert subject.attrs.get("xnat:subjectData/fields/field[name=iq]/field") == "120"


def test_provenance(project):
    session = project.subject("S").experiment("E").create()
    assessor = session.assessor("A").create()
    step = {
        "program": "young",
        "program_version": "1.0",
        "timestamp": "2011-03-01T12:01:01",
        "user": "angus",
        "machine": "war",
        "platform": "linux",
    }
    assessor.provenance.set(step)
    assert assessor.provenance.get() == [step]
    assessor.provenance.attach("bet", program_arguments="-f 0.5")
    assert [found["program"] for found in assessor.provenance.get()] == ["young", "bet"]
    assert assessor.provenance.get()[1]["user"] == "admin"
    assessor.provenance.set([{"program": "new"}], overwrite=True)
    assert [found["program"] for found in assessor.provenance.get()] == ["new"]
    for wrong in ({"user": "x"}, {"program": "x", "colour": "red"}):
        with pytest.raises(UsageError):
            assessor.provenance.set(wrong)
    reconstruction = session.reconstruction("R").create()
    assert reconstruction.provenance.get() == []
