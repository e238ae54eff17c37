"""Measures the local archive at scale, and writes docs/benchmarks-archive.md.

Every figure that is judged is a ratio of two measurements of the same run, so that it says
the same on a fast and on a slow machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import load
import requests
from made_archive import FILES_PER_SESSION, make

HERE = Path(__file__).resolve().parent
REPORT = HERE.parent / "docs" / "benchmarks-archive.md"
SIZES = (200, 2_000, 20_000)
GIB = 1 << 30
AUTH = ("admin", "admin")
FIFTY = ",".join(f"XNAT_E{n:05d}" for n in range(1, 51))
SEARCH = """<?xml version="1.0" encoding="UTF-8"?>
<xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security" allow-diff-columns="0" secure="false">
<xdat:root_element_name>xnat:mrSessionData</xdat:root_element_name>
<xdat:search_field><xdat:element_name>xnat:mrSessionData</xdat:element_name>
<xdat:field_ID>LABEL</xdat:field_ID><xdat:sequence>0</xdat:sequence>
<xdat:type>string</xdat:type><xdat:header>Label</xdat:header></xdat:search_field>
<xdat:search_where method="AND">{criteria}</xdat:search_where></xdat:bundle>"""
CRITERION = (
    '<xdat:criteria override_value_formatting="0"><xdat:schema_field>{}</xdat:schema_field>'
    "<xdat:comparison_type>{}</xdat:comparison_type><xdat:value>{}</xdat:value></xdat:criteria>"
)
#: what is asked for of each archive: the answers are of one size whatever the archive's
QUESTIONS = {
    "a project's sessions": "/data/projects/P001/experiments?columns=ID,label,date,xsiType",
    "a project's subjects, with a field": "/data/projects/P001/subjects?columns=ID,label,gender",
    "a project's sessions joined with scans and labels of resources": (
        "/data/projects/P001/experiments?xsiType=xnat:mrSessionData"
        "&columns=ID,label,xnat:mrScanData/type,xnat:mrScanData/file/label"
    ),
    "one session of a project, by a filter": (
        "/data/projects/P001/experiments?label=S0007_MR1&columns=ID,label"
    ),
    "200 sessions of the site, paged": "/data/experiments?limit=200",
    "files of 50 sessions at once": f"/data/experiments/{FIFTY}/scans/ALL/files",
    "resources of 50 sessions at once": f"/data/experiments/{FIFTY}/scans/ALL/resources",
    "files of one session": "/data/experiments/XNAT_E00007/scans/ALL/files",
    "one session's document": "/data/experiments/XNAT_E00007?format=json",
    "one session, by labels": (
        "/data/projects/P001/subjects/S0007/experiments/S0007_MR1?format=json"
    ),
    "one file": "/data/experiments/XNAT_E00007/scans/1/resources/DICOM/files/T1w_0001.dcm",
    "a search: sessions of a project": [("xnat:mrSessionData/PROJECT", "=", "P001")],
    "a search: by a subject's field, in a project": [
        ("xnat:mrSessionData/PROJECT", "=", "P001"),
        ("xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/gender", "=", "male"),
    ],
}
#: what many clients ask at once
SMALL = {
    "a list of 20 sessions": "/data/experiments?limit=20&columns=ID,label,date",
    "the scans of a session": "/data/experiments/XNAT_E00007/scans?format=json",
    "the files of a resource": "/data/experiments/XNAT_E00007/resources/NOTES/files?format=json",
}


@dataclass
class Server:
    """An archive served by a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def status(self, name: str) -> int:
        """Read a figure of the process's memory, in KiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text("ascii")
        found = re.search(rf"^{name}:\s+(\d+)", text, re.M)
        assert found is not None
        return int(found.group(1))

    def log_in(self) -> requests.Session:
        """Open a session."""
        http = requests.Session()
        http.trust_env = False
        http.post(self.url + "/data/JSESSION", auth=AUTH).raise_for_status()
        return http


@contextmanager
def serving(root: Path) -> Iterator[Server]:
    """Serve an archive as its users do: with the command."""
    code = "import sys; from nipype_xnat.cli.main import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", code, "serve", "--root", str(root)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        yield Server(process, line.split(" ready at ")[1].split("/ ")[0])
    finally:
        process.terminate()
        process.wait()


@contextmanager
def bare(answer: bytes) -> Iterator[str]:
    """Serve the same answer by an application that does nothing else, on the same stack."""
    with tempfile.NamedTemporaryFile(suffix=".answer") as kept:
        kept.write(answer)
        kept.flush()
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, str(HERE / "bare.py"), kept.name], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()
            process.wait()


# ---- growth ------------------------------------------------------------------------------


def _ask(http: requests.Session, url: str, question: object) -> tuple[float, int]:
    began = time.perf_counter()
    if isinstance(question, str):
        # a parameter that means nothing: the archive is to answer, not its memory
        answer = http.get(f"{url}{question}{'&' if '?' in question else '?'}nothing={began}")
    else:
        criteria = "".join(CRITERION.format(*one) for one in question)  # type: ignore[attr-defined]
        answer = http.post(
            url + "/data/search?format=json",
            data=SEARCH.format(criteria=criteria),
            headers={"Content-Type": "text/xml"},
        )
    taken = time.perf_counter() - began
    answer.raise_for_status()
    return taken, len(answer.content)


def growth(servers: dict[int, Server], rounds: int) -> list[str]:
    """Compare the time of equal answers of archives of different sizes."""
    lines = [
        "| question | answer | " + " | ".join(f"{n:,} sessions" for n in servers) + " | ratio |",
        "|---|---:|" + "---:|" * (len(servers) + 1),
    ]
    https = {number: server.log_in() for number, server in servers.items()}
    for name, question in QUESTIONS.items():
        times: dict[int, list[float]] = {number: [] for number in servers}
        sizes = {}
        for _ in range(rounds):
            # in turn, so that what else the machine does falls on all of them
            for number, server in servers.items():
                taken, sizes[number] = _ask(https[number], server.url, question)
                times[number].append(taken)
        best = [statistics.quantiles(found, n=4)[0] for found in times.values()]
        size = next(iter(sizes.values()))
        if max(sizes.values()) > 1.1 * size:
            raise SystemExit(f"the answers to '{name}' differ: {sizes}")
        cells = " | ".join(f"{1000 * value:.1f} ms" for value in best)
        lines.append(f"| {name} | {size:,} B | {cells} | {best[-1] / best[0]:.2f} |")
        print(lines[-1], flush=True)
    return lines


def answers(server: Server, rounds: int) -> list[str]:
    """Show that time grows with the answer, in the largest archive."""
    lines = ["| rows | answer | time | for each row |", "|---:|---:|---:|---:|"]
    http = server.log_in()
    for rows in (20, 200, 2_000, 20_000):
        found = [
            _ask(http, server.url, f"/data/experiments?limit={rows}&columns=ID,label,date")
            for _ in range(rounds)
        ]
        best = min(taken for taken, _ in found)
        lines.append(
            f"| {rows:,} | {found[0][1]:,} B | {1000 * best:.1f} ms | {1e6 * best / rows:.1f} µs |"
        )
        print(lines[-1], flush=True)
    return lines


# ---- many clients ------------------------------------------------------------------------


def crowd(server: Server, clients: int, seconds: float, rounds: int) -> list[str]:
    """Compare many clients of the archive with as many of an application that does nothing."""
    lines = [
        "| question | asked | archive | bare | ratio | p99, archive | p99, bare | failed |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
    ]
    cookie = server.log_in().cookies["JSESSIONID"]
    for name, path in SMALL.items():
        with bare(load.once(server.url + path, cookie)) as other:
            # a parameter that means nothing makes each question one that was never asked
            for asked, full in (("again", path), ("anew", path + "&nothing={n}")):
                pairs = []
                for _ in range(rounds):
                    ours = load.run(server.url + full, cookie, clients, seconds)
                    theirs = load.run(other + full, cookie, clients, seconds)
                    pairs.append((ours, theirs))
                pairs.sort(key=lambda pair: pair[0].rate / pair[1].rate)
                ours, theirs = pairs[len(pairs) // 2]
                failed = sum(pair[0].failed for pair in pairs)
                lines.append(
                    f"| {name} | {asked} | {ours.rate:.0f}/s | {theirs.rate:.0f}/s "
                    f"| {ours.rate / theirs.rate:.2f} | {1000 * ours.percentile(0.99):.0f} ms "
                    f"| {1000 * theirs.percentile(0.99):.0f} ms | {failed} |"
                )
                print(lines[-1], flush=True)
    return lines


# ---- large files -------------------------------------------------------------------------


class _Body:
    """A body of a known length, made as it is sent."""

    def __init__(self, size: int, front: bytes = b"", back: bytes = b""):
        self._length = len(front) + size + len(back)
        self._left = size
        self._block = os.urandom(1 << 20)
        self._front, self._back = front, back

    def __len__(self) -> int:
        return self._length

    def read(self, _size: int = -1) -> bytes:
        if self._front:
            piece, self._front = self._front, b""
        elif self._left:
            piece = self._block[: self._left]
            self._left -= len(piece)
        else:
            piece, self._back = self._back, b""
        return piece


def large(server: Server, size: int) -> list[str]:
    """Send a large file in and out, and watch the peak of the serving process."""
    lines = ["| way | bytes | rate | peak before | peak after |", "|---|---:|---:|---:|---:|"]
    http = server.log_in()
    # the name of a project that was removed is not given again
    project = f"{server.url}/data/projects/LARGE{time.time_ns()}"
    http.put(project).raise_for_status()
    files = project + "/resources/R/files"
    front = (
        b'--edge\r\nContent-Disposition: form-data; name="f"; filename="part.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n"
    )
    kind = {"Content-Type": "multipart/form-data; boundary=edge"}

    def note(way: str, moved: int, began: float, before: int) -> None:
        rate = moved / (time.perf_counter() - began) / (1 << 20)
        after = server.status("VmHWM")
        lines.append(
            f"| {way} | {moved:,} | {rate:.0f} MiB/s | {before // 1024} MiB | {after // 1024} MiB |"
        )
        print(lines[-1], flush=True)

    def send(way: str, request: object) -> None:
        before, began = server.status("VmHWM"), time.perf_counter()
        request().raise_for_status()  # type: ignore[operator]
        note(way, size, began, before)

    http.put(files + "/small.bin?inbody=true", data=b"small").raise_for_status()
    http.post(files, files={"f": ("small2.bin", b"small")}).raise_for_status()
    send("in, as the body", lambda: http.put(files + "/big.bin?inbody=true", data=_Body(size)))
    http.delete(files + "/small.bin").raise_for_status()
    send(
        "in, multipart",
        lambda: http.post(files, data=_Body(size, front, b"\r\n--edge--\r\n"), headers=kind),
    )
    http.delete(files + "/part.bin").raise_for_status()
    for way, path in (
        ("out", "/big.bin"),
        ("out, zip", "?format=zip"),
        ("out, tar", "?format=tar"),
    ):
        before, began, received = server.status("VmHWM"), time.perf_counter(), 0
        with http.get(files + path, stream=True) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_content(1 << 20):
                received += len(chunk)
        if received < size:
            raise SystemExit(f"{way}: {received} of {size} bytes came")
        note(way, received, began, before)
    http.delete(project + "?removeFiles=true").raise_for_status()
    return lines


# ---- the report --------------------------------------------------------------------------


def _machine() -> str:
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {platform.python_implementation()} "
        f"{platform.python_version()}, SQLite {sqlite3.sqlite_version}, {platform.system()}"
    )


def _archives(folder: Path, sizes: tuple[int, ...]) -> dict[int, Path]:
    found = {}
    for number in sizes:
        root = folder / f"sessions-{number}"
        if not (root / "archive.sqlite").exists() or (root / "running").exists():
            shutil.rmtree(root, ignore_errors=True)
            began = time.perf_counter()
            make(root, number)
            taken = time.perf_counter() - began
            print(
                f"made {number:,} sessions, {number * FILES_PER_SESSION:,} files in {taken:.0f} s"
            )
        found[number] = root
    return found


def main() -> None:
    """Make the archives, measure, write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("benchmark-data"))
    parser.add_argument("--rounds", type=int, default=12, help="times that each is asked")
    parser.add_argument("--seconds", type=float, default=4, help="of each round of many clients")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--gib", type=float, default=4, help="size of the large file")
    parser.add_argument("--report", type=Path, default=REPORT)
    args = parser.parse_args()
    # ended from outside, it ends its servers too
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    roots = _archives(args.folder, SIZES)
    with (
        serving(roots[SIZES[0]]) as s,
        serving(roots[SIZES[1]]) as m,
        serving(roots[SIZES[2]]) as x,
    ):
        grown = growth(dict(zip(SIZES, (s, m, x), strict=True)), args.rounds)
        rows = answers(x, 5)
    with serving(roots[SIZES[2]]) as server:
        many = crowd(server, args.clients, args.seconds, 5)
    with serving(roots[SIZES[0]]) as server:
        moved = large(server, int(args.gib * GIB))
    template = (HERE / "archive_report.md").read_text("utf-8")
    text = template.format(
        machine=_machine(),
        sessions=f"{SIZES[-1]:,}",
        files=f"{SIZES[-1] * FILES_PER_SESSION:,}",
        clients=args.clients,
        gib=f"{args.gib:g}",
        growth="\n".join(grown),
        answers="\n".join(rows),
        crowd="\n".join(many),
        large="\n".join(moved),
    )
    args.report.write_text(text, encoding="utf-8")
    print(f"written: {args.report}")


if __name__ == "__main__":
    main()
