"""A large file that comes slowly: over several connections, the right bytes whatever they do."""

import json
import re
import subprocess
import sys
import threading
from itertools import pairwise

import pytest

from nipype_xnat import errors
from nipype_xnat.cache import Cache
from nipype_xnat.transfer import Action, fetch, receive, segments
from nipype_xnat.transfer.spare import Spare
from nipype_xnat.transport import HttpTransport
from support.waiting import wait_for

SIZE = 2_000_001
SMALL = {"LEAST": 1_000_000, "MEASURED": 0.03, "SLOW": 0.05, "SHORTEST": 100_000}
QUICK = {"pause": 0.001, "tries": 3}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Files of some megabytes are large."""
    for name, value in SMALL.items():
        monkeypatch.setattr(segments, name, value)
    monkeypatch.setattr(receive, "LEAST", SMALL["LEAST"])


def get(transport, cache, *records, **options):
    return fetch(transport, records, cache, **{**QUICK, **options})


def segments_of(server, name="a.bin"):
    """Return first and last bytes of what was asked for with an end, in order."""
    found = [re.fullmatch(r"bytes=(\d+)-(\d+)", asked or "") for asked in server.ranges(name)]
    return sorted((int(match[1]), int(match[2])) for match in found if match)


def whole(server, name="a.bin"):
    """Return the ranges without an end, in order."""
    return [asked for asked in server.ranges(name) if asked is None or asked.endswith("-")]


def is_clean(cache):
    alive = [t for t in threading.enumerate() if t.name.startswith("nipype_xnat-segments")]
    return not alive and not list((cache.root / "partial").iterdir())


@pytest.mark.parametrize("behaviour", ["slow-first", "slow-each"])
def test_segments_are_fetched_ahead(transport, cache, wanted, noise, server, behaviour):
    data = noise(SIZE)
    (item,) = get(transport, cache, wanted(behaviour, data))
    assert item.path.read_bytes() == data
    assert item.action is Action.DOWNLOAD and item.bytes >= SIZE
    asked = segments_of(server)
    assert len(asked) >= 2
    assert all(stop + 1 == start for (_, stop), (start, _) in pairwise(asked))
    assert is_clean(cache)


def test_the_first_connection_ends_where_the_segments_begin(transport, cache, wanted, noise):
    (item,) = get(transport, cache, wanted("slow-first", noise(SIZE)))
    # had it gone on, nearly all would have come twice
    assert SIZE <= item.bytes < 1.5 * SIZE


def test_progress_only_grows(transport, cache, wanted, noise):
    seen = []
    get(transport, cache, wanted("slow-first", noise(SIZE)), progress=seen.append)
    done = [one.done for one in seen]
    assert done == sorted(done) and done[-1] == SIZE
    assert [one.finished for one in seen].count(True) == 1


def test_an_unfinished_download_is_resumed_by_segments(transport, cache, wanted, noise, server):
    data = noise(SIZE)
    record = wanted("slow-first", data)
    left = cache.partial(record.digest)
    left.write(data[:400_000])
    left.keep()
    (item,) = get(transport, cache, record)
    assert item.path.read_bytes() == data and item.action is Action.RESUME
    assert server.ranges()[0] == "bytes=400000-"
    assert segments_of(server)[0][0] > 400_000


# -- where one connection has to do


@pytest.mark.parametrize(
    "values", [{"digest": False}, {"size": None}], ids=["no digest", "no size"]
)
def test_what_cannot_be_checked_comes_by_one(transport, cache, wanted, noise, server, values):
    (item,) = get(transport, cache, wanted("slow-first", noise(SIZE), **values))
    assert item.path.read_bytes() == noise(SIZE)
    assert server.ranges() == [None]


def test_small_files_come_by_one(transport, cache, wanted, noise, server):
    get(transport, cache, wanted("slow-first", noise(900_000)))
    assert server.ranges() == [None]


def test_a_fast_file_comes_by_one(transport, cache, wanted, noise, server, monkeypatch):
    monkeypatch.setattr(segments, "MEASURED", 0.001)
    monkeypatch.setattr(segments, "SLOW", 1000.0)
    get(transport, cache, wanted("plain", noise(4 * SIZE)))
    assert server.ranges() == [None]


def test_files_that_need_all_connections_share_none(transport, cache, wanted, noise, server):
    records = [wanted("slow-first", noise(SIZE, n), f"{n}.bin") for n in range(2)]
    items = get(transport, cache, *records, connections=3)
    assert [item.path.read_bytes() for item in items] == [noise(SIZE, n) for n in range(2)]
    # the one that is left may have more than one only when the other one is done
    assert server.ranges("0.bin") == [None] or server.ranges("1.bin") == [None]


def test_one_file_at_a_time_tries_and_what_is_vain_waits_for_the_next_file(cache):
    spare = Spare(cache.scratch, connections=12, files=4)
    assert spare.share == 3
    assert spare.begin() and not spare.begin()
    assert spare.end(before=100.0, after=180.0)
    assert spare.begin()
    assert not spare.end(before=100.0, after=104.0)
    assert not spare.begin()
    spare.one_less()
    assert spare.begin() and spare.share == 4


# -- what may go wrong


@pytest.mark.parametrize(
    "behaviour",
    ["slow-other-place", "slow-other-size", "slow-changed", "slow-busy", "slow-no-range"],
)
def test_a_segment_that_does_not_fit_is_thrown_away(
    transport, cache, wanted, noise, server, behaviour
):
    (item,) = get(transport, cache, wanted(behaviour, noise(SIZE)))
    assert item.path.read_bytes() == noise(SIZE)
    assert item.action is Action.DOWNLOAD
    assert segments_of(server), "it was tried"
    assert whole(server) == [None], "the first one went on"
    assert is_clean(cache)


def test_segments_of_other_bytes_cost_another_download(transport, cache, wanted, noise, server):
    (item,) = get(transport, cache, wanted("slow-lying", noise(SIZE)))
    assert item.path.read_bytes() == noise(SIZE)
    assert whole(server) == [None, None]


def test_a_listing_that_lies_is_found_out(transport, cache, wanted, noise, server):
    record = wanted("slow-first", noise(SIZE))
    server.store("a.bin", noise(SIZE, 2))
    with pytest.raises(errors.DigestMismatch):
        get(transport, cache, record)
    assert not list((cache.root / "objects").glob("*/*"))


def test_segments_that_break_are_resumed(transport, cache, wanted, noise, server):
    (item,) = get(transport, cache, wanted("slow-cut-70000", noise(SIZE)))
    assert item.path.read_bytes() == noise(SIZE)
    stops = [stop for _, stop in segments_of(server)]
    assert len(stops) > len(set(stops)), "the rest of a segment was asked for"


def test_segments_that_never_come(transport, cache, wanted, noise, server):
    (item,) = get(transport, cache, wanted("slow-cut-0", noise(SIZE)))
    assert item.path.read_bytes() == noise(SIZE)
    assert whole(server) == [None]


def test_a_server_that_has_enough_in_the_middle(transport, cache, wanted, noise, server):
    (item,) = get(transport, cache, wanted("slow-no-more-1200000", noise(SIZE)))
    assert item.path.read_bytes() == noise(SIZE)
    assert segments_of(server)[-1][0] > 1_200_000, "it was asked for what it refuses"
    assert is_clean(cache)


def test_segments_that_end_in_the_middle(transport, cache, wanted, noise, server, monkeypatch):
    monkeypatch.setattr(segments, "SILENCE", 0.3)
    (item,) = get(transport, cache, wanted("slow-then-silent-1200000", noise(SIZE)))
    assert item.path.read_bytes() == noise(SIZE)
    assert len(whole(server)) == 2, "one connection brought the rest"
    server.release.set()
    wait_for(lambda: is_clean(cache))


@pytest.mark.parametrize("limits", [(1, 16), (2, 16), (8, 1), (8, 2)])
def test_no_segment_waits_for_the_connection_of_the_first(server, cache, wanted, noise, limits):
    connections, machine = limits
    transport = HttpTransport(
        server.url, connections=connections, machine_connections=machine, timeout=(60.0, 60.0)
    )
    (item,) = get(transport, cache, wanted("slow-each", noise(SIZE)))
    assert item.path.read_bytes() == noise(SIZE)
    wait_for(lambda: is_clean(cache))
    transport.close()


def test_a_cache_without_room_for_segments(transport, cache, wanted, noise, server, monkeypatch):
    def no_room(name):
        if name.startswith("segment-"):
            raise OSError(28, "no space left on device")
        return scratch(name)

    scratch = cache.scratch
    monkeypatch.setattr(cache, "scratch", no_room)
    (item,) = get(transport, cache, wanted("slow-first", noise(SIZE)))
    assert item.path.read_bytes() == noise(SIZE)
    assert server.ranges() == [None]


def test_breaking_off_ends_all_threads(transport, cache, wanted, noise, server):
    def stop(progress):
        if progress.done > 1_200_000:
            raise KeyboardInterrupt

    record = wanted("slow-first", noise(SIZE))
    with pytest.raises(KeyboardInterrupt):
        get(transport, cache, record, progress=stop)
    (left,) = (cache.root / "partial").iterdir()
    assert left.read_bytes() == noise(SIZE)[: left.stat().st_size]
    (item,) = get(transport, cache, record)
    assert item.path.read_bytes() == noise(SIZE) and item.action is Action.RESUME
    assert is_clean(cache)


# -- a killed process

CHILD = """
import json, sys
from nipype_xnat.cache import Cache
from nipype_xnat.records import Record
from nipype_xnat.transfer import fetch, receive, segments
from nipype_xnat.transport import HttpTransport

url, root, record, values = sys.argv[1:]
for name, value in json.loads(values).items():
    setattr(segments, name, value)
receive.LEAST = segments.LEAST
fetch(HttpTransport(url), [Record.from_dict(json.loads(record))], Cache(root))
"""


def test_a_killed_process_leaves_the_beginning(server, cache, transport, wanted, noise):
    data = noise(SIZE)
    record = wanted("slow-then-silent-1200000", data)
    arguments = [server.url, str(cache.root), json.dumps(record.to_dict()), json.dumps(SMALL)]
    victim = subprocess.Popen([sys.executable, "-c", CHILD, *arguments])

    def here():
        return [path.stat().st_size for path in cache.root.glob(f"partial/{record.digest}.*")]

    wait_for(lambda: sum(here()) > 1_100_000)
    victim.kill()
    victim.wait()
    (there,) = here()
    server.release.set()
    server.asked.clear()
    (item,) = fetch(transport, [record], Cache(cache.root))
    assert item.path.read_bytes() == data
    assert item.action is Action.RESUME
    assert server.ranges()[0] == f"bytes={there}-"
