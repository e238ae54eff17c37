"""Finding what a path written inside a request means."""

from __future__ import annotations

from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.tree import Catalog, Tree
from nipype_xnat.server.call import HttpFailure

_STEPS = {
    "projects": "project",
    "subjects": "subject",
    "experiments": "experiment",
    "scans": "scan",
    "reconstructions": "recon",
    "assessors": "assessor",
    "resources": "resource",
}


def catalogs_of(elements: Elements, path: str) -> tuple[list[Catalog], Element]:
    """Give the resources at and below a path, and the element whose rights count.

    Raises
    ------
    HttpFailure
        When the path makes no sense.
    """
    parts = [part for part in path.split("/") if part]
    if parts[:1] in (["data"], ["REST"]):
        parts = parts[1:]
    if parts[:1] == ["archive"]:
        parts = parts[1:]
    names: dict[str, str] = {}
    while parts:
        step = parts.pop(0)
        if step in {"in", "out"}:
            names["direction"] = step
            continue
        if step == "files" or step not in _STEPS or not parts:
            raise HttpFailure(400, f"Invalid resource path: {path}")
        names[_STEPS[step]] = parts.pop(0)
    if {"scan", "recon", "assessor"} & names.keys():
        names["session"] = names.pop("experiment", "")
        if "assessor" in names:
            names["experiment"] = names.pop("assessor")
    if not names:
        raise HttpFailure(400, f"Invalid resource path: {path}")
    tree = Tree(elements)
    scope = tree.scope(names, many=False)
    catalogs, named = tree.selected(scope, "resource" not in names)
    security = scope.security
    if security is None:
        raise HttpFailure(400, f"Invalid resource path: {path}")
    return (named if "resource" in names else catalogs), security
