"""Importing DICOM files: where they belong, and how far they go at once.

There are two ways, and XNAT knows both: the *session importer* (``SI``) builds and archives
sessions whole, the *gradual* one (``gradual-DICOM``, ``DICOM-zip``) adds file by file to what
is being received.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nipype_xnat.archive import archiving, dicom
from nipype_xnat.archive.archiving import EXISTS, Wish
from nipype_xnat.archive.building import build
from nipype_xnat.archive.datatypes import shortcuts
from nipype_xnat.archive.dicom import Instance, NotDicom
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.errors import ArchiveError, Conflict, Forbidden, Invalid
from nipype_xnat.archive.packed import Member
from nipype_xnat.archive.people import Person
from nipype_xnat.archive.prearchive import DIRECT, UNASSIGNED, Arrival, Prearchive, Row, Waiting

if TYPE_CHECKING:
    from nipype_xnat.archive.archive import Archive

SESSION_IMPORTER, DICOM_ZIP, GRADUAL = "SI", "DICOM-zip", "gradual-DICOM"
_ARCHIVE = re.compile(
    r"^/archive(?:/projects/(?P<project>[^/]+)(?:/subjects/(?P<subject>[^/]+))?)?"
    r"(?:/experiments/(?P<session>[^/]+))?/?$"
)
_PREARCHIVE = re.compile(
    r"^/prearchive(?:/projects/(?P<project>[^/]+)"
    r"(?:/(?P<timestamp>[^/]+)(?:/(?P<folder>[^/]+))?)?)?/?$"
)
_STAMP = re.compile(r"^\d{8}_\d{6}(\d{3})?$")
#: parameters that name where something belongs, not what it is
_NAMES = {"ID", "project", "label", "subject_ID", "xsiType"}
_PLACES = _NAMES | {"session", "subject", "PROJECT_ID", "SUBJECT_ID", "EXPT_LABEL", "EXPT_ID"}


@dataclass(frozen=True)
class Destination:
    """Where an import shall go."""

    archive: bool
    project: str | None = None
    subject: str | None = None
    session: str | None = None
    timestamp: str | None = None
    folder: str | None = None


def destination(text: str | None) -> Destination | None:
    """Read the ``dest`` of an import.

    Raises
    ------
    Invalid
        When it is no address of the archive or the prearchive.
    """
    if not text:
        return None
    path = re.sub(r"^/(data|REST)(?=/)", "", text)
    match = _ARCHIVE.match(path)
    if match:
        return Destination(True, **match.groupdict())
    match = _PREARCHIVE.match(path)
    if match is None:
        raise Invalid(f"Parameter dest format error: {text}")
    found = Destination(False, **match.groupdict())
    if found.folder and not _STAMP.match(found.timestamp or ""):
        raise Invalid(f"{found.timestamp} is no time stamp of the prearchive.")
    return found


def truth(text: str | None) -> bool | None:
    """Read a yes or no; None when neither was said."""
    if text is None:
        return None
    return text.lower() == "true"


class Request:
    """What an import was asked to do.

    Parameters
    ----------
    handler : str
        ``SI``, ``DICOM-zip`` or ``gradual-DICOM``.
    values : mapping of str to str
        The parameters.
    """

    def __init__(self, handler: str, values: Mapping[str, str]):
        self.handler = handler
        self.values = dict(values)
        self.dest = destination(values.get("dest"))
        overwrite = values.get("overwrite")
        self.merge = overwrite is not None
        self.override = (overwrite or "").lower() in {"delete", "override"}
        self.replace = truth(values.get("overwrite_files")) is True
        self.rename = truth(values.get("rename")) is True
        committing = values.get("action", "").lower() == "commit"
        self.commit = handler == SESSION_IMPORTER or self.dest is not None or committing
        self.direct = handler != SESSION_IMPORTER and truth(values.get("Direct-Archive")) is True
        tolerant = truth(values.get("Ignore-Unparsable"))
        self.tolerant = handler == SESSION_IMPORTER or (
            committing if tolerant is None else tolerant
        )

    def first(self, *names: str) -> str | None:
        """Give the first of some parameters that says something."""
        return next((self.values[name] for name in names if self.values.get(name)), None)

    @property
    def project(self) -> str | None:
        """The project that was named."""
        found = self.first("PROJECT_ID", "project") or (self.dest.project if self.dest else None)
        return None if found is None or found.lower() == UNASSIGNED.lower() else found

    @property
    def wants_archive(self) -> bool | None:
        """Whether it shall be archived at once; None when nothing was said."""
        if self.dest is not None:
            return self.dest.archive
        return truth(self.first("AA", "auto-archive", "autoArchive"))

    def wish(self, merge: bool) -> Wish:
        """Say how to archive."""
        said = {name: text for name, text in self.values.items() if name not in _PLACES}
        return Wish(said, merge, self.override, self.replace)


def sort_out(archive: Archive, request: Request, members: Sequence[Member]) -> list[Arrival]:
    """Read the headers of what arrived; what is no DICOM is dropped, or an error.

    Raises
    ------
    NotDicom
        When a file is none and that was not to be ignored, or when all are none.
    """
    found: list[Arrival] = []
    problem: NotDicom | None = None
    for name, blob in members:
        try:
            with archive.blobs.open(blob.name) as stream:
                found.append(Arrival(name, blob, dicom.read(stream, name)))
        except NotDicom as error:
            if not request.tolerant:
                raise
            problem = error
    if not found:
        raise problem or Invalid("Upload did not include parsable files for session generation.")
    return found


class _Receiver:
    """Puts what arrived into the prearchive, within one transaction."""

    def __init__(self, elements: Elements, request: Request):
        self.elements = elements
        self.request = request
        self.prearchive = Prearchive(elements)
        self.obsolete: list[str] = []

    def receive(self, arrivals: Sequence[Arrival]) -> list[Waiting]:
        groups: dict[tuple[str | None, str], list[Arrival]] = {}
        for arrival in arrivals:
            project = self._project(arrival.instance)
            groups.setdefault((project, arrival.instance.study), []).append(arrival)
        found: list[Waiting] = []
        for (project, study), group in groups.items():
            waiting = self._session(project, study, group[0].instance)
            strict = self._strict and bool(self.prearchive.files(waiting))
            self.obsolete += self.prearchive.add(
                waiting, group, rename=self.request.rename, strict=strict
            )
            waiting = self.prearchive.by_pk(waiting.pk)
            if self.request.commit and not waiting.direct:
                waiting = build(self.prearchive, waiting)
            if waiting.pk not in {other.pk for other in found}:
                found.append(waiting)
        return found

    @property
    def _strict(self) -> bool:
        request = self.request
        whole = request.handler == SESSION_IMPORTER
        return whole and not (request.override or request.replace)

    def _project(self, instance: Instance) -> str | None:
        named = self.request.project
        if named is not None:
            found = self.prearchive.project_id(named)
            if found is not None:
                return found
            if self.request.handler == SESSION_IMPORTER:
                raise Forbidden(f"You may not add sessions to the project {named}.")
        for candidate in instance.projects:
            found = self.prearchive.project_id(candidate)
            if found is not None:
                return found
        return None

    def _given(self, project: str | None) -> Row:
        request, dest = self.request, self.request.dest
        session = request.first("EXPT_LABEL", "session", "EXPT_ID", "label")
        subject = request.first("SUBJECT_ID", "subject", "subject_ID")
        if dest is not None and dest.archive:
            session = dest.session or session
            subject = dest.subject or subject
        existing = None
        if project is not None and session:
            existing = self.elements.experiment(project, session)
        if existing is not None:
            session = existing.label or session
            if subject is None and existing.subject_pk:
                subject = self.elements.by_pk(existing.subject_pk).name
        if subject and project is not None:
            known = self.elements.subject(project, subject)
            subject = known.name if known is not None else subject
        usable = set(shortcuts()["experiment"]["write"]) - _NAMES
        return {
            "name": dicom.clean(session) if session else None,
            "subject": dicom.clean(subject) if subject else None,
            "folder": request.first("PREARC_SESSION_FOLDER") or (dest.folder if dest else None),
            "timestamp": request.first("PREARC_TIMESTAMP") or (dest.timestamp if dest else None),
            "source": request.first("SOURCE")
            or ("SessionImporter" if request.handler == SESSION_IMPORTER else None),
            "timezone": request.first("TIMEZONE"),
            "visit": request.first("VISIT", "visit"),
            "protocol": request.first("PROTOCOL", "protocol"),
            "prevent_anon": truth(request.first("prevent_anon")) or False,
            "prevent_auto_commit": request.handler == SESSION_IMPORTER
            or bool(truth(request.first("prevent_auto_commit"))),
            "autoarchive": "AutoArchive" if request.wants_archive else None,
            "values": {
                name: text
                for name, text in request.values.items()
                if name in usable or (":" in name and "/" in name)
            },
        }

    def _session(self, project: str | None, study: str, first: Instance) -> Waiting:
        given = self._given(project)
        if self.request.direct and project is not None:
            found = self._direct(project, study, given["name"] or first.label)
            if found is not None:
                return found
            if self.elements.experiment(project, given["name"] or first.label) is None:
                given["autoarchive"] = DIRECT
                return self.prearchive.open(project, first, given)
        for name in ("folder", "timestamp"):
            if given[name] and not re.fullmatch(r"[\w.-]+", given[name]):
                raise Invalid(f"{given[name]} is no name of a session of the prearchive.")
        if given["folder"] and given["timestamp"]:
            found = self.prearchive.find(project, given["timestamp"], given["folder"])
            if found is not None:
                return self._join(found, study)
        elif given["folder"]:
            raise Invalid("User must specify timestamp portion of prearchive path.")
        elif self.request.handler != SESSION_IMPORTER:
            for waiting in self.prearchive.tagged(study):
                if waiting.project == project and study:
                    return waiting
        return self.prearchive.open(project, first, given)

    def _direct(self, project: str, study: str, name: str) -> Waiting | None:
        for one in self.prearchive.direct(project):
            if one.tag == study and one.name == name:
                return one
        return None

    def _join(self, waiting: Waiting, study: str) -> Waiting:
        if waiting.locked:
            raise Conflict("Prearc destination is locked.")
        if self.request.handler != SESSION_IMPORTER:
            if waiting.tag != study:
                raise Invalid(f"The session {waiting.folder} belongs to another study.")
            return waiting
        if not self.request.merge:
            raise Conflict(EXISTS)
        return waiting


def run(archive: Archive, who: Person, request: Request, members: Sequence[Member]) -> list[str]:
    """Import what was taken from an upload.

    Parameters
    ----------
    archive : Archive
        Where to.
    who : Person
        On whose behalf.
    request : Request
        What was asked for.
    members : sequence of tuple
        The files, stored already; those that are not kept are removed.

    Returns
    -------
    list of str
        Addresses in the prearchive or the archive, without ``/data``.
    """
    try:
        arrivals = sort_out(archive, request, members)
        with archive.changing(who) as elements:
            receiver = _Receiver(elements, request)
            sessions = receiver.receive(arrivals)
    except BaseException:
        for _, blob in members:
            archive.blobs.drop(blob.name)
        raise
    kept = {arrival.blob.name for arrival in arrivals}
    unused = {blob.name for _, blob in members} - kept
    for name in {*receiver.obsolete, *unused}:
        archive.blobs.drop(name)
    return _finish(archive, who, request, sessions)


def commit_direct(archive: Archive, who: Person, pk: int) -> None:
    """Archive a session that goes into the archive itself; when that fails, it waits instead."""
    with archive.changing(who) as elements:
        prearchive = Prearchive(elements)
        build(prearchive, prearchive.by_pk(pk))
    try:
        archiving.commit(archive, who, pk, Wish({}, merge=False))
    except ArchiveError as problem:
        with archive.changing(who) as elements:
            prearchive = Prearchive(elements)
            waiting = prearchive.note(
                prearchive.by_pk(pk), f"Attempt to direct-archive failed: {problem}"
            )
            stamp = waiting.timestamp
            if prearchive.find(waiting.project, stamp, waiting.folder) is not None:
                stamp += "_DA"
            prearchive.update(waiting, autoarchive="Manual", timestamp=stamp)


def _finish(
    archive: Archive, who: Person, request: Request, sessions: Sequence[Waiting]
) -> list[str]:
    if request.handler == SESSION_IMPORTER:
        if request.dest is not None and not request.dest.archive:
            return [session.url for session in sessions]
        if len(sessions) > 1:
            raise Invalid("Upload included files for multiple imaging sessions.")
        session = sessions[0]
        if session.project is None or not _archives(request, session):
            return [session.url]
        return [archiving.commit(archive, who, session.pk, request.wish(request.merge))]
    if not (request.commit and request.wants_archive):
        return [session.url for session in sessions]
    uris = []
    for session in sessions:
        if session.direct:
            uris.append(session.url)
            continue
        merge = request.merge or session.autoarchive not in {None, "Manual"}
        try:
            uris.append(archiving.commit(archive, who, session.pk, request.wish(merge)))
        except ArchiveError as problem:
            message = f"unable to archive for the Prearchive session: {problem}"
            raise Invalid(message) from problem
    return uris


def _archives(request: Request, session: Waiting) -> bool:
    if request.wants_archive is not None:
        return request.wants_archive
    return session.autoarchive in {"AutoArchive", "AutoArchiveOverwrite"}
