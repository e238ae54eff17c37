"""Directories of DICOM media: the records of patients, studies, series and images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, BinaryIO

_DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
_EXPLICIT = "1.2.840.10008.1.2.1"
_IN_USE = 0xFFFF
#: what the records hold, and the element that tells one from another, by level
_LEVELS = (
    ("PATIENT", "PatientID", ("PatientID", "PatientName")),
    (
        "STUDY",
        "StudyInstanceUID",
        ("StudyInstanceUID", "StudyDate", "StudyTime", "StudyID", "StudyDescription"),
    ),
    ("SERIES", "SeriesInstanceUID", ("SeriesInstanceUID", "SeriesNumber", "Modality")),
)
_READ = ["SOPClassUID", "SOPInstanceUID", "InstanceNumber"] + [
    name for _, _, names in _LEVELS for name in names
]


class _Record:
    """One record, with those below it."""

    def __init__(self, data: Any):
        self.data = data
        self.below: dict[str, _Record] = {}
        self.at = 0


def header(stream: BinaryIO) -> Any:
    """Read what a directory says of a file; None when it is no DICOM file."""
    import pydicom

    try:
        return pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(_READ))
    except Exception:  # pydicom fails in many ways on what is no DICOM
        return None


def _data(kind: str) -> Any:
    from pydicom.dataset import Dataset

    data = Dataset()
    data.OffsetOfTheNextDirectoryRecord = 0
    data.RecordInUseFlag = _IN_USE
    data.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    data.DirectoryRecordType = kind
    return data


def _text(found: Any, name: str) -> str:
    try:
        return str(found.get(name, ""))
    except Exception:  # a broken element is none
        return ""


def _copy(found: Any, data: Any, name: str) -> None:
    try:
        setattr(data, name, found.get(name, None))
        _item(data)
    except Exception:  # what cannot be written is left blank
        setattr(data, name, None)


def _tree(files: Sequence[tuple[str, Any]]) -> _Record:
    from pydicom import config
    from pydicom.dataelem import DataElement

    root = _Record(None)
    for path, found in files:
        place = root
        for kind, key, names in _LEVELS:
            value = _text(found, key)
            if value not in place.below:
                data = _data(kind)
                for name in names:
                    _copy(found, data, name)
                place.below[value] = _Record(data)
            place = place.below[value]
        data = _data("IMAGE")
        # XNAT's paths are longer than the standard has them
        parts = path.split("/")
        data.add(DataElement("ReferencedFileID", "CS", parts, validation_mode=config.IGNORE))
        data.ReferencedSOPClassUIDInFile = _text(found, "SOPClassUID")
        data.ReferencedSOPInstanceUIDInFile = _text(found, "SOPInstanceUID")
        data.ReferencedTransferSyntaxUIDInFile = found.file_meta.get("TransferSyntaxUID", "")
        _copy(found, data, "InstanceNumber")
        place.below[path] = _Record(data)
    return root


def _walk(record: _Record) -> list[_Record]:
    found = []
    for inner in record.below.values():
        found += [inner, *_walk(inner)]
    return found


def _item(data: Any) -> bytes:
    from pydicom.filebase import DicomBytesIO
    from pydicom.filewriter import write_sequence_item

    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_sequence_item(out, data, ["iso8859"])
    written: bytes = out.getvalue()
    return written


def _link(record: _Record) -> None:
    members = list(record.below.values())
    for number, one in enumerate(members, 1):
        following = members[number] if number < len(members) else None
        one.data.OffsetOfTheNextDirectoryRecord = following.at if following else 0
        first = next(iter(one.below.values()), None)
        one.data.OffsetOfReferencedLowerLevelDirectoryEntity = first.at if first else 0
        _link(one)


def write(files: Sequence[tuple[str, Any]]) -> bytes:
    """Write the directory of files.

    Parameters
    ----------
    files : sequence of tuple
        Path and header of each.

    Returns
    -------
    bytes
        The file that is to be called ``DICOMDIR``.
    """
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import UID, generate_uid

    root = _tree(files)
    records = _walk(root)
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(_DIRECTORY_CLASS)
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[path for path, _ in files])
    meta.TransferSyntaxUID = UID(_EXPLICIT)
    whole = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    whole.FileSetID = ""
    whole.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    whole.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    whole.FileSetConsistencyFlag = 0
    whole.DirectoryRecordSequence = []
    # the sequence is the last element: its items begin where the file ends without them
    at = len(_saved(whole))
    for record in records:
        record.at = at
        at += len(_item(record.data))
    _link(root)
    top = list(root.below.values())
    if top:
        whole.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = top[0].at
        whole.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = top[-1].at
    whole.DirectoryRecordSequence = [record.data for record in records]
    return _saved(whole)


def _saved(data: Any) -> bytes:
    out = io.BytesIO()
    data.save_as(out, enforce_file_format=True)
    return out.getvalue()
