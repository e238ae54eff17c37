"""Offline: the same questions, the same answers, and no request."""

import os
import pickle
import shutil
import subprocess
import sys
import textwrap

import pytest
from mirror.conftest import fill_archive

from nipype_xnat import Interface, errors
from nipype_xnat.archive import Archive, Site
from nipype_xnat.mirror import Wanted, pull
from nipype_xnat.pytest_plugin import RunningArchive

SELECTIONS = [
    "/projects/P/subjects",
    "/projects/P/experiments",
    "/projects/P/subjects/S*/experiments/*",
    "/projects/P/subjects/SHARED/experiments",
    "/projects/P/experiments/*/scans",
    "/projects/P/experiments/*/scans/*[type=T1w]",
    "/projects/P/experiments/*/scans/*[quality=usable]/resources/*",
    "/projects/P/experiments/*[date>=2015-01-01]",
    "/projects/P/experiments/*/scans/*/resources/NIFTI/files/*",
    "/projects/P//files",
    "/projects/P/experiments/*/assessors/*/out_resources/*/files/*",
    "/projects/P/experiments/*/reconstructions/*/out_resources/*/files/*",
    "/projects/P/subjects/*/resources/*/files/*",
    "/projects/P/resources/*/files/*",
    "/projects/P/experiments/*/resources/*",
]
SEARCHES = [
    "xnat:mrSessionData/DATE > '2015-01-01'",
    "xnat:mrSessionData/PROJECT = P and xnat:subjectData/GENDER_TEXT = F",
    "xnat:subjectData/SUBJECT_LABEL LIKE 'S%'",
    "xnat:mrSessionData/SCANNER_MANUFACTURER = SIEMENS or xnat:subjectData/GENDER_TEXT = M",
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory, snapshots):
    """A server that holds the projects P and Q, for all tests: none of them changes it."""
    with Archive(tmp_path_factory.mktemp("server"), Site(durable=False)) as archive:
        snapshots(fill_archive).put_into(archive)
        with archive.running() as url:
            yield RunningArchive(url, "admin", "admin", archive)


@pytest.fixture(scope="module")
def client(filled, tmp_path_factory):
    """A connection to it."""
    cache = tmp_path_factory.mktemp("cache")
    with Interface(filled.url, "admin", "admin", cache=cache) as found:
        yield found


@pytest.fixture(scope="module")
def mirrored(client, tmp_path_factory):
    """The folder of a mirror of P, which no test changes either."""
    folder = tmp_path_factory.mktemp("mirrored") / "mirror"
    pull(client.transport, folder, [Wanted("P")])
    return folder


@pytest.mark.parametrize("path", SELECTIONS)
def test_selections_are_the_same(path, client, offline):
    online = client.select(path)
    assert online.get(), "a selection that finds nothing proves nothing"
    found = offline.select(path)
    assert found.get("id") == online.get("id")
    assert found.get("label") == online.get("label")
    assert [str(e.path) for e in found] == [str(e.path) for e in online]


@pytest.mark.parametrize("criteria", SEARCHES)
def test_searches_are_the_same(criteria, client, offline):
    columns = ["xnat:mrSessionData/LABEL", "xnat:mrSessionData/DATE", "xnat:subjectData/PROJECT"]
    criteria = f"xnat:mrSessionData/PROJECT = P and ({criteria})"

    def rows(archive):
        return archive.select("xnat:mrSessionData", columns).where(criteria).as_list()

    assert rows(client)
    assert rows(offline) == rows(client)
    online = client.select("/projects/P/experiments").where(criteria).get("label")
    assert offline.select("/projects/P/experiments").where(criteria).get("label") == online


def test_fields_files_and_what_the_server_is_are_the_same(client, offline):
    for path in ("/projects/P/subjects/S1", "/projects/P/subjects/S1/experiments/MR1/scans/1"):
        assert offline.select(path).details() == client.select(path).details()
    subject = "/projects/P/subjects/S2"
    for archive in (client, offline):
        assert (
            archive.select(subject).attrs.get("xnat:subjectData/demographics/dob") == "1960-02-03"
        )
        assert archive.select(subject).get_custom_variables() == {"iq": "101"}
    path = "/projects/P/subjects/S1/experiments/MR1/resources/NOTES/files/n.txt"
    assert offline.select(path).attributes() == client.select(path).attributes()
    assert offline.version() == client.version()
    assert offline.inspect.datatypes() == client.inspect.datatypes()
    assert offline.inspect.scan_types("P") == client.inspect.scan_types("P")
    assert offline.user == client.user == "admin"
    assert offline.server == client.server


