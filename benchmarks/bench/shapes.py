"""The same work with cohorts of other shapes, and with servers that lack something."""

from __future__ import annotations

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


def _shapes(setting: Setting) -> dict[str, tuple[Shape, str]]:
    all_files = "/projects/*/experiments/*/scans/*/resources/*/files/*"
    n = setting.few(200, 20)
    many = tuple(Scan(f"run{number:02d}", size=SIZE) for number in range(setting.few(40, 8)))
    return {
        f"{n} sessions, 2 scans each": (Shape(n, ONE), T1W.format("P001")),
        "the same, all files": (Shape(n, ONE), all_files),
        f"{n // 4} sessions, {len(many)} scans each": (Shape(n // 4, many), all_files),
        f"4 sessions, {n} files each": (
            Shape(4, (Scan("T1w", "DICOM", n, SIZE, ".dcm"),)),
            all_files,
        ),
        f"5 projects of {n // 5} sessions": (Shape(n // 5, ONE, projects=5), T1W.format("*")),
        f"{n} sessions, no digests": (Shape(n, ONE, digests=False), T1W.format("P001")),
        f"{n} sessions, lists refused": (Shape(n, ONE, lists=False), T1W.format("P001")),
    }


def run(setting: Setting) -> Subject:
    """Measure."""
    found = Subject("Other shapes of cohorts, other servers")
    cache = setting.folder / "fetched"
    rows: list[list[object]] = []
    for name, (shape, path) in _shapes(setting).items():
        fetching.emptied(cache)
        with serving(archive_of(shape, setting.folder), shape.site) as site, site.link(RTT) as link:
            selected = measure(partial(_select, link.url, path), setting.rounds, site)
            cold = measure(partial(_fetch, link.url, path, cache), 1, site)
            warm = measure(partial(_fetch, link.url, path, cache), setting.rounds, site)
        rows.append(
            [
                name,
                len(selected.result),
                len(selected.requests),
                seconds(selected.seconds),
                len(cold.requests),
                seconds(cold.seconds),
                len(warm.requests),
                seconds(warm.seconds),
            ]
        )
    fetching.emptied(cache)
    found.say(
        f"Files of {SIZE // 1000} KB, {RTT} ms a round trip, log-in and log-out included; cold and "
        "warm are a selection and a fetch. Without digests a file is asked for at each run, by a "
        "conditional request, because its size proves nothing. Where lists are refused, each "
        "session is asked for."
    )
    head = ["cohort", "files", "select", "time", "cold", "time", "warm", "time"]
    found.table(head, rows)
    return found


def _select(url: str, path: str) -> list[Any]:
    with Interface(url, USER, PASSWORD) as client:
        return list(client.select(path).records())


def _fetch(url: str, path: str, cache: Any) -> int:
    with Interface(url, USER, PASSWORD, cache=cache) as client:
        records = list(client.select(path).records())
        return len(transfer.fetch(client.transport, records, client.cache, listed=True))
