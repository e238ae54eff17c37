"""Measures what a scheduler costs a cohort of many small sessions; writes a page of docs/.

A SLURM or a Grid Engine of its own is started on this machine (root, and Debian's packages: see
tests/cluster/install), an archive is filled with small images, and the example workflow runs with a
stand-in for bet that takes no time. What is left is overhead.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import requests

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))

from nipype_xnat import Interface  # noqa: E402
from nipype_xnat.archive import Archive  # noqa: E402
from nipype_xnat.demo import heads  # noqa: E402
from support.clusters.daemons import Cluster, until  # noqa: E402
from support.clusters.grid_engine import GridEngine  # noqa: E402
from support.clusters.slurm import Slurm  # noqa: E402
from support.demo_site import QUICK_BET, put_program  # noqa: E402

AUTH = ("admin", "admin")
CPUS = 2 * (os.cpu_count() or 1)
KINDS = {"slurm": Slurm, "sge": GridEngine}


@dataclass(frozen=True)
class Way:
    """A way to run the cohort.

    Parameters
    ----------
    name : str
        What the table calls it; ``{}`` stands for Nipype's name of the scheduler.
    plugin : str
        As ``cluster_run.py`` takes it.
    here : bool
        Whether sources and sinks run in the submitting process.
    each : bool
        Whether each node is a job of its own.
    """

    name: str
    plugin: str
    here: bool = False
    each: bool = False


WAYS = {
    "multiproc": Way("`MultiProc`, this machine's processors", "MultiProc"),
    "plain": Way('`cluster_plugin("{}")`', "+{}", each=True),
    "here": Way('`cluster_plugin("{}")`, sources and sinks not submitted', "+{}", here=True),
    "graph": Way('`cluster_plugin("{}Graph")`', "+{}Graph", each=True),
    "stock": Way("Nipype's own `{}`", "{}", each=True),
    "stock-graph": Way("Nipype's own `{}Graph`", "{}Graph", each=True),
}


@dataclass(frozen=True)
class Figures:
    """What one run took."""

    way: str
    sessions: int
    jobs: int
    seconds: float
    requests: int
    logins: int
    ended: str


def fill(folder: Path, sessions: int) -> None:
    """Make an archive of sessions with one small image each, no two of them alike."""
    person = heads.Person("BENCH", "BENCH_1", "M", 85.0)
    image = heads.nifti_gz(heads.image(person, resolution=12.0))
    with Archive(folder) as archive, archive.running() as url, requests.Session() as http:
        http.post(f"{url}/data/JSESSION", auth=AUTH, timeout=60).raise_for_status()

        def put(path: str, data: bytes = b"") -> None:
            http.put(f"{url}/data/projects/BENCH{path}", data=data, timeout=60).raise_for_status()

        put("")
        for number in range(sessions):
            subject = f"/subjects/S{number:04d}"
            session = f"{subject}/experiments/S{number:04d}_MR1"
            put(subject)
            put(f"{session}?xsiType=xnat:mrSessionData")
            put(f"{session}/scans/1?xsiType=xnat:mrScanData&type=T1w")
            # what follows the end of a gzip stream is another one: an empty text with a name
            different = image + bytes.fromhex("1f8b08080000000000ff")
            different += f"{number}\0".encode() + bytes.fromhex("0300") + bytes(8)
            put(
                f"{session}/scans/1/resources/NIFTI/files/S{number:04d}.nii.gz?inbody=true",
                different,
            )


def measure(way: Way, filled: Path, sessions: int, cluster: Cluster, plugin: str) -> Figures:
    """Run the cohort once, from nothing, and check what the archive holds afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=filled.parent) as place:
        folder = Path(place)
        shutil.copytree(filled, folder / "archive")
        put_program(folder / "bin", "bet", QUICK_BET)
        config = folder / "xnat.json"
        environment = {
            **os.environ,
            **cluster.environment,
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "LOGNAME": "root",
            "QUICK_BET_LOG": str(folder / "bet.log"),
            "NO_ET": "1",
        }
        words = [config, folder / "work", way.plugin.format(plugin), int(way.here), sessions]
        with Archive(folder / "archive") as archive, archive.running() as url:
            Interface(url, *AUTH).save_config(config)
            begun = time.monotonic()
            with (folder / "said").open("w") as said:
                done = subprocess.run(  # noqa: S603
                    [sys.executable, HERE / "cluster_run.py", *map(str, words)],
                    check=False,
                    cwd=folder,
                    env=environment,
                    stdout=said,
                    stderr=said,
                )
            # Nipype's own Graph plugins only submit
            until(lambda: not cluster.jobs(), "the end of all jobs", 7200)
            seconds = time.monotonic() - begun
            logged = list(archive.requests)
            stored = _stored(url)
        ended = f"{stored} of {sessions} stored"
        if done.returncode:
            ended += "; " + (folder / "said").read_text("utf-8", "replace").strip()[-200:]
        jobs = len(list((folder / "work").rglob("batch/node_*.pklz")))
        logins = sum(one.method == "POST" and one.path == "/data/JSESSION" for one in logged)
        return Figures(way.name.format(plugin), sessions, jobs, seconds, len(logged), logins, ended)


