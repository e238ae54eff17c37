"""From a path to the few requests that answer it.

A path is never walked level by level. Where all names above the last level are exact, one listing
answers. Otherwise the widest listings are asked (all experiments of a project in one table, their
scans and the scans' resources joined in), rows are filtered here, and the files of many sessions
come in one request each batch. Where a server refuses the join, its scans are listed per session.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, groupby, islice
from typing import TypeVar

from ..address import Address, is_plain_label
from ..errors import AnswerError, BadRequest, CannotReachServer, ServerBroken
from ..levels import RESOURCE_LEVELS
from ..records import Record, scan_segment
from ..transport import Transport
from .batches import Batches, Problem
from .grammar import Path, Step
from .listings import SCAN, SESSION, Listings, file_record, owner_of

__all__ = ["Allowed", "Plan", "accepts", "named"]

log = logging.getLogger("nipype_xnat.select")

Allowed = tuple[str, frozenset[str]]
"""What criteria let through: ``experiment`` or ``subject``, and the ids of that level."""

T = TypeVar("T")
R = TypeVar("R")

_WORKERS = 6
_EXPERIMENT_COLUMNS = frozenset(
    {"ID", "label", "project", "subject_ID", "subject_label", "date", "xsiType"}
)


@dataclass(frozen=True)
class _Holder:
    """An element that holds resources, and what is known of their labels (None: nothing)."""

    record: Record
    labels: tuple[str, ...] | None = None


class Plan:
    """The requests that answer one path.

    Parameters
    ----------
    path : Path
    transport : Transport
    allowed : (str, frozenset), optional
        Only these experiments, or the experiments of these subjects (see :data:`Allowed`).
    on_empty : callable, optional
        Gets the record of each selected experiment below which nothing matched, and the reason.
    on_problem : callable, optional
        Gets the record of an experiment that could not be listed, and the error. Without it the
        error is raised.
    """

    def __init__(
        self,
        path: Path,
        transport: Transport,
        *,
        allowed: Allowed | None = None,
        on_empty: Callable[[Record, str], None] | None = None,
        on_problem: Callable[[Record, AnswerError | CannotReachServer], None] | None = None,
    ) -> None:
        self.path = path
        self.allowed = allowed
        self._ask = Listings(transport)
        self._on_empty = on_empty or (lambda record, reason: None)
        self._on_problem = on_problem

    def records(self) -> Iterator[Record]:
        """Yield a record for each element that the path names, asking as they are taken."""
        if self._is_direct():
            yield from self._direct()
        elif self._is_below_experiments():
            yield from self._below_experiments()
        else:
            yield from self._above_experiments()

    # -- one listing answers all

    def _is_direct(self) -> bool:
        above = self.path.steps[:-1]
        if self.allowed is not None or not all(step.exact for step in above):
            return False
        # below an experiment XNAT has routes only with the subject or by the experiment's id alone
        levels = [step.level for step in above]
        return "experiment" not in levels or "subject" in levels or levels[0] == "experiment"

    def _direct(self) -> Iterator[Record]:
        parent = named(self.path.steps[:-1])
        step = self.path.steps[-1]
        if step.level == "file":
            found = self._files(parent.with_values(resource_label=""), self.path.steps[-2], step)
        elif step.level in RESOURCE_LEVELS:
            owner = parent.with_values(direction=_direction(step))
            found = _matching(self._ask.resources(owner), step)
        elif step.level == "project":
            found = self._projects(step)
        elif step.level == "subject":
            found = self._subjects(parent.project, step)
        elif step.level == "experiment":
            found = self._experiments(parent.project or None, self.path.step("subject"), step)
        else:
            found = self._inside(parent, step)
        yield from found

    # -- projects and subjects, and their resources

    def _projects(self, step: Step) -> Iterator[Record]:
        columns = [condition.field for condition in step.filters]
        return _matching(self._ask.projects(columns), step)

    def _subjects(self, project: str, step: Step) -> Iterator[Record]:
        columns = [condition.field for condition in step.filters]
        found = _matching(self._ask.subjects(project, columns), step)
        return (record for record in found if self._lets_subject(record))

    def _selected_projects(self) -> Iterator[Record]:
        step = self.path.steps[0]
        if step.level != "project":
            yield Record()
        elif step.exact:
            yield Record(project=step.pattern.text)
        else:
            yield from self._projects(step)

    def _above_experiments(self) -> Iterator[Record]:
        owners = self._selected_projects()
        steps = list(self.path.steps[1:])
        if steps and steps[0].level == "subject":
            subject = steps.pop(0)
            owners = (
                record
                for project in owners
                for record in sorted(self._subjects(project.project, subject), key=_order)
            )
        if not steps:
            yield from owners
            return
        yield from self._resources_of(owners, steps)

    def _resources_of(self, owners: Iterable[Record], steps: Sequence[Step]) -> Iterator[Record]:
        """Yield resources or files, one listing an owner, several owners at once."""
        resource = steps[0]
        ask: Callable[[Record], list[Record]]
        if len(steps) == 1:

            def ask(owner: Record) -> list[Record]:
                owner = owner.with_values(direction=_direction(resource))
                return list(_matching(self._ask.resources(owner), resource))
        else:

            def ask(owner: Record) -> list[Record]:
                return list(self._files(owner, resource, steps[1]))

        for found in _in_parallel(ask, owners):
            yield from found

    def _files(self, owner: Record, resource: Step, step: Step) -> Iterator[Record]:
        """Yield the files of one owner's resources."""
        owner = owner.with_values(direction=_direction(resource), fields=())
        if resource.filters:
            for record in _matching(self._ask.resources(owner), resource):
                yield from _matching(self._ask.files(record), step)
            return
        label = resource.pattern.text if _in_address(resource) else ""
        found = self._ask.files_of(owner, label)
        yield from sorted(
            (
                record
                for record in found
                if resource.pattern.matches(record.resource_label, record.resource_id)
                and accepts(step, record)
            ),
            key=_order,
        )

    # -- experiments

    def _is_below_experiments(self) -> bool:
        return self.path.step("experiment") is not None

    def _lets(self, record: Record) -> bool:
        if self.allowed is None:
            return True
        level, ids = self.allowed
        return (record.experiment_id if level == "experiment" else record.subject_id) in ids

    def _lets_subject(self, record: Record) -> bool:
        if self.allowed is None or self.allowed[0] != "subject":
            return True
        return record.subject_id in self.allowed[1]

    def _experiments(
        self,
        project: str | None,
        subject: Step | None,
        step: Step,
        scan: Step | None = None,
        with_resources: bool = False,
    ) -> Iterator[Record]:
        """Yield the selected experiments (with ``scan``, joined with their scans), sorted."""
        columns = [
            condition.field
            for condition in step.filters
            if condition.field not in _EXPERIMENT_COLUMNS
        ]
        xsi_type = _exact_filter(step, "xsiType")
        one_subject = subject.pattern.text if subject is not None and subject.exact else None
        found = self._ask.experiments(
            project,
            one_subject,
            xsi_type=xsi_type,
            columns=columns,
            scan_columns=None if scan is None else [c.field for c in scan.filters],
            with_resources=with_resources,
        )
        subjects: frozenset[str] | None = None
        if subject is not None and subject.filters and project is not None:
            subjects = frozenset(record.subject_id for record in self._subjects(project, subject))
        kept = (
            record
            for record in found
            if accepts(step, record)
            and self._lets(record)
            and (subjects is None or record.subject_id in subjects)
            and (
                subject is None
                or one_subject is not None
                or subject.pattern.matches(record.subject_label, record.subject_id)
            )
        )
        return iter(sorted(kept, key=_order))

    def _below_experiments(self) -> Iterator[Record]:
        experiment = next(step for step in self.path.steps if step.level == "experiment")
        below = self.path.steps[self.path.steps.index(experiment) + 1 :]
        subject = self.path.step("subject")
        if not below:
            for project in self._selected_projects():
                yield from self._experiments(project.project or None, subject, experiment)
        elif below[0].level == "scan":
            yield from self._scans(experiment, subject, below)
        else:
            sessions = (
                record
                for project in self._selected_projects()
                for record in self._experiments(project.project or None, subject, experiment)
            )
            if below[0].level in RESOURCE_LEVELS:
                yield from self._session_resources(sessions, below)
            else:
                yield from self._assessors(sessions, below)

    # -- scans

    def _scans(
        self, experiment: Step, subject: Step | None, below: Sequence[Step]
    ) -> Iterator[Record]:
        scan = below[0]
        deeper = below[1:]
        holders = self._holders(experiment, subject, scan, bool(deeper))
        if not deeper:
            yield from (holder.record for holder in holders)
        elif len(deeper) == 1:
            owners = (holder.record for holder in holders)
            yield from self._resources_of(owners, deeper)
        else:
            yield from self._scan_files(holders, scan, deeper[0], deeper[1])

    def _holders(
        self, experiment: Step, subject: Step | None, scan: Step, with_resources: bool
    ) -> Iterator[_Holder]:
        """Yield the selected scans with the labels of their resources."""
        for project in self._selected_projects():
            name = project.project or None
            try:
                joined = list(self._experiments(name, subject, experiment, scan, with_resources))
            except (ServerBroken, BadRequest) as error:
                log.warning(
                    "the server refuses scans joined to experiments (%s): asking session by "
                    "session",
                    error.message,
                )
                yield from self._holders_one_by_one(name, subject, experiment, scan)
                continue
            yield from self._fold(joined, scan, with_resources)

    def _fold(self, joined: list[Record], scan: Step, with_resources: bool) -> Iterator[_Holder]:
        """Fold the rows of a join into one holder a scan."""
        for _, rows_of_session in groupby(joined, key=lambda record: record.experiment_id):
            session = list(rows_of_session)
            any_scan = False
            keyed = sorted((r for r in session if r.scan_id), key=_scan_order)
            for _, rows_of_scan in groupby(keyed, key=lambda record: record.scan_id):
                rows = list(rows_of_scan)
                if not accepts(scan, rows[0]):
                    continue
                any_scan = True
                labels = tuple(dict.fromkeys(row.resource_label for row in rows))
                yield _Holder(
                    rows[0].with_values(resource_label=""),
                    tuple(label for label in labels if label) if with_resources else None,
                )
            if not any_scan:
                self._on_empty(_bare(session[0]), f"no scan matches {scan}")

    def _holders_one_by_one(
        self, project: str | None, subject: Step | None, experiment: Step, scan: Step
    ) -> Iterator[_Holder]:
        def ask(session: Record) -> tuple[Record, list[Record]]:
            return session, list(self._inside(session, scan))

        for session, found in _in_parallel(ask, self._experiments(project, subject, experiment)):
            if not found:
                self._on_empty(session, f"no scan matches {scan}")
            yield from (_Holder(record) for record in found)

    def _scan_files(
        self, holders: Iterator[_Holder], scan: Step, resource: Step, step: Step
    ) -> Iterator[Record]:
        if resource.filters:
            owners = (holder.record for holder in holders)
            yield from self._resources_of(owners, [resource, step])
            return
        by_type = scan.pattern.anything and any(c.field == "type" for c in scan.filters)

        def inside(batch: Sequence[Sequence[_Holder]]) -> list[str]:
            scans = [holder.record for session in batch for holder in session]
            # types are the same in all sessions where ids may differ, and pick only what is meant
            if by_type and all(record.scan_type for record in scans):
                names = {scan_segment(record.scan_type) for record in scans}
            else:
                names = {scan_segment(record.scan_id) for record in scans}
            return ["scans", ",".join(sorted(names))]

        yield from self._batched_files(
            (list(group) for _, group in groupby(holders, key=lambda h: h.record.experiment_id)),
            inside,
            resource,
            step,
        )

    # -- files of many sessions

    def _batched_files(
        self,
        sessions: Iterable[list[_Holder]],
        inside: Callable[[Sequence[Sequence[_Holder]]], Sequence[str]],
        resource: Step,
        step: Step,
    ) -> Iterator[Record]:
        """Yield the files of holders, which come grouped by session."""

        def address(batch: Sequence[Sequence[_Holder]]) -> Address:
            ids = [session[0].record.experiment_id for session in batch]
            return self._ask.batch_address(ids, inside(batch), _labels(batch, resource))

        def ask(batch: Sequence[Sequence[_Holder]]) -> list[tuple[str, Record]]:
            return [
                (record.experiment_id, record)
                for record in self._attributed(batch, address(batch), ask_owner)
            ]

        def ask_owner(holder: _Holder) -> list[Record]:
            return list(self._files(holder.record, resource, Step("file")))

        def problem(found: Problem[Sequence[_Holder]]) -> None:
            if self._on_problem is None:
                raise found.error
            self._on_problem(_bare(found.member[0].record), found.error)

        batches: Batches[Sequence[_Holder], tuple[str, Record]] = Batches(
            ask, lambda batch: len(str(address(batch))), problem
        )
        asked: list[Sequence[_Holder]] = []
        awkward: list[_Holder] = []

        def promising() -> Iterator[Sequence[_Holder]]:
            for session in sessions:
                asked.append(session)
                # where the join told the labels, a session without the wanted one is not asked
                kept = [
                    holder
                    for holder in session
                    if holder.labels is None
                    or resource.pattern.text.isdigit()
                    or any(resource.pattern.matches(label) for label in holder.labels)
                ]
                # a label that cannot stand in an address would make a whole batch list everything
                if any(not is_plain_label(label) for h in kept for label in _wanted(h, resource)):
                    awkward.extend(kept)
                elif kept:
                    yield kept

        matched: set[str] = set()
        answers = chain(
            batches.rows(promising()),
            (
                (record.experiment_id, record)
                for found in _in_parallel(ask_owner, _later(awkward))
                for record in found
            ),
        )
        for session, record in answers:
            if resource.pattern.matches(record.resource_label, record.resource_id) and accepts(
                step, record
            ):
                matched.add(session)
                yield record
        for holders in asked:
            record = holders[0].record
            if record.experiment_id not in matched:
                wanted = f"{resource}{step}"
                self._on_empty(_bare(record), f"nothing matches {wanted} in what it has")

    def _attributed(
        self,
        batch: Sequence[Sequence[_Holder]],
        address: Address,
        ask_owner: Callable[[_Holder], list[Record]],
    ) -> list[Record]:
        """Ask for the files of a batch, and give each row its owner.

        Where exactly one resource matches, XNAT builds the URI of its files from the lists of the
        request instead of the ids of the owner (FileList.handleSingleCatalog). Then the holders
        that may own it are asked one by one; mostly the labels leave only one.
        """
        rows = self._ask.file_rows(address)
        holders = {_key(holder.record): holder for session in batch for holder in session}
        found: list[Record] = []
        strays: list[list[_Holder]] = []
        for row in rows:
            owner = owner_of(row.get("URI", ""))
            key = (
                owner.get("experiment_id", ""),
                owner.get("scan_id", "") or owner.get("assessor_id", ""),
            )
            holder = holders.get(key)
            if holder is not None and owner.get("direction", "") == holder.record.direction:
                found.append(file_record(holder.record, row))
                continue
            likely = [
                holder
                for holder in holders.values()
                if _in_lists(key, holder.record)
                and (holder.labels is None or row.get("collection", "") in holder.labels)
            ]
            if likely:
                strays.append(likely)
        if strays and not found:
            if len(strays[0]) == 1:
                found = [file_record(strays[0][0].record, row) for row in rows]
            else:
                for records in _in_parallel(ask_owner, strays[0]):
                    found.extend(records)
        return sorted(found, key=_order)

    # -- resources of sessions, assessors, reconstructions

    def _session_resources(
        self, sessions: Iterator[Record], below: Sequence[Step]
    ) -> Iterator[Record]:
        if len(below) == 1 or below[0].filters:
            yield from self._resources_of(sessions, below)
            return
        yield from self._batched_files(
            ([_Holder(record)] for record in sessions), lambda batch: (), below[0], below[1]
        )

    def _assessors(self, sessions: Iterator[Record], below: Sequence[Step]) -> Iterator[Record]:
        step = below[0]

        def ask(session: Record) -> list[Record]:
            return list(self._inside(session, step))

        owners = (record for found in _in_parallel(ask, sessions) for record in found)
        if len(below) == 1:
            yield from owners
            return
        resource = below[1]
        if step.level != "assessor" or len(below) == 2 or resource.filters:
            yield from self._resources_of(owners, below[1:])
            return
        direction = _direction(resource)
        holders = (_Holder(record.with_values(direction=direction)) for record in owners)

        def inside(batch: Sequence[Sequence[_Holder]]) -> list[str]:
            ids = sorted({h.record.assessor_id for session in batch for h in session})
            return ["assessors", ",".join(ids), *([direction] if direction else [])]

        grouped = groupby(holders, key=lambda holder: holder.record.experiment_id)
        yield from self._batched_files(
            (list(group) for _, group in grouped), inside, resource, below[2]
        )

    def _inside(self, session: Record, step: Step) -> Iterator[Record]:
        """Yield the scans, assessors or reconstructions of one session that a step selects."""
        session = session.with_values(fields=())
        columns = [condition.field for condition in step.filters]
        ask = {
            "scan": self._ask.scans,
            "assessor": self._ask.assessors,
            "reconstruction": self._ask.reconstructions,
        }[step.level]
        return iter(sorted(_matching(ask(session, columns), step), key=_scan_order))

    # -- for people

    def explain(self) -> str:
        """Describe the requests, without sending any."""
        lines = [f"{self.path}"]
        steps = self.path.steps
        if self._is_direct():
            lines.append(f"  1 request: the {steps[-1].level}s of {named(steps[:-1]).place or '/'}")
            return "\n".join(lines)
        if steps[0].level == "project" and not steps[0].exact:
            lines.append("  1 request: all projects")
        experiment = self.path.step("experiment")
        if experiment is None:
            lines.append("  1 request a project: its subjects")
            if steps[-1].level in ("file", *RESOURCE_LEVELS):
                lines.append("  1 request a subject: its resources or files")
            return "\n".join(lines)
        below = steps[steps.index(experiment) + 1 :]
        joined = below and below[0].level == "scan"
        what = f"its {SESSION} joined with their {SCAN}" if joined else "its experiments"
        lines.append(f"  1 request a project: {what}")
        if self.allowed is not None:
            level, ids = self.allowed
            lines.append(f"  kept: the {len(ids)} {level}s that the criteria found")
        if below and below[0].level in ("assessor", "reconstruction"):
            lines.append(f"  1 request a session: its {below[0].level}s")
        if below and below[-1].level == "file":
            lines.append("  1 request a batch of sessions (50 at first, then more): their files")
        elif below and below[-1].level in RESOURCE_LEVELS:
            lines.append("  1 request an owner: its resources")
        return "\n".join(lines)


