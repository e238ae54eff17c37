"""Imports of DICOM files: whom the headers name, what a crash leaves, many senders at once."""

import concurrent.futures
import io
import socket
import zipfile
from urllib.parse import urlsplit

import pydicom
import pytest
import requests

from nipype_xnat.archive import Archive, Site
from support.dicom_files import instance, packed, study
from support.waiting import wait_for

from .test_durability import serve, url_of

HANDLERS = ("SI", "DICOM-zip")


@pytest.fixture
def site(start, log_in):
    """Give an archive with projects P and Q, and a hand to import into it."""
    archive, url = start()
    http = log_in(url)
    for project in ("P", "Q"):
        http.put(f"{url}/data/projects/{project}").raise_for_status()
        http.put(f"{url}/data/projects/{project}/prearchive_code/0").raise_for_status()

    def send(body, status=200, **params):
        params = {"inbody": "true", "import-handler": "SI", **params}
        answer = http.post(f"{url}/data/services/import", params=params, data=body)
        assert answer.status_code == status, answer.text
        return answer.text.split() if status == 200 else answer.text

    def rows(place="/data/prearchive"):
        answer = http.get(url + place, params={"format": "json"})
        return answer.json()["ResultSet"]["Result"]

    return archive, url, http, send, rows


def contents(archive):
    """List the contents that lie in an archive's folder."""
    return sorted(p.name for p in (archive.root / "files").rglob("*") if p.is_file())


# ---- whom the headers name


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize(
    "keyword", ["PatientComments", "StudyComments", "AdditionalPatientHistory"]
)
def test_comments_name_project_subject_and_session(site, handler, keyword):
    _, _, _, send, rows = site
    said = {keyword: "sent for Project:Q Subject:Sub1; Session:Ses1, please"}
    send(study(1, **said), **{"import-handler": handler})
    (row,) = rows()
    assert (row["project"], row["subject"], row["name"]) == ("Q", "Sub1", "Ses1")


def test_the_first_comment_wins_and_names_are_told_from_words(site):
    _, _, _, send, rows = site
    send(study(1, PatientComments="Project:P", StudyComments="Project:Q Subject:S Session:E"))
    send(study(1, study=2, PatientComments="SubProject:Q", StudyDescription="P"))
    assert [row["project"] for row in rows()] == ["P", "P"]
    assert [row["subject"] for row in rows()] == ["S", "Sample_Patient"]


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("keyword", ["StudyDescription", "AccessionNumber"])
def test_plain_fields_name_the_project(site, handler, keyword):
    _, _, _, send, rows = site
    body = study(1, **{keyword: "Q", "PatientName": "Sub^One", "PatientID": "Ses 1"})
    send(body, **{"import-handler": handler})
    (row,) = rows()
    assert (row["project"], row["subject"], row["name"]) == ("Q", "Sub_One", "Ses_1")


def test_what_names_no_project_waits_for_an_administrator(site, log_in):
    archive, url, _, send, rows = site
    archive.add_user("someone", "secret")
    (uri,) = send(study(1))
    assert uri.startswith("/data/prearchive/projects/Unassigned/")
    (row,) = rows()
    assert row["project"] == "Unassigned"
    other = log_in(url, "someone", "secret")
    listed = other.get(url + "/data/prearchive", params={"format": "json"})
    assert listed.json()["ResultSet"]["Result"] == []
    assert other.get(url + uri).status_code == 403


def test_nobody_imports_into_a_project_by_naming_it_in_a_header(site, log_in):
    archive, url, _, _, rows = site
    archive.add_user("someone", "secret")
    other = log_in(url, "someone", "secret")
    body = study(1, PatientComments="Project:P Subject:S Session:E")
    where = f"{url}/data/services/import?inbody=true&import-handler=SI&dest=/archive"
    answer = other.post(where, data=body)
    assert "/projects/P" not in answer.text
    assert rows("/data/projects/P/experiments") == []
    assert [row["project"] for row in rows()] == ["Unassigned"]


def test_the_sender_may_ask_for_archiving(site):
    _, url, http, send, rows = site
    said = "Project:P Subject:S Session:E AA:true"
    send(study(1, PatientComments=said), **{"import-handler": "SI"})
    assert [row["label"] for row in rows("/data/projects/P/experiments")] == ["E"]
    http.put(url + "/data/projects/Q/prearchive_code/4").raise_for_status()
    send(study(1, study=2, PatientComments="Project:Q Subject:S Session:E AA:false"))
    assert [row["autoarchive"] for row in rows()] == ["Manual"]


def test_an_alias_of_a_project_is_as_good_as_its_id(site):
    _, url, http, send, rows = site
    http.put(url + "/data/projects/P?alias=other").raise_for_status()
    send(study(1, StudyDescription="other"))
    assert [row["project"] for row in rows()] == ["P"]


# ---- file by file


