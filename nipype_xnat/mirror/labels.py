"""What copied elements are called on the other server."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from ..errors import UsageError

__all__ = ["LABELLED", "Naming", "naming", "not_named", "read_labels"]

Naming = Callable[[str, str], str]
"""Gets a kind of element (see :data:`LABELLED`) and a label, returns the new label."""

LABELLED = ("project", "subject", "experiment")
"""What can be called otherwise; ``experiment`` means sessions, assessors and all other ones."""


def read_labels(path: Path | str) -> dict[str, dict[str, str]]:
    """Read new labels from a CSV file with the columns ``kind``, ``old`` and ``new``.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict of str to (dict of str to str)
        New labels by old ones, for each kind of :data:`LABELLED`.

    Raises
    ------
    UsageError
        If the file cannot be read, a row is incomplete, or a label is named twice.
    """
    found: dict[str, dict[str, str]] = {kind: {} for kind in LABELLED}
    try:
        with Path(path).expanduser().open(newline="", encoding="utf-8-sig") as stream:
            table = csv.DictReader(stream)
            lacking = {"kind", "old", "new"} - set(table.fieldnames or ())
            if lacking:
                raise UsageError(
                    f"{path} has no column {', '.join(sorted(lacking))}",
                    advice="its first line is: kind,old,new",
                )
            for row in table:
                kind, old, new = ((row[name] or "").strip() for name in ("kind", "old", "new"))
                if kind not in found or not old or not new:
                    raise UsageError(
                        f"line {table.line_num} of {path} is no new label: {kind},{old},{new}",
                        advice=f"kind is one of {', '.join(LABELLED)}, and neither label is empty",
                    )
                if found[kind].setdefault(old, new) != new:
                    raise UsageError(f"{path} gives the {kind} {old!r} two new labels")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    return found


def not_named(
    labels: Mapping[str, Mapping[str, str]] | Naming | None, kind: str, old: Iterable[str]
) -> list[str]:
    """Return the labels that a table of new ones lacks, where it names others of their kind."""
    if labels is None or callable(labels) or not labels.get(kind):
        return []
    return [label for label in old if label not in labels[kind]]


def naming(
    labels: Mapping[str, Mapping[str, str]] | Naming | None, projects: Mapping[str, str]
) -> Naming:
    """Return one function of new labels, and of projects that were named one by one."""

    def renamed(kind: str, label: str) -> str:
        if kind == "project" and label in projects:
            return projects[label]
        if labels is None:
            return label
        if callable(labels):
            return labels(kind, label)
        return labels.get(kind, {}).get(label, label)

    return renamed
