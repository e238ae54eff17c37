"""A killed archive opens again: what was acknowledged is there, what was not is whole or absent.

``NIPYPE_XNAT_ROUNDS`` says how often it is killed; ``NIPYPE_XNAT_SEED`` repeats what was sent.
"""

import hashlib
import io
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import requests
from sqlalchemy import event

from nipype_xnat.archive import Archive
from support.waiting import wait_for

from .conftest import fill

SERVE = (
    "import sys; from nipype_xnat.cli.main import main; "
    "sys.exit(main(['serve', '--root', sys.argv[1]]))"
)
ROUNDS = int(os.environ.get("NIPYPE_XNAT_ROUNDS", "5"))
SEED = os.environ.get("NIPYPE_XNAT_SEED") or random.randrange(10**6)
WORKERS = 4


class Server:
    """An archive served by a process of its own."""

    def __init__(self, root):
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(root)], stdout=subprocess.PIPE, text=True
        )
        self.url = self.process.stdout.readline().split(" ready at ")[1].split("/ ")[0]

    def kill(self):
        self.process.kill()
        self.process.communicate()


class Worker(threading.Thread):
    """A client that writes until the server is gone, and remembers what it was told.

    ``files`` holds the content of each path as acknowledged (None: deleted), ``pending`` what
    the request that got no answer would have changed, ``sessions`` the labels acknowledged.
    """

    def __init__(self, number, seed):
        super().__init__()
        self.number = number
        self.seed = seed
        self.files, self.sessions = {}, set()
        self.pending = {}
        self.url = ""
        self.answers = 0
        self.chance = random.Random(seed)

    @property
    def resource(self):
        return f"/data/projects/P/resources/R{self.number}"

    def again(self, url, files, sessions):
        """Give a worker that goes on where this one was cut off."""
        other = Worker(self.number, f"{self.seed}+")
        other.url, other.files, other.sessions = url, files, sessions
        return other

    def run(self):
        with requests.Session() as http:
            try:
                http.post(self.url + "/data/JSESSION", auth=("admin", "admin"))
                while True:
                    self.step(http)
            except requests.RequestException:
                return

    def step(self, http):
        choice = self.chance.choice(("new", "new", "overwrite", "delete", "extract", "session"))
        known = [path for path, content in self.files.items() if content is not None]
        data = self.chance.randbytes(self.chance.choice((10, 3_000, 400_000)))
        fresh = f"{time.monotonic_ns()}"
        files = f"{self.url}{self.resource}/files"
        if choice == "session":
            label = f"W{self.number}_{fresh}"
            place = f"{self.url}/data/projects/P/subjects/S{self.number}/experiments/{label}"
            answer = http.put(place, params={"xsiType": "xnat:mrSessionData"})
            assert answer.status_code == 201, answer.text
            self.sessions.add(label)
        elif choice == "new" or not known:
            self.pending = {f"{fresh}.bin": data}
            answer = http.put(f"{files}/{fresh}.bin?inbody=true", data=data)
        elif choice == "overwrite":
            path = self.chance.choice(known)
            self.pending = {path: data}
            answer = http.put(f"{files}/{path}?inbody=true&overwrite=true", data=data)
        elif choice == "delete":
            path = self.chance.choice(known)
            self.pending = {path: None}
            answer = http.delete(f"{files}/{path}")
        else:
            members = {f"{fresh}/{n}.bin": data[n:] for n in range(5)}
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as target:
                for name, content in members.items():
                    target.writestr(name, content)
            self.pending = members
            address = f"{files}/{fresh}.zip?inbody=true&extract=true"
            answer = http.put(address, data=packed.getvalue())
        assert answer.status_code < 300, answer.text
        self.answers += 1
        self.files.update(self.pending)
        self.pending = {}


