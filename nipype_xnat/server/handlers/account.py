"""Log-in sessions, tokens, and what a server tells about itself."""

from __future__ import annotations

import json
import secrets
import time
import uuid
from typing import Any

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers, login
from nipype_xnat.server.call import Call, HttpFailure

BUILD = {
    "buildNumber": "1",
    "buildDate": "Tue May 07 10:11:12 UTC 2024",
    "buildTimestamp": "1715076672000",
    "commit": "local",
    "sha": "local",
    "isDirty": "false",
    "timestamp": "1715076672000",
    "Application-Name": "XNAT",
    "Manifest-Version": "1.0",
}


def jsession(call: Call) -> Response:
    """Open, show or end a log-in session."""
    if call.session is None:
        return login.challenge(call, "")
    if call.method == "DELETE":
        call.sessions.end(call.session.id)
        return answers.text()
    body = call.session.id
    if call.flag("CSRF"):
        body = f"{body}; XNAT_CSRF={call.session.csrf}"
    return answers.text(body)


def auth(call: Call) -> Response:
    """Say who is logged in."""
    if call.person.guest or call.session is None:
        return login.challenge(call, "")
    body = f"User '{call.person.login}' is logged in"
    if call.flag("CSRF"):
        body = f"{body}; XNAT_CSRF={call.session.csrf}"
    return answers.text(body)


def services_auth(call: Call) -> Response:
    """Open a session from a form."""
    call.read_form()
    body = dict(call.form or ())
    if not body and call.method != "GET":
        raw = call.body().decode("utf-8", "replace")
        body = dict(pair.partition("=")[::2] for pair in raw.split("&") if "=" in pair)
    name, password = body.get("username"), body.get("password")
    if call.method == "GET" or not name or password is None:
        raise HttpFailure(400, "You must provide a username and password.")
    person = login.check(call, name, password)
    if person is None:
        return login.challenge(call, "Login attempt failed. Please try again.")
    login.enter(call, person)
    assert call.session is not None
    return answers.text(call.session.id)


def sessions_of(call: Call) -> Response:
    """Count the live sessions of an account."""
    who = call.names["login"]
    if who != call.person.login and not call.person.admin:
        raise HttpFailure(403)
    return answers.text(str(len(call.sessions.of(who))))


def xapi_json(found: Any, status: int = 200) -> Response:
    """Answer with JSON, as the newer half of the interface does."""
    return answers.plain(json.dumps(found), "application/json;charset=UTF-8", status)


def username(call: Call) -> Response:
    """Say the login name of the caller."""
    if call.person.guest:
        return login.challenge(call, "")
    return answers.plain(call.person.login, "text/plain")


def build_info(call: Call) -> Response:
    """Tell version and build."""
    told = {"version": call.archive.site.version, **BUILD}
    if call.rest:
        found = told.get(call.rest)
        if found is None:
            raise HttpFailure(404, f"No build property named {call.rest}")
        return answers.plain(found, "text/plain")
    return xapi_json(told)


def _shown(row: Any) -> dict[str, Any]:
    return {
        "alias": row["alias"],
        "secret": row["secret"],
        "xdatUserId": row["login"],
        "singleUse": False,
        "estimatedExpirationTime": int(row["expires"] * 1000),
        "validIPAddresses": [],
        "id": row["pk"],
        "enabled": True,
        "created": int(row["created"] * 1000),
        "timestamp": int(row["created"] * 1000),
        "disabled": -62135769600000,
    }


def tokens(call: Call) -> Response:
    """Issue, show, validate and invalidate alias tokens."""
    if call.person.guest:
        raise HttpFailure(403, "Guests have no tokens.")
    operation, *rest = call.rest.split("/") if call.rest else [""]
    if operation == "issue":
        return _issue(call, rest)
    if operation not in {"show", "validate", "invalidate"}:
        raise HttpFailure(400, f"Unknown operation: {operation}")
    who = call.person
    with call.archive.database.change() as connection:
        if operation == "show" and not rest:
            rows = connection.execute(
                sa.select(s.token).where(s.token.c.login == who.login)
            ).mappings()
            return answers.plain(json.dumps([_shown(r) for r in rows]), "application/json")
        if not rest:
            raise HttpFailure(400, "An alias is needed.")
        row = (
            connection.execute(sa.select(s.token).where(s.token.c.alias == rest[0]))
            .mappings()
            .first()
        )
        if operation == "validate":
            if len(rest) < 2:
                raise HttpFailure(401, "The secret is needed.")
            good = row is not None and row["secret"] == rest[1] and row["expires"] > time.time()
            found = {"valid": row["login"]} if good and row is not None else {}
            return answers.plain(json.dumps(found), "application/json")
        if row is None:
            raise HttpFailure(404, f"There is no token with the alias {rest[0]}")
        if row["login"] != who.login and not who.admin:
            raise HttpFailure(403, "The token belongs to somebody else.")
        if operation == "show":
            return answers.plain(json.dumps(_shown(row)), "application/json")
        connection.execute(s.token.delete().where(s.token.c.pk == row["pk"]))
        return answers.plain(json.dumps({"result": "OK"}), "application/json")


def _issue(call: Call, rest: list[str]) -> Response:
    owner = call.person.login
    if rest[:1] == ["user"] and len(rest) > 1:
        if not call.person.admin:
            raise HttpFailure(403, "Only administrators issue tokens for others.")
        owner = rest[1]
    now = time.time()
    with call.archive.database.change() as connection:
        known = connection.execute(
            sa.select(s.account.c.pk).where(s.account.c.login == owner)
        ).scalar()
        if known is None:
            raise HttpFailure(404, f"There is no user {owner}")
        alias = str(uuid.uuid4())
        connection.execute(
            s.token.insert().values(
                alias=alias,
                secret=secrets.token_urlsafe(48),
                login=owner,
                created=now,
                expires=now + call.sessions.rules.token_life,
            )
        )
        row = (
            connection.execute(sa.select(s.token).where(s.token.c.alias == alias)).mappings().one()
        )
        return answers.plain(json.dumps(_shown(row)), "application/json")
