"""A cohort: the sessions that a query gives, each with the files that were asked for.

Resolved once, in few requests. What goes to other nodes is a plain dict for each session (a
record), which holds ids, labels, and for each file its number, path, size and digest, so that
whoever is handed one needs no listing of his own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from textwrap import shorten
from typing import Any

from . import search
from .errors import AnswerError, CannotReachServer, SelectSyntaxError, UsageError
from .levels import LEVELS, RESOURCE_LEVELS
from .records import Record
from .select import grammar
from .select.companions import companions
from .select.grammar import Path, Step
from .select.matching import accepts
from .select.plan import Allowed, Plan
from .transport import Transport

__all__ = ["Cohort", "Found", "Missing", "find_files", "found_of", "parse_template", "resolve"]

_SESSION_KEYS = (
    "project",
    "subject_id",
    "subject_label",
    "experiment_id",
    "experiment_label",
    "xsi_type",
    "date",
)
_FILE_KEYS = (
    "scan_id",
    "scan_type",
    "assessor_id",
    "assessor_label",
    "reconstruction_id",
    "direction",
    "resource_id",
    "resource_label",
    "path",
    "size",
    "digest",
)


@dataclass(frozen=True)
class Found:
    """A file that a template names, with the files that belong beside it.

    Parameters
    ----------
    record : Record
        The file.
    companions : tuple of Record
        Files of the same resource and folder whose names differ in their suffix only, where the
        suffixes are of kinds that belong together (``.img`` and ``.hdr``, ``.nii.gz`` and
        ``.json``).
    """

    record: Record
    companions: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Missing:
    """A selected session that lacks something, and what.

    Parameters
    ----------
    name : str
        Name of the session within the cohort.
    record : Record
        The session.
    output : str
        Name of the template that found nothing.
    reason : str
    """

    name: str
    record: Record
    output: str
    reason: str

    def __str__(self) -> str:
        return f"{self.record.place}: no {self.output}: {self.reason}"


class Cohort(Sequence[dict[str, Any]]):
    """The records of a query, sorted by subject and session.

    Parameters
    ----------
    records : sequence of dict
        One for each session that has a file for each output. Keys: ``name`` (what it is called in
        the cohort: stays the same when others come and go), ``project``, ``subject_id``,
        ``subject_label``, ``experiment_id``, ``experiment_label``, ``xsi_type``, ``date``, and
        ``files``: for each output a list of dicts with ``resource_id``, ``path``, ``size``,
        ``digest``, ``companions`` and the like.
    missing : sequence of Missing
        The sessions that were selected, but lack something.
    partial : bool
        Whether these are some sessions of a cohort that has more (see :meth:`only`).
    """

    def __init__(
        self,
        records: Sequence[dict[str, Any]],
        missing: Sequence[Missing] = (),
        *,
        partial: bool = False,
    ) -> None:
        self.records = list(records)
        self.missing = list(missing)
        self.partial = partial

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return Cohort(self.records[index], self.missing, partial=self.partial)
        return self.records[index]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.records)

    def __repr__(self) -> str:
        return f"<Cohort of {len(self)} sessions, {len(self.missing)} incomplete>"

    def only(self, *names: str) -> Cohort:
        """Return some sessions, to run them again alone.

        What a run of :func:`nipype_xnat.cohort_workflow` has noted of the others stays as it is.

        Parameters
        ----------
        *names : str
            What the sessions are called in the cohort.

        Raises
        ------
        UsageError
            If the cohort has no session of a name.
        """
        known = [*(str(record["name"]) for record in self), *(lost.name for lost in self.missing)]
        unknown = [name for name in names if name not in known]
        if unknown:
            near = dict.fromkeys(
                found for name in unknown for found in get_close_matches(name, known)
            )
            raise UsageError(
                f"the cohort has no session called {', '.join(map(repr, unknown))}",
                advice=f"did you mean {' or '.join(map(repr, near))}?"
                if near
                else f"its sessions are {shorten(', '.join(known), 300)}",
            )
        return Cohort(
            [record for record in self if record["name"] in names],
            [lost for lost in self.missing if lost.name in names],
            partial=True,
        )

    def to_json(self) -> str:
        """Return the records as JSON, for a file."""
        return json.dumps(self.records, indent=1, sort_keys=True)


def parse_template(text: str) -> list[Path]:
    """Read a template that must go down to files or to whole resources.

    Raises
    ------
    SelectSyntaxError
        Before any request.
    """
    paths = grammar.parse(text)
    for path in paths:
        if path.prearchive:
            raise SelectSyntaxError(
                "a template names what is archived, not what waits in the prearchive", asked=text
            )
        if path.level != "file" and path.level not in RESOURCE_LEVELS:
            raise SelectSyntaxError(
                f"the template ends at {LEVELS[path.level].plural}, but files (or a resource) are "
                "wanted",
                asked=text,
                advice="end it with /resources/LABEL/files/* (files) or /resources/LABEL (folder)",
            )
    return paths


def find_files(
    transport: Transport,
    paths: Iterable[Path],
    allowed: Allowed | None = None,
    *,
    on_empty: Any = None,
    on_problem: Any = None,
) -> Iterator[Found]:
    """Yield the files that templates name, each with its companions.

    Parameters
    ----------
    transport : Transport
    paths : iterable of Path
        Down to files, or to whole resources (then all their files).
    allowed : (str, frozenset), optional
    on_empty, on_problem : callable, optional
        See :class:`nipype_xnat.select.plan.Plan`.
    """
    for path in paths:
        if path.level == "file":
            wanted, whole = path.steps[-1], Path((*path.steps[:-1], Step("file")))
        else:
            wanted, whole = Step("file"), Path((*path.steps, Step("file")))
        narrow = whole if wanted == Step("file") else None
        empty: list[tuple[Record, str]] = []
        plan = Plan(
            whole,
            transport,
            allowed=allowed,
            on_empty=partial(_note, empty),
            on_problem=on_problem,
        )
        # a listing names all files of a resource, so companions cost no request
        listed: dict[tuple[str, str], list[Record]] = {}
        for record in plan.records():
            listed.setdefault((record.project, record.resource_id), []).append(record)
        sessions_with: set[tuple[str, str]] = set()
        sessions_without: dict[tuple[str, str], Record] = {}
        for files in listed.values():
            chosen = [r for r in files if narrow is not None or accepts(wanted, r)]
            beside = companions(files, chosen)
            for record in chosen:
                yield Found(record, beside.get(record.path, ()))
            seen = (files[0].project, files[0].experiment_id)
            if chosen:
                sessions_with.add(seen)
            else:
                sessions_without.setdefault(seen, files[0])
        if on_empty is not None:
            for record, reason in empty:
                on_empty(record, reason)
            for session, record in sessions_without.items():
                if session not in sessions_with:
                    on_empty(record, f"no file matches {wanted}")


def _note(into: list[tuple[Record, str]], record: Record, reason: str) -> None:
    into.append((record, reason))


@dataclass
class _Session:
    """What is being gathered of one session."""

    record: Record
    files: dict[str, list[Found]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


def resolve(
    transport: Transport,
    templates: Mapping[str, str],
    criteria: Any = None,
    *,
    level: str = "experiment",
) -> Cohort:
    """Resolve a cohort; see :meth:`nipype_xnat.Interface.cohort`."""
    parsed = {name: parse_template(text) for name, text in templates.items()}
    if not parsed:
        raise SelectSyntaxError("a cohort needs a template for each output")
    for name, paths in parsed.items():
        for path in paths:
            if path.step("experiment") is None:
                raise SelectSyntaxError(
                    "a cohort is made of experiments, and the template has none",
                    asked=f"{name}: {path}",
                    advice="/projects/P/experiments/*/scans/*[type=T1w]/resources/NIFTI/files",
                )
    tree = None if criteria is None else search.parse(criteria)
    allowed = None if tree is None else search.matching_ids(transport, tree, level)
    sessions: dict[tuple[str, str], _Session] = {}

    def session_of(record: Record) -> _Session:
        bare = Record(**{key: getattr(record, key) for key in _SESSION_KEYS})
        return sessions.setdefault((record.project, record.experiment_id), _Session(bare))

    for name, paths in parsed.items():

        def on_empty(record: Record, reason: str, name: str = name) -> None:
            session_of(record).reasons.setdefault(name, reason)

        def on_problem(
            record: Record, error: AnswerError | CannotReachServer, name: str = name
        ) -> None:
            session_of(record).reasons[name] = f"its files cannot be listed: {error.message}"

        for found in find_files(
            transport, paths, allowed, on_empty=on_empty, on_problem=on_problem
        ):
            session_of(found.record).files.setdefault(name, []).append(found)
    folders = sorted(
        name for name, paths in parsed.items() if any(p.level != "file" for p in paths)
    )
    return _cohort(list(sessions.values()), list(parsed), folders, _one_project(parsed))


def _one_project(parsed: Mapping[str, Sequence[Path]]) -> bool:
    """Tell whether all templates are about one project, known by its exact name."""
    steps = {path.steps[0] for paths in parsed.values() for path in paths}
    return len(steps) == 1 and all(step.level == "project" and step.exact for step in steps)


def _cohort(
    sessions: list[_Session], outputs: Sequence[str], folders: Sequence[str], one_project: bool
) -> Cohort:
    records: list[dict[str, Any]] = []
    missing: list[Missing] = []
    sessions.sort(
        key=lambda s: (
            s.record.project,
            s.record.subject_label,
            s.record.date,
            s.record.experiment_label,
        )
    )
    for session in sessions:
        name = _name(session.record, one_project)
        lacking = [output for output in outputs if not session.files.get(output)]
        for output in lacking:
            reason = session.reasons.get(output, "nothing matches the template")
            missing.append(Missing(name, session.record, output, reason))
        if lacking:
            continue
        values = session.record.to_dict()
        values["name"] = name
        values["files"] = {
            output: [_file_values(found) for found in _sorted(session.files[output])]
            for output in outputs
        }
        if folders:
            values["folders"] = list(folders)
        records.append(values)
    return Cohort(records, missing)


def _sorted(found: list[Found]) -> list[Found]:
    return sorted(found, key=lambda f: (f.record.scan_id, f.record.resource_label, f.record.path))


def _name(record: Record, one_project: bool) -> str:
    """Name a session by what it is; labels hold nothing that a Nipype node cannot be called."""
    label = record.experiment_label or record.experiment_id
    name = label if one_project else f"{record.project}--{label}"
    return "".join(char if char.isalnum() or char in "_-" else "_" for char in name)


def _file_values(found: Found) -> dict[str, Any]:
    known = found.record.to_dict()
    values = {key: known[key] for key in _FILE_KEYS if key in known}
    if found.companions:
        values["companions"] = [
            {key: value for key, value in other.to_dict().items() if key in _FILE_KEYS[-3:]}
            for other in found.companions
        ]
    return values


def found_of(record: Mapping[str, Any], output: str) -> list[Found]:
    """Read back what a cohort's record says of one output."""
    session = {key: record[key] for key in _SESSION_KEYS if key in record}
    found = []
    for values in record["files"][output]:
        file = Record.from_dict({**session, **values})
        companions = tuple(
            replace(file, path="", size=None, digest="").with_values(**other)
            for other in values.get("companions", ())
        )
        found.append(Found(file, companions))
    return found
