"""Who logs in, how often, and what becomes of the secret."""

import json
import logging
import multiprocessing
import os
import pickle
import stat
import subprocess
import sys
import threading
import time
import traceback
from pathlib import Path
from types import SimpleNamespace

import pytest
import urllib3.util.connection

from nipype_xnat import Interface
from nipype_xnat.address import Address
from nipype_xnat.archive import Archive, Site
from nipype_xnat.errors import (
    CannotReachServer,
    ConfigurationError,
    NotAllowed,
    NotFound,
    NotLoggedIn,
    ServerBroken,
    XNATWarning,
)
from nipype_xnat.transport import Request
from support.counting import door

SECRET = "s3cret-of-this-test"


def logins(archive):
    return [r.method for r in archive.requests if r.path.endswith("/data/JSESSION")]


def test_one_login_and_one_logout_for_many_requests(xnat_archive, tmp_path):
    with Interface(xnat_archive.url, "admin", "admin", cache=tmp_path) as client:
        for _ in range(5):
            list(client.select("/projects"))
    assert logins(xnat_archive) == ["POST", "DELETE"]
    assert xnat_archive.archive.open_sessions == 0


def test_the_logout_goes_over_a_connection_that_rests(xnat_archive, tmp_path, monkeypatch):
    made = []
    really = urllib3.util.connection.create_connection

    def noting(*args, **values):
        made.append(args)
        return really(*args, **values)

    monkeypatch.setattr("urllib3.util.connection.create_connection", noting)
    with Interface(xnat_archive.url, "admin", "admin", cache=tmp_path) as client:
        list(client.select("/projects"))
    assert logins(xnat_archive) == ["POST", "DELETE"] and len(made) == 1
    with Interface(xnat_archive.url, "admin", "admin", cache=tmp_path, connections=1) as client:
        # nobody reads on: the one connection is in use
        answer = client.transport.send(Request("GET", Address.of("data", "projects")))
    assert logins(xnat_archive) == ["POST", "DELETE"] * 2 and len(made) == 3
    assert xnat_archive.archive.open_sessions == 0
    answer.close()


def test_making_an_interface_sends_nothing(xnat_archive):
    Interface(xnat_archive.url, "admin", "admin")
    assert not xnat_archive.requests


def test_a_session_that_ends_in_mid_run_is_renewed(tmp_path, monkeypatch):
    site = Site(session_timeout=1000, durable=False)
    with Archive(tmp_path / "archive", site) as archive, archive.running() as url:
        with Interface(url, "admin", "admin", cache=tmp_path, metadata_age=0) as client:
            list(client.select("/projects"))
            clock = SimpleNamespace(monotonic=lambda: time.monotonic() + 1001)
            monkeypatch.setattr("nipype_xnat.server.sessions.time", clock)
            assert list(client.select("/projects")) == []
        assert logins(archive).count("POST") == 2


def test_thirty_threads_log_in_once(client, xnat_archive):
    failures = []

    def work():
        try:
            assert list(client.select("/projects")) == []
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert logins(xnat_archive) == ["POST"]


def _in_child(client, queue):
    queue.put((os.getpid(), len(list(client.select("/projects"))), client.user))


def test_a_forked_child_logs_in_and_out_for_itself(client, xnat_archive, fill):
    fill.put("/data/projects/P")
    assert len(list(client.select("/projects"))) == 1
    before = logins(xnat_archive)
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(client, queue))
    child.start()
    assert queue.get(timeout=30)[1:] == (1, "admin")
    child.join(30)
    assert logins(xnat_archive)[len(before) :] == ["POST", "DELETE"]
    assert len(list(client.select("/projects"))) == 1  # the parent's session lives on
    assert logins(xnat_archive)[len(before) :] == ["POST", "DELETE"]


