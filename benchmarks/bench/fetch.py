"""A cold fetch of many small files."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from . import fetching, peers
from .figures import Bars, Setting, Subject, seconds
from .made import Scan, Shape, archive_of
from .site import computed, in_turn, serving

SIZE = 100_000
CONNECTIONS = 16
RTT = 20


def run(setting: Setting) -> Subject:
    """Measure."""
    sessions = setting.few(1_000, 50)
    part = setting.few(100, 10)
    found = Subject(f"A cold fetch of {sessions:,} files of {SIZE // 1000} KB")
    shape = Shape(sessions, (Scan("T1w", size=SIZE),))
    to = setting.folder / "fetched"

    def fresh() -> None:
        fetching.renewed(to)

    with serving(archive_of(shape, setting.folder), shape.site) as site:
        records = fetching.listed(site.url)
        few = records[:part]
        assert len(records) == sessions
        with site.link(RTT) as link:
            ways: dict[str, Any] = {
                "nipype_xnat": partial(fetching.ours, link.url, records, to, CONNECTIONS),
                "curl --parallel": partial(fetching.curl, link.url, records, to, CONNECTIONS),
            }
            # each imports what it needs
            fetching.ours(site.url, few, fetching.emptied(to), 2)
            peers.connect_pyxnat(site.url)
            peers.connect_xnatpy(site.url)
            done = in_turn(ways, setting.rounds, site, before=fresh)
            partly: dict[str, Any] = {
                "connect pyxnat": partial(peers.connect_pyxnat, link.url),
                "connect xnatpy": partial(peers.connect_xnatpy, link.url),
            }
            for threads in (1, peers.THREADS):
                for name, way in (("pyxnat", fetching.pyxnat), ("xnatpy", fetching.xnatpy)):
                    text = f"{name}, {threads} threads" if threads > 1 else name
                    partly[text] = partial(way, link.url, few, to, threads)
            slow = in_turn(partly, min(setting.rounds, 3), site, before=fresh)
    refusing = replace(shape, lists=False)
    with serving(archive_of(refusing, setting.folder), refusing.site) as site:
        same = fetching.listed(site.url)
        with site.link(RTT) as link:
            name = "nipype_xnat, lists refused"
            way = {name: partial(fetching.ours, link.url, same, to, CONNECTIONS)}
            done |= in_turn(way, setting.rounds, site, before=fresh)
    fetching.emptied(to)
    assert all(one.result == sessions * SIZE for one in done.values()), done
    fixed = {name: slow.pop(f"connect {name}") for name in ("pyxnat", "xnatpy")}
    assert all(one.result == part * SIZE for one in slow.values()), slow
    own = done["nipype_xnat"].seconds
    rows = [
        [name, len(one.requests), seconds(one.seconds), f"{one.seconds / own:.2f}"]
        for name, one in done.items()
    ]
    times = {name: one.seconds for name, one in done.items()}
    for name, one in slow.items():
        asked, times[name] = computed(one, fixed[name.partition(",")[0]], sessions / part)
        cells = [f"{asked:,.0f}", seconds(times[name]), f"{times[name] / own:.1f}"]
        rows.append([f"{name}, computed", *cells])
    found.say(
        f"One file a session, {RTT} ms a round trip, {CONNECTIONS} connections (peers: one, or "
        f"{peers.THREADS} threads). The list is known to all; log-in counts. The peers' figures "
        f"are computed from {part} files. Where lists are refused, each file is asked for by "
        "itself. nipype_xnat checks each file's size and MD5 and "
        "publishes it in its cache; curl and the peers check nothing."
    )
    found.table(["way", "requests", "time", "times ours"], rows)
    found.goal(
        f"fetch {sessions:,} x 100 KB: curl --parallel / ours",
        done["curl --parallel"].seconds / own,
        0.8,
        at_most=False,
    )
    for way, ending, bound in (
        ("in sequence", "", 10),
        (f"on {peers.THREADS} threads", f", {peers.THREADS} threads", 4),
    ):
        best = min(times[f"{name}{ending}"] for name in ("pyxnat", "xnatpy"))
        found.goal(
            f"fetch {sessions:,} x 100 KB: best peer {way} / ours",
            best / own,
            bound,
            at_most=False,
        )
    found.bars.append(
        Bars("fetch", f"Fetching {sessions:,} files of 100 KB, {RTT} ms a round trip (s)", times)
    )
    return found
