"""Selections as sequences and cursors; sharing and tags of many; requests by hand."""

import json

import pytest

from nipype_xnat import Interface
from nipype_xnat.errors import NotFound, UsageError
from nipype_xnat.select import compute


@pytest.fixture
def subjects(client, fill):
    for name in ("P1", "P2", "P3"):
        fill.put(f"/data/projects/{name}")
        for number in range(3):
            fill.put(f"/data/projects/{name}/subjects/{name}_{number}")
    return client.select("/projects/*/subjects")


def test_slices_are_lazy_sequences_and_iterators(subjects, xnat_archive):
    part = subjects[1:3]
    assert not [
        entry
        for entry in xnat_archive.requests
        if "/subjects" in entry.path and entry.method == "GET"
    ]
    assert [subject.label() for subject in part] == ["P1_1", "P1_2"]
    assert (len(part), part[0].label()) == (2, "P1_1")
    assert part == list(subjects)[1:3]
    assert next(part).label() == "P1_1"
    assert next(part).label() == "P1_2"
    with pytest.raises(StopIteration):
        next(part)
    assert [subject.label() for subject in subjects[-2:]] == ["P3_1", "P3_2"]
    assert subjects[-1].label() == "P3_2"


def test_the_first_arrives_before_the_last_is_asked_for(subjects, xnat_archive):
    xnat_archive.requests.clear()
    assert next(iter(subjects)).label() == "P1_0"
    paths = [entry.path for entry in xnat_archive.requests]
    assert "/data/projects/P1/subjects" in paths
    assert "/data/projects/P3/subjects" not in paths


def test_a_subject_that_only_one_of_the_projects_has(client, subjects, fill):
    fill.session("P2", "P2_0", "E", {"1": ("T1", {})})
    for path in (
        "/projects/*/subjects/P2_0/experiments",
        "/projects/subject/P2_0/experiments/scans",
    ):
        assert len(client.select(path)) == 1
    assert client.select("//experiments").get("label") == ["E"]
    with pytest.raises(NotFound):
        client.select("/projects/P1/subjects/P2_0/experiments").get()


def test_cursors(subjects):
    assert subjects.first().label() == subjects.fetchone().label() == "P1_0"
    assert [found.label() for found in subjects.fetchmany(2)] == ["P1_0", "P1_1"]
    assert subjects.fetchall() == subjects.get()
    assert len(subjects.fetchall("obj")) == 9
    assert subjects.fetchall("label")[0] == "P1_0"
    identifier, label, element = subjects.get("id", "label", "obj")[0]
    assert (identifier, label) == (element.id(), element.label())


def test_both_forms_are_one_selection(client):
    select = client.select
    assert select.project("P").subjects("*1").experiments().where(
        "xnat:mrSessionData/AGE > 80"
    ) == (
        select("/projects/P/subjects/*1/experiments").where(
            [("xnat:mrSessionData/AGE", ">", "80"), "AND"]
        )
    )
    chained = (
        select.projects().subjects().experiments().where("xnat:mrSessionData/AGE > 80").scans()
    )
    assert chained == select("/projects/*/subjects/*/experiments/*/scans").where(
        "xnat:mrSessionData/AGE > 80"
    )
    assert "where" in chained.explain()
    assert select("/data/projects/P") == select("/project/P") == select.project("P")
    assert select("/") is select


def test_paths_without_traffic():
    assert compute("/projects/P/subject") == ["/project/P/subjects/*"]
    assert len(compute("//files")) == 9


def test_sharing_of_many(client, subjects, fill):
    fill.put("/data/projects/Q")
    first = client.select("/projects/P1/subjects")
    first.share("Q")
    assert client.select("/projects/Q/subjects").get("label") == ["P1_0", "P1_1", "P1_2"]
    client.select("/projects/P1/subjects/P1_0").unshare("Q")
    assert first.sharing(["P1", "Q"]).get("label") == ["P1_1", "P1_2"]
    shares = first[1].shares()
    assert shares.get() == ["P1", "Q"]
    assert first[1].shares("Q*").get() == ["Q"]
    assert len(shares.subjects()) == 5
    with pytest.raises(UsageError, match="already"):
        first[1].share("P1")
    with pytest.raises(UsageError):
        shares.where("xnat:subjectData/GENDER = male")


def test_tags(client, subjects):
    client.select("/projects/P1/subjects").tag("mine")
    client.select.project("P2").tag("mine")
    tag = client.select.tag("mine")
    assert client.select.tags() == ["mine"]
    assert client.select("/tag/mine").references().get("label") == ["P1_0", "P1_1", "P1_2", "P2"]
    client.select("/projects/P1/subjects").untag("mine")
    assert [str(found) for found in tag.references()] == ["<Project Object> P2"]
    client.select.project("P2").untag("mine")
    assert not tag.exists()
    assert client.select.project("metabase_admin").accessibility() == "private"


def test_requests_by_hand(client, subjects):
    answer = client.get("/data/projects?format=json", params={"columns": "ID"})
    assert answer.ok and answer.json()["ResultSet"]["Result"][0]["ID"] == "P1"
    missing = client.get("/data/projects/NONE")
    assert (missing.status_code, missing.ok) == (404, False)
    with pytest.raises(NotFound):
        missing.raise_for_status()
    assert client.put("/data/projects/P1", params={"description": "x"}).status_code == 200
    assert b"".join(client.head("/data/projects").iter_content()) == b""
    assert client.version()["version"]
    with pytest.raises(UsageError):
        client.get("/data/projects", auth=("a", "b"))


def test_requests_by_pyxnat_s_own_names(client, fill, subjects):
    entry = client._get_entry_point()
    assert json.loads(client._exec(f"{entry}/projects", body={"format": "json"}))["ResultSet"]
    assert client._exec(f"{client._entry}/projects/NEW", "PUT") is not None
    with pytest.raises(NotFound):
        client._exec("/data/projects/NONE")
    found = client._get_json("/data/projects?format=json&columns=ID")
    assert {"NEW", "P1"} <= {row["ID"] for row in found}
    fill.file("/data/projects/P1/resources/R/files/sub/a.txt", b"a")
    (row,) = client._get_json("/data/projects/P1/resources/R/files")
    assert (row["Name"], row["path"]) == ("a.txt", "sub/a.txt")


def test_what_is_iterated_can_be_told(client, subjects):
    told = []
    client.manage.register_callback(lambda selection, element: told.append(element))
    found = list(subjects)
    assert told == found
    client.manage.unregister_callback()
    assert (list(subjects), client._callback) == (found, None)
    assert len(told) == len(found)


def test_elements_of_two_archives_differ(client):
    other = Interface("http://elsewhere.example", "a", "b")
    assert other.select.project("P") != client.select.project("P")


@pytest.mark.parametrize(
    "wanted, found", [("it&apos;s", 1), ("it*s", 1), ("it's", 0), ("*apos*", 1), ("its", 0)]
)
def test_a_filter_is_about_the_value_as_xnat_keeps_it(client, fill, wanted, found):
    fill.put("/data/projects/P")
    scan = fill.session("P", "S", "E", {"1": ("T1", {})}) + "/scans/1"
    fill.put(scan, series_description="it's")
    path = f'/projects/P/experiments/E/scans/*[series_description="{wanted}"]'
    path = path.replace('"', "") if "*" in wanted else path
    assert len(client.select(path)) == found
