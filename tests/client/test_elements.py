"""Elements: what can be read of them, made, changed and removed."""

import pytest

from nipype_xnat import Interface
from nipype_xnat.archive import Archive, Site
from nipype_xnat.errors import Conflict, NotAllowed, NotFound, UsageError


@pytest.fixture
def project(client, fill):
    fill.put("/data/projects/P")
    return client.select.project("P")


def test_create_makes_all_that_is_missing_above(project):
    scan = project.subject("S").experiment("E").scan("7")
    assert not scan.exists()
    scan.create(experiments="xnat:petSessionData", scans="xnat:petScanData", type="FDG")
    assert scan.exists()
    assert scan.datatype() == "xnat:petScanData"
    assert scan.attrs.get("type") == "FDG"
    assert project.subject("S").experiment("E").datatype() == "xnat:petSessionData"


def test_ids_and_labels(project):
    subject = project.subject("S1").create()
    assert subject.label() == "S1"
    assert subject.id() == "XNAT_S00001"
    assert project.subject("XNAT_S00001").label() == "S1"
    experiment = subject.experiment("E1").create(use_label=True)
    assert (experiment.id(), experiment.label()) == ("E1", "E1")


def test_an_element_of_a_listing_knows_itself(client, project, xnat_archive):
    for name in ("S1", "S2"):
        project.subject(name).create()
    xnat_archive.requests.clear()
    subjects = list(project.subjects())
    assert [s.label() for s in subjects] == ["S1", "S2"]
    assert [s.id() for s in subjects] == ["XNAT_S00001", "XNAT_S00002"]
    assert len(xnat_archive.requests) == 1


def test_attributes(project):
    subject = project.subject("S").create(gender="female", handedness="left")
    assert subject.attrs.get("gender") == "female"
    subject.attrs.set("handedness", "right")
    subject.attrs.mset({"group": "control", "yob": "1950"})
    assert subject.attrs.mget(["gender", "handedness", "group", "yob"]) == [
        "female",
        "right",
        "control",
        "1950",
    ]


def test_delete(project):
    subject = project.subject("S").create()
    subject.delete()
    assert not subject.exists()
    with pytest.raises(NotFound):
        subject.delete()


def test_sharing(client, project, fill):
    fill.put("/data/projects/P2")
    subject = project.subject("S").create()
    subject.share("P2", "GUEST")
    assert subject.shares().get() == ["P", "P2"]
    assert client.select.project("P2").subject("GUEST").label() == "GUEST"
    assert client.select.project("P2").subject("GUEST").id() == subject.id()
    subject.unshare("P2")
    assert subject.shares().get() == ["P"]


def test_chains_and_paths_are_the_same_selection(client):
    chained = client.select.project("P").subjects("*01").experiments().scans()
    assert chained == client.select("/projects/P/subjects/*01/experiments/*/scans/*")
    assert client.select.projects() == client.select("/projects")


def test_slices_and_fetching(project):
    for number in range(5):
        project.subject(f"S{number}").create()
    subjects = project.subjects()
    assert len(subjects) == 5
    assert subjects[1].label() == "S1" and subjects[-1].label() == "S4"
    assert [s.label() for s in subjects[1:3]] == ["S1", "S2"]
    assert subjects.fetchone().label() == subjects.first().label() == "S0"
    assert len(subjects.fetchmany(2)) == 2 and len(subjects.fetchall()) == 5
    assert subjects.get("label") == [f"S{n}" for n in range(5)]
    assert subjects.get("id", "label")[0] == ("XNAT_S00001", "S0")
    assert subjects.get("obj")[0] == subjects[0]
    with pytest.raises(IndexError):
        subjects[7]
    with pytest.raises(UsageError):
        subjects.get("size")


# -- resources and files


def test_a_file_makes_the_way_to_it_and_comes_back(project, tmp_path):
    source = tmp_path / "a.txt"
    source.write_bytes(b"hello")
    file = project.subject("S").experiment("E").scan("1").resource("NOTES").file("a.txt")
    file.put(source, format="TXT", content="NOTE", tags="x")
    assert file.exists()
    assert (file.size(), file.format(), file.content()) == (5, "TXT", "NOTE")
    assert open(file.get(), "rb").read() == b"hello"
    target = tmp_path / "back" / "b.txt"
    target.parent.mkdir()
    assert file.get(dest=target) == str(target)
    assert target.read_bytes() == b"hello"


def test_a_file_is_not_replaced_unless_told_to(project, tmp_path):
    file = project.resource("R").file("a.txt")
    for text in ("one", "two"):
        (tmp_path / text).write_text(text)
    file.put(tmp_path / "one")
    file.put(tmp_path / "one")  # the same content is there already: nothing to do
    with pytest.raises(Conflict):
        project.resource("R").file("a.txt").put(tmp_path / "two")
    assert open(project.resource("R").file("a.txt").get()).read() == "one"
    project.resource("R").file("a.txt").put(tmp_path / "two", overwrite=True)
    assert open(project.resource("R").file("a.txt").get()).read() == "two"


NASTY = [
    "two words.nii",
    "hash#question?.txt",
    "percent%41.txt",
    "plus+and&.txt",
    "semi;colon.txt",
    "ünïcödé-é.nii",
    "e\u0301-decomposed.nii",
    "UPPER.txt",
    "upper.txt",
    "quote'double\".txt",
    "[brackets]{braces}.txt",
    "comma,equals=.txt",
    "deep/er/file.txt",
    "empty.bin",
]


