"""Imports go one way: the layers of docs/architecture.md, read from the code."""

import ast
from pathlib import Path

import pytest

import nipype_xnat

ROOT = Path(nipype_xnat.__file__).parent

# each room may import what stands before it, and itself
LAYERS = [
    "_version",
    "lazily",
    "errors",
    "address",
    "levels",
    "records",
    "transport",
    "tables",
    "config",
    "cache",
    "transfer",
    "search",
    "jsonutil",
    "select",
    "cohort",
    "mirror",
    "manage",
    "inspection",
    "raw",
    "client",
    "federation",
    "interfaces",
    "demo",
    "cli",
]
# the local archive knows nothing of the client, so that they cannot agree on a mistake
APART = {"archive": {"archive"}, "server": {"archive", "server"}, "pytest_plugin": {"archive"}}
# a mirror is read by the local archive's code, in this process
READERS = {"mirror": {"archive", "server"}}
# the demo and the command line bring both sides together
MEETING = {"demo", "cli", "__init__", "__main__"}


def modules():
    return sorted(path for path in ROOT.rglob("*.py") if "example_workflows" not in path.parts)


def room_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0]


def imported_names(path):
    """Return the rooms that a module imports, also inside functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    package = ["nipype_xnat", *path.relative_to(ROOT).with_suffix("").parts]
    found = set()
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: -node.level] if node.level else []
            if path.name == "__init__.py" and node.level:
                base = package[: -node.level] if package[-1] == "__init__" else package
            whole = ".".join([*base, *([node.module] if node.module else [])])
            names = [whole] if node.module else [f"{whole}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "nipype_xnat" and len(parts) > 1:
                found.add(parts[1])
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path):
    room = room_of(path)
    imported = imported_names(path) - {room}
    if room in MEETING:
        return
    if room in APART:
        allowed = set(APART[room])
        if path.relative_to(ROOT).as_posix() == "archive/archive.py":
            allowed.add("server")  # Archive.running serves itself, by one import inside a method
        assert imported <= allowed, f"{path} imports {sorted(imported - allowed)}"
        return
    assert room in LAYERS, f"{room} has no place in the layers"
    allowed = {*LAYERS[: LAYERS.index(room)], *READERS.get(room, ())}
    assert imported <= allowed, f"{path} imports {sorted(imported - allowed)}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_module_reaches_into_another_ones_private_names(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (
            node.level or (node.module or "").startswith("nipype_xnat")
        ):
            private = [
                alias.name
                for alias in node.names
                if alias.name.startswith("_") and not alias.name.startswith("__")
            ]
            assert not [name for name in private if name != "_version"], f"{path}: {private}"


def test_the_check_would_notice_an_import_against_the_direction():
    assert imported_names(ROOT / "client.py") >= {"select", "transport"}
    assert imported_names(ROOT / "select" / "plan.py") >= {"records", "levels"}
    assert "client" not in LAYERS[: LAYERS.index("select")]


def test_public_names_are_those_written_out():
    for name in nipype_xnat.__all__:
        assert getattr(nipype_xnat, name) is not None
    assert sorted(nipype_xnat.__all__) == nipype_xnat.__all__
