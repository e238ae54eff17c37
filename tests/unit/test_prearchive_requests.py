"""What is sent about the prearchive, as XNAT's own source has it.

The addresses and parameters are those of the server's classes Archiver, PrearchiveBatchMove,
PrearchiveBatchDelete, PrearchiveBatchRebuild, PrearcSessionResource and Importer.
"""

import json
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pytest

from nipype_xnat.manage import PreArchive
from nipype_xnat.transport import Answer

URI = "/prearchive/projects/P/20240101_000000/s"


class Scripted:
    """A transport that keeps what is sent, and gives one answer to all."""

    server = "http://test"
    account = "admin"

    def __init__(self, text=""):
        self.text = text
        self.sent = []

    def send(self, request):
        body = request.body.open().read() if request.body else b""
        self.sent.append((request.method, str(request.address), body))
        return Answer(request, 200, {}, iter([self.text.encode()]))


@pytest.fixture
def served():
    transport = Scripted()
    return PreArchive(SimpleNamespace(transport=transport)), transport


def test_services(served):
    prearchive, transport = served
    transport.text = "/data/archive/projects/P/subjects/S/experiments/s\r\n"
    assert prearchive.archive(URI, overwrite="append") == [transport.text.strip()]
    prearchive.move([URI, URI + "2"], "Q")
    prearchive.delete(URI)
    prearchive.rebuild(URI)
    forms = [(method, path, parse_qsl(body.decode())) for method, path, body in transport.sent]
    assert forms == [
        ("POST", "/data/services/archive", [("src", URI), ("overwrite", "append")]),
        (
            "POST",
            "/data/services/prearchive/move",
            [("src", URI), ("src", URI + "2"), ("newProject", "Q"), ("async", "true")],
        ),
        ("POST", "/data/services/prearchive/delete", [("src", URI), ("async", "false")]),
        ("POST", "/data/services/prearchive/rebuild", [("src", URI), ("async", "false")]),
    ]


def test_one_session(served):
    prearchive, transport = served
    prearchive.reset(["P", "20240101_000000", "s"])
    assert transport.sent == [
        ("POST", "/data/prearchive/projects/P/20240101_000000/s?format=single", b"action=build")
    ]


def test_import(served, tmp_path):
    prearchive, transport = served
    (tmp_path / "s.zip").write_bytes(b"PK")
    transport.text = "/data/prearchive/projects/P/20240101_000000/s\r\n"
    assert prearchive.import_zip(tmp_path / "s.zip", "P", session="s") == [transport.text.strip()]
    ((method, path, body),) = transport.sent
    assert (method, body) == ("POST", b"PK")
    address, _, query = path.partition("?")
    assert address == "/data/services/import"
    assert dict(parse_qsl(query)) == {
        "import-handler": "DICOM-zip",
        "inbody": "true",
        "dest": "/prearchive",
        "overwrite": "none",
        "PROJECT_ID": "P",
        "EXPT_LABEL": "s",
    }


def test_rows(served):
    prearchive, transport = served
    row = {"project": "P", "timestamp": "20240101_000000", "folderName": "s"}
    row |= {"status": "READY", "url": URI}
    transport.text = json.dumps({"ResultSet": {"Result": [row]}})
    triple = ["P", "20240101_000000", "s"]
    assert prearchive.get() == [triple]
    assert prearchive.status(triple) == "READY"
    assert prearchive.get_uri(triple) == URI
