"""What is read while others replace or remove it, and documents that are too large."""

import io
import os
import threading
import zipfile

import pytest

FIRST = os.urandom(1 << 20) * 24
FILES = "/data/projects/P/resources/R/files"


@pytest.fixture
def held(start, log_in):
    """An archive with a large file and a small one, and two people."""
    archive, url = start()
    one, other = log_in(url), log_in(url)
    one.put(url + "/data/projects/P").raise_for_status()
    for name, content in (("a.bin", FIRST), ("b.txt", b"as it was")):
        one.put(f"{url}{FILES}/{name}?inbody=true", data=content).raise_for_status()
    return archive, url, one, other


def contents(archive):
    """Count the contents in the store."""
    return sum(path.is_file() for path in (archive.root / "files").rglob("*"))


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize("change", ["overwrite", "delete"])
def test_archive_that_began_is_sent_as_it_was(held, kind, change):
    archive, url, one, other = held
    with one.get(f"{url}{FILES}?format={kind}", stream=True) as answer:
        pieces = answer.iter_content(1 << 20)
        body = io.BytesIO()
        body.write(next(pieces))
        if change == "overwrite":
            path = f"{url}{FILES}/b.txt?inbody=true&overwrite=true"
            other.put(path, data=b"new").raise_for_status()
            assert other.get(f"{url}{FILES}/b.txt").content == b"new"
        else:
            other.delete(f"{url}/data/projects/P/resources/R").raise_for_status()
            assert other.get(f"{url}{FILES}/b.txt").status_code == 404
        for piece in pieces:
            body.write(piece)
    if kind == "zip":
        with zipfile.ZipFile(body) as found:
            assert found.testzip() is None
            assert {name.rpartition("/")[2] for name in found.namelist()} == {"a.bin", "b.txt"}
            assert found.read(found.namelist()[1]) == b"as it was"
    else:
        assert b"as it was" in body.getvalue()[-20480:]
    assert contents(archive) == (2 if change == "overwrite" else 0)


def test_answer_that_is_left_holds_nothing(held):
    archive, url, one, other = held
    with one.get(f"{url}{FILES}?format=zip", stream=True) as answer:
        answer.raw.read(1 << 10)
        other.put(f"{url}{FILES}/b.txt?inbody=true&overwrite=true", data=b"new")
        assert contents(archive) == 3
    # what the server notices first is that nobody takes what it sends
    for _ in range(500):
        if contents(archive) == 2:
            break
        other.get(f"{url}{FILES}/b.txt")
    assert contents(archive) == 2


def test_file_that_is_replaced_again_and_again_is_always_there(held):
    _, url, one, other = held
    known = {b"as it was"} | {str(number).encode() for number in range(60)}
    done = threading.Event()

    def replace():
        for number in range(60):
            path = f"{url}{FILES}/b.txt?inbody=true&overwrite=true"
            other.put(path, data=str(number).encode())
        done.set()

    thread = threading.Thread(target=replace)
    thread.start()
    while not done.is_set():
        answer = one.get(f"{url}{FILES}/b.txt")
        assert answer.status_code == 200
        assert answer.content in known
    thread.join()


@pytest.mark.parametrize("path", ["/data/projects/P/subjects/S", "/data/search"])
def test_document_that_is_too_large_is_refused(held, path):
    _, url, one, _ = held
    sent = b"<xnat:Subject>" + b" " * (64 << 20)
    method = "POST" if path.endswith("search") else "PUT"
    answer = one.request(method, url + path, files={"f": ("s.xml", sent, "text/xml")})
    assert answer.status_code == 413
    assert one.get(url + "/data/projects/P/subjects/S").status_code == 404