def test_single_files_gather_in_one_session_until_it_is_complete(start, log_in):
    _, url = start(receiving_timeout=0)
    http = log_in(url)
    http.put(url + "/data/projects/P").raise_for_status()
    where = url + "/data/services/import?inbody=true&import-handler=gradual-DICOM&project=P"
    uris = {http.post(where, data=instance(number)).text for number in range(3)}
    assert len(uris) == 1
    # whoever looks at the prearchive finds the session complete; the project archives it
    listed = http.get(url + "/data/prearchive", params={"format": "json"})
    assert listed.json()["ResultSet"]["Result"] == []
    scans = f"{url}/data/projects/P/subjects/Sample_Patient/experiments/Sample_ID/scans/1/files"
    assert len(http.get(scans, params={"format": "json"}).json()["ResultSet"]["Result"]) == 3


def test_files_of_one_name_in_one_series_are_all_kept(site):
    _, url, http, send, _ = site
    body = packed({f"{n}/same.dcm": instance(n) for n in range(4)})
    (uri,) = send(body, dest="/prearchive/projects/P")
    answer = http.get(f"{url}{uri}/scans/1/resources/DICOM/files", params={"format": "json"})
    names = [row["Name"] for row in answer.json()["ResultSet"]["Result"]]
    assert len(names) == len(set(names)) == 4


def test_many_senders_of_one_study_make_one_session(site):
    archive, _, _, send, rows = site
    params = {"import-handler": "gradual-DICOM", "project": "P"}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: send(instance(n), **params), range(24)))
    (row,) = rows()
    assert row["status"] == "RECEIVING"
    assert len(contents(archive)) == 24


# ---- what is left behind


def test_what_is_refused_leaves_nothing(site):
    archive, _, _, send, rows = site
    send(packed({"a.txt": b"text", "b.txt": b"more"}), 400)
    send(packed({"a.dcm": instance(), "b.txt": b"text"}), 400, **{"import-handler": "DICOM-zip"})
    send(b"PK\3\4broken", 400)
    send(study(1), 404, **{"import-handler": "nosuch"})
    assert rows() == []
    assert contents(archive) == []
    assert not list((archive.root / "incoming").iterdir())


def test_names_in_an_upload_never_become_paths(site):
    archive, url, http, send, _ = site
    body = packed(
        {"../../out.dcm": instance(0), "/etc/in.dcm": instance(1), "..\\w.dcm": instance(2)}
    )
    (uri,) = send(body, dest="/prearchive/projects/P")
    answer = http.get(f"{url}{uri}/scans/1/resources/DICOM/files", params={"format": "json"})
    names = sorted(row["Name"] for row in answer.json()["ResultSet"]["Result"])
    assert names == ["in.dcm", "out.dcm", "w.dcm"]
    assert not list(archive.root.parent.rglob("out.dcm"))


def test_archiving_and_deleting_leave_no_contents_over(site):
    archive, url, http, send, _ = site
    send(study(2), dest="/archive/projects/P/subjects/S/experiments/E")
    send(study(2), dest="/archive/projects/P/subjects/S/experiments/E", overwrite="delete")
    assert len(contents(archive)) == 2
    (uri,) = send(study(3, study=2), dest="/prearchive/projects/P")
    assert len(contents(archive)) == 5
    http.delete(url + uri).raise_for_status()
    assert len(contents(archive)) == 2


def test_what_waits_in_a_project_goes_with_it(site):
    archive, url, http, send, rows = site
    send(study(2), dest="/prearchive/projects/P")
    http.delete(url + "/data/projects/P?removeFiles=true").raise_for_status()
    assert rows() == []
    assert contents(archive) == []


def test_what_waits_survives_a_crash(tmp_path, log_in):
    body = study(2)
    archive = Archive(tmp_path / "archive")
    with archive.running() as url:
        http = log_in(url)
        http.put(url + "/data/projects/P").raise_for_status()
        where = url + "/data/services/import?inbody=true&dest=/prearchive/projects/P"
        uri = http.post(where, data=body).text.strip()
    archive.close()
    # as after kill -9: the mark of a running archive is there, and a content nobody speaks of
    (tmp_path / "archive" / "running").touch()
    stray = tmp_path / "archive" / "files" / "ab" / ("ab" * 16)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"half an upload")
    with Archive(tmp_path / "archive", Site(durable=False)) as again, again.running() as url:
        http = log_in(url)
        answer = http.get(f"{url}{uri}/scans/1/resources/DICOM/files/000001.dcm")
        assert answer.content == instance(1)
        assert not stray.exists()
        answer = http.post(url + "/data/services/archive", data={"src": uri.removeprefix("/data")})
        assert answer.status_code == 200, answer.text
        assert http.get(url + "/data/prearchive?format=json").json()["ResultSet"]["Result"] == []


