"""A day's work of xnatpy, which builds its classes from the archive's schemas."""

import pytest

xnat = pytest.importorskip("xnat")


@pytest.fixture
def central(url):
    with xnat.connect(url, user="admin", password="admin", loglevel="ERROR") as connection:
        connection.put("/data/projects/P")
        connection.clearcache()
        yield connection


@pytest.fixture
def subject(central):
    return central.classes.SubjectData(parent=central.projects["P"], label="S1")


@pytest.fixture
def session(central, subject):
    return central.classes.MrSessionData(parent=subject, label="MR1")


def test_it_connects_and_lists(central, session):
    assert central.xnat_version.startswith("1.8")
    assert central.projects["P"].name == "P"
    assert [found.id for found in central.subjects] == ["XNAT_S00001"]
    central.projects["P"].clearcache()
    assert central.projects["P"].experiments["MR1"].id == "XNAT_E00001"
    assert central.logged_in_user == "admin"
    assert central.session_expiration_time[1] == 900


def test_it_sets_fields_and_custom_variables(central, subject, session):
    subject.demographics.gender = "female"
    subject.demographics.yob = 1930
    assert (subject.demographics.gender, subject.demographics.yob) == ("female", 1930)
    session.date = "2014-05-07"
    assert str(session.date) == "2014-05-07"
    subject.fields["iq"] = "101"
    subject.clearcache()
    assert dict(subject.fields) == {"iq": "101"}


def test_it_sends_and_fetches_files(central, session, tmp_path):
    scan = central.classes.MrScanData(parent=session, id="1", type="T1w", frames=176)
    assert (scan.type, scan.frames) == ("T1w", 176)
    resource = central.classes.ResourceCatalog(parent=scan, label="NIFTI")
    source = tmp_path / "a.nii"
    source.write_bytes(b"image" * 1000)
    resource.upload(str(source), "a.nii")
    assert resource.files["a.nii"].size == "5000"
    resource.files["a.nii"].download(str(tmp_path / "back.nii"))
    assert (tmp_path / "back.nii").read_bytes() == source.read_bytes()
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "b.txt").write_text("b")
    (folder / "c.txt").write_text("c")
    notes = central.classes.ResourceCatalog(parent=session, label="NOTES")
    notes.upload_dir(str(folder))
    notes.clearcache()
    assert sorted(f.path for f in notes.files.values()) == ["b.txt", "c.txt"]
    out = tmp_path / "out"
    out.mkdir()
    session.download_dir(str(out))
    found = sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file())
    assert any(name.endswith("-T1w/resources/NIFTI/files/a.nii") for name in found)
    central.delete(notes.uri)
    session.clearcache()
    assert "NOTES" not in session.resources


def test_it_shares_and_deletes(central, subject):
    central.put("/data/projects/P2")
    central.clearcache()
    subject.share("P2")
    central.clearcache()
    assert "S1" in central.projects["P2"].subjects
    # not subject.delete(): it looks into the listings of every connection that ever was
    central.delete(subject.uri + "?removeFiles=true")
    central.clearcache()
    assert list(central.subjects) == []
