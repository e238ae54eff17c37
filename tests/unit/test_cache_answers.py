"""Answers about metadata are remembered for a moment, and never where that could be wrong."""

import pickle
import threading

import pytest

from nipype_xnat import Interface, errors
from nipype_xnat.address import Address
from nipype_xnat.cache import Mode, RememberingTransport
from nipype_xnat.transport import Answer, Body, Request


class Clock:
    """Seconds that a test turns."""

    now = 1000.0

    def __call__(self):
        return self.now


class Counter:
    """An archive that numbers its answers."""

    def __init__(self, server, account="jane", status=200, filling=b""):
        self.server = server
        self.account = account
        self.status = status
        self.filling = filling
        self.asked = []
        self.closed = 0

    def send(self, request):
        self.asked.append(request)
        body = b"%d" % len(self.asked)
        chunks = iter([body, self.filling]) if self.filling else iter([body])
        return Answer(request, self.status, {"X": "y"}, chunks, server=self.server)

    def close(self):
        self.closed += 1


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def inner(request):
    return Counter(f"http://{request.node.name}")


@pytest.fixture
def make(inner, clock):
    def make(mode=Mode.ONLINE, age=1.0):
        return RememberingTransport(inner, age, mode, clock)

    return make


def get(path="projects", expect="json", **values):
    return Request("GET", Address.of("data", path), expect=expect, **values)


def ask(transport, *args, **values):
    return transport.send(get(*args, **values)).read()


@pytest.mark.parametrize("expect", ["json", "csv", "xml", "text"])
def test_asked_once_within_the_age(make, clock, inner, expect):
    transport = make()
    assert ask(transport, expect=expect) == b"1"
    clock.now += 0.9
    again = transport.send(get(expect=expect))
    assert (again.read(), again.status, again.headers) == (b"1", 200, {"x": "y"})
    assert again.from_cache and again.age == pytest.approx(0.9)
    clock.now += 0.1
    answer = transport.send(get(expect=expect))
    assert answer.read() == b"2" and not answer.from_cache and answer.age == 0


def test_other_questions_are_other_answers(make):
    transport = make()
    assert ask(transport, "projects") == b"1"
    assert ask(transport, "subjects") == b"2"
    assert ask(transport, "projects", expect="csv") == b"3"
    query = Request("GET", Address.of("data", "projects").ask(a="b"), expect="json")
    assert transport.send(query).read() == b"4"


@pytest.mark.parametrize(
    "values",
    [
        {"expect": "bytes"},
        {"headers": {"Range": "bytes=1-"}},
        {"headers": {"If-Modified-Since": "x"}},
        {"fresh": True},
    ],
)
def test_never_remembered(make, values):
    transport = make(Mode.PREFER_CACHED)
    assert ask(transport, **values) == b"1"
    assert ask(transport, **values) == b"2"


@pytest.mark.parametrize("path", ["JSESSION", "services", "search"])
def test_what_issues_something_or_searches_is_never_remembered(make, path):
    transport = make(Mode.PREFER_CACHED)
    assert [ask(transport, path), ask(transport, path)] == [b"1", b"2"]


def test_tokens_that_a_get_issues_are_never_remembered(make):
    transport = make()
    issue = Request("GET", Address.of("data", "services", "tokens", "issue"), expect="json")
    assert [transport.send(issue).read() for _ in "ab"] == [b"1", b"2"]


def test_fresh_answer_serves_those_who_do_not_mind(make):
    transport = make()
    ask(transport)
    assert ask(transport, fresh=True) == b"2"
    assert ask(transport) == b"2"


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize("mode", [Mode.ONLINE, Mode.PREFER_CACHED])
def test_change_forgets_all(make, mode, method):
    transport = make(mode)
    ask(transport, "a"), ask(transport, "b")
    transport.send(Request(method, Address.of("data", "c"), Body.of_bytes(b"x"))).close()
    assert [ask(transport, "a"), ask(transport, "b")] == [b"4", b"5"]


def test_change_that_failed_forgets_all(make, inner):
    """An answer that was lost says nothing about what the server did."""
    transport = make()
    ask(transport)
    send = inner.send

    def fail(request):
        send(request)
        raise errors.CannotReachServer("cut off")

    inner.send = fail
    with pytest.raises(errors.CannotReachServer):
        transport.send(Request("PUT", Address.of("data", "x")))
    inner.send = send
    assert ask(transport) == b"3"


def test_search_by_post_changes_nothing(make):
    transport = make()
    ask(transport)
    transport.send(Request("POST", Address.of("data", "search"), Body.of_text("<x/>"))).close()
    assert ask(transport) == b"1"


def test_answer_from_before_a_change_is_not_kept_after_it(make):
    transport = make()
    slow = transport.send(get())
    transport.send(Request("DELETE", Address.of("data", "x"))).close()
    assert slow.read() == b"1"
    assert ask(transport) == b"3"


def test_answer_from_during_a_change_is_not_kept_after_it(make, inner):
    transport = make()
    inside, go = threading.Event(), threading.Event()
    send = inner.send

    def slowly(request):
        if request.method == "PUT":
            inside.set()
            assert go.wait(10)
        return send(request)

    inner.send = slowly
    change = threading.Thread(
        target=lambda: transport.send(Request("PUT", Address.of("data", "x"))).close()
    )
    change.start()
    assert inside.wait(10)
    assert ask(transport) == b"1"
    go.set()
    change.join()
    assert ask(transport) == b"3"


def test_change_through_another_connection_of_the_process_forgets_too(make, inner):
    one = make()
    other = RememberingTransport(Counter(inner.server, "joe"))
    ask(one)
    other.send(Request("PUT", Address.of("data", "x"))).close()
    assert ask(one) == b"2"


