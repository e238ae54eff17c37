"""A cold fetch of large files: time, and memory."""

from __future__ import annotations

import re
import time
from functools import partial
from pathlib import Path
from typing import Any

from . import fetching
from .figures import Setting, Subject, seconds
from .made import Scan, Shape, archive_of
from .site import Measured, Site, child, command, in_turn, serving

CONNECTIONS = 8
HELD = 125e6


def in_child(url: str, cache: str, connections: int) -> dict[str, float]:
    """Fetch all files, and say how much memory it took beyond what was held before."""
    from nipype_xnat import Interface, transfer

    from .site import PASSWORD, USER

    records = fetching.listed(url)
    with Interface(url, USER, PASSWORD, cache=cache, connections=connections) as client:
        client.transport.send  # noqa: B018 (all modules are loaded)
        Path("/proc/self/clear_refs").write_text("5")
        before = _memory("VmRSS")
        began = time.perf_counter()
        got = transfer.fetch(
            client.transport, records, client.cache, connections=connections, listed=True
        )
        taken = time.perf_counter() - began
    return {
        "seconds": taken,
        "memory": _memory("VmHWM") - before,
        "bytes": sum(one.bytes for one in got),
    }


def _memory(name: str) -> float:
    """Return a figure of this process's memory in MB."""
    text = Path("/proc/self/status").read_text("ascii")
    found = re.search(rf"^{name}:\s+(\d+)", text, re.M)
    assert found is not None
    return int(found[1]) * 1024 / 1e6


def _summed(url: str, records: list[Any], folder: Path) -> int:
    """Fetch with curl, then hash with md5sum."""
    came = fetching.curl(url, records, folder, CONNECTIONS)
    command(["md5sum", *sorted(folder.iterdir())])
    return came


def run(setting: Setting) -> Subject:
    """Measure."""
    number, size = setting.few((20, 200_000_000), (4, 20_000_000))
    found = Subject(f"A cold fetch of {number} files of {size // 1_000_000} MB")
    shape = Shape(number, (Scan("T1w", size=size),))
    rounds = min(setting.rounds, 3)
    with serving(archive_of(shape, setting.folder), shape.site) as site:
        records = fetching.listed(site.url)
        with site.link(0, HELD) as link:
            held = _both(setting, link.url, site, records, rounds, None)
        free = _both(setting, site.url, site, records, rounds, _summed)
    found.say(
        f"{CONNECTIONS} connections each. Held: over the link at {HELD / 1e6:.0f} MB/s. Unlimited: "
        "without the link, and compared with curl followed by md5sum, because nipype_xnat checks "
        "the MD5 of what came. Memory is the peak of a fresh process that fetches, over what it "
        "held before."
    )
    rows: list[list[object]] = []
    for name, pair in (("held", held), ("unlimited", free)):
        for way, one in pair.items():
            rate = number * size / one.seconds / 1e6
            rows.append([f"{way}, {name}", seconds(one.seconds), f"{rate:.0f} MB/s"])
    found.table(["way", "time", "rate"], rows)
    found.goal(
        "large files, held: curl / ours",
        held["curl"].seconds / held["nipype_xnat"].seconds,
        0.95,
        at_most=False,
    )
    found.goal(
        "large files, unlimited: curl and md5sum / ours",
        free["curl and md5sum"].seconds / free["nipype_xnat"].seconds,
        0.9,
        at_most=False,
    )
    memory = max(one.result["memory"] for one in (held["nipype_xnat"], free["nipype_xnat"]))
    found.goal("large files: peak memory over the idle process", memory, 32, unit="MB")
    return found


def _both(
    setting: Setting, url: str, site: Site, records: list[Any], rounds: int, way: Any
) -> dict[str, Measured]:
    to = setting.folder / "fetched"

    def fresh() -> None:
        fetching.emptied(to)

    ways = {
        "nipype_xnat": partial(
            child, "large:in_child", url=url, cache=str(to), connections=CONNECTIONS
        ),
        ("curl and md5sum" if way else "curl"): partial(
            *((way, url, records, to) if way else (fetching.curl, url, records, to, CONNECTIONS))
        ),
    }
    done = in_turn(ways, rounds, site, patience=300, before=fresh)
    fresh()
    own = done["nipype_xnat"]
    # its own clock: a fresh process and its list are not what is compared
    own.seconds = own.result["seconds"]
    return done
