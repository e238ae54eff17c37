"""Whether results are of the inputs that are named now, judged node by node up to the sources.

Nipype's cluster plugins take whatever result lies in a node's folder for that of the job that has
ended. So nothing here trusts an order of events: what a node recorded of its inputs must agree with
what the nodes before it give now, and with what the workflow itself names now, where that is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from .delivered import Delivered
from .node_folder import NodeFolder, Unreadable, fingerprints
from .results import made_elsewhere
from .run_record import PlannedNode, RunRecord, kind_of
from .submitted import Submitted

__all__ = ["Lineage", "State", "Verdict", "delivered_in", "elements_of", "is_of_kind", "shown"]


class State(str, Enum):
    """What can be said of a session, or of a node."""

    DONE = "done"
    FAILED = "failed"
    STALE = "stale"
    MISSING = "missing"
    RUNNING = "running"
    UNCHECKED = "unchecked"

    def __str__(self) -> str:
        return self.value


@dataclass
class Verdict:
    """What the folder of one node tells.

    Parameters
    ----------
    folder : NodeFolder
    name : str
        Full name of the node.
    state : State
    reason : str
        In words; empty if it is done.
    before : dict of pathlib.Path to set of str
        The folders of the nodes before it, and those of their outputs that it was given.
    """

    folder: NodeFolder
    name: str
    state: State
    reason: str = ""
    before: dict[Path, set[str]] = field(default_factory=dict)


class Lineage:
    """The nodes that a result comes from.

    Parameters
    ----------
    record : RunRecord, optional
        What the workflow names now.
    links : mapping of pathlib.Path to set of pathlib.Path, optional
        The folders before each folder, as far as they are known without it.
    """

    def __init__(
        self, record: RunRecord | None = None, links: Mapping[Path, set[Path]] | None = None
    ) -> None:
        self._record = record
        self._links = links or {}
        self._submitted = Submitted()
        self._known: dict[Path, Verdict] = {}

    def verdict(self, path: Path) -> Verdict:
        """Judge one node by its folder; each is judged once."""
        if path not in self._known:
            self._known[path] = self._judge(NodeFolder(path))
        return self._known[path]

    def before(self, ends: Iterable[Path]) -> list[Verdict]:
        """Return the verdicts of nodes and of all before them, those first that others need."""
        found: dict[Path, Verdict] = {}
        waiting = [(path, False) for path in ends]
        while waiting:
            path, seen = waiting.pop()
            if path in found:
                continue
            verdict = self.verdict(path)
            if seen:
                found[path] = verdict
                continue
            waiting.append((path, True))
            waiting.extend((before, False) for before in verdict.before if before not in found)
        return list(found.values())

    def connections(self, folder: NodeFolder) -> dict[str, tuple[Path, str]]:
        """Return where the connected inputs of a node come from, by their names."""
        planned = self._planned(folder)
        return folder.connections() if planned is None else dict(planned.connections)

    def _planned(self, folder: NodeFolder) -> PlannedNode | None:
        """Return what the workflow names now, where it has told anybody."""
        if self._record is not None:
            return self._record.node(folder.path)
        return self._submitted.node(folder)

    def _judge(self, folder: NodeFolder) -> Verdict:
        planned = self._planned(folder)
        verdict = Verdict(folder, planned.name if planned else folder.name, State.DONE)
        try:
            connections = dict(planned.connections) if planned else folder.connections()
        except Unreadable as problem:
            verdict.state, verdict.reason = State.UNCHECKED, str(problem)
            connections = {}
        for file, output in connections.values():
            verdict.before.setdefault(file.parent, set()).add(output)
        for path in self._links.get(folder.path, ()):
            verdict.before.setdefault(path, set())
        unfinished = _unfinished(folder)
        if unfinished is not None:
            verdict.state, verdict.reason = unfinished
        elif verdict.state is State.DONE:
            verdict.state, verdict.reason = _agreement(folder, planned, connections)
        return verdict


def _unfinished(folder: NodeFolder) -> tuple[State, str] | None:
    """Tell why a node has no result that counts; None if it has one."""
    if folder.begun:
        return State.RUNNING, "it is running, or was ended in mid-run"
    if folder.result_file is None:
        failure = folder.failure
        if failure:
            return State.FAILED, failure
        if folder.path.is_dir():
            return State.MISSING, f"there is no result in {folder.path}"
        return State.MISSING, f"it has not run: there is no {folder.path}"
    if not folder.hashes:
        failure = folder.failure
        if failure:
            return State.FAILED, failure
        return State.UNCHECKED, f"Nipype has not recorded its inputs in {folder.path}"
    return None


def _agreement(
    folder: NodeFolder, planned: PlannedNode | None, connections: Mapping[str, tuple[Path, str]]
) -> tuple[State, str]:
    """Compare the inputs of a result with those that are named now."""
    try:
        if planned is not None:
            had = {key: output for key, (_, output) in folder.connections().items()}
            has = {key: output for key, (_, output) in connections.items()}
            if had != has:
                names = sorted({key for key, _ in had.items() ^ has.items()})
                return State.STALE, f"the workflow connects {', '.join(names)} in another way now"
        value, entries = folder.inputs_now({key: file for key, (file, _) in connections.items()})
    except Unreadable as problem:
        return State.UNCHECKED, str(problem)
    if value not in folder.hashes:
        return State.STALE, _difference(folder, entries)
    try:
        other = made_elsewhere(folder.result, folder.path)
    except Unreadable as problem:
        return State.UNCHECKED, str(problem)
    if other is not None:
        return State.STALE, f"it is a copy of one that was made in {other}, and names files there"
    if planned is not None and planned.inputs is not None:
        own = fingerprints(entries, connections)
        others = sorted({name for name, _ in own.items() ^ planned.inputs.items()})
        if others:
            return (
                State.STALE,
                f"it is of {_values(entries, others)}, and the workflow names other values now",
            )
    return State.DONE, ""


def _difference(folder: NodeFolder, entries: list[tuple[str, Any]]) -> str:
    """Say which inputs of a result are not those of now."""
    then = folder.inputs_then()
    if then is None:
        return f"its inputs have the hash {', '.join(sorted(folder.hashes))} no more"
    now = dict(json.loads(json.dumps(entries, default=str)))
    words = [
        f"{name} was {_shown(then.get(name))} and is {_shown(now.get(name))} now"
        for name in sorted({*then, *now})
        if then.get(name) != now.get(name)
    ]
    return "; ".join(words[:3]) or "its inputs have another hash now"


def _values(entries: list[tuple[str, Any]], names: list[str]) -> str:
    known = dict(entries)
    return ", ".join(f"{name}={_shown(known.get(name))}" for name in names)


def _shown(value: Any) -> str:
    """Show an input: of a file its path and the hash, of anything long its beginning."""
    if value is None:
        return "not set"
    if isinstance(value, (list, tuple)) and len(value) == 2 and str(value[0]).startswith("/"):
        return f"{value[0]} (hash {str(value[1])[:12]})"
    return shown(repr(value))


def shown(text: str, width: int = 120) -> str:
    """Shorten a text."""
    return text if len(text) <= width else f"{text[: width - 4]} ..."


def delivered_in(folder: NodeFolder) -> list[Delivered]:
    """Return what a source delivered, or what each element of a MapNode of sources did."""
    own = Delivered.read(folder.path)
    if own is not None:
        return [own]
    return [found for path in elements_of(folder) if (found := Delivered.read(path)) is not None]


def elements_of(folder: NodeFolder) -> list[Path]:
    """Return the folders of a MapNode's elements; of other nodes their own."""
    mapped = folder.path / "mapflow"
    return sorted(mapped.glob(f"_{folder.path.name}*")) if mapped.is_dir() else [folder.path]


def is_of_kind(verdict: Verdict, kind: str) -> bool:
    """Tell whether a node has run, and is an XNATSource or an XNATSink."""
    try:
        return verdict.state is State.DONE and kind_of(verdict.folder.node.interface) == kind
    except Unreadable:
        return False