def named(steps: Sequence[Step]) -> Record:
    """Make a record of exact names; whether they are ids or labels the server will tell."""
    values: dict[str, str] = {}
    names = {
        "project": "project",
        "subject": "subject_label",
        "experiment": "experiment_label",
        "scan": "scan_id",
        "assessor": "assessor_label",
        "reconstruction": "reconstruction_id",
        "file": "path",
    }
    for step in steps:
        if step.level in RESOURCE_LEVELS:
            values["resource_label"] = step.pattern.text
            values["direction"] = _direction(step)
        else:
            values[names[step.level]] = step.pattern.text
    if "experiment_label" in values and "project" not in values:
        values["experiment_id"] = values.pop("experiment_label")
    return Record(**values)  # type: ignore[arg-type]


def _direction(step: Step) -> str:
    return {"in_resource": "in", "out_resource": "out"}.get(step.level, "")


def _in_address(resource: Step) -> bool:
    """Tell whether a resource can be asked for by the name that the step gives.

    XNAT does not decode labels in a path, refuses quotes, and reads a comma as two labels.
    """
    text = resource.pattern.text
    return resource.exact and is_plain_label(text)


def _labels(batch: Sequence[Sequence[_Holder]], resource: Step) -> list[str]:
    """Return the labels to name in a batch's address; none where they cannot be named."""
    if _in_address(resource):
        return [resource.pattern.text]
    known: set[str] = set()
    for session in batch:
        for holder in session:
            if holder.labels is None:
                return []
            known.update(_wanted(holder, resource))
    return sorted(known) if all(map(is_plain_label, known)) else []


