"""A day's work of pyxnat against the archive."""

import zipfile

import pytest

pyxnat = pytest.importorskip("pyxnat")
FRONT = "xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/"


@pytest.fixture
def central(url):
    with pyxnat.Interface(url, "admin", "admin") as interface:
        yield interface


@pytest.fixture
def session(central):
    central.select.project("P").create()
    subject = central.select.project("P").subject("S1").create()
    session = subject.experiment("MR1")
    session.create(experiments="xnat:mrSessionData")
    scan = session.scan("1")
    scan.create(**{"scans": "xnat:mrScanData", "xnat:mrScanData/type": "T1w"})
    return session


def test_it_makes_and_describes_elements(central, session):
    assert central.select.project("P").exists()
    assert not central.select.project("Q").exists()
    assert (session.id(), session.label()) == ("XNAT_E00001", "MR1")
    assert session.datatype() == "xnat:mrSessionData"
    session.attrs.set("xnat:mrSessionData/date", "2014-05-07")
    assert session.attrs.get("xnat:mrSessionData/date") == "2014-05-07"
    subject = session.parent()
    subject.attrs.mset({FRONT + "gender": "female", FRONT + "dob": "1930-01-02"})
    assert subject.attrs.mget([FRONT + "gender", FRONT + "dob"]) == ["female", "1930-01-02"]
    assert session.scan("1").attrs.get("type") == "T1w"
    assert b"<xnat:MRSession" in session.get()


def test_it_selects_by_paths(central, session):
    assert central.select("/projects/*/subjects/*/experiments/*/scans/*").get() == ["1"]
    assert central.select("//experiments").get() == ["XNAT_E00001"]
    assert central.select("/projects/P/subjects").get() == ["XNAT_S00001"]
    assert central.select("/projects/P/subjects/XNAT_S*/experiments/*_E*").get() == ["XNAT_E00001"]


def test_it_sends_and_fetches_files(central, session, tmp_path):
    source = tmp_path / "a.nii.gz"
    source.write_bytes(b"image" * 1000)
    resource = session.scan("1").resource("NIFTI")
    resource.file("a.nii.gz").put(str(source), format="NIFTI", content="T1", tags="x")
    file = resource.file("a.nii.gz")
    assert (file.size(), file.format(), file.content()) == ("5000", "NIFTI", "T1")
    assert file.attributes()["file_tags"] == "x"
    back = file.get(str(tmp_path / "back"))
    assert open(back, "rb").read() == source.read_bytes()
    folder = tmp_path / "folder"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "1.txt").write_text("1")
    (folder / "2.txt").write_text("2")
    session.resource("DIR").put_dir(str(folder))
    assert sorted(f.label() for f in session.resource("DIR").files()) == ["2.txt", "deep/1.txt"]
    out = tmp_path / "out"
    out.mkdir()
    found = session.scans().download(str(out), type="ALL", extract=False)
    names = zipfile.ZipFile(found).namelist()
    assert names == ["MR1/scans/1-T1w/resources/NIFTI/files/a.nii.gz"]
    file.delete()
    assert not resource.file("a.nii.gz").exists()


def test_it_searches_and_saves_searches(central, session):
    session.attrs.set("xnat:mrSessionData/date", "2014-05-07")
    session.parent().attrs.set(FRONT + "dob", "1930-01-02")
    columns = [
        "xnat:mrSessionData/SESSION_ID",
        "xnat:mrSessionData/AGE",
        "xnat:subjectData/SUBJECT_LABEL",
    ]
    rows = central.select("xnat:mrSessionData", columns).where(
        [("xnat:mrSessionData/AGE", ">", "80"), "AND"]
    )
    assert rows.data == [
        {"session_id": "XNAT_E00001", "age": "84", "xnat_subjectdata_subject_label": "S1"}
    ]
    nested = [
        ("xnat:subjectData/PROJECT", "=", "P"),
        [("xnat:mrSessionData/AGE", "<", "80"), ("xnat:mrSessionData/AGE", ">", "90"), "OR"],
        "AND",
    ]
    assert len(central.select("xnat:mrSessionData", columns).where(nested)) == 0
    everybody = [("xnat:subjectData/SUBJECT_ID", "LIKE", "%"), "AND"]
    central.manage.search.save(
        "mine", "xnat:subjectData", ["xnat:subjectData/SUBJECT_ID"], everybody, sharing="public"
    )
    assert central.manage.search.saved() == ["mine"]
    assert central.manage.search.get("mine")["subject_id"] == "XNAT_S00001"
    central.manage.search.delete("mine")
    assert central.manage.search.saved() == []


def test_it_inspects_what_can_be_asked(central, session):
    assert "xnat:mrSessionData" in central.inspect.datatypes()
    assert "xnat:mrSessionData/AGE" in central.inspect.datatypes("xnat:mrSessionData", "AGE")
    central.manage.schemas.add("/xapi/schemas/xnat")
    assert "xnat:subjectData/demographics" in session.parent().attrs()
    assert central.array.mrsessions().data[0]["ID"] == "XNAT_E00001"
    assert central.array.experiments(project_id="P").data[0]["subject_ID"] == "XNAT_S00001"


def test_it_shares_and_manages(central, session):
    central.select.project("P2").create()
    subject = session.parent()
    subject.share("P2")
    assert subject.shares().get() == ["P", "P2"]
    subject.unshare("P2")
    assert subject.shares().get() == ["P"]
    project = central.select.project("P")
    assert project.accessibility() == b"protected"
    project.set_accessibility("private")
    assert project.accessibility() == b"private"
    assert project.owners() == ["admin"]
    project.add_user("someone", "member")
    assert project.members() == ["someone"]
    assert project.user_role("someone") == "member"
    project.remove_user("someone")
    assert set(central.manage.users()) == {"admin", "someone"}
    assert project.prearchive_code() == 4


def test_it_deletes(central, session):
    session.delete()
    assert not session.exists()
    assert central.select("/projects/P/subjects/*/experiments").get() == []
