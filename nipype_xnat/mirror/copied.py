"""What a copy did: a row for each element, and what needs a person."""

from __future__ import annotations

import csv
import threading
from collections import Counter
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path

__all__ = ["Copied", "CopiedElement"]


@dataclass(frozen=True)
class CopiedElement:
    """One element, here and there.

    Parameters
    ----------
    kind : str
        ``project``, ``subject``, ``experiment``, ``scan``, ``recon``, ``resource``, ``file`` (only
        where there is something to say of it) or ``share``.
    old_project, old_session, old_id, old_label : str
        What it is called in the mirror; the session of scans, reconstructions and assessors.
    new_project, new_id, new_label : str
        What it is called on the other server; the id is empty where it is not made yet.
    outcome : str
        ``copied``, ``there`` (it was there already, and agrees), ``filled`` (what it lacked was
        added), ``replaced``, ``conflict`` (it is there with other values), ``left`` (as it is, by
        choice), ``left out`` or ``failed``.
    detail : str
        In words.
    """

    kind: str
    old_project: str
    old_session: str
    old_id: str
    old_label: str
    new_project: str
    new_id: str
    new_label: str
    outcome: str
    detail: str = ""

    def __str__(self) -> str:
        place = "/".join(p for p in (self.old_project, self.old_session, self.old_label) if p)
        return f"{self.outcome}: {self.kind} {place}: {self.detail}"


@dataclass
class Copied:
    """What :func:`copy` did, or would do.

    Parameters
    ----------
    elements : list of CopiedElement
    files_sent, files_there, bytes_sent : int
    kept_labels : dict of str to (list of str)
        Labels by their kind that the table of new labels lacks, and that stay as they are.
    dry_run : bool
    """

    elements: list[CopiedElement] = field(default_factory=list)
    files_sent: int = 0
    files_there: int = 0
    bytes_sent: int = 0
    kept_labels: dict[str, list[str]] = field(default_factory=dict)
    dry_run: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def add(self, element: CopiedElement) -> None:
        """Note an element; from any thread."""
        with self._lock:
            self.elements.append(element)

    def count(self, sent: int, there: int, size: int) -> None:
        """Count files; from any thread."""
        with self._lock:
            self.files_sent += sent
            self.files_there += there
            self.bytes_sent += size

    def with_outcome(self, *outcomes: str) -> list[CopiedElement]:
        """Return the elements that ended so."""
        return [one for one in self.elements if one.outcome in outcomes]

    @property
    def complete(self) -> bool:
        """Whether the other server has all that was to be copied."""
        return not self.with_outcome("conflict", "left out", "failed")

    def write(self, path: Path | str) -> None:
        """Write a CSV file with a line for each element: old and new names, and what was done."""
        with Path(path).expanduser().open("w", newline="", encoding="utf-8") as stream:
            table = csv.writer(stream)
            table.writerow([one.name for one in fields(CopiedElement)])
            table.writerows(astuple(one) for one in self.elements)

    def __str__(self) -> str:
        would = "would be " if self.dry_run else ""
        counts: dict[str, Counter[str]] = {}
        for one in self.elements:
            if one.kind != "file":
                counts.setdefault(one.kind, Counter())[one.outcome] += 1
        lines = [
            f"{kind}s: " + ", ".join(f"{n} {outcome}" for outcome, n in sorted(found.items()))
            for kind, found in counts.items()
        ]
        lines.append(
            f"files: {self.files_sent} {would}sent ({self.bytes_sent} bytes), "
            f"{self.files_there} there already"
        )
        for kind, labels in self.kept_labels.items():
            lines.append(f"labels of {kind}s that stay as they are: {', '.join(labels)}")
        lines += [str(one) for one in self.with_outcome("conflict", "left out", "failed")]
        return "\n".join(lines)
