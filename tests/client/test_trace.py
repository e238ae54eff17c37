"""Every call is recorded: to look at, as logging, and as a file for a browser."""

import json
import logging
import pickle
import time

import pytest

from nipype_xnat import Interface
from nipype_xnat.address import Address
from nipype_xnat.errors import CannotReachServer, NotFound
from nipype_xnat.transport import Body, HttpTransport, Request
from nipype_xnat.transport.trace import Recorder, TracingTransport, masked


def test_calls_are_recorded_with_what_they_cost(client, fill):
    fill.put("/data/projects/P")
    began = time.perf_counter()
    with client.trace() as trace:
        client.select.project("P").resource("R").file("a.txt")
        assert client.select.projects().get() == ["P"]
        body = Body.of_bytes(b"12345")
        address = Address.parse("/data/projects/P/resources/R/files/a.txt?inbody=true")
        client.transport.send(Request("PUT", address, body)).close()
        with pytest.raises(NotFound):
            client.transport.send(Request("GET", Address.of("data", "projects", "none")))
    took = time.perf_counter() - began
    listing, login, put, missing = trace.calls
    assert (login.method, str(login.address), login.status) == ("POST", "/data/JSESSION", 200)
    assert (listing.method, listing.address.path, listing.status) == ("GET", "/data/projects", 200)
    assert listing.received > 0
    assert 0 < listing.waited <= listing.seconds <= took
    assert (put.sent, put.status) == (5, 200)
    assert (missing.status, missing.error) == (404, "NotFound")
    client.select.projects().get()
    assert len(trace) == 4, "recording ended"
    assert client.transport is client._transport


def test_the_file_is_a_har_document(client, fill, tmp_path):
    fill.put("/data/projects/P")
    with client.trace(tmp_path / "calls.har"):
        client.select("/projects/P/subjects").get()
    log = json.loads((tmp_path / "calls.har").read_text())["log"]
    assert log["version"] == "1.2"
    assert len(log["entries"]) == 2
    for entry in log["entries"]:
        assert set(entry) >= {
            "startedDateTime",
            "time",
            "request",
            "response",
            "cache",
            "timings",
        }
        request = {"method", "url", "httpVersion", "cookies", "headers", "queryString"}
        assert set(entry["request"]) == request | {"headersSize", "bodySize"}
        response = {"status", "statusText", "httpVersion", "cookies", "headers", "content"}
        assert set(entry["response"]) == response | {"redirectURL", "headersSize", "bodySize"}
        assert entry["timings"]["wait"] >= 0
    assert log["entries"][0]["request"]["url"].startswith(client.server + "/data/projects/P")
    assert [path.name for path in tmp_path.glob("*.har*")] == ["calls.har"]


def test_the_file_is_written_also_when_the_block_fails(client, tmp_path):
    with pytest.raises(NotFound), client.trace(tmp_path / "calls.har"):
        client.select("/projects/none/subjects").get()
    entries = json.loads((tmp_path / "calls.har").read_text())["log"]["entries"]
    assert entries[0]["response"]["status"] == 404


def test_no_secret_is_written_down(xnat_archive, tmp_path, caplog):
    xnat_archive.archive.add_user("jane", "s3cret-word", admin=False)
    caplog.set_level(logging.DEBUG)
    with Interface(xnat_archive.url, "jane", "s3cret-word") as client:
        with client.trace(tmp_path / "calls.har"):
            client.select.projects().get()
            text = client.transport.send(
                Request("GET", Address.of("data", "services", "tokens", "issue"), expect="json")
            ).json()
            path = Address.of("data", "services", "tokens", "invalidate", text["alias"])
            client.transport.send(Request("GET", path / text["secret"])).close()
            session = client._http._session.http.cookies["JSESSIONID"]
    written = (tmp_path / "calls.har").read_text() + caplog.text
    for secret in ("s3cret-word", text["alias"], text["secret"], session):
        assert secret not in (tmp_path / "calls.har").read_text()
    assert "s3cret-word" not in written
    address = Address.parse("/data/x?password=a&XNAT_CSRF=b&format=json")
    assert str(masked(address)).count("***") == 2


def test_logging(client, fill, caplog):
    fill.put("/data/projects/P")
    with caplog.at_level(logging.INFO, "nipype_xnat.trace"), client.trace():
        client.select.projects().get()
    lines = [record.message for record in caplog.records if record.name == "nipype_xnat.trace"]
    assert len(lines) == 2
    assert lines[-1].startswith("GET /data/projects?format=csv -> 200, ")


def test_traces_nest_and_an_interface_pickles_inside(client):
    with client.trace() as outer:
        client.select.projects().get()
        with client.trace() as inner:
            client.select.projects().get()
            copy = pickle.loads(pickle.dumps(client))
        client.select.projects().get()
    assert len(inner) == 1
    assert len(outer) == 4
    assert copy.transport is copy._transport


def test_what_was_sent_again_is_counted():
    transport = HttpTransport("http://127.0.0.1:9", retries=1)
    recorder = Recorder()
    with pytest.raises(CannotReachServer):
        TracingTransport(transport, recorder).send(Request("GET", Address.of("data")))
    (call,) = recorder
    assert (call.status, call.error, call.retries) == (0, "CannotReachServer", 1)
    assert "sent again 1 times" in str(call)


def test_files_that_the_cache_has_are_told(client, fill, tmp_path, caplog):
    fill.put("/data/projects/P")
    fill.file("/data/projects/P/resources/R/files/a.txt", b"a")
    file = client.select.project("P").resource("R").file("a.txt")
    file.get()
    caplog.set_level(logging.INFO, "nipype_xnat.trace")
    with client.trace(tmp_path / "calls.har") as calls:
        client.select.project("P").resource("R").file("a.txt").get()
    (kept,) = [call for call in calls if call.address.path.endswith("a.txt")]
    assert (kept.from_cache, kept.status, kept.received, kept.sent) == (True, 200, 0, 0)
    assert "from cache" in caplog.text
    entries = json.loads((tmp_path / "calls.har").read_text())["log"]["entries"]
    assert [entry["_fromCache"] for entry in entries].count(True) >= 1
