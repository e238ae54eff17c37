"""A server that is busy, or slow, gets fewer requests at once, and more again when it is well.

What is asserted is what the server saw: how many requests it was at work on at once.
"""

import logging
import threading
import time
from contextlib import contextmanager

import pytest

from nipype_xnat import Interface
from nipype_xnat.address import Address
from nipype_xnat.archive import Archive, Site
from nipype_xnat.errors import ServerBroken
from nipype_xnat.transport import HttpTransport, Request
from support.filler import Filler

MOST = 8
FILE = Address.parse("/data/projects/P/resources/R/files/a.txt")


class Gauge:
    """A middleware that counts the requests for files that are being worked on.

    A request leaves before its answer does, so what a client sends after an answer is never
    counted together with what was answered.

    Attributes
    ----------
    inside, most, seen : int
        Requests at work on now, at once at most since it was set back, and in all.
    behave : callable
        Gets the number of a request; may wait, or return the status and the headers of a refusal.
    """

    def __init__(self):
        self.changed = threading.Condition()
        self.inside = self.most = self.seen = 0
        self.behave = lambda number: None

    def __call__(self, app):
        def answer(environ, start_response):
            if "/files" not in environ["PATH_INFO"] or environ["REQUEST_METHOD"] != "GET":
                return app(environ, start_response)
            with self.changed:
                self.seen += 1
                self.inside += 1
                self.most = max(self.most, self.inside)
                number = self.seen
                self.changed.notify_all()
            try:
                refusal = self.behave(number)
                if refusal is None:
                    return [b"".join(app(environ, start_response))]
                start_response(*refusal)
                return [b"busy"]
            finally:
                with self.changed:
                    self.inside -= 1
                    self.changed.notify_all()

        return answer

    def wait_for(self, true):
        """Wait until something is true of the counts."""
        with self.changed:
            assert self.changed.wait_for(true, 60)


def busy(status="503 Service Unavailable", after=0):
    return status, [("Content-Type", "text/plain"), ("Retry-After", str(after))]


@pytest.fixture
def site(tmp_path):
    """An archive with a file, behind a gauge."""
    gauge = Gauge()
    with Archive(tmp_path / "archive", Site(durable=False)) as archive:
        with archive.running(middleware=[gauge]) as url:
            fill = Filler(url)
            fill.put("/data/projects/P")
            fill.file(str(FILE), b"content")
            fill.http.close()
            yield gauge, url


@pytest.fixture
def client(site):
    with Interface(site[1], "admin", "admin", connections=MOST) as client:
        yield client


def ask(transport):
    with transport.send(Request("GET", FILE, expect="bytes")) as answer:
        assert answer.read() == b"content"


@contextmanager
def asking(transport, threads=MOST):
    """Let threads ask for the file again and again."""
    done, failures = threading.Event(), []

    def work():
        try:
            while not done.is_set():
                ask(transport)
        except Exception as error:
            failures.append(error)

    crew = [threading.Thread(target=work) for _ in range(threads)]
    for thread in crew:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in crew:
            thread.join(60)
    assert not failures


def once(gauge, number, refusal):
    """Refuse requests until as many as this are at work on at once, and these all together."""
    met = threading.Event()

    def behave(_):
        if met.is_set():
            return None
        gauge.wait_for(lambda: met.is_set() or gauge.inside >= number)
        met.set()
        return refusal

    gauge.behave = behave
    return met


def waiting_for(event, seconds):
    """Take so long, or until something happens."""

    def behave(_):
        event.wait(seconds)

    return behave


def well(_):
    time.sleep(0.005)


