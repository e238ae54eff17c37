"""Making a session of the DICOM files that arrived: its type, its fields, its scans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from nipype_xnat.archive import dicom, values
from nipype_xnat.archive.datatypes import DataType, Dictionary
from nipype_xnat.archive.dicom import Instance
from nipype_xnat.archive.documents import Datum, Node
from nipype_xnat.archive.elements import Draft, Element, Elements
from nipype_xnat.archive.errors import Invalid
from nipype_xnat.archive.prearchive import Held, Prearchive, Waiting, series_folder
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.archive.storage.blobs import Blobs

#: what catalogs of DICOM files say of themselves, by label
CONTENTS = {"DICOM": ("DICOM", "RAW"), "secondary": ("DICOM", "secondary")}


def fitting(datatype: DataType, found: Mapping[str, str]) -> dict[str, str]:
    """Keep the values that fit into fields of a type; headers hold anything."""
    kept: dict[str, str] = {}
    for path, value in found.items():
        spec = datatype.fields.get(path)
        if spec is None:
            continue
        text = value
        if spec.datatype == "integer":
            try:
                text = str(round(float(value)))
            except (ValueError, OverflowError):
                continue
        try:
            kept[path] = values.canonical(spec, text)
        except Invalid:
            continue
    return {path: value for path, value in kept.items() if value}


def _type(dictionary: Dictionary, name: str, other: str) -> DataType:
    found = dictionary.get(name) or dictionary.get(other)
    if found is None:
        raise Invalid(f"{name} is not a data type of this archive")
    return found


def _series(files: Iterable[Held]) -> dict[str, list[tuple[Held, Instance]]]:
    found: dict[str, list[tuple[Held, Instance]]] = {}
    for held in files:
        if held.header is not None:
            instance = Instance(**held.header)
            found.setdefault(instance.series or held.scan, []).append((held, instance))
    return found


def _scan_ids(
    series: Mapping[str, list[tuple[Held, Instance]]], built: Mapping[str, Any] | None
) -> dict[str, str]:
    ids: dict[str, str] = {}
    for scan in (built or {}).get("scans", ()):
        if scan["fields"].get("UID") in series:
            ids[scan["fields"]["UID"]] = scan["id"]
    for uid, members in series.items():
        if uid in ids:
            continue
        instance = members[0][1]
        wanted = name = series_folder(instance)
        number = 1
        while wanted in ids.values():
            wanted = f"{name}-{instance.modality or 'OT'}{number}"
            number += 1
        ids[uid] = wanted
    return ids


def build(prearchive: Prearchive, waiting: Waiting) -> Waiting:
    """Read the headers of a session's files again, and make its document of them."""
    elements = prearchive.elements
    dictionary = elements.dictionary
    files = prearchive.files(waiting)
    series = _series(files)
    if not series:
        return prearchive.update(
            prearchive.note(waiting, "The session holds no DICOM files."), status="ERROR"
        )
    scans = []
    for uid, scan_id in _scan_ids(series, waiting.built).items():
        members = series[uid]
        name, fields = _scan_values(dictionary, [instance for _, instance in members])
        scans.append({"id": scan_id, "type": name, "fields": fields})
        for held, _ in members:
            if held.scan != scan_id:
                prearchive.connection.execute(
                    s.prearchive_file.update()
                    .where(s.prearchive_file.c.pk == held.pk)
                    .values(scan=scan_id)
                )
    everything = [instance for members in series.values() for _, instance in members]
    name, fields = _session_values(dictionary, everything)
    built = {"type": name, "fields": fields, "scans": scans}
    return prearchive.update(waiting, built=built, status="READY")


def _scan_values(
    dictionary: Dictionary, instances: Sequence[Instance]
) -> tuple[str, dict[str, str]]:
    datatype = _type(dictionary, dicom.scan_type(instances), "xnat:otherDicomScanData")
    first = next((i for i in instances if not i.secondary), instances[0])
    fields = fitting(datatype, first.scan)
    fields.setdefault("type", fields.get("series_description", "unknown"))
    fields["quality"] = "usable"
    fields["frames"] = str(sum(i.frames for i in instances))
    return datatype.name, fields


def _session_values(
    dictionary: Dictionary, instances: Sequence[Instance]
) -> tuple[str, dict[str, str]]:
    known = [i.modality for i in instances if i.modality]
    imaging = [i.modality for i in instances if i.modality and not i.secondary] or known
    name = dicom.session_type(list(dict.fromkeys(imaging)))
    datatype = _type(dictionary, name, "xnat:otherDicomSessionData")
    leading = dicom.leading_modality(imaging)
    first = next((i for i in instances if i.modality == leading), instances[0])
    return datatype.name, fitting(datatype, {**first.session, "modality": leading})


