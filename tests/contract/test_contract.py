"""Every row of the table, over HTTP."""

import collections

import pytest
import requests

from . import (
    rows_documents,
    rows_elements,
    rows_files,
    rows_import,
    rows_listings,
    rows_listings_rights,
    rows_people,
    rows_prearchive,
    rows_search,
    rows_search_filters,
    rows_services,
)
from .conftest import OTHER
from .table import check

ROWS = [
    row
    for module in (
        rows_listings,
        rows_listings_rights,
        rows_documents,
        rows_elements,
        rows_files,
        rows_search,
        rows_search_filters,
        rows_people,
        rows_import,
        rows_prearchive,
        rows_services,
    )
    for row in module.ROWS
]


def _client(row, state):
    if row.anonymous:
        client = requests.Session()
        client.headers["User-Agent"] = "contract"
        return client
    if not row.account:
        return state.http
    if row.stage:
        return state.people[row.account]
    if OTHER:
        pytest.skip("the other server has no such account")
    if row.account != "stranger":
        group = {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}
        state.ask("PUT", f"/data/projects/{{p}}/users/{group[row.account]}/ct_{row.account}", 200)
    client = requests.Session()
    client.headers["User-Agent"] = "contract"
    client.post(
        state.url + "/data/JSESSION", auth=(f"ct_{row.account}", "secret")
    ).raise_for_status()
    return client


def _run(row, state):
    for method, path, *body in row.before:
        sent = state.fill(body[0]) if body and isinstance(body[0], str) else (body or [None])[0]
        answer = state.ask(method, path, data=sent)
        assert answer.status_code < 400, (path, answer.text)
    body = state.fill(row.body) if isinstance(row.body, str) else row.body
    form = row.form and {name: state.fill(value) for name, value in row.form.items()}
    client = _client(row, state)
    answer = client.request(
        row.method,
        state.url + state.fill(row.path),
        data=body if body is not None else form,
        files=row.files,
        headers=row.headers,
        allow_redirects=False,
    )
    assert answer.status_code == row.status, answer.text
    check(answer, row.expect, state)
    if row.keep:
        state.names[row.keep] = answer.json()["ResultSet"]["ID"]
    for method, path, status, *expect in row.after:
        later = state.ask(method, path, status)
        if expect:
            check(later, expect[0], state)


@pytest.mark.parametrize(
    "row",
    [row for row in ROWS if not row.changes and not row.account and not row.stage],
    ids=str,
)
def test_looking(row, shared):
    _run(row, shared)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if (row.changes or row.account) and not row.stage], ids=str
)
def test_changing(row, fresh):
    _run(row, fresh)


@pytest.mark.parametrize("row", [row for row in ROWS if row.stage], ids=str)
def test_staged(row, staged):
    _run(row, staged(row.stage))


def test_every_row_names_its_source():
    sources = collections.Counter(row.source.split()[0] for row in ROWS)
    assert set(sources) <= {"J", "T", "D", "L", "C"}
    assert all(row.sure in {"sure", "likely"} for row in ROWS)
