"""An archive in a process of its own, and links to it."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
USER = PASSWORD = "admin"  # noqa: S105
_PLACES = (str(HERE.parent), os.environ.get("PYTHONPATH"))
_ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, _PLACES))}


class Process:
    """A process that tells an address first, and its counts whenever it is asked."""

    def __init__(self, module: str, *arguments: str):
        self.process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=_ENVIRONMENT,
        )
        self.first = self._line()

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"a process of the benchmark ended: {self.process.args}")
        return line.strip()

    def counts(self) -> Any:
        """Ask for the counts."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self._line())

    def end(self) -> None:
        """End it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@dataclass
class Site:
    """An archive that is being served.

    Parameters
    ----------
    url : str
        Its own address.
    root : Path
        Its folder.
    server : Process
    """

    url: str
    root: Path
    server: Process

    def requests(self) -> list[str]:
        """Return method and path of what was asked since this was called last."""
        found: list[str] = self.server.counts()
        return found

    @contextmanager
    def link(self, milliseconds: float, bandwidth: float = 0, each: float = 0) -> Iterator[Link]:
        """Open a link to it, of a round-trip time and a bandwidth in bytes a second.

        The last one is that of a single connection.
        """
        port = urlsplit(self.url).port
        values = map(str, (port, milliseconds, bandwidth, each))
        process = Process("bench.link", *values)
        try:
            yield Link(f"http://127.0.0.1:{process.first}", process)
        finally:
            process.end()


@dataclass
class Link:
    """A link to an archive: the address to ask, and what it has carried."""

    url: str
    process: Process

    def carried(self) -> dict[str, int]:
        """Return connections, and bytes up and down, since the link was opened."""
        found: dict[str, int] = self.process.counts()
        return found


@contextmanager
def serving(root: Path, site: dict[str, Any] | None = None) -> Iterator[Site]:
    """Serve an archive with the threads and settings of ``nipype-xnat serve``."""
    process = Process("bench.server", str(root), json.dumps(site or {}))
    try:
        yield Site(process.first, root, process)
    finally:
        process.end()


@dataclass
class Measured:
    """What a way of doing something took.

    Parameters
    ----------
    seconds : float
        The median.
    times : list of float
        Of each round.
    result : object
        What the way returned last.
    requests : list of str
        What the archive was asked in the last round.
    """

    seconds: float
    times: list[float]
    result: Any
    requests: list[str]


def measure(
    way: Callable[[], Any],
    rounds: int,
    site: Site | None = None,
    *,
    patience: float = 30,
    before: Callable[[], object] | None = None,
) -> Measured:
    """Do something several times; what takes longer than the patience is not done again."""
    return in_turn({"": way}, rounds, site, patience=patience, before=before)[""]


def in_turn(
    ways: dict[str, Callable[[], Any]],
    rounds: int,
    site: Site | None = None,
    *,
    patience: float = 30,
    before: Callable[[], object] | None = None,
) -> dict[str, Measured]:
    """Do the same in several ways, in turn, so that what else the machine does falls on all.

    Parameters
    ----------
    ways : dict
    rounds : int
        How often each.
    site : Site, optional
        The archive whose requests are counted.
    patience : float
        A way whose round takes longer than these seconds is not done again.
    before : callable, optional
        Is called before each, untimed.
    """
    found: dict[str, Measured] = {}
    for _ in range(rounds):
        for name, way in ways.items():
            if name in found and found[name].times[-1] > patience:
                continue
            if before is not None:
                before()
            os.sync()  # none waits for what another one left to be written
            if site is not None:
                site.requests()
            began = time.perf_counter()
            result = way()
            taken = time.perf_counter() - began
            times = [*(found[name].times if name in found else []), taken]
            asked = site.requests() if site is not None else []
            found[name] = Measured(statistics.median(times), times, result, asked)
    return found


def computed(one: Measured, fixed: Measured, factor: float) -> tuple[float, float]:
    """Return requests and seconds of a larger piece of work; what connecting takes is paid once."""
    asked = len(fixed.requests) + (len(one.requests) - len(fixed.requests)) * factor
    return asked, fixed.seconds + max(0.0, one.seconds - fixed.seconds) * factor


def child(function: str, **options: Any) -> Any:
    """Call ``module:function`` of this package in a fresh process, and return what it returns."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "bench.child", function, json.dumps(options)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        env=_ENVIRONMENT,
    )
    return json.loads(done.stdout.splitlines()[-1])


def command(arguments: Sequence[str], **options: Any) -> None:
    """Run a program to its end; its output is not shown."""
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, **options)  # noqa: S603
