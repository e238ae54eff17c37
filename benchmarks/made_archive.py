"""Making a large archive quickly.

One project of 200 sessions is made by the archive's own rules; the other projects are copies
of its rows, with numbers, ids and labels of their own, in one transaction each. Each session
has four scans with twelve files each and two files of its own. Each file has a row of its own
in the database, with a size and a digest; the contents are one stored file for each session of
the first project, because no listing reads a content, and a million tiny files would measure
the file system of the machine.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nipype_xnat.archive import Archive, Site
from nipype_xnat.archive.elements import Draft, Element, Elements
from nipype_xnat.archive.files import About, count, create_resource, store
from nipype_xnat.archive.people import Person, find_account
from nipype_xnat.archive.storage import schema
from nipype_xnat.archive.storage.blobs import Blob

PER_PROJECT = 200
SCANS = ("T1w", "T2w", "rest", "dwi")
FILES_PER_SCAN = 12
OWN_FILES = 2
SPAN = 100_000  # numbers of rows set aside for one project
FILES_PER_SESSION = len(SCANS) * FILES_PER_SCAN + OWN_FILES


def make(folder: Path, sessions: int) -> None:
    """Make an archive of so many sessions, in projects of 200.

    Parameters
    ----------
    folder : Path
        Where; it must not hold an archive yet.
    sessions : int
        How many sessions, fifty files each: 200 or a multiple of it, or fewer.
    """
    with Archive(folder, Site(durable=False)) as archive:
        with archive.database.read() as connection:
            row = find_account(connection, archive.site.admin)
        admin = Person(row["login"], row["pk"], admin=True)
        contents = [
            archive.blobs.add(io.BytesIO(f"session {n}\n".encode()))
            for n in range(min(PER_PROJECT, sessions))
        ]
        with archive.changing(admin) as elements:
            _project(elements, "P001", contents)
        for number in range(2, sessions // PER_PROJECT + 1):
            with archive.changing(admin) as elements:
                _copy(elements, number)


def _copy(elements: Elements, number: int) -> None:
    name = f"P{number:03d}"
    for table in schema.metadata.sorted_tables:
        numbers = numbers_of(table)
        if table is not schema.element and numbers in ([], ["pk"]):
            continue
        first = elements.connection.execute(sa.select(table).where(of_first(table))).mappings()
        rows = [dict(row) for row in first]
        for row in rows:
            for column in numbers:
                if row[column] is not None:
                    row[column] += (number - 1) * SPAN
            if table is schema.element:
                _rename(row, name, number)
        if rows:
            elements.connection.execute(table.insert(), rows)
    elements.join(name, elements.who.pk, "owner")
    elements.set_setting(name, "accessibility", "private")
    for letter in "SE":
        elements.connection.execute(
            schema.counter.update()
            .where(schema.counter.c.name == letter)
            .values(value=number * PER_PROJECT)
        )


def _counts(column: sa.Column[Any]) -> bool:
    """Tell whether a column numbers a row of the tree, or refers to such a number."""
    tree = {schema.element, schema.resource, schema.file}
    return column.name == "pk" or any(key.column.table in tree for key in column.foreign_keys)


def numbers_of(table: sa.Table) -> list[str]:
    """Return the columns that number rows of the tree, or refer to such numbers."""
    return [column.name for column in table.c if _counts(column)]


def of_first(table: sa.Table) -> sa.ColumnElement[bool]:
    """Tell the rows that were made by the archive's own rules from their copies."""
    column = next(c for c in table.c if _counts(c))
    return column <= SPAN


def _rename(row: dict[str, Any], project: str, number: int) -> None:
    if row["kind"] == "project":
        row["id"] = project
    if row["project"] is not None:
        row["project"] = project
    if row["kind"] in {"subject", "experiment"}:
        front, digits = row["id"][:-5], row["id"][-5:]
        row["id"] = f"{front}{int(digits) + (number - 1) * PER_PROJECT:05d}"


def insert(
    elements: Elements, kind: str, name: str, values: dict[str, str], **more: Any
) -> Element:
    """Enter an element by the archive's own rules."""
    datatype = elements.dictionary.get(name)
    assert datatype is not None, name
    return elements.insert(kind, datatype, Draft(values=values), **more)


def _project(elements: Elements, project: str, contents: list[Blob]) -> None:
    made = insert(elements, "project", "xnat:projectData", {"name": project}, id=project)
    elements.join(project, elements.who.pk, "owner")
    elements.set_setting(project, "accessibility", "private")
    for number, blob in enumerate(contents, start=1):
        _session(elements, made.id, number, blob)


def _session(elements: Elements, project: str, number: int, blob: Blob) -> None:
    subject = insert(
        elements,
        "subject",
        "xnat:subjectData",
        {"demographics/gender": "male" if number % 2 else "female"},
        id=elements.next_id("S"),
        label=f"S{number:04d}",
        project=project,
    )
    session = insert(
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
        scan = insert(
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
