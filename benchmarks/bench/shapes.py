"""The same work with cohorts of other shapes, and with servers that lack something."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any

from nipype_xnat import Interface, transfer

from . import fetching
from .figures import Setting, Subject, seconds
from .made import Scan, Shape, archive_of
from .site import PASSWORD, USER, measure, serving

T1W = "/projects/{}/experiments/*/scans/*[type=T1w]/resources/NIFTI/files/*.nii.gz"
RTT = 20
SIZE = 10_000
ONE = (Scan("T1w", size=SIZE), Scan("T2w", size=SIZE))


@dataclass(frozen=True)
class Work:
    """A cohort, and what is selected of it.

    Parameters
    ----------
    shape : Shape
    path : str
    files : int
        How many are selected.
    """

    shape: Shape
    path: str
    files: int

    @property
    def selecting(self) -> int:
        """Requests that a selection may take.

        Log-in, log-out and three more; a table for each project and one of projects; and twice as
        many batches as the length of addresses needs. Where lists are refused, the first batches
        and one list of two find this out, and each session is asked for.
        """
        sessions = self.shape.sessions * self.shape.projects
        tables = self.shape.projects + ("projects/*" in self.path)
        if not self.shape.lists:
            return 2 + tables + 5 + sessions
        return 5 + tables + math.ceil(2 * sessions * (self.shape.id_length + 1) / 7000)

    @property
    def cold(self) -> int:
        """Requests that a selection and a fetch may take.

        Tars of a hundred resources at most, four at least; and one a file where digests are
        lacking, or lists are refused: then tars and their halves are asked for in vain.
        """
        tars = 4 + math.ceil(self.files / 100)
        alone = 0 if self.shape.lists and self.shape.digests else self.files + 2 * tars
        return self.selecting + tars + alone

    @property
    def warm(self) -> int:
        """The same where the cache has all: what has no digest is asked for again."""
        return self.selecting + (0 if self.shape.digests else self.files)


def _works(setting: Setting) -> dict[str, Work]:
    every = "/projects/*/experiments/*/scans/*/resources/*/files/*"
    t1w = T1W.format("P001")
    n = setting.few(200, 20)
    k = setting.few(40, 8)
    many = tuple(Scan(f"run{number:02d}", size=SIZE) for number in range(k))
    series = (Scan("T1w", "DICOM", n, SIZE, ".dcm"),)
    return {
        f"{n} sessions, 2 scans each": Work(Shape(n, ONE), t1w, n),
        "the same, all files": Work(Shape(n, ONE), every, 2 * n),
        f"{n // 4} sessions, {k} scans each": Work(Shape(n // 4, many), every, n // 4 * k),
        f"4 sessions, {n} files each": Work(Shape(4, series), every, 4 * n),
        f"5 projects of {n // 5} sessions": Work(
            Shape(n // 5, ONE, projects=5), T1W.format("*"), n
        ),
        f"{n} sessions, no digests": Work(Shape(n, ONE, digests=False), t1w, n),
        f"{n} sessions, lists refused": Work(Shape(n, ONE, lists=False), t1w, n),
        "the same, all files, lists refused": Work(Shape(n, ONE, lists=False), every, 2 * n),
    }


def run(setting: Setting) -> Subject:
    """Measure."""
    found = Subject("Other shapes of cohorts, other servers")
    cache = setting.folder / "fetched"
    rows: list[list[object]] = []
    worst: dict[str, tuple[str, int, int]] = {}
    for name, work in _works(setting).items():
        fetching.emptied(cache)
        shape = work.shape
        with serving(archive_of(shape, setting.folder), shape.site) as site, site.link(RTT) as link:
            selected = measure(partial(_select, link.url, work.path), setting.rounds, site)
            cold = measure(partial(_fetch, link.url, work.path, cache), 1, site)
            warm = measure(partial(_fetch, link.url, work.path, cache), setting.rounds, site)
        assert len(selected.result) == cold.result == warm.result == work.files, name
        row: list[object] = [name, work.files]
        for what, one, most in (
            ("selection", selected, work.selecting),
            ("cold fetch", cold, work.cold),
            ("warm fetch", warm, work.warm),
        ):
            asked = len(one.requests)
            row += [asked, most, seconds(one.seconds)]
            before = worst.get(what)
            if before is None or asked / most > before[1] / before[2]:
                worst[what] = name, asked, most
        rows.append(row)
    fetching.emptied(cache)
    found.say(
        f"Files of {SIZE // 1000} KB, {RTT} ms a round trip, log-in and log-out included; cold and "
        "warm are a selection and a fetch. A selection may take a table for each project, the list "
        "of projects where they are not named, twice as many batches as the length of addresses "
        "needs, and five more; a cold fetch one for each hundred files and four more, and one "
        "for each file where there are no digests or lists are refused. Without digests a warm run "
        "asks for each file by a conditional request, eight at a time, because its size proves "
        "nothing. "
        "A server that refuses lists is found out by the first batches and a list of two; then "
        "each session is asked for, eight at a time: XNAT has no other question that lists the "
        "files of many sessions."
    )
    head = ["cohort", "files"]
    for what in ("select", "cold", "warm"):
        head += [what, "at most", "time"]
    found.table(head, rows)
    for what, (name, asked, most) in worst.items():
        found.goal(f"shapes: requests of a {what} ({name}: nearest to its bound)", asked, most)
    return found


def _select(url: str, path: str) -> list[Any]:
    with Interface(url, USER, PASSWORD) as client:
        return list(client.select(path).records())


def _fetch(url: str, path: str, cache: Any) -> int:
    with Interface(url, USER, PASSWORD, cache=cache) as client:
        records = list(client.select(path).records())
        return len(transfer.fetch(client.transport, records, client.cache, listed=True))