def test_killed_amid_imports_keeps_the_acknowledged_and_nothing_else(tmp_path):
    root = tmp_path / "kept"
    process, line = serve(root)
    url = url_of(line)
    auth = ("admin", "admin")
    requests.put(url + "/data/projects/P", auth=auth).raise_for_status()
    where = url + "/data/services/import?inbody=true&dest=/prearchive/projects/P"
    kept = requests.post(where, data=study(2), auth=auth).text.strip()
    place = urlsplit(url)
    half = socket.create_connection((place.hostname, place.port))
    body = study(2, study=2)
    head = (
        "POST /data/services/import?inbody=true&dest=/prearchive/projects/P HTTP/1.1\r\n"
        "Host: x\r\nAuthorization: Basic YWRtaW46YWRtaW4=\r\nContent-Type: application/zip\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    half.sendall(head.encode() + body[:-100])
    wait_for(lambda: any((root / "incoming").iterdir()))
    process.kill()
    process.wait(timeout=120)
    half.close()
    process, line = serve(root)
    url = url_of(line)
    rows = requests.get(url + "/data/prearchive?format=json", auth=auth).json()
    assert ["/data" + row["url"] for row in rows["ResultSet"]["Result"]] == [kept]
    scan = f"{url}{kept}/scans/1/resources/DICOM/files/000000.dcm"
    assert requests.get(scan, auth=auth).content == instance(0)
    assert not list((root / "incoming").iterdir())
    assert len([p for p in (root / "files").rglob("*") if p.is_file()]) == 2
    process.kill()
    process.wait(timeout=120)


# ---- there and back


def test_a_session_goes_out_and_comes_in_as_an_xar(site):
    _, url, http, send, rows = site
    send(study(2, series=(1, 2)), dest="/archive/projects/P/subjects/S/experiments/E")
    one = f"{url}/data/projects/P/subjects/S/experiments/E"
    note = {"xnat:mrSessionData/note": "kept"}
    http.put(one, params=note).raise_for_status()
    where = one + "/resources/NOTES/files/n.txt?inbody=true"
    http.put(where, data=b"a note").raise_for_status()
    key = rows("/data/projects/P/experiments")[0]["ID"]
    sent = http.get(f"{url}/data/experiments/{key}/XAR").content
    assert f"{key}.xml" in zipfile.ZipFile(io.BytesIO(sent)).namelist()
    before = http.get(f"{url}/data/experiments/{key}/files?all=true&format=json").json()
    http.delete(f"{url}/data/experiments/{key}?removeFiles=true").raise_for_status()
    (uri,) = send(sent, **{"import-handler": "XAR"})
    assert uri == f"/data/archive/experiments/{key}"
    after = http.get(f"{url}/data/experiments/{key}/files?all=true&format=json").json()

    def told(found):
        names = ("Name", "Size", "digest", "collection")
        return sorted(tuple(row[n] for n in names) for row in found["ResultSet"]["Result"])

    assert told(after) == told(before)
    fields = http.get(one + "?format=json").json()["items"][0]["data_fields"]
    assert (fields["note"], fields["label"], fields["date"]) == ("kept", "E", "2014-05-07")


def test_an_xar_without_a_session_is_refused(site):
    _, _, _, send, _ = site
    xar = {"import-handler": "XAR"}
    assert "Unable to locate XNAT xml document" in send(packed({"a.txt": b"x"}), 400, **xar)
    send(packed({"a.xml": b"<nonsense/>"}), 400, **xar)
    subject = b'<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat" ID="x" project="P"/>'
    send(packed({"a.xml": subject}), 400, **xar)
    session = b'<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat" project="nosuch" ID="x"/>'
    assert "Invalid project tag" in send(packed({"a.xml": session}), 400, **xar)


def test_a_dicomdir_leads_to_its_files(site):
    _, url, http, send, _ = site
    send(study(2, series=(1, 2)), dest="/archive/projects/P/subjects/S/experiments/E")
    one = f"{url}/data/projects/P/subjects/S/experiments/E"
    answer = http.get(one + "/scans/ALL/DICOMDIR")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/zip")
    sent = zipfile.ZipFile(io.BytesIO(answer.content))
    listed = pydicom.dcmread(io.BytesIO(sent.read("DICOMDIR")))
    records = {}
    whole = sent.read("DICOMDIR")
    for record in listed.DirectoryRecordSequence:
        records[record.seq_item_tell] = record

    def chain(offset):
        while offset:
            yield records[offset]
            offset = records[offset].OffsetOfTheNextDirectoryRecord

    def below(record):
        return list(chain(record.OffsetOfReferencedLowerLevelDirectoryEntity))

    (patient,) = chain(listed.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity)
    assert patient.PatientID == "Sample ID"
    (one_study,) = below(patient)
    series = below(one_study)
    assert [str(found.SeriesNumber) for found in series] == ["1", "2"]
    images = [image for found in series for image in below(found)]
    assert len(images) == len(sent.namelist()) - 1 == 4
    for image in images:
        name = "/".join(image.ReferencedFileID)
        data = pydicom.dcmread(io.BytesIO(sent.read(name)))
        assert data.SOPInstanceUID == image.ReferencedSOPInstanceUIDInFile
    assert whole[128:132] == b"DICM"
