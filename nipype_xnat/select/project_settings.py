"""What a project decides for itself: who sees it, who works on it, where its data go."""

from __future__ import annotations

from ..errors import NotFound, UsageError
from ..search import Table
from ..tables import Row, rows
from ..transport import Request
from .element import Element

__all__ = ["ProjectSettings", "Word"]

_LEVELS = ("public", "protected", "private")
_ROLES = {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}


class Word(str):
    """A word of the archive; equal to its bytes too, which pyxnat answers."""

    __slots__ = ()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the word itself."""
        return str(self)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, bytes):
            return self.encode() == other
        return str.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


class ProjectSettings(Element):
    """The settings of a project."""

    # -- who may see it

    def accessibility(self) -> Word:
        """Return who may see the project: ``public``, ``protected`` or ``private``."""
        return self._said("accessibility")

    def set_accessibility(self, accessibility: str = "protected") -> None:
        """Set who may see the project.

        Parameters
        ----------
        accessibility : str
            ``public``: everybody reads all of it; ``protected``: everybody sees that it is there;
            ``private``: only its users see it.
        """
        if accessibility not in _LEVELS:
            raise UsageError(
                f"a project cannot be {accessibility!r}", advice=f"one of {', '.join(_LEVELS)}"
            )
        self._say("accessibility", accessibility)

    # -- who works on it

    def members_table(self) -> Table:
        """Return who works on the project: group, login, names and mail address."""
        columns = ["GROUP_ID", "displayname", "login", "firstname", "lastname", "email"]
        return Table(self._users(), columns)

    def users(self) -> list[str]:
        """Return the login names of all who work on the project."""
        return [row["login"] for row in self._users()]

    def owners(self) -> list[str]:
        """Return the login names of the owners: they read, write, delete and manage."""
        return self._of_role("owner")

    def members(self) -> list[str]:
        """Return the login names of the members: they read and write."""
        return self._of_role("member")

    def collaborators(self) -> list[str]:
        """Return the login names of the collaborators: they read."""
        return self._of_role("collaborator")

    def user_role(self, login: str) -> str:
        """Return what a user is here: ``owner``, ``member``, ``collaborator``, or nothing."""
        for row in self._users():
            if row["login"] == login:
                return row["displayname"].lower().removesuffix("s")
        return ""

    def add_user(self, login: str, role: str = "member") -> None:
        """Let a user of the site work on the project.

        Parameters
        ----------
        login : str
        role : str
            ``owner``, ``member`` or ``collaborator``; another role is given up for it.

        Raises
        ------
        NotFound
            If the site has no such user.
        """
        self._say("users", _group(role), login)

    def remove_user(self, login: str) -> None:
        """Let a user no longer work on the project.

        Raises
        ------
        NotFound
            If the project has no such user.
        """
        role = self.user_role(login)
        if not role:
            raise NotFound(
                f"{login!r} is no user of the project {self.id()}",
                server=self._archive.transport.server,
                advice="users() lists who is",
            )
        address = self.address / ["users", _ROLES.get(role, role), login]
        self._archive.transport.send(Request("DELETE", address.ask(self._event()))).close()

    # -- where data go

    def prearchive_code(self) -> int:
        """Return what happens to arriving sessions.

        0: they wait in the prearchive; 4: they are archived; 5: also over older ones.
        """
        return int(self._said("prearchive_code"))

    def set_prearchive_code(self, code: int | str) -> None:
        """Set what happens to arriving sessions, see :meth:`prearchive_code`."""
        self._say("prearchive_code", _number(code))

    def quarantine_code(self) -> int:
        """Return whether new sessions wait for approval: 0 no, 1 yes."""
        return int(self._said("quarantine_code"))

    def set_quarantine_code(self, code: int | str) -> None:
        """Set whether new sessions wait for approval, see :meth:`quarantine_code`."""
        self._say("quarantine_code", _number(code))

    def current_arc(self) -> Word:
        """Return the folder of the server's archive that new sessions go to."""
        return self._said("current_arc")

    def set_subfolder_in_current_arc(self, subfolder: str) -> None:
        """Let new sessions go to a folder within :meth:`current_arc`."""
        self._say("current_arc", *self.current_arc().split("/"), subfolder)

    # -- what it is called

    def aliases(self) -> list[str]:
        """Return the other names of the project."""
        return [
            str(entry["data_fields"]["alias"])
            for child in self._item().get("children", ())
            if child.get("field") == "aliases/alias"
            for entry in child["items"]
        ]

    def set_alias(self, alias: str) -> None:
        """Give the project one more name.

        Raises
        ------
        Conflict
            If another project has it.
        """
        address = self.address.ask(alias=alias).ask(self._event())
        self._archive.transport.send(Request("PUT", address)).close()

    def description(self) -> str:
        """Return what the project is about."""
        return self.attrs.get("description")

    def set_description(self, text: str) -> None:
        """Say what the project is about."""
        self.attrs.set("description", text)

    # -- how

    def _said(self, *words: str) -> Word:
        request = Request("GET", self.address / list(words))
        return Word(self._archive.transport.send(request).text().strip())

    def _say(self, *words: str) -> None:
        address = (self.address / list(words)).ask(self._event())
        self._archive.transport.send(Request("PUT", address)).close()

    def _users(self) -> list[Row]:
        address = (self.address / "users").ask(format="json")
        return list(rows(self._archive.transport.send(Request("GET", address, expect="json"))))

    def _of_role(self, role: str) -> list[str]:
        return [row["login"] for row in self._users() if row["displayname"] == _ROLES[role]]


def _group(role: str) -> str:
    word = role.strip().lower().removesuffix("s")
    if word not in _ROLES:
        raise UsageError(f"{role!r} is no role in a project", advice=f"one of {', '.join(_ROLES)}")
    return _ROLES[word]


def _number(code: int | str) -> str:
    if not str(code).isdecimal():
        raise UsageError(f"a code is a number, not {code!r}")
    return str(code)
