"""Simulates a hundred thousand sessions and many institutes, and writes docs/scaling.md.

What a request costs the server is measured first, on the local archive: seconds of its processor
for a log-in, for a table, for a batch of listings, for a file. Then requests are counted by the
rules of the planner, and institutes are simulated that fetch at the same time.
"""

from __future__ import annotations

import argparse
import heapq
import math
import os
import random
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import requests
from bench import fetching
from bench.made import Scan, Shape, archive_of
from bench.select import T1W
from bench.site import Site, serving

HERE = Path(__file__).resolve().parent
REPORT = HERE.parent / "docs" / "scaling.md"
SESSIONS = 100_000
ID_LENGTH = 12
ADDRESS = 7000
FILE = 10e6
RTT = 0.03
SLOTS = 8
LINK = 1.25e9
#: files of each institute that are simulated; times are those of all, in proportion
SAMPLE = 3_000


@dataclass(frozen=True)
class Costs:
    """Seconds of the server's processor.

    Parameters
    ----------
    login : float
    table, row : float
        Of a table of a project's sessions with their scans, and of each session in it.
    listing, session : float
        Of a listing of files, and of each session in it.
    file, byte : float
        Of a download, and of each byte.
    """

    login: float
    table: float
    row: float
    listing: float
    session: float
    file: float
    byte: float

    def times(self, factor: float) -> Costs:
        """Return those of a server that takes so many times as long."""
        return Costs(*(value * factor for value in self.__dict__.values()))


# ---- measuring


def _processor(site: Site) -> float:
    """Return the seconds that the serving process has used."""
    fields = Path(f"/proc/{site.server.process.pid}/stat").read_text("ascii").rpartition(")")[2]
    user, system = fields.split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _cost(site: Site, ask: Callable[[], object], least: float = 0.5) -> float:
    """Return what one call costs the server, from as many as make a time that can be read."""
    ask()
    calls, before = 0, _processor(site)
    while _processor(site) - before < least:
        for _ in range(5):
            ask()
        calls += 5
    return (_processor(site) - before) / calls


def measure(folder: Path) -> Costs:
    """Measure what requests cost the local archive."""
    shape = Shape(2_000)
    with serving(archive_of(shape, folder), shape.site) as site, requests.Session() as http:
        http.trust_env = False
        http.cookies["JSESSIONID"] = fetching.cookie(site.url)
        ids = [f"SITE_E{number:06d}" for number in range(1, 501)]
        count = iter(range(10**9))

        def get(address: str) -> None:
            # a parameter that means nothing: the archive is to answer, not its memory
            mark = "&" if "?" in address else "?"
            http.get(f"{site.url}{address}{mark}nothing={next(count)}").raise_for_status()

        columns = "columns=ID,label,xnat:imageScanData/ID,xnat:imageScanData/type"
        table = f"/data/projects/P001/experiments?xsiType=xnat:imageSessionData&{columns}"
        login = _cost(site, lambda: fetching.cookie(site.url))
        one = _cost(site, lambda: get(f"{table}&label=S00001_MR1"))
        all_of = _cost(site, lambda: get(table))
        few, many = (
            _cost(site, lambda n=n: get(f"/data/experiments/{','.join(ids[:n])}/scans/T1w/files"))
            for n in (1, 500)
        )
    sized = Shape(2, (Scan("T1w", size=1_000), Scan("T2w", size=20_000_000)))
    with serving(archive_of(sized, folder), sized.site) as site, requests.Session() as http:
        http.trust_env = False
        http.cookies["JSESSIONID"] = fetching.cookie(site.url)
        small, large = (
            next(r for r in fetching.listed(site.url) if r.scan_type == kind)
            for kind in ("T1w", "T2w")
        )
        tiny, big = (
            _cost(site, lambda r=r: http.get(f"{site.url}{r.file}")) for r in (small, large)
        )
    row, session = (all_of - one) / 1_999, (many - few) / 499
    return Costs(login, one - row, row, few - session, session, tiny, max(0.0, (big - tiny) / 20e6))


# ---- counting


@dataclass
class Work:
    """What a way of working asks of the server."""

    requests: float = 0
    seconds: float = 0

    def add(self, number: float, each: float) -> Work:
        """Add so many requests of a cost."""
        self.requests += number
        self.seconds += number * each
        return self


def batches(sessions: int, costs: Costs, id_length: int = ID_LENGTH) -> list[int]:
    """Return the sizes of the batches in which files are listed.

    The first four have 75 sessions; the next are as large as an address of 7,000 characters allows,
    half as large where that would take more than five seconds, and smaller where half would take
    more than twenty.
    """
    fits = ADDRESS // (id_length + 1)
    sizes: list[int] = []
    size = 75
    while sessions:
        sizes.append(min(size, fits, sessions))
        sessions -= sizes[-1]
        if len(sizes) >= 4:
            each = (costs.listing + RTT) / sizes[-1] + costs.session
            size = max(1, int(min(fits, max(5 / each, min(fits / 2, 20 / each)))))
    return sizes


