"""Storing many small files, and a few large ones."""

from __future__ import annotations

import itertools
import random
import subprocess
import tempfile
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from nipype_xnat import Interface

from . import fetching, peers
from .figures import Bars, Setting, Subject, seconds
from .made import Scan, Shape, archive_of
from .nodes import config_of
from .site import PASSWORD, USER, Measured, Site, command, computed, in_turn, serving

SMALL = 20_000
RTT = 20
_count = itertools.count()


def run(setting: Setting) -> Subject:
    """Measure."""
    found = Subject("Storing files")
    shape = Shape(1, (Scan("T1w", size=1_000),))
    with (
        serving(archive_of(shape, setting.folder), shape.site) as site,
        tempfile.TemporaryDirectory(dir=setting.folder) as work,
    ):
        with site.link(RTT) as link:
            _small(setting, found, site, link.url, Path(work))
        _large(setting, found, site, Path(work))
        with Interface(site.url, USER, PASSWORD) as client:
            for resource in client.select("/projects/P001/experiments/*/resources"):
                resource.delete()
    return found


def _label() -> str:
    return f"R{next(_count)}"


def _files(folder: Path, number: int, size: int) -> list[Path]:
    folder.mkdir()
    chance = random.Random(size)
    block = chance.randbytes(min(size, 1 << 20))
    paths = []
    for n in range(number):
        path = folder / f"file_{n:04d}.bin"
        with path.open("wb") as stream:
            stream.write(b"%08d" % n)
            left = size - 8
            while left > 0:
                left -= stream.write(block[:left])
        paths.append(path)
    return paths


# ---- the ways; each makes a resource of its own


def ours(url: str, paths: list[Path]) -> int:
    """Store with this package: compared with the listing afterwards."""
    with Interface(url, USER, PASSWORD) as client:
        resource = client.select.project("P001").experiment("S00001_MR1").resource(_label())
        return len(resource.put({path.name: path for path in paths}).files)


def _base(url: str) -> str:
    return f"{url}/data/projects/P001/subjects/S00001/experiments/S00001_MR1/resources/{_label()}"


def curl_zip(url: str, paths: list[Path]) -> int:
    """Pack the files, send the zip with curl, let the server unpack it."""
    target = paths[0].parent.with_suffix(".zip")
    with zipfile.ZipFile(target, "w") as bundle:
        for path in paths:
            bundle.write(path, path.name)
    _curl(url, [f"{_base(url)}/files/all.zip?extract=true&inbody=true"], [target])
    return len(paths)


def curl_each(url: str, paths: list[Path]) -> int:
    """Send each file with curl, one after the other on one connection."""
    base = _base(url)
    _curl(url, [f"{base}/files/{path.name}?inbody=true" for path in paths], paths)
    return len(paths)


def _curl(url: str, addresses: list[str], paths: list[Path]) -> None:
    lines = []
    for address, path in zip(addresses, paths, strict=True):
        lines += [f'url = "{address}"', f'upload-file = "{path}"']
    key = fetching.cookie(url)
    with tempfile.NamedTemporaryFile("w", suffix=".curl") as config:
        config.write("\n".join(lines))
        config.flush()
        command(
            [
                *("curl", "--silent", "--fail", "--cookie", f"JSESSIONID={key}"),
                *("--header", "Content-Type: application/octet-stream", "-K", config.name),
            ],
            stderr=subprocess.DEVNULL,
        )


def _pyxnat_resource(archive: Any) -> Any:
    path = f"/project/P001/subject/S00001/experiment/S00001_MR1/resource/{_label()}"
    return archive.select(path)


def pyxnat_each(url: str, paths: list[Path]) -> int:
    """Insert each file, as pyxnat's tutorial and Nipype's own sink do."""
    with peers.pyxnat(url) as archive:
        resource = _pyxnat_resource(archive)
        for path in paths:
            resource.file(path.name).insert(str(path))
    return len(paths)


def pyxnat_dir(url: str, paths: list[Path]) -> int:
    """Put a folder, which pyxnat packs."""
    with peers.pyxnat(url) as archive:
        _pyxnat_resource(archive).put_dir(str(paths[0].parent))
    return len(paths)


def xnatpy_each(url: str, paths: list[Path]) -> int:
    """Upload each file with xnatpy."""
    with peers.xnatpy(url) as archive:
        resource = _xnatpy_resource(archive)
        for path in paths:
            resource.upload(str(path), path.name)
    return len(paths)


def xnatpy_dir(url: str, paths: list[Path]) -> int:
    """Upload a folder with xnatpy, in its default way."""
    with peers.xnatpy(url) as archive:
        _xnatpy_resource(archive).upload_dir(str(paths[0].parent))
    return len(paths)


def _xnatpy_resource(archive: Any) -> Any:
    session = archive.projects["P001"].experiments["S00001_MR1"]
    return archive.classes.ResourceCatalog(parent=session, label=_label())


def nipype_sink(url: str, paths: list[Path]) -> int:
    """Store with Nipype's own sink."""
    from nipype.interfaces.io import XNATSink

    sink = XNATSink()
    sink.inputs.config = config_of(url, paths[0].parent.parent)
    sink.inputs.project_id = "P001"
    sink.inputs.subject_id = "S00001"
    sink.inputs.experiment_id = "S00001_MR1"
    sink.inputs.reconstruction_id = _label()
    sink.inputs.out = [str(path) for path in paths]
    sink.run()
    return len(paths)


