"""Seeds: an archive filled from a description, from a JSON file, or from a folder of files."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest

from nipype_xnat.archive.errors import Invalid

DESCRIPTION = {
    "users": [
        {"login": "ann", "password": "secret", "firstname": "Ann", "email": "ann@lab"},
        {"login": "ben", "password": "secret"},
    ],
    "projects": {
        "P": {
            "fields": {"name": "Long", "pi_lastname": "Doe", "keywords": "a b"},
            "accessibility": "private",
            "members": {"ann": "owner", "ben": "collaborator"},
            "resources": {"DOCS": {"files": {"read me.txt": "hello", "empty.txt": ""}}},
            "subjects": {
                "S1": {
                    "fields": {"gender": "female", "yob": 1980, "metadata/cohort": "c"},
                    "variables": {"iq": 101},
                    "shares": ["Q", {"project": "R", "label": "S1_R"}],
                    "experiments": {
                        "MR1": {
                            "fields": {"date": "2024-05-07", "scanner/model": "Y"},
                            "variables": {"ok": True},
                            "scans": {
                                "1": {
                                    "fields": {"type": "T1w", "parameters/tr": 2300},
                                    "resources": {
                                        "NIFTI": {
                                            "format": "NIFTI",
                                            "content": "RAW",
                                            "files": {
                                                "a.nii.gz": {"path": "images/a.nii.gz"},
                                                "sub/b.bin": {"bytes": 3_000_000},
                                            },
                                        }
                                    },
                                },
                                "2": {"type": "xnat:petScanData"},
                            },
                            "reconstructions": {"mean": {"fields": {"baseScanType": "T1w"}}},
                            "assessors": {
                                "QC1": {
                                    "fields": {"rater": "me", "pass": 1},
                                    "resources": {"OUT": {}},
                                }
                            },
                        },
                        "PET1": {"type": "xnat:petSessionData", "scans": {"1": {}}},
                    },
                },
                "S2": {},
            },
        },
        "Q": {},
        "R": {},
    },
}


def rows(http, path):
    return http.get(path).json()["ResultSet"]["Result"]


def data(http, path):
    return http.get(path + "?format=json").json()["items"][0]["data_fields"]


@pytest.fixture
def described(tmp_path):
    """The description as a file, with an image beside it."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.nii.gz").write_bytes(b"image")
    path = tmp_path / "seed.json"
    path.write_text(json.dumps(DESCRIPTION))
    return path


def test_a_description_fills_an_archive(start, log_in, described):
    archive, url = start()
    archive.seed(described)
    http = log_in(url)
    project = f"{url}/data/projects/P"
    assert data(http, project)["name"] == "Long"
    assert http.get(project + "/accessibility").text == "private"
    people = {row["login"]: row["displayname"] for row in rows(http, project + "/users")}
    assert (people["ann"], people["ben"]) == ("Owners", "Collaborators")
    assert log_in(url, "ann", "secret").get(project).status_code == 200
    subjects = rows(http, project + "/subjects?columns=label,gender,yob")
    assert {row["label"]: row["yob"] for row in subjects} == {"S1": "1980", "S2": ""}
    assert rows(http, f"{url}/data/projects/R/subjects")[0]["label"] == "S1_R"
    assert rows(http, f"{url}/data/projects/Q/subjects")[0]["label"] == "S1"
    session = f"{project}/subjects/S1/experiments/MR1"
    assert data(http, session)["date"] == "2024-05-07"
    assert data(http, session)["scanner/model"] == "Y"
    scans = {row["ID"]: (row["xsiType"], row["type"]) for row in rows(http, session + "/scans")}
    assert scans == {"1": ("xnat:mrScanData", "T1w"), "2": ("xnat:petScanData", "")}
    other = f"{project}/subjects/S1/experiments/PET1/scans"
    assert [row["xsiType"] for row in rows(http, other)] == ["xnat:petScanData"]
    assert data(http, session + "/scans/1")["parameters/tr"] == 2300.0
    assert data(http, session + "/reconstructions/mean")["baseScanType"] == "T1w"
    assert data(http, session + "/assessors/QC1")["pass"] == "1"
    field = "xnat:subjectData/fields/field%5Bname%3Diq%5D/field"
    found = rows(http, f"{project}/subjects?columns={field}&label=S1")
    assert found[0]["xnat:subjectdata/fields/field[name=iq]/field"] == "101"


def test_files_come_from_texts_from_paths_and_from_nowhere(start, log_in, described):
    archive, url = start()
    archive.seed(described)
    archive.seed(described)
    http = log_in(url)
    scan = f"{url}/data/projects/P/subjects/S1/experiments/MR1/scans/1"
    files = {row["Name"]: row for row in rows(http, scan + "/files")}
    assert {name: row["Size"] for name, row in files.items()} == {
        "a.nii.gz": "5",
        "b.bin": "3000000",
    }
    assert files["b.bin"]["URI"].endswith("/files/sub/b.bin")
    assert files["a.nii.gz"]["file_format"] == "NIFTI"
    assert http.get(scan + "/resources/NIFTI/files/a.nii.gz").content == b"image"
    bytes_ = http.get(scan + "/resources/NIFTI/files/sub/b.bin").content
    assert len(set(bytes_)) == 256
    docs = f"{url}/data/projects/P/resources/DOCS/files"
    assert {row["Name"]: row["Size"] for row in rows(http, docs)} == {
        "read me.txt": "5",
        "empty.txt": "0",
    }
    assert http.get(docs + "/read%20me.txt").text == "hello"
    assert archive.logins == 1


