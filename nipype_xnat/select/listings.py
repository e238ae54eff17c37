"""The listings that answer a selection: one function a request, from rows to records.

Facts about the answers come from the server's source: which columns a listing has
(QueryOrganizerResource), what joins give (one row per session, scan and resource), and how the URI
of a file names its owner (FileList).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from sys import intern
from typing import Any

from ..address import Address
from ..errors import UnreadableAnswer
from ..records import Header, Record
from ..tables import Row, rows
from ..tables import columns as columns_of
from ..transport import Request, Transport

__all__ = ["LABELS", "SCAN", "SESSION", "Listings", "file_record", "owner_of"]

SCAN = "xnat:imageScanData"
SESSION = "xnat:imageSessionData"
LABELS = f"{SCAN}/file/label".lower()
"""Column of a joined listing with the labels of the scans' resources."""
_ASSESSOR = "xnat:imageAssessorData"


class Listings:
    """Ask one archive for tables.

    Parameters
    ----------
    transport : Transport
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport

    def table(self, address: Address, expect: str = "csv") -> Iterator[Row]:
        """Yield the rows of a listing."""
        request = Request("GET", address.ask(format=expect), expect=expect)
        return rows(self.transport.send(request))

    def projects(self, columns: Sequence[str] = ()) -> Iterator[Record]:
        """Yield all projects that the account may see."""
        address = Address.of("data", "projects")
        if columns:
            address = address.ask(columns=_columns("ID", "name", *columns))
        for row in self.table(address):
            yield Record(project=row.get("ID", ""), fields=tuple(row.items()))

    def subjects(self, project: str, columns: Sequence[str] = ()) -> Iterator[Record]:
        """Yield the subjects of a project, shared ones too."""
        address = Address.of("data", "projects", project, "subjects")
        for row in self.table(address.ask(columns=_columns("ID", "label", "project", *columns))):
            yield Record(
                project=project,
                subject_id=row.get("ID", ""),
                subject_label=row.get("label", ""),
                fields=tuple(row.items()),
            )

    def experiments(
        self,
        project: str | None,
        subject: str | None = None,
        *,
        xsi_type: str | None = None,
        columns: Sequence[str] = (),
        scan_columns: Sequence[str] | None = None,
        with_resources: bool = False,
        only: Mapping[str, str] | None = None,
    ) -> Iterator[Record]:
        """Yield the experiments of a project (shared ones too), of a subject, or of the site.

        Parameters
        ----------
        project : str or None
            None for all that the account may see, by ``/data/experiments``.
        subject : str, optional
            Label or id of one subject.
        xsi_type : str, optional
            Only this data type.
        columns : sequence of str
            Further columns of the experiments.
        scan_columns : sequence of str, optional
            When given, the experiments are image sessions and each record is a session with one of
            its scans (or with none).
        with_resources : bool
            With the scans' resources: a record per session, scan and resource label.
        only : mapping of str to str, optional
            Values of columns that the server is to filter by.
        """
        if project is None:
            address = Address.of("data", "experiments")
        elif subject is None:
            address = Address.of("data", "projects", project, "experiments")
        else:
            address = Address.of("data", "projects", project, "subjects", subject, "experiments")
        wanted = ["ID", "label", "project", "subject_ID", "subject_label", "date", "xsiType"]
        if project is not None:
            wanted.append("subject_project")
        wanted += columns
        if scan_columns is not None:
            xsi_type = xsi_type or SESSION
            wanted += [f"{SCAN}/ID", f"{SCAN}/type", *map(scan_column, scan_columns)]
            if with_resources:
                wanted.append(f"{SCAN}/file/label")
        elif project is None:
            xsi_type = xsi_type or SESSION
        address = address.ask(xsiType=xsi_type, columns=_columns(*wanted)).ask(only)
        request = Request("GET", address.ask(format="csv"), expect="csv")
        for row in columns_of(self.transport.send(request)):
            values: dict[str, Any] = {
                name: row.cells[place] for name, place in _places(row.header, len(row.cells))
            }
            values["fields"] = row
            values["experiment_id"] = values.get("experiment_id") or row.value("session_ID")
            if project is not None:
                values["project"] = project
            yield Record.of(values)

    def scans(self, session: Record, columns: Sequence[str] = ()) -> Iterator[Record]:
        """Yield the scans of one session."""
        address = session.owner / "scans"
        if columns:
            wanted = _columns("ID", "type", "quality", "series_description", "xsiType", *columns)
            address = address.ask(columns=wanted)
        for row in self.table(address, "json"):
            yield session.with_values(
                scan_id=row.get("ID", ""),
                scan_type=row.get("type", ""),
                fields=tuple(row.items()),
            )

    def assessors(self, session: Record, columns: Sequence[str] = ()) -> Iterator[Record]:
        """Yield the assessors of one session."""
        address = session.owner / "assessors"
        address = address.ask(columns=_columns("ID", "label", "xsiType", "date", *columns))
        for row in self.table(address, "json"):
            yield session.with_values(
                assessor_id=row.get("ID", ""),
                assessor_label=row.get("label", ""),
                fields=tuple(row.items()),
            )

    def reconstructions(self, session: Record, columns: Sequence[str] = ()) -> Iterator[Record]:
        """Yield the reconstructions of one session."""
        address = session.owner / "reconstructions"
        if columns:
            address = address.ask(columns=_columns("ID", "type", *columns))
        for row in self.table(address, "json"):
            yield session.with_values(
                reconstruction_id=row.get("ID", ""), fields=tuple(row.items())
            )

    def resources(self, owner: Record) -> Iterator[Record]:
        """Yield the resources of one element, those without files too.

        Where a scan or the like does not exist, XNAT lists what the element above it has
        (XNATTemplate); such rows are left out.
        """
        category, inside = _category(owner)
        for row in self.table(owner.owner / "resources", "json"):
            if owner.prearchive:
                # a scan's own rows name no owner there, a session's also those of its scans
                if not category and row.get("category") != "resources":
                    continue
            elif category and (row.get("category"), row.get("cat_id")) != (category, inside):
                continue
            yield owner.with_values(
                resource_id=row.get("xnat_abstractresource_id", ""),
                resource_label=row.get("label", ""),
                format=row.get("format", ""),
                content=row.get("content", ""),
                tags=row.get("tags", ""),
                fields=tuple(row.items()),
            )

    def files(self, resource: Record) -> Iterator[Record]:
        """Yield the files of one resource."""
        return self._own_files(resource, resource.resource / "files")

    def files_of(self, owner: Record, label: str = "") -> Iterator[Record]:
        """Yield the files of all resources of one element, or of those with a label."""
        address = owner.owner
        if label:
            address = address / ["resources", label]
        return self._own_files(owner, address / "files")

    def _own_files(self, owner: Record, address: Address) -> Iterator[Record]:
        for row in self.table(address, "json"):
            named = owner_of(row["URI"]) if "URI" in row else None
            if named is None:
                yield file_record(owner, row, row.get("Name", ""))
            elif _is_below(owner, named):
                yield file_record(owner, row, named["path"])

    def site_assessors(self, project: str, columns: Sequence[str] = ()) -> Iterator[Record]:
        """Yield the assessors that a project owns, each with the id of its session."""
        wanted = _columns("ID", "label", "xsiType", "date", "session_ID", *columns)
        address = Address.of("data", "experiments").ask(
            xsiType=_ASSESSOR, project=project, columns=wanted
        )
        for row in self.table(address):
            yield Record(
                project=project,
                experiment_id=row.get("session_ID", ""),
                assessor_id=row.get("ID", ""),
                assessor_label=row.get("label", ""),
                fields=tuple(row.items()),
            )

    # -- many sessions in one request

    @staticmethod
    def batch_address(
        sessions: Sequence[str],
        inside: Sequence[str] = (),
        labels: Sequence[str] = (),
    ) -> Address:
        """Return the address of the files of several sessions.

        Parameters
        ----------
        sessions : sequence of str
            Experiment ids.
        inside : sequence of str
            What stands between the sessions and their resources, e.g. ``("scans", "1,2")``.
        labels : sequence of str
            Labels of resources; empty for all.
        """
        address = Address.of("data", "experiments", ",".join(sessions)) / inside
        if labels:
            address = address / ["resources", ",".join(labels)]
        return address / "files"

    def file_rows(self, address: Address, many: bool = False) -> list[Row]:
        """Return a file listing's rows; if it is one of many sessions, a late one is an error."""
        request = Request("GET", address.ask(format="json"), expect="json", hasty=many)
        return list(rows(self.transport.send(request)))


