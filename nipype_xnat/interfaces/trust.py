"""What a sink asks before it stores: is this of the inputs that are named now?"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nipype import config

from ..errors import StaleResult
from ..records import Record
from .delivered import Delivered, files_of_record
from .lineage import Lineage, State, Verdict, delivered_in, elements_of, is_of_kind
from .named_now import Held, ask
from .node_folder import NodeFolder, Unreadable, folder_of
from .run_record import RunRecord

__all__ = ["Source", "check_inputs", "differs_from_record", "sources_of"]

log = logging.getLogger("nipype_xnat.interfaces")


@dataclass(frozen=True)
class Source:
    """A source that a result comes from.

    Parameters
    ----------
    verdict : Verdict
    delivered : Delivered
        What it recorded.
    outputs : frozenset of str
        Those of its outputs that were used.
    held : Held
        The files of these outputs.
    """

    verdict: Verdict
    delivered: Delivered
    outputs: frozenset[str]
    held: Held


def check_inputs(
    cwd: Path,
    given: Mapping[str, Iterable[Path]],
    record: Mapping[str, Any] | None,
    kind: type[Any],
) -> list[str]:
    """Refuse what is not of the inputs that the archive and the workflow name now.

    Parameters
    ----------
    cwd : pathlib.Path
        The folder of the sink's node.
    given : mapping of str to iterable of pathlib.Path
        The files to store, by the names of the sink's inputs.
    record : mapping or None
        The cohort's record of the session.
    kind : type
        Class of the sink's interface.

    Returns
    -------
    list of str
        What could not be checked, and why.

    Raises
    ------
    StaleResult
        Before anything was sent.
    """
    patience = time.monotonic() + float(config.get("execution", "job_finished_timeout"))
    while True:
        # a file system of many hosts may show late what another host has written
        lineage = Lineage(RunRecord.around(cwd))
        ends, unchecked = _ends(lineage, cwd, given, kind)
        verdicts = lineage.before(ends)
        refused = next((verdict for verdict in verdicts if _is_refused(verdict)), None)
        if refused is None:
            break
        left = patience - time.monotonic()
        if left <= 0:
            raise _refusal(refused)
        time.sleep(min(1.0, left))
    unchecked += [
        f"{verdict.name}: {verdict.reason}"
        for verdict in verdicts
        if verdict.state in (State.UNCHECKED, State.MISSING)
    ]
    sources = list(sources_of(verdicts, ends, unchecked))
    for source in sources:
        other = differs_from_record(source, record) if record else ""
        if other:
            raise StaleResult(
                f"what {source.verdict.name} delivered is not what the record of "
                f"{source.delivered.name} names: {other}; nothing was stored",
                server=source.delivered.archive,
                advice=_advice(source.verdict),
            )
    ask(source.held for source in sources)
    for source in sources:
        if source.held.differences:
            raise StaleResult(
                f"{source.verdict.name} delivered what the archive does not name now: "
                f"{'; '.join(source.held.differences[:3])}; nothing was stored",
                server=source.delivered.archive,
                advice=_advice(source.verdict),
            )
        unchecked += source.held.unchecked
    unchecked = list(dict.fromkeys(unchecked))
    for reason in unchecked:
        log.info("not checked: %s", reason)
    return unchecked


def _ends(
    lineage: Lineage, cwd: Path, given: Mapping[str, Iterable[Path]], kind: type[Any]
) -> tuple[dict[Path, set[str]], list[str]]:
    """Return the nodes that a sink's inputs come from with their outputs; what comes from none."""
    own = folder_of(cwd)
    connections: dict[str, tuple[Path, str]] = {}
    if own is not None:
        folder = NodeFolder(own)
        try:
            # an interface may be run by itself, in the folder of whatever node
            if isinstance(folder.node.interface, kind):
                connections = lineage.connections(folder)
        except Unreadable:
            log.debug("the connections of %s are not known", own)
    ends: dict[Path, set[str]] = {}
    for file, output in connections.values():
        ends.setdefault(file.parent, set()).add(output)
    unchecked = []
    for key, paths in given.items():
        if key in connections:
            continue
        for path in paths:
            maker = folder_of(path.absolute())
            if maker is None or maker == own:
                unchecked.append(f"{path} was made by no node that is known")
            else:
                ends.setdefault(maker, set())
    return ends, unchecked


def _is_refused(verdict: Verdict) -> bool:
    if verdict.state is State.MISSING:
        # folders that are not needed any more may be removed, by Nipype too
        return verdict.folder.path.is_dir()
    return verdict.state in (State.FAILED, State.STALE, State.RUNNING)


def _refusal(verdict: Verdict) -> StaleResult:
    return StaleResult(
        f"the result of {verdict.name} is not of the inputs that are named now: {verdict.reason}; "
        "nothing was stored",
        advice=_advice(verdict),
    )


def _advice(verdict: Verdict) -> str:
    return f"run it again; where its result stays as it is, remove {verdict.folder.path} before"


def sources_of(
    verdicts: Iterable[Verdict], ends: Mapping[Path, set[str]], unchecked: list[str]
) -> Iterator[Source]:
    """Yield the sources among nodes, with the files of the outputs that were used.

    Parameters
    ----------
    verdicts : iterable of Verdict
    ends : mapping of pathlib.Path to set of str
        The nodes whose outputs are wanted, and which.
    unchecked : list of str
        Gets what is not known of a source.
    """
    verdicts = list(verdicts)
    used: dict[Path, set[str]] = {path: set(outputs) for path, outputs in ends.items()}
    for verdict in verdicts:
        for path, outputs in verdict.before.items():
            used.setdefault(path, set()).update(outputs)
    for verdict in verdicts:
        delivered = delivered_in(verdict.folder)
        if not delivered:
            if is_of_kind(verdict, "XNATSource") and elements_of(verdict.folder):
                unchecked.append(f"{verdict.name}: there is no record of what it delivered")
            continue
        try:
            inputs = verdict.folder.node.interface.inputs
        except Unreadable as problem:
            unchecked.append(f"{verdict.name}: {problem}")
            continue
        names = frozenset(used.get(verdict.folder.path, ()))
        for each in delivered:
            files = tuple(file.record for file in each.of(names))
            yield Source(verdict, each, names, Held(inputs, files, each.archive))


def differs_from_record(source: Source, record: Mapping[str, Any]) -> str:
    """Say in which files a source differs from a cohort's record; empty where it does not.

    A source that was not given a record of this session is not concerned.
    """
    if not source.delivered.record or source.delivered.name != record.get("name"):
        return ""
    outputs = source.outputs if "manifest" not in source.outputs else frozenset(record["files"])
    wanted = files_of_record(record, outputs, companions=False)
    allowed = {_key(file): file for file in files_of_record(record, outputs)}
    had = {_key(file): file for file in source.held.files}
    words = [f"{_shown(file)} is lacking" for file in wanted if not _among(file, had)]
    words += [
        f"{_shown(file)} is none of it" for file in source.held.files if not _among(file, allowed)
    ]
    return "; ".join(words[:3])


def _key(file: Record) -> tuple[str, str]:
    return file.resource_id, file.path


def _among(file: Record, files: Mapping[tuple[str, str], Record]) -> bool:
    """Tell whether a file is one of these; an archive may list it without a digest."""
    other = files.get(_key(file))
    if other is None:
        return False
    if file.digest and other.digest:
        return file.digest.lower() == other.digest.lower()
    return None in (file.size, other.size) or file.size == other.size


def _shown(file: Record) -> str:
    return f"{file.place} ({file.digest or f'{file.size} bytes'})"
