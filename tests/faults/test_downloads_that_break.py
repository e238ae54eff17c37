"""Each way in which a download can go wrong: right bytes in the cache, or a clear error."""

import os
import time
from dataclasses import replace

import pytest

from nipype_xnat import errors
from nipype_xnat.records import Record
from nipype_xnat.transfer import Action, fetch, save
from nipype_xnat.transport import HttpTransport

QUICK = {"pause": 0.001, "tries": 3}
SIZE = 300_000


def get(transport, cache, *records, **options):
    return fetch(transport, records, cache, **{**QUICK, **options})


def leftovers(cache):
    return sorted((cache.root / "partial").iterdir())


def objects(cache):
    return sorted(path for path in (cache.root / "objects").glob("*/*"))


def test_whole_file(transport, cache, wanted, noise, server):
    record = wanted("plain", noise(SIZE))
    (item,) = get(transport, cache, record)
    assert item.path.read_bytes() == noise(SIZE)
    assert (item.action, item.bytes) == (Action.DOWNLOAD, SIZE)
    (again,) = get(transport, cache, record)
    assert (again.action, again.bytes, again.path) == (Action.USE, 0, item.path)
    assert server.count() == 1
    assert leftovers(cache) == []


@pytest.mark.parametrize("after", [0, 1, 1000, 70_000, SIZE - 1])
def test_body_cut_once_is_resumed_where_it_broke(transport, cache, wanted, noise, server, after):
    record = wanted(f"cut-once-{after}", noise(SIZE))
    (item,) = get(transport, cache, record)
    assert item.path.read_bytes() == noise(SIZE)
    assert server.ranges() == [None, f"bytes={after}-" if after else None]
    assert server.bytes_given == SIZE
    assert leftovers(cache) == []


def test_body_that_stalls_is_resumed_behind_all_that_came(server, cache, wanted, noise):
    record = wanted("stall-100001", noise(SIZE))
    transport = HttpTransport(server.url, timeout=(60.0, 0.5))
    (item,) = get(transport, cache, record)
    transport.close()
    assert item.path.read_bytes() == noise(SIZE)
    assert server.ranges() == [None, "bytes=100001-"]


def test_body_cut_many_times_goes_on_while_something_comes(transport, cache, wanted, noise, server):
    record = wanted("cut-every-40000", noise(SIZE))
    (item,) = get(transport, cache, record)
    assert item.path.read_bytes() == noise(SIZE)
    assert server.count() == 8  # more than the tries in a row
    assert server.bytes_given == SIZE


def test_body_cut_always_without_resuming_ends(transport, cache, wanted, noise, server):
    record = wanted("cut-no-range-40000", noise(SIZE))
    with pytest.raises(errors.Truncated):
        get(transport, cache, record)
    assert server.count() <= 5
    assert objects(cache) == []
    assert [path.stat().st_size for path in leftovers(cache)] == [40_000]


def test_server_that_ignores_ranges(transport, cache, wanted, noise, server):
    record = wanted("ignores-range-1000", noise(SIZE))
    (item,) = get(transport, cache, record)
    assert item.path.read_bytes() == noise(SIZE)
    assert item.action is Action.DOWNLOAD


@pytest.mark.parametrize("behaviour", ["wrong-range-1000", "lying-range-1000"])
def test_wrong_rest_is_thrown_away(transport, cache, wanted, noise, behaviour):
    record = wanted(behaviour, noise(SIZE))
    (item,) = get(transport, cache, record)
    assert item.path.read_bytes() == noise(SIZE)


def test_wrong_rest_is_thrown_away_where_nothing_but_its_start_tells(
    transport, cache, wanted, noise
):
    record = wanted("wrong-range-1000", noise(SIZE), digest=False, size=None)
    (item,) = get(transport, cache, record)
    assert item.path.read_bytes() == noise(SIZE)