def owner_of(uri: str) -> dict[str, str]:
    """Read the ids of a file's owner from the URI of a listing, which is not percent-encoded.

    Raises
    ------
    UnreadableAnswer
        If it is not the address of a file.
    """
    head, separator, path = uri.partition("/files/")
    parts = head.strip("/").split("/")
    if not separator or "resources" not in parts:
        raise UnreadableAnswer(f"{uri!r} in a file listing is not the address of a file")
    values = {"path": path}
    words = iter(parts)
    for word in words:
        if word in ("in", "out"):
            values["direction"] = word
        elif word in _OWNERS and (name := next(words, None)) is not None:
            values[_OWNERS[word]] = name
    return values


# what stands before an id in the URI of a file
_OWNERS = {
    "projects": "project",
    "subjects": "subject_id",
    "experiments": "experiment_id",
    "scans": "scan_id",
    "assessors": "assessor_id",
    "reconstructions": "reconstruction_id",
    "resources": "resource_id",
}


def _category(owner: Record) -> tuple[str, str]:
    """Return how a listing of resources names an owner: its category and id."""
    if owner.scan_id:
        return "scans", owner.scan_id
    if owner.reconstruction_id:
        return "reconstructions", owner.reconstruction_id
    if owner.assessor_id:
        return "assessors", owner.assessor_id
    return "", ""


