"""What a server's tables say of one project, written into a state.

A project costs a fixed number of tables and one request a batch of sessions for their files: tables
of subjects, of experiments, of each data type with all its fields, of scans, resources and custom
variables, whatever the number of elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..address import Address
from ..archive.datatypes import DataType
from ..errors import AnswerError, NotFound
from ..records import Record
from ..select import grammar
from ..select.listings import Listings
from ..select.plan import Allowed, Plan
from ..transport import Request, Transport
from .columns import Columns, Rows
from .folder import Wanted
from .writer import Writer

__all__ = ["ProjectLists", "Tick", "spelt"]

Tick = Callable[[str, int], object]
"""Gets what is being listed, and how many of it were written."""

Owners = dict[str, tuple[str, str | None]]
"""Owning project and label there of what is shared, by id."""

_SUBJECT_ASSESSOR = "xnat:subjectAssessorData"
_SESSION = "xnat:imageSessionData"
_SCAN = "xnat:imageScanData"
_RECON = "xnat:reconstructedImageData"
_ASSESSOR = "xnat:imageAssessorData"
_META = ("meta/insert_date", "meta/insert_user/login", "meta/last_modified")
_RESOURCE_FIELDS = {
    "xnat_abstractresource_id": "number",
    "label": "label",
    "element_name": "xsi_type",
    "format": "format",
    "content": "content",
    "description": "description",
    "tags/tag/tag": "tags",
    "file_count": "file_count",
    "file_size": "file_size",
}
# places whose declared type lacks the fields that they hold: the address has to say which one does
_NARROWED = {"demographics": "xnat:demographicData", "metadata": "xnat:subjectMetadata"}
# fields that say where an element belongs; they have columns of their own
_PLACES = {
    "id",
    "label",
    "project",
    "subject_id",
    "image_session_id",
    "imagesession_id",
    "date",
    "type",
}


class ProjectLists:
    """Lists one project and writes it.

    Parameters
    ----------
    transport : Transport
        The server.
    writer : Writer
    wanted : Wanted
        The project.
    allowed : (str, frozenset), optional
        Ids of the sessions that criteria let through.
    tick : callable, optional
    """

    def __init__(
        self,
        transport: Transport,
        writer: Writer,
        wanted: Wanted,
        allowed: Allowed | None = None,
        tick: Tick | None = None,
    ) -> None:
        self.transport = transport
        self.writer = writer
        self.project = wanted.project
        self.allowed = allowed
        self._tick = tick or (lambda what, count: None)
        self._ask = Columns(transport)
        self._project = Address.of("data", "projects", wanted.project)

    def write(self) -> None:
        """List everything and write it.

        Raises
        ------
        NotFound
            If the server does not know the project.
        """
        self._write_project()
        experiments = self._list_experiments()
        self._write_subjects(self._kept_subjects(experiments))
        self._write_experiments(experiments)
        self._write_scans()
        self._write_reconstructions()
        self._write_assessors()
        self._write_variables()
        self._write_resources()
        self._write_files()

    # -- elements

    def _kept_subjects(self, experiments: list[dict[str, str]]) -> frozenset[str] | None:
        if self.allowed is None:
            return None
        level, ids = self.allowed
        if level == "subject":
            return ids
        return frozenset(row.get("subject_ID", "") for row in experiments)

    def _write_project(self) -> None:
        datatype = self._type("xnat:projectData")
        address = Address.of("data", "projects").ask(ID=self.project)
        keys = ["ID"]
        found = False
        pk = None
        for rows in self._ask.tables(
            address, keys, [*_paths(datatype), *_meta(datatype.name), "alias"]
        ):
            for row in rows:
                if row.get("ID") != self.project:
                    continue
                found = True
                pk = self.writer.element(
                    "project", datatype.name, self.project, **_times(datatype.name, row)
                )
                self._write_fields(pk, datatype, row)
                for alias in filter(None, row.get("alias", "").split(",")):
                    self.writer.alias(self.project, alias)
        if not found:
            raise NotFound(
                f"there is no project {self.project!r}, or this account may not see it",
                server=self.transport.server,
                asked=f"GET {address}",
            )
        setting = Request("GET", self._project / "accessibility")
        try:
            level = self.transport.send(setting).text().strip()
        except AnswerError:  # not everybody may ask
            return
        self.writer.setting(self.project, "accessibility", level)

    def _write_subjects(self, kept: frozenset[str] | None) -> None:
        datatype = self._type("xnat:subjectData")
        address = self._project / "subjects"
        foreign = self._foreign("subjects", datatype.name)
        keys = ["ID", "label", *_meta(datatype.name)]
        for rows in self._ask.tables(address, keys, _paths(datatype)):
            for row in rows:
                id_ = row.get("ID", "")
                if not id_ or (kept is not None and id_ not in kept):
                    continue
                times = _times(datatype.name, row)
                pk = self._seen("subject", datatype.name, row, foreign, times)
                self._write_fields(pk, datatype, row)
        self._tick("subjects", self._count("subject"))

    def _seen(
        self,
        kind: str,
        xsi_type: str,
        row: dict[str, str],
        foreign: Owners,
        times: dict[str, str],
        **more: Any,
    ) -> int:
        """Write an element of this project, or one that is shared into it."""
        id_, label = row["ID"], row.get("label") or None
        owner, own_label = foreign.get(id_, (self.project, label))
        columns = {"label": own_label, "project": owner, **times, **more}
        pk = self.writer.element(kind, xsi_type, id_, **columns)
        if owner != self.project:
            self.writer.share(pk, self.project, label)
        return pk

    def _foreign(self, level: str, xsi_type: str) -> Owners:
        """Return owner and own label of what is shared into this project, by id."""
        address = Address.of("data", level).ask({f"{xsi_type}/sharing/share/project": self.project})
        if level == "experiments":
            address = address.ask(xsiType=xsi_type)
        found: Owners = {}
        try:
            for row in self._ask.table(address, ["ID", "label", "project"]):
                if row.get("ID") and row.get("project", self.project) != self.project:
                    found[row["ID"]] = (row["project"], row.get("label"))
        except AnswerError:  # a server that does not filter so: they count as the project's own
            pass
        return found

    def _list_experiments(self) -> list[dict[str, str]]:
        columns = ["label", "subject_ID", "subject_label", "subject_project", "date", "xsiType"]
        meta = _meta("xnat:experimentData")
        rows = self._ask.table(self._project / "experiments", ["ID", *columns, *meta])
        return [row for row in rows if self._lets(row.get("ID", ""), row.get("subject_ID", ""))]

    def _write_experiments(self, rows: Iterable[dict[str, str]]) -> None:
        foreign = self._foreign("experiments", "xnat:experimentData")
        types: set[str] = set()
        for row in rows:
            xsi_type = row.get("xsiType", _SUBJECT_ASSESSOR)
            subject = None
            if "subject_ID" in row:
                # its session may be shared into this project without the subject itself
                subject = self.writer.element(
                    "subject",
                    "xnat:subjectData",
                    row["subject_ID"],
                    label=row.get("subject_label"),
                    project=row.get("subject_project") or self.project,
                )
            self._write_experiment(xsi_type, row, foreign, subject_pk=subject)
            types.add(xsi_type)
        self._tick("experiments", self._count("experiment"))
        sessions = self._unknown_sessions(types)
        for xsi_type in sorted(types):
            self._write_details(xsi_type, _SESSION if xsi_type in sessions else _SUBJECT_ASSESSOR)

    def _unknown_sessions(self, types: set[str]) -> set[str]:
        """Return which types are image sessions, where some are not known here."""
        if all(self.writer.types.dictionary.get(name) for name in types):
            return set()
        address = (self._project / "experiments").ask(xsiType=_SESSION)
        return {row.get("xsiType", "") for row in self._ask.table(address, ["ID", "xsiType"])}

    def _write_experiment(
        self, xsi_type: str, row: dict[str, str], foreign: Owners, **place: int | None
    ) -> None:
        times = _times("xnat:experimentData", row)
        self._seen("experiment", xsi_type, row, foreign, times, date=row.get("date"), **place)

    def _write_details(self, xsi_type: str, general: str) -> None:
        """Write the fields of all experiments of one type."""
        datatype = self.writer.types.stand_in(xsi_type, general)
        address = (self._project / "experiments").ask(xsiType=xsi_type)
        for rows in self._ask.tables(address, ["ID"], _paths(datatype)):
            for row in rows:
                self._write_fields(self.writer.key("experiment", row.get("ID", "")), datatype, row)

    def _write_scans(self) -> None:
        self._write_inside("scan", _SCAN, "xnat_imagescandata_id", "quality")

    def _write_reconstructions(self) -> None:
        self._write_inside("recon", _RECON, "xnat_reconstructedimagedata_id", "baseScanType")

    def _write_inside(self, kind: str, general: str, number: str, extra: str) -> None:
        """Write what stands below sessions, by tables joined to them."""
        address = (self._project / "experiments").ask(xsiType=_SESSION)
        names = {
            name: f"{general}/{name}" for name in ("ID", "type", number, extra, "element_name")
        }
        names["element_name"] = f"{general}/extension_item/element_name"
        types: set[str] = set()
        for rows in self._ask.tables(
            address, ["ID", names["ID"]], [*names.values(), *_meta(general)]
        ):
            for row in rows:
                session = self.writer.key("experiment", row.get("ID", ""))
                id_ = row.get(names["ID"])
                if session is None or id_ is None:
                    continue
                xsi_type = row.get(names["element_name"], general)
                types.add(xsi_type)
                key = row.get(names[number], "")
                self.writer.element(
                    kind,
                    xsi_type,
                    id_,
                    session_pk=session,
                    scan_type=row.get(names["type"]),
                    pk=int(key) if key.isdigit() else None,
                    **_times(general, row),
                )
        for xsi_type in sorted(types):
            datatype = self.writer.types.stand_in(xsi_type, general)
            id_of = f"{xsi_type}/ID"
            for rows in self._ask.tables(address, ["ID", id_of], _paths(datatype)):
                for row in rows:
                    if id_of in row and "ID" in row:
                        pk = self.writer.inside(kind, row["ID"], row[id_of])
                        self._write_fields(pk, datatype, row)
        self._tick(f"{kind}s", self._count(kind))

    def _write_assessors(self) -> None:
        address = (self._project / "experiments").ask(xsiType=_ASSESSOR)
        foreign = self._foreign("experiments", _ASSESSOR)
        types: set[str] = set()
        meta = _meta("xnat:experimentData")
        for row in self._ask.table(
            address, ["ID", "label", "session_ID", "date", "xsiType", *meta]
        ):
            session = self.writer.key("experiment", row.get("session_ID", ""))
            if session is None:
                continue
            xsi_type = row.get("xsiType", _ASSESSOR)
            types.add(xsi_type)
            self._write_experiment(xsi_type, row, foreign, session_pk=session)
        for xsi_type in sorted(types):
            self._write_details(xsi_type, _ASSESSOR)

    def _write_fields(self, pk: int | None, datatype: DataType, row: dict[str, str]) -> None:
        given = {
            path: row[address]
            for path, address in _fields(datatype)
            if address in row and path.lower() not in _PLACES
        }
        self.writer.fields(pk, datatype, given)

    # -- custom variables, shares

    def _write_variables(self) -> None:
        for kind, address, name in (
            ("project", Address.of("data", "projects").ask(ID=self.project), "xnat:projectData"),
            ("subject", self._project / "subjects", "xnat:subjectData"),
            ("experiment", self._project / "experiments", "xnat:experimentData"),
        ):
            pair = (f"{name}/fields/field/name", f"{name}/fields/field/field")
            for row in self._tolerant(address, ["ID", *pair]):
                pk = self.writer.key(kind, row.get("ID", ""))
                self.writer.variable(pk, row.get(pair[0], ""), row.get(pair[1], ""))
            if kind == "project":
                continue
            pair = (f"{name}/sharing/share/project", f"{name}/sharing/share/label")
            for row in self._tolerant(address, ["ID", *pair]):
                pk = self.writer.key(kind, row.get("ID", ""))
                self.writer.share(pk, row.get(pair[0], ""), row.get(pair[1]))

    def _tolerant(self, address: Address, columns: list[str]) -> Iterator[dict[str, str]]:
        """Yield the rows of a table that a server may refuse."""
        tables: Iterator[Rows] = self._ask.tables(address, columns[:1], columns[1:])
        for rows in tables:
            yield from rows

    # -- resources and files

    def _write_resources(self) -> None:
        listings = Listings(self.transport)
        project = self.writer.key("project", self.project)
        assert project is not None
        for record in listings.resources(Record(project=self.project)):
            self._write_resource(project, "", {n: v for n, v in record.fields if v})
        experiments = self._project / "experiments"
        assessors = experiments.ask(xsiType=_ASSESSOR)
        sessions = experiments.ask(xsiType=_SESSION)
        for kind, address, general, path, direction in (
            ("subject", self._project / "subjects", "xnat:subjectData", "resources/resource", ""),
            ("experiment", experiments, "xnat:experimentData", "resources/resource", ""),
            ("experiment", assessors, _ASSESSOR, "resources/resource", ""),
            ("experiment", assessors, _ASSESSOR, "out/file", "out"),
            ("experiment", assessors, _ASSESSOR, "in/file", "in"),
            ("scan", sessions, _SCAN, "file", ""),
            ("recon", sessions, _RECON, "out/file", "out"),
            ("recon", sessions, _RECON, "in/file", "in"),
        ):
            self._write_resources_of(kind, address, f"{general}/{path}", direction, general)
        self._tick("resources", self._count("resource"))

    def _write_resources_of(
        self, kind: str, address: Address, path: str, direction: str, general: str
    ) -> None:
        inside = kind in ("scan", "recon")
        keys = ["ID", *([f"{general}/ID"] if inside else [])]
        names = {f"{path}/{name}": name for name in _RESOURCE_FIELDS}
        number = f"{path}/xnat_abstractresource_id"
        columns = [name for name in names if name != number]
        for rows in self._ask.tables(address, [*keys, number], columns):
            for row in rows:
                if number not in row or "ID" not in row:
                    continue
                if inside:
                    owner = self.writer.inside(kind, row["ID"], row.get(keys[1], ""))
                else:
                    owner = self.writer.key(kind, row["ID"])
                if owner is not None:
                    given = {names[name]: value for name, value in row.items() if name in names}
                    self._write_resource(owner, direction, given)

    def _write_resource(self, owner: int, direction: str, given: dict[str, str]) -> None:
        values: dict[str, Any] = {
            column: given[name] for name, column in _RESOURCE_FIELDS.items() if name in given
        }
        if "tags" in given:
            values["tags"] = given["tags"].replace("=", ":")
        for name in ("file_count", "file_size"):
            if name in values:
                values[name] = int(float(values[name]))
        number = values.pop("number")
        self.writer.resource(int(number), owner, direction, **values)

    def _write_files(self) -> None:
        count = 0
        for records in self._files():
            count += self.writer.files(records)
            self._tick("files", count)

    def _files(self) -> Iterator[Iterable[Record]]:
        """Yield the listings of all files, levels without resources left out."""
        for level, owners, template in (
            ("project", None, "/projects/{}/resources/*/files/*"),
            ("subject", "subject", "/projects/{}/subjects/*/resources/*/files/*"),
            ("experiment", "experiment", "/projects/{}/experiments/*/resources/*/files/*"),
            ("scan", "experiment", "/projects/{}/experiments/*/scans/*/resources/*/files/*"),
            (
                "assessor",
                "experiment",
                "/projects/{}/experiments/*/assessors/*/resources/*/files/*",
            ),
            ("out", "experiment", "/projects/{}/experiments/*/assessors/*/out_resources/*/files/*"),
            ("in", "experiment", "/projects/{}/experiments/*/assessors/*/in_resources/*/files/*"),
            (
                "recon-out",
                "experiment",
                "/projects/{}/experiments/*/reconstructions/*/out_resources/*/files/*",
            ),
            (
                "recon-in",
                "experiment",
                "/projects/{}/experiments/*/reconstructions/*/in_resources/*/files/*",
            ),
        ):
            holders = self.writer.holders(level, self.project)
            if not holders:
                continue
            allowed: Allowed | None = (owners, holders) if owners is not None else None
            for path in grammar.parse(template.format(self.project)):
                yield Plan(path, self.transport, allowed=allowed).records()

    # -- small things

    def _lets(self, experiment: str, subject: str) -> bool:
        if self.allowed is None:
            return bool(experiment)
        level, ids = self.allowed
        return (experiment if level == "experiment" else subject) in ids

    def _type(self, name: str) -> DataType:
        return self.writer.types.require(name)

    def _count(self, what: str) -> int:
        return self.writer.count(what)


def _fields(datatype: DataType) -> Iterator[tuple[str, str]]:
    """Yield the fields of a type: their paths, and their addresses as columns."""
    for field in datatype.fields.values():
        yield field.path, f"{datatype.name}/{spelt(field.path)}"


def spelt(path: str) -> str:
    """Spell the path of a field for an address; some places have to say which type they hold."""
    first, _, rest = path.partition("/")
    return f"{first}[@xsi:type={_NARROWED[first]}]/{rest}" if first in _NARROWED else path


def _paths(datatype: DataType) -> list[str]:
    return [address for path, address in _fields(datatype) if path.lower() not in _PLACES]


def _meta(name: str) -> list[str]:
    return [f"{name}/{path}" for path in _META]


def _times(name: str, row: dict[str, str]) -> dict[str, str]:
    columns = ("insert_date", "insert_user", "last_modified")
    return {
        column: row[address]
        for column, address in zip(columns, _meta(name), strict=True)
        if address in row
    }
