"""From a path to the few requests that answer it.

A path is never walked level by level. Where all names above the last level are exact, one listing
answers. Otherwise the widest listings are asked (all experiments of a project in one table, their
scans and the scans' resources joined in), rows are filtered here, and the files of many sessions
come in one request each batch. Where a server refuses the join, its scans are listed per session.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby

from ..address import is_addressable, is_identifier
from ..errors import AnswerError, BadRequest, CannotReachServer, NotFound, ServerBroken
from ..levels import RESOURCE_LEVELS
from ..records import Record, scan_segment
from ..transport import Transport
from .file_batches import ALL, FileBatches, Holder, bare, is_named
from .grammar import Path, Step
from .listings import LABELS, SCAN, SESSION, Listings
from .matching import (
    accepts,
    direction_of,
    exact_filter,
    is_called,
    matching,
    named,
    order,
    scan_order,
    session_order,
)
from .parallel import in_parallel

__all__ = ["Allowed", "Plan"]

log = logging.getLogger("nipype_xnat.select")

Allowed = tuple[str, frozenset[str]]
"""What criteria let through: ``experiment`` or ``subject``, and the ids of that level."""

_FEW = 3
# the ids that XNAT makes: SITE_E00001
_GENERATED_ID = re.compile(r".+_E\d{5,}", re.ASCII)
_EXPERIMENT_COLUMNS = frozenset(
    {"ID", "label", "project", "subject_ID", "subject_label", "date", "xsiType"}
)


class Plan:
    """The requests that answer one path.

    Parameters
    ----------
    path : Path
    transport : Transport
    allowed : (str, frozenset), optional
        Only these experiments, or the experiments of these subjects (see :data:`Allowed`).
    known : Record, optional
        What is known of an element that the path begins with: an experiment whose id is known is
        not looked up.
    on_empty : callable, optional
        Gets the record of each selected experiment below which nothing matched, and the reason.
    on_problem : callable, optional
        Gets the record of an experiment that could not be listed, and the error. Without it the
        error is raised.
    few : bool
        Whether the first records may be all that is wanted: less is asked ahead of them then.
    """

    def __init__(
        self,
        path: Path,
        transport: Transport,
        *,
        allowed: Allowed | None = None,
        known: Record | None = None,
        on_empty: Callable[[Record, str], None] | None = None,
        on_problem: Callable[[Record, AnswerError | CannotReachServer], None] | None = None,
        few: bool = False,
    ) -> None:
        self.path = path
        self.allowed = allowed
        self._known = known if known is not None and known.experiment_id else None
        self._ask = Listings(transport)
        self._on_empty = on_empty or (lambda record, reason: None)
        self._batches = FileBatches(
            self._ask,
            lambda owner, resource: list(self._files(owner, resource, Step("file"))),
            self._on_empty,
            on_problem,
            few,
        )

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
        # an experiment is looked up first: XNAT finds it below any subject of its project, and has
        # routes to its scans only by its id or with the subject
        return self._known is not None or all(step.level != "experiment" for step in above)

    def _direct(self) -> Iterator[Record]:
        if self._known is None:
            yield from self._below_named(named(self.path.steps[:-1]))
            return
        try:
            found = list(self._below_named(self._below_known(self._known)))
        except (NotFound, ServerBroken):
            # XNAT answers 500 to some that are gone: looking it up tells
            self._known = None
            found = list(self.records())
        yield from found

    def _below_known(self, known: Record) -> Record:
        """Return the record of what is directly above, which the path names exactly."""
        steps = self.path.steps[:-1]
        levels = [step.level for step in steps]
        inside = named(steps[levels.index("experiment") + 1 :]).to_dict()
        # the path may have ids where labels are known
        if known.assessor_id or known.assessor_label:
            inside.pop("assessor_label", None)
        if known.resource_id or known.resource_label:
            inside.pop("resource_label", None)
        return known.with_values(**inside, fields=())

    def _below_named(self, parent: Record) -> Iterator[Record]:
        step = self.path.steps[-1]
        if step.level == "file" and parent.resource_id:
            found = iter(sorted(matching(self._ask.files(parent), step), key=order))
        elif step.level == "file":
            found = self._files(parent.with_values(resource_label=""), self.path.steps[-2], step)
        elif step.level in RESOURCE_LEVELS:
            owner = parent.with_values(direction=direction_of(step))
            found = matching(self._ask.resources(owner), step)
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
        return matching(self._ask.projects(columns), step)

    def _subjects(self, project: str, step: Step) -> Iterator[Record]:
        columns = [condition.field for condition in step.filters]
        found = matching(self._ask.subjects(project, columns), step)
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
                for record in sorted(self._subjects(project.project, subject), key=order)
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
                owner = owner.with_values(direction=direction_of(resource))
                return list(matching(self._ask.resources(owner), resource))
        else:

            def ask(owner: Record) -> list[Record]:
                return list(self._files(owner, resource, steps[1]))

        for found in in_parallel(ask, owners):
            yield from found

    def _files(self, owner: Record, resource: Step, step: Step) -> Iterator[Record]:
        """Yield the files of one owner's resources."""
        owner = owner.with_values(direction=direction_of(resource), fields=())
        # digits may be a number or a label, and XNAT reads them as a number
        digits = resource.exact and resource.pattern.text.isdigit()
        if resource.filters or digits:
            for record in matching(self._ask.resources(owner), resource):
                yield from matching(self._ask.files(record), step)
            return
        label = resource.pattern.text if is_named(resource) else ""
        found = self._ask.files_of(owner, label)
        yield from sorted(
            (
                record
                for record in found
                if resource.pattern.matches(record.resource_label, record.resource_id)
                and accepts(step, record)
            ),
            key=order,
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
        xsi_type = exact_filter(step, "xsiType")
        one_subject = subject.pattern.text if subject is not None and subject.exact else None

        def ask(only: Mapping[str, str] | None) -> list[Record]:
            joined = self._ask.experiments(
                project,
                one_subject,
                xsi_type=xsi_type,
                columns=columns,
                scan_columns=None if scan is None else [c.field for c in scan.filters],
                with_resources=with_resources,
                only=only,
            )
            if scan is not None:
                joined = _with_scans_of(joined, scan)
            return self._with_labels_of(project, joined)

        try:
            # one that is named is not looked for among all that a project has, unless it is shared
            # under another label, or its id is none that XNAT makes
            found = ask(one) if (one := _named_alone(project, step)) else []
            if not any(is_called(step, record) for record in found):
                found = ask(None)
        except NotFound:
            # a subject that is named need not be in each of several projects
            if one_subject is None or self.path.steps[0].exact:
                raise
            return iter(())
        subjects: frozenset[str] | None = None
        if subject is not None and subject.filters and project is not None:
            subjects = frozenset(record.subject_id for record in self._subjects(project, subject))
        if (
            step.anything
            and self.allowed is None
            and (subject is None or subject.anything or subject.exact)
        ):
            return iter(sorted(found, key=session_order))
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
        return iter(sorted(kept, key=session_order))

    def _with_labels_of(self, project: str | None, found: Iterable[Record]) -> list[Record]:
        """Give shared subjects the labels that they have in this project.

        The listing has the labels of their own project (a join, without regard to sharing).
        """
        records = list(found)
        if project is None or all(
            record.field("subject_project") in ("", project) for record in records
        ):
            return records
        labels = {record.subject_id: record.subject_label for record in self._ask.subjects(project)}
        return [
            record.with_values(subject_label=labels.get(record.subject_id, record.subject_label))
            for record in records
        ]

    def _below_experiments(self) -> Iterator[Record]:
        experiment = next(step for step in self.path.steps if step.level == "experiment")
        below = self.path.steps[self.path.steps.index(experiment) + 1 :]
        subject = self.path.step("subject")

        def ask(project: Record) -> list[Record]:
            return list(self._experiments(project.project or None, subject, experiment))

        if below and below[0].level == "scan":
            yield from self._scans(experiment, subject, below)
            return
        tables = in_parallel(ask, self._selected_projects())
        sessions = (record for table in tables for record in table)
        if not below:
            yield from sessions
        elif below[0].level in RESOURCE_LEVELS:
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
    ) -> Iterator[Holder]:
        """Yield the selected scans with the labels of their resources."""

        def ask(project: Record) -> tuple[str | None, list[Record] | None]:
            name = project.project or None
            try:
                return name, list(
                    self._experiments(name, subject, experiment, scan, with_resources)
                )
            except (ServerBroken, BadRequest) as error:
                if error.status is None:
                    raise  # a filter was refused here, not by the server
                log.warning(
                    "the server refuses scans joined to experiments (%s): asking session by "
                    "session",
                    error.message,
                )
                return name, None

        for name, joined in in_parallel(ask, self._selected_projects()):
            if joined is None:
                yield from self._holders_one_by_one(name, subject, experiment, scan)
            else:
                yield from self._fold(joined, scan, with_resources)

    def _fold(self, joined: list[Record], scan: Step, with_resources: bool) -> Iterator[Holder]:
        """Fold the rows of a join into one holder a scan."""
        for _, rows_of_session in groupby(_taken(joined), key=lambda record: record.experiment_id):
            any_row = next(rows_of_session)
            scans: dict[str, list[Record]] = {}
            for row in chain((any_row,), rows_of_session):
                if row.scan_id:
                    scans.setdefault(row.scan_id, []).append(row)
            for rows in sorted(scans.values(), key=lambda rows: scan_order(rows[0])):
                labels = sorted({row.resource_label for row in rows})
                # a server may leave the column out, or a resource may have no label
                known = with_resources and LABELS in rows[0].column_names
                known = known and (labels[0] != "" or len(labels) == 1)
                yield Holder(
                    rows[0].with_values(resource_label=""),
                    tuple(label for label in labels if label) if known else None,
                )
            if not scans:
                self._on_empty(bare(any_row), f"no scan matches {scan}")

    def _holders_one_by_one(
        self, project: str | None, subject: Step | None, experiment: Step, scan: Step
    ) -> Iterator[Holder]:
        def ask(session: Record) -> tuple[Record, list[Record]]:
            return session, list(self._inside(session, scan))

        for session, found in in_parallel(ask, self._experiments(project, subject, experiment)):
            if not found:
                self._on_empty(session, f"no scan matches {scan}")
            yield from (Holder(record) for record in found)

    def _scan_files(
        self, holders: Iterator[Holder], scan: Step, resource: Step, step: Step
    ) -> Iterator[Record]:
        if resource.filters:
            owners = (holder.record for holder in holders)
            yield from self._resources_of(owners, [resource, step])
            return
        by_type = scan.pattern.anything and any(c.field == "type" for c in scan.filters)

        def inside(batch: Sequence[Sequence[Holder]]) -> list[str]:
            if scan.anything:
                return ["scans", ALL]
            # types are the same in all sessions where ids may differ, and pick only what is meant
            types = {holder.record.scan_type for session in batch for holder in session}
            if by_type and all(map(_is_type_for_address, types)):
                names = types
            else:
                names = {holder.record.scan_id for session in batch for holder in session}
            return ["scans", ",".join(sorted(map(scan_segment, names)))]

        yield from self._files_by_session(holders, inside, resource, step)

    def _files_by_session(
        self,
        holders: Iterable[Holder],
        inside: Callable[[Sequence[Sequence[Holder]]], Sequence[str]],
        resource: Step,
        step: Step,
    ) -> Iterator[Record]:
        # a shared session is seen in several projects, and each sees it for itself: it is asked
        # for once more when all others have been
        waiting = holders
        while True:
            again: list[Holder] = []
            yield from self._batches.files(_seen_first(waiting, again), inside, resource, step)
            if not again:
                return
            waiting = again

    # -- resources of sessions, assessors, reconstructions

    def _session_resources(
        self, sessions: Iterator[Record], below: Sequence[Step]
    ) -> Iterator[Record]:
        if len(below) == 1 or below[0].filters:
            yield from self._resources_of(sessions, below)
            return
        yield from self._files_by_session(
            (Holder(record) for record in sessions), lambda batch: (), below[0], below[1]
        )

    def _assessors(self, sessions: Iterator[Record], below: Sequence[Step]) -> Iterator[Record]:
        step = below[0]

        owners = self._owners(sessions, step)
        if len(below) == 1:
            yield from owners
            return
        resource = below[1]
        if step.level != "assessor" or len(below) == 2 or resource.filters:
            yield from self._resources_of(owners, below[1:])
            return
        direction = direction_of(resource)
        holders = (Holder(record.with_values(direction=direction)) for record in owners)

        def inside(batch: Sequence[Sequence[Holder]]) -> list[str]:
            ids = (
                [ALL]
                if step.anything
                else {h.record.assessor_id for session in batch for h in session}
            )
            return ["assessors", ",".join(sorted(ids)), *([direction] if direction else [])]

        yield from self._files_by_session(holders, inside, resource, below[2])

    def _owners(self, sessions: Iterable[Record], step: Step) -> Iterator[Record]:
        """Yield the assessors or reconstructions of sessions that a step selects."""

        def ask(session: Record) -> list[Record]:
            return list(self._inside(session, step))

        for project, group in groupby(sessions, key=lambda record: record.project):
            asked = list(group)
            known: dict[str, list[Record]] = {}
            if step.level == "assessor" and len(asked) > _FEW:
                # one table for all that the project owns; shared sessions bring their own
                own = {r.experiment_id: r for r in asked if not _is_shared(r, project)}
                columns = [condition.field for condition in step.filters]
                for record in self._ask.site_assessors(project, columns):
                    session = own.get(record.experiment_id)
                    if session is not None and accepts(step, record):
                        known.setdefault(record.experiment_id, []).append(
                            session.with_values(
                                assessor_id=record.assessor_id,
                                assessor_label=record.assessor_label,
                                fields=record.fields,
                            )
                        )
                asked = [r for r in asked if r.experiment_id not in own]
                for session_id in own:
                    yield from sorted(known.get(session_id, ()), key=scan_order)
            for found in in_parallel(ask, asked):
                yield from found

    def _inside(self, session: Record, step: Step) -> Iterator[Record]:
        """Yield the scans, assessors or reconstructions of one session that a step selects."""
        session = session.with_values(fields=())
        columns = [condition.field for condition in step.filters]
        ask = {
            "scan": self._ask.scans,
            "assessor": self._ask.assessors,
            "reconstruction": self._ask.reconstructions,
        }[step.level]
        return iter(sorted(matching(ask(session, columns), step), key=scan_order))

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
            lines.append(
                "  1 request a batch of sessions (75 at first, then hundreds): their files"
            )
        elif below and below[-1].level in RESOURCE_LEVELS:
            lines.append("  1 request an owner: its resources")
        return "\n".join(lines)


