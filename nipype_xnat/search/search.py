"""A search to be made: a data type and columns, run by criteria."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from ..errors import BadRequest, UsageError
from ..tables import Row
from ..transport import Transport
from .criteria import Criteria, parse
from .document import Query
from .engine import key_of, pages, run
from .fields import Fields
from .saved import KeptSearches
from .table import Table

__all__ = ["Search"]

#: columns that the engine adds by itself, those that links of the pages of a type need among them
_ADDED = re.compile(
    r"(^|_)(quarantine_status|subjectid|subject_id|session_id|insert_(user|date)|projects?)$"
)


class Connected(Protocol):
    """What a search needs of the connection."""

    @property
    def transport(self) -> Transport:
        """The seam to the archive."""


class Search:
    """A search of the archive's engine: a data type and columns, run by :meth:`where`.

    Parameters
    ----------
    archive : Interface
    datatype : str
        What each row is one of.
    columns : sequence of str
        None of them means all fields that can be searched, which the server is asked for.
    """

    def __init__(self, archive: Connected, datatype: str, columns: Sequence[str] = ()) -> None:
        self._archive = archive
        self.datatype = datatype
        self._columns = tuple(columns)

    @property
    def columns(self) -> tuple[str, ...]:
        """The fields that each row tells."""
        if not self._columns:
            known = Fields(self._archive.transport).fields(self.datatype)
            self._columns = tuple(str(field) for field in known if field.is_column)
        return self._columns

    def where(
        self,
        constraints: Any = None,
        template: tuple[str, Mapping[str, object]] | None = None,
        query: str | None = None,
        *,
        order_by: str = "",
        descending: bool = False,
    ) -> Table:
        """Return the rows that fulfil criteria.

        Parameters
        ----------
        constraints : str or list or Criterion or Criteria
            See :mod:`nipype_xnat.search.criteria`.
        template : (str, mapping), optional
            Instead of criteria: a template that the server keeps, and a value for each key of it.
        query : str, optional
            Instead of criteria: the name of a search that the server keeps; its criteria are used.
        order_by : str
            Field to sort by.
        descending : bool
            Largest first.

        Raises
        ------
        CriteriaError
            Before the search is sent, if a field or a data type is unknown to the server.
        """
        if sum(given is not None for given in (constraints, template, query)) != 1:
            raise UsageError(
                "a search takes one of criteria, a template or a saved search",
                advice="all() finds all",
            )
        if constraints is not None:
            criteria = parse(constraints)
        else:
            criteria = KeptSearches(self._archive.transport).criteria(template, query)
        return self._table(criteria, order_by, descending)

    def all(self, *, order_by: str = "", descending: bool = False) -> Table:
        """Return all rows."""
        return self._table(None, order_by, descending)

    def rows(self, constraints: Any = None, *, order_by: str = "") -> Iterator[Row]:
        """Yield rows while they arrive, for answers that are larger than memory.

        Parameters
        ----------
        constraints, order_by
            See :meth:`where`; None yields all.
        """
        criteria = self._checked(constraints, order_by)
        return run(self._archive.transport, self.datatype, self.columns, criteria, order_by)

    def pages(
        self, constraints: Any = None, *, size: int = 1000, order_by: str = ""
    ) -> Iterator[Table]:
        """Yield tables of at most ``size`` rows; the server searches once and keeps its answer.

        Parameters
        ----------
        constraints, order_by
            See :meth:`where`; None yields all.
        size : int
        """
        criteria = self._checked(constraints, order_by)
        return pages(self._archive.transport, self.datatype, self.columns, criteria, order_by, size)

    def to_xml(self, constraints: Any = None) -> str:
        """Return the document that would be sent; nothing is."""
        criteria = None if constraints is None else parse(constraints)
        return Query(self.datatype, self.columns, criteria).to_xml()

    def _checked(self, constraints: Any, order_by: str) -> Criteria | None:
        criteria = None if constraints is None else parse(constraints)
        names = [*self.columns, *([order_by] if order_by else [])]
        Query(self.datatype, tuple(names)).to_xml()  # what is no column is told here
        Fields(self._archive.transport).check(self.datatype, names, criteria)
        return criteria

    def _table(self, criteria: Criteria | None, order_by: str, descending: bool) -> Table:
        found = list(self.rows(criteria, order_by=order_by))
        # an empty answer has no rows to tell the columns from
        keys = [key_of(self.datatype, column) for column in self.columns]
        table = Table(found, () if found else keys)
        if found:
            self._complain_of_dropped(table, keys)
        if all(map(table.has_header, keys)):
            # the engine adds columns of its own, such as quarantine_status
            table = table.select(list(dict.fromkeys(keys)))
        return table.order_by(order_by, descending=True) if order_by and descending else table

    def _complain_of_dropped(self, table: Table, keys: Sequence[str]) -> None:
        """Raise if a column is missing: the engine drops what it does not know without a word."""
        named = zip(self.columns, keys, strict=True)
        # the engine cuts long keys, so a missing key alone proves nothing
        lost = [name for name, key in named if len(key) < 60 and not table.has_header(key)]
        # one that nobody asked for may be a lost one under another name
        others = [name for name in table.columns if name not in keys and not _ADDED.search(name)]
        if lost and len(others) < len(set(lost)):
            known = Fields(self._archive.transport)
            raise BadRequest(
                f"the server dropped the column {lost[0]!r}, which it does not know",
                server=self._archive.transport.server,
                asked=f"search {self.datatype}",
                advice=known.suggestion(lost[0]) or f"see inspect.datatypes({self.datatype!r})",
            )

    def __repr__(self) -> str:
        return f"<Search {self.datatype} {', '.join(self._columns) or '(all fields)'}>"
