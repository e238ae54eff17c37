"""The proof of the cache: many processes, no locks, kills at any moment, and no wrong byte.

A few rounds run always. For the long proof::

    NIPYPE_XNAT_ROUNDS=200 python -m pytest tests/faults/test_cache_proof.py

Each round has a cold cache and sixteen processes that want the same fifty files. A process is
killed (``kill -9``) either at a random moment, or by itself just before the n-th thing that it does
with the file system. ``NIPYPE_XNAT_SEED`` chooses other moments.
"""

import json
import os
import subprocess
import sys

import pytest

ROUNDS = int(os.environ.get("NIPYPE_XNAT_ROUNDS", "3"))
SEED = int(os.environ.get("NIPYPE_XNAT_SEED", "20"))
LONGEST = 120 + 60 * ROUNDS  # seconds
pytestmark = pytest.mark.timeout(LONGEST + 60)

# one process imports, its children fetch: a round costs no interpreter's start
NURSERY = """
import fcntl, hashlib, json, os, random, signal, sys, time, traceback
from pathlib import Path

settings = json.loads(sys.stdin.read())
if settings["locks"] == "lie":
    fcntl.flock = lambda *_: None
from nipype_xnat.cache import Cache
from nipype_xnat.records import Record
from nipype_xnat.transfer import deliver, fetch
from nipype_xnat.transport import HttpTransport

records = [Record.from_dict(values) for values in settings["records"]]
right = {record.path: record.digest for record in records}
EVENTS = {"open", "os.link", "os.rename", "os.remove", "os.mkdir", "os.chmod", "os.utime",
          "os.rmdir", "os.truncate", "os.scandir", "os.listdir"}


def die_before(number, root):
    left = [number]

    def hook(event, args):
        if event in EVENTS and args and root in str(args[0]):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def child(root, order, number):
    if number:
        die_before(number, root)
    cache = Cache(root)
    transport = HttpTransport(settings["url"])
    mine = list(records)
    order.shuffle(mine)
    fetched = fetch(transport, mine, cache, connections=4, pause=0.01, listed=True)
    places = deliver(fetched, cache, "all")
    for item in fetched:
        for path in (item.path, places[item.record]):
            found = hashlib.md5(path.read_bytes()).hexdigest()
            assert found == item.record.digest, f"{path} was handed out and is wrong"
    transport.close()


def look(root):
    '''Read all that is visible; a file or folder may go, but must never be wrong.'''
    for path in (root / "objects").glob("*/*"):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        assert hashlib.md5(data).hexdigest() == path.name, f"{path} is wrong"
    for folder in (root / "views").glob("*"):
        names = {path.name for path in folder.iterdir()}
        assert names == set(right), f"{folder} is not whole"
        for name in names:
            digest = hashlib.md5((folder / name).read_bytes()).hexdigest()
            assert digest == right[name], f"{folder / name} is wrong"


def one_round(number):
    chance = random.Random(f"{settings['seed']} {number}")
    root = Path(settings["folder"]) / f"round{number}"
    crew = {}
    for member in range(settings["processes"]):
        deadly = settings["kills"] and chance.random() < 0.5
        step = chance.randrange(1, 1500) if deadly else 0
        order = random.Random(chance.random())
        pid = os.fork()
        if not pid:
            try:
                child(str(root), order, step)
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        crew[pid] = bool(step)
    victims = [pid for pid, deadly in crew.items() if not deadly]
    victims = chance.sample(victims, len(victims) // 2) if settings["kills"] else []
    killed = 0
    while crew:
        look(root)
        if victims and chance.random() < 0.3:
            pid = victims.pop()
            if pid in crew:
                crew[pid] = True
                os.kill(pid, signal.SIGKILL)
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid:
            deadly = crew.pop(pid)
            if os.WIFSIGNALED(status):
                assert deadly and os.WTERMSIG(status) == signal.SIGKILL
                killed += 1
            else:
                assert os.WEXITSTATUS(status) == 0, "a process failed that nobody killed"
    look(root)
    if settings["kills"]:
        # who comes later finds all in order, and nothing has to be cleaned up by hand
        child(str(root), chance, 0)
        look(root)
    else:
        assert list((root / "partial").iterdir()) == []
    assert len(list((root / "views").iterdir())) == 1
    found = Cache(root).verify()
    assert found.good == len(set(right.values())) and not found.set_aside, found
    assert not (root / "aside").exists(), "nothing was ever wrong"
    return killed


killed = [one_round(number) for number in range(settings["rounds"])]
print(json.dumps(killed))
"""


