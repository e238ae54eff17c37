"""Accounts, as administrators and clients see them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive import people, values
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers, json_body, login
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import listings
from nipype_xnat.server.handlers.account import xapi_json

_ADMINISTRATOR = "Administrator"


def _may_list(call: Call) -> bool:
    closed = call.sessions.rules.admins_list_users and not call.person.admin
    return not call.person.guest and not closed


def listing(call: Call) -> Response:
    """List the enabled accounts."""
    if not _may_list(call):
        message = "Access Denied: Only site managers can access site-level user resources."
        raise HttpFailure(403, message)
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
        return login.challenge(call, "")
    parts = [part for part in call.rest.split("/") if part]
    if not parts:
        return _create(call) if call.method == "POST" else _logins(call)
    first, rest = parts[0], parts[1:]
    if call.method == "POST":
        raise HttpFailure(405)
    if first == "active":
        return _active(call, rest)
    if call.method == "GET" and first in _LISTS and not rest:
        return _LISTS[first](call)
    if call.method == "GET" and first == "profile":
        if rest and not _may_list(call):
            raise HttpFailure(403)
        return _show(call, rest[0] if rest else call.person.login)
    if call.method == "PUT" and first == "update" and not rest:
        return _update(call, call.person.login)
    return _one(call, first, rest)


def _logins(call: Call) -> Response:
    if call.method != "GET":
        raise HttpFailure(405)
    if not _may_list(call):
        raise HttpFailure(403)
    with call.archive.database.read() as connection:
        names = connection.execute(sa.select(s.account.c.login).order_by(s.account.c.pk))
        return xapi_json(list(names.scalars()))


def _profiles(call: Call) -> Response:
    if not _may_list(call):
        raise HttpFailure(403)
    with call.archive.database.read() as connection:
        rows = connection.execute(sa.select(s.account).order_by(s.account.c.pk)).mappings()
        return xapi_json([_profile(row) for row in rows])


def _roles(call: Call) -> Response:
    if not call.person.admin:
        raise HttpFailure(403)
    with call.archive.database.read() as connection:
        rows = connection.execute(sa.select(s.account.c.login).where(s.account.c.admin))
        admins = list(rows.scalars())
        logins = connection.execute(sa.select(s.account.c.login)).scalars().all()
        held = {login: people.site_roles(connection, login) for login in logins}
    if call.rest == "roles":
        return xapi_json([_ADMINISTRATOR, *people.SITE_ROLES])
    others = {role: [n for n in held if role in held[n]] for role in people.SITE_ROLES}
    return xapi_json({_ADMINISTRATOR: admins, **others})


def _projects(call: Call) -> Response:
    with call.archive.reading(call.person) as elements:
        c = s.element.c
        names = elements.connection.execute(sa.select(c.id).where(c.kind == "project")).scalars()
        return xapi_json([name for name in names if elements.rights.can_edit(name)])


_LISTS = {
    "profiles": _profiles,
    "current": _profiles,
    "roles": _roles,
    "rolemap": _roles,
    "projects": _projects,
}


def _mine_only(call: Call, name: str) -> None:
    if name != call.person.login and not call.person.admin:
        raise HttpFailure(403)


def _active(call: Call, rest: list[str]) -> Response:
    if not rest:
        if not call.person.admin:
            raise HttpFailure(403)
        found = {
            name: {"sessions": [one.id for one in opened], "count": len(opened)}
            for name, opened in call.sessions.everybody().items()
        }
        return xapi_json(found)
    name = rest[0]
    _mine_only(call, name)
    _account(call, name)
    if call.method == "DELETE":
        own = call.session.id if call.session is not None else ""
        ended = call.sessions.kill(name)
        if not ended:
            raise HttpFailure(304)
        return xapi_json([key for key in ended if key != own])
    open_ones = [one.id for one in call.sessions.of(name)]
    if not open_ones:
        raise HttpFailure(304)
    return xapi_json(open_ones)


def _account(call: Call, name: str) -> Any:
    with call.archive.database.read() as connection:
        row = people.find_account(connection, name)
    if row is None:
        raise HttpFailure(404, f"No user named {name}")
    return row


def _create(call: Call) -> Response:
    if not call.person.admin:
        raise HttpFailure(403)
    given = _json(call)
    name, password = json_body.text(given, "username"), json_body.text(given, "password")
    if not name or not password:
        raise HttpFailure(400, "A username and a password are needed.")
    with call.archive.database.change() as connection:
        if people.find_account(connection, name) is not None:
            raise HttpFailure(409, f"The user {name} exists.")
        connection.execute(
            s.account.insert().values(
                login=name,
                password=people.hash_password(password),
                modified=values.now(),
                **_fields(given),
            )
        )
        row = people.find_account(connection, name)
    return xapi_json(_profile(row), 201)


def _json(call: Call) -> dict[str, Any]:
    try:
        found = json_body.decoded(call.body() or b"{}")
    except ValueError as error:
        raise HttpFailure(400, str(error)) from error
    if not isinstance(found, dict):
        raise HttpFailure(400)
    return found


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("firstName", "lastName", "email"):
        found[name.lower()] = json_body.text(given, name)
    for name in ("enabled", "verified"):
        found[name] = json_body.truth(given, name)
    return {column: value for column, value in found.items() if value is not None}


def _show(call: Call, name: str) -> Response:
    return xapi_json(_profile(_account(call, name)))


def _update(call: Call, name: str) -> Response:
    given = _json(call)
    row = _account(call, name)
    changes = {key: value for key, value in _fields(given).items() if row[key] != value}
    if not call.person.admin:
        changes.pop("enabled", None)
        changes.pop("verified", None)
    password = json_body.text(given, "password")
    if password:
        changes["password"] = people.hash_password(password)
    if not changes:
        raise HttpFailure(304)
    _set(call, row["pk"], **changes)
    return _show(call, row["login"])


def _set(call: Call, pk: int, **changes: Any) -> None:
    with call.archive.database.change() as connection:
        connection.execute(
            s.account.update().where(s.account.c.pk == pk).values(modified=values.now(), **changes)
        )


def _one(call: Call, name: str, rest: list[str]) -> Response:
    changing = call.method != "GET"
    if not rest:
        if call.method == "DELETE":
            raise HttpFailure(405)
        if changing and not call.person.admin:
            raise HttpFailure(403)
        _mine_only(call, name)
        return _update(call, name) if changing else _show(call, name)
    what, more = rest[0], rest[1:]
    if what in {"enabled", "verified"}:
        return _flag(call, name, what, more)
    if what == "roles":
        return _role(call, name, more)
    if what == "groups":
        return _groups(call, name, more)
    raise HttpFailure(404)


def _flag(call: Call, name: str, what: str, more: list[str]) -> Response:
    changing = call.method == "PUT"
    if changing and not call.person.admin:
        raise HttpFailure(403)
    _mine_only(call, name)
    row = _account(call, name)
    if not changing:
        return xapi_json(bool(row[what]))
    if not more:
        raise HttpFailure(405)
    flag = more[0].lower() == "true"
    _set(call, row["pk"], **{what: flag})
    if not flag:
        call.sessions.kill(row["login"])
    return xapi_json(flag)


def _names(call: Call, more: list[str]) -> list[str]:
    """Read the roles or groups that a change is about, of the path or of the body."""
    if more:
        return more[:1]
    try:
        found = json_body.decoded(call.body() or b"[]")
    except ValueError as error:
        raise HttpFailure(400, str(error)) from error
    if not isinstance(found, list):
        raise HttpFailure(400, "A list is needed.")
    return [str(name) for name in found]


def _role(call: Call, name: str, more: list[str]) -> Response:
    if call.method == "GET":
        _mine_only(call, name)
        account = _account(call, name)
        with call.archive.database.read() as connection:
            roles = people.site_roles(connection, account["login"])
        return xapi_json([*([_ADMINISTRATOR] if account["admin"] else []), *roles])
    if not call.person.admin:
        raise HttpFailure(403)
    row = _account(call, name)
    asked = _names(call, more)
    failed = [role for role in asked if role not in {_ADMINISTRATOR, *people.SITE_ROLES}]
    if more and failed:
        raise HttpFailure(500, f"There is no role {failed[0]}")
    with call.archive.database.change() as connection:
        for role in set(asked) & set(people.SITE_ROLES):
            people.set_site_role(connection, row["login"], role, call.method == "PUT")
    if _ADMINISTRATOR in asked:
        if call.method == "DELETE" and row["login"] == call.archive.site.admin:
            raise HttpFailure(409, "The first administrator stays one.")
        _set(call, row["pk"], admin=call.method == "PUT")
    return answers.plain("", "text/plain") if more else xapi_json(failed, 202 if failed else 200)


def _groups(call: Call, name: str, more: list[str]) -> Response:
    if call.method == "GET":
        _mine_only(call, name)
        row = _account(call, name)
        m = s.member.c
        with call.archive.database.read() as connection:
            found = connection.execute(
                sa.select(m.project, m.role).where(m.account_pk == row["pk"])
            ).all()
        return xapi_json([f"{project}_{role}" for project, role in found])
    row = _account(call, name)
    failed = []
    with call.archive.changing(call.person) as elements:
        for group in _names(call, more):
            project, _, role = group.rpartition("_")
            own = call.method == "DELETE" and row["login"] == call.person.login
            if not own and not elements.rights.can_delete(project):
                raise HttpFailure(403)
            if role not in people.ROLES or elements.project(project) is None:
                failed.append(group)
            elif call.method == "PUT":
                elements.join(project, row["pk"], role)
            else:
                elements.leave(project, row["pk"])
    if more and failed:
        raise HttpFailure(500, f"There is no group {failed[0]}")
    return answers.plain("", "text/plain") if more else xapi_json(failed, 202 if failed else 200)


def access_projects(call: Call) -> Response:
    """List the projects of the site with the caller's access to them."""
    with call.archive.reading(call.person) as elements:
        rows = elements.connection.execute(
            sa.select(s.element.c.id, s.element.c.fields).where(s.element.c.kind == "project")
        ).all()
        found = []
        for project, fields in rows:
            level = elements.setting(project, "accessibility", "private")
            known = elements.rights.can_read([project]) or project in elements.rights.protected
            if not known:
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
