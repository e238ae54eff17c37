"""A source whose files are all here already."""

from __future__ import annotations

import hashlib
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from . import fetching, peers
from .figures import Setting, Subject, seconds
from .made import Scan, Shape, archive_of
from .nodes import config_of, peer_source, source
from .site import in_turn, serving

T1W = "/projects/P001/experiments/*/scans/*[type=T1w]/resources/NIFTI/files/*.nii.gz"
SIZE = 2_000_000
RTT = 20


def _hashed(paths: list[str]) -> int:
    for path in paths:
        with open(path, "rb") as stream:
            hashlib.file_digest(stream, "md5") if hasattr(hashlib, "file_digest") else hashlib.md5(
                stream.read(), usedforsecurity=False
            )
    return len(paths)


def run(setting: Setting) -> Subject:
    """Measure."""
    sessions = setting.few(1_000, 50)
    found = Subject(f"A warm run of a source of {sessions:,} sessions")
    shape = Shape(sessions, (Scan("T1w", size=SIZE),))
    cache = fetching.emptied(setting.folder / "fetched")
    with (
        serving(archive_of(shape, setting.folder), shape.site) as site,
        tempfile.TemporaryDirectory() as work,
        site.link(RTT) as link,
    ):
        config = config_of(link.url, Path(work))

        def node() -> Any:
            return source(T1W, config, cache)

        files = node().run().outputs.out
        before = link.carried()
        site.requests()
        node().run()
        came = link.carried()["down"] - before["down"]
        asked = site.requests()
        done = in_turn(
            {
                "nipype_xnat, warm": lambda: len(node().run().outputs.out),
                "hashing the files once": partial(_hashed, files),
            },
            setting.rounds,
            site,
        )
        contents = [one for one in asked if "/files/" in one.partition("?")[0]]
        few = sessions // 20
        slow = in_turn({"nipype's own XNATSource, computed": partial(_peer, config, few)}, 1, site)
    fetching.emptied(cache)
    own = done["nipype_xnat, warm"].seconds
    hashing = done["hashing the files once"].seconds
    found.say(
        f"Files of {SIZE // 1_000_000} MB, all in the cache, {RTT} ms a round trip. The node lists "
        f"all sessions again ({came:,} bytes of listings came) and hands its files over; hashing "
        "reads each file once, from memory where it is cached. The peer fetches again; its time is "
        f"computed from {few} sessions."
    )
    rows = [[name, len(one.requests), seconds(one.seconds)] for name, one in done.items()]
    for name, one in slow.items():
        many = len(one.requests) * sessions // few
        rows.append([name, f"{many:,}", seconds(one.seconds * sessions / few)])
    found.table(["way", "requests", "time"], rows)
    found.goal("warm run: requests, after log-in", len(asked), 10)
    found.goal("warm run: files asked for", len(contents), 0)
    found.goal("warm run: time / hashing the files once", own / hashing, 1)
    found.say(
        f"Files of {SIZE * own / hashing / 1e6:.1f} MB would take as long to hash as the warm run "
        "takes."
    )
    return found


def _peer(config: str, sessions: int) -> int:
    with tempfile.TemporaryDirectory() as home, peers.downloads_in(home):
        for number in range(1, sessions + 1):
            peer_source(config, f"S{number:05d}").run()
    return sessions