def test_other_archives_are_left_alone(make):
    one = make()
    ask(one)
    RememberingTransport(Counter("http://elsewhere")).send(
        Request("PUT", Address.of("data", "x"))
    ).close()
    assert ask(one) == b"1"


def test_accounts_share_nothing(inner):
    transports = [RememberingTransport(Counter(inner.server, name)) for name in ("jane", "joe")]
    for transport in transports:
        ask(transport)
    assert [len(transport.inner.asked) for transport in transports] == [1, 1]


def test_answer_that_was_not_read_to_its_end_is_not_kept(make):
    transport = make()
    transport.send(get()).close()
    assert ask(transport) == b"2"


@pytest.mark.parametrize("status", [202, 206, 304, 404])
def test_only_good_answers_are_kept(make, inner, status):
    inner.status = status
    transport = make()
    assert [ask(transport), ask(transport)] == [b"1", b"2"]


def test_large_table_is_streamed_past(make, inner):
    inner.filling = bytes(1 << 20)
    transport = make()
    answer = transport.send(get())
    pieces = answer.stream()
    assert next(pieces) == b"1", "the first piece comes before the last one was sent"
    assert len(b"".join(pieces)) == 1 << 20
    assert ask(transport)[:1] == b"2"


def test_all_together_stay_small(make, inner):
    inner.filling = bytes(1000_000)
    transport = make()
    for number in range(40):
        ask(transport, f"p{number}")
    assert ask(transport, "p39")[:2] == b"40"
    assert ask(transport, "p0")[:2] == b"41"


def test_modes(make, clock, inner):
    assert [ask(make(age=0)) for _ in "ab"] == [b"1", b"2"]
    again = make(Mode.REVALIDATE)
    assert [ask(again), ask(again)] == [b"3", b"4"]
    preferring = make(Mode.PREFER_CACHED, age=0)
    assert ask(preferring) == b"5"
    clock.now += 10**6
    assert ask(preferring) == b"5"
    with pytest.raises(errors.NotInCache, match="offline"):
        ask(make(Mode.OFFLINE))
    for method in ("GET", "PUT", "HEAD", "DELETE"):
        with pytest.raises(errors.NotInCache):
            make(Mode.OFFLINE).send(Request(method, Address.of("data"), expect="bytes"))
    assert len(inner.asked) == 5


def test_closing_forgets(make, inner):
    transport = make()
    ask(transport)
    transport.close()
    assert inner.closed == 1
    assert ask(transport) == b"2"


def test_pickled_without_what_it_knows(inner):
    transport = RememberingTransport(inner)
    ask(transport)
    copy = pickle.loads(pickle.dumps(transport))
    assert copy.age == 1.0
    assert ask(copy) == b"2"


# -- at a real archive


def test_client_remembers_for_a_moment_and_says_so(xnat_archive, fill):
    fill.put("/data/projects/P")
    with Interface(xnat_archive.url, "admin", "admin", metadata_age=1000) as client:
        assert client.select.projects().get() == ["P"]
        with client.trace() as trace:
            assert client.select.projects().get() == ["P"]
            (call,) = trace.calls
            assert call.from_cache and call.age > 0 and "from cache" in str(call)
            assert call.to_har()["_age"] == call.age
            fill.put("/data/projects/Q")
            assert client.select.projects().get() == ["P"]
            client.select.project("R").create()
            assert sorted(client.select.projects().get()) == ["P", "Q", "R"]
        assert not trace.calls[-1].from_cache


def test_zero_asks_always(xnat_archive, fill):
    with Interface(xnat_archive.url, "admin", "admin", metadata_age=0) as client:
        assert client.select.projects().get() == []
        fill.put("/data/projects/P")
        assert client.select.projects().get() == ["P"]


def test_upload_is_compared_with_what_is_there_now(xnat_archive, fill, tmp_path):
    """The listing of an upload proves what the archive has, so memory must not answer it."""
    fill.put("/data/projects/P")
    source = tmp_path / "a.txt"
    source.write_text("a")
    with Interface(
        xnat_archive.url, "admin", "admin", metadata_age=1000, cache_mode="prefer-cached"
    ) as client:
        resource = client.select("/projects/P/resources/R")
        resource.file("a.txt").put(source)
        assert [file.id() for file in resource.files()] == ["a.txt"]
        fill.call("DELETE", "/data/projects/P/resources/R/files/a.txt")
        resource.file("a.txt").put(source)
    assert fill.call("GET", "/data/projects/P/resources/R/files/a.txt").content == b"a"


def test_requests_by_hand_are_always_sent(xnat_archive, fill):
    with Interface(xnat_archive.url, "admin", "admin", metadata_age=1000) as client:
        url = "/data/projects?format=csv"
        assert "P" not in client.get(url).text.split(",")
        fill.put("/data/projects/P")
        assert "P," in client.get(url).text


def test_mode_by_environment(monkeypatch):
    monkeypatch.setenv("NIPYPE_XNAT_CACHE_MODE", "offline")
    client = Interface("http://nowhere.invalid", anonymous=True)
    assert client.cache_mode == "offline" and client.cache.mode is Mode.OFFLINE
    with pytest.raises(errors.NotInCache, match="offline"):
        client.select.projects().get()
    assert Interface("http://x", anonymous=True, cache_mode="online").cache_mode == "online"
    monkeypatch.setenv("NIPYPE_XNAT_CACHE_MODE", "sometimes")
    with pytest.raises(errors.ConfigurationError, match="sometimes.*NIPYPE_XNAT_CACHE_MODE"):
        Interface("http://x", anonymous=True)
