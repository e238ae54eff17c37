"""What the search engine of a server knows: asked once a connection, and kept."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from weakref import WeakKeyDictionary

from ..address import Address
from ..errors import AnswerError, BadRequest, CriteriaError, NotFound
from ..tables import Row, rows
from ..transport import Request, Transport
from .criteria import Criteria

__all__ = ["Field", "Fields"]

# a name as the engine's display fields have it; others may be xpaths, which no listing names
_DISPLAY = re.compile(r"[A-Z][A-Z0-9_]*(=.*)?")
# how alike two names are of which one is taken for the other, misspelt (AGEE, LABLE)
_MISSPELT = 0.8


@dataclass(frozen=True)
class Field:
    """A field that can be searched.

    Parameters
    ----------
    datatype, name : str
        Together they spell it: ``xnat:mrSessionData/AGE``.
    header, type, description : str
    needs_value : bool
        Whether the name goes on with ``=`` and a value.
    """

    datatype: str
    name: str
    header: str = ""
    type: str = "string"
    description: str = ""
    needs_value: bool = False

    @property
    def is_column(self) -> bool:
        """Whether it can be asked for as it is: no value is needed, and no other project named."""
        return not (self.needs_value or "=" in self.name or "SHARINGSHAREPROJECT" in self.name)

    def __str__(self) -> str:
        return f"{self.datatype}/{self.name}"


class _Known:
    """What was learnt through one connection."""

    def __init__(self) -> None:
        self.types: tuple[str, ...] | None = None
        self.fields: dict[str, tuple[Field, ...] | None] = {}


_kept: WeakKeyDictionary[Transport, _Known] = WeakKeyDictionary()


class Fields:
    """The data types and fields of one server; what was asked is kept with the connection.

    Two threads that ask the same for the first time may both send it; nothing waits.

    Parameters
    ----------
    transport : Transport
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        # a transport that wraps another one learns for both
        self._kept = _kept.setdefault(getattr(transport, "inner", transport), _Known())

    def datatypes(self) -> tuple[str, ...]:
        """Return the data types that can be searched."""
        if self._kept.types is None:
            listed = self._ask(Address.of("data", "search", "elements"))
            self._kept.types = tuple(row.get("ELEMENT_NAME", "") for row in listed)
        return self._kept.types

    def fields(self, datatype: str) -> tuple[Field, ...]:
        """Return the fields of a data type.

        Raises
        ------
        CriteriaError
            If the server does not know the type, with the nearest one that it knows.
        """
        found = self._known(datatype)
        if found is None:
            near = _nearest(datatype, self.datatypes())
            raise CriteriaError(
                f"the server has no data type {datatype!r}",
                server=self._transport.server,
                advice=f"did you mean {near!r}?" if near else "see inspect.datatypes()",
            )
        return found

    def _known(self, datatype: str) -> tuple[Field, ...] | None:
        if datatype not in self._kept.fields:
            self._kept.fields[datatype] = self._listed(datatype)
        return self._kept.fields[datatype]

    def _listed(self, datatype: str) -> tuple[Field, ...] | None:
        try:
            listed = self._ask(Address.of("data", "search", "elements", datatype))
        except (BadRequest, NotFound):
            return None  # XNAT answers 400 to an unknown type
        return tuple(
            Field(
                row.get("ELEMENT_NAME") or datatype,
                row.get("FIELD_ID", ""),
                row.get("HEADER", ""),
                row.get("TYPE", ""),
                row.get("DESC", ""),
                row.get("REQUIRES_VALUE", "") in ("true", "1"),
            )
            for row in listed
        )

    def _ask(self, address: Address) -> list[Row]:
        request = Request("GET", address.ask(format="json"), expect="json")
        return list(rows(self._transport.send(request)))

    # -- checking

    def check(self, root: str, columns: Sequence[str], criteria: Criteria | None) -> None:
        """Check a search before it is sent.

        XNAT answers 500 to a criterion about a field that it does not know, and drops such a column
        without a word. It lists only what its search pages offer, though, and knows more: xpaths in
        any case, ``XNAT_COL_...``, and display fields such as ``LABEL`` of sessions. So only what
        looks like a listed field and is none is refused here; the server judges the rest.

        Raises
        ------
        CriteriaError
            With the nearest name that the server knows.
        """
        names = [
            *columns,
            *(criterion.field for criterion in (() if criteria is None else criteria)),
        ]
        try:
            self.fields(root)
            for name in names:
                self._check_field(name)
        except CriteriaError:
            raise
        except AnswerError:
            return  # a server that does not tell its fields: it will judge itself

    def _check_field(self, name: str) -> None:
        datatype, _, field = _split(name)
        known = self.fields(datatype)
        if not _DISPLAY.fullmatch(field) or field == "ID":
            return
        plain = field.partition("=")[0]
        listed = [one.name.partition("=")[0] for one in known]
        near = _nearest(plain, listed, cutoff=_MISSPELT)
        if not near or plain in listed or plain.startswith("XNAT_COL_"):
            return
        raise CriteriaError(
            f"the server's data type {datatype} has no field {field!r}",
            server=self._transport.server,
            advice=f"did you mean {datatype}/{near}?",
        )

    def suggestion(self, name: str) -> str:
        """Return advice about a field that may be misspelt, empty where there is none."""
        datatype, _, field = _split(name)
        try:
            known = [one.name for one in self.fields(datatype)]
        except CriteriaError as error:
            return error.advice or ""
        except AnswerError:
            return ""
        near = _nearest(field, known)
        return f"did you mean {datatype}/{near}?" if near and near != field else ""


def _split(name: str) -> tuple[str, str, str]:
    found = re.match(r"([^/.]+)([/.])(.*)", name, re.DOTALL)
    return (found[1], found[2], found[3]) if found else (name, "", "")


def _nearest(word: str, known: Sequence[str], cutoff: float = 0.5) -> str:
    folded = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), list(folded), 1, cutoff=cutoff)
    return folded[near[0]] if near else ""
