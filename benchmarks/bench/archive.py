"""The local archive under many clients, beside an application that returns the same bytes."""

from __future__ import annotations

import load
from archive_scale import SMALL, bare
from archive_scale import serving as as_command
from made_archive import make

from .figures import Setting, Subject

CLIENTS = 64


def run(setting: Setting) -> Subject:
    """Measure."""
    found = Subject(f"The local archive, {CLIENTS} clients at once")
    root = setting.folder / "small-listings"
    if not (root / "archive.sqlite").exists() or (root / "running").exists():
        make(root, 200)
    seconds = setting.few(3.0, 0.5)
    rows: list[list[object]] = []
    worst = 9.0
    with as_command(root) as server:
        cookie = server.log_in().cookies["JSESSIONID"]
        for name, path in SMALL.items():
            with bare(load.once(server.url + path, cookie)) as other:
                for asked, full in (("again", path), ("anew", path + "&nothing={n}")):
                    pairs = [
                        (
                            load.run(server.url + full, cookie, CLIENTS, seconds),
                            load.run(other + full, cookie, CLIENTS, seconds),
                        )
                        for _ in range(min(setting.rounds, 3))
                    ]
                    pairs.sort(key=lambda pair: pair[0].rate / pair[1].rate)
                    ours, theirs = pairs[len(pairs) // 2]
                    ratio = ours.rate / theirs.rate
                    if asked == "again":
                        worst = min(worst, ratio)
                    rows.append(
                        [
                            f"{name}, asked {asked}",
                            f"{ours.rate:.0f}/s",
                            f"{theirs.rate:.0f}/s",
                            f"{ratio:.2f}",
                            f"{1000 * ours.percentile(0.99):.0f} ms",
                            f"{1000 * theirs.percentile(0.99):.0f} ms",
                            sum(pair[0].failed for pair in pairs),
                        ]
                    )
    found.say(
        "Each client asks again as soon as it was answered. `anew` is a question that was never "
        "asked before. `make bench-archive` does the same at the scale of a million files."
    )
    head = ["question", "archive", "bare", "ratio", "p99, archive", "p99, bare", "failed"]
    found.table(head, rows)
    found.goal("archive: requests a second / a bare application's", worst, 0.5, at_most=False)
    return found
