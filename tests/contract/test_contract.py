"""Every row of the table, over HTTP."""

import secrets
from base64 import b64encode

import pytest
import requests

from .conftest import OTHER
from .rows import ROWS
from .table import check


def _client(row, state):
    if row.anonymous:
        client = requests.Session()
        client.headers["User-Agent"] = "contract"
        client.trust_env = state.http.trust_env
        return client
    if not row.account:
        return state.http
    if OTHER:
        pytest.skip("the other server has no such account")
    group = {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}
    if row.account in group:
        state.ask("PUT", f"/data/projects/{{p}}/users/{group[row.account]}/ct_{row.account}", 200)
    if row.account not in state.people:
        client = state.people[row.account] = requests.Session()
        client.headers["User-Agent"] = "contract"
        client.trust_env = state.http.trust_env
        client.post(
            state.url + "/data/JSESSION", auth=(f"ct_{row.account}", "secret")
        ).raise_for_status()
    return state.people[row.account]


def _send(client, state, method, path, body=None, headers=None, **more):
    if isinstance(body, str):
        body = state.fill(body).encode()
    if isinstance(body, dict):
        more["files"], body = body, None
    return client.request(
        method,
        state.url + state.fill(path),
        data=body,
        headers=headers,
        allow_redirects=False,
        **more,
    )


def _kind(path, body):
    """Say what a body of a request before or after the row is."""
    if path.startswith("/xapi/custom"):
        return {"Content-Type": "application/json"}
    xml = isinstance(body, str) and body.startswith("<")
    return {"Content-Type": "text/xml"} if xml else None


def _parts(row, state):
    """Put the names of the state into the parts that are text."""
    return {
        name: (part[0], state.fill(part[1]), *part[2:]) if isinstance(part[1], str) else part
        for name, part in row.files.items()
    }


def _note(answer, state):
    """Keep what later requests may name: an ID, or a token."""
    kind = answer.headers.get("Content-Type", "")
    if kind.startswith("text/plain"):
        state.names["id"] = answer.text.rpartition("/")[2]
    elif '"formUUID"' in answer.text:
        made = next(form for form in answer.json() if form["formUUID"] == state.names["id"])
        state.names["form"] = made["formUUID"]
        state.names["row"] = made["appliesToList"][0]["idCustomVariableFormAppliesTo"]
    elif '"alias"' in answer.text:
        token = answer.json()
        state.names["alias"], state.names["secret"] = token["alias"], token["secret"]
        pair = f"{token['alias']}:{token['secret']}"
        state.names["basic"] = b64encode(pair.encode()).decode()


def _run(row, state):
    if row.local and OTHER:
        pytest.skip("it would change the whole site")
    state.names["u"] = "u" + secrets.token_hex(4)
    state.names["U"], state.names["P"] = state.names["u"].upper(), state.p.upper()
    if row.login:
        # what was open before must not be counted
        state.people.pop(row.login.removeprefix("ct_"), None)
        state.ask("DELETE", f"/xapi/users/active/{row.login}")
        opened = requests.post(state.url + "/data/JSESSION", auth=(row.login, "secret"))
        state.names["session"] = opened.text
    for method, path, *body in row.before:
        sent = body[0] if body else None
        answer = _send(state.http, state, method, path, sent, _kind(path, sent))
        assert answer.status_code < 400, (path, answer.text)
        _note(answer, state)
    client = _client(row, state)
    headers = {name: state.fill(value) for name, value in row.headers.items()}
    if row.types:
        headers["Content-Type"] = row.types
    body = row.body if row.body is not None else row.form
    if isinstance(body, dict):
        body = {state.fill(name): state.fill(value) for name, value in body.items()}
        answer = client.request(
            row.method,
            state.url + state.fill(row.path),
            data=body,
            files=row.files,
            headers=headers,
            allow_redirects=False,
        )
    else:
        more = {"files": _parts(row, state)} if row.files else {}
        answer = _send(client, state, row.method, row.path, body, headers, **more)
    statuses = row.status if isinstance(row.status, tuple) else (row.status,)
    assert answer.status_code in statuses, answer.text
    check(answer, row.expect, state)
    if row.keep:
        state.names[row.keep] = answer.json()["ResultSet"]["ID"]
    for method, path, status, *expect in row.after:
        later = _send(state.http, state, method, path, expect[1] if expect[1:] else None)
        assert later.status_code == status, (path, later.text)
        if expect:
            check(later, expect[0], state)


def _rows(*, changes=False, apart=False):
    return pytest.mark.parametrize(
        "row",
        [r for r in ROWS if not r.stage and r.changes == changes and r.apart & changes == apart],
        ids=str,
    )


@_rows()
def test_looking(row, shared):
    _run(row, shared)


@_rows(changes=True, apart=True)
def test_changing_apart(row, busy):
    _run(row, busy)


@_rows(changes=True)
def test_changing(row, fresh):
    _run(row, fresh)


@pytest.mark.parametrize("row", [row for row in ROWS if row.stage], ids=str)
def test_staged(row, staged):
    _run(row, staged(row.stage))
