"""Resources and files, in and out: names, zips, folders, words."""

import zipfile
from pathlib import Path

import pytest

from nipype_xnat import Interface
from nipype_xnat.errors import Conflict, NothingMatched, UsageError


@pytest.fixture
def subject(client, fill):
    fill.put("/data/projects/P")
    fill.put("/data/projects/P/subjects/S")
    return client.select.project("P").subject("S")


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "folder"
    (root / "deep").mkdir(parents=True)
    (root / "deep" / "1.txt").write_text("one")
    (root / "2.txt").write_text("two")
    return root


def names(resource):
    return resource.files().get()


def test_lists_keep_the_paths_below_the_folder_that_they_share(subject, folder):
    resource = subject.resource("R")
    resource.put([folder / "deep" / "1.txt", folder / "2.txt"], tags="x")
    assert names(resource) == ["2.txt", "deep/1.txt"]
    resource.put([folder / "deep" / "1.txt"])
    assert names(resource) == ["1.txt", "2.txt", "deep/1.txt"]
    (folder / "2.txt").write_text("other")
    with pytest.raises(Conflict):
        resource.put([str(folder / "2.txt")])
    resource.put([str(folder / "2.txt")], True)
    assert resource.file("2.txt").size() == 5


def test_zips(subject, folder, tmp_path):
    subject.resource("A").put_dir(folder)
    zipped = subject.resource("A").get(tmp_path)
    assert zipped == str(tmp_path / "A.zip")
    assert sorted(zipfile.ZipFile(zipped).namelist()) == ["2.txt", "deep/1.txt"]
    subject.resource("B").put_zip(zipped)
    assert names(subject.resource("B")) == ["2.txt", "deep/1.txt"]
    subject.resource("C").put_zip(zipped, extract=False)
    assert names(subject.resource("C")) == ["A.zip"]
    subject.resource("D").put_dir(folder, extract=False)
    assert names(subject.resource("D")) == ["folder.zip"]
    assert subject.resource("D").get_zip(tmp_path) == str(tmp_path / "D.zip")
    members = subject.resource("A").get(tmp_path / "out", extract=True)
    assert sorted(members) == [
        str(tmp_path / "out" / "A" / name) for name in ("2.txt", "deep/1.txt")
    ]
    assert (tmp_path / "out" / "A" / "deep" / "1.txt").read_text() == "one"
    assert sorted(path.name for path in subject.resource("A").get().iterdir()) == ["2.txt", "deep"]


def test_zips_that_are_none(subject, tmp_path):
    (tmp_path / "no.zip").write_text("no")
    with zipfile.ZipFile(tmp_path / "out.zip", "w") as archive:
        archive.writestr("../x", "x")
    for name in ("no.zip", "out.zip", "missing.zip"):
        with pytest.raises(UsageError):
            subject.resource("R").put_zip(tmp_path / name)
    for wrong in ("a.txt", [tmp_path / "missing"]):
        with pytest.raises(UsageError):
            subject.resource("R").put(wrong)
    assert not subject.resource("R").exists()


def test_words_of_files_and_resources(subject):
    file = subject.resource("R").file("d/a.txt").put(b"text", "TXT", "words", "x,y")
    assert (file.size(), file.format(), file.content(), file.labels()) == (4, "TXT", "words", "x,y")
    found = file.attributes()
    assert found["Size"] == "4"
    assert found["path"] == "d/a.txt"
    assert found["digest"] == file.digest()
    assert found["URI"].endswith("/files/d/a.txt")
    assert file.last_modified().endswith("GMT")
    assert subject.resource("R").attributes()["file_count"] == "1"
    assert open(file.get()).read() == "text"
    with pytest.raises(UsageError, match="bytes"):
        file.put("no such file")


def test_a_file_makes_all_that_is_missing_above(client, subject):
    file = client.select("/projects/P/subjects/S2/experiments/E/scans/1/resources/R/files/a.txt")
    file.put(b"1", experiments="xnat:petSessionData", scans="xnat:petScanData")
    assert (
        client.select("/projects/P/subjects/S2/experiments/E").datatype() == "xnat:petSessionData"
    )


def test_the_scans_of_a_session_in_one_zip(client, fill, tmp_path):
    fill.put("/data/projects/P")
    scans = {"1": ("T1 w", {"NII": {"a.nii": b"1"}}), "2": ("T2", {"NII": {"b.nii": b"2"}})}
    fill.session("P", "S", "E", scans)
    session = client.select.project("P").subject("S").experiment("E")
    place = session.scans().download(tmp_path)
    assert place == str(tmp_path / "P_S_E_scans_ALL.zip")
    assert sorted(zipfile.ZipFile(place).namelist()) == [
        "E/scans/1-T1_w/resources/NII/files/a.nii",
        "E/scans/2-T2/resources/NII/files/b.nii",
    ]
    (only,) = session.scans().download(tmp_path, type="T2", extract=True, removeZip=True)
    assert only == str(tmp_path / "E/scans/2-T2/resources/NII/files/b.nii")
    assert not (tmp_path / "P_S_E_scans_T2.zip").exists()
    with pytest.raises(UsageError, match="there already"):
        session.scans().download(tmp_path, safe=True)
    with pytest.raises(UsageError, match="ALL stands alone"):
        session.scans().download(tmp_path, type="ALL,T1")
    with pytest.raises(NothingMatched):
        session.scans().download(tmp_path, type="T3")
    with pytest.raises(UsageError, match="subjects cannot"):
        client.select("/projects/P/subjects").download(tmp_path)


@pytest.mark.parametrize("dest", [None, "here.txt"])
def test_a_file_that_was_named_is_what_the_server_holds_when_it_is_got(
    client, fill, subject, tmp_path, dest
):
    archive = Interface(client.server, "admin", "admin", cache=tmp_path / "own", metadata_age=0)
    place = "/data/projects/P/subjects/S/resources/R/files/a.txt"
    target = dest and tmp_path / dest
    fill.file(place, b"old")
    file = archive.select("/projects/P/subjects/S/resources/R/files/a.txt")
    assert Path(file.get(target)).read_bytes() == b"old"
    assert file.size() == 3
    fill.file(place, b"newer", overwrite="true")
    assert Path(file.get(target)).read_bytes() == b"newer"
    assert file.size() == 5
    archive.disconnect()
