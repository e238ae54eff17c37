"""``make bench``: the client and its peers on a local archive, all in one run."""

from __future__ import annotations

import argparse
import os
import time
from importlib import import_module
from pathlib import Path

from . import report
from .figures import Setting, Subject
from .site import HERE

SUBJECTS = (
    "truth",
    "select",
    "fetch",
    "large",
    "streams",
    "series",
    "warm",
    "upload",
    "imports",
    "node",
    "archive",
    "shapes",
)
REPORT = HERE.parents[1] / "docs" / "benchmarks.md"


def main() -> None:
    """Measure, and write the report."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument(
        "--only",
        action="append",
        choices=SUBJECTS,
        help="this subject (may be given several times); the report goes into the folder",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="little of everything, to see that all works; the report goes into the folder",
    )
    parser.add_argument("--rounds", type=int, help="how often each thing is measured (default: 5)")
    parser.add_argument("--folder", type=Path, default=Path("benchmark-data"))
    args = parser.parse_args()
    folder = args.folder.resolve() / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    # nodes leave their notes where they run
    work = folder / "work"
    work.mkdir(exist_ok=True)
    os.chdir(work)
    setting = Setting(folder, args.rounds or (1 if args.quick else 5), args.quick)
    found: dict[str, Subject] = {}
    for name in args.only or SUBJECTS:
        began = time.perf_counter()
        print(f"== {name}", flush=True)
        found[name] = import_module(f"bench.{name}").run(setting)
        print(f"== {name}: {time.perf_counter() - began:.0f} s", flush=True)
    whole = not (args.only or args.quick)
    report.write(found, REPORT if whole else folder / "benchmarks.md", setting)


if __name__ == "__main__":
    main()
