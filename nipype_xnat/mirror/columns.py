"""Tables with any number of columns, asked in as few requests as an address can hold."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain, islice

from ..address import Address
from ..archive.datatypes import shortcuts
from ..errors import BadRequest, ServerBroken
from ..select.listings import Listings
from ..transport import Transport

__all__ = ["Columns", "named"]

log = logging.getLogger("nipype_xnat.mirror")

_LONGEST = 6000  # bytes of an address; Tomcat takes 8 KiB with all headers
_PREDICATE = re.compile(r"\[[^\]]*\]")

Rows = Iterator[dict[str, str]]


class Columns:
    """Ask for tables whose columns do not fit into one address.

    Parameters
    ----------
    transport : Transport
    """

    def __init__(self, transport: Transport) -> None:
        self._ask = Listings(transport)
        self._sound: set[str] = set()

    def tables(
        self, address: Address, keys: Sequence[str], columns: Sequence[str]
    ) -> Iterator[Rows]:
        """Yield tables that together hold all columns; the keys are in each of them.

        Columns that the server refuses are left out: its types may lack them. A listing that fails
        without them too is an error.

        Parameters
        ----------
        address : Address
            The listing, without ``columns``.
        keys : sequence of str
            Columns that tell rows apart.
        columns : sequence of str
            Addresses of fields, or short names.

        Yields
        ------
        iterator of dict
            Rows by the names that were asked for; empty values are left out.
        """
        for part in self._parts(address, keys, list(columns)):
            yield from self._answered(address, keys, part)

    def table(self, address: Address, columns: Sequence[str]) -> Rows:
        """Return the rows of a table that needs one request."""
        return self._named(address, columns)()

    def _parts(
        self, address: Address, keys: Sequence[str], columns: list[str]
    ) -> Iterator[list[str]]:
        part: list[str] = []
        for column in columns:
            if part and len(str(_with(address, [*keys, *part, column]))) > _LONGEST:
                yield part
                part = []
            part.append(column)
        if part:
            yield part

    def _answered(
        self, address: Address, keys: Sequence[str], columns: list[str]
    ) -> Iterator[Rows]:
        try:
            found = self._named(address, [*keys, *columns])()
        except (ServerBroken, BadRequest) as error:
            self._require(address, keys[0])
            if len(columns) > 1:
                middle = len(columns) // 2
                yield from self._answered(address, keys, columns[:middle])
                yield from self._answered(address, keys, columns[middle:])
                return
            log.info("%s is left out, the server refuses it: %s", columns[0], error.message)
            return
        yield found

    def _require(self, address: Address, key: str) -> None:
        """Raise the error of a listing that is not answered, whatever its columns are."""
        if str(address) not in self._sound:
            self._named(address, [key])()
            self._sound.add(str(address))

    def _named(self, address: Address, columns: Sequence[str]) -> Callable[[], Rows]:
        def ask() -> Rows:
            rows = self._ask.table(_with(address, columns))
            # an error that the server swallowed shows with the first row
            rows = chain(list(islice(rows, 1)), rows)
            return (dict(named(row, columns, address.segments[-1])) for row in rows)

        return ask


def named(
    row: Mapping[str, str], columns: Sequence[str], listing: str
) -> Iterator[tuple[str, str]]:
    """Yield the values of a row under the names that were asked for; empty ones are left out.

    A server calls a column by its short name where it has one, and by the address of its field in
    lower case elsewhere.

    Parameters
    ----------
    row : mapping of str to str
    columns : sequence of str
        The columns that were asked for.
    listing : str
        What is listed, such as ``subjects``: short names differ.
    """
    lower = {name.lower(): value for name, value in row.items()}
    short = _short_names()[listing]
    for column in columns:
        full = column.lower()
        plain = _PREDICATE.sub("", full)
        value = lower.get(full) or lower.get(plain) or lower.get(short.get(plain, "").lower())
        if value:
            yield column, value


@lru_cache(maxsize=1)
def _short_names() -> dict[str, dict[str, str]]:
    """Return for each listing the short names of columns, by their fields' addresses."""
    names = {"projects": "project", "subjects": "subject", "experiments": "experiment"}
    names |= {"scans": "scan", "reconstructions": "recon", "assessors": "assessor"}
    return {
        listing: {
            address.lower(): name
            for table in shortcuts()[level].values()
            for name, address in table.items()
        }
        for listing, level in names.items()
    }


def _with(address: Address, columns: Sequence[str]) -> Address:
    return address.ask(columns=",".join(dict.fromkeys(columns)), format="csv")
