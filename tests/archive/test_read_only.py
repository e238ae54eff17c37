"""An archive that is read by many and written by nobody."""

import io
import subprocess
import sys
import zipfile

import pytest
import requests

from nipype_xnat.archive import Archive, Site
from nipype_xnat.archive.errors import ReadOnly, Refused
from nipype_xnat.archive.people import GUEST

from .conftest import fill

FILES = "/data/projects/P/resources/R/files"


@pytest.fixture
def closed(tmp_path, log_in):
    """The folder of an archive with a session and a file, closed."""
    root = tmp_path / "closed"
    with Archive(root, Site(durable=False)) as archive, archive.running() as url:
        http = log_in(url)
        fill(http, url)
        http.put(url + FILES + "/a.txt?inbody=true", data=b"kept").raise_for_status()
    return root


def everything(root):
    """All that a folder holds, with what would change if it were written."""
    return {
        (str(path.relative_to(root)), path.stat().st_size, path.stat().st_mtime_ns)
        for path in (root, *root.rglob("*"))
    }


def test_a_closed_archive_is_read_and_its_folder_left_alone(closed, log_in):
    before = everything(closed)
    for path in (closed, *closed.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    with Archive(closed, read_only=True) as archive, archive.running() as url:
        http = log_in(url)
        assert http.get(url + FILES + "/a.txt").content == b"kept"
        assert http.get(url + "/data/experiments").json()["ResultSet"]["totalRecords"] == "1"
        packed = http.get(url + FILES + "?format=zip").content
        assert zipfile.ZipFile(io.BytesIO(packed)).namelist() == ["P/resources/R/files/a.txt"]
        assert everything(closed) == before
    assert everything(closed) == before


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("PUT", "/data/projects/Q", {}),
        ("PUT", "/data/projects/P/subjects/S9", {}),
        ("DELETE", "/data/projects/P", {}),
        ("PUT", FILES + "/b.txt?inbody=true", {"data": b"b" * 3_000_000}),
        ("POST", FILES, {"files": {"f": ("b.txt", b"b")}}),
        ("PUT", FILES + "/b.zip?extract=true&inbody=true", {"data": b"PK"}),
        ("DELETE", FILES + "/a.txt", {}),
        ("PUT", "/xapi/users/admin", {"json": {"firstName": "Ada"}}),
        ("GET", "/data/services/tokens/issue", {}),
    ],
)
def test_a_change_is_refused_with_a_reason(closed, log_in, method, path, options):
    before = everything(closed)
    with Archive(closed, read_only=True) as archive, archive.running() as url:
        http = log_in(url)
        answer = http.request(method, url + path, **options)
        assert answer.status_code == 403
        assert "reading only" in answer.text
        assert http.get(url + FILES + "/a.txt").content == b"kept"
    assert everything(closed) == before


def test_python_is_refused_as_well(closed):
    with Archive(closed, read_only=True) as archive:
        with pytest.raises(ReadOnly), archive.changing(GUEST):
            pass
        for change in (
            lambda: archive.add_user("someone", "secret"),
            archive.reset,
            archive.destroy,
            lambda: archive.blobs.add(io.BytesIO(b"x")),
        ):
            with pytest.raises(ReadOnly):
                change()
    assert (closed / "archive.sqlite").exists()


READ = """
import sys
from nipype_xnat.archive import Archive
with Archive(sys.argv[1], read_only=True) as archive:
    print("open", flush=True)
    sys.stdin.read()
"""


def test_many_processes_read_at_once_and_none_writes_meanwhile(closed):
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READ, str(closed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    try:
        assert [reader.stdout.readline() for reader in readers] == ["open\n"] * 3
        with pytest.raises(Refused, match="in use"):
            Archive(closed)
    finally:
        for reader in readers:
            reader.communicate()
    with Archive(closed), pytest.raises(Refused, match="in use"):
        Archive(closed, read_only=True)


def test_what_cannot_be_read_is_said(closed, tmp_path):
    with pytest.raises(Refused, match="holds no archive"):
        Archive(tmp_path / "nothing", read_only=True)
    assert not (tmp_path / "nothing").exists()
    (closed / "running").touch()  # as a killed process leaves it
    with pytest.raises(Refused, match="was not closed"):
        Archive(closed, read_only=True)
    Archive(closed).close()
    Archive(closed, read_only=True).close()


def test_the_command_serves_it(closed):
    code = (
        "import sys; from nipype_xnat.cli.main import main; "
        "sys.exit(main(['serve', '--root', sys.argv[1], '--read-only']))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(closed)], stdout=subprocess.PIPE, text=True
    )
    url = process.stdout.readline().split(" ready at ")[1].split(" ")[0].rstrip("/")
    auth = ("admin", "admin")
    assert requests.get(url + FILES + "/a.txt", auth=auth).content == b"kept"
    assert requests.put(url + "/data/projects/Q", auth=auth).status_code == 403
    process.terminate()
    assert process.wait(timeout=120) == 0