def test_a_process_that_ends_logs_out(xnat_archive, config):
    code = (
        "import nipype_xnat, sys; x = nipype_xnat.Interface(config=sys.argv[1]); "
        "print(x.select('/projects').get())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(config)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]", done.stderr
    assert logins(xnat_archive) == ["POST", "DELETE"]


def test_a_context_path_and_a_provider_before_the_user_name(tmp_path):
    site = Site(context="/xnat", durable=False)
    with Archive(tmp_path / "archive", site) as archive, archive.running() as url:
        assert url.endswith("/xnat")
        with Interface(url + "/", "localdb/admin", "admin", cache=tmp_path) as client:
            client.select.project("P").create()
            assert client.select("/projects").get() == ["P"]
            assert client.user == "admin"
        with Interface(url.removesuffix("/xnat"), "admin", "admin") as client:
            with pytest.raises(NotFound, match="no XNAT at this address"):
                list(client.select("/projects"))


def test_the_secret_is_in_no_repr_pickle_or_message(xnat_archive, tmp_path):
    client = Interface(xnat_archive.url, "admin", SECRET, cache=tmp_path)
    with pytest.raises(NotLoggedIn) as caught:
        list(client.select("/projects"))
    texts = [repr(client), repr(client.transport), repr(vars(client)), str(caught.value)]
    texts.append(repr(pickle.dumps(caught.value)))
    texts.append(repr(pickle.dumps(client)))
    assert not [text for text in texts if SECRET in text]


def test_a_pickled_connection_logs_in_again_from_its_file(xnat_archive, config):
    with Interface(config=config) as client:
        list(client.select("/projects"))
        copy = pickle.loads(pickle.dumps(client))
        session = client._http._session.http.cookies.get("JSESSIONID")
        assert session and session not in repr(pickle.dumps(client))
        assert copy.select("/projects").get() == []
        copy.disconnect()


def test_a_pickled_connection_made_with_a_bare_password_says_log_in_again(client):
    copy = pickle.loads(pickle.dumps(client))
    with pytest.raises(NotLoggedIn, match="log in again"):
        list(copy.select("/projects"))


def test_saved_configuration_is_for_its_owner_only_and_works(xnat_archive, tmp_path):
    path = tmp_path / "saved.json"
    client = Interface(xnat_archive.url, "admin", "admin")
    client.save_config(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {
        "server": xnat_archive.url,
        "user": "admin",
        "password": "admin",
    }
    with Interface(config=path) as again:
        assert again.select("/projects").get() == []


def test_a_file_that_others_can_read_is_warned_about(config):
    config.chmod(0o644)
    with pytest.warns(XNATWarning, match="chmod 600"):
        Interface(config=config)


def test_netrc(xnat_archive, tmp_path, monkeypatch):
    path = tmp_path / "netrc"
    host = xnat_archive.url.removeprefix("http://")
    path.write_text(f"machine {host} login admin password admin\n")
    path.chmod(0o600)
    monkeypatch.setenv("NETRC", str(path))
    with Interface(xnat_archive.url) as client:
        assert client.select("/projects").get() == []
        copy = pickle.loads(pickle.dumps(client))
    assert copy.select("/projects").get() == []
    copy.disconnect()


def test_no_account_is_told_at_once_where_nobody_can_be_asked(xnat_archive):
    with pytest.raises(ConfigurationError, match="no account"):
        Interface(xnat_archive.url, interactive=False)
    assert not xnat_archive.requests


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("not json " + SECRET, "not JSON"),
        ('{"server": "http://x"}', "lacks user, password"),
        ("[1]", "JSON object"),
    ],
)
def test_a_bad_configuration_is_told_without_its_text(tmp_path, text, said):
    path = tmp_path / "bad.json"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match=said) as caught:
        Interface(config=path)
    assert SECRET not in str(caught.value)
    chain = caught.value.__context__
    assert chain is None or caught.value.__suppress_context__


@pytest.mark.parametrize(
    "server", ["xnat.org", "ftp://x", f"https://me:{SECRET}@x.org", "https://x.org/?a=b"]
)
def test_a_bad_address_is_told_without_a_secret(server):
    with pytest.raises(ConfigurationError) as caught:
        Interface(server, "me", "pw")
    assert SECRET not in str(caught.value)