def selected(sessions: int, costs: Costs) -> Work:
    """Return the work of selecting a cohort once."""
    work = Work().add(1, costs.login).add(1, costs.table + costs.row * sessions)
    for size in batches(sessions, costs):
        work.add(1, costs.listing + costs.session * size)
    return work


def ways(costs: Costs) -> dict[str, Work]:
    """Return the work of each way to bring a cohort to its nodes, one process a session."""
    n = SESSIONS
    get = costs.file + costs.byte * FILE
    walked = Work().add(n, costs.login).add(6 * n, costs.listing).add(n, get)
    own = (
        Work()
        .add(n, costs.login)
        .add(n, costs.table + costs.row)
        .add(n, costs.listing + costs.session)
    )
    records = selected(n, costs)
    cold = selected(n, costs).add(n, costs.login).add(n, get)
    shared = selected(n, costs).add(1, costs.login).add(n, get)
    return {
        "a loop in each process, file by file, cold": walked,
        "a template in each node, warm": own,
        "a cohort once, records, cold, a log-in each process": cold,
        "a cohort once, prefetched by one process, cold": shared,
        "a cohort once, records, warm": records,
        "a mirror of the site, warm": Work(),
    }


# ---- simulating


@dataclass
class Day:
    """What came of a simulated day."""

    hours: float
    busy: float
    waits: list[float]


def simulate(institutes: int, connections: int, costs: Costs) -> Day:
    """Let institutes fetch the cohort at the same time, each over so many connections.

    The server works on some requests at once; others wait in the order in which they came. Bytes
    share one link.
    """
    chance = random.Random(1)
    get = costs.file + costs.byte * FILE
    free = [0.0] * SLOTS
    line = 0.0
    busy = 0.0
    waits: list[float] = []
    left = dict.fromkeys(range(institutes), SAMPLE)
    coming = [
        (chance.random() * RTT, number, lane)
        for number in range(institutes)
        for lane in range(connections)
    ]
    heapq.heapify(coming)
    heapq.heapify(free)
    end = 0.0
    while coming:
        now, number, lane = heapq.heappop(coming)
        if not left[number]:
            continue
        left[number] -= 1
        service = get * chance.expovariate(1)
        began = max(now, heapq.heappop(free))
        busy += service
        line = max(line, began + service) + FILE / LINK
        # a request keeps its thread until its last byte is on the line
        heapq.heappush(free, max(line, began + service))
        waits.append(began - now)
        end = max(end, line)
        heapq.heappush(coming, (line + RTT, number, lane))
    return Day(end * SESSIONS / SAMPLE / 3600, busy / (SLOTS * end), waits)


def _time(seconds: float) -> str:
    if seconds < 1:
        return f"{1000 * seconds:.3g} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def main() -> None:
    """Measure, count, simulate, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-data"))
    parser.add_argument("--report", type=Path, default=REPORT)
    args = parser.parse_args()
    folder = args.folder.resolve() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    costs = measure(folder)
    slow = costs.times(10)
    names = {
        "a log-in": costs.login,
        "a table of sessions and scans": costs.table,
        "each session in it": costs.row,
        "a listing of files": costs.listing,
        "each session in it ": costs.session,
        "a file": costs.file,
        "each MB of it": costs.byte * 1e6,
    }
    measured = "\n".join(f"| {name} | {_time(value)} |" for name, value in names.items())
    counted = "\n".join(
        f"| {name} | {work.requests:,.0f} | {_time(work.seconds)} | {_time(10 * work.seconds)} |"
        for name, work in ways(costs).items()
    )
    lines = []
    for institutes in (1, 5, 20):
        for connections in (4, 16, 200):
            day = simulate(institutes, connections, slow)
            wait = statistics.quantiles(day.waits, n=100)
            lines.append(
                f"| {institutes} | {connections} | {day.hours:.1f} h | {100 * day.busy:.0f} % "
                f"| {_time(wait[49])} | {_time(wait[98])} |"
            )
    once = batches(SESSIONS, costs)
    text = (
        (HERE / "scaling_report.md")
        .read_text("utf-8")
        .format(
            sessions=f"{SESSIONS:,}",
            template=T1W,
            measured=measured,
            counted=counted,
            simulated="\n".join(lines),
            batches=len(once),
            largest=max(once),
            bound=math.ceil(6 + 2 * SESSIONS * (ID_LENGTH + 1) / ADDRESS),
            file=f"{FILE / 1e6:.0f}",
            rtt=f"{1000 * RTT:.0f}",
            slots=SLOTS,
            link=f"{LINK / 1e9:g}",
            sample=f"{SAMPLE:,}",
        )
    )
    args.report.write_text(text, encoding="utf-8")
    print(text)
    print(f"written: {args.report}")


if __name__ == "__main__":
    main()
