"""Many small files: in tars of their resources where that pays, else by themselves."""

import contextlib
import io
import os
import signal
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from nipype_xnat import errors
from nipype_xnat.cache import Cache
from nipype_xnat.records import Record
from nipype_xnat.transfer import Action, fetch
from nipype_xnat.transfer.speeds import Speeds
from nipype_xnat.transfer.tars import AT_ONCE
from nipype_xnat.transfer.untar import members
from nipype_xnat.transfer.work import tar_key
from nipype_xnat.transport import HttpTransport

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


def test_one_tar_serves_a_series(series, server, transport, cache):
    records, files = series("tarred")
    fetched = fetch(transport, records, cache)
    assert contents(fetched) == files
    assert {item.action for item in fetched} == {Action.DOWNLOAD}
    assert [item.record for item in fetched] == records
    assert [item.bytes for item in fetched] == list(map(len, files))
    assert (server.count(), alone(server)) == (1, 0)
    again = fetch(transport, records, cache)
    assert {item.action for item in again} == {Action.USE} and server.count() == 1
    assert not list((cache.root / "partial").iterdir())


def test_equal_files_come_once(server, transport, cache, noise):
    server.store("a.dcm", noise(2_000))
    records = [
        Record(
            experiment_id="E1",
            resource_id="tarred",
            path=f"{number}.dcm",
            size=2_000,
            digest=server.store("a.dcm", noise(2_000)).upper(),
        )
        for number in range(12)
    ]
    fetched = fetch(transport, records, cache)
    assert contents(fetched) == [noise(2_000)] * 12
    assert sorted(item.bytes for item in fetched) == [0] * 11 + [2_000]
    assert (server.count(), alone(server)) == (1, 0)


def test_resources_without_numbers_take_a_tar_each(server, transport, cache, noise):
    files = {(scan, n): noise(2_000, seed=(scan, n)) for scan in range(3) for n in range(12)}
    records = [
        Record(
            experiment_id="E1",
            resource_id=f"tarred-{scan}",
            path=f"{scan}-{n:03d}.dcm",
            size=2_000,
            digest=server.store(f"{scan}-{n:03d}.dcm", data),
        )
        for (scan, n), data in files.items()
    ]
    assert contents(fetch(transport, records, cache)) == list(files.values())
    assert (server.count(), alone(server)) == (3, 0)


def cohort_of(sessions, server, noise):
    """The records of one file of each session, in a resource of its own, and the files."""
    files = [noise(300, seed=session) for session in sessions]
    records = [
        Record(
            experiment_id=session,
            scan_id=str(number % 7),
            resource_id=str(1_000 + number),
            path=f"{session}.nii.gz",
            size=300,
            digest=server.store(f"{session}.nii.gz", data),
        )
        for number, (session, data) in enumerate(zip(sessions, files, strict=True))
    ]
    return records, files


@pytest.mark.parametrize(("broken", "tars", "single"), [(0, 1, 0), (1, 10, 7), (100, 3, 100)])
def test_a_broken_catalog_spoils_no_whole_tar(
    server, transport, cache, noise, broken, tars, single
):
    records, files = cohort_of([f"E{n:05d}" for n in range(100)], server, noise)
    server.broken_catalogs = {record.resource_id for record in records[-broken or 100 :]}
    assert contents(fetch(transport, records, cache)) == files
    assert alone(server) == single
    assert server.count(name="") == tars


@pytest.mark.parametrize("length", [12, 30])
def test_a_cohort_takes_as_few_tars_as_server_and_addresses_allow(
    server, transport, cache, noise, tmp_path, length
):
    sessions = [f"E{n:0{length - 1}d}" for n in range(600)]
    records, files = cohort_of(sessions, server, noise)
    assert contents(fetch(transport, records, cache)) == files
    assert alone(server) == 0 and server.count() == 6, (
        "a hundred of them, as long as little is known"
    )
    again = fetch(transport, records, Cache(tmp_path / "second"))
    assert contents(again) == files
    assert alone(server) == 0 and server.count() <= 6 + 3 + 600 * (length + 6) // 7_000
    lengths = [len(line) for line in server.lines]
    assert max(lengths) < 7_200 < sum(lengths)


@pytest.mark.parametrize(
    "behaviour", ["no-tar-403", "no-tar-404", "no-tar-500", "no-tar-but-words"]
)
def test_a_refused_tar_is_no_failure(series, server, transport, cache, behaviour):
    records, files = series(behaviour)
    assert contents(fetch(transport, records, cache)) == files
    assert alone(server) == NUMBER


@pytest.mark.parametrize("behaviour", ["tar-of-others-7", "tar-without-7"])
def test_what_the_tar_has_not_as_it_was_listed_is_fetched_alone(
    series, server, transport, cache, behaviour
):
    records, files = series(behaviour)
    assert contents(fetch(transport, records, cache)) == files
    assert alone(server) == 1


