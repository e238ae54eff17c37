"""Bytes are handed only to whom the archive named them, and modes say how far it is asked."""

import os
import shutil
from pathlib import Path

import pytest

from nipype_xnat import Interface, errors
from nipype_xnat.cache import Cache, Mode
from nipype_xnat.transfer import Action, fetch, put
from nipype_xnat.transport import Credentials, HttpTransport
from support.listening import Listening

FILE = "/projects/P/subjects/S/experiments/MR1/scans/1/resources/NIFTI/files/t1.nii"


def last_name(request):
    """The method of a request, and the last part of its address."""
    return f"{request.method} {request.address.path.rpartition('/')[2]}"


@pytest.fixture
def archive(xnat_archive, fill):
    """A private project, one account that may read it, and one that may not."""
    fill.put("/data/projects/P")
    fill.session("P", "S", "MR1", {"1": ("T1w", {"NIFTI": {"t1.nii": b"brain"}})})
    fill.put("/data/projects/P/accessibility/private")
    for name in ("jane", "joe", "eve"):
        xnat_archive.archive.add_user(name, "secret")
    for name in ("jane", "joe"):
        fill.put(f"/data/projects/P/users/Members/{name}")
    return xnat_archive


@pytest.fixture
def connect(archive, tmp_path):
    opened = []

    def connect(name, **options):
        options.setdefault("cache", tmp_path / "shared")
        opened.append(Interface(archive.url, name, "secret", **options))
        return opened[-1]

    yield connect
    for one in opened:
        one.disconnect()


@pytest.fixture
def transport(archive):
    opened = []

    def make(name):
        connection = HttpTransport(archive.url, Credentials(name, "secret"))
        opened.append(Listening(connection, last_name))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def record(connect):
    return next(iter(connect("jane").select(FILE.replace("t1.nii", "*")))).record


def test_who_may_not_read_it_gets_nothing_out_of_a_shared_cache(connect):
    got = Path(connect("jane").select(FILE).get())
    assert got.read_bytes() == b"brain"
    for mode in ("online", "revalidate", "prefer-cached"):
        with pytest.raises(errors.NotFound):
            connect("eve", cache_mode=mode).select(FILE).get()


def test_record_of_another_account_is_no_key(connect, record, transport, tmp_path):
    """A record holds the digest, and the bytes are there: that is not enough."""
    cache = Cache(tmp_path / "shared")
    fetch(transport("jane"), [record], cache)
    assert cache.find(record.digest) is not None
    for mode in Mode:
        with pytest.raises((errors.NotFound, errors.NotAllowed)):
            fetch(transport("eve"), [record], cache, mode=mode)
    with pytest.raises((errors.NotFound, errors.NotAllowed)):
        fetch(transport("eve"), [record], cache, mode=Mode.OFFLINE)


def test_nobody_is_let_in_because_somebody_else_was(connect, record, transport, tmp_path):
    cache = Cache(tmp_path / "shared")
    fetch(transport("jane"), [record], cache)
    joe = transport("joe")
    (item,) = fetch(joe, [record], cache)
    assert item.action is Action.USE and item.from_cache
    assert joe.asked == ["GET files"], "listed once, and nothing downloaded"
    (item,) = fetch(joe, [record], cache)
    assert joe.asked == ["GET files"], "and remembered"


def test_own_record_costs_no_request(connect, record, transport, tmp_path):
    cache = Cache(tmp_path / "shared")
    jane = transport("jane")
    fetch(jane, [record], cache)
    asked = list(jane.asked)
    fetch(jane, [record], cache)
    # another process of the same account
    again = transport("jane")
    fetch(again, [record], cache)
    assert jane.asked == asked and again.asked == []


def test_offline_only_who_was_named_it(connect, record, tmp_path):
    connect("jane").select(FILE).get()
    offline = {"cache_mode": "offline"}
    jane, eve = (connect(name, **offline) for name in ("jane", "eve"))
    (item,) = fetch(jane.transport, [record], jane.cache)
    assert item.path.read_bytes() == b"brain"
    with pytest.raises(errors.NotInCache, match="no listing of this account"):
        fetch(eve.transport, [record], eve.cache)
    with pytest.raises(errors.NotInCache, match="offline"):
        eve.select(FILE).get()


