"""How often files are read that are sent, and what is noticed if they change meanwhile."""

import hashlib
import io
import os
import struct
import time
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import pytest

from nipype_xnat import errors
from nipype_xnat.records import Record
from nipype_xnat.transfer import Action, put
from nipype_xnat.transfer.digests import Source
from nipype_xnat.transfer.packing import body_of, parcels

QUICK = {"pause": 0.001}


def resource(label):
    return Record(experiment_id="E1", resource_label=label)


def digests(files):
    found = {}
    for name, data in files.items():
        content = data if isinstance(data, bytes) else data.read_bytes()
        found[name] = hashlib.md5(content).hexdigest()
    return found


def listed(server, label):
    return {name: digest for name, (_, digest) in server.catalog.get(label, {}).items()}


def sent(server):
    return [name for method, _, name, _, _ in server.asked if method == "PUT" and name]


def told(stored):
    return {item.record.path: item.digest for item in stored.files}


@pytest.fixture
def opened(monkeypatch):
    """A list of the files that are opened."""
    found = []
    really = Path.open

    def noting(path, *args, **values):
        found.append(path.name)
        return really(path, *args, **values)

    monkeypatch.setattr(Path, "open", noting)
    return found


@pytest.fixture
def packed(tmp_path, noise):
    """Three small files and a large one."""
    files = {f"{n}.nii.gz": tmp_path / f"{n}.nii.gz" for n in "abc"}
    for number, path in enumerate(files.values()):
        path.write_bytes(noise(1000, number))
    files["big.nii"] = tmp_path / "big.nii"
    files["big.nii"].write_bytes(noise(5_000_000))
    for path in files.values():
        os.utime(path, (1_600_000_000, 1_600_000_000.5))
    return files


# ---- how often a file is read


def test_what_is_new_is_read_once(transport, server, packed, opened):
    stored = put(transport, resource("fine"), packed, **QUICK)
    assert sorted(opened) == sorted(packed)
    assert told(stored) == listed(server, "fine") == digests(packed)


def test_what_has_another_size_there_is_read_once(transport, server, packed, opened):
    put(transport, resource("fine"), dict.fromkeys(packed, b"other"), **QUICK)
    stored = put(transport, resource("fine"), packed, **QUICK)
    assert sorted(opened) == sorted(packed)
    assert {item.action for item in stored.files} == {Action.REPLACE}
    assert told(stored) == listed(server, "fine") == digests(packed)


def test_what_is_there_is_read_once_and_not_sent(transport, server, packed, opened):
    put(transport, resource("fine"), packed, **QUICK)
    opened.clear()
    before = sent(server)
    again = put(transport, resource("fine"), packed, overwrite=False, **QUICK)
    assert sorted(opened) == sorted(packed) and sent(server) == before
    assert told(again) == digests(packed)


def test_what_has_the_same_size_there_is_compared_before_it_is_sent(transport, server, packed):
    other = {name: b"\0" * path.stat().st_size for name, path in packed.items()}
    put(transport, resource("fine"), other, **QUICK)
    before = sent(server)
    with pytest.raises(errors.Conflict, match=r"a\.nii\.gz"):
        put(transport, resource("fine"), packed, overwrite=False, **QUICK)
    assert sent(server) == before
    put(transport, resource("fine"), packed, **QUICK)
    assert listed(server, "fine") == digests(packed)


