"""Searches that a server keeps: finding one by its name, and reading it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from ..address import Address
from ..errors import NotFound, UsageError
from ..tables import Row, rows
from ..transport import Request, Transport
from .criteria import Criteria, Criterion, criterion
from .document import Query

__all__ = ["TEMPLATE", "KeptSearches", "filled", "with_keys"]

TEMPLATE = "template_"
"""What stands before the name of a template, as pyxnat has it: both use each other's."""

_KEY = re.compile(r"%\(([^)]*)\)s")


class KeptSearches:
    """The searches that a server keeps, and that this account may use.

    Parameters
    ----------
    transport : Transport
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def listed(self) -> list[Row]:
        """Return what the server says of each."""
        address = Address.of("data", "search", "saved").ask(format="csv")
        return list(rows(self._transport.send(Request("GET", address, expect="csv"))))

    def address(self, name: str) -> Address:
        """Return the address of the search of a name (or an id).

        Raises
        ------
        NotFound
            If this account may use no such search.
        """
        listed = self.listed()
        for column in ("brief_description", "id"):
            for row in listed:
                if row[column] == name:
                    return Address.of("data", "search", "saved", row["id"])
        names = [row["brief_description"].removeprefix(TEMPLATE) for row in listed]
        raise NotFound(
            f"there is no saved search {name.removeprefix(TEMPLATE)!r} that you may use",
            server=self._transport.server,
            advice=f"you may use {', '.join(names)}" if names else "none is saved yet",
        )

    def text(self, address: Address) -> str:
        """Return the document of a search."""
        return self._transport.send(Request("GET", address, expect="xml")).text()

    def query(self, name: str) -> Query:
        """Return a search.

        Raises
        ------
        NotFound
        """
        return Query.from_xml(self.text(self.address(name)))

    def of_template(self, name: str, values: Mapping[str, object]) -> Query:
        """Return the search that a template and values make.

        Parameters
        ----------
        name : str
        values : mapping of str to object
            A value for each key of the template.

        Raises
        ------
        NotFound
        UsageError
            If a key is missing, or none of the template.
        """
        query = self.query(TEMPLATE + name)
        criteria = query.criteria
        keys = set() if criteria is None else {k for c in criteria for k in _KEY.findall(c.value)}
        if keys != set(values):
            raise UsageError(
                f"the template {name!r} has the keys {sorted(keys)}, not {sorted(values)}",
                advice="see manage.search.get_template()",
            )
        if criteria is not None:
            criteria = filled(
                criteria, lambda text: _KEY.sub(lambda key: str(values[key[1]]), text)
            )
        return replace(query, criteria=criteria)

    def criteria(
        self, template: tuple[str, Mapping[str, object]] | None = None, query: str | None = None
    ) -> Criteria:
        """Return the criteria of a template with its values, or of a saved search.

        Raises
        ------
        NotFound
        UsageError
            If it has none: it finds all.
        """
        found = self.of_template(*template) if template else self.query(str(query))
        if found.criteria is None:
            raise UsageError(
                f"the saved search {found.name.removeprefix(TEMPLATE)!r} has no criteria",
                advice="it finds all; leave where() out",
            )
        return found.criteria


def with_keys(criteria: Criteria) -> Criteria:
    """Return criteria whose values are keys of a template."""
    return filled(criteria, lambda value: f"%({value})s" if value else "")


def filled(criteria: Criteria, fill: Callable[[str], str]) -> Criteria:
    """Return criteria with each value replaced."""
    members = (
        criterion(member.field, member.operator, fill(member.value))
        if isinstance(member, Criterion)
        else filled(member, fill)
        for member in criteria.members
    )
    return Criteria(criteria.method, tuple(members))
