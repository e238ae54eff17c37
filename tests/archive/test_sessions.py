"""Log-in sessions: opened, counted, expired, ended."""

import time
from types import SimpleNamespace

import requests


def test_a_log_in_and_a_log_out_leave_no_session_open(start, log_in):
    archive, url = start()
    http = log_in(url)
    assert archive.open_sessions == 1
    http.get(url + "/data/projects")
    assert archive.open_sessions == 1
    assert http.delete(url + "/data/JSESSION").status_code == 200
    assert archive.open_sessions == 0
    assert http.get(url + "/data/projects").status_code == 401


def test_every_basic_auth_request_without_a_cookie_opens_a_session(start):
    archive, url = start()
    for _ in range(3):
        answer = requests.get(url + "/data/projects", auth=("admin", "admin"))
        assert answer.status_code == 200
        assert "JSESSIONID" in answer.cookies
    assert archive.open_sessions == 3


def test_an_account_has_so_many_sessions_and_no_more(start):
    _, url = start(max_sessions=2)
    statuses = [
        requests.get(url + "/data/projects", auth=("admin", "admin")).status_code for _ in range(3)
    ]
    assert statuses == [200, 200, 401]


def test_an_unused_session_expires(start, log_in, monkeypatch):
    _, url = start(session_timeout=1000)
    http = log_in(url)
    expiry = http.get(url + "/data/JSESSION").headers["Set-Cookie"]
    assert ',1000000"' in expiry
    for ahead, status in ((900, 200), (1800, 200), (2900, 401)):
        clock = SimpleNamespace(monotonic=lambda ahead=ahead: time.monotonic() + ahead)
        monkeypatch.setattr("nipype_xnat.server.sessions.time", clock)
        assert http.get(url + "/data/projects").status_code == status


def test_a_provider_may_stand_before_the_name(start):
    _, url = start()
    answer = requests.get(url + "/data/auth", auth=("ldap/admin", "admin"))
    assert answer.text == "User 'admin' is logged in"


def test_an_alias_token_logs_in_until_it_is_invalidated(start, log_in):
    _, url = start()
    http = log_in(url)
    token = http.get(url + "/data/services/tokens/issue").json()
    pair = (token["alias"], token["secret"])
    assert requests.get(url + "/data/auth", auth=pair).text == "User 'admin' is logged in"
    check = f"{url}/data/services/tokens/validate/{pair[0]}/{pair[1]}"
    assert http.get(check).json() == {"valid": "admin"}
    gone = http.get(f"{url}/data/services/tokens/invalidate/{pair[0]}").json()
    assert gone == {"result": "OK"}
    assert requests.get(url + "/data/auth", auth=pair).status_code == 401


def test_an_administrator_ends_the_sessions_of_others(start, log_in):
    archive, url = start()
    archive.add_user("someone", "secret")
    http, other = log_in(url), log_in(url, "someone", "secret")
    assert http.get(url + "/xapi/users/active").json()["someone"]["count"] == 1
    assert http.delete(url + "/xapi/users/active/someone").status_code == 200
    assert other.get(url + "/data/projects").status_code == 401


def test_the_request_log_tells_method_path_query_and_status(start, log_in):
    archive, url = start()
    http = log_in(url)
    archive.requests.clear()
    http.get(url + "/data/projects?format=csv")
    http.get(url + "/data/nosuch")
    assert [tuple(entry) for entry in archive.requests] == [
        ("GET", "/data/projects", "format=csv", 200),
        ("GET", "/data/nosuch", "", 404),
    ]


def test_faults_can_be_put_in_from_outside(start, log_in):
    broken = {"left": 1}

    def fault(application):
        def wrapped(environ, start_response):
            if environ["PATH_INFO"].endswith("/projects") and broken["left"]:
                broken["left"] -= 1
                start_response("503 Service Unavailable", [("Content-Length", "0")])
                return [b""]
            return application(environ, start_response)

        return wrapped

    archive, url = start(middleware=[fault])
    http = log_in(url)
    archive.requests.clear()
    assert http.get(url + "/data/projects").status_code == 503
    assert http.get(url + "/data/projects").status_code == 200
    assert [entry.status for entry in archive.requests] == [503, 200]
