"""Whether a record is what a step of a path means, and in which order records come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ..errors import BadRequest, UsageError
from ..levels import RESOURCE_LEVELS
from ..records import Record
from .grammar import Path, Step
from .listings import SCAN

__all__ = [
    "accepts",
    "criteria_level",
    "direction_of",
    "exact_filter",
    "is_called",
    "matching",
    "named",
    "order",
    "scan_order",
    "session_order",
]


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
            values["direction"] = direction_of(step)
        elif step.level == "experiment" and step.timestamp:  # only the prearchive names it so
            values["prearchive"] = f"{step.timestamp}/{step.pattern.text}"
        else:
            values[names[step.level]] = step.pattern.text
    if "experiment_label" in values and "project" not in values:
        values["experiment_id"] = values.pop("experiment_label")
    return Record(**values)  # type: ignore[arg-type]


def direction_of(step: Step) -> str:
    """Return ``in`` or ``out`` for the resources of a processing, else nothing."""
    return {"in_resource": "in", "out_resource": "out"}.get(step.level, "")


def exact_filter(step: Step, field: str) -> str | None:
    """Return the one value that a filter asks for, None where there is no such filter."""
    for condition in step.filters:
        if (
            condition.field == field
            and condition.operator == "="
            and len(condition.values) == 1
            and condition.values[0].exact
        ):
            return condition.values[0].text
    return None


# by which names an element may be called in a path
_NAMES: dict[str, Callable[[Record], tuple[str, ...]]] = {
    "project": lambda record: (record.project,),
    "subject": lambda record: (record.subject_id, record.subject_label),
    "experiment": lambda record: (record.experiment_id, record.experiment_label),
    "scan": lambda record: (record.scan_id,),
    "assessor": lambda record: (record.assessor_id, record.assessor_label),
    "reconstruction": lambda record: (record.reconstruction_id,),
    "file": lambda record: (record.path, record.path.rpartition("/")[2]),
    **{
        level: lambda record: (record.resource_id, record.resource_label)
        for level in RESOURCE_LEVELS
    },
}

_OWN_FIELDS = {
    "scan": {"ID": "scan_id", "type": "scan_type"},
    "file": {"path": "path", "format": "format", "content": "content", "tags": "tags"},
}


def _value(level: str, record: Record, field: str) -> str:
    """Return a field of an element, as a filter asks for it.

    Raises
    ------
    BadRequest
        If the archive left the column out, as it does with a name that it does not know.
    """
    own = _OWN_FIELDS.get(level, {}).get(field)
    if own:
        return str(getattr(record, own))
    if level == "file":
        values = {
            "name": record.path.rpartition("/")[2],
            "digest": record.digest,
            "size": "" if record.size is None else str(record.size),
        }
        if field.lower() in values:
            return values[field.lower()]
        names = sorted([*_OWN_FIELDS["file"], *values])
        raise _unknown(level, field, f"files have {', '.join(names)}")
    for name in (f"{SCAN}/{field}", field) if level == "scan" else (field,):
        if name.lower() in record.column_names:
            return record.field(name)
    variable = f"; a custom variable is {_VARIABLE[level]}" if level in _VARIABLE else ""
    advice = f"give one of XNAT's short names (type, quality, date) or an xpath{variable}"
    raise _unknown(level, field, advice)


# where custom variables are; their names have small letters
_VARIABLE = {
    "subject": "xnat:subjectData/fields/field[name=iq]/field",
    "experiment": "xnat:experimentData/fields/field[name=iq]/field",
}


def _unknown(level: str, field: str, advice: str) -> BadRequest:
    return BadRequest(
        f"the archive knows no field {field!r} of {'an' if level[0] in 'aeiou' else 'a'} {level}, "
        "which a filter of the path asks for",
        asked=f"{field}=...",
        advice=advice,
    )


def criteria_level(path: Path, level: str) -> str:
    """Return the level at which criteria can narrow a path.

    Parameters
    ----------
    path : Path
    level : str
        The level that is wished for: ``experiment`` or ``subject``. A path without experiments can
        be narrowed by its subjects only.

    Raises
    ------
    UsageError
        If the path names neither.
    """
    if path.prearchive:
        raise UsageError(
            "criteria are about what is archived, not about what waits in the prearchive",
            asked=str(path),
            advice="filter its columns: /prearchive/projects/P/experiments/*[status=READY]",
        )
    if level not in ("subject", "experiment"):
        raise UsageError(f"criteria are about a subject or an experiment, not a {level}")
    if path.step("experiment") is not None:
        return level
    if path.step("subject") is not None:
        return "subject"
    raise UsageError(
        "criteria are about subjects or experiments, and the path names neither",
        asked=str(path),
        advice="for example /projects/P/subjects",
    )


def is_called(step: Step, record: Record) -> bool:
    """Tell whether an element has a name that a step gives."""
    return step.pattern.anything or step.pattern.matches(*_NAMES[step.level](record))


def accepts(step: Step, record: Record) -> bool:
    """Tell whether a step selects the element that a record describes."""
    if not is_called(step, record):
        return False
    for condition in step.filters:
        if not condition.accepts(_value(step.level, record, condition.field)):
            return False
    return True


def matching(records: Iterable[Record], step: Step) -> Iterator[Record]:
    """Yield the records that a step selects."""
    return (record for record in records if accepts(step, record))


def session_order(record: Record) -> tuple[str, ...]:
    """Sort key: by project, subject and session."""
    return (
        record.project,
        record.subject_label,
        record.experiment_label,
        record.experiment_id,
    )


def order(record: Record) -> tuple[str, ...]:
    """Sort key: by project, subject, session, scan, resource and path."""
    return (*session_order(record), *scan_order(record), record.resource_label, record.path)


def scan_order(record: Record) -> tuple[str, ...]:
    """Sort key within a session: 2 before 10, and numbers before names."""
    number = record.scan_id.zfill(12) if record.scan_id.isdigit() else record.scan_id
    return (number, record.assessor_label, record.reconstruction_id)
