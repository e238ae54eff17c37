"""The table itself: how many rows count, where they come from, which routes they reach."""

import collections

from .route_map import of, routes
from .rows import ROWS

COUNTING = [row for row in ROWS if row.sure != "open"]


def test_every_row_names_its_source():
    sources = collections.Counter(row.source.split()[0] for row in ROWS)
    assert set(sources) <= {"J", "T", "D", "L", "C"}
    assert all(row.sure in {"sure", "likely", "open"} for row in ROWS)


def test_four_hundred_rows_count():
    assert len(COUNTING) >= 400


def test_half_of_all_rows_are_of_the_servers_own_tests():
    told = [row for row in COUNTING if row.source.startswith("T ")]
    assert 2 * len(told) >= len(ROWS), f"{len(told)} of {len(ROWS)}"


def test_three_rows_for_each_route_and_method():
    found = collections.Counter()
    for row in COUNTING:
        method = "GET" if row.method == "HEAD" else row.method
        found[method, of(row.path)] += 1
    missing = {
        f"{method} {template}: {found[method, template]}"
        for template, methods in routes().items()
        for method in methods
        if found[method, template] < 3
    }
    assert not missing, "\n".join(sorted(missing))


def test_no_row_is_there_twice():
    seen = collections.Counter(
        repr((row.method, row.path, row.body, row.form, row.files, row.headers, row.before,
              row.account, row.anonymous, row.expect, row.after, row.stage, row.login, row.types))
        for row in ROWS
    )  # fmt: skip
    assert [text for text, number in seen.items() if number > 1] == []
