"""How a run stands: which sessions are done, failed, stale or missing, and why."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from ..errors import UsageError
from .graph_file import has_run, nodes_of
from .lineage import Lineage, State, Verdict, elements_of, is_of_kind
from .named_now import Held, ask
from .node_folder import Unreadable
from .run_record import PlannedSession, RunRecord
from .stored import Stored
from .trust import Source, sources_of

__all__ = ["SessionState", "Verification", "verify"]


@dataclass(frozen=True)
class SessionState:
    """How one session stands.

    Parameters
    ----------
    name : str
        What it is called in its cohort; in other workflows the label of the session, or the folder
        of its last node.
    state : str
        ``done``, ``failed``, ``stale``, ``missing``, ``running`` or ``unchecked``.
    reason : str
        In words; empty if it is done.
    """

    name: str
    state: str
    reason: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {self.state}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class Verification:
    """How a run stands.

    Parameters
    ----------
    run : pathlib.Path
    sessions : tuple of SessionState
    """

    run: Path
    sessions: tuple[SessionState, ...]

    @property
    def done(self) -> bool:
        """Whether there are sessions, and each is done."""
        return bool(self.sessions) and all(one.state == State.DONE for one in self.sessions)

    def names(self, *states: str) -> list[str]:
        """Return the names of the sessions in one of these states, as for :meth:`Cohort.only`.

        Parameters
        ----------
        *states : str
            ``done``, ``failed``, ``stale``, ``missing``, ``running`` or ``unchecked``.

        Raises
        ------
        UsageError
            If there is no such state.
        """
        known = [state.value for state in State]
        for state in states:
            if state not in known:
                raise UsageError(
                    f"there is no state {state!r}", advice=f"one of {', '.join(known)}"
                )
        return [one.name for one in self.sessions if one.state in states]

    def to_json(self) -> str:
        """Return it as JSON."""
        values = {
            "run": str(self.run),
            "done": self.done,
            "states": dict(Counter(one.state for one in self.sessions)),
            "sessions": [asdict(one) for one in self.sessions],
        }
        return json.dumps(values, indent=1)

    def __str__(self) -> str:
        lines = [str(one) for one in self.sessions if one.state != State.DONE]
        counted = Counter(one.state for one in self.sessions)
        states = ", ".join(f"{counted[s.value]} {s}" for s in State if counted[s.value])
        lines.append(f"{len(self.sessions)} sessions: {states or 'none'}")
        return "\n".join(lines)


@dataclass
class _Session:
    """What is being gathered of one session."""

    name: str
    ends: list[Path] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    stored: list[Held] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)
    verdict: SessionState | None = None

    def judge(self) -> SessionState:
        """Say how it stands, after the archives were asked."""
        if self.verdict is not None:
            return self.verdict
        for source in self.sources:
            if source.held.differences:
                return self._state(
                    State.STALE,
                    f"{source.verdict.name}: {'; '.join(source.held.differences[:3])}",
                )
        for held in self.stored:
            if held.differences:
                state = State.MISSING if held.gone == len(held.differences) else State.STALE
                return self._state(state, f"what was stored: {'; '.join(held.differences[:3])}")
        unchecked = list(self.unchecked)
        for held in (*(source.held for source in self.sources), *self.stored):
            unchecked += held.unchecked
        if unchecked:
            return self._state(State.UNCHECKED, "; ".join(dict.fromkeys(unchecked)))
        return self._state(State.DONE)

    def _state(self, state: State, reason: str = "") -> SessionState:
        return SessionState(self.name, state.value, reason)


def verify(run: str | Path, *, config: str | Path | None = None) -> Verification:
    """Tell how the sessions of a run stand, from its working directory and the archives.

    Nothing is written, and nothing is taken from what a plugin said: a session is done if each of
    its nodes has a result of the inputs that are named now, the archives name the files that its
    sources delivered, and list what its sinks stored.

    Parameters
    ----------
    run : str or path
        The workflow's own folder in its working directory, ``base_dir/name``.
    config : path, optional
        The file of an account to ask its archive with, instead of what the nodes name: that of an
        issued token is gone after the run.

    Returns
    -------
    Verification

    Raises
    ------
    UsageError
        If it is no such folder.
    """
    folder = Path(run).expanduser()
    if not folder.is_dir():
        raise UsageError(
            f"there is no folder {folder}", advice="name base_dir/workflow, as in work/bet_cohort"
        )
    folder = folder.resolve()
    record = RunRecord(folder)
    if record.exists:
        lineage = Lineage(record)
        found = [_of_cohort(session, lineage) for session in record.sessions()]
    else:
        links = nodes_of(folder)
        inside = [path.name for path in sorted(folder.iterdir()) if has_run(path)]
        if not links or (inside and not has_run(folder)):
            raise UsageError(
                f"{folder} is not the folder of a workflow that has run",
                advice="name base_dir/workflow"
                + (f": there are {', '.join(inside[:10])} in it" if inside else ""),
            )
        lineage = Lineage(links=links)
        found = _of_others(folder, links, lineage)
    account = None if config is None else Path(config).expanduser().absolute()
    ask((held for one in found if one.verdict is None for held in _all_held(one)), account)
    sessions = _worst_by_name(one.judge() for one in found)
    return Verification(folder, tuple(sessions))


def _all_held(session: _Session) -> Iterator[Held]:
    yield from (source.held for source in session.sources)
    yield from session.stored


def _worst_by_name(sessions: Iterable[SessionState]) -> list[SessionState]:
    """Return one state for each name, that which most calls for somebody."""
    found: dict[str, SessionState] = {}
    for one in sessions:
        known = found.get(one.name)
        if known is None or _ORDER.index(State(one.state)) < _ORDER.index(State(known.state)):
            found[one.name] = one
    return [found[name] for name in sorted(found)]


# -- a workflow of a cohort


def _of_cohort(planned: PlannedSession, lineage: Lineage) -> _Session:
    session = _Session(planned.name)
    if planned.lacks:
        session.verdict = SessionState(planned.name, State.MISSING.value, "; ".join(planned.lacks))
        return session
    before = {file.parent for node in planned.nodes for file, _ in node.connections.values()}
    session.ends = [node.folder for node in planned.nodes if node.folder not in before]
    if not session.ends:
        session.verdict = SessionState(planned.name, State.MISSING.value, "it has no nodes")
        return session
    _look(session, lineage)
    return session


# -- any other workflow


def _of_others(run: Path, links: dict[Path, set[Path]], lineage: Lineage) -> list[_Session]:
    verdicts = {verdict.folder.path: verdict for verdict in lineage.before(links)}
    before = {path for verdict in verdicts.values() for path in verdict.before}
    found = []
    for end in (path for path in verdicts if path not in before):
        whole = _Session(str(end.relative_to(run) if end.is_relative_to(run) else end), [end])
        _look(whole, lineage)
        found += _by_label(whole)
    return found


def _by_label(whole: _Session) -> list[_Session]:
    """Divide what one end stands for by the sessions that its sources delivered."""
    labels = {label for source in whole.sources for label in _labels(source.held)}
    labels = labels or {label for held in whole.stored for label in _labels(held)}
    if not labels:
        return [whole]
    parts = []
    for label in sorted(labels):
        sources = [source for source in whole.sources if label in _labels(source.held)]
        stored = [held for held in whole.stored if len(labels) == 1 or label in _labels(held)]
        part = _Session(label, whole.ends, sources, stored, whole.unchecked)
        if whole.verdict is not None:
            part.verdict = replace(whole.verdict, name=label)
        parts.append(part)
    return parts


def _labels(held: Held) -> set[str]:
    return {file.experiment_label or file.experiment_id for file in held.files} - {""}


# -- one session


def _look(session: _Session, lineage: Lineage) -> None:
    """Judge the nodes of a session, and gather what is to be asked of the archives."""
    verdicts = lineage.before(session.ends)
    given_on = {
        path
        for verdict in verdicts
        if verdict.state in (State.DONE, State.UNCHECKED)
        for path in verdict.before
    }
    bad: dict[Path, Verdict] = {}
    roots: list[Verdict] = []
    for verdict in verdicts:
        path = verdict.folder.path
        if verdict.state is State.DONE:
            continue
        if verdict.state is State.UNCHECKED:
            session.unchecked.append(f"{verdict.name}: {verdict.reason}")
        elif verdict.state is State.MISSING and path in given_on and not path.is_dir():
            # what came after it has a result: the folder was removed when it had served
            session.unchecked.append(f"{verdict.name}: its folder {path} was removed")
        else:
            if not any(before in bad for before in verdict.before):
                roots.append(verdict)
            bad[path] = verdict
    session.sources = list(
        sources_of(verdicts, {path: set() for path in session.ends}, session.unchecked)
    )
    session.stored = list(_stored(verdicts, session))
    if roots:
        first = min(roots, key=lambda verdict: _ORDER.index(verdict.state))
        session.verdict = SessionState(
            session.name, first.state.value, f"{first.name}: {first.reason}"
        )


_ORDER = (
    State.FAILED,
    State.STALE,
    State.MISSING,
    State.RUNNING,
    State.UNCHECKED,
    State.DONE,
)
"""Which of several reasons is told: first what calls for somebody."""


def _stored(verdicts: Sequence[Verdict], session: _Session) -> Iterator[Held]:
    """Yield what the sinks among nodes have stored."""
    for verdict in verdicts:
        folder = verdict.folder
        elements = elements_of(folder)
        records = [found for path in elements if (found := Stored.read(path))]
        if not records:
            if elements and is_of_kind(verdict, "XNATSink"):
                session.unchecked.append(f"{verdict.name}: there is no record of what it stored")
            continue
        try:
            inputs = folder.node.interface.inputs
        except Unreadable as problem:
            session.unchecked.append(f"{verdict.name}: {problem}")
            continue
        for one in records:
            session.unchecked += [f"{verdict.name}: {reason}" for reason in one.unchecked]
            yield Held(inputs, tuple(record for record, _ in one.files), one.archive)
