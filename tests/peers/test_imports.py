"""Imports and the prearchive, through pyxnat and xnatpy."""

import urllib.parse
import warnings

import pytest
import requests

from support.dicom_files import instance, study

xnat = pytest.importorskip("xnat")


@pytest.fixture
def central(url):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with xnat.connect(url, user="admin", password="admin", loglevel="ERROR") as connection:
            for project in ("P", "P2"):
                connection.put(f"/data/projects/{project}")
                connection.put(f"/data/projects/{project}/prearchive_code/0")
            connection.clearcache()
            yield connection


@pytest.fixture
def session_zip(tmp_path):
    path = tmp_path / "session.zip"
    path.write_bytes(study(3, series=(1, 2)))
    return path


def test_xnatpy_imports_into_the_archive(central, session_zip):
    session = central.services.import_(
        session_zip, project="P", subject="S1", experiment="E1", destination="/archive"
    )
    assert (session.label, session.project) == ("E1", "P")
    assert sorted(scan.id for scan in session.scans.values()) == ["1", "2"]
    scan = session.scans["1"]
    assert (scan.type, scan.frames, scan.parameters.tr) == ("t1_mpr_1", 3, 2400.0)
    names = sorted(scan.resources["DICOM"].files.keys())
    assert names == ["000000.dcm", "000001.dcm", "000002.dcm"]


def test_xnatpy_imports_a_folder_and_reads_its_headers(central, tmp_path):
    folder = tmp_path / "dicom"
    folder.mkdir()
    for number in range(2):
        (folder / f"{number}.dcm").write_bytes(instance(number))
    session = central.services.import_dir(folder, project="P", subject="S1", experiment="E1")
    assert session.status == "RECEIVING"
    session.rebuild(asynchronous=False)
    session.clearcache()
    assert session.status == "READY"
    archived = session.archive(overwrite="none")
    rows = archived.scans["1"].dicom_dump(fields=["PatientName"])
    assert [row["value"] for row in rows] == ["Sample^Patient"]
    assert archived.scans["1"].read_dicom().PatientID == "Sample ID"


def test_xnatpy_works_with_what_waits(central, session_zip, tmp_path):
    waiting = central.services.import_(
        session_zip, destination="/prearchive/projects/P", import_handler="SI"
    )
    assert [found.uri for found in central.prearchive.sessions("P")] == [waiting.uri]
    assert (waiting.project, waiting.subject, waiting.status) == ("P", "Sample_Patient", "READY")
    assert str(waiting.scan_date) == "2014-05-07"
    assert str(waiting.scan_time) == "09:12:06"
    assert waiting.timestamp.year >= 2020
    assert sorted(scan.id for scan in waiting.scans) == ["1", "2"]
    scan = waiting.scans["1"]
    assert scan.series_description == "t1_mpr_1"
    assert len(scan.files) == 3
    assert scan.read_dicom().SeriesNumber == 1
    assert scan.dicom_dump(fields=["Modality"])[0]["value"] == "MR"
    target = tmp_path / "back.zip"
    waiting.download(str(target))
    assert target.stat().st_size > 1000
    waiting.move("P2")
    assert central.prearchive.sessions("P") == []
    (moved,) = central.prearchive.sessions("P2")
    archived = moved.archive(subject="S9", experiment="E9")
    assert (archived.label, archived.project) == ("E9", "P2")
    assert central.prearchive.sessions() == []


def test_xnatpy_deletes_what_waits(central, session_zip):
    waiting = central.services.import_(session_zip, destination="/prearchive/projects/P")
    waiting.delete(asynchronous=False)
    assert central.prearchive.sessions() == []


def test_xnatpy_is_told_of_conflicts(central, session_zip):
    target = {"project": "P", "subject": "S1", "experiment": "E1", "destination": "/archive"}
    central.services.import_(session_zip, import_handler="SI", **target)
    with pytest.raises(xnat.exceptions.XNATUploadError, match="409"):
        central.services.import_(session_zip, import_handler="SI", **target)
    assert [found.status for found in central.prearchive.find(project="P")] == ["CONFLICT"]


def test_xnatpy_sets_custom_fields(central, session_zip):
    session = central.services.import_(
        session_zip, project="P", subject="S1", experiment="E1", destination="/archive"
    )
    address = f"/xapi/custom-fields/experiments/{session.id}/fields"
    central.put(address, json={"iq": 101})
    assert central.get_json(address) == {"iq": 101}


def test_pyxnat_works_with_what_waits(url, session_zip, monkeypatch):
    pyxnat = pytest.importorskip("pyxnat")
    from pyxnat.core import manage

    # pyxnat 1.6.4 still names functions of Python 2 here
    monkeypatch.setattr(manage, "urllib", urllib.parse, raising=False)
    admin = requests.Session()
    admin.auth = ("admin", "admin")
    for project in ("P", "P2"):
        admin.put(f"{url}/data/projects/{project}")
        admin.put(f"{url}/data/projects/{project}/prearchive_code/0")
    interface = pyxnat.Interface(server=url, user="admin", password="admin")
    answer = interface.post(
        "/data/services/import?import-handler=SI&dest=/prearchive/projects/P&inbody=true",
        data=session_zip.read_bytes(),
        headers={"Content-Type": "application/zip"},
    )
    assert answer.status_code == 200, answer.text
    (triple,) = interface.manage.prearchive.get()
    prearchive = interface.manage.prearchive
    assert triple[0] == "P"
    assert prearchive.status(triple) == "READY"
    assert sorted(prearchive.get_scans(triple)) == ["1", "2"]
    assert prearchive.get_resources(triple, "1") == "DICOM"
    assert len(prearchive.get_files(triple, "1", "DICOM")) == 3
    uri = prearchive.get_uri(triple)
    assert "/data" + uri == answer.text.strip()
    prearchive.reset(triple)
    assert prearchive.status(triple) == "READY"
    prearchive.delete(uri)
    assert interface.manage.prearchive.get() == []
    interface.disconnect()
