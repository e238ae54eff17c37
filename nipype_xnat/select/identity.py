"""What an element is called: from records to names, ancestors and labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..levels import LEVELS, SHORT_CUTS
from ..records import Record

__all__ = [
    "ancestor",
    "children_of",
    "label_in",
    "levels_of",
    "name_given",
    "name_in_path",
    "view_name",
]


def children_of(level: str) -> list[str]:
    """Return the levels below one, without short cuts: each element is below one of them once."""
    return [name for name in LEVELS[level].children if (level, name) not in SHORT_CUTS]


def levels_of(level: str, record: Record) -> list[str]:
    """Return the levels from the top down to one, as far as a record names them."""
    levels: list[str] = []
    if record.project:
        levels.append("project")
    if record.subject_id or record.subject_label:
        levels.append("subject")
    if record.experiment_id or record.experiment_label or record.prearchive:
        levels.append("experiment")
    if record.scan_id:
        levels.append("scan")
    elif record.assessor_id or record.assessor_label:
        levels.append("assessor")
    elif record.reconstruction_id:
        levels.append("reconstruction")
    if level in levels:
        return levels[: levels.index(level) + 1]
    resource = f"{record.direction}_resource" if record.direction else "resource"
    return [*levels, resource, *(["file"] if level == "file" else [])]


def name_given(level: str, name: object) -> str:
    """Return the name that somebody gave an element; numbers such as a scan's are names too.

    Raises
    ------
    UsageError
    """
    if isinstance(name, bool) or not isinstance(name, (str, int)):
        raise UsageError(f"{name!r} is not the name of an element, here of the level {level}")
    return str(name)


def name_in_path(level: str, record: Record) -> str:
    """Return the name that leads to an element of a level, its id where that is known."""
    if level == "experiment" and record.prearchive:
        return record.prearchive.partition("/")[2]
    if level in ("subject", "experiment", "assessor"):
        return str(getattr(record, f"{level}_id") or getattr(record, f"{level}_label"))
    if level == "project":
        return record.project
    if level == "file":
        return record.path
    if level in ("scan", "reconstruction"):
        return str(getattr(record, f"{level}_id"))
    return record.resource_id or record.resource_label


_BELOW = {
    "project": (
        "subject_id",
        "subject_label",
        "experiment_id",
        "experiment_label",
        "xsi_type",
        "date",
        "prearchive",
    ),
    "subject": ("experiment_id", "experiment_label", "xsi_type", "date"),
}
_INSIDE = (
    "scan_id",
    "scan_type",
    "assessor_id",
    "assessor_label",
    "reconstruction_id",
    "direction",
    "resource_id",
    "resource_label",
    "path",
    "digest",
    "format",
    "content",
    "tags",
)


def ancestor(record: Record, level: str) -> Record:
    """Return the record of an ancestor."""
    names: list[str] = []
    if level in ("project", "subject", "experiment"):
        names = [*_BELOW.get(level, ()), *_INSIDE]
    elif level in ("scan", "assessor", "reconstruction"):
        names = list(_INSIDE[5:])
    else:
        names = ["path", "digest"]
    return record.with_values(**dict.fromkeys(names, ""), size=None, fields=())


def label_in(item: Mapping[str, Any], project: str) -> str:
    """Return an item's label in a project: a shared element may have another one there."""
    fields = item["data_fields"]
    for child in item.get("children", ()):
        if child.get("field") == "sharing/share":
            for share in child["items"]:
                values = share["data_fields"]
                if values.get("project") == project and values.get("label"):
                    return str(values["label"])
    return str(fields.get("label", fields.get("ID", "")))


def view_name(record: Record) -> str:
    """Name the folder of a resource's files for people."""
    parts = (
        record.experiment_label or record.subject_label or record.project,
        record.scan_id or record.assessor_label or record.reconstruction_id,
        record.resource_label,
    )
    return "-".join(part for part in parts if part)