def read_again(elements: Elements, blobs: Blobs, session: Element) -> None:
    """Set the fields of an archived session and of its scans to what their headers say."""
    everything: list[Instance] = []
    for scan in elements.children(session, "scan"):
        instances = []
        for name, blob in _dicom_files(elements, scan):
            try:
                with blobs.open(blob) as stream:
                    instances.append(dicom.read(stream, name))
            except (dicom.NotDicom, FileNotFoundError):
                continue
        if instances:
            _, fields = _scan_values(elements.dictionary, instances)
            kept = fitting(elements.datatype(scan), fields)
            for decided in ("type", "quality"):
                kept.pop(decided, None)
            elements.update(scan, Draft(values=kept))
            everything += instances
    if everything:
        _, fields = _session_values(elements.dictionary, everything)
        elements.update(session, Draft(values=fitting(elements.datatype(session), fields)))


def _dicom_files(elements: Elements, scan: Element) -> list[tuple[str, str]]:
    query = (
        sa.select(s.file.c.path, s.file.c.blob)
        .join(s.resource, s.resource.c.pk == s.file.c.resource_pk)
        .where(
            s.resource.c.owner_pk == scan.pk,
            s.resource.c.label.in_(list(CONTENTS)),
            s.file.c.catalogued,
        )
    )
    return [(path, blob) for path, blob in elements.connection.execute(query)]


def remove_scan(prearchive: Prearchive, waiting: Waiting, scan_id: str) -> list[str]:
    """Take a scan out of a waiting session, and return the names of its files' contents."""
    gone = prearchive.files(waiting, scan_id)
    c = s.prearchive_file.c
    prearchive.connection.execute(
        s.prearchive_file.delete().where(c.session_pk == waiting.pk, c.scan == scan_id)
    )
    built = dict(waiting.built or {})
    built["scans"] = [scan for scan in built.get("scans", ()) if scan["id"] != scan_id]
    prearchive.note(prearchive.update(waiting, built=built), f"Deleted scan {scan_id}")
    return [held.blob for held in gone]


def scan_of(waiting: Waiting, scan_id: str) -> dict[str, Any] | None:
    """Find a scan of a built session."""
    for scan in (waiting.built or {}).get("scans", ()):
        if scan["id"] == scan_id:
            return dict(scan)
    return None


def grouped(files: Iterable[Held]) -> dict[tuple[str, str], list[Held]]:
    """Group files by scan and resource."""
    found: dict[tuple[str, str], list[Held]] = {}
    for held in files:
        found.setdefault((held.scan, held.label), []).append(held)
    return found


def document(elements: Elements, waiting: Waiting, files: Iterable[Held]) -> Node:
    """Write the document of a built session."""
    built = waiting.built or {}
    dictionary = elements.dictionary
    resources = grouped(files)
    fields = {**built["fields"], **waiting.values}
    fields.update(label=waiting.name, subject_ID=waiting.subject or "")
    if waiting.project is not None:
        fields["project"] = waiting.project
    node = _node(dictionary, built["type"], fields)
    scans = []
    for scan in built["scans"]:
        inner = _node(dictionary, scan["type"], {"ID": scan["id"], **scan["fields"]})
        of_scan = {key: group for key, group in resources.items() if key[0] == scan["id"]}
        _resources(dictionary, inner, "file", of_scan)
        scans.append(inner)
    if scans:
        node.children.append(("scans/scan", "xnat:imageScanData", scans))
    own = {key: group for key, group in resources.items() if not key[0]}
    _resources(dictionary, node, "resources/resource", own)
    return node


def _node(dictionary: Dictionary, name: str, fields: Mapping[str, Any]) -> Node:
    datatype = _type(dictionary, name, "xnat:otherDicomSessionData")
    node = Node(datatype)
    for path, spec in datatype.fields.items():
        if fields.get(path) not in {None, ""}:
            node.data.append(Datum(path, spec.steps, fields[path]))
    return node


def _resources(
    dictionary: Dictionary, node: Node, place: str, groups: Mapping[tuple[str, str], list[Held]]
) -> None:
    found = []
    for (scan, label), group in groups.items():
        front = f"SCANS/{scan}/{label}/scan_{scan}" if scan else f"RESOURCES/{label}/{label}"
        kind, content = CONTENTS.get(label, ("", ""))
        fields = {
            "label": label,
            "URI": f"{front}_catalog.xml",
            "format": kind,
            "content": content,
            "file_count": len(group),
            "file_size": sum(held.size for held in group),
        }
        found.append(_node(dictionary, "xnat:resourceCatalog", fields))
    if found:
        node.children.append((place, "xnat:abstractResource", found))


def idle(prearchive: Prearchive, before: float) -> list[Waiting]:
    """List the sessions that received nothing since a moment and are not built yet."""
    c = s.prearchive.c
    rows = prearchive.connection.execute(
        sa.select(s.prearchive).where(c.status == "RECEIVING", c.received < before)
    ).mappings()
    return [Waiting(**row) for row in rows]