@pytest.mark.parametrize("digest", [True, False])
def test_file_replaced_in_mid_download_is_never_mixed(
    transport, cache, wanted, noise, server, digest
):
    new = noise(SIZE, seed=2)
    server.data["new:a.bin"] = new
    old = wanted("changes-1000", noise(SIZE), digest=digest)
    if digest:  # the listing named the old file
        with pytest.raises(errors.DigestMismatch, match="may have changed"):
            get(transport, cache, old)
        assert objects(cache) == []
    else:
        (item,) = get(transport, cache, old)
        assert item.path.read_bytes() == new


@pytest.mark.parametrize("behaviour", ["announces-more", "announces-less"])
def test_length_that_is_not_that_of_the_listing(transport, cache, wanted, noise, behaviour):
    with pytest.raises(errors.DigestMismatch, match="run again"):
        get(transport, cache, wanted(behaviour, noise(SIZE)))
    assert objects(cache) == []


def test_announced_length_that_never_comes(transport, cache, wanted, noise):
    record = wanted("announces-more", noise(SIZE), size=None, digest=False)
    with pytest.raises(errors.Truncated):
        get(transport, cache, record)


def test_login_page_with_200(transport, cache, wanted, noise):
    with pytest.raises(errors.NotLoggedIn):
        get(transport, cache, wanted("login", noise(SIZE)))
    assert objects(cache) == []


def test_busy_server(transport, cache, wanted, noise, server):
    (item,) = get(transport, cache, wanted("busy-once", noise(SIZE)))
    assert item.path.read_bytes() == noise(SIZE)
    assert server.count() == 2


@pytest.mark.parametrize("behaviour", ["drip", "chunked"])
def test_slow_and_unannounced_bodies(transport, cache, wanted, noise, behaviour):
    (item,) = get(transport, cache, wanted(behaviour, noise(SIZE)))
    assert item.path.read_bytes() == noise(SIZE)


def test_redirect_to_another_host_is_not_followed(transport, cache, wanted, noise):
    with pytest.raises(errors.ServerBroken, match=r"other\.invalid"):
        get(transport, cache, wanted("elsewhere", noise(SIZE)))


def test_digest_that_never_fits(transport, cache, wanted, noise, server):
    with pytest.raises(errors.DigestMismatch, match="listed again") as caught:
        get(transport, cache, wanted("other", noise(SIZE)))
    assert "a.bin" in str(caught.value)
    assert server.count() == 2
    assert objects(cache) == []


def test_failures_are_told_together_and_the_rest_stays(transport, cache, wanted, noise):
    good = wanted("plain", noise(SIZE, 1), "good.bin")
    bad = wanted("other", noise(SIZE, 2), "bad.bin")
    gone = replace(wanted("plain", noise(5, 3), "gone.bin"), path="never.bin")
    with pytest.raises(errors.TransferError) as caught:
        get(transport, cache, bad, good, gone)
    text = str(caught.value)
    assert "2 of 3 files" in text and "bad.bin" in text and "never.bin" in text
    assert "good.bin" not in text
    kinds = {place.rpartition("/")[2]: type(error) for place, error in caught.value.failures}
    assert kinds == {"bad.bin": errors.DigestMismatch, "never.bin": errors.NotFound}
    assert cache.find(good.digest) is not None


def test_one_reason_for_all_keeps_its_kind(transport, cache, wanted, noise):
    records = [wanted("forbidden", noise(9, i), f"{i}.bin") for i in range(3)]
    with pytest.raises(errors.NotAllowed, match="3 of 3 files"):
        get(transport, cache, *records)


def test_no_server(server, transport, cache, wanted, noise):
    records = [wanted("plain", noise(9, i), f"{i}.bin") for i in range(20)]
    server.close()
    transport.retries = 0
    with pytest.raises(errors.CannotReachServer):
        get(transport, cache, *records)


def test_equal_digests_are_fetched_once(transport, cache, wanted, noise, server):
    records = [wanted("plain", noise(SIZE), name) for name in ("a", "b", "c")]
    items = get(transport, cache, *records)
    assert [item.record.path for item in items] == ["a", "b", "c"]
    assert len({item.path for item in items}) == 1
    assert server.count() == 1