def test_a_large_file_is_never_in_memory(transport, server, tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as stream:
        stream.truncate(40_000_000)
    tracemalloc.start()
    try:
        stored = put(transport, resource("fine"), {"large": path}, **QUICK)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12_000_000
    assert told(stored) == listed(server, "fine") == digests({"large": path})


# ---- connections that break, and files that change


def test_connection_that_breaks_within_a_body(transport, server, packed):
    stored = put(transport, resource("breaks-once"), {"big.nii": packed["big.nii"]}, **QUICK)
    assert sent(server) == ["big.nii", "big.nii"]
    assert told(stored) == listed(server, "breaks-once") == digests({"big.nii": packed["big.nii"]})


def test_connection_that_breaks_within_a_zip(transport, server, noise, tmp_path):
    files = {f"{number}.bin": tmp_path / str(number) for number in range(20)}
    for number, path in enumerate(files.values()):
        path.write_bytes(noise(300_000, number))
    stored = put(transport, resource("breaks-once"), files, **QUICK)
    first, second = sent(server)
    assert first == second and first.endswith(".zip")
    assert told(stored) == listed(server, "breaks-once") == digests(files)


def test_file_that_changes_before_it_is_sent_again(transport, server, packed):
    """What goes out in the second attempt would be of another length than was told."""
    packed["big.nii"].write_bytes(b"x" * 30_000_000)
    server.breaking = lambda: packed["a.nii.gz"].replace(packed["big.nii"])
    big = {"big.nii": packed["big.nii"]}
    # the latter where the system's buffers took all of the first attempt
    with pytest.raises(errors.XNATError, match="changed while it was being sent|became shorter"):
        put(transport, resource("breaks-once"), big, **QUICK)
    assert listed(server, "breaks-once") == {}


def test_one_file_that_changes_does_not_keep_the_others(transport, server, packed):
    def change(progress):
        if progress.place.endswith("big.nii") and not progress.finished:
            packed["big.nii"].write_bytes(b"x" * 5_000_000)

    with pytest.raises(errors.UploadIncomplete, match="meanwhile: 'big.nii'") as caught:
        put(transport, resource("fine"), packed, progress=change, **QUICK)
    assert "1 of 4 files" in str(caught.value) and "written to while it was sent" in str(
        caught.value
    )
    small = {name: path for name, path in packed.items() if name != "big.nii"}
    assert listed(server, "fine").items() >= digests(small).items()
    # what is half of one file and half of another is not sent again and again
    assert sent(server).count("big.nii") == 1


def test_small_file_that_changes_is_named(transport, server, packed):
    def change(progress):
        if not progress.finished:
            packed["b.nii.gz"].write_bytes(b"another one")

    files = {name: path for name, path in packed.items() if name != "big.nii"}
    with pytest.raises(errors.UploadIncomplete, match="meanwhile: 'b.nii.gz'"):
        put(transport, resource("fine"), files, progress=change, **QUICK)


def test_change_that_does_not_show_in_the_time_of_a_file(transport, server, packed):
    """Two changes within a tick of the file system's clock look like one."""
    path, now = packed["big.nii"], time.time_ns() + 10**9
    os.utime(path, ns=(now, now))

    def change(progress):
        path.write_bytes(b"x" * 5_000_000)
        os.utime(path, ns=(now, now))

    with pytest.raises(errors.UploadIncomplete, match="meanwhile: 'big.nii'"):
        put(transport, resource("fine"), {"big.nii": path}, progress=change, **QUICK)


def test_file_that_grew_before_its_turn_is_sent_whole(transport, server, packed):
    def grow(progress):
        if progress.action == "send" and ".nii" not in progress.place and progress.done:
            packed["big.nii"].write_bytes(b"all of it" * 500_000)

    stored = put(transport, resource("fine"), packed, progress=grow, **QUICK)
    assert told(stored) == listed(server, "fine") == digests(packed)
    assert {item.record.path: item.size for item in stored.files}["big.nii"] == 4_500_000


def test_empty_file_that_gets_its_content_before_its_turn(transport, server, packed, tmp_path):
    path = tmp_path / "late.txt"
    path.touch()

    def fill(progress):
        if progress.action == "send" and progress.place.endswith("big.nii"):
            path.write_bytes(b"now")

    files = {"big.nii": packed["big.nii"], "late.txt": path}
    put(transport, resource("fine"), files, progress=fill, **QUICK)
    assert listed(server, "fine") == digests(files)


def test_file_that_becomes_shorter_is_an_error(transport, server, packed):
    def shorten(progress):
        with packed["big.nii"].open("r+b") as stream:
            stream.truncate(2_000_000)

    with pytest.raises(errors.XNATError, match="shorter"):
        put(transport, resource("fine"), {"big.nii": packed["big.nii"]}, progress=shorten, **QUICK)
    assert sent(server) == ["big.nii"]


# ---- the zip


def body(files):
    (parcel,) = parcels([Source(name, data) for name, data in files.items()])
    with body_of(parcel, lambda _: None) as made, made.open() as stream:
        data = stream.read()
        assert len(data) == made.length
        return data


def read_from_the_beginning(data):
    """Read a zip as Java's ZipInputStream does: what stands before a file must tell all of it."""
    at, found = 0, {}
    while data[at : at + 4] == b"PK\3\4":
        _, flags, method, _, _, checksum, size, length, name, extra = struct.unpack(
            "<5H3I2H", data[at + 4 : at + 30]
        )
        assert flags & 8 == 0
        at += 30 + name + extra
        content = data[at : at + size]
        if method:
            assert method == 8
            content = zlib.decompress(content, -15)
        assert zlib.crc32(content) == checksum and len(content) == length
        found[data[at - name - extra : at - extra].decode()] = content
        at += size
    assert data[at : at + 4] == b"PK\1\2"
    return found


def test_zip_that_is_made_while_it_is_sent(noise):
    files = {
        "a.bin": noise(70_000),
        "dir/größe #1.bin": noise(30_000, 2),
        "empty": b"",
        "b+c.bin": noise((4 << 20) + 1, 3),
    }
    data = body(files)
    assert read_from_the_beginning(data) == files
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        assert bundle.testzip() is None
        assert {info.filename: bundle.read(info) for info in bundle.infolist()} == files
        modes = {info.external_attr >> 16 for info in bundle.infolist()}
    assert modes == {0o100644}


def test_only_what_becomes_smaller_is_deflated(noise):
    text = {f"{n}.csv": b"1.0,2.0,3.0\n" * 1000 for n in range(5)}
    images = {f"{n}.dcm": noise(12_000, n) for n in range(5)}
    assert len(body(text)) < 12_000 and read_from_the_beginning(body(text)) == text
    assert len(body(images)) > 60_000 and read_from_the_beginning(body(images)) == images
    # much that is packed, and little that would become smaller
    few = {"0.csv": text["0.csv"], **{f"{n}.nii.gz": noise(20_000, n) for n in range(5)}}
    assert read_from_the_beginning(body(few)) == few


def test_zip_needs_room_only_where_it_is_large_and_deflated(noise, tmp_path, monkeypatch):
    large = {f"{n}.csv": b"0" * (4 << 20) for n in range(5)}
    assert read_from_the_beginning(body(large)) == large
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    assert len(body({f"{n}.dcm": noise(1_000, n) for n in range(3)})) > 3_000
    assert len(body({f"{n}.csv": b"0" * 1_000_000 for n in range(3)})) < 100_000
    with pytest.raises(errors.TransferError, match="room"):
        body(large)


def test_zip_that_is_longer_than_32_bits_tell(noise, monkeypatch):
    monkeypatch.setattr("nipype_xnat.transfer.packing.ROOM", 50_000)
    files = {f"{n}.dcm": noise(20_000, n) for n in range(3)}
    with zipfile.ZipFile(io.BytesIO(body(files))) as bundle:
        assert {info.filename: bundle.read(info) for info in bundle.infolist()} == files
