"""Numbers too long for any machine, and filters that mean nothing: an answer, and no surprise."""

import logging

import pytest

from .conftest import fill

LONG = "9" * 5000
FILES = "/data/projects/P/resources/R/files"
SEARCH = (
    '<s:bundle xmlns:s="http://nrg.wustl.edu/security">'
    "<s:root_element_name>xnat:mrSessionData</s:root_element_name><s:search_field>"
    "<s:element_name>xnat:mrSessionData</s:element_name><s:field_ID>LABEL</s:field_ID>"
    f"<s:sequence>{LONG}</s:sequence></s:search_field></s:bundle>"
)
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def ask(start, log_in, caplog):
    """Give a way to ask an archive with a file; what the server did not expect fails the test."""
    _, url = start()
    http = log_in(url)
    fill(http, url)
    http.put(url + FILES + "/a.txt?inbody=true", data=b"abc").raise_for_status()

    def send(method, path, **options):
        with caplog.at_level(logging.ERROR, "nipype_xnat.server"):
            answer = http.request(method, url + path, **options)
        assert not caplog.records, caplog.records[0].exc_info
        return answer

    return send


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", f"/data/projects/P/resources/{LONG}/files", 404),
        ("GET", f"/data/projects/P/resources/R,{LONG}/files", 404),
        ("PUT", f"/data/projects/P/resources/{LONG}/files/a.txt?inbody=true", 404),
        ("DELETE", f"/data/projects/P/resources/{LONG}", 404),
        ("GET", f"{FILES}?index={LONG}", 404),
        ("GET", f"{FILES}?format=zip&compression={LONG}", 200),
        ("GET", f"/data/experiments?limit={LONG}&offset=0", 500),
        ("GET", f"/data/prearchive/projects/P?limit={LONG}", 200),
        ("DELETE", f"/xapi/direct-archive/{LONG}", 404),
        ("GET", f"/data/workflows/{LONG}", 404),
        ("GET", f"/xapi/users/{LONG}", 404),
        ("GET", f"/data/services/dicomdump?src=/archive/projects/P&field={LONG}", 400),
    ],
    ids=lambda value: str(value).replace(LONG, "LONG"),
)
def test_a_path_or_a_parameter(ask, method, path, status):
    answer = ask(method, path)
    assert (answer.status_code, answer.text[:300]) == (status, answer.text[:300])


@pytest.mark.parametrize("asked", [f"{LONG}-", f"0-{LONG}", f"-{LONG}"])
def test_a_range(ask, asked):
    answer = ask("GET", FILES + "/a.txt", headers={"Range": f"bytes={asked}"})
    if asked.startswith(LONG):
        assert answer.status_code == 416
    else:
        assert (answer.status_code, answer.content) == (206, b"abc")


def test_the_place_of_a_column(ask):
    answer = ask("POST", "/data/search?format=json", data=SEARCH)
    assert [row["label"] for row in answer.json()["ResultSet"]["Result"]] == ["MR1"]


@pytest.mark.parametrize("size", ["1e999", "Infinity", LONG, "null"])
@pytest.mark.parametrize("name", ["size", "page"])
def test_a_page_of_sessions_that_are_archived_at_once(ask, name, size):
    answer = ask("POST", "/xapi/direct-archive", data=f'{{"{name}": {size}}}', headers=JSON)
    assert answer.status_code == (200 if size == "null" else 400)


def test_a_filter_of_a_listing_that_is_no_such_value(ask):
    answer = ask("GET", "/data/projects/P/subjects?xnat:mrSessionData/date=form")
    assert answer.status_code == 500
    assert "is not a date" in answer.text


def test_a_filter_of_a_listing_by_a_type_that_does_not_exist(ask):
    answer = ask("GET", "/data/subjects?xsiType=%27--")
    assert answer.status_code == 500
    assert "Unknown field: " in answer.text
