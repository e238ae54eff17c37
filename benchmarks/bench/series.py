"""A DICOM series: in one answer, or its files in parallel."""

from __future__ import annotations

import hashlib
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

from . import fetching, peers
from .figures import Setting, Subject, seconds
from .made import Scan, Shape, archive_of
from .site import command, in_turn, serving

SIZE = 150_000
FILES = 200
CONNECTIONS = 8


def _zip(url: str, records: list[Any], folder: Path) -> int:
    """Fetch the zip of a resource with curl, unpack it and check each file."""
    key = fetching.cookie(url)
    target = folder / "series.zip"
    address = f"{url}{records[0].resource}/files?format=zip"
    command(["curl", "-s", "-f", "--cookie", f"JSESSIONID={key}", "-o", target, address])
    wanted = {record.digest for record in records}
    came = 0
    with zipfile.ZipFile(target) as bundle:
        for number, name in enumerate(bundle.namelist()):
            data = bundle.read(name)
            wanted.discard(hashlib.md5(data, usedforsecurity=False).hexdigest())
            (folder / str(number)).write_bytes(data)
            came += len(data)
    assert not wanted
    return came


def _xnatpy_zip(url: str, records: list[Any], folder: Path) -> int:
    """Fetch and unpack a scan with xnatpy's ``download_dir``."""
    with peers.xnatpy(url) as archive:
        record = records[0]
        scan = archive.experiments[record.experiment_id].scans[record.scan_id]
        scan.download_dir(str(folder), verbose=False)
    return sum(path.stat().st_size for path in folder.rglob("*.dcm"))


def _pyxnat_zip(url: str, records: list[Any], folder: Path) -> int:
    """Fetch and unpack a resource with pyxnat's ``Resource.get``."""
    with peers.pyxnat(url) as archive:
        record = records[0]
        resource = archive.select(
            f"/project/{record.project}/subject/{record.subject_label}"
            f"/experiment/{record.experiment_label}/scan/{record.scan_id}"
            f"/resource/{record.resource_label}"
        )
        resource.get(str(folder), extract=True)
    return sum(path.stat().st_size for path in folder.rglob("*.dcm"))


def run(setting: Setting) -> Subject:
    """Measure."""
    files = setting.few(FILES, 30)
    found = Subject(f"A DICOM series of {files} files")
    shape = Shape(1, (Scan("t1_mpr", "DICOM", files, SIZE, ".dcm"),))
    to = setting.folder / "fetched"

    def fresh() -> None:
        fetching.renewed(to)

    found.say(
        f"Files of {SIZE // 1000} KB. nipype_xnat chooses by itself, with the {CONNECTIONS} "
        "connections that are its default. The zip is fetched by curl, unpacked, and each file's "
        "MD5 checked; parallel is curl --parallel on the same number of connections, and nothing "
        "checked."
    )
    for rtt in (0, 20, 50):
        with serving(archive_of(shape, setting.folder), shape.site) as site, site.link(rtt) as link:
            records = fetching.listed(site.url)
            ways: dict[str, Any] = {
                "nipype_xnat": partial(fetching.ours, link.url, records, to, CONNECTIONS),
                "one zip": partial(_zip, link.url, records, to),
                "parallel": partial(fetching.curl, link.url, records, to, CONNECTIONS),
            }
            if rtt == 20:
                ways["xnatpy, download_dir"] = partial(_xnatpy_zip, link.url, records, to)
                ways["pyxnat, get"] = partial(_pyxnat_zip, link.url, records, to)
            fetching.ours(site.url, records[:1], fetching.emptied(to), 1)  # imports what it needs
            done = in_turn(ways, setting.rounds, site, before=fresh)
            fetching.emptied(to)
        assert all(one.result == files * SIZE for one in done.values()), {
            name: one.result for name, one in done.items()
        }
        own = done["nipype_xnat"].seconds
        rows = [
            [name, len(one.requests), seconds(one.seconds), f"{one.seconds / own:.2f}"]
            for name, one in done.items()
        ]
        found.say(f"{rtt} ms a round trip:")
        found.table(["way", "requests", "time", "times ours"], rows)
        best = min(done["one zip"].seconds, done["parallel"].seconds)
        found.goal(f"series at {rtt} ms: ours / the faster of zip and parallel", own / best, 1.2)
    return found
