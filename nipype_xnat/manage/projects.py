"""The administration of one project: who may do what, and what happens to arriving data."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

from ..address import Address
from ..errors import NotFound, UsageError
from ..records import Record
from ..search import Table
from ..select.element import Archive
from ..select.elements import Resource
from ..select.grammar import Path
from ..select.selection import Selection
from ..tables import rows
from ..transport import Request

__all__ = ["ACCESS", "ROLES", "ProjectManager"]

ACCESS = ("public", "protected", "private")
"""Who may see a project: all of it, its title, or nothing."""

ROLES = {"owner": "Owners", "member": "Members", "collaborator": "Collaborators"}
"""What a user may do in a project, and what XNAT calls the group."""

_XNAT = "{http://nrg.wustl.edu/xnat}"


class ProjectManager:
    """``interface.manage.project("P")``.

    Parameters
    ----------
    project : str
    archive : Interface

    Examples
    --------
    >>> project = interface.manage.project("P")  # doctest: +SKIP
    >>> project.set_accessibility("private")  # doctest: +SKIP
    >>> project.add_user("jane", "collaborator")  # doctest: +SKIP
    """

    def __init__(self, project: str, archive: Archive) -> None:
        self.project = project
        self._archive = archive
        self._address = Address.of("data", "projects", project)

    # -- who may see it

    def accessibility(self) -> str:
        """Return ``public``, ``protected`` or ``private``."""
        return self._read("accessibility")

    def set_accessibility(self, accessibility: str = "protected") -> None:
        """Say who may see the project.

        Parameters
        ----------
        accessibility : str
            ``public``: everybody reads all. ``protected``: everybody sees the title. ``private``:
            members only.
        """
        if accessibility not in ACCESS:
            raise UsageError(
                f"{accessibility!r} is no accessibility", advice=f"use one of {', '.join(ACCESS)}"
            )
        self._write("accessibility", accessibility)

    # -- users

    def members_table(self) -> Table:
        """Return the users of the project with their groups, names and mail addresses."""
        address = (self._address / "users").ask(format="json")
        columns = ["GROUP_ID", "displayname", "login", "firstname", "lastname", "email"]
        answer = self._archive.transport.send(Request("GET", address, expect="json"))
        return Table(rows(answer), columns)

    def users(self) -> list[str]:
        """Return the logins of all users of the project."""
        return self.members_table().column("login")

    def owners(self) -> list[str]:
        """Return the logins of those who may do all."""
        return self._with_role("owner")

    def members(self) -> list[str]:
        """Return the logins of those who may make and change data."""
        return self._with_role("member")

    def collaborators(self) -> list[str]:
        """Return the logins of those who may read."""
        return self._with_role("collaborator")

    def _with_role(self, role: str) -> list[str]:
        return self.members_table().where(displayname=ROLES[role]).column("login")

    def user_role(self, login: str) -> str:
        """Return what a user is: ``owner``, ``member``, ``collaborator`` or a group of the site.

        Raises
        ------
        NotFound
            If the project has no such user.
        """
        found = self.members_table().where(login=login)
        if not found:
            raise NotFound(
                f"{login!r} is no user of the project {self.project}",
                server=self._archive.transport.server,
                advice="add_user() makes one",
            )
        return found[0]["GROUP_ID"].removeprefix(f"{self.project}_")

    def add_user(self, login: str, role: str = "member") -> None:
        """Give a user a role, instead of the one that the user may have.

        Parameters
        ----------
        login : str
        role : str
            ``owner``, ``member`` or ``collaborator``.

        Raises
        ------
        NotFound
            If the site has no such user.
        """
        self._write("users", _group(role), login)

    def remove_user(self, login: str) -> None:
        """Take all roles from a user.

        Raises
        ------
        NotFound
            If the project has no such user.
        """
        group = (
            ROLES.get(self.user_role(login))
            or self.members_table().where(login=login)[0]["displayname"]
        )
        address = self._address / ["users", group, login]
        self._archive.transport.send(Request("DELETE", address.ask(self._event()))).close()

    # -- what happens to data that arrives

    def prearchive_code(self) -> int:
        """Return 0 (sessions wait in the prearchive), 4 (archived) or 5 (and overwritten)."""
        return int(self._read("prearchive_code"))

    def set_prearchive_code(self, code: int | str) -> None:
        """Say what happens to sessions that arrive; see :meth:`prearchive_code`."""
        self._write("prearchive_code", _number(code))

    def quarantine_code(self) -> int:
        """Return 0, or 1 where new data waits for someone to release it."""
        return int(self._read("quarantine_code"))

    def set_quarantine_code(self, code: int | str) -> None:
        """Say whether new data waits; see :meth:`quarantine_code`."""
        self._write("quarantine_code", _number(code))

    def current_arc(self) -> str:
        """Return the folder on the archive's disk into which new sessions go."""
        return self._read("current_arc")

    def set_subfolder_in_current_arc(self, subfolder: str) -> None:
        """Let new sessions go into a folder below the current one."""
        self._write("current_arc", *self.current_arc().split("/"), subfolder)

    # -- names and variables

    def aliases(self) -> list[str]:
        """Return the other names of the project."""
        found = self._document().iter(f"{_XNAT}alias")
        return [entry.text.strip() for entry in found if entry.text and entry.text.strip()]

    def add_alias(self, alias: str) -> None:
        """Give the project another name, which works in paths as its ID does.

        Raises
        ------
        Conflict
            If a project has this name.
        """
        address = self._address.ask(alias=alias).ask(self._event())
        self._archive.transport.send(Request("PUT", address)).close()

    def custom_variables(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the definitions of custom variables.

        Returns
        -------
        dict
            Types by name, by set, by protocol: ``{"Subjects": {"default": {"iq": "integer"}}}``.
        """
        return custom_variables_of(self._document())

    get_custom_variables = custom_variables

    # -- resources

    def resources(self, id_filter: str = "*") -> Selection[Resource]:
        """Return the project's own resources; wildcards match labels."""
        path = Path().down("project", self.project).down("resource", id_filter)
        return Selection(self._archive, [path])

    def resource(self, label: str) -> Resource:
        """Return one of the project's own resources; nothing is asked."""
        return Resource(self._archive, Record(project=self.project, resource_label=label))

    # -- how

    def _event(self) -> dict[str, str]:
        reason = self._archive.event_reason
        return {"event_reason": reason} if reason else {}

    def _read(self, name: str) -> str:
        request = Request("GET", self._address / name)
        return self._archive.transport.send(request).text().strip()

    def _write(self, *parts: str) -> None:
        address = (self._address / list(parts)).ask(self._event())
        self._archive.transport.send(Request("PUT", address)).close()

    def _document(self) -> ET.Element:
        request = Request("GET", self._address.ask(format="xml"), expect="xml")
        return ET.fromstring(self._archive.transport.send(request).read())  # noqa: S314

    def __repr__(self) -> str:
        return f"<ProjectManager {self.project}>"


def custom_variables_of(document: ET.Element) -> dict[str, dict[str, dict[str, str]]]:
    """Read the definitions of custom variables in a project's document."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for protocol in document.iter(f"{_XNAT}studyProtocol"):
        sets = found.setdefault(protocol.get("name") or protocol.get("ID") or "", {})
        for definition in protocol.iter(f"{_XNAT}definition"):
            sets[definition.get("ID") or ""] = {
                field.get("name") or "": field.get("datatype") or "string"
                for field in definition.iter(f"{_XNAT}field")
                if field.get("type") == "custom"
            }
    return found


def _group(role: str) -> str:
    word = role.lower().removesuffix("s")
    if word not in ROLES:
        raise UsageError(f"{role!r} is no role", advice=f"use one of {', '.join(ROLES)}")
    return ROLES[word]


def _number(code: Any) -> str:
    if not str(code).isdecimal():
        raise UsageError(f"a code is a number, not {code!r}")
    return str(code)
