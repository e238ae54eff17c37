"""One connection for many threads, many processes, and a file on disk."""

import json
import os
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from nipype_xnat import Interface
from nipype_xnat.errors import NotLoggedIn

ROOT = Path(__file__).resolve().parents[2]
PATHS = [
    "/project/P",
    "/project/P/subject/S",
    "/project/P/subject/S/experiment/E",
    "/project/P/subject/S/experiment/E/scan/1",
    "/project/P/subject/S/experiment/E/assessor/A",
    "/project/P/subject/S/experiment/E/reconstruction/R",
    "/project/P/subject/S/experiment/E/scan/1/resource/NII",
    "/project/P/subject/S/experiment/E/scan/1/resource/NII/file/a.nii",
]


@pytest.fixture
def filled(fill):
    fill.put("/data/projects/P")
    base = fill.session("P", "S", "E", {"1": ("T1", {"NII": {"a.nii": b"image"}})})
    fill.put(f"{base}/assessors/A", xsiType="xnat:qcManualAssessorData")
    fill.put(f"{base}/reconstructions/R", type="x")


SECRET = "correct-horse-battery"


@pytest.fixture
def archive(xnat_archive, filled, tmp_path):
    xnat_archive.archive.add_user("jane", SECRET, admin=True)
    config = tmp_path / "jane.json"
    values = {"server": xnat_archive.url, "user": "jane", "password": SECRET}
    config.write_text(json.dumps(values), encoding="utf-8")
    config.chmod(0o600)
    with Interface(config=config) as found:
        yield found


def selections(archive):
    yield from (archive.select(path) for path in PATHS)
    yield archive.select("//scans")
    yield archive.select("/projects/P/subjects").where("xnat:subjectData/GENDER = male")
    yield archive.select("/projects/P/subjects")[:2]
    yield archive.select("/project/P/subject/S").shares()
    yield archive.select("/project/P/subject/S").shares().subjects()
    yield archive.select("/project/P/subject/S/experiment/E/assessor/A").provenance
    yield archive.select.tag("x")
    yield archive.select("/projects/P/subjects").sharing(["P"])


def test_all_pickle_without_a_secret(archive, xnat_archive):
    assert archive.select(PATHS[0]).exists()
    session = archive._http._session.http.cookies["JSESSIONID"]
    for each in selections(archive):
        data = pickle.dumps(each)
        assert SECRET.encode() not in data, each
        assert session.encode() not in data
        assert type(pickle.loads(data)) is type(each)


def test_what_was_pickled_works(archive):
    for path in PATHS:
        assert pickle.loads(pickle.dumps(archive.select(path))).exists(), path
    assert pickle.loads(pickle.dumps(archive.select("//scans"))).get() == ["1"]
    file = pickle.loads(pickle.dumps(archive.select(PATHS[-1])))
    assert open(file.get(), "rb").read() == b"image"


def test_a_bare_password_is_not_in_a_pickle(client, filled):
    data = pickle.dumps(client.select(PATHS[1]))
    with pytest.raises(NotLoggedIn, match="log in again"):
        pickle.loads(data).exists()


def test_thirty_threads(archive, xnat_archive):
    def work(number):
        subject = archive.select.project("P").subject(f"T{number}").create(gender="female")
        subject.resource("R").file("a.txt").put(str(number).encode())
        text = open(subject.resource("R").file("a.txt").get()).read()
        return text, len(archive.select("/projects/P/experiments/*/scans")), subject.label()

    with ThreadPoolExecutor(30) as pool:
        found = list(pool.map(work, range(30)))
    assert found == [(str(number), 1, f"T{number}") for number in range(30)]
    # two of the test's own: the hand that fills, and this connection
    assert xnat_archive.archive.open_sessions == 2


def test_threads_on_one_selection(archive):
    selection = archive.select("//scans")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: (len(selection), selection.get()), range(16)))
    assert found == [(1, ["1"])] * 16


def test_one_connection_is_enough(xnat_archive, filled, tmp_path):
    """A loop over a listing may ask for more, however few connections there are."""
    with Interface(xnat_archive.url, "admin", "admin", connections=1) as archive:
        for project in archive.select.projects():
            assert [subject.attrs.get("label") for subject in project.subjects()] == ["S"]
        assert archive.select("//scans").get() == ["1"]


SCRIPT = """
import multiprocessing, os, sys
from nipype_xnat import Interface

def child(archive, name):
    archive.select.project("P").subject(name).create()
    found = sorted(archive.select("/projects/P/subjects").get("label"))
    archive.disconnect()
    return os.getpid(), found

if __name__ == "__main__":
    archive = Interface(config=sys.argv[2], metadata_age=0)  # others change what it asks for
    assert archive.select("/projects/P/subjects").get("label") == ["S"]
    with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
        answers = [pool.apply_async(child, (archive, name)) for name in ("C1", "C2")]
        found = [answer.get(timeout=60) for answer in answers]
        pool.close()
        pool.join()
    assert os.getpid() not in {pid for pid, _ in found}
    assert sorted(archive.select("/projects/P/subjects").get("label")) == ["C1", "C2", "S"]
    archive.disconnect()
"""


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_two_processes(archive, xnat_archive, tmp_path, method):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, str(script), method, str(tmp_path / "jane.json")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    # the hand that fills is left; the script and its children have logged out
    assert xnat_archive.archive.open_sessions == 1
