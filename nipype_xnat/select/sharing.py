"""Elements that several projects may show."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..records import Record
from ..tables import rows
from ..transport import Request
from .chosen import Chosen
from .element import Element
from .grammar import Pattern

if TYPE_CHECKING:
    from .elements import Project

__all__ = ["Shareable"]


class Shareable(Element):
    """An element that several projects may show."""

    def share(self, project: str, label: str | None = None, primary: bool = False) -> None:
        """Show the element in another project too.

        Parameters
        ----------
        project : str
        label : str, optional
            What it is called there; by default as here.
        primary : bool
            Make the other project its owner.

        Raises
        ------
        UsageError
            If it is the project through which the element was reached.
        Conflict
            If the project shows it already, or has another element of that label.
        """
        self._refuse_own(project)
        address = (self._address_now() / ["projects", project]).ask(label=label)
        if primary:
            address = address.ask(primary=True)
        self._archive.transport.send(Request("PUT", address.ask(self._event()))).close()

    def unshare(self, project: str) -> None:
        """Stop showing the element in another project."""
        address = (self._address_now() / ["projects", project]).ask(self._event())
        self._archive.transport.send(Request("DELETE", address)).close()

    def shares(self, id_filter: str = "*") -> Chosen[Project]:
        """Return the projects that show the element, the owner first.

        Parameters
        ----------
        id_filter : str
            Wildcards for the projects' IDs.
        """
        return Chosen(self._archive, "project", partial(self._shares, id_filter))

    def _shares(self, id_filter: str) -> list[Project]:
        from .elements import Project

        address = (self._address_now() / "projects").ask(format="json")
        answer = self._archive.transport.send(Request("GET", address, expect="json"))
        pattern = Pattern(id_filter)
        names = [row["ID"] for row in rows(answer)]
        return [
            Project(self._archive, Record(project=name)) for name in names if pattern.matches(name)
        ]

    def _refuse_own(self, project: str) -> None:
        if project == self._record.project:
            raise UsageError(f"the {self.level} is in {project!r} already", asked=str(self.path))