def test_a_folder_of_files_fills_an_archive(start, log_in, tmp_path):
    root = tmp_path / "lab"
    for name, text in {
        "P/S1/MR1/1-T1w/NIFTI/a.nii": "a",
        "P/S1/MR1/1-T1w/NIFTI/deep/b.nii": "b",
        "P/S1/MR1/2/DICOM/c.dcm": "c",
        "P/S1/MR1/resources/NOTES/n.txt": "n",
        "P/S1/resources/FORMS/f.txt": "f",
        "P/resources/DOCS/d.txt": "d",
        "P/S1/PET1/xnat.json": '{"type": "xnat:petSessionData", "fields": {"note": "x"}}',
        "P/S1/xnat.json": '{"fields": {"gender": "male"}}',
        "P/S1/.hidden": "no",
        "P/S2/MR1x/1/R/xnat.json": '{"format": "TXT"}',
        "P/S2/MR1x/1/R/r.txt": "r",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    archive, url = start(context="/xnat")
    archive.seed(root)
    http = log_in(url)
    project = f"{url}/data/projects/P"
    sessions = rows(http, project + "/experiments?columns=ID,label,xsiType,note")
    assert {row["label"]: (row["xsiType"], row["note"]) for row in sessions} == {
        "MR1": ("xnat:mrSessionData", ""),
        "PET1": ("xnat:petSessionData", "x"),
        "MR1x": ("xnat:mrSessionData", ""),
    }
    session = project + "/subjects/S1/experiments/MR1"
    scans = {row["ID"]: row["type"] for row in rows(http, session + "/scans")}
    assert scans == {"1": "T1w", "2": ""}
    ident = next(row["ID"] for row in sessions if row["label"] == "MR1")
    files = rows(http, f"{url}/data/experiments/{ident}/files?all=true")
    assert {re.sub(".*/files/", "", row["URI"]): row["collection"] for row in files} == {
        "a.nii": "NIFTI",
        "deep/b.nii": "NIFTI",
        "c.dcm": "DICOM",
        "n.txt": "NOTES",
    }
    assert http.get(project + "/resources/DOCS/files/d.txt").text == "d"
    assert http.get(project + "/subjects/S1/resources/FORMS/files/f.txt").text == "f"
    assert rows(http, project + "/subjects?columns=gender&label=S1")[0]["gender"] == "male"
    kept = rows(http, project + "/subjects/S2/experiments/MR1x/scans/1/files")
    assert [(row["Name"], row["file_format"]) for row in kept] == [("r.txt", "TXT")]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"project": {}}, "'project'"),
        ({"projects": {"P": {"subject": {}}}}, "project P has 'subject'"),
        ({"projects": {"P": {"fields": {"colour": "x"}}}}, "no field 'colour'"),
        ({"projects": {"P/Q": {}}}, "refused /data/projects/P"),
        ({"projects": {"P": {"members": {"nobody": "owner"}}}}, "nobody"),
        ({"projects": {"P": {"subjects": {"S": {"experiments": {"E": {"type": "x:y"}}}}}}}, "x:y"),
        ({"projects": {"P": {"subjects": {"S": {"fields": {"gender": "x"}}}}}}, "gender"),
        ({"projects": {"P": {"resources": {"R": {"files": {"a": 5}}}}}}, "file a"),
        ({"projects": {"P": {"resources": {"R": {"files": {"a": {"path": "no"}}}}}}}, "no"),
        ({"users": [{"login": "x"}]}, "password"),
    ],
)
def test_what_is_wrong_with_a_description_is_told(start, wrong, told):
    archive, _ = start()
    with pytest.raises(Invalid, match=re.escape(told)):
        archive.seed(wrong)


def test_what_is_wrong_with_a_folder_is_told(start, tmp_path):
    archive, _ = start()
    (tmp_path / "lab" / "P" / "S").mkdir(parents=True)
    (tmp_path / "lab" / "P" / "S" / "a.nii").write_text("a")
    with pytest.raises(Invalid, match=r"a\.nii lies where folders of experiments"):
        archive.seed(tmp_path / "lab")
    with pytest.raises(Invalid, match=r"absent\.json"):
        archive.seed(tmp_path / "absent.json")


def test_the_fixture_takes_a_seed(xnat_archive):
    xnat_archive.archive.seed({"projects": {"P": {"subjects": {"S": {}}}}})
    import requests

    answer = requests.get(
        xnat_archive.url + "/data/projects/P/subjects/S?format=json",
        auth=("admin", "admin"),
        timeout=60,
    )
    assert answer.json()["items"][0]["data_fields"]["label"] == "S"


def test_the_command_seeds_and_tells_what_is_wrong(log_in, described, tmp_path):
    command = [sys.executable, "-m", "nipype_xnat.cli.main", "serve", "--root", tmp_path / "root"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [*command, "--seed", described], stdout=subprocess.PIPE, text=True, env=environment
    ) as running:
        try:
            url = re.search(r"http://\S+?(?=/ )", running.stdout.readline()).group()
            assert len(rows(log_in(url), url + "/data/projects/P/subjects")) == 2
        finally:
            running.send_signal(signal.SIGTERM)
    wrong = tmp_path / "wrong.json"
    wrong.write_text('{"projects": {"P": {"subject": {}}}}')
    failed = subprocess.run(
        [*command, "--seed", wrong], capture_output=True, text=True, env=environment, timeout=60
    )
    assert failed.returncode == 1
    assert "project P has 'subject'" in failed.stderr