def _stored(url: str) -> int:
    """Return how many sessions have both results."""
    with tempfile.TemporaryDirectory() as cache, Interface(url, *AUTH, cache=cache) as archive:
        found = archive.select("/projects/BENCH/experiments/*/resources/BET/files").records()
        files = Counter(record.experiment_id for record in found)
    return sum(number == 2 for number in files.values())


def _imports() -> float:
    """Return the seconds of a processor that a job spends before it begins."""
    words = (
        "import matplotlib, nipype.pipeline.engine, nipype.interfaces.fsl, nipype_xnat.interfaces"
    )
    found = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", words], check=True)  # noqa: S603
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def page(head: str, parts: dict[str, dict[str, Any]]) -> str:
    """Return the page."""
    lines = [head]
    for plugin, part in parts.items():
        lines += [
            f"## {plugin}",
            "",
            f"`{part['command']}`",
            "",
            "| way | sessions | jobs | total | a session | jobs a second | requests, a session "
            "| log-ins | end |",
            "|---|---:|---:|---:|---:|---:|---:|---:|---|",
        ]
        for one in (Figures(**row) for row in part["figures"]):
            rate = f"{one.jobs / one.seconds:.2f}" if one.jobs else ""
            lines.append(
                f"| {one.way} | {one.sessions} | {one.jobs} | {one.seconds:.0f} s "
                f"| {one.seconds / one.sessions:.2f} s | {rate} "
                f"| {one.requests / one.sessions:.1f} | {one.logins} | {one.ended} |"
            )
        lines.append("")
    return "\n".join([*lines, TAIL])


HEAD = """\
# What a cluster costs a cohort of small sessions

Written by `make bench-cluster`. Each session is one small image (some KB), fetched by XNATSource,
given to a stand-in for `bet` that takes a twentieth of a second, and stored by XNATSink; so nearly
all of the time is overhead. Archive, scheduler and jobs share one machine: {cores} cores
({machine}), {cpus} processors declared to the scheduler, CPython {python}, Nipype {nipype}. To
import what a job imports takes {imports:.1f} s of a processor here. "end" says for how many
sessions the archive holds both results afterwards.{note}

"""

TAIL = """\
## What the figures say

- A job starts an interpreter and imports Nipype, matplotlib (Nipype's own batch script does) and
  this package. A session has three jobs. On a cluster of many processors that is nothing; where one
  host does all, as here, it is most of the time.
- `source` and `sink` are light. With Nipype's own switch they run in the submitting process, one
  after the other, and a session is one job:

      for name in workflow.list_node_names():
          if name.endswith((".source", ".sink")):
              workflow.get_node(name).run_without_submitting = True

  The submitting host must then see the cache and reach the archive; where it is a login node with a
  limit of processor time, or images are large, submit them. One process then logs in once, in place
  of one log-in for each job. The switch is for the plain plugins; the Graph plugins submit every
  node.
- Where a computation takes minutes, leave all as it is: some seconds do not matter.
"""


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=500, help="how many (default: 500)")
    parser.add_argument(
        "--few", type=int, help="sessions for ways where each node is a job (default: all)"
    )
    parser.add_argument("--scheduler", choices=KINDS, action="append", help="default: both")
    parser.add_argument("--ways", default=",".join(WAYS), help=f"some of {','.join(WAYS)}")
    parser.add_argument(
        "--report", type=Path, default=HERE.parent / "docs" / "benchmarks-cluster.md"
    )
    parser.add_argument("--folder", type=Path, default=HERE.parent / "benchmark-data")
    parser.add_argument("--note", default="", help="a sentence about the machine, for the page")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    head = HEAD.format(
        cores=os.cpu_count(),
        machine=platform.machine(),
        cpus=CPUS,
        python=platform.python_version(),
        nipype=version("nipype"),
        imports=_imports(),
        note=f" {args.note}" if args.note else "",
    )
    # what was measured of one scheduler stays when the other one is measured
    kept = args.folder / "cluster.json"
    parts: dict[str, dict[str, Any]] = json.loads(kept.read_text()) if kept.exists() else {}
    with tempfile.TemporaryDirectory(prefix="cohort-", dir=args.folder) as place:
        filled = Path(place) / "filled"
        fill(filled, args.sessions)
        for name in args.scheduler or KINDS:
            plugin = {"slurm": "SLURM", "sge": "SGE"}[name]
            words = f"--scheduler {name} --sessions {args.sessions} --ways {args.ways}"
            words += f" --few {args.few}" if args.few else ""
            rows: list[dict[str, Any]] = []
            parts[plugin] = {"command": f"make bench-cluster OPTIONS='{words}'", "figures": rows}
            cluster = KINDS[name](CPUS)
            try:
                for word in args.ways.split(","):
                    way = WAYS[word]
                    sessions = args.few if way.each and args.few else args.sessions
                    rows.append(asdict(measure(way, filled, sessions, cluster, plugin)))
                    print(rows[-1], flush=True)
                    # after each way, so that what was measured is not lost
                    kept.write_text(json.dumps(parts), "utf-8")
                    args.report.write_text(page(head, parts), "utf-8")
            finally:
                cluster.stop()


if __name__ == "__main__":
    main()
