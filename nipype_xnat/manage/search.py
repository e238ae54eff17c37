"""Searches that the server keeps, and templates of them, shared among users."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..address import Address
from ..errors import UsageError
from ..search import Criteria, Fields, Query, Table, key_of, parse, run
from ..search.saved import TEMPLATE, KeptSearches, with_keys
from ..select.element import Archive
from ..tables import rows
from ..transport import Body, Request

__all__ = ["SearchManager"]


class SearchManager:
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

    @property
    def _kept(self) -> KeptSearches:
        return KeptSearches(self._archive.transport)

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
            for row in self._kept.listed()
            if not row["brief_description"].startswith(TEMPLATE)
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
        address = self._kept.address(name)
        if out_format == "results":
            # without refresh XNAT answers what it found when the search ran last
            asked = (address / "results").ask(format="csv", refresh=True)
            found = list(self._rows(asked))
            return Table(found, () if found else self._keys(address))
        text = self._kept.text(address)
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
        self._archive.transport.send(Request("DELETE", self._kept.address(name))).close()

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
        held = with_keys(plain)
        self._save(TEMPLATE + name, row, columns, held, sharing, description, plain)

    def saved_templates(self, with_description: bool = False) -> list[Any]:
        """Return the names of the templates that you may use.

        Parameters
        ----------
        with_description : bool
            Give tuples of name and description.
        """
        found = [
            (row["brief_description"].removeprefix(TEMPLATE), row["description"])
            for row in self._kept.listed()
            if row["brief_description"].startswith(TEMPLATE)
        ]
        return found if with_description else [name for name, _ in found]

    def get_template(self, name: str, as_xml: bool = False) -> Any:
        """Return a template: row, columns, constraints and description, or its document.

        Parameters
        ----------
        name : str
        as_xml : bool
        """
        text = self._kept.text(self._kept.address(TEMPLATE + name))
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
        query = self._kept.of_template(name, values)
        found = list(run(self._archive.transport, query.root, query.columns, query.criteria))
        return Table(found, () if found else [key_of(query.root, name) for name in query.columns])

    def eval_rpn_exp(self, rpnexp: str) -> list[Any]:
        """Return the nested form of criteria that are written as a text.

        Raises
        ------
        CriteriaError
        """
        return parse(rpnexp).to_tuples()

    def delete_template(self, name: str) -> None:
        """Remove a template.

        Raises
        ------
        NotFound
        """
        self.delete(TEMPLATE + name)

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

    def _rows(self, address: Address) -> Any:
        return rows(self._archive.transport.send(Request("GET", address, expect="csv")))

    def _keys(self, address: Address) -> list[str]:
        query = Query.from_xml(self._kept.text(address))
        return [key_of(query.root, column) for column in query.columns]

    def __repr__(self) -> str:
        return f"<SearchManager {self._archive.transport.server}>"


def _id_of(name: str) -> str:
    if not name.strip():
        raise UsageError("a saved search needs a name")
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)