def _with_scans_of(joined: Iterable[Record], scan: Step) -> Iterator[Record]:
    """Yield the rows with a scan that a step selects, and one without a scan for other sessions."""
    seen: set[str] = set()
    for record in joined:
        if record.scan_id and accepts(scan, record):
            yield record
        elif record.experiment_id not in seen:
            yield record.with_values(scan_id="", scan_type="", resource_label="")
        seen.add(record.experiment_id)


def _taken(records: list[Record]) -> Iterator[Record]:
    """Yield records, each of which is forgotten then: of a long table there is no second copy."""
    records.reverse()
    while records:
        yield records.pop()


def _seen_first(holders: Iterable[Holder], again: list[Holder]) -> Iterator[list[Holder]]:
    """Yield the holders of each session as one project sees it; keep other projects' views."""
    projects: dict[str, str] = {}
    grouped = groupby(holders, key=lambda h: (h.record.project, h.record.experiment_id))
    for (project, session), group in grouped:
        if projects.setdefault(session, project) == project:
            yield list(group)
        else:
            again.extend(group)


def _named_alone(project: str | None, step: Step) -> dict[str, str]:
    """Return the filter of a listing that finds the one experiment a step names, if any does."""
    name = step.pattern.text
    if not step.pattern.exact or not is_identifier(name):
        return {}
    if _GENERATED_ID.fullmatch(name):
        return {"ID": name}
    return {} if project is None else {"label": name}


def _is_shared(record: Record, project: str) -> bool:
    return record.field("subject_project") not in ("", project)


def _is_type_for_address(name: str) -> bool:
    """Tell whether a scan's type can stand for its scans in an address."""
    return (
        is_addressable(scan_segment(name))
        and name not in ("*", ALL, "NULL")
        and "[" not in name
        and "*" not in name
    )
