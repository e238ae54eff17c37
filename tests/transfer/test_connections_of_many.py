"""Many processes at one archive: few connections, each file once, one log-in each."""

import errno
import fcntl
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter

import pytest

from nipype_xnat import Interface
from nipype_xnat.address import Address
from nipype_xnat.archive import Archive, Site
from nipype_xnat.errors import ConfigurationError, NotFound
from nipype_xnat.transport import Request
from nipype_xnat.transport.slots import Slots
from nipype_xnat.transport.waiting import while_waiting
from support.counting import door
from support.filler import Filler

MOST = 8

# processes of their own, forked from one that has imported everything, also what is imported where
# it is used, and has no connection: to import it two hundred times would take minutes
CROWD = """
import json, os, sys
import nipype_xnat.search.engine, nipype_xnat.select.root
from nipype_xnat import Interface
from nipype_xnat.transfer import fetch

config, cache, size = sys.argv[1:]
first = Interface(config=config)  # nothing is sent
begin_read, begin_write = os.pipe()
ready_read, ready_write = os.pipe()

def work(number):
    os.close(begin_write)
    os.write(ready_write, b".")
    os.read(begin_read, 1)  # ends when all are there
    with Interface(config=config, cache=cache) as archive:
        found = archive.select(f"/projects/P/subjects/S{number % 20}/experiments/*/scans/1"
                               "/resources/NIFTI/files").records()
        shared = archive.select("/projects/P/subjects/S0/experiments/*/scans/2/resources/NIFTI"
                                "/files").records()
        got = fetch(archive.transport, [*found, *shared], archive.cache, listed=True)
        assert len(got) == 2, got
        assert got[0].path.read_bytes() == f"image of S{number % 20}".encode() * 1000

children = []
for number in range(int(size)):
    child = os.fork()
    if not child:
        try:
            work(number)
        except BaseException as error:
            print(number, repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    children.append(child)
for _ in children:
    os.read(ready_read, 1)
os.close(begin_read), os.close(begin_write)
ended = [os.waitpid(child, 0)[1] for child in children]
print(json.dumps({"failed": sum(map(bool, ended)), "alive": len(children)}))
"""


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """An archive with twenty sessions, behind a door."""
    folder = tmp_path_factory.mktemp("archive")
    with Archive(folder, Site(durable=False)) as archive, archive.running() as url:
        fill = Filler(url)
        fill.put("/data/projects/P")
        for number in range(20):
            image = f"image of S{number}".encode() * 1000
            scans = {"1": ("T1w", {"NIFTI": {f"S{number}.nii": image}})}
            if number == 0:
                scans["2"] = ("T2w", {"NIFTI": {"shared.nii": b"for all" * 1000}})
            fill.session("P", f"S{number}", f"S{number}_MR1", scans)
        fill.http.close()
        with door(url) as way_in:
            yield archive, way_in


@pytest.fixture
def site(filled, tmp_path):
    """The archive with its counts at zero, and a configuration file."""
    archive, way_in = filled
    until(lambda: way_in.open == 0, "the end of all connections")
    way_in.forget()
    archive.requests.clear()
    archive.logins = archive.logouts = 0
    config = tmp_path / "xnat.json"
    Interface(way_in.url, "admin", "admin").save_config(config)
    return archive, way_in, config


def until(true, what, patience=30):
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.01)


def downloads(archive):
    """Count how often the bytes of each file were asked for."""
    return Counter(r.path.rpartition("/")[2] for r in archive.requests if r.path.endswith(".nii"))


def test_two_hundred_processes(site, tmp_path, monkeypatch):
    archive, way_in, config = site
    before = archive.open_sessions
    monkeypatch.setenv("NIPYPE_XNAT_CONNECTIONS", str(MOST))
    done = subprocess.run(
        [sys.executable, "-c", CROWD, str(config), str(tmp_path / "cache"), "200"],
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"failed": 0, "alive": 200}, done.stderr[-2000:]
    assert way_in.most == MOST
    expected = {f"S{number}.nii" for number in range(20)} | {"shared.nii"}
    assert downloads(archive) == dict.fromkeys(expected, 1)
    assert (archive.logins, archive.logouts) == (200, 200)
    assert archive.open_sessions == before