# -- seven things that can go wrong, told apart


def test_wrong_password(xnat_archive):
    with Interface(xnat_archive.url, "admin", "wrong") as client:
        with pytest.raises(NotLoggedIn, match="refused user 'admin'"):
            client.select.project("P").exists()


def test_not_allowed(xnat_archive, client, fill):
    fill.put("/data/projects/P")
    fill.call("PUT", "/data/projects/P/accessibility/public")
    xnat_archive.archive.add_user("guestly", "pw")
    with Interface(xnat_archive.url, "guestly", "pw") as other:
        with pytest.raises(NotAllowed, match="user 'guestly' may not"):
            other.select.project("P").subject("S").create()


def test_no_such_element(client, fill):
    fill.put("/data/projects/P")
    assert not client.select.project("P").subject("S").exists()
    with pytest.raises(NotFound, match="no such element"):
        client.select.project("P").subject("S").id()


def test_server_away():
    with Interface("http://127.0.0.1:9", "a", "b") as client:
        with pytest.raises(CannotReachServer, match="cannot reach"):
            client.select.project("P").exists()


def test_server_broken_and_login_pages(xnat_archive, fill, tmp_path):
    fill.put("/data/projects/P")
    mode = {"answer": None}
    page = b"<!DOCTYPE html><!-- BEGIN xnat-templates/screens/Login.vm --><html></html>"

    def breaking(app):
        def answer(environ, start_response):
            if mode["answer"] is None or environ["PATH_INFO"].endswith("JSESSION"):
                return app(environ, start_response)
            status, headers, body = mode["answer"]
            start_response(status, [("Content-Type", "text/html"), *headers])
            return [body]

        return answer

    with (
        xnat_archive.archive.running(middleware=[breaking]) as url,
        Interface(url, "admin", "admin", cache=tmp_path) as client,
    ):
        project = client.select.project("P")
        mode["answer"] = ("500 Internal Server Error", [], b"<h3>null pointer</h3>")
        with pytest.raises(ServerBroken, match="status 500 .null pointer"):
            project.exists()
        mode["answer"] = ("200 OK", [], page)
        with pytest.raises(NotLoggedIn, match="login page"):
            project.exists()
        mode["answer"] = ("302 Found", [("Location", url + "/app/template/Login.vm")], b"")
        with pytest.raises(NotLoggedIn, match="login page"):
            project.exists()
        mode["answer"] = ("302 Found", [("Location", "http://127.0.0.2:1/data")], b"")
        with pytest.raises(ServerBroken, match="another address"):
            project.exists()
        mode["answer"] = ("200 OK", [], b"<html><title>Maintenance</title></html>")
        with pytest.raises(ServerBroken, match="Maintenance"):
            project.exists()


def test_a_session_that_an_administrator_ends_is_renewed(xnat_archive, fill, tmp_path):
    """XNAT then answers with its login page, or sends there, instead of 401."""
    fill.put("/data/projects/P")
    answers = []

    def ending(app):
        def answer(environ, start_response):
            if not answers or environ["PATH_INFO"].endswith("JSESSION"):
                return app(environ, start_response)
            status, headers, body = answers.pop()
            start_response(status, [("Content-Type", "text/html"), *headers])
            return [body]

        return answer

    with (
        xnat_archive.archive.running(middleware=[ending]) as url,
        Interface(url, "admin", "admin", cache=tmp_path) as client,
    ):
        list(client.select("/projects"))
        answers.append(("200 OK", [], b"<html>BEGIN xnat-templates/screens/Login.vm</html>"))
        assert client.select("/projects").get() == ["P"]
        answers.append(("302 Found", [("Location", url + "/app/template/Login.vm")], b""))
        assert client.select("/projects").get() == ["P"]
        answers.append(("401 Unauthorized", [], b""))
        assert client.select("/projects").get() == ["P"]
        assert xnat_archive.archive.open_sessions == 2  # the filler's, and this one


