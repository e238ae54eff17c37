"""Many processes on one cache, with locks that work and locks that lie; see test_cache_proof.py."""

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest

from nipype_xnat.cache import Cache
from nipype_xnat.transfer import fetch
from support.waiting import wait_for

FETCHER = """
import fcntl, json, signal, sys

# a shell that runs the tests in the background has its children ignore Ctrl-C
signal.signal(signal.SIGINT, signal.default_int_handler)

url, root, records, locks = sys.argv[1:]
if locks == "lie":
    fcntl.flock = lambda *_: None
from nipype_xnat.cache import Cache
from nipype_xnat.records import Record
from nipype_xnat.transfer import deliver, fetch
from nipype_xnat.transport import HttpTransport

transport = HttpTransport(url)
records = [Record.from_dict(values) for values in json.loads(records)]
print("ready", flush=True)
sys.stdin.readline()
cache = Cache(root)
fetched = fetch(transport, records, cache, connections=4, pause=0.01, listed=True)
views = deliver(fetched, cache, "all")
print(json.dumps([[str(item.path), str(views[item.record])] for item in fetched]), flush=True)
transport.close()
"""


def start(server, cache, records, locks="work"):
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            FETCHER,
            server.url,
            str(cache.root),
            json.dumps([record.to_dict() for record in records]),
            locks,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def go(*crew):
    for process in crew:
        assert process.stdout.readline() == "ready\n", process.communicate()[1]
    for process in crew:
        process.stdin.write("go\n")
        process.stdin.flush()


def finish(process):
    said, wrong = process.communicate(timeout=120)
    assert process.returncode == 0, wrong
    return json.loads(said)


def check_objects(cache):
    """Every visible file is what its name says."""
    for path in (cache.root / "objects").glob("*/*"):
        assert hashlib.md5(path.read_bytes()).hexdigest() == path.name
        assert path.stat().st_mode & 0o777 == 0o444


def partial_bytes(cache):
    folder = cache.root / "partial"
    return sum(path.stat().st_size for path in folder.iterdir()) if folder.is_dir() else 0


@pytest.mark.parametrize("locks", ["work", "lie"])
def test_killed_in_mid_download_then_resumed(server, cache, transport, wanted, noise, locks):
    data = noise(1_000_000)
    record = wanted("stall-400000", data)
    victim = start(server, cache, [record], locks)
    go(victim)
    wait_for(lambda: partial_bytes(cache) >= 300_000)
    victim.kill()
    victim.communicate()
    assert list((cache.root / "objects").glob("*/*")) == []
    assert list((cache.root / "views").iterdir()) == []
    there = partial_bytes(cache)
    (item,) = fetch(transport, [record], cache)
    assert item.path.read_bytes() == data
    assert item.action.value == "resume"
    assert item.bytes == len(data) - there
    assert server.ranges()[-1] == f"bytes={there}-"
    assert list((cache.root / "partial").iterdir()) == []
    check_objects(cache)


def test_leftover_of_other_bytes_is_thrown_away(server, cache, transport, wanted, noise):
    record = wanted("plain", noise(100_000))
    partial = cache.partial(record.digest)
    partial.write(b"?" * 50_000)
    partial.keep()
    (item,) = fetch(transport, [record], cache)
    assert item.path.read_bytes() == noise(100_000)
    assert server.ranges() == ["bytes=50000-", None]
    assert item.action.value == "download"


def test_whole_leftover_costs_no_request(server, cache, transport, wanted, noise):
    record = wanted("plain", noise(100_000))
    partial = cache.partial(record.digest)
    partial.write(noise(100_000))
    partial.keep()
    (item,) = fetch(transport, [record], cache, listed=True)
    assert item.path.read_bytes() == noise(100_000)
    assert server.count() == 0


def test_whole_leftover_of_another_account_is_fetched_anew(server, cache, transport, wanted, noise):
    """Who may read it is known by the archive only."""
    record = wanted("plain", noise(100_000))
    partial = cache.partial(record.digest)
    partial.write(noise(100_000))
    partial.keep()
    (item,) = fetch(transport, [record], cache)
    assert item.path.read_bytes() == noise(100_000)
    assert server.ranges() == [None]


