"""A run whose archive is killed, and the next run, which goes on from there."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from support.clusters import cohort
from support.clusters.ground import HEADS


@dataclass(frozen=True)
class Moment:
    """When the archive is killed."""

    name: str
    request: bytes
    answered: bool = False
    after: int = 0

    def __str__(self) -> str:
        return self.name


_STORE = rb"PUT /data/\S+/resources/\S+/files/\S"
MOMENTS = [
    Moment("while a source asks", rb"GET /data/\S+/files/\S", after=1),
    Moment("while a source fetches", rb"GET /data/\S+/files/\S", answered=True),
    Moment("while a sink sends", _STORE, after=1),
    Moment("when a sink has sent and was not told", _STORE, answered=True),
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
