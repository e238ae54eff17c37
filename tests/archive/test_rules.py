"""Who is let in, and the settings of the site that decide it."""

import http.client as http_client
from urllib.parse import urlsplit

import pytest
import requests

from nipype_xnat.archive import Archive, Site
from nipype_xnat.server.rules import seconds, words


@pytest.fixture
def serve(start):
    """Give a starter of archives with an account ``ann``."""

    def begin(**site):
        archive, url = start(**site)
        archive.add_user("ann", "secret")
        return url

    return begin


def log_in(url, password="secret", login="ann"):
    return requests.post(url + "/data/JSESSION", auth=(login, password))


def test_too_many_wrong_passwords_lock_an_account(serve):
    url = serve(max_failed_logins=3)
    assert [log_in(url, "wrong").status_code for _ in range(3)] == [401, 401, 401]
    assert log_in(url).status_code == 401
    assert log_in(url, "admin", "admin").status_code == 200


def test_a_right_password_forgets_the_wrong_ones(serve):
    url = serve(max_failed_logins=3)
    for _ in range(3):
        assert [log_in(url, "wrong").status_code for _ in range(2)] == [401, 401]
        assert log_in(url).status_code == 200


def test_a_lock_ends(serve):
    url = serve(max_failed_logins=1, lockout=0)
    assert log_in(url, "wrong").status_code == 401
    assert log_in(url).status_code == 200


def test_a_locked_accounts_token_still_works(serve):
    url = serve(max_failed_logins=1)
    token = requests.get(url + "/data/services/tokens/issue", auth=("ann", "secret")).json()
    log_in(url, "wrong")
    assert log_in(url).status_code == 401
    assert log_in(url, token["secret"], token["alias"]).status_code == 200


def test_settings_take_effect_at_once_and_stay(serve):
    url = serve()
    admin = requests.Session()
    admin.auth = ("admin", "admin")
    given = {"concurrentMaxSessions": 1, "sessionTimeout": "2 hours", "maxFailedLogins": -1}
    admin.post(url + "/xapi/siteConfig", json=given).raise_for_status()
    assert log_in(url).status_code == 200
    assert log_in(url).status_code == 401
    stamp = admin.get(url + "/data/JSESSION").headers["Set-Cookie"]
    assert ",7200000" in stamp
    shown = admin.get(url + "/xapi/siteConfig").json()
    assert {name: shown[name] for name in given} == given


def test_a_site_is_opened_to_guests_by_its_settings(serve):
    url = serve()
    assert requests.get(url + "/data/projects").status_code == 401
    config = url + "/xapi/siteConfig/requireLogin"
    headers = {"Content-Type": "text/plain"}
    requests.post(config, data="false", auth=("admin", "admin"), headers=headers)
    assert requests.get(url + "/data/projects").status_code == 200


def test_settings_outlive_the_server(tmp_path):
    admin = ("admin", "admin")
    with Archive(tmp_path, Site(durable=False)) as archive, archive.running() as url:
        given = {"aliasTokenTimeout": "1 hour"}
        requests.post(url + "/xapi/siteConfig", json=given, auth=admin).raise_for_status()
    with Archive(tmp_path, Site(durable=False)) as archive, archive.running() as url:
        token = requests.get(url + "/data/services/tokens/issue", auth=admin).json()
    assert token["estimatedExpirationTime"] - token["created"] == 3600 * 1000


@pytest.mark.parametrize(
    "text, length",
    [("15 minutes", 900), ("1 hour 30 mins", 5400), ("2 days", 172800), ("soon", None), ("", None)],
)
def test_intervals_are_read(text, length):
    assert seconds(text) == length


@pytest.mark.parametrize("length", [1, 59, 60, 900, 5400, 86400, 172800, 0.5])
def test_intervals_are_written_so_that_they_can_be_read(length):
    assert seconds(words(length)) == length


def test_a_refused_body_of_unknown_length_is_not_the_next_request(start):
    _, url = start()
    place = urlsplit(url)
    http = http_client.HTTPConnection(place.hostname, place.port)
    login = {"Authorization": "Basic YWRtaW46YWRtaW4="}
    http.request("PUT", "/data/projects/P", headers=login)
    assert http.getresponse().read() is not None
    files = "/data/projects/P/resources/R/files"
    chunks = [b"x" * 20, b"GET /data/projects HTTP/1.1\r\nHost: x\r\n\r\n"]
    http.request("PUT", files + "/f.txt?inbody=true", iter(chunks), login, encode_chunked=True)
    refused = http.getresponse()
    refused.read()
    assert refused.status == 500
    # the same connection serves on, and answers what was asked
    for _ in range(3):
        http.request("GET", "/data/projects/P?format=json", headers=login)
        answer = http.getresponse()
        assert b'"items"' in answer.read()