@pytest.mark.parametrize(
    ("behaviour", "tars", "single"),
    [
        ("broken-tar-once-50000", 2, 0),
        ("broken-tar-50000", 2, NUMBER - 13),
        ("tar-ends-early-50000", 2, NUMBER - 13),
        ("broken-tar-600", 1, NUMBER),
    ],
)
def test_what_came_of_a_tar_that_breaks_is_kept(
    series, server, transport, cache, behaviour, tars, single
):
    records, files = series(behaviour)
    fetched = fetch(transport, records, cache, pause=0.01)
    assert contents(fetched) == files
    assert alone(server) == single
    assert server.count(name="") == tars
    assert not list((cache.root / "partial").iterdir())


def test_a_header_without_sense_is_no_failure(series, server, transport, cache):
    records, files = series("nonsense-tar-30")
    assert contents(fetch(transport, records, cache)) == files
    assert alone(server) == 10
    assert not list((cache.root / "partial").iterdir())


@pytest.mark.parametrize("kind", [0, 1, 2], ids=["zeros", "empty members", "a header"])
def test_a_tar_without_end_is_left(series, server, transport, cache, kind):
    records, files = series(f"endless-tar-{kind}")
    assert contents(fetch(transport, records, cache)) == files
    assert alone(server) == 0
    assert server.bytes_given < 100_000_000


