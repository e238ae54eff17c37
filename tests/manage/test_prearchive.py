"""Sessions that arrive as DICOM, wait, and are archived."""

import pytest

from nipype_xnat.errors import NotFound
from support.dicom_files import study


@pytest.fixture
def arrived(client, fill, tmp_path):
    """A session that waits, and the zip that it came in."""
    for project in ("P", "Q"):
        fill.put(f"/data/projects/{project}")
        fill.put(f"/data/projects/{project}/prearchive_code/0")
    path = tmp_path / "session.zip"
    path.write_bytes(study(2))
    uris = client.manage.prearchive.import_zip(path, "P", "S1", "E1")
    (triple,) = client.manage.prearchive.get()
    assert uris == ["/data/prearchive/projects/" + "/".join(triple)]
    return client.manage.prearchive, triple, path


def test_what_waits(arrived):
    prearchive, triple, _ = arrived
    assert triple[0] == "P"
    assert prearchive.status(triple) == "READY"
    assert prearchive.get_uri(triple) == "/prearchive/projects/" + "/".join(triple)
    assert prearchive.table("P").column("subject") == ["S1"]
    assert len(prearchive.table("Q")) == 0
    assert prearchive.get_scans(triple) == ["1"]
    assert prearchive.get_resources(triple, "1") == ["DICOM"]
    assert len(prearchive.get_files(triple, "1", "DICOM")) == 2
    with pytest.raises(NotFound, match="no such session waits"):
        prearchive.status(["P", "20200101_000000", "none"])


def test_archiving(arrived, client):
    prearchive, triple, _ = arrived
    assert prearchive.archive(prearchive.get_uri(triple)) == [
        "/data/archive/projects/P/subjects/S1/experiments/E1"
    ]
    assert prearchive.get() == []
    session = client.select.project("P").subject("S1").experiment("E1")
    assert session.scans().get() == ["1"]
    assert len(session.scan("1").resource("DICOM").files().get()) == 2


def test_a_project_that_archives_by_itself_sends_on_to_the_session(arrived, client):
    prearchive, triple, _ = arrived
    prearchive.move(prearchive.get_uri(triple), "Q")
    (moved,) = prearchive.get()
    assert moved[0] == "Q"
    client.manage.project("Q").set_prearchive_code(4)
    assert prearchive.archive(prearchive.get_uri(moved)) == [
        "/data/archive/projects/Q/subjects/S1/experiments/E1"
    ]
    assert client.select("/projects/Q/experiments").get("label") == ["E1"]


def test_reading_again_and_deleting(arrived):
    prearchive, triple, _ = arrived
    prearchive.reset(triple)
    prearchive.rebuild(prearchive.get_uri(triple))
    assert prearchive.get() == [triple]
    prearchive.delete(prearchive.get_uri(triple))
    assert prearchive.get() == []


def test_without_waiting(arrived, client):
    prearchive, _, path = arrived
    found = prearchive.import_zip(path, "Q", "S2", "E2", dest="/archive")
    assert found == ["/data/archive/projects/Q/subjects/S2/experiments/E2"]
    assert client.select("/projects/Q/subjects/S2/experiments").get("label") == ["E2"]