def _is_below(owner: Record, found: Mapping[str, str]) -> bool:
    """Tell whether a file's URI lies below the element that was asked for, not above it."""
    return (
        bool(owner.scan_id) == ("scan_id" in found)
        and bool(owner.assessor_id or owner.assessor_label) == ("assessor_id" in found)
        and bool(owner.reconstruction_id) == ("reconstruction_id" in found)
        and bool(owner.experiment_id or owner.experiment_label) == ("experiment_id" in found)
    )


def file_record(owner: Record, row: Row, path: str) -> Record:
    """Make a file's record of its owner's, of a row of a file listing, and of its path."""
    size = row.get("Size", "")
    return owner.with_values(
        resource_id=row.get("cat_ID", "") or owner.resource_id,
        # words that many files share are kept once
        resource_label=intern(row.get("collection", "") or owner.resource_label),
        path=path,
        size=int(size) if size.isdigit() else None,
        digest=row.get("digest", "").lower(),
        format=intern(row.get("file_format", "")),
        content=intern(row.get("file_content", "")),
        tags=intern(row.get("file_tags", "")),
        fields=(("Name", row.get("Name", "")),),
    )


def scan_column(name: str) -> str:
    """Spell a scan's field as a column of a joined listing."""
    return name if ":" in name else f"{SCAN}/{name}"


def _columns(*names: str) -> str:
    return ",".join(dict.fromkeys(names))


# what the columns of a listing of experiments, some joined with scans, say of a record
_OF_COLUMNS = {
    "project": "project",
    "subject_id": "subject_id",
    "subject_label": "subject_label",
    "id": "experiment_id",
    "label": "experiment_label",
    "xsitype": "xsi_type",
    "date": "date",
    f"{SCAN}/ID".lower(): "scan_id",
    f"{SCAN}/type".lower(): "scan_type",
    LABELS: "resource_label",
}


@lru_cache(maxsize=16)
def _places(header: Header, cells: int) -> tuple[tuple[str, int], ...]:
    """Return which value of a record stands where in a row."""
    found = {
        name: place
        for column, name in _OF_COLUMNS.items()
        if (place := header.places.get(column, cells)) < cells
    }
    return tuple(found.items())