def test_a_tar_that_stalls_is_not_waited_for_longer_than_a_file(series, server, cache):
    records, files = series("stalled-tar-50000")
    transport = HttpTransport(server.url, timeout=(60.0, 0.5))
    assert contents(fetch(transport, records, cache)) == files
    transport.close()
    assert (server.count(name=""), alone(server)) == (2, NUMBER - 13)
    assert not list((cache.root / "partial").iterdir())


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_cut_at_any_byte_gives_whole_files_only(form, noise):
    files = [noise(600, seed=seed) for seed in range(2)]
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=form) as tar:
        for seed, data in enumerate(files):
            member = tarfile.TarInfo(f"{'long' * 30}-{seed}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    body = stream.getvalue()[: tar.offset]
    for cut in range(len(body)):
        came = []
        with contextlib.suppress(tarfile.TarError):
            for size, file in members([body[at : min(at + 999, cut)] for at in range(0, cut, 999)]):
                assert size == 600
                came.append(file.read())
        assert came == files[: len(came)]
    assert came == files


@pytest.mark.parametrize("behaviour", ["no-tar-401", "tar-drops"])
def test_what_befalls_all_tars_is_not_tried_with_each(server, cache, noise, behaviour):
    files = {f"{tar}-{n}.dcm": noise(500, seed=(tar, n)) for tar in range(20) for n in range(12)}
    records = [
        Record(
            experiment_id="E1",
            resource_id=f"{behaviour}-{name.partition('-')[0]}",
            path=name,
            size=500,
            digest=server.store(name, data),
        )
        for name, data in files.items()
    ]
    transport = HttpTransport(server.url, retries=0)
    assert contents(fetch(transport, records, cache)) == list(files.values())
    transport.close()
    assert server.count(name="") <= AT_ONCE < 20
    assert alone(server) == len(files)


def test_a_tar_that_a_proxy_does_not_wait_for_is_asked_for_once(series, server, transport, cache):
    records, files = series("no-tar-504")
    assert contents(fetch(transport, records, cache)) == files
    assert server.count(name="") == 1


def test_many_equal_files_are_no_reason_to_leave_a_tar(series, server, transport, cache, noise):
    equal = {f"mask-{n:02d}.nii": noise(100_000) for n in range(30)}
    masks = [
        Record(
            experiment_id="E1",
            resource_id="tarred",
            path=name,
            size=len(data),
            digest=server.store(name, data),
        )
        for name, data in equal.items()
    ]
    records, files = series("tarred")
    assert contents(fetch(transport, masks + records, cache)) == [*equal.values(), *files]
    assert alone(server) == 0 and server.count() == 1


def test_a_label_without_address_keeps_no_other_file_from_coming(series, server, transport, cache):
    records, files = series("tarred")
    strange = replace(records[0], resource_id="", resource_label="a;b", digest="0" * 32)
    with pytest.raises(errors.UsageError, match="a;b"):
        fetch(transport, [*records, strange], cache)
    asked = server.count()
    assert contents(fetch(transport, records, cache)) == files and server.count() == asked


def test_a_tar_of_much_else_is_not_waited_for(series, server, transport, cache):
    records, files = series("tarred")
    server.data = {"another.nii": bytes(40_000_000), **server.data}
    fetched = fetch(transport, records, cache)
    assert contents(fetched) == files and alone(server) == NUMBER


def test_a_listing_with_a_wrong_size_is_told(series, server, transport, cache):
    records, _ = series("tarred")
    records[5] = replace(records[5], size=records[5].size + 1)
    with pytest.raises(errors.TransferError) as caught:
        fetch(transport, records, cache)
    assert "005.dcm" in str(caught.value)


def test_large_files_and_few_files_come_alone(series, server, transport, cache):
    records, files = series("tarred", number=5, size=2 << 20)
    assert contents(fetch(transport, records, cache)) == files
    records, files = series("tarred", number=3)
    assert contents(fetch(transport, records, cache)) == files
    assert alone(server) == 8 == server.count()


def test_what_is_here_is_not_fetched_with_the_rest(series, server, transport, cache):
    records, files = series("tarred")
    fetch(transport, records[:30], cache)
    fetched = fetch(transport, records, cache)
    assert contents(fetched) == files
    assert [item.action for item in fetched[:30]] == [Action.USE] * 30


def test_what_another_process_brought_meanwhile_is_listed_and_not_fetched_again(
    series, server, transport, tmp_path
):
    records, files = series("tarred")
    server.catalog["tarred"] = {record.path: (record.size, record.digest) for record in records}
    waits = threading.Event()

    class Telling(Cache):
        def lock(self, name, check=lambda: None):
            waits.set()
            return super().lock(name, check)

    other = Cache(tmp_path / "cache")
    with ThreadPoolExecutor() as pool:
        with other.lock(tar_key(records)):
            coming = pool.submit(fetch, transport, records, Telling(other.root))
            assert waits.wait(20)
            for record, data in zip(records, files, strict=True):
                new = other.partial("tar")
                new.write(data)
                other.publish(new, record.digest)
        fetched = coming.result()
    assert contents(fetched) == files and {item.action for item in fetched} == {Action.USE}
    assert server.count() == 1, "the listing"


def test_two_failing_files_are_named_and_the_others_kept(series, server, transport, cache):
    records, _ = series("tarred")
    for name in ("003.dcm", "004.dcm"):
        server.data[name] = b"changed since"
    with pytest.raises(errors.TransferError) as caught:
        fetch(transport, records, cache)
    assert "003.dcm" in str(caught.value) and "004.dcm" in str(caught.value)
    rest = [record for record in records if record.path not in ("003.dcm", "004.dcm")]
    server.asked.clear()
    assert len(fetch(transport, rest, cache)) == NUMBER - 2 and not server.asked


# ---- the choice


def choice(speeds, files=200, size=30_000_000, connections=8):
    return speeds.choose_tar(files, size, tars=1, at_once=4, connections=connections)


def test_a_tar_is_tried_first_and_given_up_where_it_is_slow():
    speeds = Speeds()
    assert choice(speeds)
    for _ in range(10):
        speeds.tar_took(20.0, 200, 30_000_000)
        speeds.one_took(0.01)
    assert not choice(speeds)


def test_the_slower_way_is_tried_again_after_a_while():
    speeds = Speeds()
    speeds.tar_took(2.0, 200, 30_000_000)
    tries = [choice(speeds) for _ in range(40)]
    assert not tries[0] and any(tries)


def test_a_server_that_gives_none_is_not_asked_each_time():
    speeds = Speeds()
    speeds.no_tar()
    assert not choice(speeds)


def test_a_file_is_thought_to_take_a_round_trip_as_the_tar_did():
    near, far = Speeds(), Speeds()
    for speeds, seconds in ((near, 0.001), (far, 0.2)):
        speeds.tar_began(seconds, 1)
        speeds.tar_took(2.0, 200, 30_000_000)
    assert choice(far) and not choice(near)
    for _ in range(10):
        far.one_took(0.02)
    assert not choice(far), "what was measured counts"


def test_a_tar_names_as_many_resources_as_the_server_takes_in_time():
    speeds = Speeds()
    speeds.tar_began(0.01, speeds.resources)
    assert speeds.resources == 200
    speeds.tar_began(20.0, 200)
    assert speeds.resources == 50
    for _ in range(10):
        speeds.no_tar()
    assert speeds.resources == 4


def test_a_server_that_gave_none_for_long_is_tried_again_at_last():
    speeds = Speeds()
    for _ in range(1_000):
        speeds.no_tar()
    assert any(choice(speeds) for _ in range(500))


def test_empty_files_tell_little_of_a_tar():
    speeds = Speeds()
    speeds.tar_took(0.2, 40, 0)
    assert any(choice(speeds) for _ in range(100))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a system without fork")
def test_a_child_of_a_fork_does_not_wait_for_a_thread_of_its_parent():
    speeds = Speeds()
    children = []

    class Forks(float):
        def __sub__(self, other):  # in the middle of a note
            child = os.fork()
            if not child:
                signal.signal(signal.SIGALRM, signal.SIG_DFL)
                signal.alarm(20)
                speeds.no_tar()
                os._exit(0)
            children.append(child)
            return float(self) - other

    speeds.one_took(Forks(0.01))
    (child,) = children
    assert os.waitpid(child, 0)[1] == 0


def test_few_files_on_many_connections_are_faster_alone():
    assert not choice(Speeds(), files=8, size=8_000)
    assert choice(Speeds(), files=8, size=8_000, connections=1)
