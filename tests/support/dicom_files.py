"""DICOM files that tests make up: small, but real."""

import io
import zipfile

from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage

ROOT = "1.2.826.0.1.3680043.8.498"
#: study and series of what instance() makes when it is not told otherwise
STUDY = f"{ROOT}.1"


def instance(number=1, *, series=1, study=1, sop_class=MRImageStorage, **tags):
    """Write one file: instance `number` of a series of a study; tags by keyword."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = f"{ROOT}.{study}.{series}.{number}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    values = {
        "SOPClassUID": sop_class,
        "SOPInstanceUID": meta.MediaStorageSOPInstanceUID,
        "StudyInstanceUID": f"{ROOT}.{study}",
        "SeriesInstanceUID": f"{ROOT}.{study}.{series}",
        "SeriesNumber": str(series),
        "InstanceNumber": str(number),
        "Modality": "MR",
        "StudyDate": "20140507",
        "StudyTime": "091206.5",
        "SeriesTime": "093711",
        "StudyDescription": "head",
        "SeriesDescription": f"t1_mpr_{series}",
        "PatientName": "Sample^Patient",
        "PatientID": "Sample ID",
        "PatientBirthDate": "19750131",
        "PatientAge": "039Y",
        "AccessionNumber": "A1",
        "Manufacturer": "SIEMENS",
        "ManufacturerModelName": "TrioTim",
        "StationName": "MEDPC",
        "MagneticFieldStrength": "3",
        "RepetitionTime": "2400",
        "EchoTime": "3.08",
        "FlipAngle": "8",
        "PixelSpacing": ["1", "1.5"],
        "SliceThickness": "2",
        "ImageOrientationPatient": ["0", "1", "0", "0", "0", "-1"],
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "Rows": 2,
        "Columns": 3,
        "BitsAllocated": 8,
        "PixelData": b"\1\2\3\4\5\6",
        **tags,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(data, keyword, value)
    out = io.BytesIO()
    data.save_as(out, enforce_file_format=True)
    return out.getvalue()


def packed(members):
    """Pack files, given by name, into a zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def study(count=2, *, series=(1,), **tags):
    """Pack a study: `count` instances of each series."""
    return packed(
        {
            f"{one}/{number:06d}.dcm": instance(number, series=one, **tags)
            for one in series
            for number in range(count)
        }
    )
