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


def test_it_searches(central, session):
    central.classes.MrSessionData(parent=session.subject, label="MR2")
    kind = central.classes.MrSessionData
    people = central.classes.SubjectData
    assert [one.label for one in people.query().all()] == ["S1"]
    assert people.query().filter(people.label == "S1").one().id == "XNAT_S00001"
    found = kind.query().filter(kind.label == "MR2")
    assert [one.label for one in found.all()] == ["MR2"]
    assert found.one().id == "XNAT_E00002"
    rows = kind.query().view(kind.label, central.classes.SubjectData.label).tabulate_dict()
    assert sorted(tuple(row.values())[:2] for row in rows) == [("MR1", "S1"), ("MR2", "S1")]


def test_it_makes_one_of_each_kind(central, subject, session):
    kinds = central.XNAT_CLASS_LOOKUP
    for place, name in (
        (subject, "xnat:petSessionData"),
        (subject, "xnat:eegSessionData"),
        (subject, "xnat_a:ybocsData"),
        (session, "xnat:ctScanData"),
        (session, "xnat:otherDicomScanData"),
        (session, "xnat:qcManualAssessorData"),
        (session, "val:protocolData"),
    ):
        key = "id" if name.endswith("ScanData") else "label"
        made = kinds[name](parent=place, **{key: name.replace(":", "_")})
        assert made.__xsi_type__ == name
    subject.clearcache()
    session.clearcache()
    assert {one.id for one in session.scans.values()} == {
        "xnat_ctScanData",
        "xnat_otherDicomScanData",
    }
    assert {one.label for one in session.assessors.values()} == {
        "xnat_qcManualAssessorData",
        "val_protocolData",
    }
    session.investigator.lastname = "Doe"
    session.scans["xnat_ctScanData"].parameters.kvp = 3.5
    session.clearcache()
    assert session.investigator.lastname == "Doe"
    assert session.scans["xnat_ctScanData"].parameters.kvp == 3.5