def test_any_name_survives_the_round_trip(client, project, tmp_path):
    files = {}
    for number, name in enumerate(NASTY):
        source = tmp_path / f"source{number}"
        source.write_bytes(b"" if name == "empty.bin" else name.encode() * (number + 1))
        files[name] = source
    resource = project.resource("NASTY")
    resource.put(files)
    listed = {file.id(): file for file in resource.files()}
    assert set(listed) == set(NASTY)
    folder = resource.get()
    for name, source in files.items():
        assert (folder / name).read_bytes() == source.read_bytes()
        assert open(listed[name].get(), "rb").read() == source.read_bytes()
    again = resource.put(files)
    assert {entry.action.value for entry in again.files} == {"keep"}


def test_a_resource_whose_label_does_not_pass_a_path(project, tmp_path):
    (tmp_path / "a").write_text("a")
    resource = project.resource("NIFTI data")
    resource.put([tmp_path / "a"])
    assert resource.label() == "NIFTI data"
    assert [f.label() for f in project.resource("NIFTI data").files()] == ["a"]
    assert [r.label() for r in project.resources("NIFTI*")] == ["NIFTI data"]


def test_deleting_a_file_does_not_take_its_neighbours(project, tmp_path):
    """XNAT deletes by prefix: a.nii would take a.nii.gz along (CatalogUtils)."""
    for name in ("a.nii", "a.nii.gz", "b.nii"):
        (tmp_path / name).write_text(name)
    resource = project.resource("R")
    resource.put([tmp_path / name for name in ("a.nii", "a.nii.gz", "b.nii")])
    with pytest.raises(UsageError, match=r"a\.nii\.gz along with a\.nii"):
        resource.file("a.nii").delete()
    resource.file("b.nii").delete()
    assert sorted(f.label() for f in resource.files()) == ["a.nii", "a.nii.gz"]


def test_a_write_that_the_server_ignores_is_an_error(xnat_archive, fill, client, tmp_path):
    """Without edit right XNAT answers 200 to an upload and stores nothing (FileList)."""
    fill.put("/data/projects/P")
    fill.call("PUT", "/data/projects/P/accessibility/public")
    fill.put("/data/projects/P/resources/R")
    xnat_archive.archive.add_user("reader", "pw")
    (tmp_path / "a").write_text("a")
    with Interface(xnat_archive.url, "reader", "pw", cache=tmp_path / "c") as other:
        with pytest.raises(NotAllowed):
            other.select.project("P").resource("R").put([tmp_path / "a"])


def test_a_site_that_demands_a_reason(tmp_path):
    site = Site(require_change_reason=True, durable=False)
    (tmp_path / "a").write_text("a")
    with Archive(tmp_path / "archive", site) as archive, archive.running() as url:
        options = {"cache": tmp_path / "cache", "event_reason": "reprocessed"}
        with Interface(url, "admin", "admin", **options) as client:
            scan = client.select.project("P").subject("S").experiment("E").scan("1")
            scan.create()
            scan.attrs.set("quality", "usable")
            scan.resource("R").put([tmp_path / "a"])
            scan.delete()
            assert not scan.exists()


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_the_element_above(client, project, xnat_archive, name):
    """XNAT reads an address without a name as that of the parent: delete would take it away."""
    subject = project.subject("S").create()
    xnat_archive.requests.clear()
    for attempt in (
        lambda: client.select.project(name),
        lambda: project.subject(name),
        lambda: subject.experiment(name),
        lambda: subject.experiment("E").scan(name),
        lambda: project.resource(name),
        lambda: client.select(f"/projects/P/subjects/'{name}'"),
        lambda: client.select("/projects/*").subject(name),
    ):
        with pytest.raises(UsageError):
            attempt()
    assert not xnat_archive.requests


def test_a_session_is_not_deleted_below_another_subject(project, fill):
    """XNAT finds an experiment of the project below any of its subjects."""
    project.subject("S1").create()
    project.subject("S2").experiment("E2").create()
    with pytest.raises(NotFound, match="another subject"):
        project.subject("S1").experiment("E2").delete()
    assert project.subject("S2").experiment("E2").exists()
    project.subject("S2").experiment("E2").delete()
    assert not project.subject("S2").experiment("E2").exists()


def test_fields_whose_short_name_is_another(client, fill):
    fill.put("/data/projects/P")
    fill.session("P", "S", "E", {"1": ("T1w", {})}, studyInstanceUID="1.2.3", pi_lastname="Doe")
    experiment = client.select.experiment(client.select("//experiments").first().id())
    fields = [
        "xnat:imageSessionData/UID",
        "xnat:experimentData/investigator/lastname",
        "xnat:experimentData/validation/status",
        "xnat:mrSessionData/coil",
    ]
    assert experiment.attrs.mget(fields) == ["1.2.3", "Doe", "", ""]
    experiment.attrs.set("xnat:experimentData/validation/status", "passed")
    assert experiment.attrs.get("xnat:experimentData/validation/status") == "passed"
    scan = client.select.project("P").subject("S").experiment("E").scan("1")
    scan.attrs.set("xnat:imageScanData/startTime", "10:11:12")
    assert scan.attrs.get("xnat:imageScanData/startTime").startswith("10:11:12")
