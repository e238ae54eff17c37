"""Each value of a JSON body, replaced by one that nobody expects: an answer, and no surprise."""

import json
import logging

import pytest
import requests

from nipype_xnat.archive import Archive, Site

from .conftest import fill

#: what stands for a value, as it is written
ODD = (
    *("null", "5", "-1", "1.5", "1e999", "NaN", "true", '"x"', '""', "9" * 30, "9" * 5000),
    *(r'"\ud800"', r'"\u0000"', r'["\ud800"]', r'{"\ud800": 1}', '"' + "9" * 5000 + '"'),
    *("[]", "{}", "[1]", "[null]", "[{}]", "[[]]", '{"a": 1}', "[" * 3000 + "]" * 3000),
)
MARK = "\N{SNOWMAN}"
PERSON = {"email": "e@x", "firstName": "a", "lastName": "b", "enabled": True, "verified": True}
FORM = {
    "submission": {
        "data": {
            "isThisASiteWideConfiguration": "no",
            "xnatDatatype": {"value": "xnat:mrSessionData"},
            "xnatProject": [{"value": "xnat:projectData:P"}],
            "zIndex": 1,
            "idCustomVariableFormAppliesTo": "-1_-1",
        }
    },
    "builder": {"title": "t", "components": [{"key": "a"}]},
}
USES = [{"idCustomVariableFormAppliesTo": "1_1", "entityId": "P"}]
CHOSEN = {
    "sessions": ["P:S1:MR1:{session}"],
    "projectIds": ["P"],
    "scan_types": ["T1w"],
    "scan_formats": ["N"],
    "resources": ["N"],
    "reconstructions": ["R"],
    "assessors": ["xnat:qcAssessmentData"],
    "options": ["simplified"],
}
WAITING = {"filtersMap": {"project": {"values": ["P"]}}, "size": 5, "page": 1}
BODIES = [
    ("POST", "/xapi/users", {"username": "u", "password": "p", **PERSON}),
    ("PUT", "/xapi/users/someone", PERSON),
    ("PUT", "/xapi/users/someone", {"password": "p"}),
    ("PUT", "/xapi/users/someone/roles", ["DataManager"]),
    ("PUT", "/xapi/users/someone/groups", ["P_member"]),
    ("POST", "/xapi/archive/downloadwithsize", CHOSEN),
    ("PUT", "/xapi/custom-fields/projects/P/fields", {"a": 1, "b": "x"}),
    ("POST", "/xapi/siteConfig", {"siteId": "x", "sessionTimeout": "1 hour"}),
    ("PUT", "/xapi/customforms/save", FORM),
    ("POST", "/xapi/customforms/enable", USES),
    ("POST", "/xapi/customforms/promote", USES),
    ("DELETE", "/xapi/customforms", USES),
    ("POST", "/xapi/customforms/optin/1_1", ["P"]),
    ("POST", "/xapi/customforms/optout/1_1", ["P"]),
    ("POST", "/xapi/direct-archive", WAITING),
    ("POST", "/data/prearchive/projects/P/20200101_000000/MR1", {"action": "build"}),
]


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    """Give a way to ask an archive with a session, which gives what it did not expect too."""
    seen = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: seen.append(logging.Formatter().format(record))
    logging.getLogger("nipype_xnat.server").addHandler(handler)
    with Archive(tmp_path_factory.mktemp("bodies"), Site(durable=False)) as archive:
        archive.add_user("someone", "secret")
        with archive.running() as url, requests.Session() as http:
            http.trust_env = False
            http.post(url + "/data/JSESSION", auth=("admin", "admin")).raise_for_status()
            session = fill(http, url)
            file = "/data/projects/P/subjects/S1/experiments/MR1/scans/1/resources/N/files/a.txt"
            http.put(url + file + "?inbody=true", data=b"x").raise_for_status()

            def send(method, path, body=None):
                seen.clear()
                data = body and body.replace("{session}", session).encode()
                kind = {"Content-Type": "application/json"}
                return http.request(method, url + path, data=data, headers=kind), seen[:]

            yield send
    logging.getLogger("nipype_xnat.server").removeHandler(handler)


def variants(body):
    """Write a body once for each of its values, with a mark in that value's place."""
    yield MARK
    if isinstance(body, dict):
        for name, value in body.items():
            for inner in variants(value):
                yield {**body, name: inner}
    elif isinstance(body, list):
        for at, value in enumerate(body):
            for inner in variants(value):
                yield [*body[:at], inner, *body[at + 1 :]]


@pytest.mark.parametrize(
    "method, path, body", BODIES, ids=[f"{m} {p} {len(b)}" for m, p, b in BODIES]
)
def test_no_value_of_a_body_is_a_surprise(ask, method, path, body):
    assert ask(method, path, json.dumps(body))[0].status_code < 500
    for variant in variants(body):
        written = json.dumps(variant, ensure_ascii=False)
        for odd in ODD:
            answer, surprises = ask(method, path, written.replace(f'"{MARK}"', odd))
            told = written.replace(f'"{MARK}"', odd[:50])
            assert not surprises, told + "\n" + surprises[0]
            assert answer.status_code < 500, told
            if "downloadwithsize" in path and answer.status_code == 200:
                key = answer.json()["id"]
                for form in ("zip", "xml"):
                    answer, surprises = ask("GET", f"/xapi/archive/download/{key}/{form}")
                    assert not surprises, told + "\n" + surprises[0]
                    assert answer.status_code in {200, 404}, told  # where nothing was chosen


@pytest.mark.parametrize("path", ["users", "users/someone", "siteConfig", "customforms"])
def test_what_was_kept_is_shown(ask, path):
    answer, surprises = ask("GET", f"/xapi/{path}")
    assert not surprises
    assert answer.json()


def test_scalars_count_as_texts_and_truth_values(ask):
    given = {"username": 1234, "password": 8, "firstName": True, "enabled": "True", "verified": 0}
    made, _ = ask("POST", "/xapi/users", json.dumps(given))
    assert made.status_code == 201
    shown = made.json()
    assert (shown["username"], shown["firstName"]) == ("1234", "true")
    assert (shown["enabled"], shown["verified"]) == (True, False)


@pytest.mark.parametrize("name", ["firstName", "enabled", "password"])
@pytest.mark.parametrize("value", [["a"], {"a": 1}])
def test_lists_and_maps_are_refused_with_the_name(ask, name, value):
    answer, _ = ask("PUT", "/xapi/users/someone", json.dumps({name: value}))
    assert answer.status_code == 400
    assert name in answer.text
