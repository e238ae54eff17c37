"""The jobs of a workflow's run on a scheduler: submitted, looked for, and left to nobody."""

from __future__ import annotations

import contextlib
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .schedulers import JobRefused, Scheduler, Unclear

__all__ = ["Jobs", "batch_folder"]

_SHOWN = 6  # last lines of what a job printed

_Value = TypeVar("_Value")


@dataclass(frozen=True)
class _Job:
    name: str
    script: Path
    after: frozenset[int]


class Jobs:
    """The jobs of one run.

    Parameters
    ----------
    scheduler : Scheduler
    plugin_args : mapping
        See :func:`nipype_xnat.cluster_plugin`.
    tell : callable
        Takes a line for a person.
    """

    def __init__(
        self, scheduler: Scheduler, plugin_args: Mapping[str, Any], tell: Callable[[str], object]
    ) -> None:
        self.scheduler = scheduler
        self._args = plugin_args
        self._patience = float(plugin_args.get("patience", 600))
        self._tell = tell
        self._known: dict[int, str] | None = None
        self._asked = 0.0
        self._jobs: dict[int, _Job] = {}
        self._open: set[int] = set()
        self._told: set[tuple[int, str]] = set()

    # -- submitting

    def submit(self, node: Any, pyscript: str, after: Iterable[int] = ()) -> int:
        """Submit a node's script; wait for a scheduler that is away, or has too many jobs.

        Raises
        ------
        JobRefused
            If the scheduler is there and does not take it, or was away for too long.
        """
        template, arguments = self._words(node)
        script = Path(pyscript).with_suffix(".sh")
        words = [sys.executable, pyscript]
        script.write_text(self.scheduler.script(template, words), encoding="utf-8")
        job = _Job(str(node.fullname), script, frozenset(after))
        number = self._submitted(job, arguments)
        self._jobs[number] = job
        self._open.add(number)
        self._known = None
        return number

    def _submitted(self, job: _Job, arguments: str) -> int:
        name = re.sub(r"[^\w.-]", "_", job.name)
        end = time.monotonic() + self._patience
        while True:
            why = "the scheduler does not answer"
            try:
                return self.scheduler.submit(job.script, name, arguments, job.after)
            except Unclear as error:
                refused: JobRefused = error
                if (found := self._number_of(job.script)) is not None:
                    return found
            except JobRefused as error:
                refused = error
                queued = self.scheduler.queued()
                if queued is not None:
                    if not error.for_now:
                        raise
                    why = str(error)
                    if self._open & queued.keys():
                        # when one of them ends there is room
                        end = time.monotonic() + self._patience
            if time.monotonic() > end:
                raise refused
            if (0, why) not in self._told:
                self._told.add((0, why))
                self._tell(f"{job.name} and others wait to be submitted: {why}")
            time.sleep(2)

    def _number_of(self, script: Path) -> int | None:
        """Return the job of a script whose submission got no answer; None if there is none."""
        for _ in range(2):
            # what was sent may be read only now that the scheduler answers again
            time.sleep(3)
            while (known := self.scheduler.scripts()) is None:
                time.sleep(2)
            for number, path in known.items():
                if path == script:
                    return number
        return None

    def _words(self, node: Any) -> tuple[str, str]:
        name = self.scheduler.arguments
        own = getattr(node, "plugin_args", None) or {}
        template = str(own.get("template") or self._args.get("template", self.scheduler.template))
        if "\n" not in template and Path(template).is_file():
            template = Path(template).read_text(encoding="utf-8")
        given = [str(self._args.get(name, "")), str(own.get(name, ""))]
        return template, " ".join(given[1:] if own.get("overwrite") else given)

    # -- waiting

    def running(self, number: int) -> bool:
        """Tell whether a job may still run; while the scheduler does not answer, it may."""
        now = time.monotonic()
        if self._known is None or now - self._asked > 0.5:
            self._known, self._asked = self.scheduler.queued(), now
            self._tell_what_is_stuck()
        if self._known is None or number in self._known:
            return True
        self._open.discard(number)
        return False

    def _tell_what_is_stuck(self) -> None:
        known = self._known or {}
        for number in sorted(self._open):
            job, why = self._jobs[number], known.get(number, "")
            # until those before it have ended, to be held is as it should be
            if why and (number, why) not in self._told and not job.after & known.keys():
                self._told.add((number, why))
                see = f"{self.scheduler.describe} {number}"
                self._tell(f"Job {number}, {job.name}, does not go on ({why}); see {see}")

    def wait(self, numbers: Iterable[int], pause: float) -> None:
        """Wait until jobs have ended."""
        left = set(numbers)
        while left := {number for number in left if self.running(number)}:
            time.sleep(pause)

    def wait_for_earlier(self, nodes: Sequence[Any], pause: float) -> None:
        """Wait for jobs of an earlier run that was ended before they were, Nipype's own too.

        Two jobs must not work in the folder of one node; and what they do is not lost.
        """
        folders = {batch_folder(node).resolve() for node in nodes}
        if not any(folder.is_dir() for folder in folders):
            return
        known = self._answer_of(self.scheduler.scripts, pause)
        found = {number for number, path in known.items() if path.parent.resolve() in folders}
        if left := found & self._answer_of(self.scheduler.queued, pause).keys():
            self._tell(f"Waiting for jobs of an earlier run; {self._to_cancel(left)}")
            self.wait(left, pause)

    def _answer_of(
        self, ask: Callable[[], Mapping[int, _Value] | None], pause: float
    ) -> Mapping[int, _Value]:
        told = False
        while (answer := ask()) is None:
            if not told:
                self._tell("The scheduler does not answer; waiting for it")
                told = True
            time.sleep(pause)
        return answer

    # -- telling

    def without_result(self, number: int, folder: str) -> str:
        """Say of a job that it left no result, how it ended, and what it printed last."""
        fate, printed = "", ""
        with contextlib.suppress(Exception):
            fate = self.scheduler.fate(number)
        script = self._jobs[number].script
        output = script.with_name(f"{script.name}.o{number}")
        with contextlib.suppress(OSError):
            lines = output.read_text("utf-8", "replace").strip().splitlines()
            printed = "".join(f"\n  {line}" for line in lines[-_SHOWN:])
        text = (
            f"job {number} has ended and left no result that stands in {folder}: it failed early, "
            "was cancelled or killed, or could not start"
        )
        if fate:
            text += f"; the scheduler says: {fate}"
        where = f"; {output} ends with:{printed}" if printed else f"; see {script.parent}"
        return text + where

    def tell_what_is_left(self) -> None:
        """Say which jobs are in the queue, when this program ends before they do."""
        with contextlib.suppress(Exception):
            queued = self.scheduler.queued()
            left = self._open if queued is None else self._open & queued.keys()
            if left:
                self._tell(
                    "Jobs are left in the queue; the next run waits for them; "
                    + self._to_cancel(left)
                )

    def _to_cancel(self, numbers: Iterable[int]) -> str:
        return f"to end them: {self.scheduler.cancel} {' '.join(map(str, sorted(numbers)))}"


def batch_folder(node: Any) -> Path:
    """Return where Nipype puts the scripts of a node."""
    whole, _, rest = str(node.fullname).partition(".")
    return Path(node.base_dir, whole, "batch") if rest else Path(node.base_dir, "batch")
