"""What a source node costs beside its transfers."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from nipype_xnat import Interface

from . import fetching, peers
from .figures import Setting, Subject, seconds
from .made import Scan, Shape, archive_of
from .nodes import config_of, peer_source, source
from .site import PASSWORD, USER, in_turn, serving

ONE = (
    "/projects/P001/subjects/S00001/experiments/S00001_MR1/scans/*[type=T1w]/resources/NIFTI/files"
)


def run(setting: Setting) -> Subject:
    """Measure."""
    found = Subject("A source node, everything cached")
    shape = Shape(20, (Scan("T1w", size=1_000_000), Scan("T2w", size=1_000)))
    cache = fetching.emptied(setting.folder / "fetched")
    with (
        serving(archive_of(shape, setting.folder), shape.site) as site,
        tempfile.TemporaryDirectory() as work,
        tempfile.TemporaryDirectory() as home,
    ):
        config = config_of(site.url, Path(work))
        with Interface(site.url, USER, PASSWORD) as client:
            cohort = client.cohort({"out": ONE})
        record = next(iter(cohort))
        template = partial(source, ONE, config, cache)

        def given() -> Any:
            from nipype_xnat import XNATSource

            node = XNATSource(outfields=["out"])
            node.inputs.record = dict(record)
            node.inputs.config = config
            node.inputs.cache_dir = str(cache)
            return node

        template().run()
        given().run()
        site.requests()
        template().run()
        asked = site.requests()
        given().run()
        asked_given = site.requests()
        rounds = max(100, setting.rounds)
        spent: dict[str, list[float]] = {}
        ways = {
            "with a template": lambda: template().run(),
            "with a record": lambda: given().run(),
            "the listings alone, in the same session": _listings(site.url, ONE),
            "a node of Nipype's that does nothing": _nothing,
        }
        counted = {name: _counted(way, spent.setdefault(name, [])) for name, way in ways.items()}
        with peers.downloads_in(home):
            done = in_turn(counted, rounds, site)
            peer = in_turn({"nipype's own": lambda: peer_source(config, "S00001").run()}, 1, site)
    fetching.emptied(cache)
    rows = [
        [
            name,
            len(one.requests),
            seconds(one.seconds),
            seconds(statistics.median(spent[name])) if name in spent else "",
        ]
        for name, one in {**done, **peer}.items()
    ]
    processor = {name: statistics.median(times) for name, times in spent.items()}
    nothing = processor["a node of Nipype's that does nothing"]
    listings = processor["the listings alone, in the same session"]
    found.say(
        f"One session, one file, no link, medians of {rounds} runs in one process that has logged "
        "in before; making the node is part of a run. What Nipype needs for any node is measured "
        "by one that does nothing (IdentityInterface), in the same rounds, and taken off. A run in "
        "which everything is here writes nothing and waits for nothing but its listings, so what "
        "the node adds is judged by the time of the processor, which other programs disturb least. "
        "Nipype's own source logs in and fetches each time."
    )
    found.table(["source", "requests", "time", "of the processor, here"], rows)
    found.say(
        "Two listings answer a template that names a session: XNAT lists files without the subject "
        "and the type of the scan that they are of, and lists them below any subject of the "
        "project that the address names. So which session it is, and whose, is asked each time; an "
        "answer that was kept would deliver the files of a session that was given to another "
        "subject meanwhile. A record of XNATQuery says it once for a whole run."
    )
    beyond = processor["with a record"] - nothing
    found.goal(
        "node: time of a run with a record, less a node that does nothing",
        1000 * beyond,
        5,
        unit="ms",
    )
    beside = processor["with a template"] - listings - nothing
    found.goal(
        "node: time of a run with a template, less its listings and a node that does nothing",
        1000 * beside,
        5,
        unit="ms",
    )
    found.goal("node: requests of a run with a template, after log-in", len(asked), 1)
    found.goal("node: requests of a run with a record", len(asked_given), 0)
    return found


def _counted(way: Callable[[], Any], spent: list[float]) -> Callable[[], Any]:
    """Let a way note the seconds that the processor was busy with it, in this process."""

    def run() -> Any:
        began = time.process_time()
        result = way()
        spent.append(time.process_time() - began)
        return result

    return run


def _nothing() -> Any:
    from nipype.interfaces.utility import IdentityInterface

    node = IdentityInterface(fields=["out"])
    node.inputs.out = "a file"
    return node.run()


def _listings(url: str, path: str) -> Any:
    client = Interface(url, USER, PASSWORD, metadata_age=0)

    def ask() -> int:
        return len(list(client.select(path).records()))

    ask()
    return ask
