"""Nodes of workflows: this package's, and Nipype's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .site import PASSWORD, USER


def config_of(url: str, folder: Path) -> str:
    """Write a configuration file, and return its path."""
    path = folder / "xnat.json"
    path.touch(mode=0o600)
    values = {"server": url, "user": USER, "password": PASSWORD}
    path.write_text(json.dumps(values), encoding="utf-8")
    return str(path)


def source(template: str, config: str, cache: Path, **inputs: Any) -> Any:
    """Make a source of one outfield, ``out``."""
    from nipype_xnat import XNATSource

    node = XNATSource(templates={"out": template}, **inputs)
    node.inputs.config = config
    node.inputs.cache_dir = str(cache)
    node.inputs.force_lists = True
    return node


def peer_source(config: str, subject: str) -> Any:
    """Make Nipype's own source of the files of one subject.

    Only with a configuration file: what it gives pyxnat beside server, user and password is a
    folder, which pyxnat 1.6 takes for such a file.
    """
    from nipype.interfaces.io import XNATSource

    node = XNATSource(infields=["subject"], outfields=["out"])
    node.inputs.config = config
    node.inputs.query_template = (
        "/projects/P001/subjects/%s/experiments/*/scans/*/resources/NIFTI/files"
    )
    node.inputs.query_template_args["out"] = [["subject"]]
    node.inputs.subject = subject
    return node
