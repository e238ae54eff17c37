"""Making a large archive quickly: through the archive's own rules, in large transactions.

Each session has four scans with twelve files each and two files of its own. The catalog has
a row of its own for each file, with a size and a digest; the contents of one session are one
stored content, because no listing reads a content and a million small files would measure
the file system of the machine.
"""

from __future__ import annotations

import io
from pathlib import Path

from nipype_xnat.archive import Archive, Site
from nipype_xnat.archive.elements import Draft, Element, Elements
from nipype_xnat.archive.files import About, count, create_resource, store
from nipype_xnat.archive.people import Person, find_account
from nipype_xnat.archive.storage.blobs import Blob

PER_PROJECT = 200
SCANS = ("T1w", "T2w", "rest", "dwi")
FILES_PER_SCAN = 12
OWN_FILES = 2
FILES_PER_SESSION = len(SCANS) * FILES_PER_SCAN + OWN_FILES
_CALLED = {"subject": "S", "experiment": "E"}


def make(folder: Path, sessions: int) -> None:
    """Make an archive of so many sessions, in projects of 200.

    Parameters
    ----------
    folder : Path
        Where; it must not hold an archive yet.
    sessions : int
        How many sessions, fifty files each.
    """
    with Archive(folder, Site(durable=False)) as archive:
        with archive.database.read() as connection:
            row = find_account(connection, archive.site.admin)
        admin = Person(row["login"], row["pk"], admin=True)
        for first in range(0, sessions, PER_PROJECT):
            number = first // PER_PROJECT + 1
            contents = [
                archive.blobs.add(io.BytesIO(f"session {first + n}\n".encode()))
                for n in range(min(PER_PROJECT, sessions - first))
            ]
            with archive.changing(admin) as elements:
                _project(elements, f"P{number:03d}", contents)


def _insert(elements: Elements, kind: str, name: str, values: dict[str, str], **more: object):
    datatype = elements.dictionary.get(name)
    assert datatype is not None, name
    return elements.insert(kind, datatype, Draft(values=values), **more)


def _project(elements: Elements, project: str, contents: list[Blob]) -> None:
    made = _insert(elements, "project", "xnat:projectData", {"name": project}, id=project)
    elements.join(project, elements.who.pk, "owner")
    elements.set_setting(project, "accessibility", "private")
    for number, blob in enumerate(contents, start=1):
        _session(elements, made.id, number, blob)


def _session(elements: Elements, project: str, number: int, blob: Blob) -> None:
    subject = _insert(
        elements,
        "subject",
        "xnat:subjectData",
        {"demographics/gender": "male" if number % 2 else "female"},
        id=elements.next_id("S"),
        label=f"S{number:04d}",
        project=project,
    )
    session = _insert(
        elements,
        "experiment",
        "xnat:mrSessionData",
        {"age": str(20 + number % 60), "scanner": f"scanner {number % 3}"},
        id=elements.next_id("E"),
        label=f"S{number:04d}_MR1",
        project=project,
        subject_pk=subject.pk,
        date=f"2024-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
    )
    for place, kind in enumerate(SCANS, start=1):
        scan = _insert(
            elements,
            "scan",
            "xnat:mrScanData",
            {"quality": "usable"},
            id=str(place),
            scan_type=kind,
            session_pk=session.pk,
        )
        _files(elements, scan, "DICOM", f"{kind}_{{:04d}}.dcm", FILES_PER_SCAN, blob)
    _files(elements, session, "NOTES", "note_{}.txt", OWN_FILES, blob)


def _files(
    elements: Elements, owner: Element, label: str, name: str, number: int, blob: Blob
) -> None:
    pk = create_resource(elements, owner, "", label, About(format=label))
    arrived = [(name.format(n), blob) for n in range(1, number + 1)]
    store(elements.connection, pk, arrived, About(), elements.who.login, False, True)
    count(elements.connection, pk)
