"""The prearchive: sessions that arrived, and wait to be archived."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nipype_xnat.archive import dicom, values
from nipype_xnat.archive.dicom import Instance
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.errors import Conflict, Forbidden, Invalid, NotFound
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.archive.storage.blobs import Blob

UNASSIGNED = "Unassigned"
#: what the autoarchive column says, by the project's prearchive code
CODES = {"0": "Manual", "4": "AutoArchive", "5": "AutoArchiveOverwrite"}
#: stands instead of one of them for a session that never waits: it goes into the archive itself
DIRECT = "DirectArchive"
_QUEUES = ("ARCHIVING", "BUILDING", "DELETING", "MOVING", "SEPARATING")
_UNDER_WAY = tuple(f"_{name}" for name in (*_QUEUES, "CONFLICT", "RECEIVING"))
#: the statuses that people may set
STATUSES = {
    *_QUEUES,
    "CONFLICT",
    "ERROR",
    "READY",
    "RECEIVING",
    "RECEIVING_INTERRUPT",
    *(f"QUEUED_{name}" for name in _QUEUES),
}
_PLACE = re.compile(r"^(?:/data|/REST)?/prearchive/projects/([^/]+)/([^/]+)/([^/]+)/?$")
_IN_PREARCHIVE = s.prearchive.c.autoarchive.is_distinct_from(DIRECT)
_NAME = re.compile(r"[^A-Za-z0-9_.-]")
Row = dict[str, Any]


@dataclass
class Waiting:
    """One session of the prearchive."""

    pk: int
    project: str | None
    timestamp: str
    folder: str
    name: str
    subject: str | None
    tag: str | None
    status: str
    lastmod: str
    uploaded: str
    received: float
    scan_date: str | None
    scan_time: str | None
    autoarchive: str | None
    prevent_anon: bool
    prevent_auto_commit: bool
    source: str | None
    visit: str | None
    protocol: str | None
    timezone: str | None
    login: str
    values: dict[str, str]
    built: dict[str, Any] | None
    log: list[list[str]]

    @property
    def url(self) -> str:
        """The address by which services name it."""
        if self.direct:
            return f"/xapi/direct-archive/{self.project}/{self.tag}/{self.name}"
        return f"/prearchive/projects/{self.project or UNASSIGNED}/{self.timestamp}/{self.folder}"

    @property
    def direct(self) -> bool:
        """Whether it is on its way into the archive, and not in the prearchive."""
        return self.autoarchive == DIRECT

    @property
    def locked(self) -> bool:
        """Whether something is under way with it."""
        return self.status in _UNDER_WAY


@dataclass(frozen=True)
class Held:
    """One file of a waiting session."""

    pk: int
    session_pk: int
    scan: str
    label: str
    path: str
    blob: str
    size: int
    digest: str
    modified: float
    header: Row | None

    @property
    def place(self) -> str:
        """Where it lies in the folder of the session."""
        if self.scan:
            return f"SCANS/{self.scan}/{self.label}/{self.path}"
        return f"RESOURCES/{self.label}/{self.path}"


@dataclass(frozen=True)
class Arrival:
    """A DICOM file that arrived, with what its header says."""

    name: str
    blob: Blob
    instance: Instance


def timestamp() -> str:
    """Name the folder of what arrives now."""
    now = dt.datetime.now()
    return f"{now:%Y%m%d_%H%M%S}{now.microsecond // 1000:03d}"


def parse_uri(uri: str) -> tuple[str | None, str, str] | None:
    """Read project, time stamp and folder from an address of a session; None when it is none."""
    match = _PLACE.match(uri)
    if match is None:
        return None
    project, stamp, folder = match.groups()
    return (None if project.lower() == UNASSIGNED.lower() else project), stamp, folder


def _file_name(name: str, instance: Instance, rename: bool) -> str:
    base = name.replace("\\", "/").rsplit("/", 1)[-1].lstrip(".")
    if not rename and base and not _NAME.search(base):
        return base
    parts = (instance.study, instance.series_number, instance.instance_number or "0", instance.sop)
    return "-".join(_NAME.sub("_", part) for part in parts) + ".dcm"


def series_folder(instance: Instance) -> str:
    """Name the scan that a series makes, as long as no other has its number."""
    named = instance.series_number or instance.series
    return dicom.clean(named) or "unknown"


class Prearchive:
    """The prearchive, for one connection and one person.

    Parameters
    ----------
    elements : Elements
        Reading or changing, as the calls need.
    """

    def __init__(self, elements: Elements):
        self.elements = elements
        self.connection = elements.connection

    # ---- rights ------------------------------------------------------------------------

    def may_edit(self, project: str | None) -> bool:
        """Tell whether the person may change what waits in a project; None: what has none."""
        if project is None:
            return self.elements.who.admin
        return self.elements.rights.can_edit(project)

    def project_id(self, key: str) -> str | None:
        """Give the id of a project that the person may add data to, found by id or alias."""
        found = self.elements.project(key)
        if found is None or not self.elements.rights.can_edit(found.id):
            return None
        return found.id

    def enter(self, project: str | None, unassigned: bool = False) -> None:
        """Insist that the person may work with what waits in a project.

        Parameters
        ----------
        project : str or None
            None is what is not assigned to any.
        unassigned : bool
            Whether everybody may work with that.
        """
        if project is None:
            if not (unassigned or self.elements.who.admin):
                raise Forbidden(f"Unassigned sessions are not for {self.elements.who.login}.")
            return
        if not self.elements.rights.can_edit(project):
            raise Forbidden(
                f"{self.elements.who.login} may not edit what waits in the project {project}."
            )
        if self.elements.project(project) is None:
            raise NotFound(f"No project named {project}")

    # ---- finding -----------------------------------------------------------------------

    def _select(self, *where: sa.ColumnElement[bool]) -> list[Waiting]:
        query = sa.select(s.prearchive).where(*where).order_by(s.prearchive.c.pk)
        return [Waiting(**row) for row in self.connection.execute(query).mappings()]

    def find(self, project: str | None, stamp: str, folder: str) -> Waiting | None:
        """Find a session by its place."""
        c = s.prearchive.c
        same = c.project.is_(None) if project is None else c.project == project
        found = self._select(same, _IN_PREARCHIVE, c.timestamp == stamp, c.folder == folder)
        return found[0] if found else None

    def by_pk(self, pk: int) -> Waiting:
        """Give the session of a database key."""
        found = self._select(s.prearchive.c.pk == pk)
        if not found:
            raise NotFound("The session does not wait any longer.")
        return found[0]

    def require(self, project: str | None, stamp: str, folder: str) -> Waiting:
        """Find a session by its place.

        Raises
        ------
        NotFound
        """
        found = self.find(project, stamp, folder)
        if found is None:
            raise NotFound(
                f"No prearchive resource with session {folder} and timestamp {stamp} exists in "
                f"the project {project or UNASSIGNED}"
            )
        return found

    def of(self, projects: Iterable[str | None]) -> list[Waiting]:
        """List what waits in some projects; None stands for what is not assigned."""
        wanted = list(projects)
        c = s.prearchive.c
        named = [name for name in wanted if name is not None]
        where: sa.ColumnElement[bool] = c.project.in_(named)
        if None in wanted:
            where = sa.or_(where, c.project.is_(None))
        return self._select(_IN_PREARCHIVE, where)

    def direct(self, project: str | None = None) -> list[Waiting]:
        """List what is on its way into the archive itself, of all projects or of one."""
        c = s.prearchive.c
        where = [c.autoarchive == DIRECT]
        return self._select(*where, *([] if project is None else [c.project == project]))

    def everything(self) -> list[Waiting]:
        """List all that waits."""
        return self._select(_IN_PREARCHIVE)

    def tagged(self, tag: str) -> list[Waiting]:
        """List the sessions with a study instance UID."""
        return self._select(_IN_PREARCHIVE, s.prearchive.c.tag == tag)

    def editable(self) -> list[str | None]:
        """List the projects whose waiting sessions the person may change."""
        if self.elements.who.admin:
            c = s.element.c
            found = self.connection.execute(sa.select(c.id).where(c.kind == "project")).scalars()
            return [*found, None]
        return [name for name in self.elements.rights.roles if self.may_edit(name)]

    def files(
        self, waiting: Waiting, scan: str | None = None, label: str | None = None
    ) -> list[Held]:
        """List the files of a session, of one of its scans, or of one resource."""
        c = s.prearchive_file.c
        query = sa.select(s.prearchive_file).where(c.session_pk == waiting.pk)
        if scan is not None:
            query = query.where(c.scan == scan)
        if label is not None:
            query = query.where(c.label == label)
        rows = self.connection.execute(query.order_by(c.scan, c.label, c.pk)).mappings()
        return [Held(**row) for row in rows]

    # ---- changing ----------------------------------------------------------------------

    def update(self, waiting: Waiting, **columns: Any) -> Waiting:
        """Change what is known of a session."""
        columns["lastmod"] = values.now()
        self.connection.execute(
            s.prearchive.update().where(s.prearchive.c.pk == waiting.pk).values(columns)
        )
        return self.by_pk(waiting.pk)

    def note(self, waiting: Waiting, message: str) -> Waiting:
        """Write a line into the log of a session."""
        return self.update(waiting, log=[*waiting.log, [values.now(), message]])

    def set_status(self, waiting: Waiting, status: str) -> Waiting:
        """Set the status that a session has for others to see.

        Raises
        ------
        Invalid
            When it is none that may be set.
        """
        if status not in STATUSES:
            raise Invalid(f"Cannot set session status to {status}")
        if waiting.locked:
            raise Conflict("session document locked")
        return self.update(waiting, status=status)

    def move(self, waiting: Waiting, project: str) -> Waiting:
        """Move a session to another project of the prearchive."""
        if project == waiting.project:
            return waiting
        if self.find(project, waiting.timestamp, waiting.folder) is not None:
            raise Conflict(
                f"A prearchive resource with session {waiting.folder} and timestamp "
                f"{waiting.timestamp} already exists in the project {project}"
            )
        moved = self.update(
            waiting,
            project=project,
            status="READY" if waiting.built else waiting.status,
            autoarchive=self.autoarchive(project),
        )
        return self.note(moved, f"Moved from {waiting.project or UNASSIGNED} to {project}")

    def delete(self, waiting: Waiting) -> list[str]:
        """Remove a session, and return the names of its files' contents."""
        blobs = [held.blob for held in self.files(waiting)]
        self.connection.execute(
            s.prearchive_file.delete().where(s.prearchive_file.c.session_pk == waiting.pk)
        )
        self.connection.execute(s.prearchive.delete().where(s.prearchive.c.pk == waiting.pk))
        return blobs

    def autoarchive(self, project: str | None) -> str | None:
        """Say what a project does with what arrives."""
        if project is None:
            return None
        return CODES.get(self.elements.setting(project, "prearchive_code", "4"), "AutoArchive")

    # ---- receiving ---------------------------------------------------------------------

    def open(self, project: str | None, first: Instance, given: Row) -> Waiting:
        """Make a session for what arrives."""
        name = given.get("name") or first.label or "dicom_upload"
        folder = given.get("folder") or name
        stamp = given.get("timestamp") or timestamp()
        while self.find(project, stamp, folder) is not None:
            time.sleep(0.001)  # two sessions of one name never share a folder
            stamp = timestamp()
        date = values.parse_date(first.session.get("date", ""))
        clock = first.session.get("time", "")
        now = values.now()
        auto = self.autoarchive(project)
        if project is not None and first.archives is not None:
            auto = "AutoArchive" if first.archives else "Manual"
        result = self.connection.execute(
            s.prearchive.insert().values(
                project=project,
                timestamp=stamp,
                folder=folder,
                name=name,
                subject=given.get("subject") or first.subject,
                tag=first.study,
                status="RECEIVING",
                lastmod=now,
                uploaded=now,
                received=time.time(),
                scan_date=f"{date} {clock or '00:00:00'}.0" if date else None,
                scan_time=clock or None,
                autoarchive=given.get("autoarchive") or auto,
                prevent_anon=bool(given.get("prevent_anon")),
                prevent_auto_commit=bool(given.get("prevent_auto_commit")),
                source=given.get("source"),
                visit=given.get("visit"),
                protocol=given.get("protocol"),
                timezone=given.get("timezone"),
                login=self.elements.who.login,
                values=given.get("values") or {},
            )
        )
        return self.by_pk(int((result.inserted_primary_key or (0,))[0]))

    def add(
        self,
        waiting: Waiting,
        arrivals: Sequence[Arrival],
        *,
        rename: bool = False,
        strict: bool = False,
        replace: bool = True,
    ) -> list[str]:
        """Put files into a session.

        Parameters
        ----------
        waiting : Waiting
            Where to.
        arrivals : sequence of Arrival
            What.
        rename : bool
            Whether files get names made of what they are.
        strict : bool
            Whether a file that is there already is an error.
        replace : bool
            Whether an instance that is there already is replaced.

        Returns
        -------
        list of str
            Names of contents that nothing refers to any longer.
        """
        obsolete: list[str] = []
        c = s.prearchive_file.c
        for arrival in arrivals:
            scan, label = self._place(waiting, arrival.instance)
            path = _file_name(arrival.name, arrival.instance, rename)
            where = (c.session_pk == waiting.pk, c.scan == scan, c.label == label)
            row = (
                self.connection.execute(sa.select(s.prearchive_file).where(*where, c.path == path))
                .mappings()
                .first()
            )
            if row is not None and (row["header"] or {}).get("sop") != arrival.instance.sop:
                path = _file_name("", arrival.instance, True)
                row = (
                    self.connection.execute(
                        sa.select(s.prearchive_file).where(*where, c.path == path)
                    )
                    .mappings()
                    .first()
                )
            kept = {
                "blob": arrival.blob.name,
                "size": arrival.blob.size,
                "digest": arrival.blob.digest,
                "modified": arrival.blob.modified,
                "header": arrival.instance.kept(),
            }
            if row is None:
                self.connection.execute(
                    s.prearchive_file.insert().values(
                        session_pk=waiting.pk, scan=scan, label=label, path=path, **kept
                    )
                )
                continue
            if strict:
                raise Conflict(f"{path} is already in the session {waiting.folder}")
            if not replace:
                obsolete.append(arrival.blob.name)
                continue
            obsolete.append(row["blob"])
            self.connection.execute(
                s.prearchive_file.update().where(c.pk == row["pk"]).values(kept)
            )
        self.update(waiting, received=time.time(), status="RECEIVING")
        return obsolete

    def _place(self, waiting: Waiting, instance: Instance) -> tuple[str, str]:
        label = "secondary" if instance.secondary else "DICOM"
        # a series that was built already keeps its scan; building tells series apart
        for scan in (waiting.built or {}).get("scans", ()):
            if scan["fields"].get("UID") == instance.series:
                return scan["id"], label
        return series_folder(instance), label

    def put(self, waiting: Waiting, label: str, arrived: Sequence[tuple[str, Blob]]) -> list[str]:
        """Put files into a resource of the session itself; replaced contents are returned."""
        newest = {blob.name for blob in dict(arrived).values()}
        obsolete = [blob.name for _, blob in arrived if blob.name not in newest]
        c = s.prearchive_file.c
        present = {held.path: held for held in self.files(waiting, "", label)}
        for path, blob in dict(arrived).items():
            kept = {
                "blob": blob.name,
                "size": blob.size,
                "digest": blob.digest,
                "modified": blob.modified,
            }
            if path in present:
                obsolete.append(present[path].blob)
                change = s.prearchive_file.update().where(c.pk == present[path].pk).values(kept)
                self.connection.execute(change)
                continue
            self.connection.execute(
                s.prearchive_file.insert().values(
                    session_pk=waiting.pk, scan="", label=label, path=path, **kept
                )
            )
        return obsolete

    def remove(self, held: Held) -> None:
        """Take a file out of its session."""
        self.connection.execute(s.prearchive_file.delete().where(s.prearchive_file.c.pk == held.pk))
