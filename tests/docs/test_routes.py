"""docs/routes.md names the routes that are answered, all of them, and no others."""

import re
from pathlib import Path

from contract.route_map import routes

PAGE = Path(__file__).parents[2] / "docs" / "routes.md"
SESSIONS = (
    "/projects/{project}/subjects/{subject}/experiments/{session}",
    "/experiments/{session}",
)
LINE = re.compile(
    r"^\| `(?P<route>[^`]+)` \| (?P<methods>[A-Z, ]+) \| (?P<what>.+) \| (?P<source>.+) \|$"
)


def written():
    found = {}
    for line in PAGE.read_text().splitlines():
        match = LINE.match(line)
        if match is None:
            continue
        for session in SESSIONS if "{X}" in match["route"] else ("",):
            route = match["route"].replace("{X}", session)
            assert route not in found, f"{route} stands there twice"
            found[route] = set(match["methods"].split(", "))
    return found


def test_the_table_is_the_url_map():
    assert written() == routes()


def test_each_line_says_what_for_and_where_from():
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert lines
    assert all(LINE.match(line) for line in lines), [x for x in lines if not LINE.match(x)]
