"""Nipype's own settings that hurt."""

from __future__ import annotations

import math
from collections.abc import Iterator

from .findings import Finding, note, ok, warning
from .mounts import mount_of
from .situation import Situation

__all__ = ["look_at_execution"]

_LATE = 60.0  # seconds after which NFS shows a new file at the latest, as it is mounted by default
_OFTEN = 1.0


def look_at_execution(situation: Situation) -> Iterator[Finding]:
    """Check the section ``execution`` of Nipype's configuration, as the run has it."""
    found = [*_anywhere(situation)]
    if situation.plugin.elsewhere:
        found += _on_a_cluster(situation)
    yield from found
    if not found:
        yield ok("execution.settings", "no setting is known to hurt")


def _anywhere(situation: Situation) -> Iterator[Finding]:
    if situation.execution.get("hash_method") == "content":
        yield note(
            "execution.hash_method",
            "hash_method is content: each run reads all input files of all nodes",
            "timestamp suffices: what XNATSource hands out has times made of its digests",
        )
    if situation.on("remove_node_directories"):
        yield warning(
            "execution.remove_node_directories",
            "remove_node_directories is on: what was computed is computed again by the next run",
            "switch it off, and delete base_dir when all is stored",
        )
    if situation.on("keep_inputs"):
        yield note(
            "execution.keep_inputs",
            "keep_inputs is on: files that are copied into node folders stay there",
            "switch it off where base_dir is short of room",
        )


def _on_a_cluster(situation: Situation) -> Iterator[Finding]:
    if situation.on("stop_on_first_crash"):
        yield warning(
            "execution.stop_on_first_crash",
            "stop_on_first_crash is on: one session that fails ends the run, and its other jobs "
            "stay in the queue",
            "set it to false",
        )
    patience = _number(situation, "job_finished_timeout", 5.0)
    for path in situation.base_dirs:
        mount = mount_of(path)
        if mount is not None and mount.kind.startswith("nfs") and patience < _LATE:
            yield warning(
                "execution.job_finished_timeout",
                f"job_finished_timeout is {patience:g} s, and {mount} may show a result up to "
                f"{_LATE:g} s late, which then counts as a failure",
                f"set it to {_LATE + 5:g}",
            )
    pause = _number(situation, "poll_sleep_duration", 2.0)
    if pause < _OFTEN:
        asks = "each of its jobs" if not situation.plugin.own else "its jobs"
        yield note(
            "execution.poll_sleep_duration",
            f"poll_sleep_duration is {pause:g} s: the controller is asked for {asks} so often",
            "set it to 5 or more for a cohort",
        )


def _number(situation: Situation, setting: str, otherwise: float) -> float:
    try:
        found = float(situation.execution.get(setting, otherwise))
    except (TypeError, ValueError):
        return otherwise
    return found if math.isfinite(found) else otherwise
