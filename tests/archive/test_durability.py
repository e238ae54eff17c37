"""Restarts, kills, races, large files, hostile names."""

import concurrent.futures
import hashlib
import io
import os
import signal
import subprocess
import sys
import threading
import zipfile

import pytest
import requests

from nipype_xnat.archive import Archive, Site
from nipype_xnat.archive.errors import Refused
from support.waiting import wait_for

from .conftest import fill

SERVE = (
    "import argparse, sys; from nipype_xnat.cli import serve; "
    "parser = argparse.ArgumentParser(); serve.configure(parser); "
    "sys.exit(serve.run(parser.parse_args()))"
)


def serve(root, *more):
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, "--root", str(root), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    line = process.stdout.readline()
    return process, line


def url_of(line):
    front, _, rest = line.partition("XNAT archive ready at ")
    assert front == ""
    url, _, account = rest.partition(" ")
    assert account == "user admin password admin\n"
    return url.rstrip("/")


def test_everything_is_kept_across_a_restart(tmp_path):
    root = tmp_path / "kept"
    process, line = serve(root)
    url = url_of(line)
    http = requests.Session()
    http.auth = ("admin", "admin")
    fill(http, url)
    http.put(url + "/data/projects/P/resources/R/files/a.txt?inbody=true", data=b"kept")
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 0
    assert process.stderr.read() == ""
    process, line = serve(root)
    url = url_of(line)
    again = requests.get(url + "/data/projects/P/resources/R/files/a.txt", auth=("admin", "admin"))
    assert again.content == b"kept"
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=120) == 0


def test_another_address_than_loopback_is_refused_with_the_default_password(tmp_path):
    process, line = serve(tmp_path / "open", "--host", "0.0.0.0")
    assert process.wait(timeout=120) == 1
    assert line == ""
    assert "password" in process.stderr.read()


def test_one_folder_has_one_archive(tmp_path):
    with Archive(tmp_path, Site(durable=False)), pytest.raises(Refused):
        Archive(tmp_path)


def test_of_two_uploads_into_one_resource_at_once_the_later_fails(start, log_in):
    archive, url = start()
    http, other = log_in(url), log_in(url)
    fill(http, url)
    files = url + "/data/projects/P/resources/R/files"
    http.put(files + "/first.txt?inbody=true", data=b"1")
    go = threading.Event()

    class Slow:
        """A body whose second half waits until it is told to go on."""

        def __len__(self):
            return 2

        def __init__(self):
            self.sent = 0

        def read(self, _size=-1):
            self.sent += 1
            if self.sent == 1:
                return b"s"
            if self.sent == 2:
                go.wait(120)
                return b"l"
            return b""

    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(other.put, files + "/slow.txt?inbody=true", data=Slow())
        try:
            # what comes is kept there until all of it has come
            wait_for(lambda: any((archive.root / "incoming").iterdir()))
            assert http.put(files + "/quick.txt?inbody=true", data=b"2").status_code == 200
        finally:
            go.set()
        assert slow.result().status_code == 500
    names = [row["Name"] for row in http.get(files).json()["ResultSet"]["Result"]]
    assert names == ["first.txt", "quick.txt"]
    # the file is on disk, but the catalog does not know it
    again = other.put(files + "/slow.txt?inbody=true", data=b"sl")
    assert again.json() == {"duplicates": ["slow.txt"]}
    assert http.get(files + "/slow.txt").status_code == 404
    refresh = "/data/services/refresh/catalog?resource=/archive/projects/P/resources/R"
    assert http.post(url + refresh + "&options=append,checksum").status_code == 200
    assert http.get(files + "/slow.txt").content == b"sl"


def test_uploads_into_different_resources_do_not_disturb_each_other(start, log_in):
    _, url = start()
    fill(log_in(url), url)
    clients = [log_in(url) for _ in range(8)]

    def send(number):
        files = f"{url}/data/projects/P/resources/R{number}/files"
        return [
            clients[number].put(f"{files}/{n}?inbody=true", data=b"x").status_code for n in range(5)
        ]

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert all(status == 200 for found in pool.map(send, range(8)) for status in found)
    listed = clients[0].get(url + "/data/projects/P/files").json()["ResultSet"]["Result"]
    assert len(listed) == 40


