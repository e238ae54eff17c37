"""Accounts, and who may do what."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from werkzeug.security import check_password_hash, generate_password_hash

from nipype_xnat.archive.storage import schema as s
from nipype_xnat.archive.storage.prepared import Prepared

ROLES = {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}
_STRENGTH = {"collaborator": 1, "member": 2, "owner": 3}


@dataclass(frozen=True)
class Person:
    """Who is asking."""

    login: str
    pk: int = 0
    admin: bool = False
    guest: bool = False


GUEST = Person("guest", guest=True)


@lru_cache(maxsize=16)
def hash_password(password: str) -> str:
    """Hash a password; the same one within a process is hashed once."""
    return generate_password_hash(password)


@lru_cache(maxsize=1024)
def _checked(stored: str, fingerprint: bytes) -> list[bool]:
    return []


def check_password(stored: str, password: str) -> bool:
    """Compare a password with a stored hash, remembering the outcome."""
    # hashing is slow on purpose; clients send basic auth with every request
    memory = _checked(stored, hashlib.sha256(password.encode()).digest())
    if not memory:
        memory.append(check_password_hash(stored, password))
    return memory[0]


def find_account(connection: Connection, key: str) -> Any:
    """Find an account by login, number or mail address."""
    a = s.account.c
    where = sa.or_(a.login == key, a.email == key)
    if key.isdecimal() and len(key) < 18:
        where = sa.or_(where, a.pk == int(key))
    return connection.execute(sa.select(s.account).where(where)).mappings().first()


def person(connection: Connection, login: str) -> Person | None:
    """Make a person of an enabled account."""
    row = (
        connection.execute(sa.select(s.account).where(s.account.c.login == login))
        .mappings()
        .first()
    )
    if row is None or not row["enabled"] or not row["verified"]:
        return None
    return Person(row["login"], row["pk"], row["admin"])


#: the roles of the site that are kept here, beside that of the administrator
SITE_ROLES = ("CustomFormManager",)


def site_roles(connection: Connection, login: str) -> list[str]:
    """List the roles of the site that an account has, but for the administrator's."""
    c = s.setting.c
    scopes = [f"role/{role}" for role in SITE_ROLES]
    found = sa.select(c.scope).where(c.scope.in_(scopes), c.name == login)
    return [scope.partition("/")[2] for scope in connection.execute(found).scalars()]


def set_site_role(connection: Connection, login: str, role: str, held: bool) -> None:
    """Give an account a role of the site, or take it away."""
    c = s.setting.c
    scope = f"role/{role}"
    connection.execute(s.setting.delete().where(c.scope == scope, c.name == login))
    if held:
        connection.execute(s.setting.insert().values(scope=scope, name=login, value="true"))


_ROLES = Prepared(
    sa.select(s.member.c.project, s.member.c.role).where(
        s.member.c.account_pk == sa.bindparam("account")
    )
)
_ACCESSIBLE = Prepared(
    sa.select(s.setting.c.scope).where(
        s.setting.c.name == "accessibility", s.setting.c.value == sa.bindparam("accessibility")
    )
)


class Rights:
    """What one person may do, answered for one state of the archive."""

    def __init__(self, connection: Connection, who: Person):
        self._connection = connection
        self.who = who
        self._roles: dict[str, str] | None = None
        self._open: set[str] | None = None

    @property
    def roles(self) -> dict[str, str]:
        """The projects that the person belongs to, with the role."""
        if self._roles is None:
            rows = _ROLES.all(self._connection, account=self.who.pk)
            self._roles = {row[0]: row[1] for row in rows}
        return self._roles

    @property
    def public(self) -> set[str]:
        """The projects that anybody may read."""
        if self._open is None:
            rows = _ACCESSIBLE.all(self._connection, accessibility="public")
            self._open = {row[0] for row in rows}
        return self._open

    @property
    def protected(self) -> set[str]:
        """The projects that anybody, guests too, may know of, though not read the data of."""
        rows = _ACCESSIBLE.all(self._connection, accessibility="protected")
        return {row[0] for row in rows}

    def readable(self) -> set[str] | None:
        """Give the projects whose data the person may read; None for all."""
        if self.who.admin:
            return None
        return set(self.roles) | self.public

    def can_read(self, projects: Iterable[str | None]) -> bool:
        """Tell whether data that belong to any of the projects may be read."""
        allowed = self.readable()
        return allowed is None or any(project in allowed for project in projects)

    def _at_least(self, project: str | None, role: str) -> bool:
        if self.who.admin:
            return True
        held = self.roles.get(project or "", "")
        return _STRENGTH.get(held, 0) >= _STRENGTH[role]

    def can_edit(self, project: str | None) -> bool:
        """Tell whether data of the project may be made and changed."""
        return self._at_least(project, "member")

    def can_delete(self, project: str | None) -> bool:
        """Tell whether data of the project, and its settings, may be removed or changed."""
        return self._at_least(project, "owner")

    def can_create_projects(self) -> bool:
        """Tell whether the person may make projects."""
        return not self.who.guest
