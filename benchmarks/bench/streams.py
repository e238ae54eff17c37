"""One large file over a link on which each connection is slow."""

from __future__ import annotations

from functools import partial

from . import fetching
from .figures import Setting, Subject, seconds
from .made import Scan, Shape, archive_of
from .site import child, in_turn, serving

CONNECTIONS = 8
RTT = 50
EACH = 20e6


def run(setting: Setting) -> Subject:
    """Measure."""
    size = setting.few(300_000_000, 100_000_000)
    found = Subject(f"One file of {size // 1_000_000} MB, where a connection is slow")
    shape = Shape(1, (Scan("T1w", size=size),))
    to = setting.folder / "fetched"

    def fresh() -> None:
        fetching.emptied(to)

    with (
        serving(archive_of(shape, setting.folder), shape.site) as site,
        site.link(RTT, each=EACH) as link,
    ):
        records = fetching.listed(site.url)
        ways = {
            "nipype_xnat": partial(
                child, "large:in_child", url=link.url, cache=str(to), connections=CONNECTIONS
            ),
            "curl": partial(fetching.curl, link.url, records, to, CONNECTIONS),
        }
        done = in_turn(ways, min(setting.rounds, 2), site, before=fresh)
        fresh()
    own = done["nipype_xnat"]
    # its own clock, as for other large files
    own.seconds = own.result["seconds"]
    found.say(
        f"A link with a round trip of {RTT} ms, on which each connection is held to "
        f"{EACH / 1e6:.0f} MB/s and all together are not held. nipype_xnat may use {CONNECTIONS} "
        "connections, begins with one, and takes more (at most 4 for a file) when it has seen that "
        "one is slow; curl fetches a file over one."
    )
    found.table(
        ["way", "requests for the file", "time", "rate"],
        [
            [
                way,
                sum(str(records[0].file) in asked for asked in one.requests),
                seconds(one.seconds),
                f"{size / one.seconds / 1e6:.0f} MB/s",
            ]
            for way, one in done.items()
        ],
    )
    found.goal(
        "one large file, each connection held: curl / ours",
        done["curl"].seconds / own.seconds,
        2,
        at_most=False,
    )
    found.goal(
        "one large file: peak memory over the idle process", own.result["memory"], 32, unit="MB"
    )
    return found