def holder(config, tail, **environment):
    """Start a process that has logged in, says so, and does what the tail of its program says."""
    code = (
        "import os, sys, time\nfrom nipype_xnat import Interface\n"
        "archive = Interface(config=sys.argv[1], metadata_age=0)\n"
        "archive.select.projects().get()\n"
        f"print('ready', flush=True)\n{tail}"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(config)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.fixture
def one_connection(monkeypatch):
    """One connection for all processes."""
    monkeypatch.setenv("NIPYPE_XNAT_CONNECTIONS", "1")


def ask(config):
    """Log in, ask and log out, in this process."""
    with Interface(config=config, metadata_age=0) as archive:
        assert archive.select.projects().get() == ["P"]


def test_process_alone_keeps_its_connections(site):
    archive, way_in, config = site
    counts = []
    for limit in (0, MOST):
        way_in.forget()
        archive.requests.clear()
        with Interface(config=config, metadata_age=0, machine_connections=limit) as client:
            for _ in range(20):
                client.select.projects().get()
        counts.append((way_in.made, way_in.most, [(r.method, r.path) for r in archive.requests]))
        until(lambda: way_in.open == 0, "the end of all connections")
    assert counts[0] == counts[1]
    # the log-out goes over the one that rests by then
    assert counts[0][:2] == (1, 1)


def test_killed_process_leaves_its_connections_to_others(site, one_connection):
    _, way_in, config = site
    with holder(
        config,
        "client = archive._http._session.http\n"
        "answer = client.get(archive.server + '/data/projects', stream=True)\n"
        "time.sleep(60)",
    ) as process:
        process.kill()
    ask(config)
    assert way_in.most == 1


def test_process_that_rests_gives_way_and_goes_on(site, one_connection):
    archive, way_in, config = site
    with holder(config, "sys.stdin.readline(); print(archive.select.projects().get())") as process:
        ask(config)
        ask(config)
        said, _ = process.communicate("go\n", timeout=60)
    assert said == "['P']\n"
    assert way_in.most == 1
    assert (archive.logins, archive.logouts) == (3, 3)


def test_process_that_works_on_and_on_lets_others_have_a_turn(site, one_connection):
    _, way_in, config = site
    work = "for number in range(10**9): archive.select.projects().get()"
    with holder(config, work) as first, holder(config, work) as second:
        ask(config)
        assert first.poll() is second.poll() is None
        first.kill()
        second.kill()
    assert way_in.most == 1


def test_half_read_answers_give_their_connection_to_the_next_request(site, one_connection):
    """In one process, with one connection: it would wait for itself."""
    _, way_in, config = site
    rows = Address.of("data", "experiments").ask(format="csv")
    with Interface(config=config, connections=1, metadata_age=0) as client:
        pieces = client.transport.send(Request("GET", rows)).stream()
        begun = client.transport.send(Request("GET", rows))
        assert len(client.select("/projects/P/subjects").get("label")) == 20
        assert begun.read() == b"".join(pieces)
        with pytest.raises(NotFound):
            client.select.project("P").subject("none").id()
    assert way_in.most == 1


def test_loop_over_rows_may_ask_while_another_process_waits(site, one_connection):
    _, way_in, config = site
    work = (
        "rows = archive.transport.send(Request('GET', Address.of('data', 'experiments')"
        ".ask(format='csv'))).stream()\n"
        "sys.stdin.readline()\n"
        "archive.select.projects().get()\n"
        "print(b''.join(rows).count(b'xnat:mrSessionData'))"
    )
    names = "from nipype_xnat.address import Address\nfrom nipype_xnat.transport import Request\n"
    with holder(config, names + work) as process:
        until(lambda: way_in.open == 1, "a half-read answer")
        ask(config)
        said, _ = process.communicate("go\n", timeout=60)
    assert said == "20\n"
    assert way_in.most == 1


def test_child_of_a_fork_keeps_neither_connection_nor_place(site, one_connection):
    """It lives on when its parent has given both up."""
    _, way_in, config = site
    work = (
        "child = os.fork()\n"
        "if not child: os.close(0), os.close(1), time.sleep(60), os._exit(0)\n"
        "print(child, flush=True)\n"
        "sys.stdin.readline()\n"
        "archive.disconnect()\n"
        "sys.stdin.readline()"
    )
    with holder(config, work) as process:
        child = int(process.stdout.readline())
        try:
            assert way_in.open == 1
            process.stdin.write("go\n")
            process.stdin.flush()
            until(lambda: way_in.open == 0, "the end of the parent's connections")
            ask(config)
            process.communicate("go\n", timeout=60)
            ask(config)
            os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)
    assert way_in.most == 1


