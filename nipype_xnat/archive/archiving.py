"""From the prearchive into the archive: what is in the way, and how sessions are joined."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from nipype_xnat.archive import dicom, files
from nipype_xnat.archive.building import CONTENTS, fitting, grouped
from nipype_xnat.archive.elements import Draft, Element, Elements
from nipype_xnat.archive.errors import ArchiveError, Conflict, Forbidden, Invalid
from nipype_xnat.archive.files import About
from nipype_xnat.archive.people import Person
from nipype_xnat.archive.prearchive import Held, Prearchive, Waiting
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.archive.storage.blobs import Blob

if TYPE_CHECKING:
    from nipype_xnat.archive.archive import Archive

EXISTS = "Session already exists, retry with overwrite enabled"
OTHER_SUBJECT = "Invalid modification of session subject via archive process."
OTHER_UID = "Invalid modification of session UID via archive process."
OTHER_TYPE = (
    "Invalid modification of session modality via archive process.  Data may require a manual "
    "merge."
)
DUPLICATE = "Duplicate DCM UID cannot be merged at this time."


@dataclass(frozen=True)
class Wish:
    """How a session is to be archived.

    Parameters
    ----------
    values : mapping of str to str
        What the request says: session, subject, project, and fields by short name or address.
    merge : bool
        Whether it may be joined with a session that the archive has.
    override : bool
        Whether differing UIDs and files that exist are no hindrance.
    replace : bool
        Whether files that exist are replaced.
    """

    values: Mapping[str, str]
    merge: bool = False
    override: bool = False
    replace: bool = False


@dataclass(frozen=True)
class Notice:
    """One thing that stands in the way."""

    code: int
    type: str
    message: str


@dataclass
class Plan:
    """What a session would become."""

    project: str
    label: str
    subject_label: str
    subject: Element | None
    existing: Element | None
    notices: list[Notice]


class Archiving:
    """Archives one waiting session on behalf of a person.

    Parameters
    ----------
    prearchive : Prearchive
        Open for changes.
    waiting : Waiting
        A built session.
    wish : Wish
    """

    def __init__(self, prearchive: Prearchive, waiting: Waiting, wish: Wish):
        self.prearchive = prearchive
        self.elements: Elements = prearchive.elements
        self.waiting = waiting
        self.wish = wish
        self.obsolete: list[str] = []
        if waiting.built is None:
            raise Invalid("The session was not built.")
        self.built: dict[str, Any] = waiting.built

    # ---- looking -----------------------------------------------------------------------

    def plan(self) -> Plan:
        """Find out what the session would become, and what stands in the way."""
        said = self.wish.values
        key = said.get("project") or self.waiting.project
        if not key:
            raise Invalid("unable to identify destination project")
        project = self.elements.project(key)
        if project is None or not self.elements.rights.can_edit(project.id):
            raise Forbidden("Invalid permissions for new project.")
        kept = self.waiting.values
        label = next(
            text
            for text in (
                said.get("session"),
                said.get(f"{self.built['type']}/label"),
                said.get("EXPT_LABEL"),
                said.get("label"),
                kept.get("label"),
                self.waiting.name,
                self.waiting.folder,
            )
            if text
        )
        subject = said.get("subject") or said.get("SUBJECT_ID") or self.waiting.subject
        subject = subject or self.built["fields"].get("dcmPatientName")
        if not subject:
            raise Invalid("Unable to identify subject.")
        subject = dicom.clean(subject)
        plan = Plan(project.id, dicom.clean(label), subject, None, None, [])
        plan.subject = self._subject(project.id, subject)
        plan.existing = self.elements.experiment(project.id, plan.label)
        if plan.existing is not None:
            self._compare(plan, plan.existing)
        elif self.elements.label_taken("experiment", project.id, plan.label):
            raise Conflict(EXISTS)
        return plan

    def _subject(self, project: str, label: str) -> Element | None:
        found = self.elements.subject(project, label)
        if found is not None:
            return found
        c = s.element.c
        row = (
            self.elements.connection.execute(
                sa.select(s.element).where(
                    c.kind == "subject",
                    c.project == project,
                    sa.func.lower(c.label) == label.lower(),
                )
            )
            .mappings()
            .first()
        )
        return None if row is None else Element(**row)

    def _compare(self, plan: Plan, existing: Element) -> None:
        found = plan.notices
        found.append(Notice(1, "CONFLICT", EXISTS))
        if existing.project != plan.project:
            found.append(Notice(3, "FAIL", "Invalid modification of session project."))
        if plan.subject is None or existing.subject_pk != plan.subject.pk:
            message = f"{OTHER_SUBJECT}: {existing.label} Already Exists for another Subject"
            found.append(Notice(4, "FAIL", message))
        own, new = existing.fields.get("UID"), self.built["fields"].get("UID")
        if own and new and own != new:
            found.append(Notice(5, "CONFLICT", OTHER_UID))
        if existing.xsi_type != self.built["type"]:
            found.append(Notice(19, "FAIL", OTHER_TYPE))
        present = self.elements.children(existing, "scan")
        for scan in self.built["scans"]:
            same_id = next((e for e in present if e.id == scan["id"]), None)
            uid = scan["fields"].get("UID")
            if same_id is not None and same_id.fields.get("UID") == uid:
                message = (
                    f"Session already contains a scan ({same_id.id}) with the same UID and number."
                )
                found.append(Notice(16, "CONFLICT", message))
            elif same_id is not None:
                message = (
                    f"Session already contains a scan ({same_id.id}) with the same number, but a "
                    "different UID. - New scan will be renamed during archive."
                )
                found.append(Notice(17, "CONFLICT", message))
            same_uid = next((e for e in present if uid and e.fields.get("UID") == uid), None)
            if same_uid is not None and same_uid is not same_id:
                message = (
                    f"Session already contains a scan ({same_uid.id}) with the same UID, but a "
                    "different number."
                )
                found.append(Notice(18, "CONFLICT", message))
        found.sort(key=lambda notice: notice.code)

    def hindrance(self, plan: Plan) -> str | None:
        """Name what keeps the session from being archived, given what was wished for."""
        for notice in plan.notices:
            if notice.code == 1 and self.wish.merge:
                continue
            if notice.code in {5, 18} and self.wish.override:
                continue
            if notice.code in {16, 17} and self.wish.merge:
                continue
            return notice.message
        return None

    # ---- doing -------------------------------------------------------------------------

    def archive(self) -> str:
        """Archive the session, and return its address there.

        Raises
        ------
        Conflict
            When something stands in the way.
        """
        plan = self.plan()
        message = self.hindrance(plan)
        if message is not None:
            raise Conflict(message)
        el = self.elements
        subject = plan.subject
        if subject is None:
            datatype = el.concrete("xnat:subjectData", "xnat:subjectData")
            subject = el.insert(
                "subject",
                datatype,
                Draft(),
                id=el.next_id("S"),
                label=plan.subject_label,
                project=plan.project,
            )
            el.record(subject, "Added Subject", None)
        session = self._session(plan, subject)
        resources = grouped(self.prearchive.files(self.waiting))
        for scan in self.built["scans"]:
            element = self._scan(session, scan)
            for (scan_id, label), group in resources.items():
                if scan_id == scan["id"]:
                    self._files(element, label, group)
        for (scan_id, label), group in resources.items():
            if not scan_id:
                self._files(session, label, group)
        self.prearchive.delete(self.waiting)
        el.record(session, "Transfer" if plan.existing is None else "Merged", self._reason())
        return f"/archive/projects/{plan.project}/subjects/{subject.name}/experiments/{plan.label}"

    def _reason(self) -> str:
        return self.wish.values.get("event_reason") or "standard upload"

    def _session(self, plan: Plan, subject: Element) -> Element:
        el = self.elements
        built = self.built["fields"]
        datatype = el.concrete(self.built["type"], "xnat:imageSessionData")
        said = el.draft("experiment", {**self.waiting.values, **self.wish.values}, datatype.name)
        draft = Draft(xsi_type=datatype.name, values=dict(built))
        draft.values.update(fitting(datatype, said.values))
        draft.variables.update(said.variables)
        for name in ("ID", "label", "project", "subject_ID"):
            draft.values.pop(name, None)
        if plan.existing is None:
            return el.insert(
                "experiment",
                datatype,
                draft,
                id=el.next_id("E"),
                label=plan.label,
                project=plan.project,
                subject_pk=subject.pk,
            )
        # what the archive knows already counts
        known = plan.existing
        draft.values = {
            path: value
            for path, value in draft.values.items()
            if path not in known.fields and not (path == "date" and known.date)
        }
        return el.update(known, draft)

    def _scan(self, session: Element, scan: dict[str, Any]) -> Element:
        el = self.elements
        present = el.children(session, "scan")
        uid = scan["fields"].get("UID")
        for element in present:
            if uid and element.fields.get("UID") == uid:
                return element
        taken = {element.id for element in present}
        wanted, number = scan["id"], 1
        same = next((e for e in present if e.id == wanted and not e.fields.get("UID")), None)
        if same is not None:
            return el.update(same, Draft(values=dict(scan["fields"])))
        while wanted in taken:
            wanted = f"{scan['id']}-{scan['fields'].get('modality') or 'OT'}{number}"
            number += 1
        datatype = el.concrete(scan["type"], "xnat:imageScanData")
        draft = Draft(xsi_type=datatype.name, values=dict(scan["fields"]))
        return el.insert("scan", datatype, draft, id=wanted, session_pk=session.pk)

    def _files(self, owner: Element, label: str, group: list[Held]) -> None:
        connection = self.elements.connection
        c = s.resource.c
        kind, content = CONTENTS.get(label, (None, None))
        about = About(kind, content)
        pk = connection.execute(
            sa.select(c.pk).where(c.owner_pk == owner.pk, c.direction == "", c.label == label)
        ).scalar()
        if pk is None:
            pk = files.create_resource(self.elements, owner, "", label, about)
        arrived = [
            (held.path, Blob(held.blob, held.size, held.digest, held.modified)) for held in group
        ]
        always = self.waiting.autoarchive == "AutoArchiveOverwrite"
        replace = self.wish.override or self.wish.replace or always
        duplicates, obsolete = files.store(
            connection,
            pk,
            arrived,
            about,
            self.elements.who.login,
            replace,
            self.elements.site.checksums,
        )
        if duplicates:
            raise Conflict(DUPLICATE)
        self.obsolete += obsolete
        files.bump(connection, pk, None)
        files.count(connection, pk)


def commit(archive: Archive, who: Person, pk: int, wish: Wish) -> str:
    """Archive a waiting session as a whole, or leave it waiting with a status that says why not.

    Returns
    -------
    str
        The address in the archive.

    Raises
    ------
    ArchiveError
        When it cannot be archived.
    """
    try:
        with archive.changing(who) as elements:
            prearchive = Prearchive(elements)
            work = Archiving(prearchive, prearchive.by_pk(pk), wish)
            uri = work.archive()
    except ArchiveError as problem:
        with archive.changing(who) as elements:
            prearchive = Prearchive(elements)
            waiting = prearchive.note(prearchive.by_pk(pk), str(problem))
            status = "CONFLICT" if isinstance(problem, Conflict) else "ERROR"
            if not isinstance(problem, Forbidden):
                prearchive.update(waiting, status=status)
        raise
    for name in work.obsolete:
        archive.blobs.drop(name)
    return uri
