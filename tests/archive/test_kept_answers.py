"""A table that was answered is answered again at once, and never when something was changed."""

import pytest
import requests

from .conftest import fill

EXPERIMENTS = "/data/projects/P/experiments"
FILES = "/data/projects/P/resources/R/files"


@pytest.fixture
def asked(told, start, log_in):
    """An archive with a session, a person logged in, and the statements that were run."""
    archive, url = start()
    http = log_in(url)
    fill(http, url)
    http.put(url + FILES + "/a.txt?inbody=true", data=b"a").raise_for_status()
    told.clear()
    return archive, url, http, told


def reading(statements):
    """Those that read tables; whether another process changed something is asked each time."""
    return [one for one in statements if one.lstrip().upper().startswith(("SELECT", "WITH"))]


@pytest.mark.parametrize("path", ["/data/projects", EXPERIMENTS, FILES, "/data/subjects"])
@pytest.mark.parametrize("form", ["json", "csv", "xml"])
def test_the_same_question_is_answered_without_a_statement(asked, path, form):
    _, url, http, statements = asked
    address = f"{url}{path}?format={form}"
    first = http.get(address)
    assert reading(statements)
    statements.clear()
    again = http.get(address)
    assert reading(statements) == []
    assert again.content == first.content
    own = {"Date", "Set-Cookie"}
    assert {k: v for k, v in again.headers.items() if k not in own} == {
        k: v for k, v in first.headers.items() if k not in own
    }


def test_each_change_is_seen_at_once(asked):
    _, url, http, _ = asked

    def rows(path):
        return http.get(url + path).json()["ResultSet"]["Result"]

    for number in range(2, 5):
        http.put(f"{url}{FILES}/{number}.txt?inbody=true", data=b"b").raise_for_status()
        assert len(rows(FILES)) == number
    http.delete(f"{url}{FILES}/2.txt").raise_for_status()
    assert len(rows(FILES)) == 3
    assert [row["label"] for row in rows(EXPERIMENTS)] == ["MR1"]
    session = url + "/data/projects/P/subjects/S1/experiments/MR1"
    http.put(session + "?label=MR2").raise_for_status()
    assert [row["label"] for row in rows(EXPERIMENTS)] == ["MR2"]


def test_one_person_never_gets_what_another_one_may_see(asked, log_in):
    archive, url, http, _ = asked
    archive.add_user("someone", "secret")
    other = log_in(url, "someone", "secret")

    def seen(who):
        answer = who.get(url + "/data/projects/P/subjects")
        return answer.json()["ResultSet"]["totalRecords"] if answer.ok else answer.status_code

    http.put(url + "/data/projects/P/accessibility/private").raise_for_status()
    assert (seen(http), seen(other)) == ("1", 404)
    http.put(url + "/data/projects/P/users/Collaborators/someone").raise_for_status()
    assert (seen(http), seen(other)) == ("1", "1")
    http.delete(url + "/data/projects/P/users/Collaborators/someone").raise_for_status()
    assert (seen(http), seen(other)) == ("1", 404)
    assert requests.get(url + "/data/projects/P/subjects").status_code == 401


def test_the_form_that_is_accepted_belongs_to_the_question(asked):
    _, url, http, _ = asked
    kinds = {
        http.get(url + EXPERIMENTS, headers={"Accept": kind}).headers["Content-Type"]
        for kind in ("application/json", "text/csv", "text/xml")
    }
    assert kinds == {"application/json", "text/csv", "text/xml"}
