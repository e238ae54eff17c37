"""Searches that the server keeps, and templates of them, shared among users."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..address import Address
from ..errors import NotFound, UsageError
from ..search import Criteria, Criterion, Fields, Query, Table, key_of, parse, run
from ..select.element import Archive
from ..tables import Row, rows
from ..transport import Body, Request

__all__ = ["SavedSearches"]

# as pyxnat names and fills them, so that both use each other's templates
_TEMPLATE = "template_"
_KEY = re.compile(r"%\(([^)]*)\)s")


class SavedSearches:
    """``interface.manage.search``: searches kept on the server.

    Parameters
    ----------
    archive : Interface

    Examples
    --------
    >>> searches = interface.manage.search  # doctest: +SKIP
    >>> searches.save(
    ...     "men",
    ...     "xnat:subjectData",
    ...     ["xnat:subjectData/SUBJECT_LABEL"],
    ...     "xnat:subjectData/GENDER_TEXT = M",
    ...     sharing=["jane"],
    ... )  # doctest: +SKIP
    >>> searches.get("men")  # doctest: +SKIP
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    # -- searches

    def save(
        self,
        name: str,
        row: str,
        columns: Sequence[str],
        constraints: Any = None,
        sharing: str | Sequence[str] = "private",
        description: str = "",
    ) -> None:
        """Keep a search on the server; one of this name that is yours is replaced.

        Parameters
        ----------
        name : str
        row : str
            Data type of which each row is one.
        columns : sequence of str
            Fields.
        constraints : str or list or Criterion or Criteria, optional
            See :mod:`nipype_xnat.search.criteria`; None finds all.
        sharing : str or sequence of str
            ``private``, ``public``, or the logins who may use it too.
        description : str

        Raises
        ------
        CriteriaError, UsageError
            Before the search is sent.
        """
        criteria = None if constraints is None else parse(constraints)
        self._save(name, row, columns, criteria, sharing, description, criteria)

    def saved(self, with_description: bool = False) -> list[Any]:
        """Return the names of the searches that you may use.

        Parameters
        ----------
        with_description : bool
            Give tuples of name and description.
        """
        found = [
            (row["brief_description"], row["description"])
            for row in self._listed()
            if not row["brief_description"].startswith(_TEMPLATE)
        ]
        return found if with_description else [name for name, _ in found]

    def get(self, name: str, out_format: str = "results") -> Any:
        """Run a kept search, or return what it is.

        Parameters
        ----------
        name : str
        out_format : str
            ``results``: a table. ``xml``: the document. ``query``: a dict of row, columns,
            constraints, users and description.

        Raises
        ------
        NotFound
            If you may use no search of this name.
        """
        if out_format not in ("results", "xml", "query"):
            raise UsageError(
                f"{out_format!r} is no form of a search", advice="use results, xml or query"
            )
        address = self._address(name)
        if out_format == "results":
            # without refresh XNAT answers what it found when the search ran last
            asked = (address / "results").ask(format="csv", refresh=True)
            found = list(self._rows(asked))
            return Table(found, () if found else self._keys(address))
        text = self._text(address)
        if out_format == "xml":
            return text
        query = Query.from_xml(text)
        return {
            "row": query.root,
            "columns": list(query.columns),
            "constraints": query.criteria.to_tuples() if query.criteria is not None else [],
            "users": list(query.users),
            "description": query.description,
        }

    def delete(self, name: str) -> None:
        """Remove a kept search; one that others may use too stays theirs.

        Raises
        ------
        NotFound
        """
        self._archive.transport.send(Request("DELETE", self._address(name))).close()

    # -- templates

    def save_template(
        self,
        name: str,
        row: str,
        columns: Sequence[str] = (),
        constraints: Any = (),
        sharing: str | Sequence[str] = "private",
        description: str = "",
    ) -> None:
        """Keep a search whose values are filled in when it is used.

        Parameters
        ----------
        name, row, columns, sharing, description
            See :meth:`save`.
        constraints : str or list or Criterion or Criteria
            The values are keys: ``("xnat:subjectData/GENDER_TEXT", "=", "gender")``.
        """
        plain = parse(constraints)
        held = _filled(plain, lambda value: f"%({value})s" if value else "")
        self._save(_TEMPLATE + name, row, columns, held, sharing, description, plain)

    def saved_templates(self, with_description: bool = False) -> list[Any]:
        """Return the names of the templates that you may use.

        Parameters
        ----------
        with_description : bool
            Give tuples of name and description.
        """
        found = [
            (row["brief_description"].removeprefix(_TEMPLATE), row["description"])
            for row in self._listed()
            if row["brief_description"].startswith(_TEMPLATE)
        ]
        return found if with_description else [name for name, _ in found]

    def get_template(self, name: str, as_xml: bool = False) -> Any:
        """Return a template: row, columns, constraints and description, or its document.

        Parameters
        ----------
        name : str
        as_xml : bool
        """
        text = self._text(self._address(_TEMPLATE + name))
        if as_xml:
            return text
        query = Query.from_xml(text)
        criteria = query.criteria.to_tuples() if query.criteria is not None else []
        return query.root, list(query.columns), criteria, query.description

    def use_template(self, name: str, values: Mapping[str, object]) -> Table:
        """Search by a template.

        Parameters
        ----------
        name : str
        values : mapping of str to object
            A value for each key of the template.

        Raises
        ------
        UsageError
            If a key is missing, or none of the template.
        """
        query = Query.from_xml(self._text(self._address(_TEMPLATE + name)))
        criteria = query.criteria
        keys = set() if criteria is None else {k for c in criteria for k in _KEY.findall(c.value)}
        if keys != set(values):
            raise UsageError(
                f"the template {name!r} has the keys {sorted(keys)}, not {sorted(values)}",
                advice="see get_template()",
            )
        if criteria is not None:
            criteria = _filled(
                criteria, lambda text: _KEY.sub(lambda key: str(values[key[1]]), text)
            )
        found = list(run(self._archive.transport, query.root, query.columns, criteria))
        return Table(found, () if found else [key_of(query.root, name) for name in query.columns])

    def delete_template(self, name: str) -> None:
        """Remove a template.

        Raises
        ------
        NotFound
        """
        self.delete(_TEMPLATE + name)

    # -- how

    def _save(
        self,
        name: str,
        row: str,
        columns: Sequence[str],
        criteria: Criteria | None,
        sharing: str | Sequence[str],
        description: str,
        checked: Criteria | None,
    ) -> None:
        me = self._archive.transport.account
        if not columns:
            raise UsageError("a search needs columns", advice=f"for example ['{row}/PROJECT']")
        if isinstance(sharing, str) and sharing not in ("private", "public"):
            raise UsageError(
                f"{sharing!r} is no way to share",
                advice="use 'private', 'public' or a list of logins",
            )
        others = () if isinstance(sharing, str) else tuple(sharing)
        query = Query(
            row,
            tuple(columns),
            criteria,
            id=_id_of(name),
            name=name,
            description=description,
            users=tuple(dict.fromkeys((me, *others))),
            public=sharing == "public",
        )
        text = query.to_xml()
        Fields(self._archive.transport).check(row, columns, checked)
        address = Address.of("data", "search", "saved", _id_of(name)).ask(inbody=True)
        self._archive.transport.send(Request("PUT", address, Body.of_text(text))).close()

    def _listed(self) -> list[Row]:
        return list(self._rows(Address.of("data", "search", "saved").ask(format="csv")))

    def _rows(self, address: Address) -> Any:
        return rows(self._archive.transport.send(Request("GET", address, expect="csv")))

    def _text(self, address: Address) -> str:
        return self._archive.transport.send(Request("GET", address, expect="xml")).text()

    def _keys(self, address: Address) -> list[str]:
        query = Query.from_xml(self._text(address))
        return [key_of(query.root, column) for column in query.columns]

    def _address(self, name: str) -> Address:
        listed = self._listed()
        for column in ("brief_description", "id"):
            for row in listed:
                if row[column] == name:
                    return Address.of("data", "search", "saved", row["id"])
        names = [row["brief_description"].removeprefix(_TEMPLATE) for row in listed]
        raise NotFound(
            f"there is no saved search {name.removeprefix(_TEMPLATE)!r} that you may use",
            server=self._archive.transport.server,
            advice=f"you may use {', '.join(names)}" if names else "none is saved yet",
        )

    def __repr__(self) -> str:
        return f"<SavedSearches {self._archive.transport.server}>"


def _id_of(name: str) -> str:
    if not name.strip():
        raise UsageError("a saved search needs a name")
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _filled(criteria: Criteria, fill: Callable[[str], str]) -> Criteria:
    """Return criteria with each value replaced."""
    members = (
        Criterion(member.field, member.operator, fill(member.value))
        if isinstance(member, Criterion)
        else _filled(member, fill)
        for member in criteria.members
    )
    return Criteria(criteria.method, tuple(members))