def test_interfaces_that_are_forgotten_are_logged_out(xnat_archive, tmp_path):
    import gc

    for _ in range(5):
        list(Interface(xnat_archive.url, "admin", "admin", cache=tmp_path).select("/projects"))
    gc.collect()
    with Interface(xnat_archive.url, "admin", "admin", cache=tmp_path) as client:
        list(client.select("/projects"))
        assert xnat_archive.archive.open_sessions == 1


def test_a_cookie_of_a_load_balancer_does_no_harm(xnat_archive, tmp_path):
    def balancing(app):
        def answer(environ, start_response):
            def start(status, headers, *rest):
                headers = [*headers, ("Set-Cookie", "JSESSIONID=other; Path=/balancer")]
                headers.append(("Set-Cookie", "ROUTE=node1; Path=/"))
                return start_response(status, headers, *rest)

            return app(environ, start)

        return answer

    with (
        xnat_archive.archive.running(middleware=[balancing]) as url,
        Interface(url, "admin", "admin", cache=tmp_path) as client,
    ):
        assert client.select("/projects").get() == []
    assert xnat_archive.archive.open_sessions == 0


def test_cookies_go_back_as_they_came_last_and_where_they_belong(xnat_archive, tmp_path):
    """A balancer's route may change in mid-run, end, or be for other pages only."""
    routes = [f"ROUTE={name}; Path=/" for name in ("node1", "node2")]
    routes.append("ROUTE=node2; Path=/; Max-Age=0")
    routes.append("ROUTE=node3; Path=/data/projects")
    given, came = iter(routes), []

    def balancing(app):
        def answer(environ, start_response):
            def start(status, headers, *rest):
                route = next(given, None)
                more = [("Set-Cookie", route)] if route else []
                return start_response(status, [*headers, *more], *rest)

            words = environ.get("HTTP_COOKIE", "").split("; ")
            assert sum(word.startswith("JSESSIONID=") for word in words) == (len(came) > 0)
            came.append(sorted(word for word in words if word.startswith("ROUTE")))
            return app(environ, start)

        return answer

    with (
        xnat_archive.archive.running(middleware=[balancing]) as url,
        Interface(url, "admin", "admin", cache=tmp_path, metadata_age=0) as client,
    ):
        for _ in range(5):
            client.select("/projects").get()
        client.get("/data/version")
    one, two, three = [["ROUTE=node1"], ["ROUTE=node2"], ["ROUTE=node3"]]
    # log-in, five listings, another page, log-out
    assert came == [[], one, two, [], three, three, [], []]


def test_one_connection_is_enough(xnat_archive, fill, tmp_path):
    for name in "PQ":
        fill.put(f"/data/projects/{name}")
        fill.session(name, "S", "S_MR1", {"1": ("T1w", {"R": {"a": b"a"}})})
    options = {"cache": tmp_path, "connections": 1}
    with Interface(xnat_archive.url, "admin", "admin", **options) as client:
        genders = [s.attrs.get("gender") for s in client.select("/projects/*/subjects/*")]
        assert genders == ["", ""]
        path = "/projects/*/experiments/*/scans/*/resources/R/files"
        assert len(list(client.select(path))) == 2
        cursors = [iter(client.select("/projects/*")) for _ in range(9)]
        assert [next(cursor).id() for cursor in cursors] == ["P"] * 9


def test_the_account_that_is_switched_on_in_the_password_file(xnat_archive):
    path = Path.home() / ".xnatPass"
    lines = ["-other@http://elsewhere=x", f"+admin@{xnat_archive.url}=admin", "+late@http://b=c"]
    path.write_text("\n".join(lines) + "\n")
    path.chmod(0o600)
    with Interface() as client:
        assert (client.user, client.server) == ("admin", xnat_archive.url)
        assert client.select.projects().get() == []
        text = pickle.dumps(client)
    assert b"=admin" not in text
    with pickle.loads(text) as again:
        assert again.select.projects().get() == []
    path.chmod(0o644)
    with pytest.warns(XNATWarning, match="chmod 600"), Interface():
        pass
    path.write_text("-admin@http://elsewhere=secret\n")
    with pytest.raises(ConfigurationError, match="no line that begins with") as told:
        Interface()
    assert "secret" not in str(told.value)