def test_node_with_a_foreign_record(connect, archive, tmp_path, monkeypatch):
    """As one who is handed somebody else's cohort as a file."""
    from nipype_xnat import XNATSource

    cohort = connect("jane").cohort(
        {"t1": "/projects/P/experiments/*/scans/1/resources/NIFTI/files/*"}
    )
    (one,) = cohort.records
    connect("jane").select(FILE).get()
    eve = tmp_path / "eve.json"
    Interface(archive.url, "eve", "secret").save_config(eve)
    source = XNATSource(record=one, config=str(eve), cache_dir=str(tmp_path / "shared"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises((errors.NotFound, errors.NotAllowed)):
        source.run()


def test_offline_names_all_that_is_missing(connect, record, transport, tmp_path):
    other = record.with_values(path="t2.nii", digest="0" * 32)
    third = record.with_values(path="t3.nii", digest="1" * 32)
    cache = Cache(tmp_path / "own", mode=Mode.OFFLINE)
    with pytest.raises(errors.NotInCache) as caught:
        fetch(connect("jane", cache_mode="offline").transport, [other, third], cache)
    assert "t2.nii" in str(caught.value) and "t3.nii" in str(caught.value)
    assert not cache.root.exists(), "nothing is written"


def test_revalidate_lists_what_was_listed_before(connect, record, transport, fill, tmp_path):
    cache = Cache(tmp_path / "shared", mode=Mode.REVALIDATE)
    jane = transport("jane")
    fetch(jane, [record], cache)
    jane.asked.clear()
    (item,) = fetch(jane, [record], cache)
    assert jane.asked == ["GET files"] and item.action is Action.USE
    path = record.file.path
    fill.call("PUT", path + "?overwrite=true&inbody=true", data=b"BRAIN")
    with pytest.raises(errors.DigestMismatch):
        fetch(jane, [record], cache)
    # in the ordinary mode a record stands for what it was made of
    assert fetch(jane, [record], cache, mode=Mode.ONLINE)[0].path.read_bytes() == b"brain"


@pytest.fixture
def blind(archive, transport, tmp_path, record):
    """A record without a digest, as of an archive that keeps none."""
    return record.with_values(digest="")


def test_without_a_digest_modes_decide_whether_the_archive_is_asked(blind, transport, tmp_path):
    cache = Cache(tmp_path / "shared")
    jane = transport("jane")
    fetch(jane, [blind], cache)
    jane.asked.clear()
    for mode in (Mode.PREFER_CACHED, Mode.OFFLINE):
        (item,) = fetch(jane, [blind], cache, mode=mode)
        assert item.action is Action.USE and item.from_cache and item.age >= 0
        assert item.path.read_bytes() == b"brain"
    assert jane.asked == []
    for mode in (Mode.ONLINE, Mode.REVALIDATE):
        fetch(jane, [blind], cache, mode=mode)
    assert jane.asked == ["GET t1.nii"] * 2
    with pytest.raises(errors.NotInCache):
        fetch(transport("eve"), [blind], cache, mode=Mode.OFFLINE)
    with pytest.raises((errors.NotFound, errors.NotAllowed)):
        fetch(transport("eve"), [blind], cache, mode=Mode.PREFER_CACHED)


@pytest.mark.parametrize("hours", [-100_000, -5, 5, 100_000])
def test_clock_that_is_wrong(record, blind, transport, tmp_path, hours):
    """Another machine wrote what is here, with a clock of its own."""
    cache = Cache(tmp_path / "shared")
    jane = transport("jane")
    fetch(jane, [record, blind.with_values(size=None)], cache)
    for path in [*cache.root.rglob("*.json"), *(cache.root / "views").glob("*")]:
        when = path.stat().st_mtime + hours * 3600
        os.utime(path, (when, when))
    (item,) = fetch(jane, [record], cache)
    assert item.action is Action.USE
    (item,) = fetch(jane, [blind.with_values(size=None)], cache, mode=Mode.OFFLINE)
    assert item.age >= 0 and item.path.read_bytes() == b"brain"


def test_cache_without_room_for_notes_serves_whom_it_may(record, transport, tmp_path):
    """Notes cannot be written: it is listed each time, and works."""
    cache = Cache(tmp_path / "shared")
    fetch(transport("jane"), [record], cache)
    broken = Cache(tmp_path / "shared")
    shutil.rmtree(broken.root / "named")
    (broken.root / "named").write_text("in the way")
    joe = transport("joe")
    for _ in range(2):
        (item,) = fetch(joe, [record], broken)
        assert item.path.read_bytes() == b"brain"
    assert joe.asked == ["GET files"] * 2


def test_upload_is_not_known_to_others(connect, transport, record, tmp_path):
    stored = put(transport("jane"), record.with_values(path="", digest="", size=None), {"n": b"1"})
    cache = Cache(tmp_path / "shared")
    assert fetch(transport("jane"), stored.records, cache)[0].path.read_bytes() == b"1"
    with pytest.raises((errors.NotFound, errors.NotAllowed)):
        fetch(transport("eve"), stored.records, cache)
