"""docs/preflight.md names each check that the code makes."""

import ast
import re
from pathlib import Path

from nipype_xnat.interfaces import preflight

PAGE = Path(__file__).resolve().parents[2] / "docs" / "preflight.md"


def checks():
    """Return the names of checks in the code: what findings are made with."""
    found = set()
    for path in Path(preflight.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args:
                name, value = getattr(node.func, "id", ""), node.args[0]
            elif isinstance(node, ast.Assign):
                name, value = getattr(node.targets[0], "id", ""), node.value
            else:
                continue
            if name in ("note", "warning", "error", "check") and isinstance(value, ast.Constant):
                found.add(value.value)
    return found


def test_each_check_stands_in_a_table():
    names = checks()
    assert {"base_dir.set", "job.runs", "account.file", "space.bytes"} <= names
    text = PAGE.read_text()
    rows = " ".join(line for line in text.splitlines() if line.startswith("|"))
    told = set(re.findall(r"`([\w.]+)`", rows))
    assert {
        name for name in names if name not in told and "." + name.split(".")[1] not in told
    } == set()