def told(caplog, url):
    """Return the numbers of requests at once that the log told, and the reasons."""
    texts = [text for text in caplog.messages if text.startswith("requests at once")]
    words = [text.partition(f"{url}: ")[2].partition(" ") for text in texts]
    return [number for number, _, _ in words], [why for _, _, why in words if why]


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_busy_server_gets_half_as_many_and_then_one_more_a_round(site, client, caplog, status):
    gauge, url = site
    caplog.set_level(logging.INFO, "nipype_xnat.transport")
    ask(client.transport)
    met = once(gauge, MOST, busy(status))
    with asking(client.transport):
        assert met.wait(60)
        # all eight are refused, and come again four by four: one halving, not eight
        gauge.wait_for(lambda: gauge.inside == 0)
        gauge.most = 0
        again = threading.Event()
        gauge.behave = waiting_for(again, 60)
        gauge.wait_for(lambda: gauge.inside == MOST // 2)
        time.sleep(0.5)  # for a fifth one, if there were one
        assert gauge.most == MOST // 2
        gauge.behave = well
        again.set()
        gauge.wait_for(lambda: gauge.most == MOST)
    assert told(caplog, url) == (["4", "5", "6", "7", "8"], [f"(status {status[:3]})"])


def test_server_that_stays_busy_gets_one_at_a_time(site, client):
    gauge, _ = site
    client._http.retries = 50
    alone = []

    def behave(_):
        """Be busy whenever there is more than one to work on."""
        with gauge.changed:
            if gauge.inside > 1:
                alone.clear()
                return busy()
            alone.append(True)
        time.sleep(0.01)
        return None

    gauge.behave = behave
    with asking(client.transport):
        gauge.wait_for(lambda: len(alone) >= MOST)
        gauge.most, begun = 0, gauge.seen
        gauge.wait_for(lambda: gauge.seen > begun + 60)
        assert gauge.most <= 2  # the second one is there to try
        gauge.behave = well
        gauge.wait_for(lambda: gauge.most == MOST)


def test_no_thread_asks_while_the_server_wants_to_be_left_alone(site, client):
    gauge, _ = site
    ask(client.transport)
    came = []
    first = threading.Event()

    def behave(_):
        came.append(time.monotonic())
        if not first.is_set():
            first.set()
            return busy(after=2)
        return None

    gauge.behave = behave
    with (
        pytest.raises(ServerBroken),
        client.transport.send(Request("GET", FILE, expect="bytes", repeatable=False)),
    ):
        pass
    with asking(client.transport, 3):
        gauge.wait_for(lambda: gauge.seen > 5)
    assert min(came[1:]) - came[0] >= 1.9


def test_slow_server_gets_fewer_until_it_is_quick_again(site, client):
    gauge, _ = site
    gauge.behave = well
    slow = threading.Event()
    with asking(client.transport):
        gauge.wait_for(lambda: gauge.most == MOST and gauge.seen > 4 * MOST)
        gauge.behave = waiting_for(slow, 1.0)
        # two rounds at least, of which the first began before
        begun = gauge.seen
        gauge.wait_for(lambda: gauge.seen > begun + 3 * MOST)
        gauge.most = gauge.inside
        gauge.wait_for(lambda: gauge.seen > begun + 4 * MOST)
        assert gauge.most <= MOST // 2
        gauge.behave = well
        slow.set()
        gauge.wait_for(lambda: gauge.most == MOST)


def test_slow_server_gets_as_many_as_before_where_the_number_is_fixed(site):
    gauge, url = site
    gauge.behave = well
    with Interface(url, "admin", "admin", connections=4, adaptive=False) as client:
        with asking(client.transport, 4):
            gauge.wait_for(lambda: gauge.seen > 16)
            gauge.behave = lambda number: busy() if number % 3 == 0 else time.sleep(0.5)
            begun = gauge.seen
            gauge.wait_for(lambda: gauge.seen > begun + 32)
            gauge.most = 0
            gauge.wait_for(lambda: gauge.most == 4)
            gauge.behave = well


def test_listings_may_take_as_long_as_they_take(site, client):
    gauge, _ = site
    gauge.behave = well
    listing = Address.parse("/data/projects/P/resources/R/files").ask(format="json")
    for _ in range(20):
        ask(client.transport)
        client.transport.send(Request("GET", listing, expect="json")).json()
    gauge.behave = lambda _: time.sleep(0.4)

    def ask_for_lists():
        for _ in range(4):
            client.transport.send(Request("GET", listing, expect="json")).json()

    crew = [threading.Thread(target=ask_for_lists) for _ in range(MOST)]
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join(60)
    gauge.behave = well
    gauge.most = 0
    with asking(client.transport):
        gauge.wait_for(lambda: gauge.most == MOST)


def test_request_in_the_middle_of_an_answer_does_not_wait_for_it(site, client, caplog):
    """One at a time is allowed, and that one is half read."""
    gauge, url = site
    caplog.set_level(logging.INFO, "nipype_xnat.transport")
    transport = HttpTransport(url, client._http.credentials, connections=MOST)
    ask(transport)
    met = once(gauge, 2, busy())
    with asking(transport, 2):
        assert met.wait(60)
    assert told(caplog, url) == (["1"], ["(status 503)"])
    half = transport.send(Request("GET", Address.of("data", "projects").ask(format="csv")))
    ask(transport)
    ask(transport)
    assert b"P" in half.read()
    transport.close()
