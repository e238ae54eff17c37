"""Archive to archive: what a mirror holds of one server is stored on another one.

The other server is listed first, into a state like the mirror's own: a fixed number of tables a
project. What it has already is not sent, so a copy that was interrupted is just started again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from .. import transfer
from ..address import Address, is_plain_label
from ..errors import CannotReachServer, Conflict, MirrorError, NotLoggedIn, UsageError, XNATError
from ..records import Record, scan_segment
from ..select.listings import Listings
from ..select.parallel import in_parallel
from ..transport import Request, Transport
from .copied import Copied, CopiedElement
from .facts import agrees
from .folder import Folder, Wanted
from .fresh import Fresh
from .holdings import Held, HeldFile, HeldResource, Holdings
from .kept import Kept
from .labels import LABELLED, Naming, naming, not_named
from .pull import pull

__all__ = ["CopyChoice", "copy"]

CopyChoice = Literal["report", "theirs", "ours"]
"""What to do where the other server has other values or files: report it and leave it, leave it
without a word, or replace it."""

_CHOICES = ("report", "theirs", "ours")
_LONGEST = 6000  # bytes of an address; Tomcat takes 8 KiB with all headers
_One = TypeVar("_One")


def copy(
    transport: Transport,
    folder: Path | str,
    projects: Iterable[str] | Mapping[str, str] = (),
    *,
    labels: Mapping[str, Mapping[str, str]] | Naming | None = None,
    conflicts: CopyChoice = "report",
    reason: str = "",
    dry_run: bool = False,
    connections: int = 4,
    progress: Callable[[CopiedElement], object] | None = None,
) -> Copied:
    """Store what a mirror holds on another server.

    Projects, subjects, experiments, scans, assessors and reconstructions with their fields and
    custom variables, shares between copied projects, resources and files. Elements get new ids
    there, and are found again by their labels. What is there already is not sent, so a copy that
    was interrupted is started again in the same way. Nothing is ever deleted.

    Parameters
    ----------
    transport : Transport
        The server to copy to.
    folder : path
        The mirror.
    projects : iterable of str, or mapping of str to str, optional
        Which projects of the mirror, and what they are called there; all by default.
    labels : mapping or callable, optional
        New labels: ``{"subject": {"old": "new"}}`` with the kinds of
        :data:`nipype_xnat.mirror.labels.LABELLED`, or a function of kind and label. Labels that a
        mapping lacks stay. Fields and the contents of files are copied as they are.
    conflicts : str
        What to do where the other server has other values or files: ``report``, ``theirs`` (leave
        it without a word), ``ours`` (replace it; what was there is kept in ``FOLDER.kept`` first).
    reason : str
        Why, for servers that want a reason for each change.
    dry_run : bool
        List and compare, and send nothing.
    connections : int
        Most sessions at once.
    progress : callable, optional
        Gets each element that is done; called from several threads.

    Returns
    -------
    Copied

    Raises
    ------
    UsageError
        If the mirror does not hold a project, or two elements would get one label; before anything
        is sent.
    CannotReachServer, NotLoggedIn
        What was sent stays; start the copy again.
    """
    if conflicts not in _CHOICES:
        raise UsageError(
            f"{conflicts!r} is no way to settle conflicts", advice=f"one of {', '.join(_CHOICES)}"
        )
    mirror = Folder(folder)
    contents = mirror.require()
    held = [one.project for one in contents.projects]
    wanted = dict(projects) if isinstance(projects, Mapping) else dict.fromkeys(projects, "")
    for name in wanted:
        if name not in held:
            raise UsageError(
                f"the mirror holds {', '.join(held)}, not {name}",
                advice=f"nipype-xnat mirror pull --project {name} {mirror.root}",
            )
    rename = naming(labels, {old: new for old, new in wanted.items() if new})
    here = Holdings(mirror.state(contents.state))
    try:
        names = _Names(here, list(wanted) or held, rename)
        kept = {kind: not_named(labels, kind, found) for kind, found in names.old.items()}
        with tempfile.TemporaryDirectory(prefix="nipype_xnat-") as place:
            there = _listed(transport, names, Path(place))
            try:
                seam = Fresh(transport, reason)
                kept_here = Kept(mirror.root.with_name(mirror.root.name + ".kept"), seam)
                job = _Copy(seam, here, there, names, conflicts, dry_run, progress, kept_here)
                job.result.kept_labels = {kind: found for kind, found in kept.items() if found}
                return job.run(connections)
            finally:
                if there is not None:
                    there.close()
    finally:
        here.close()


class _Names:
    """What everything is called on the other server."""

    def __init__(self, here: Holdings, projects: list[str], rename: Naming) -> None:
        self._rename = rename
        self.projects = {name: rename("project", name) for name in projects}
        self.old: dict[str, list[str]] = {"subject": [], "experiment": []}
        if len(set(self.projects.values())) < len(self.projects):
            raise UsageError("two projects would be copied into one")
        for project in projects:
            for kind, found in (
                ("subject", here.subjects(project)),
                ("experiment", _with_assessors(here, project)),
            ):
                self._check(kind, project, found)

    def of(self, element: Held) -> str:
        """Return the new label of an element of the mirror."""
        return self.label(element.kind, element.label)

    def label(self, kind: str, label: str) -> str:
        """Return a new label."""
        return self._rename(kind, label) if kind in LABELLED else label

    def _check(self, kind: str, project: str, found: Iterable[Held]) -> None:
        taken: dict[str, str] = {}
        for element in found:
            new = self.of(element)
            self.old[kind].append(element.label)
            if not new.strip():
                raise UsageError(f"the {kind} {element.label!r} of {project} would have no label")
            if taken.setdefault(new, element.label) != element.label:
                raise UsageError(
                    f"the {kind}s {taken[new]!r} and {element.label!r} of {project} would both be "
                    f"called {new!r}",
                    advice="give each a label of its own",
                )


def _with_assessors(here: Holdings, project: str) -> Iterable[Held]:
    for session in here.experiments(project):
        yield session
        yield from (one for one in here.below(session) if one.kind == "experiment")


def _listed(transport: Transport, names: _Names, place: Path) -> Holdings | None:
    """List what the other server has of the projects; None where it has none of them."""
    known = {record.project for record in Listings(Fresh(transport)).projects()}
    wanted = [Wanted(new, bytes=False) for new in names.projects.values() if new in known]
    if not wanted:
        return None
    folder = Folder(place / "there")
    pull(transport, folder.root, wanted)
    return Holdings(folder.state(folder.require().state))


@dataclass(frozen=True)
class _Place:
    """Where an element is, or will be, on the other server."""

    address: Address
    record: Record
    there: Held | None
    id: str = ""


class _Copy:
    """One copy, while it runs."""

    def __init__(
        self,
        transport: Transport,
        here: Holdings,
        there: Holdings | None,
        names: _Names,
        conflicts: CopyChoice,
        dry_run: bool,
        progress: Callable[[CopiedElement], object] | None,
        kept: Kept,
    ) -> None:
        self.transport = transport
        self.kept = kept
        self.here = here
        self.there = there
        self.names = names
        self.conflicts = conflicts
        self.progress = progress
        self.result = Copied(dry_run=dry_run)
        # subjects that are on the other server now, by their keys here
        self._subjects: dict[int, Held] = {}

    def run(self, connections: int) -> Copied:
        """Copy, from the outermost elements to the innermost."""
        projects = [p for p in self.names.projects if self._project(p)]
        subjects = [one for project in projects for one in self.here.subjects(project)]
        self._parallel(connections, self._subject, subjects)
        self._parallel(connections, self._share, subjects)
        sessions = [one for project in projects for one in self.here.experiments(project)]
        self._parallel(connections, self._experiment, sessions)
        return self.result

    def _parallel(
        self, connections: int, work: Callable[[_One], object], items: list[_One]
    ) -> None:
        for _ in in_parallel(work, items, connections):
            pass

    # -- elements

    def _project(self, name: str) -> bool:
        element = self.here.project(name)
        if element is None:
            raise MirrorError(f"the mirror lacks the project {name}", advice="pull it again")
        new = self.names.projects[name]
        there = self.there.project(new) if self.there else None
        address = Address.of("data", "projects", new)
        if new != name:
            # names that are unique in an archive follow the ID
            values = {a: new if v == name else v for a, v in element.values.items()}
            element = Held(**{**vars(element), "values": values})
        place = _Place(address, Record(project=new), there, new)
        return self._stored(element, place, {"accessibility": "private"}) is not None

    def _subject(self, element: Held) -> None:
        project = self.names.projects[element.project]
        label = self.names.of(element)
        there = self._known("subject", project, label)
        address = Address.of("data", "projects", project, "subjects", label)
        place = _Place(address, Record(project=project, subject_label=label), there)
        if self._stored(element, place, {}) is not None:
            self._subjects[element.pk] = element

    def _experiment(self, element: Held) -> None:
        project = self.names.projects[element.project]
        label = self.names.of(element)
        address = Address.of("data", "projects", project)
        there = self._known("experiment", project, label)
        if element.subject_pk is not None:
            subject = self._subjects.get(element.subject_pk)
            if subject is None:
                owner = self.here.by_key(element.subject_pk)
                what = f"its subject {owner.label} of {owner.project}" if owner else "its subject"
                self._note(element, None, "left out", f"{what} was not copied")
                return
            name = self._label_in(subject, element.project)
            address = address / ["subjects", name]
            owner_there = self._known("subject", project, name)
            wrong = there is not None and (
                owner_there is None or owner_there.pk != there.subject_pk
            )
            if wrong:
                self._note(element, None, "conflict", f"{label} is of another subject there")
                return
        place = _Place(address / ["experiments", label], Record(project=project), there)
        id_ = self._stored(element, place, {"xsiType": element.xsi_type})
        if id_ is None:
            return
        for below in self.here.below(element):
            self._inside(element, below, id_, there)
        self._share(element, id_)

    def _label_in(self, subject: Held, project: str) -> str:
        """Return what a subject is called in a project, which may not be its own."""
        label = self.here.shares(subject).get(project, subject.label)
        return self.names.label("subject", label)

    def _inside(self, session: Held, element: Held, id_: str, there: Held | None) -> None:
        """Store a scan, a reconstruction or an assessor."""
        record = Record(project=self.names.projects[session.project], experiment_id=id_)
        found = None
        name = self.names.of(element) if element.kind == "experiment" else element.id
        if there is not None and self.there is not None:
            if element.kind == "experiment":
                found = self.there.labelled("experiment", record.project, name)
            else:
                found = self.there.inside(there, element.kind, name)
            if found is not None and found.session_pk != there.pk:
                detail = f"{name} is of another session there"
                self._note(element, None, "conflict", detail, session=session)
                return
        level = {"experiment": "assessors", "scan": "scans", "recon": "reconstructions"}
        segment = name if element.kind == "experiment" else scan_segment(name)
        owner = id_ or session.label  # a dry run knows no id
        address = Address.of("data", "experiments", owner, level[element.kind], segment)
        if element.kind == "scan":
            record = record.with_values(scan_id=name)
        elif element.kind == "recon":
            record = record.with_values(reconstruction_id=name)
        else:
            record = record.with_values(assessor_label=name)
        place = _Place(address, record, found, "" if element.kind == "experiment" else name)
        new = self._stored(element, place, {"xsiType": element.xsi_type}, session)
        if new is not None and element.kind == "experiment":
            self._share(element, new)

    def _known(self, kind: str, project: str, label: str) -> Held | None:
        return self.there.labelled(kind, project, label) if self.there else None

    def _stored(
        self,
        element: Held,
        place: _Place,
        parameters: Mapping[str, str],
        session: Held | None = None,
    ) -> str | None:
        """Make or complete an element and its resources; return its id, None where that failed."""
        owner = place.there.project if place.there else ""
        if owner and owner != place.record.project:
            detail = f"what is called so there is shared from {owner}"
            self._note(element, place, "conflict", detail, session=session)
            return None
        try:
            id_, outcome, detail = self._make(element, place, parameters)
        except (CannotReachServer, NotLoggedIn):
            raise
        except XNATError as error:
            self._note(element, place, "failed", str(error), session=session)
            return None
        self._note(element, place, outcome, detail, id_, session)
        record = place.record
        if element.kind == "experiment" and session is None:
            record = record.with_values(experiment_id=id_)
        elif element.kind == "experiment":
            record = record.with_values(assessor_id=id_)
        there = {} if place.there is None else self._resources_there(place.there)
        for resource in self.here.resources(element):
            known = there.get((resource.direction, resource.label))
            try:
                self._resource(element, resource, record, known, session)
            except (CannotReachServer, NotLoggedIn):
                raise
            except XNATError as error:
                self._note_part(element, "resource", resource.label, "failed", str(error), session)
        return id_

    def _make(
        self, element: Held, place: _Place, parameters: Mapping[str, str]
    ) -> tuple[str, str, str]:
        """Return id, outcome and what is to be said."""
        there = place.there
        if there is None:
            id_ = self._put(place.address, parameters, element.values)
            return place.id or id_, "copied", ""
        id_ = place.id or there.id
        if there.xsi_type != element.xsi_type:
            return id_, "conflict", f"it is a {there.xsi_type} there, here a {element.xsi_type}"
        other: dict[str, str] = {}
        lacking: dict[str, str] = {}
        for address, value in element.values.items():
            theirs = there.values.get(address, "")
            if not theirs:
                lacking[address] = value
            elif not agrees({address: value}, {address: theirs}):
                other[address] = theirs
        send = dict(lacking)
        if self.conflicts == "ours":
            send.update({address: element.values[address] for address in other})
        if other and self.conflicts == "ours" and not self.result.dry_run:
            self.kept.values(place.address, other)
        if send:
            type_ = {"xsiType": element.xsi_type} if "xsiType" in parameters else {}
            self._put(place.address, type_, send)
        if other and self.conflicts == "report":
            words = (f"{a}: here {element.values[a]!r}, there {v!r}" for a, v in other.items())
            return id_, "conflict", "; ".join(words)
        if other:
            return id_, "replaced" if self.conflicts == "ours" else "left", ", ".join(other)
        return id_, "filled" if lacking else "there", ", ".join(lacking)

    def _put(
        self, address: Address, parameters: Mapping[str, str], values: Mapping[str, str]
    ) -> str:
        """Set values, in as many requests as an address makes necessary; return the id."""
        if self.result.dry_run:
            return ""
        id_ = ""
        asked = address.ask(parameters)
        for part in _parts(asked, values):
            with self.transport.send(Request("PUT", asked.ask(part))) as answer:
                id_ = id_ or answer.text().strip().rpartition("/")[2]
        return id_

    # -- resources

    def _resources_there(self, owner: Held) -> dict[tuple[str, str], HeldResource]:
        assert self.there is not None
        return {(one.direction, one.label): one for one in self.there.resources(owner)}

    def _resource(
        self,
        owner: Held,
        resource: HeldResource,
        place: Record,
        known: HeldResource | None,
        session: Held | None,
    ) -> None:
        record = place.with_values(direction=resource.direction, resource_label=resource.label)
        files = self.here.files(resource)
        plain = is_plain_label(resource.label) and not resource.label.isdigit()
        if known is None and not plain and not files:
            detail = "empty, and its label cannot stand in an address"
            self._note_part(owner, "resource", resource.label, "left out", detail, session)
            return
        if known is None and plain and not self.result.dry_run:
            request = Request(
                "PUT", record.resource.ask(resource.words), accept=frozenset({409}), repeatable=True
            )
            self.transport.send(request).close()
        theirs = {} if known is None or self.there is None else _by_path(self.there.files(known))
        send: dict[tuple[tuple[str, str], ...], dict[str, Path]] = {}
        missing, size = [], 0
        for file in files:
            found = theirs.get(file.path)
            if found is not None and _same(file, found):
                continue
            path = self.here.bytes_of(file)
            if path is None:
                missing.append(file.path)
            elif found is not None and self.conflicts != "ours":
                outcome = "conflict" if self.conflicts == "report" else "left"
                detail = f"{resource.label}: other bytes are there"
                self._note_part(owner, "file", file.path, outcome, detail, session)
            else:
                send.setdefault(tuple(sorted(file.words.items())), {})[file.path] = path
                size += file.size
        for path_here in missing:
            detail = f"{resource.label}: the mirror does not hold its bytes"
            self._note_part(owner, "file", path_here, "left out", detail, session)
        count = sum(map(len, send.values()))
        already = sum(1 for file in files if file.path in theirs and _same(file, theirs[file.path]))
        if not self.result.dry_run:
            for words, paths in send.items():
                for path_there in paths:
                    if path_there in theirs:
                        self._keep(record, theirs[path_there])
                self._send(record, paths, dict(words))
        self.result.count(count, already, size)
        outcome = "copied" if known is None else "filled" if count else "there"
        self._note_part(owner, "resource", resource.label, outcome, f"{count} files", session)

    def _send(self, record: Record, files: Mapping[str, Path], words: Mapping[str, str]) -> None:
        transfer.put(
            self.transport,
            record,
            files,
            overwrite=self.conflicts == "ours",
            format=words.get("format", ""),
            content=words.get("content", ""),
            tags=words.get("tags", ""),
            description=words.get("description", ""),
        )

    def _keep(self, resource: Record, file: HeldFile) -> None:
        """Fetch a file that is going to be replaced."""
        self.kept.file(resource.with_values(path=file.path, size=file.size, digest=file.digest))

    # -- shares

    def _share(self, element: Held, id_: str = "") -> None:
        """Share an element into the copied projects that see it here."""
        if element.kind == "subject" and element.pk not in self._subjects:
            return
        own = self.names.projects[element.project]
        there = self._known(element.kind, own, self.names.of(element))
        already = {} if there is None or self.there is None else self.there.shares(there)
        for project, label in self.here.shares(element).items():
            into = self.names.projects.get(project)
            if into is None:
                detail = f"shared into {project}, which is not copied"
                self._note_part(element, "share", element.label, "left out", detail)
                continue
            if into in already:
                self._note_part(element, "share", element.label, "there", f"into {into}")
                continue
            new = self.names.label(element.kind, label)
            if not self.result.dry_run:
                if element.kind == "subject":
                    address = Address.of("data", "projects", own, "subjects")
                    address = address / self.names.of(element)
                else:
                    address = Address.of("data", "experiments", id_)
                request = Request("PUT", (address / ["projects", into]).ask(label=new))
                try:
                    self.transport.send(request).close()
                except Conflict as error:
                    self._note_part(element, "share", element.label, "conflict", error.message)
                    continue
            self._note_part(element, "share", element.label, "copied", f"into {into} as {new}")

    # -- telling

    def _note(
        self,
        element: Held,
        place: _Place | None,
        outcome: str,
        detail: str,
        id_: str = "",
        session: Held | None = None,
    ) -> None:
        project = element.project or element.id
        if session is not None:
            project = session.project
        row = CopiedElement(
            element.kind,
            project,
            "" if session is None else session.label,
            element.id,
            element.label,
            self.names.projects.get(project, ""),
            id_,
            "" if place is None else self._new_label(element),
            outcome,
            detail,
        )
        self._tell(row)

    def _new_label(self, element: Held) -> str:
        if element.kind == "project":
            return self.names.projects[element.id]
        return self.names.of(element)

    def _note_part(
        self,
        owner: Held,
        kind: str,
        name: str,
        outcome: str,
        detail: str,
        session: Held | None = None,
    ) -> None:
        """Note a resource, a file or a share of an element."""
        project = session.project if session else owner.project or owner.id
        above = f"{session.label}/{owner.label}" if session else owner.label
        row = CopiedElement(
            kind,
            project,
            "" if owner.kind == "project" else above,
            "",
            name,
            self.names.projects.get(project, ""),
            "",
            name,
            outcome,
            detail,
        )
        self._tell(row)

    def _tell(self, row: CopiedElement) -> None:
        self.result.add(row)
        if self.progress is not None:
            self.progress(row)


def _parts(address: Address, values: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Yield values that fit into an address together, at least one part."""
    part: dict[str, str] = {}
    for name, value in values.items():
        if part and len(str(address.ask({**part, name: value}))) > _LONGEST:
            yield part
            part = {}
        part[name] = value
    yield part


def _by_path(files: Iterable[HeldFile]) -> dict[str, HeldFile]:
    return {file.path: file for file in files}


def _same(one: HeldFile, other: HeldFile) -> bool:
    if one.digest and other.digest:
        return one.digest == other.digest
    return one.size == other.size
