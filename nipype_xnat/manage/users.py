"""The accounts of a site."""

from __future__ import annotations

import json
from typing import Any

from ..address import Address
from ..errors import NotFound
from ..search import Table
from ..select.element import Archive
from ..tables import rows
from ..transport import Body, Request

__all__ = ["Users"]


class Users:
    """``interface.manage.users``: called, it returns the logins of the site.

    Parameters
    ----------
    archive : Interface

    Examples
    --------
    >>> interface.manage.users()  # doctest: +SKIP
    ['admin', 'jane']
    >>> interface.manage.users.email("jane")  # doctest: +SKIP
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __call__(self) -> list[str]:
        """Return the logins of all enabled accounts."""
        return self.table().column("login")

    def table(self) -> Table:
        """Return all enabled accounts: number, login, names and mail address."""
        request = Request("GET", Address.of("data", "users").ask(format="json"), expect="json")
        return Table(rows(self._archive.transport.send(request)))

    def _of(self, login: str, column: str) -> str:
        found = self.table().where(login=login)
        if not found:
            raise NotFound(
                f"there is no enabled account {login!r}",
                server=self._archive.transport.server,
                advice="manage.users() lists them",
            )
        return found[0][column]

    def firstname(self, login: str) -> str:
        """Return the first name of an account's person."""
        return self._of(login, "firstname")

    def lastname(self, login: str) -> str:
        """Return the last name of an account's person."""
        return self._of(login, "lastname")

    def email(self, login: str) -> str:
        """Return the mail address of an account."""
        return self._of(login, "email")

    def id(self, login: str) -> str:
        """Return the number of an account."""
        return self._of(login, "xdat_user_id")

    def resources(self) -> list[str]:
        """Return the labels of the resources in the account's own cache on the server."""
        address = Address.of("data", "user", "cache", "resources").ask(format="json")
        answer = self._archive.transport.send(Request("GET", address, expect="json"))
        return [row["Resource"] for row in rows(answer)]

    # -- for administrators of the site

    def create(
        self,
        login: str,
        password: str,
        *,
        firstname: str = "",
        lastname: str = "",
        email: str = "",
        enabled: bool = True,
    ) -> None:
        """Make an account.

        Raises
        ------
        NotAllowed
            If you are no administrator of the site.
        Conflict
            If there is one of this login.
        """
        values = {
            "username": login,
            "password": password,
            "firstName": firstname,
            "lastName": lastname,
            "email": email,
            "enabled": enabled,
            "verified": True,
        }
        body = Body.of_text(json.dumps(values), "application/json")
        address = Address.of("xapi", "users")
        self._archive.transport.send(Request("POST", address, body)).close()

    def profile(self, login: str) -> dict[str, Any]:
        """Return what the site knows of an account."""
        found = self._get("users", "profile", login)
        assert isinstance(found, dict)
        return found

    def roles(self, login: str) -> list[str]:
        """Return an account's roles on the site, e.g. ``Administrator``."""
        return [str(role) for role in self._get("users", login, "roles")]

    def groups(self, login: str) -> list[str]:
        """Return the groups of an account, e.g. ``P_owner``."""
        return [str(group) for group in self._get("users", login, "groups")]

    def enabled(self, login: str) -> bool:
        """Tell whether the account may log in."""
        return bool(self._get("users", login, "enabled"))

    def enable(self, login: str, flag: bool = True) -> None:
        """Let an account log in, or not."""
        address = Address.of("xapi", "users", login, "enabled", str(flag).lower())
        self._archive.transport.send(Request("PUT", address)).close()

    def disable(self, login: str) -> None:
        """Keep an account from logging in; XNAT removes none."""
        self.enable(login, False)

    def _get(self, *parts: str) -> Any:
        request = Request("GET", Address.of("xapi", *parts), expect="json")
        return self._archive.transport.send(request).json()

    def __repr__(self) -> str:
        return f"<Users {self._archive.transport.server}>"
