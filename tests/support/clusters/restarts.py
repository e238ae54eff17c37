"""A run whose archive is killed, and the next run, which goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from support.clusters import cohort
from support.clusters.daemons import until
from support.clusters.ground import HEADS

FETCH = rb"GET /data/\S+/files/\S"
STORE = rb"PUT /data/\S+/resources/\S+/files/\S"


@dataclass(frozen=True)
class Moment:
    """When the archive is killed."""

    name: str
    request: bytes
    answered: bool = False
    after: int = 0

    def __str__(self) -> str:
        return self.name


MOMENTS = [
    Moment("while a source asks", FETCH, after=1),
    Moment("while a source fetches", FETCH, answered=True),
    Moment("while a sink sends", STORE, after=1),
    Moment("when a sink has sent and was not told", STORE, answered=True),
]


def archive_killed(
    served: SimpleNamespace, linear: dict[str, Any], plugin: str, moment: Moment
) -> None:
    """Run the cohort twice, the archive killed in the first run and started before the second."""
    served.archive.kill_at(moment.request, after=moment.after, answered=moment.answered)
    code, said = cohort.run(served, plugin)
    assert served.archive.killed.is_set(), said
    assert code == 1, said
    assert "CannotReachServer: " in said, said
    served.archive.start()
    code, said = cohort.run(served, plugin)
    assert code == 0, said
    assert served.computed() == HEADS  # each once, in both runs together
    assert cohort.state(served) == linear


def interrupted(
    served: SimpleNamespace, linear: dict[str, Any], plugin: str, request: bytes
) -> None:
    """Run the cohort twice; in the first run Ctrl-C is pressed when a request has come."""
    with cohort.started(served, plugin) as process:
        served.archive.call_at(request, lambda: os.killpg(process.pid, signal.SIGINT))
        said, _ = process.communicate(timeout=100)
    assert process.returncode not in (0, None), said
    until(lambda: _working_in(served.folder) == [], "the end of all processes")
    code, said = cohort.run(served, plugin)
    assert code == 0, said
    # a worker that was interrupted may have had a result that it had not written down
    assert set(served.computed()) == set(HEADS)
    assert cohort.state(served) == linear


def _working_in(folder: Path) -> list[str]:
    """Return the processes of a run, but not the archive."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    return [line for line in listed.splitlines() if f"{folder}/" in line and "--root" not in line]
