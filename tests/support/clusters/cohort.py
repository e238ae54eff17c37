"""The BET cohort on a cluster, and what an archive holds of it afterwards."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nipype_xnat import Interface
from support.clusters import submit


def started(
    site: SimpleNamespace, plugin: str, arguments: dict[str, Any] | None = None
) -> subprocess.Popen[str]:
    """Start the cohort's workflow in a process of its own."""
    words = [site.config, site.folder / "work", site.folder / "cache", plugin]
    return subprocess.Popen(
        [sys.executable, submit.__file__, *map(str, words), json.dumps(arguments or {})],
        cwd=site.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # as a terminal has it: what is interrupted are all its processes
    )


def run(
    site: SimpleNamespace, plugin: str, arguments: dict[str, Any] | None = None
) -> tuple[int, str]:
    """Run the cohort's workflow; return exit code and what was printed."""
    with started(site, plugin, arguments) as process:
        said, _ = process.communicate(timeout=200)
    return process.returncode, said


def held(site: SimpleNamespace, label: str = "BET") -> dict[tuple[str, str], tuple[str, ...]]:
    """Return what the archive lists of the results, and the digest of the bytes it gives out."""
    found = {}
    path = f"/projects/DEMO/experiments/*/resources/{label}/files"
    with Interface(config=site.config, cache=site.folder / "read") as archive:
        for record in archive.select(path).records():
            uri = f"/data/experiments/{record.experiment_id}/resources/{label}/files/{record.path}"
            bytes_ = archive.get(uri).content
            assert hashlib.md5(bytes_).hexdigest() == record.digest
            words = (record.digest, str(record.size), record.resource_label)
            found[record.experiment_label, record.path] = words
    return found


def state(site: SimpleNamespace) -> dict[str, Any]:
    """Return what an archive holds of the results: files by bytes, and rows of the resources."""
    keep = ("label", "file_count", "file_size", "format", "content", "cat_id", "category")
    rows = []
    with Interface(config=site.config) as archive:
        for label in submit.SESSIONS:
            uri = f"/data/projects/DEMO/experiments/{label}/resources"
            for row in archive.get(uri, params={"format": "json"}).json()["ResultSet"]["Result"]:
                rows.append((label, *(str(row.get(key, "")) for key in keep)))
    return {"files": held(site), "resources": sorted(rows)}


def jobs_of(work: Path) -> list[Path]:
    """Return the pickled nodes that were handed to a scheduler."""
    return sorted(work.rglob("batch/node_*.pklz"))
