"""Files that are known by their records, asked for again: what does the archive name there now?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..errors import AnswerError, CannotReachServer, NotFound, ServerBroken
from ..records import Record, scan_segment
from ..transport import Request, Transport
from .file_batches import FileBatches, Holder
from .grammar import Step
from .listings import Listings
from .parallel import in_parallel

__all__ = ["Relisted", "relist"]


@dataclass
class Relisted:
    """What an archive names now in place of known files.

    Parameters
    ----------
    now : dict of Record to (Record or None)
        For each known file the record of the file at its place; None if there is none.
    problems : dict of Record to XNATError
        Files whose resource could not be listed, and why.
    """

    now: dict[Record, Record | None] = field(default_factory=dict)
    problems: dict[Record, AnswerError | CannotReachServer] = field(default_factory=dict)


def relist(transport: Transport, files: Iterable[Record]) -> Relisted:
    """Ask what an archive names now where these files were.

    One request for each batch of sessions and kind of owner (sessions, scans, assessors), another
    one for each other resource.

    Parameters
    ----------
    transport : Transport
    files : iterable of Record
        With the ids of their owners, and labels of their resources.

    Raises
    ------
    AnswerError, CannotReachServer
        If the archive does not answer at all. What is not there is no error.
    """
    wanted = list(dict.fromkeys(files))
    kinds: dict[tuple[str, str], list[Record]] = {}
    alone: dict[Record, None] = {}
    for record in wanted:
        kind = _kind(record)
        if kind is None or not record.resource_label or not record.experiment_id:
            alone[_resource(record)] = None
        else:
            # sessions are asked for as their project sees them
            kinds.setdefault((record.project, kind), []).append(record)
    ask = Listings(transport)
    found: dict[tuple[str, ...], Record] = {}
    broken: dict[str, AnswerError | CannotReachServer] = {}
    for (_, kind), members in kinds.items():
        for record in _batched(ask, kind, members, broken):
            found[_key(record)] = record

    broken_alone: dict[Record, AnswerError] = {}

    def listed(resource: Record) -> list[Record]:
        try:
            return list(ask.files(resource))
        except NotFound:
            return []
        except ServerBroken as error:
            broken_alone[resource] = error
            return []

    def is_gone(owner: Record) -> tuple[Record, bool]:
        # XNAT answers 500 to a listing of what is below it
        address = owner.with_values(direction="").owner.ask(format="json")
        try:
            ask.transport.send(Request("GET", address, expect="json")).close()
        except NotFound:
            return owner, True
        except (AnswerError, CannotReachServer):
            return owner, False
        return owner, False

    for records in in_parallel(listed, alone):
        for record in records:
            found[_key(record)] = record

    def problem_of(record: Record) -> AnswerError | CannotReachServer | None:
        return broken.get(record.experiment_id) or broken_alone.get(_resource(record))

    doubtful = [_owner(r) for r in wanted if isinstance(problem_of(r), ServerBroken)]
    gone = {owner for owner, is_so in in_parallel(is_gone, dict.fromkeys(doubtful)) if is_so}
    result = Relisted()
    for record in wanted:
        now, problem = found.get(_key(record)), problem_of(record)
        absent = isinstance(problem, NotFound) or _owner(record) in gone
        if now is None and problem is not None and not absent:
            result.problems[record] = problem
        else:
            result.now[record] = now
    return result


def _batched(
    ask: Listings,
    kind: str,
    members: Sequence[Record],
    broken: dict[str, AnswerError | CannotReachServer],
) -> list[Record]:
    labels: dict[Record, dict[str, None]] = {}
    for record in members:
        labels.setdefault(_owner(record), {})[record.resource_label] = None
    sessions: dict[str, list[Holder]] = {}
    for owner, names in labels.items():
        sessions.setdefault(owner.experiment_id, []).append(Holder(owner, tuple(names)))

    def inside(batch: Sequence[Sequence[Holder]]) -> list[str]:
        holders = [holder.record for session in batch for holder in session]
        if kind == "scan":
            return ["scans", ",".join(sorted({scan_segment(one.scan_id) for one in holders}))]
        if kind == "session":
            return []
        direction = kind.removeprefix("assessor").strip()
        names = ",".join(sorted({one.assessor_id for one in holders}))
        return ["assessors", names, *([direction] if direction else [])]

    def note(session: Record, error: AnswerError | CannotReachServer) -> None:
        broken[session.experiment_id] = error

    def files_of(owner: Record, resource: Step) -> list[Record]:
        try:
            return list(ask.files_of(owner))
        except NotFound:
            return []

    batches = FileBatches(ask, files_of, lambda record, reason: None, note)
    return list(batches.files(sessions.values(), inside, Step("resource"), Step("file")))


def _kind(record: Record) -> str | None:
    """Return what kind of owner a batch can ask for; None if there is no batch for it."""
    if record.prearchive or record.reconstruction_id:
        return None
    if record.assessor_id:
        return f"assessor {record.direction}".strip()
    if record.direction:
        return None
    return "scan" if record.scan_id else "session"


def _owner(record: Record) -> Record:
    return Record(
        project=record.project,
        subject_id=record.subject_id,
        experiment_id=record.experiment_id,
        scan_id=record.scan_id,
        assessor_id=record.assessor_id,
        reconstruction_id=record.reconstruction_id,
        direction=record.direction,
    )


def _resource(record: Record) -> Record:
    """Return the record of a file's resource, and no more than that."""
    return record.with_values(
        path="", size=None, digest="", format="", content="", tags="", fields=()
    )


def _key(record: Record) -> tuple[str, ...]:
    """Tell files apart, also where a resource was made anew under its old label."""
    return (
        record.experiment_id or record.subject_id or record.project,
        record.scan_id,
        record.assessor_id,
        record.reconstruction_id,
        record.direction,
        record.resource_label or record.resource_id,
        record.path,
    )
