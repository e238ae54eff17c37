"""What the benchmarks of fetching share: lists of files, and the ways to bring them here."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import requests

from nipype_xnat import Interface, transfer

from . import peers
from .site import PASSWORD, USER, command

ALL = "/projects/P001/experiments/*/scans/*/resources/*/files/*"

_count = itertools.count()


def listed(url: str, path: str = ALL) -> list[Any]:
    """Return the records of files."""
    with Interface(url, USER, PASSWORD) as client:
        return list(client.select(path).records())


def cookie(url: str) -> str:
    """Log in, and return the cookie."""
    with requests.Session() as http:
        http.trust_env = False
        http.post(f"{url}/data/JSESSION", auth=(USER, PASSWORD), timeout=60).raise_for_status()
        return str(http.cookies["JSESSIONID"])


def emptied(folder: Path) -> Path:
    """Empty a folder, or make it; what :func:`renewed` put aside goes too."""
    for one in (folder, *folder.parent.glob(f"{folder.name}-*")):
        shutil.rmtree(one, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def renewed(folder: Path) -> Path:
    """Put aside what a folder holds: ext4 makes files slowly where many were just removed."""
    if folder.exists():
        folder.rename(folder.with_name(f"{folder.name}-{next(_count)}"))
    folder.mkdir(parents=True)
    return folder


def ours(url: str, records: Sequence[Any], cache: Path, connections: int) -> int:
    """Bring files into a cache, log-in and log-out included; return their bytes."""
    with Interface(url, USER, PASSWORD, cache=cache, connections=connections) as client:
        fetched = transfer.fetch(
            client.transport, records, client.cache, connections=connections, listed=True
        )
    return sum(one.record.size or 0 for one in fetched)


def curl(url: str, records: Sequence[Any], folder: Path, connections: int) -> int:
    """Bring files into a folder with curl, log-in included; return their bytes."""
    key = cookie(url)
    lines = []
    for number, record in enumerate(records):
        lines += [f'url = "{url}{record.file}"', f'output = "{folder}/{number}"']
    config = folder / "list"
    config.write_text("\n".join(lines), encoding="utf-8")
    parallel = ["--parallel", "--parallel-max", str(connections)] if connections > 1 else []
    command(
        ["curl", "--silent", "--fail", *parallel, "--cookie", f"JSESSIONID={key}", "-K", config],
        stderr=subprocess.DEVNULL,
    )
    config.unlink()
    return sum(path.stat().st_size for path in folder.iterdir())


def pyxnat(url: str, records: Sequence[Any], folder: Path, threads: int) -> int:
    """Bring files into a folder with pyxnat's ``File.get``; return their bytes."""
    with peers.pyxnat(url) as archive:

        def get(record: Any) -> list[str]:
            path = (
                f"/project/{record.project}/subject/{record.subject_label}"
                f"/experiment/{record.experiment_label}/scan/{record.scan_id}"
                f"/resource/{record.resource_label}/file/{record.path}"
            )
            to = folder / f"{record.experiment_id}-{record.path}"
            return [archive.select(path).get(str(to))]

        got = peers.spread(get, records, threads)
    return sum(Path(path).stat().st_size for path in got)


def xnatpy(url: str, records: Sequence[Any], folder: Path, threads: int) -> int:
    """Bring files into a folder with xnatpy's ``download``; return their bytes."""
    with peers.xnatpy(url) as archive:

        def get(record: Any) -> list[Path]:
            to = folder / f"{record.experiment_id}-{record.path}"
            archive.download(str(record.file), str(to), verbose=False)
            return [to]

        if threads == 1:
            got = peers.spread(get, records, 1)
        else:
            with ThreadPoolExecutor(threads) as pool:
                got = [path for part in pool.map(get, records) for path in part]
    return sum(path.stat().st_size for path in got)
