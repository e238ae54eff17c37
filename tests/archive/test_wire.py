"""What comes in pieces is read as a whole, and what is large arrives as it is stored."""

import hashlib
import os
import socket
import threading
from urllib.parse import urlsplit

import pytest
import requests

from nipype_xnat.server.wire import Incoming

LARGE = os.urandom(1 << 20) * 7 + b"end"
FILES = "/data/projects/P/resources/R/files"


@pytest.fixture
def served(start, log_in):
    """An archive with a large file, and the address of its resource."""
    archive, url = start()
    http = log_in(url)
    http.put(url + "/data/projects/P").raise_for_status()
    http.put(f"{url}{FILES}/large.bin?inbody=true", data=LARGE).raise_for_status()
    return archive, url, http


def connected(url):
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=60)


@pytest.mark.parametrize("sizes", [[1], [2, 3], [7], [1000]])
def test_lines_and_lengths_are_read_whatever_pieces_they_come_in(sizes):
    text = b"first line\r\n\nsecond, which is longer\r\n" + bytes(range(256)) * 3 + b"rest"
    ours, theirs = socket.socketpair()

    def send():
        at, number = 0, 0
        while at < len(text):
            size = sizes[number % len(sizes)]
            theirs.sendall(text[at : at + size])
            at, number = at + size, number + 1
        theirs.shutdown(socket.SHUT_WR)

    with ours, theirs:
        thread = threading.Thread(target=send)
        thread.start()
        incoming = Incoming(ours)
        assert incoming.readline(256) == b"first line\r\n"
        assert incoming.readline() == b"\n"
        assert incoming.readline(7) == b"second,"
        assert incoming.readline(256) == b" which is longer\r\n"
        assert incoming.read(768) == bytes(range(256)) * 3
        assert incoming.read(0) == b""
        assert incoming.readline() == b"rest"
        assert incoming.readline() == b"" == incoming.read(10)
        thread.join()


def test_a_file_and_its_parts_arrive_as_they_are_stored(served):
    _, url, http = served
    address = f"{url}{FILES}/large.bin"
    assert hashlib.md5(http.get(address).content).digest() == hashlib.md5(LARGE).digest()
    for first, last in ((0, 0), (5, 300_000), (1_000_000, 5_000_000), (len(LARGE) - 3, len(LARGE))):
        answer = http.get(address, headers={"Range": f"bytes={first}-{last}"})
        assert answer.status_code == 206
        assert answer.content == LARGE[first : last + 1]
    head = http.head(address)
    assert head.headers["Content-Length"] == str(len(LARGE)) and head.content == b""


def test_requests_that_come_at_once_are_answered_in_turn(served):
    _, url, http = served
    front = f"Host: x\r\nCookie: JSESSIONID={http.cookies['JSESSIONID']}\r\n"
    asked = [
        f"GET {FILES}/large.bin HTTP/1.1\r\n{front}Range: bytes={n}-{n}\r\n\r\n" for n in (3, 4)
    ]
    last = f"GET /data/version HTTP/1.1\r\n{front}Connection: close\r\n\r\n"
    with connected(url) as raw:
        raw.sendall("".join([*asked, last]).encode())
        came = b"".join(iter(lambda: raw.recv(1 << 16), b""))
    heads = came.split(b"HTTP/1.1 ")[1:]
    assert [head[:3] for head in heads[:2]] == [b"206", b"206"] and len(heads) == 3
    assert [head[-1:] for head in heads[:2]] == [LARGE[3:4], LARGE[4:5]]


def test_what_streams_arrives_before_it_has_ended(start):
    go_on = threading.Event()

    def slow(application):
        def answer(environ, begin):
            if environ["PATH_INFO"] != "/slow":
                return application(environ, begin)
            begin("200 OK", [("Content-Type", "text/plain")])

            def pieces():
                yield b"early"
                assert go_on.wait(60)
                yield b"late"

            return pieces()

        return answer

    _, url = start(middleware=[slow])
    with requests.get(url + "/slow", stream=True, timeout=60) as answer:
        pieces = answer.iter_content(5)
        assert next(pieces) == b"early"
        go_on.set()
        assert b"".join(pieces) == b"late"


def test_a_file_that_was_cut_on_the_disk_ends_the_connection(served):
    archive, url, http = served
    (stored,) = [path for path in (archive.root / "files").rglob("*") if path.is_file()]
    os.truncate(stored, 1 << 20)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        _ = http.get(f"{url}{FILES}/large.bin").content
    assert http.get(url + "/data/projects").status_code == 200
