"""Large files go in and out of a process that stays small."""

import gc
import hashlib
import itertools
import os
import subprocess
import sys
import weakref
import zipfile

import pytest
import requests

from nipype_xnat.archive import Archive, Site

from .conftest import fill

SIZE = 120 << 20
BLOCK = os.urandom(1 << 20)
#: what buffers, threads and imports may take, far below what is sent
ALLOWED = 32 << 10
SERVE = (
    "import sys; from nipype_xnat.cli.main import main; "
    "sys.exit(main(['serve', '--root', sys.argv[1]]))"
)


class Body:
    """A body of a known length, made as it is sent."""

    def __init__(self, before=b"", after=b""):
        self._length = len(before) + SIZE + len(after)
        self._pieces = itertools.chain(
            [before] if before else [], itertools.repeat(BLOCK, SIZE // len(BLOCK)), [after]
        )

    def __len__(self):
        return self._length

    def read(self, _size=-1):
        return next(self._pieces, b"")


@pytest.fixture
def server(tmp_path):
    """The address of an archive in a process of its own, and a way to ask for its peak."""
    root = tmp_path / "archive"
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(root)], stdout=subprocess.PIPE, text=True
    )
    url = process.stdout.readline().split(" ready at ")[1].split("/ ")[0]

    def peak():
        with open(f"/proc/{process.pid}/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
        return int(line.split()[1])

    yield url, peak, root
    process.terminate()
    process.communicate()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peaks are read from /proc")
def test_the_peak_does_not_grow_with_what_goes_through(server, tmp_path):
    url, peak, root = server
    digest = hashlib.md5()
    for _ in range(SIZE // len(BLOCK)):
        digest.update(BLOCK)
    with requests.Session() as http:
        http.post(url + "/data/JSESSION", auth=("admin", "admin")).raise_for_status()
        fill(http, url)
        files = url + "/data/projects/P/resources/R/files"
        # every way once with little, so that what is loaded on first use is there
        http.put(files + "/small.bin?inbody=true", data=b"small").raise_for_status()
        http.post(files, files={"f": ("part.bin", b"small")}).raise_for_status()
        packed = tmp_path / "big.zip"
        with zipfile.ZipFile(packed, "w") as target:
            target.writestr("small.txt", b"small")
        with packed.open("rb") as body:
            http.put(files + "/s.zip?inbody=true&extract=true", data=body).raise_for_status()
        for form in ("zip", "tar", "tar.gz"):
            http.get(files, params={"format": form}).raise_for_status()
        before = peak()

        http.put(files + "/big.bin?inbody=true", data=Body()).raise_for_status()
        front = (
            b'--edge\r\nContent-Disposition: form-data; name="f"; filename="part2.bin"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n"
        )
        http.post(
            files,
            data=Body(front, b"\r\n--edge--\r\n"),
            headers={"Content-Type": "multipart/form-data; boundary=edge"},
        ).raise_for_status()
        with zipfile.ZipFile(packed, "w") as target, target.open("inner.bin", "w") as member:
            for _ in range(SIZE // len(BLOCK)):
                member.write(BLOCK)
        with packed.open("rb") as body:
            http.put(files + "/x.zip?inbody=true&extract=true", data=body).raise_for_status()
        taken = {"in": peak() - before}

        rows = {row["Name"]: row for row in http.get(files).json()["ResultSet"]["Result"]}
        for name in ("big.bin", "part2.bin", "inner.bin"):
            assert rows[name]["Size"] == str(SIZE)
            assert rows[name]["digest"] == digest.hexdigest()
        for path, form in (("/big.bin", None), ("", "zip"), ("", "tar")):
            received = 0
            with http.get(files + path, params={"format": form}, stream=True) as answer:
                for chunk in answer.iter_content(1 << 20):
                    received += len(chunk)
            assert received >= (3 * SIZE if form else SIZE)
        taken["out"] = peak() - before
    assert max(taken.values()) < ALLOWED, taken
    assert not list((root / "incoming").iterdir())


def test_a_zip_of_more_than_four_gibibytes_says_so_in_its_entries(tmp_path):
    """The entry of a member that may pass 4 GiB carries 64-bit sizes from its head on."""
    from nipype_xnat.archive.files import Stored
    from nipype_xnat.archive.storage.blobs import Blobs
    from nipype_xnat.server import bundle

    # the content may be sparse: only its length counts
    blobs = Blobs(tmp_path, durable=False)
    place = blobs.path("ab" * 16)
    place.parent.mkdir()
    with place.open("wb") as hole:
        hole.truncate((4 << 30) + 5)
    file = Stored(
        1,
        1,
        "hole.bin",
        place.name,
        (4 << 30) + 5,
        "",
        *[None] * 6,
        modified=1.7e9,
        catalogued=True,
    )
    sent = bundle.zipped([("hole.bin", file)], blobs, 0)
    head = next(sent)
    assert head[:4] == b"PK\x03\x04"
    version = int.from_bytes(head[4:6], "little")
    assert version >= 45  # the version that knows 64-bit sizes
    sent.close()


def test_an_archive_that_has_ended_is_let_go(tmp_path):
    with Archive(tmp_path, Site(durable=False)) as archive, archive.running() as url:
        assert requests.get(url + "/data/projects", auth=("admin", "admin")).status_code == 200
    ended = weakref.ref(archive)
    del archive
    gc.collect()
    assert ended() is None