def _wanted(holder: _Holder, resource: Step) -> list[str]:
    return [label for label in holder.labels or () if resource.pattern.matches(label)]


def _later(items: list[T]) -> Iterator[T]:
    """Yield what a list holds when it is asked, not when it was handed over."""
    yield from items


def _key(record: Record) -> tuple[str, str]:
    return record.experiment_id, record.scan_id or record.assessor_id


def _in_lists(key: tuple[str, str], record: Record) -> bool:
    """Tell whether an owner is among those that a URI made of a request's lists names."""
    sessions, inside = (part.split(",") for part in key)
    names = (record.scan_id, scan_segment(record.scan_id), scan_segment(record.scan_type))
    own = (record.assessor_id,) if record.assessor_id else names if record.scan_id else ("",)
    return record.experiment_id in sessions and any(name in inside for name in own)


def _exact_filter(step: Step, field: str) -> str | None:
    for condition in step.filters:
        if (
            condition.field == field
            and condition.operator == "="
            and len(condition.values) == 1
            and condition.values[0].exact
        ):
            return condition.values[0].text
    return None


def _names(level: str, record: Record) -> tuple[str, ...]:
    """Return the names by which an element may be called in a path."""
    names = {
        "project": (record.project,),
        "subject": (record.subject_id, record.subject_label),
        "experiment": (record.experiment_id, record.experiment_label),
        "scan": (record.scan_id,),
        "assessor": (record.assessor_id, record.assessor_label),
        "reconstruction": (record.reconstruction_id,),
        "file": (record.path, record.path.rpartition("/")[2]),
    }
    return names.get(level, (record.resource_id, record.resource_label))


