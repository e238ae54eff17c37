"""Accounts, as administrators and clients see them."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive import people, values
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import listings
from nipype_xnat.server.handlers.account import xapi_json


def listing(call: Call) -> Response:
    """List the enabled accounts."""
    if call.person.guest:
        raise HttpFailure(403)
    a = s.account.c
    with call.archive.database.read() as connection:
        rows = connection.execute(
            sa.select(a.pk, a.login, a.firstname, a.lastname, a.email)
            .where(a.enabled)
            .order_by(a.pk)
        ).all()
    columns = ["xdat_user_id", "login", "firstname", "lastname", "email"]
    return listings.finish(call, Table.of(columns, [list(row) for row in rows], title="Users"))


def _profile(row: Any) -> dict[str, Any]:
    return {
        "id": row["pk"],
        "username": row["login"],
        "firstName": row["firstname"],
        "lastName": row["lastname"],
        "email": row["email"],
        "enabled": row["enabled"],
        "verified": row["verified"],
        "secured": True,
        "lastModified": row["modified"],
        "lastSuccessfulLogin": row["last_login"],
        "authorization": None,
        "pendingEmail": None,
    }


def xapi(call: Call) -> Response:
    """Answer everything below ``/xapi/users``."""
    if call.person.guest:
        from nipype_xnat.server import login

        return login.challenge(call, "")
    parts = [part for part in call.rest.split("/") if part]
    if call.method == "POST" and not parts:
        return _create(call)
    if not parts:
        with call.archive.database.read() as connection:
            names = connection.execute(
                sa.select(s.account.c.login).order_by(s.account.c.pk)
            ).scalars()
            return xapi_json(list(names))
    if parts[0] == "profiles":
        with call.archive.database.read() as connection:
            rows = connection.execute(sa.select(s.account).order_by(s.account.c.pk)).mappings()
            return xapi_json([_profile(row) for row in rows])
    if parts[0] == "active":
        return _active(call, parts[1:])
    if parts[0] == "profile":
        parts = parts[1:]
    if parts[:1] == ["current"]:
        parts = [call.person.login, *parts[1:]]
    if not parts:
        raise HttpFailure(404)
    return _one(call, parts[0], parts[1:])


def _active(call: Call, rest: list[str]) -> Response:
    if not rest:
        if not call.person.admin:
            own = [one.id for one in call.sessions.of(call.person.login)]
            return xapi_json({call.person.login: {"sessions": own, "count": len(own)}})
        found = {
            login: {"sessions": [one.id for one in opened], "count": len(opened)}
            for login, opened in call.sessions.everybody().items()
        }
        return xapi_json(found)
    if rest[0] != call.person.login and not call.person.admin:
        raise HttpFailure(403)
    if call.method == "DELETE":
        return xapi_json(call.sessions.kill(rest[0]))
    return xapi_json([one.id for one in call.sessions.of(rest[0])])


def _create(call: Call) -> Response:
    if not call.person.admin:
        raise HttpFailure(403)
    given = _json(call)
    name = given.get("username")
    if not name or not given.get("password"):
        raise HttpFailure(400, "A username and a password are needed.")
    with call.archive.database.change() as connection:
        if people.find_account(connection, name) is not None:
            raise HttpFailure(409, f"The user {name} exists.")
        connection.execute(
            s.account.insert().values(
                login=name,
                password=people.hash_password(str(given["password"])),
                modified=values.now(),
                **_fields(given),
            )
        )
        row = people.find_account(connection, name)
    return xapi_json(_profile(row), 201)


def _json(call: Call) -> dict[str, Any]:
    try:
        found = json.loads(call.body() or b"{}")
    except ValueError as error:
        raise HttpFailure(400, str(error)) from error
    if not isinstance(found, dict):
        raise HttpFailure(400)
    return found


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    names = {
        "firstName": "firstname",
        "lastName": "lastname",
        "email": "email",
        "enabled": "enabled",
        "verified": "verified",
    }
    return {column: given[name] for name, column in names.items() if given.get(name) is not None}


def _one(call: Call, name: str, rest: list[str]) -> Response:
    own = name == call.person.login
    with call.archive.database.change() as connection:
        row = people.find_account(connection, name)
        if row is None:
            raise HttpFailure(404, f"No user named {name}")
        where = s.account.c.pk == row["pk"]
        if rest[:1] == ["enabled"]:
            if len(rest) > 1 and call.method == "PUT":
                if not call.person.admin:
                    raise HttpFailure(403)
                flag = rest[1].lower() == "true"
                connection.execute(s.account.update().where(where).values(enabled=flag))
                return xapi_json(flag)
            return xapi_json(bool(row["enabled"]))
        if rest[:1] == ["roles"]:
            if not own and not call.person.admin:
                raise HttpFailure(403)
            return xapi_json(["Administrator"] if row["admin"] else [])
        if rest[:1] == ["groups"]:
            found = connection.execute(
                sa.select(s.member.c.project, s.member.c.role).where(
                    s.member.c.account_pk == row["pk"]
                )
            )
            return xapi_json([f"{project}_{role}" for project, role in found])
        if call.method == "PUT":
            if not own and not call.person.admin:
                raise HttpFailure(403)
            given = _json(call)
            changes = _fields(given)
            if given.get("password"):
                changes["password"] = people.hash_password(str(given["password"]))
            if not call.person.admin:
                changes.pop("enabled", None)
                changes.pop("verified", None)
            changes["modified"] = values.now()
            connection.execute(s.account.update().where(where).values(changes))
            row = people.find_account(connection, name)
        return xapi_json(_profile(row))


def access_projects(call: Call) -> Response:
    """List the projects of the site with the caller's access to them."""
    with call.archive.reading(call.person) as elements:
        rows = elements.connection.execute(
            sa.select(s.element.c.id, s.element.c.fields).where(s.element.c.kind == "project")
        ).all()
        found = []
        for project, fields in rows:
            level = elements.setting(project, "accessibility", "private")
            if not elements.rights.can_read([project]) and level == "private":
                continue
            found.append(
                {
                    "ID": project,
                    "name": fields.get("name", ""),
                    "secondary_ID": fields.get("secondary_ID", ""),
                    "description": fields.get("description", ""),
                    "accessibility": level,
                    "role": elements.rights.roles.get(project, ""),
                }
            )
    return xapi_json(found)


__all__ = ["access_projects", "answers", "listing", "xapi"]
