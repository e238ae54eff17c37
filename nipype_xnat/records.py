"""A record: what is known of one element of an archive, as plain values.

Selections yield records, the cache and the transfers work on them, and XNATQuery hands them to
other nodes, so a record is a frozen value that pickles, compares and becomes a plain dict.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, overload

from .address import Address

__all__ = ["Columns", "Header", "Record"]


class Header:
    """The names of a table's columns, shared by all of its rows.

    Parameters
    ----------
    names : iterable of str
    """

    __slots__ = ("lower", "names", "places")

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        # of a name that comes twice the first one counts
        self.places: dict[str, int] = {}
        for place, name in enumerate(self.names):
            self.places.setdefault(name.lower(), place)
        self.lower = frozenset(self.places)


class Columns(Sequence[tuple[str, str]]):
    """The further columns of one row: equal to the tuple of its names and values.

    The pairs are made when they are looked at, which for most rows nobody does.

    Parameters
    ----------
    header : Header
    cells : sequence of str
        Values in the order of the header; a short row has no more.
    """

    __slots__ = ("cells", "header")

    def __init__(self, header: Header, cells: Sequence[str]) -> None:
        self.header = header
        self.cells = cells

    def value(self, name: str) -> str:
        """Return the value of a column, empty where there is none (names ignore case)."""
        places = self.header.places
        place = places.get(name)
        if place is None:
            place = places.get(name.lower())
        return "" if place is None or place >= len(self.cells) else self.cells[place]

    def __len__(self) -> int:
        return min(len(self.header.names), len(self.cells))

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return zip(self.header.names, self.cells, strict=False)

    @overload
    def __getitem__(self, index: int) -> tuple[str, str]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[tuple[str, str], ...]: ...
    def __getitem__(self, index: int | slice) -> Any:
        return tuple(self)[index]

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Columns | tuple):
            return tuple(self) == tuple(other)
        return NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return tuple, (tuple(self),)

    def __repr__(self) -> str:
        return repr(tuple(self))


@dataclass(frozen=True)
class Record:
    """One element: the ids and labels of its ancestors, and for a file what its listing says.

    Parameters
    ----------
    project : str
        Project in which the element is seen (for a shared element not the one that owns it).
    subject_id, subject_label, experiment_id, experiment_label : str
        Ids of the archive, and what they are called in ``project``.
    xsi_type : str
        Data type of the experiment, e.g. ``xnat:mrSessionData``.
    date : str
        Date of the experiment, ``yyyy-mm-dd``.
    scan_id, scan_type : str
        A scan's ID within its session, and its type.
    assessor_id, assessor_label, reconstruction_id : str
    direction : str
        ``in`` or ``out`` for resources of assessors and reconstructions, else empty.
    resource_id : str
        The archive's number for the resource (``xnat_abstractresource_id``).
    resource_label : str
    path : str
        Path of the file within its resource.
    size : int or None
        Bytes, None where the listing does not say.
    digest : str
        MD5 in hexadecimal, empty where the archive keeps no checksums.
    format, content, tags : str
        The file's (or the resource's) own words.
    fields : tuple of (str, str)
        Further columns that were asked for, by name.
    prearchive : str
        For a session that waits in the prearchive, and what is in it: its time stamp and folder,
        as in ``20240507_120000123/E1``. Ids and labels of subject and experiment are empty then.
    """

    project: str = ""
    subject_id: str = ""
    subject_label: str = ""
    experiment_id: str = ""
    experiment_label: str = ""
    xsi_type: str = ""
    date: str = ""
    scan_id: str = ""
    scan_type: str = ""
    assessor_id: str = ""
    assessor_label: str = ""
    reconstruction_id: str = ""
    direction: str = ""
    resource_id: str = ""
    resource_label: str = ""
    path: str = ""
    size: int | None = None
    digest: str = ""
    format: str = ""
    content: str = ""
    tags: str = ""
    fields: tuple[tuple[str, str], ...] | Columns = ()
    prearchive: str = ""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Record:
        """Make a record of values by name: ``Record(**values)``, for those who make many."""
        made = object.__new__(cls)
        made.__dict__.update(_checked(values))  # what is not given is the default of the class
        return made

    def with_values(self, **values: Any) -> Record:
        """Return a copy with some values replaced."""
        copied = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied.__dict__.update(_checked(values))
        return copied

    def field(self, name: str) -> str:
        """Return a further column's value, empty where there is none (names ignore case)."""
        if isinstance(self.fields, Columns):
            return self.fields.value(name)
        wanted = name.lower()
        for key, value in self.fields:
            if key.lower() == wanted:
                return value
        return ""

    @property
    def column_names(self) -> frozenset[str]:
        """Names of the further columns, in lower case."""
        if isinstance(self.fields, Columns):
            return self.fields.header.lower
        return frozenset(key.lower() for key, _ in self.fields)

    @property
    def owner(self) -> Address:
        """Address of the element that holds the resource.

        Experiments are addressed by their id alone, which works for shared ones too; by label only
        while the id is not known.
        """
        if self.prearchive:
            waiting = self.prearchive.split("/", 1)
            address = Address.of("data", "prearchive", "projects", self.project, *waiting)
        elif self.experiment_id:
            address = Address.of("data", "experiments", self.experiment_id)
        else:
            address = Address.of("data", "projects", self.project)
            subject = self.subject_id or self.subject_label
            if subject:
                address = address / ["subjects", subject]
            if self.experiment_label:
                address = address / ["experiments", self.experiment_label]
        if self.scan_id:
            address = address / ["scans", scan_segment(self.scan_id)]
        elif self.assessor_id or self.assessor_label:
            address = address / ["assessors", self.assessor_id or self.assessor_label]
        elif self.reconstruction_id:
            address = address / ["reconstructions", scan_segment(self.reconstruction_id)]
        return address / self.direction if self.direction else address

    @property
    def resource(self) -> Address:
        """Address of the resource, by its number where that is known."""
        return self.owner / ["resources", self.resource_id or self.resource_label]

    @property
    def file(self) -> Address:
        """Address of the file.

        Raises
        ------
        UsageError
            If the file's name cannot stand in an address
            (see :func:`nipype_xnat.address.is_addressable`).
        """
        return (self.resource / "files").file(self.path)

    @property
    def place(self) -> str:
        """Where this is, in words of a select path, for messages and reports."""
        parts = [
            ("projects", self.project),
            ("subjects", self.subject_label or self.subject_id),
            ("experiments", self.experiment_label or self.experiment_id),
            ("prearchive", self.prearchive),
            ("scans", self.scan_id),
            ("assessors", self.assessor_label or self.assessor_id),
            ("reconstructions", self.reconstruction_id),
            (
                f"{self.direction}_resources" if self.direction else "resources",
                self.resource_label or self.resource_id,
            ),
            ("files", self.path),
        ]
        return "".join(f"/{level}/{name}" for level, name in parts if name)

    def to_dict(self) -> dict[str, Any]:
        """Return the values that are set, as a plain dict for JSON or a node's input."""
        values = {
            name: value for name in _NAMES if (value := getattr(self, name)) not in ("", None, ())
        }
        if self.fields:
            values["fields"] = dict(self.fields)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Record:
        """Read what :meth:`to_dict` wrote; keys that a record does not have are ignored."""
        kept = {name: value for name, value in values.items() if name in _NAMES}
        if isinstance(kept.get("fields"), Mapping):
            kept["fields"] = tuple(kept["fields"].items())
        return cls.of(kept)


_NAMES = {field.name: None for field in fields(Record)}.keys()


def _checked(values: Mapping[str, Any]) -> Mapping[str, Any]:
    if not values.keys() <= _NAMES:
        raise TypeError(f"a record has no {', '.join(sorted(values.keys() - _NAMES))}")
    return values


def scan_segment(name: str) -> str:
    """Spell a scan's ID or type for a path: XNAT takes ``/`` and ``,`` in words only.

    Source: ``XNATTemplate`` of the server, which reads ``[SLASH]`` and ``[COMMA]`` back.
    """
    return name.replace("/", "[SLASH]").replace(",", "[COMMA]")