def nursery(server, tmp_path, records, **settings):
    settings = {
        "url": server.url,
        "folder": str(tmp_path),
        "records": [record.to_dict() for record in records],
        "processes": 16,
        "seed": SEED,
        **settings,
    }
    done = subprocess.run(
        [sys.executable, "-c", NURSERY],
        input=json.dumps(settings),
        capture_output=True,
        text=True,
        timeout=LONGEST,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout)


@pytest.fixture
def fifty(wanted, noise):
    """Fifty files of all sizes from nothing to 200 kB; some of the same bytes.

    Each in a resource of its own, which is no series that would come as a zip.
    """
    contents = [noise(number**3 * 2 if number < 47 else 5000, number % 48) for number in range(50)]
    kinds = ["slow" if number % 10 == 9 else "plain" for number in range(50)]
    return [
        wanted(
            kind,
            data,
            f"{number}.bin",
            experiment_id=f"E{number}",
            resource_id="",
            resource_label=kind,
        )
        for number, (kind, data) in enumerate(zip(kinds, contents, strict=True))
    ]


def test_sixteen_processes_with_locks_download_each_file_once(server, tmp_path, fifty):
    killed = nursery(server, tmp_path, fifty, locks="work", kills=False, rounds=1)
    assert killed == [0]
    different = {record.digest: [] for record in fifty}
    for record in fifty:
        different[record.digest].append(record.path)
    asked = [sum(server.count(name=name) for name in same) for same in different.values()]
    assert asked == [1] * len(different)


def test_sixteen_processes_without_locks(server, tmp_path, fifty):
    nursery(server, tmp_path, fifty, locks="lie", kills=False, rounds=1)
    # or it does not show that locks are not needed
    assert server.count() > len({record.digest for record in fifty})


def test_sixteen_processes_without_locks_and_kills_at_any_moment(server, tmp_path, fifty):
    killed = nursery(server, tmp_path, fifty, locks="lie", kills=True, rounds=ROUNDS)
    assert sum(killed) >= ROUNDS, "or nothing is proven"
    # or it does not show that locks are not needed
    assert server.count() > ROUNDS * len({record.digest for record in fifty})


def test_kills_with_locks(server, tmp_path, fifty):
    """A lock that dies with its holder stops nobody."""
    killed = nursery(server, tmp_path, fifty, locks="work", kills=True, rounds=1)
    assert sum(killed) >= 1


PRUNING = """
import hashlib, json, random, sys, time
from pathlib import Path

settings = json.loads(sys.argv[1])
from nipype_xnat.cache import Cache
from nipype_xnat.records import Record
from nipype_xnat.transfer import deliver, fetch
from nipype_xnat.transport import HttpTransport

cache = Cache(settings["folder"])
if settings["run"] == "prune":
    print("ready", flush=True)
    while not Path(settings["end"]).exists():
        cache.prune(size=0)
    sys.exit()
records = [Record.from_dict(values) for values in settings["records"]]
transport = HttpTransport(settings["url"])
chance = random.Random(settings["run"])
for step in range(settings["steps"]):
    mine = chance.sample(records, 5)
    cache.lease(settings["run"], [record.digest for record in mine])
    fetched = fetch(transport, mine, cache, pause=0.01, listed=True)
    places = deliver(fetched, cache, f"step{step % 3}")
    cache.lease(settings["run"], [record.digest for record in mine], places.values())
    for record, path in places.items():
        for _ in range(3):
            assert hashlib.md5(path.read_bytes()).hexdigest() == record.digest
transport.close()
"""


def test_pruning_while_others_fetch_takes_nothing_from_them(server, tmp_path, fifty):
    """A lease taken before the look-up holds, whatever a prune is about to do."""
    settings = {
        "url": server.url,
        "folder": str(tmp_path / "cache"),
        "records": [record.to_dict() for record in fifty[:20]],
        "end": str(tmp_path / "end"),
        "steps": 12,
    }
    names = ["prune", *(str(tmp_path / f"run{number}") for number in range(3))]
    crew = [
        subprocess.Popen(
            [sys.executable, "-c", PRUNING, json.dumps({**settings, "run": name})],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in names
    ]
    try:
        for process in crew[1:]:
            _, wrong = process.communicate(timeout=120)
            assert process.returncode == 0, wrong
    finally:
        (tmp_path / "end").touch()
        _, wrong = crew[0].communicate(timeout=60)
    assert crew[0].returncode == 0, wrong
