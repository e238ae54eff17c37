"""Many small files of one resource: by its zip where that pays, else by themselves."""

import errno
import os

import pytest

from nipype_xnat import errors
from nipype_xnat.records import Record
from nipype_xnat.transfer import Action, fetch
from nipype_xnat.transfer.speeds import Speeds

NUMBER = 40


@pytest.fixture
def series(wanted, noise):
    """The records of a series under a behaviour, and what the files hold."""

    def make(behaviour, number=NUMBER, size=3_000):
        files = {f"{n:03d}.dcm": noise(size, seed=n) for n in range(number)}
        return [wanted(behaviour, data, name) for name, data in files.items()], list(files.values())

    return make


def contents(fetched):
    return [item.path.read_bytes() for item in fetched]


def alone(server):
    """Count requests for single files."""
    with server.lock:
        return sum(1 for method, _, name, _, _ in server.asked if method == "GET" and name)


def test_one_zip_serves_a_series(series, server, transport, cache):
    records, files = series("zipped")
    fetched = fetch(transport, records, cache)
    assert contents(fetched) == files
    assert {item.action for item in fetched} == {Action.DOWNLOAD}
    assert [item.record for item in fetched] == records
    assert sum(item.bytes for item in fetched) > sum(map(len, files)), "those of the zip"
    assert (server.count(), alone(server)) == (1, 0)
    again = fetch(transport, records, cache)
    assert {item.action for item in again} == {Action.USE} and server.count() == 1
    assert not list((cache.root / "partial").iterdir())


def test_a_cohort_of_series_takes_a_zip_each(server, transport, cache, noise):
    files = {(scan, n): noise(2_000, seed=(scan, n)) for scan in range(3) for n in range(12)}
    records = [
        Record(
            experiment_id="E1",
            resource_id=f"zipped-{scan}",
            path=f"{scan}-{n:03d}.dcm",
            size=2_000,
            digest=server.store(f"{scan}-{n:03d}.dcm", data),
        )
        for (scan, n), data in files.items()
    ]
    assert contents(fetch(transport, records, cache)) == list(files.values())
    assert (server.count(), alone(server)) == (3, 0)


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_refused_zip_is_no_failure(series, server, transport, cache, status):
    records, files = series(f"no-zip-{status}")
    assert contents(fetch(transport, records, cache)) == files
    assert alone(server) == NUMBER


@pytest.mark.parametrize("behaviour", ["zip-of-others-7", "zip-without-7"])
def test_what_the_zip_has_not_as_it_was_listed_is_fetched_alone(
    series, server, transport, cache, behaviour
):
    records, files = series(behaviour)
    assert contents(fetch(transport, records, cache)) == files
    assert alone(server) == 1


def test_a_zip_that_breaks_each_time_is_given_up(series, server, transport, cache):
    records, files = series("broken-zip-50000")
    assert contents(fetch(transport, records, cache, pause=0.01)) == files
    assert alone(server) == NUMBER
    assert not list((cache.root / "partial").iterdir())


def test_a_zip_of_much_else_is_not_waited_for(series, server, transport, cache, noise):
    records, files = series("zipped")
    server.store("another.nii", noise(40_000_000, seed="another"))
    first = next(iter(server.data))
    server.data = {"another.nii": server.data.pop("another.nii"), **server.data}
    assert next(iter(server.data)) != first
    fetched = fetch(transport, records, cache)
    assert contents(fetched) == files and alone(server) == NUMBER
    assert all(item.record.size == item.bytes for item in fetched)


def test_no_room_for_the_zip_beside_the_files(series, server, transport, cache, monkeypatch):
    def full(name):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(cache, "scratch", full)
    records, files = series("zipped")
    assert contents(fetch(transport, records, cache)) == files and alone(server) == NUMBER


def test_large_files_and_few_files_come_alone(series, server, transport, cache):
    records, files = series("zipped", number=5, size=2 << 20)
    assert contents(fetch(transport, records, cache)) == files
    records, files = series("zipped", number=3)
    assert contents(fetch(transport, records, cache)) == files
    assert alone(server) == 8 == server.count()


def test_what_is_here_is_not_fetched_with_the_rest(series, server, transport, cache):
    records, files = series("zipped")
    fetch(transport, records[:30], cache)
    fetched = fetch(transport, records, cache)
    assert contents(fetched) == files
    assert [item.action for item in fetched[:30]] == [Action.USE] * 30


def test_two_failing_files_are_named_and_the_others_kept(series, server, transport, cache):
    records, _ = series("zipped")
    for name in ("003.dcm", "004.dcm"):
        server.data[name] = b"changed since"
    with pytest.raises(errors.TransferError) as caught:
        fetch(transport, records, cache)
    assert "003.dcm" in str(caught.value) and "004.dcm" in str(caught.value)
    rest = [record for record in records if record.path not in ("003.dcm", "004.dcm")]
    server.asked.clear()
    assert len(fetch(transport, rest, cache)) == NUMBER - 2 and not server.asked


# ---- the choice


def test_a_zip_is_tried_first_and_given_up_where_it_is_slow():
    speeds = Speeds()
    assert speeds.choose_zip(files=200, size=30_000_000, zips=1, connections=8)
    for _ in range(10):
        speeds.zip_took(20.0, 30_000_000)
        speeds.one_took(0.01)
    assert not speeds.choose_zip(files=200, size=30_000_000, zips=1, connections=8)


def test_the_slower_way_is_tried_again_after_a_while():
    speeds = Speeds()
    speeds.zip_took(2.0, 30_000_000)
    tries = [speeds.choose_zip(200, 30_000_000, 1, 8) for _ in range(40)]
    assert not tries[0] and any(tries)


def test_few_files_on_many_connections_are_faster_alone():
    assert not Speeds().choose_zip(files=8, size=8_000, zips=1, connections=8)
    assert Speeds().choose_zip(files=8, size=8_000, zips=1, connections=1)
