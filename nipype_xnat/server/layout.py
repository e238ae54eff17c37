"""A folder of files, read as the description of an archive.

``PROJECT/SUBJECT/SESSION/SCAN/RESOURCE/files``. What hangs on a higher level stands in a
folder ``resources`` there, and ``xnat.json`` says what the names cannot tell.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nipype_xnat.archive.errors import Invalid

ABOUT, RESOURCES = "xnat.json", "resources"
#: what the folders of a level are called, from the top
_LEVELS = ("projects", "subjects", "experiments", "scans", "resources")


def described(folder: Path) -> dict[str, Any]:
    """Read a folder.

    Parameters
    ----------
    folder : Path
        Its folders are projects.

    Returns
    -------
    dict
        A description, as :func:`nipype_xnat.server.seeding.seed` takes it.

    Raises
    ------
    Invalid
        When a file lies where the layout has none.
    """
    return _level(folder, 0)


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _level(folder: Path, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    below = _LEVELS[depth]
    inner: dict[str, Any] = {}
    for path in _entries(folder):
        if path.name == ABOUT:
            found.update(_about(path))
        elif not path.is_dir():
            raise Invalid(
                f"{path} lies where folders of {below} are expected: files belong into "
                "PROJECT/SUBJECT/SESSION/SCAN/RESOURCE, or into RESOURCES of a level: "
                f"{folder / RESOURCES}"
            )
        elif path.name == RESOURCES and 0 < depth < len(_LEVELS) - 1:
            found[RESOURCES] = {r.name: _resource(r) for r in _entries(path) if r.is_dir()}
        elif below == "resources":
            inner[path.name] = _resource(path)
        elif below == "scans":
            name, _, kind = path.name.partition("-")
            scan = _level(path, depth + 1)
            if kind:
                scan["fields"] = {"type": kind, **scan.get("fields", {})}
            inner[name] = scan
        else:
            inner[path.name] = _level(path, depth + 1)
    if inner:
        found[below] = inner
    return found


def _about(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise Invalid(f"{path} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Invalid(f"{path} must be a table")
    return found


def _resource(folder: Path) -> dict[str, Any]:
    files = {}
    about: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if name == ABOUT:
            about = _about(path)
        elif path.is_file() and not any(part.startswith(".") for part in Path(name).parts):
            files[name] = {"path": str(path.resolve())}
    return {**about, "files": files}
