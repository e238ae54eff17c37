"""What people type wrongly at a prompt, and what they are told."""

import json

import pytest

from nipype_xnat import Interface
from nipype_xnat.archive import Archive
from nipype_xnat.errors import (
    BadRequest,
    CannotReachServer,
    CriteriaError,
    SelectSyntaxError,
    UsageError,
)
from support.filler import Filler


@pytest.fixture
def session(client, fill):
    fill.session("P", "S", "S_MR1", {"3": ("T1w", {"NIFTI": {"t.nii": b"t"}})})
    return client.select.project("P").subject("S").experiment("S_MR1")


@pytest.fixture(autouse=True)
def _project(fill):
    fill.put("/data/projects/P")
    fill.put("/data/projects/7")


def test_numbers_are_names(client, session, fill):
    assert session.scan(3).attrs.get("type") == "T1w"
    assert session.scan(3) == session.scan("3")
    assert client.select.project(7).exists()
    assert client.select.project(7).subject(12).create().label() == "12"


@pytest.mark.parametrize("name", [None, 1.5, True, ["3"]])
def test_what_is_no_name_is_told_at_once(client, session, name):
    with pytest.raises(UsageError, match="is not the name of an element"):
        session.scan(name)
    with pytest.raises(UsageError, match="is not the name of an element"):
        client.select.project(name)


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/projets", "did you mean 'projects'"),
        ("/projects/P/subject/S/experimnts", "did you mean 'experiments'"),
        ("/projects/P/xyz", "the levels are projects, subjects"),
        ("/projects/P/scans", "below a project: subjects, experiments, resources; //scans finds"),
        ("/projects/P/experiments/E/subjects", "below an experiment: assessors"),
    ],
)
def test_a_misspelt_path_names_the_nearest_level(client, path, said):
    with pytest.raises(SelectSyntaxError, match=said):
        client.select(path)


def test_a_misspelt_field_is_not_written_into_nothing(client, session):
    # XNAT answers 200 to it and drops it
    subject = client.select.project("P").subject("S")
    with pytest.raises(UsageError, match="did you mean 'gender'"):
        subject.attrs.set("gendr", "male")
    with pytest.raises(UsageError, match="did you mean 'type'"):
        session.scan("9").create(typ="T2w")
    assert not session.scan("9").exists()
    subject.attrs.mset({"Gender": "male", "xnat:subjectData/group": "A"})


def test_a_custom_variable_needs_its_address(client, session):
    with pytest.raises(BadRequest, match=r"field\[name=iq\]"):
        client.select("/projects/P/subjects/*[iq>100]").get()


@pytest.mark.parametrize("path", [None, ["/projects"], 7])
def test_what_is_no_path_is_told(client, path):
    with pytest.raises(UsageError, match="neither a path nor a data type"):
        client.select(path)


def test_a_selection_is_not_a_dictionary(client):
    with pytest.raises(TypeError, match="by position or slice, not by 'P'"):
        client.select.projects()["P"]


def test_a_folder_is_no_file(session, tmp_path):
    with pytest.raises(UsageError, match=r"is a folder.*\n.*put_dir"):
        session.resource("R").file("a").put(tmp_path)
    assert not session.resource("R").exists()


def test_tls_where_there_is_none(xnat_archive):
    address = xnat_archive.url.replace("http:", "https:")
    with pytest.raises(CannotReachServer, match="does not speak TLS"):
        Interface(address, "admin", "admin").select.projects().get()


def test_an_option_that_no_request_has(client):
    with pytest.raises(UsageError, match="auth cannot be given"):
        client.get("/data/projects", auth=("a", "b"))


def test_one_column_may_be_a_text(client, session):
    table = client.select("xnat:mrSessionData", "xnat:mrSessionData/LABEL").all()
    assert table.as_list() == [["label"], ["S_MR1"]]


def without_labels(application):
    """Do not list LABEL, as XNAT does not: it lists what its search pages offer."""

    def answer(environ, start_response):
        if "/search/elements/" not in environ["PATH_INFO"]:
            return application(environ, start_response)
        answered = []
        body = b"".join(application(environ, lambda *said: answered.extend(said)))
        listed = json.loads(body)
        fields = listed["ResultSet"]["Result"]
        listed["ResultSet"]["Result"] = [one for one in fields if one["FIELD_ID"] != "LABEL"]
        status, headers = answered[:2]
        start_response(status, [pair for pair in headers if pair[0].lower() != "content-length"])
        return [json.dumps(listed).encode()]

    return answer


def test_a_field_that_the_server_knows_and_does_not_list_is_sent(tmp_path):
    columns = ["xnat:mrSessionData/LABEL", "xnat:mrSessionData/AGE"]
    site = tmp_path / "site"
    with Archive(site) as archive, archive.running(middleware=[without_labels]) as url:
        fill = Filler(url)
        fill.put("/data/projects/P")
        fill.session("P", "S", "S_MR1")
        with Interface(url, "admin", "admin") as client:
            assert columns[0] not in client.inspect.datatypes("xnat:mrSessionData")
            search = client.select("xnat:mrSessionData", columns)
            assert search.where("xnat:mrSessionData/LABEL = S_MR1")["label"] == "S_MR1"
            with pytest.raises(CriteriaError, match="did you mean xnat:mrSessionData/AGE"):
                search.where("xnat:mrSessionData/AGEE > 1")


def test_a_field_that_looks_like_none_is_judged_by_the_server(client, session):
    label, wrong = "xnat:mrSessionData/LABEL", "xnat:mrSessionData/QWXYZ"
    with pytest.raises(BadRequest, match="dropped the column"):
        client.select("xnat:mrSessionData", [label, wrong]).all()
    with pytest.raises(BadRequest, match="search engine failed"):
        client.select("xnat:mrSessionData", [label]).where(f"{wrong} = 1")


def test_sessions_tell_the_label_of_their_subject(client, session):
    columns = ["xnat:mrSessionData/SUBJECT_LABEL", "xnat:mrSessionData/LABEL"]
    search = client.select("xnat:mrSessionData", columns)
    found = search.where("xnat:mrSessionData/SUBJECT_LABEL = S")
    assert found.items() == [("S", "S_MR1")]
    assert len(search.where("xnat:mrSessionData/SUBJECT_LABEL = T")) == 0