def look(root):
    """Open an archive and read its files, each compared with its row, and its sessions."""
    with Archive(root) as archive, archive.running() as url, requests.Session() as http:
        http.post(url + "/data/JSESSION", auth=("admin", "admin"))
        rows = http.get(url + "/data/projects/P/files").json()["ResultSet"]["Result"]
        found = {}
        for row in rows:
            content = http.get(url + row["URI"]).content
            assert len(content) == int(row["Size"])
            assert hashlib.md5(content).hexdigest() == row["digest"]
            found[row["collection"], row["URI"].split("/files/")[1]] = content
        listed = http.get(url + "/data/projects/P/experiments").json()["ResultSet"]["Result"]
        counted = http.get(url + "/data/projects/P/resources").json()["ResultSet"]["Result"]
        for row in counted:
            held = sum(collection == row["label"] for collection, _ in found)
            assert int(row["file_count"] or 0) == held
    return found, {row["label"] for row in listed}


def test_a_kill_at_any_moment_loses_nothing_and_shows_nothing_half(tmp_path):
    root = tmp_path / "archive"
    with Archive(root) as archive, archive.running() as url:
        with requests.Session() as http:
            http.auth = ("admin", "admin")
            fill(http, url)
    print("the seed:", SEED)
    chance = random.Random(SEED)
    workers = [Worker(number, f"{SEED} {number}") for number in range(WORKERS)]
    for _ in range(ROUNDS):
        server = Server(root)
        workers = [w.again(server.url, dict(w.files), set(w.sessions)) for w in workers]
        for worker in workers:
            worker.start()
        wanted = chance.randrange(1, 60)
        wait_for(lambda: sum(worker.answers for worker in workers) >= wanted)  # noqa: B023
        time.sleep(chance.uniform(0, 0.02))
        server.kill()
        for worker in workers:
            worker.join()
        found, labels = look(root)
        for worker in workers:
            mine = {
                path: content
                for (collection, path), content in found.items()
                if collection == f"R{worker.number}"
            }
            before = {path: c for path, c in worker.files.items() if c is not None}
            after = {path: c for path, c in {**before, **worker.pending}.items() if c is not None}
            assert mine in (before, after)
            assert worker.sessions <= labels
            worker.files = mine
        # what no row speaks of is gone
        assert len(found) == sum(path.is_file() for path in (root / "files").rglob("*"))
        assert not list((root / "incoming").iterdir())


def test_a_content_is_on_disk_before_a_row_speaks_of_it(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, Path.replace

    def noted_fsync(handle):
        place = Path(f"/proc/self/fd/{handle}").readlink()
        order.append(("sync", place.relative_to(tmp_path).parts[0], place.is_dir()))
        return fsync(handle)

    def noted_replace(self, target):
        order.append(("rename", Path(target).relative_to(tmp_path).parts[0], False))
        return replace(self, target)

    with Archive(tmp_path) as archive, archive.running() as url, requests.Session() as http:
        http.auth = ("admin", "admin")
        fill(http, url)
        http.put(url + "/data/projects/P/resources/R").raise_for_status()
        monkeypatch.setattr(os, "fsync", noted_fsync)
        monkeypatch.setattr(Path, "replace", noted_replace)
        with archive.database.change() as connection:
            event.listen(connection.engine, "commit", lambda _: order.append("commit"))
        order.clear()
        path = url + "/data/projects/P/resources/R/files/a.txt?inbody=true"
        http.put(path, data=b"a").raise_for_status()
        # what was forced to disk: the folder's own name, the bytes, their name in the folder
        steps = [step for step in order if step != "commit"]
        assert steps[0] == ("sync", "files", True)
        assert steps[1] == ("rename", "files", False)
        assert steps[2:] == [("sync", "files", False), ("sync", "files", True)]
        # readers commit too; the last commit is the one of the row
        assert order[-1] == "commit"
    with sqlite3.connect(tmp_path / "archive.sqlite") as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_second_process_on_the_folder_is_told_so(tmp_path):
    server = Server(tmp_path)
    try:
        second = subprocess.run(
            [sys.executable, "-c", SERVE, str(tmp_path)], capture_output=True, text=True, timeout=60
        )
    finally:
        server.kill()
    assert second.returncode == 1
    assert second.stdout == ""
    assert "is in use by another archive process" in second.stderr