_OWN_FIELDS = {
    "scan": {"ID": "scan_id", "type": "scan_type"},
    "file": {"path": "path", "format": "format", "content": "content", "tags": "tags"},
}


def _value(level: str, record: Record, field: str) -> str:
    """Return a field of an element, as a filter asks for it."""
    own = _OWN_FIELDS.get(level, {}).get(field)
    if own:
        return str(getattr(record, own))
    if level == "file":
        if field.lower() == "name":
            return record.path.rpartition("/")[2]
        if field == "digest":
            return record.digest
        if field == "size":
            return "" if record.size is None else str(record.size)
    if level == "scan":
        joined = record.field(f"{SCAN}/{field}")
        if joined or ":" in field:
            return joined or record.field(field)
    return record.field(field)


def accepts(step: Step, record: Record) -> bool:
    """Tell whether a step selects the element that a record describes."""
    return step.pattern.matches(*_names(step.level, record)) and all(
        condition.accepts(_value(step.level, record, condition.field)) for condition in step.filters
    )


def _matching(records: Iterable[Record], step: Step) -> Iterator[Record]:
    return (record for record in records if accepts(step, record))


def _order(record: Record) -> tuple[str, ...]:
    return (
        record.project,
        record.subject_label,
        record.experiment_label,
        record.experiment_id,
        *_scan_order(record),
        record.resource_label,
        record.path,
    )


def _scan_order(record: Record) -> tuple[str, ...]:
    # 2 before 10, and numbers before names
    number = record.scan_id.zfill(12) if record.scan_id.isdigit() else record.scan_id
    return (number, record.assessor_label, record.reconstruction_id)


def _bare(record: Record) -> Record:
    """Return the record of the experiment alone."""
    return record.with_values(
        scan_id="", scan_type="", assessor_id="", assessor_label="", resource_label="", direction=""
    )


def _in_parallel(call: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
    """Call with each item, some at once, and yield the answers in order.

    Items are taken from the iterable a few ahead of what is yielded, no more.
    """
    source = iter(items)
    first = list(islice(source, 1))
    if not first:
        return
    yield call(first[0])  # one item needs no threads, and the first answer comes soonest
    with ThreadPoolExecutor(_WORKERS, thread_name_prefix="xnat-plan") as pool:
        running = [pool.submit(call, item) for item in islice(source, _WORKERS)]
        try:
            while running:
                yield running.pop(0).result()
                running.extend(pool.submit(call, item) for item in islice(source, 1))
        finally:
            for future in running:
                future.cancel()