def test_connection_that_the_server_ends_counts_until_its_answer_is_read(tmp_path):
    def ending(app):
        def answer(environ, start_response):
            def start(status, headers, *rest):
                return start_response(status, [*headers, ("Connection", "close")], *rest)

            return app(environ, start)

        return answer

    site = Site(durable=False)
    with Archive(tmp_path / "archive", site) as archive:
        with archive.running(middleware=[ending]) as url, door(url) as way_in:
            with Interface(way_in.url, "admin", "admin", machine_connections=1) as client:
                slots = Slots(way_in.url, 1)
                projects = Address.of("data", "projects").ask(format="json")
                with client.transport.send(Request("GET", projects)) as answer:
                    with pytest.raises(TimeoutError):
                        slots.take(patience=0.2)
                    assert answer.json()["ResultSet"]["Result"] == []
                slots.take(patience=10).release()
            assert way_in.most == 1


# -- the places themselves


@pytest.fixture
def server():
    """An address that no other test has; nothing listens there."""
    return f"http://{uuid.uuid4().hex}.test"


def test_no_more_are_given_than_there_are(server, tmp_path):
    slots = Slots(server, 3, [tmp_path])
    held = [slots.take() for _ in range(3)]
    with pytest.raises(TimeoutError, match=r"given up in 0\.1 s"):
        slots.take(patience=0.1)
    assert Slots(f"{server}:8080", 1, [tmp_path]).take(patience=0)
    held.pop().release()
    held.append(slots.take(patience=10))
    for one in held:
        one.release()
        one.release()
    assert [slots.take(patience=10) for _ in range(3)]


def test_those_who_wait_are_served_in_turn(server, tmp_path):
    slots = Slots(server, 1, [tmp_path])
    held, served, crew = slots.take(), [], []

    def wait(number):
        mine = slots.take()
        served.append(number)
        mine.release()

    def waiting():
        return sum(thread.name == "nipype_xnat-line" for thread in threading.enumerate())

    for number in range(5):
        crew.append(threading.Thread(target=wait, args=(number,)))
        crew[-1].start()
        # the first one's thread has ended: it is at the head of the line
        until(lambda n=number: waiting() == n and slots.wanted(), "one more in line")
        time.sleep(0.02)
    assert served == []
    held.release()
    for thread in crew:
        thread.join(30)
    assert served == [0, 1, 2, 3, 4]


def test_lower_limit_is_kept_beside_a_higher_one(server, tmp_path):
    many, few = Slots(server, 3, [tmp_path]), Slots(server, 1, [tmp_path])
    held = [many.take(), many.take()]
    mine = few.take(patience=0)
    with pytest.raises(TimeoutError):
        many.take(patience=0.1)
    mine.release()
    assert len(held) == 2


def test_waiting_can_be_ended_and_leaves_no_trace(server, tmp_path):
    slots = Slots(server, 1, [tmp_path])
    held = slots.take()

    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), while_waiting(stop):
        slots.take()
    held.release()
    assert slots.take(patience=10)


@pytest.mark.parametrize("kind", ["link", "other", "file"])
def test_folder_that_is_not_ours_is_not_used(server, tmp_path, caplog, kind, monkeypatch):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    there = first / f"nipype_xnat-{os.getuid()}"
    if kind == "link":
        (tmp_path / "target").mkdir()
        there.symlink_to(tmp_path / "target")
    elif kind == "file":
        there.touch()
    else:
        there.mkdir()
        if os.getuid():
            pytest.skip("only root can give a folder to somebody else")
        os.chown(there, 12345, -1)
    slots = Slots(server, 1, [first, second])
    held = slots.take()
    folder = second / there.name
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700 and list(folder.iterdir())
    with pytest.raises(TimeoutError):
        slots.take(patience=0.1)
    held.release()
    assert list(tmp_path.glob("target/*")) == []
    # where there is no other place, each process counts for itself, and says so
    with caplog.at_level(logging.WARNING, "nipype_xnat"):
        assert Slots(server, 1, [first]).take() and Slots(server, 1, [first]).take()
    assert caplog.text.count("somebody else's") == 1


def test_file_system_without_locks_is_told_once_and_stops_nobody(
    server, tmp_path, caplog, monkeypatch
):
    def refuse(*_):
        raise OSError(errno.ENOTSUP, "locks are not supported here")

    monkeypatch.setattr(fcntl, "flock", refuse)
    slots = Slots(server, 1, [tmp_path])
    with caplog.at_level(logging.WARNING, "nipype_xnat"):
        assert slots.take() and slots.take()
    assert caplog.text.count("locks are not supported here") == 1


def test_number_that_is_none_is_told(monkeypatch):
    monkeypatch.setenv("NIPYPE_XNAT_CONNECTIONS", "many")
    with pytest.raises(ConfigurationError, match="'many' in NIPYPE_XNAT_CONNECTIONS"):
        Interface("https://xnat.test", "a", "b")
    with pytest.raises(ConfigurationError, match="'-1'"):
        Interface("https://xnat.test", "a", "b", machine_connections=-1)