def test_files_are_read_where_the_mirror_keeps_them(offline, mirrored, tmp_path):
    path = "/projects/P/subjects/S1/experiments/MR1/scans/1/resources/NIFTI/files/a.nii"
    with open(offline.select(path).get(), "rb") as stream:
        assert stream.read() == b"aaa"
    copy = offline.select(path).get(tmp_path / "copy.nii")
    with open(copy, "rb") as stream:
        assert stream.read() == b"aaa"
    assert not list((tmp_path / "cache_of_job").glob("objects/*/*"))


def test_nothing_is_asked_of_the_server(filled, offline, client):
    client.disconnect()
    filled.requests.clear()
    offline.select("/projects/P//files").get()
    offline.select("xnat:subjectData", ["xnat:subjectData/SUBJECT_ID"]).all()
    offline.cohort(
        {"t1": "/projects/P/experiments/*/scans/*[type=T1w]/resources/NIFTI/files/*.nii"}
    )
    assert not filled.requests


def test_what_is_not_held_says_how_to_get_it(offline):
    for ask in (
        lambda: offline.select("/projects/Q/subjects").get(),
        lambda: offline.select.project("Q").exists(),
    ):
        with pytest.raises(errors.NotInMirror, match="nipype-xnat mirror pull .* --project Q"):
            ask()
    for ask in (offline.manage.users, lambda: offline.get("/data/services/tokens/issue")):
        with pytest.raises(errors.NotInMirror, match="ask the server itself"):
            ask()
    # within what it holds the mirror knows that there is none
    assert not offline.select("/projects/P/subjects/NOBODY").exists()


def test_settings_may_come_from_the_environment(mirrored, monkeypatch, client):
    monkeypatch.setenv("NIPYPE_XNAT_OFFLINE", "1")
    with pytest.raises(errors.ConfigurationError, match="NIPYPE_XNAT_MIRROR"):
        Interface()
    monkeypatch.setenv("NIPYPE_XNAT_MIRROR", str(mirrored))
    assert Interface().offline
    assert not Interface(client.server, "a", "b", offline=False).offline
    with pytest.raises(errors.ConfigurationError, match="mirror of"):
        Interface("https://elsewhere.org")
    monkeypatch.setenv("NIPYPE_XNAT_OFFLINE", "perhaps")
    with pytest.raises(errors.ConfigurationError):
        Interface()


def test_it_pickles_and_survives_a_fork(offline):
    labels = offline.select("/projects/P/subjects").get("label")
    copied = pickle.loads(pickle.dumps(offline))
    assert copied.select("/projects/P/subjects").get("label") == labels
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        ok = offline.select("/projects/P/subjects").get("label") == labels
        os.write(writing, b"yes" if ok else b"no")
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writing)
    assert os.read(reading, 10) == b"yes"


def test_many_jobs_read_one_read_only_mirror(mirrored, tmp_path):
    held = tmp_path / "held"
    shutil.copytree(mirrored, held, symlinks=True)
    before = {p: p.lstat().st_mtime_ns for p in held.rglob("*")}
    for path in sorted(held.rglob("*"), reverse=True):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)
    held.chmod(0o555)
    script = textwrap.dedent(
        """
        import sys
        from nipype_xnat import Interface
        with Interface(offline=True, mirror=sys.argv[1], cache=sys.argv[2]) as archive:
            for file in archive.select("/projects/P//files"):
                open(file.get(), "rb").read()
            print(len(archive.select("/projects/P/subjects").get()))
        """
    )
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(held), str(tmp_path / f"c{n}")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for n in range(3)
    ]
    for job in jobs:
        out, err = job.communicate()
        assert (job.returncode, out.strip()) == (0, "4"), err
    assert {p: p.lstat().st_mtime_ns for p in held.rglob("*")} == before