def test_order_is_that_of_the_records(transport, cache, wanted, noise):
    records = [wanted("drip", noise(50_000 - 4000 * i, i), f"{i}.bin") for i in range(10)]
    items = get(transport, cache, *records)
    assert [item.record for item in items] == records
    assert [item.path.stat().st_size for item in items] == [record.size for record in records]


# -- archives without checksums


def test_without_digest_the_server_is_asked_whether_it_changed(
    transport, cache, wanted, noise, server
):
    record = wanted("plain", noise(SIZE), digest=False)
    (first,) = get(transport, cache, record)
    assert first.record.digest and first.action is Action.DOWNLOAD
    (second,) = get(transport, cache, record)
    assert (second.action, second.bytes, second.path) == (Action.REVALIDATE, 0, first.path)
    # same size, other content, later date: the size alone proves nothing
    server.store("a.bin", noise(SIZE, 7), modified=1_600_000_500)
    (third,) = get(transport, cache, record)
    assert third.action is Action.DOWNLOAD
    assert third.path.read_bytes() == noise(SIZE, 7)


def test_without_digest_a_fresh_last_modified_is_not_trusted(
    transport, cache, wanted, noise, server
):
    """A file that is replaced within the second keeps its Last-Modified."""
    record = wanted("plain", noise(SIZE), digest=False)
    fresh = int(time.time()) + 60  # so that it is fresh on a slow machine too
    server.store("a.bin", noise(SIZE), modified=fresh)
    get(transport, cache, record)
    server.store("a.bin", noise(SIZE, 8), modified=fresh)
    (item,) = get(transport, cache, record)
    assert item.path.read_bytes() == noise(SIZE, 8)


def test_without_digest_another_account_asks_for_itself(server, transport, cache, wanted, noise):
    record = wanted("plain", noise(SIZE), digest=False)
    get(transport, cache, record)

    class Jane:
        server = transport.server
        account = "jane"
        send = transport.send
        close = transport.close

    (item,) = get(Jane(), cache, record)
    assert item.action is Action.DOWNLOAD


def test_without_digest_a_broken_body_is_resumed(transport, cache, wanted, noise, server):
    record = wanted("cut-once-1000", noise(SIZE), digest=False)
    (item,) = get(transport, cache, record)
    assert item.path.read_bytes() == noise(SIZE)
    assert server.ranges() == [None, "bytes=1000-"]


# -- names that no address can hold


@pytest.mark.parametrize("behaviour", ["zipped", "broken-zip-once-100"])
def test_names_that_no_address_can_hold_come_by_zip(
    transport, cache, wanted, noise, server, behaviour
):
    records = [
        wanted(behaviour, noise(1000, 1), "100%.nii"),
        wanted(behaviour, noise(1000, 2), "sub/a;b.nii"),
        wanted(behaviour, noise(1000, 3), "sub/files/c;d.nii", digest=False),
    ]
    items = get(transport, cache, *records)
    assert [item.path.read_bytes() for item in items] == [noise(1000, i) for i in (1, 2, 3)]
    assert server.count() == (2 if "broken" in behaviour else 1)
    assert leftovers(cache) == []


def test_zip_without_the_file(transport, cache, wanted, noise):
    record = replace(wanted("zipped", noise(10), "a.nii"), path="no;ne.nii")
    with pytest.raises(errors.NotFound, match="no;ne"):
        get(transport, cache, record)


def test_zip_with_other_bytes(transport, cache, wanted, noise, server):
    record = wanted("zipped", noise(10), "a;b.nii")
    server.store("a;b.nii", noise(10, 9))
    with pytest.raises(errors.DigestMismatch, match="a;b"):
        get(transport, cache, record)


# -- bad input, and the cache's own troubles


@pytest.mark.parametrize(
    "record",
    [
        Record(experiment_id="E1", resource_id="plain"),
        Record(experiment_id="E1", path="a.bin"),
        Record(),
        Record(experiment_id="E1", resource_id="1", path="a", digest="../../x"),
    ],
)
def test_what_is_no_file_is_refused_before_any_request(transport, cache, server, record):
    with pytest.raises(errors.UsageError):
        get(transport, cache, record)
    assert server.asked == []