def test_another_configuration_can_be_loaded(client, fill, tmp_path):
    fill.put("/data/projects/P")
    with Archive(tmp_path / "other", Site(durable=False)) as other, other.running() as url:
        file = tmp_path / "other.json"
        file.write_text(json.dumps({"server": url, "user": "admin", "password": "admin"}))
        file.chmod(0o600)
        assert client.select.projects().get() == ["P"]
        with client.trace() as calls:
            client.load_config(file)
            assert client.select.projects().get() == []
        assert {call.server for call in calls} == {url}
        assert client.server == url
        with pytest.raises(ConfigurationError):
            client.load_config(tmp_path / "none.json")
        assert client.server == url
        client.disconnect()


def test_the_level_of_logging(client):
    client.set_logging(logging.DEBUG)
    assert logging.getLogger("nipype_xnat").level == logging.DEBUG
    client.set_logging()
    assert logging.getLogger("nipype_xnat").level == logging.NOTSET


def test_requests_by_hand_send_forms_with_files_and_answer_like_requests(client, xnat_archive):

    client.put("/data/projects/P").raise_for_status()
    address = "/data/projects/P/resources/R/files/a.txt"
    with client.put(address, files={"file": ("a.txt", b"one\r\ntwo\nthree")}) as reply:
        assert reply
        assert (reply.ok, reply.reason, reply.request.method) == (True, "OK", "PUT")
    found = client.get(address, stream=True)
    assert list(found.iter_lines()) == [b"one", b"two", b"three"]
    missing = client.get("/data/projects/Nope")
    assert not missing
    assert missing.reason == "Not Found"


def test_a_log_in_that_fails_shows_no_password_among_local_variables(xnat_archive, tmp_path):
    """As loggers of errors show them, and pytest with --showlocals."""
    word = "-".join(["not", "the", "right", "one"])
    config = tmp_path / "xnat.json"
    Interface(xnat_archive.url, "admin", word).save_config(config)
    del word
    with pytest.raises(NotLoggedIn) as caught:
        Interface(config=config).get("/data/projects")
    kinds = type(caught.value), caught.value, caught.value.__traceback__
    shown = "".join(traceback.TracebackException(*kinds, capture_locals=True).format())
    assert "_try_to_open" in shown and "not-the-right-one" not in shown


def test_answers_that_nobody_reads_leave_the_connection_to_the_next_request(
    xnat_archive, fill, tmp_path
):
    files = {"R": {"a.txt": b"a"}}
    fill.put("/data/projects/P")
    fill.session("P", "S", "E", {"1": ("T1w", files)}, ID="X_E1")
    address = Address.of("data", "experiments", "X_E1", "scans", "1", "resources", "R", "files")
    with (
        door(xnat_archive.url) as way,
        Interface(way.url, "admin", "admin", cache=tmp_path) as client,
    ):
        send = client.transport.send
        with send(Request("GET", address / "a.txt", expect="bytes")) as answer:
            known = answer.headers["last-modified"]
        for _ in range(3):
            same = Request(
                "GET",
                address / "a.txt",
                headers={"If-Modified-Since": known},
                expect="bytes",
                accept=frozenset({304}),
            )
            with send(same) as answer:
                assert answer.status == 304
            send(Request("HEAD", address / "a.txt", expect="bytes")).close()
            send(Request("PUT", Address.of("data", "projects", "P", "subjects", "T"))).close()
            send(Request("DELETE", Address.of("data", "projects", "P", "subjects", "T"))).close()
            send(Request("GET", address.ask(format="json"), expect="json")).close()
        assert way.made == 1
