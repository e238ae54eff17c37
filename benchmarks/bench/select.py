"""Selecting the T1w NIfTI files of a cohort: requests, and time."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from nipype_xnat import Interface

from . import peers
from .figures import Bars, Setting, Subject, seconds
from .made import Shape, archive_of
from .site import PASSWORD, USER, Measured, in_turn, measure, serving

T1W = "/projects/P001/experiments/*/scans/*[type=T1w]/resources/NIFTI/files/*.nii.gz"
MEASURED = 200


def ours(url: str, path: str = T1W) -> list[Any]:
    """Select with this package, log-in and log-out included."""
    with Interface(url, USER, PASSWORD) as client:
        return list(client.select(path).records())


def most_requests(sessions: int, id_length: int) -> int:
    """Return how many requests a selection may take."""
    return math.ceil(6 + 2 * sessions * (id_length + 1) / 7000)


def run(setting: Setting) -> Subject:
    """Measure."""
    found = Subject("Selecting a cohort")
    _counts(setting, found)
    _times(setting, found)
    return found


def _counts(setting: Setting, found: Subject) -> None:
    found.say(
        f"Requests for `{T1W}`, log-in and log-out included. The most that may be: "
        "6 + 2 x N x (id length + 1) / 7,000, rounded up."
    )
    rows: list[list[object]] = []
    shares: dict[str, tuple[int, int]] = {}
    for id_length in (12, 30):
        for sessions in setting.few((20, 200, 2_000, 20_000), (20, 200)):
            shape = Shape(sessions, id_length=id_length)
            with serving(archive_of(shape, setting.folder), shape.site) as site:
                done = measure(partial(ours, site.url), 1, site)
            assert len(done.result) == sessions, len(done.result)
            most = most_requests(sessions, id_length)
            asked = len(done.requests)
            rows.append([f"{sessions:,}", id_length, asked, most, seconds(done.seconds)])
            shares[f"{sessions:,} sessions, ids of {id_length}"] = (asked, most)
    name, (asked, most) = max(shares.items(), key=lambda one: one[1][0] / one[1][1])
    found.table(["sessions", "id length", "requests", "at most", "time, no link"], rows)
    found.goal(f"select: requests ({name}: of all the nearest to its bound)", asked, most)


def _times(setting: Setting, found: Subject) -> None:
    sessions = setting.few(MEASURED, 20)
    shape = Shape(sessions)
    with serving(archive_of(shape, setting.folder), shape.site) as site:
        small = _formulas(setting)
        ours(site.url)  # imports what is imported on first use
        for rtt in (20, 50):
            with site.link(rtt) as link:
                ways: dict[str, Any] = {"nipype_xnat": partial(ours, link.url)}
                for threads in (1, peers.THREADS):
                    for name, way in {**peers.SELECTING, **peers.BY_HAND}.items():
                        ways[_named(name, threads)] = partial(way, link.url, "P001", threads)
                done = in_turn(ways, setting.rounds, site, patience=20)
            _compare(found, done, sessions, rtt)
            if rtt == 20:
                _beyond(setting, found, done, small, sessions)


def _named(way: str, threads: int) -> str:
    return way if threads == 1 else f"{way}, {threads} threads"


def _compare(found: Subject, done: dict[str, Measured], sessions: int, rtt: int) -> None:
    own = done["nipype_xnat"]
    assert all(len(one.result) == sessions for one in done.values()), {
        name: len(one.result) for name, one in done.items()
    }
    found.say(f"{sessions} sessions, {rtt} ms a round trip:")
    rows = [
        [
            name,
            len(one.requests),
            len(one.times),
            seconds(one.seconds),
            f"{one.seconds / own.seconds:.1f}",
        ]
        for name, one in done.items()
    ]
    found.table(["way", "requests", "rounds", "time", "times ours"], rows)
    for threads, bound in ((1, 20), (peers.THREADS, 4)):
        best = min(done[_named(name, threads)].seconds for name in peers.SELECTING)
        how = "in sequence" if threads == 1 else f"on {threads} threads"
        found.goal(
            f"select {sessions} at {rtt} ms: best peer way {how} / ours",
            best / own.seconds,
            bound,
            at_most=False,
        )
    found.bars.append(
        Bars(
            f"select-{rtt}ms",
            f"Selecting {sessions} sessions, {rtt} ms a round trip (seconds)",
            {name: one.seconds for name, one in done.items()},
        )
    )


def _formulas(setting: Setting) -> dict[str, int]:
    """Return the requests of each peer way for few sessions."""
    few = setting.few(20, 10)
    shape = Shape(few)
    with serving(archive_of(shape, setting.folder), shape.site) as site:
        return {
            name: len(measure(partial(way, site.url, "P001"), 1, site).requests)
            for name, way in {**peers.SELECTING, **peers.BY_HAND}.items()
        }


def _beyond(
    setting: Setting,
    found: Subject,
    done: dict[str, Measured],
    small: dict[str, int],
    sessions: int,
) -> None:
    few = setting.few(20, 10)
    sizes = setting.few((2_000, 20_000), (200,))
    rows: list[list[object]] = []
    own: list[object] = ["nipype_xnat, measured", "-"]
    for size in sizes:
        shape = Shape(size)
        with (
            serving(archive_of(shape, setting.folder), shape.site) as site,
            site.link(20) as link,
        ):
            one = measure(partial(ours, link.url), setting.rounds, site)
        own += [len(one.requests), seconds(one.seconds)]
    rows.append(own)
    for name, first in small.items():
        one = done[name]
        each = (len(one.requests) - first) / (sessions - few)
        fixed = first - few * each
        cells: list[object] = [f"{name}, computed", f"{fixed:.0f} + {each:.2f} N"]
        for size in sizes:
            asked = fixed + each * size
            cells += [f"{asked:,.0f}", seconds(asked * one.seconds / len(one.requests))]
        rows.append(cells)
    found.say(
        f"Beyond {sessions} sessions at 20 ms. The peers' requests are computed from what {few} "
        f"and {sessions} sessions took, and their time from the time of each request, in sequence:"
    )
    head = ["way", "requests"]
    for size in sizes:
        head += [f"requests, {size:,}", f"time, {size:,}"]
    found.table(head, rows)