def test_cache_that_cannot_be_written(transport, cache, wanted, noise, server):
    cache.root.mkdir()
    (cache.root / "partial").write_text("a file of somebody else")
    with pytest.raises(errors.CacheError, match="cannot be used"):
        get(transport, cache, wanted("plain", noise(10)))


def test_full_disk(transport, wanted, noise, tmp_path, server):
    """A file system of 1 MB; needs the right to mount one."""
    from nipype_xnat.cache import Cache

    place = tmp_path / "small"
    place.mkdir()
    if os.system(f"mount -t tmpfs -o size=1m none {place} 2>/dev/null"):
        pytest.skip("no right to mount a file system")
    try:
        cache = Cache(place / "cache")
        with pytest.raises(errors.CacheError, match="room"):
            get(transport, cache, wanted("plain", noise(3_000_000)))
        assert leftovers(cache) == []
        (item,) = get(transport, cache, wanted("plain", noise(1000), "small"))
        assert item.path.read_bytes() == noise(1000)
    finally:
        os.system(f"umount {place}")


def test_read_only_cache(transport, wanted, noise, tmp_path):
    from nipype_xnat.cache import Cache

    place = tmp_path / "site"
    place.mkdir()
    if os.system(f"mount -t tmpfs none {place} 2>/dev/null"):
        pytest.skip("no right to mount a file system")
    try:
        cache = Cache(place / "cache")
        record = wanted("plain", noise(1000))
        get(transport, cache, record)
        assert os.system(f"mount -o remount,ro {place}") == 0
        (item,) = get(transport, cache, record)
        assert item.action is Action.USE
        with pytest.raises(errors.CacheError, match="read-only"):
            get(transport, cache, wanted("plain", noise(1000, 2), "b"))
    finally:
        os.system(f"umount {place}")


# -- progress


def test_progress_says_what_is_done(transport, cache, wanted, noise):
    seen = []
    record = wanted("cut-once-100000", noise(SIZE))
    get(transport, cache, record, progress=seen.append)
    assert {item.place for item in seen} == {record.place}
    done = [item.done for item in seen]
    assert done == sorted(done) and done[-1] == SIZE
    assert [item.finished for item in seen].count(True) == 1
    assert seen[-1].action == "download"
    again = []
    get(transport, cache, record, progress=again.append)
    assert [(item.action, item.done, item.finished) for item in again] == [("use", SIZE, True)]


def test_progress_that_raises_ends_the_transfer(transport, cache, wanted, noise):
    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(transport, cache, wanted("plain", noise(SIZE)), progress=stop)
    assert objects(cache) == []


# -- files for the user


@pytest.mark.parametrize("through_cache", [True, False])
def test_save(transport, cache, wanted, noise, tmp_path, through_cache):
    record = wanted("cut-once-1000", noise(SIZE))
    target = tmp_path / "new" / "mine.bin"
    item = save(transport, record, target, cache=cache if through_cache else None, **QUICK)
    assert item.path == target and target.read_bytes() == noise(SIZE)
    target.write_bytes(b"writable")  # the user's own file
    assert [path.name for path in target.parent.iterdir()] == ["mine.bin"]
    assert save(transport, record, tmp_path / "new", **QUICK).path.name == "a.bin"


def test_save_keeps_the_old_file_when_it_fails(transport, wanted, noise, tmp_path):
    target = tmp_path / "mine.bin"
    target.write_bytes(b"old")
    with pytest.raises(errors.DigestMismatch):
        save(transport, wanted("other", noise(SIZE)), target, **QUICK)
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["mine.bin"]


def test_save_where_nothing_can_be_written(transport, wanted, noise, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(errors.TransferError, match="cannot write"):
        save(transport, wanted("plain", noise(10)), tmp_path / "file" / "below", **QUICK)