def test_live_partial_of_another_process_is_neither_shared_nor_published(cache, noise):
    """Where locks lie two processes write at once; each has a file of its own."""
    data = noise(100_000)
    digest = hashlib.md5(data).hexdigest()
    mine = cache.partial(digest)
    mine.write(data[:60_000])
    mine._stream.flush()
    other = cache.partial(digest)
    assert other.size == 60_000 and other.path != mine.path
    assert other.path.stat().st_ino != mine.path.stat().st_ino
    other.write(data[60_000:])
    published = cache.publish(other, digest)
    # the first goes on, wrongly at that, and cannot reach what is visible
    mine.write(b"wrong")
    mine.start_over()
    mine.write(data)
    assert published.read_bytes() == data
    assert cache.publish(mine, digest) == published
    assert published.read_bytes() == data
    assert cache.find(digest) == published


def test_holder_that_died_with_its_lock_held_does_not_stop_others(
    server, tmp_path, transport, wanted, noise
):
    """As on a network file system that never gives a dead machine's lock free."""
    cache = Cache(tmp_path / "cache", patience=0.3)
    record = wanted("plain", noise(1000))
    with cache.lock(record.digest):
        (item,) = fetch(transport, [record], cache)
    assert item.path.read_bytes() == noise(1000)


def test_interrupt_stops_quickly_and_keeps_what_came(server, cache, wanted, noise):
    data = noise(1_000_000)
    record = wanted("stall-400000", data)
    process = start(server, cache, [record])
    go(process)
    wait_for(lambda: partial_bytes(cache) >= 300_000)
    process.send_signal(signal.SIGINT)
    # the server would be silent for a minute, and the download would be tried again after that
    _, said = process.communicate(timeout=50)
    assert process.returncode != 0 and "KeyboardInterrupt" in said
    assert list((cache.root / "objects").glob("*/*")) == []
    assert partial_bytes(cache) >= 300_000


MEMORY = """
import hashlib, json, resource, sys
from pathlib import Path
from nipype_xnat.cache import Cache
from nipype_xnat.records import Record
from nipype_xnat.transfer import fetch, put, save
from nipype_xnat.transport import HttpTransport

url, folder, digest, what = sys.argv[1:]
folder = Path(folder)
transport = HttpTransport(url)
cache = Cache(folder / "cache")
MB = 200

def peak():
    # not ru_maxrss: that remembers the size of the process that started this one
    try:
        status = Path("/proc/self/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

small = Record(experiment_id="E1", resource_id="big-1", path="piece", size=1 << 20)
fetch(transport, [small], cache)
put(transport, Record(experiment_id="E1", resource_label="warm"), {"a": b"x", "b#": b"y"})
idle = peak()
if what == "fetch":
    big = Record(experiment_id="E1", resource_id=f"big-{MB}", path="piece", size=MB << 20,
                 digest=digest)
    fetch(transport, [big], cache)
    save(transport, big, folder / "copy", cache=cache)
else:
    path = folder / "big"
    with path.open("wb") as stream:
        for _ in range(MB):
            stream.write(bytes(range(256)) * 4096)
    name = "big.nii.gz" if what == "raw" else "big#.nii.gz"
    put(transport, Record(experiment_id="E1", resource_label="out"), {name: path}, rounds=1)
print(json.dumps([idle, peak()]))
"""


@pytest.mark.parametrize("what", ["fetch", "raw", "zip"])
def test_memory_stays_flat(server, tmp_path, what):
    piece = bytes(range(256)) * 4096
    server.store("piece", piece)
    digest = hashlib.md5()
    for _ in range(200):
        digest.update(piece)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, server.url, str(tmp_path), digest.hexdigest(), what],
        capture_output=True,
        text=True,
        timeout=200,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    idle, peak = json.loads(done.stdout)
    assert peak - idle < 25, f"{idle:.0f} MB idle, {peak:.0f} MB at most"