@pytest.mark.parametrize(
    "name",
    [
        "CON",
        "a:b",
        "x" * 250,
        "sp ace",
        "\u00fcml\u00e4ut.nii",
        "Case",
        "case",
        "quote'\"",
        "-rf",
        "a,b",
        "trailing.",
    ],
)
def test_any_file_name_comes_back_as_it_went_in(start, log_in, name):
    _, url = start()
    http = log_in(url)
    fill(http, url)
    files = url + "/data/projects/P/resources/R/files"
    sent = http.post(files, files={"f": (name, b"content of " + name.encode())})
    assert sent.status_code == 200
    row = http.get(files).json()["ResultSet"]["Result"][0]
    assert row["Name"] == name
    back = http.get(files + "/" + requests.utils.quote(name))
    assert back.content == b"content of " + name.encode()


def test_nothing_outside_the_folder_can_be_written(start, log_in, tmp_path):
    import io
    import tarfile
    import zipfile

    _, url = start(folder="inner/archive")
    http = log_in(url)
    fill(http, url)
    files = url + "/data/projects/P/resources/R/files"
    evil = io.BytesIO()
    with zipfile.ZipFile(evil, "w") as archive:
        archive.writestr("../../evil.txt", b"evil")
    assert (
        http.put(files + "/x.zip?extract=true&inbody=true", data=evil.getvalue()).status_code == 400
    )
    linked = io.BytesIO()
    with tarfile.open(fileobj=linked, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    http.put(files + "/x.tar?extract=true&inbody=true", data=linked.getvalue())
    assert http.get(files).json()["ResultSet"]["Result"] == []
    assert not list(tmp_path.rglob("evil.txt"))


def test_sixty_four_clients_at_once(start, log_in):
    _, url = start()
    fill(log_in(url), url)
    clients = [log_in(url) for _ in range(64)]
    with concurrent.futures.ThreadPoolExecutor(64) as pool:
        answers = list(pool.map(lambda c: c.get(url + "/data/projects").status_code, clients))
    assert answers == [200] * 64


def test_a_reset_forgets_everything_but_keeps_serving(start, log_in):
    archive, url = start()
    http = log_in(url)
    fill(http, url)
    archive.reset()
    assert log_in(url).get(url + "/data/projects").json()["ResultSet"]["totalRecords"] == "0"


def test_an_upload_that_ends_early_is_refused_and_leaves_nothing(xnat_archive, fill):
    import socket

    fill.put("/data/projects/P")
    fill.put("/data/projects/P/resources/R")
    host, _, port = xnat_archive.url.removeprefix("http://").partition(":")
    cookie = "; ".join(f"{c.name}={c.value}" for c in fill.http.cookies)
    with socket.create_connection((host, int(port)), timeout=120) as line:
        line.sendall(
            b"PUT /data/projects/P/resources/R/files/a.bin?inbody=true HTTP/1.1\r\n"
            b"Host: x\r\nContent-Type: application/octet-stream\r\nConnection: close\r\n"
            b"Content-Length: 1000000\r\nCookie: " + cookie.encode() + b"\r\n\r\nabc"
        )
        line.shutdown(socket.SHUT_WR)
        answer = line.recv(200)
    assert b" 200 " not in answer.split(b"\r\n")[0]
    rows = fill.call("GET", "/data/projects/P/resources/R/files?format=json").json()
    assert rows["ResultSet"]["Result"] == []


def test_the_contents_of_an_archive_file_are_forced_to_disk_before_it_is_answered(
    tmp_path, log_in, monkeypatch
):
    forced = set()
    fsync = os.fsync

    def forcing(handle):
        fsync(handle)
        forced.add(os.fstat(handle).st_ino)

    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as bundle:
        for number in range(30):
            bundle.writestr(f"{number}.txt", f"content {number}")
        bundle.writestr("large.bin", bytes(3 << 20))
    with Archive(tmp_path / "durable") as archive, archive.running() as url:
        http = log_in(url)
        http.put(url + "/data/projects/P").raise_for_status()
        monkeypatch.setattr(os, "fsync", forcing)
        files = f"{url}/data/projects/P/resources/R/files"
        http.put(f"{files}/all.zip?extract=true&inbody=true", data=body.getvalue())
        contents = [path for path in (archive.root / "files").rglob("*") if path.is_file()]
        assert len(contents) == 31
        assert forced >= {path.stat().st_ino for path in contents}
        assert forced >= {path.parent.stat().st_ino for path in contents}
        assert not list((archive.root / "incoming").iterdir())
        digests = {
            row["Name"]: row["digest"] for row in http.get(files).json()["ResultSet"]["Result"]
        }
        assert digests["large.bin"] == hashlib.md5(bytes(3 << 20)).hexdigest()
        assert digests["7.txt"] == hashlib.md5(b"content 7").hexdigest()
