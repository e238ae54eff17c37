"""Making the cohorts that are asked for, of any shape, with or without the bytes of images.

The first sessions are made by the archive's own rules; where the files need no bytes of their own,
the others of a project are copies of these rows, with numbers, ids and labels of their own.
"""

from __future__ import annotations

import hashlib
import io
import random
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from made_archive import SPAN, insert, numbers_of, of_first

from nipype_xnat.archive import Archive, Site
from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.files import About, count, create_resource, store
from nipype_xnat.archive.people import Person, find_account
from nipype_xnat.archive.storage import schema
from nipype_xnat.archive.storage.blobs import Blob

_BLOCK = 200


@dataclass(frozen=True)
class Scan:
    """The scans of one type that each session has.

    Parameters
    ----------
    type : str
    resource : str
        Label of its one resource.
    files : int
        Files of the resource.
    size : int
        Bytes of each file, each of its own content; 0 for one content of some bytes for all.
    suffix : str
        End of the files' names.
    """

    type: str
    resource: str = "NIFTI"
    files: int = 1
    size: int = 0
    suffix: str = ".nii.gz"


@dataclass(frozen=True)
class Shape:
    """What an archive holds.

    Parameters
    ----------
    sessions : int
        Of each project.
    scans : tuple of Scan
        Of each session.
    projects : int
        ``P001`` and so on.
    id_length : int
        Characters of the ids of sessions.
    digests : bool
        Whether the archive keeps digests.
    lists : bool
        Whether it takes comma lists in addresses.
    """

    sessions: int
    scans: tuple[Scan, ...] = (Scan("T1w"), Scan("T2w"))
    projects: int = 1
    id_length: int = 12
    digests: bool = True
    lists: bool = True

    @property
    def site(self) -> dict[str, Any]:
        """The settings of the archive."""
        return {
            "site_id": "SITE",
            "id_width": self.id_length - len("SITE_E"),
            "checksums": self.digests,
            "refuse_comma_lists": not self.lists,
        }

    @property
    def bare(self) -> bool:
        """Whether no file needs bytes of its own."""
        return not any(scan.size for scan in self.scans)


def archive_of(shape: Shape, folder: Path) -> Path:
    """Return the folder of an archive of a shape, made if it is not there yet."""
    name = hashlib.sha256(repr(asdict(shape)).encode()).hexdigest()[:12]
    if shape.projects > 1 and shape.bare and shape.sessions > _BLOCK:
        raise ValueError("only one project can be copied")
    root = folder / f"made-{name}"
    if (root / "whole").exists():
        return root
    shutil.rmtree(root, ignore_errors=True)
    chance = random.Random(name)
    with Archive(root, Site(durable=False, **shape.site)) as archive:
        with archive.database.read() as connection:
            row = find_account(connection, archive.site.admin)
        assert row is not None
        admin = Person(row["login"], row["pk"], admin=True)
        tiny = archive.blobs.add(io.BytesIO(b"image\n"))
        for number in range(1, shape.projects + 1):
            project = f"P{number:03d}"
            own = min(shape.sessions, _BLOCK) if shape.bare else shape.sessions
            with archive.changing(admin) as elements:
                named = {"name": project}
                made = insert(elements, "project", "xnat:projectData", named, id=project)
                elements.join(project, elements.who.pk, "owner")
                elements.set_setting(project, "accessibility", "private")
                for session in range(1, own + 1):
                    _session(archive, elements, made.id, session, shape, tiny, chance)
            for copied in range(own, shape.sessions, _BLOCK):
                with archive.changing(admin) as elements:
                    _copy(elements, copied)
    (root / "whole").touch()
    return root


def _content(chance: random.Random, size: int) -> io.BytesIO:
    # a random block again and again: no two files are equal, and no link compresses
    block = chance.randbytes(min(size, 1 << 20))
    return io.BytesIO((block * (size // len(block) + 1))[:size])


def _session(
    archive: Archive,
    elements: Elements,
    project: str,
    number: int,
    shape: Shape,
    tiny: Blob,
    chance: random.Random,
) -> None:
    label = f"S{number:05d}"
    subject = insert(
        elements,
        "subject",
        "xnat:subjectData",
        {"demographics/gender": "male" if number % 2 else "female"},
        id=elements.next_id("S"),
        label=label,
        project=project,
    )
    session = insert(
        elements,
        "experiment",
        "xnat:mrSessionData",
        {},
        id=elements.next_id("E"),
        label=f"{label}_MR1",
        project=project,
        subject_pk=subject.pk,
        date=f"2024-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
    )
    for place, scan in enumerate(shape.scans, start=1):
        # ids of scans differ between sessions, as they do where people scan
        made = insert(
            elements,
            "scan",
            "xnat:mrScanData",
            {"quality": "usable"},
            id=str(10 * place + number % 3),
            scan_type=scan.type,
            session_pk=session.pk,
        )
        arrived = [
            (
                f"{scan.type}_{n:04d}{scan.suffix}",
                archive.blobs.add(_content(chance, scan.size)) if scan.size else tiny,
            )
            for n in range(1, scan.files + 1)
        ]
        _files(elements, made, scan.resource, arrived, shape.digests)


def _files(
    elements: Elements, owner: Element, label: str, arrived: list[tuple[str, Blob]], digests: bool
) -> None:
    pk = create_resource(elements, owner, "", label, About(format=label))
    store(elements.connection, pk, arrived, About(), elements.who.login, False, digests)
    count(elements.connection, pk)


def _copy(elements: Elements, beyond: int) -> None:
    """Copy the first sessions of the one project, as sessions with higher numbers."""
    for table in schema.metadata.sorted_tables:
        numbers = numbers_of(table)
        if table is not schema.element and numbers in ([], ["pk"]):
            continue
        found = elements.connection.execute(sa.select(table).where(of_first(table))).mappings()
        rows = [dict(row) for row in found if row.get("kind") != "project"]
        for row in rows:
            for column in numbers:
                if row[column] is not None:
                    row[column] += beyond // _BLOCK * SPAN
            if table is schema.element and row["kind"] in {"subject", "experiment"}:
                front, digits = row["id"][:-5], row["id"][-5:]
                row["id"] = f"{front}{int(digits) + beyond:05d}"
                row["label"] = f"S{int(row['label'][1:6]) + beyond:05d}{row['label'][6:]}"
        if rows:
            elements.connection.execute(table.insert(), rows)
    for letter in "SE":
        elements.connection.execute(
            schema.counter.update()
            .where(schema.counter.c.name == letter)
            .values(value=beyond + _BLOCK)
        )