# ---- the two rows


def _small(setting: Setting, found: Subject, site: Site, url: str, work: Path) -> None:
    number, part = setting.few(1_000, 100), setting.few(50, 10)
    paths = _files(work / "small", number, SMALL)
    few = _files(work / "few", part, SMALL)
    done = in_turn(
        {
            "nipype_xnat": partial(ours, url, paths),
            "curl, one zip": partial(curl_zip, url, paths),
            "pyxnat, put_dir": partial(pyxnat_dir, url, paths),
            "xnatpy, upload_dir": partial(xnatpy_dir, url, paths),
        },
        setting.rounds,
        site,
    )
    slow = in_turn(
        {
            "connect pyxnat": partial(peers.connect_pyxnat, url),
            "connect xnatpy": partial(peers.connect_xnatpy, url),
            "pyxnat, file.insert": partial(pyxnat_each, url, few),
            "Nipype's own XNATSink": partial(nipype_sink, url, few),
            "xnatpy, upload": partial(xnatpy_each, url, few),
        },
        min(setting.rounds, 3),
        site,
    )
    own = done["nipype_xnat"].seconds
    times = {name: one.seconds for name, one in done.items()}
    rows = [_row(name, one, own) for name, one in done.items()]
    fixed = {name: slow.pop(f"connect {name}") for name in ("pyxnat", "xnatpy")}
    for name, one in slow.items():
        # Nipype's sink logs in with pyxnat, and curl with as few requests
        once = fixed["xnatpy" if name.startswith("xnatpy") else "pyxnat"]
        asked, whole = computed(one, once, number / part)
        times[name] = whole
        rows.append([f"{name}, computed", f"{asked:,.0f}", seconds(whole), f"{whole / own:.1f}"])
    found.say(
        f"{number:,} files of {SMALL // 1000} KB into one resource, {RTT} ms a round trip, log-in "
        "and the making of the zip included. nipype_xnat hashes each file and compares the listing "
        f"afterwards; the others check nothing. Those computed are from {part} files."
    )
    found.table(["way", "requests", "time", "times ours"], rows)
    slowest = min(times["pyxnat, file.insert"], times["Nipype's own XNATSink"])
    what = f"store {number:,} x 20 KB"
    found.goal(f"{what}: upstream's and pyxnat's way / ours", slowest / own, 10, at_most=False)
    found.goal(
        f"{what}: curl with one zip / ours", times["curl, one zip"] / own, 0.9, at_most=False
    )
    found.bars.append(
        Bars("upload", f"Storing {number:,} files of 20 KB, {RTT} ms a round trip (s)", times)
    )


def _large(setting: Setting, found: Subject, site: Site, work: Path) -> None:
    number, size = setting.few((10, 200_000_000), (3, 20_000_000))
    paths = _files(work / "large", number, size)
    ways: dict[str, Callable[[], int]] = {
        "nipype_xnat": partial(ours, site.url, paths),
        "curl, each file": partial(curl_each, site.url, paths),
        "md5sum, then curl, each file": partial(_summed, site.url, paths),
    }
    done = in_turn(ways, min(setting.rounds, 3), site, patience=300, before=partial(_drop, site))
    one_file = paths[:1]
    peers_done = in_turn(
        {
            "connect pyxnat": partial(peers.connect_pyxnat, site.url),
            "connect xnatpy": partial(peers.connect_xnatpy, site.url),
            "pyxnat, file.insert": partial(pyxnat_each, site.url, one_file),
            "xnatpy, upload": partial(xnatpy_each, site.url, one_file),
        },
        1,
        site,
        before=partial(_drop, site),
    )
    own = done["nipype_xnat"].seconds
    rows = [_row(name, one, own) for name, one in done.items()]
    fixed = {name: peers_done.pop(f"connect {name}") for name in ("pyxnat", "xnatpy")}
    for name, one in peers_done.items():
        asked, whole = computed(one, fixed[name.partition(",")[0]], number)
        rows.append([f"{name}, computed", f"{asked:,.0f}", seconds(whole), f"{whole / own:.1f}"])
    found.say(
        f"{number} files of {size // 1_000_000} MB into one resource, without the link. "
        "nipype_xnat hashes each file while it sends it, and compares the listing afterwards; "
        "md5sum and curl do the same work. The peers' figures are computed from one file."
    )
    found.table(["way", "requests", "time", "times ours"], rows)
    found.goal(
        f"store {number} x {size // 1_000_000} MB: curl / ours",
        done["curl, each file"].seconds / own,
        0.9,
        at_most=False,
    )


def _summed(url: str, paths: list[Path]) -> int:
    command(["md5sum", *paths])
    return curl_each(url, paths)


def _drop(site: Site) -> None:
    """Remove what was stored, so that the disk does not fill."""
    with Interface(site.url, USER, PASSWORD) as client:
        for resource in client.select("/projects/P001/experiments/*/resources"):
            resource.delete()


def _row(name: str, one: Measured, own: float) -> list[object]:
    return [name, len(one.requests), seconds(one.seconds), f"{one.seconds / own:.2f}"]
