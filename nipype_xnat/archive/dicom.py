"""What XNAT takes from the headers of DICOM files.

Read are only the elements that are named here, so a file of any size costs little memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, BinaryIO

from nipype_xnat.archive.errors import Invalid

_SESSION = {
    "UID": "StudyInstanceUID",
    "date": "StudyDate",
    "time": "StudyTime",
    "session_type": "StudyDescription",
    "scanner": "StationName",
    "scanner/manufacturer": "Manufacturer",
    "scanner/model": "ManufacturerModelName",
    "operator": "OperatorsName",
    "acquisition_site": "InstitutionName",
    "dcmAccessionNumber": "AccessionNumber",
    "dcmPatientId": "PatientID",
    "dcmPatientName": "PatientName",
    "dcmPatientBirthDate": "PatientBirthDate",
    "dcmPatientWeight": "PatientWeight",
    "study_id": "StudyID",
    "studyComments": "StudyComments",
    "fieldStrength": "MagneticFieldStrength",
}
_SCAN = {
    "UID": "SeriesInstanceUID",
    "series_description": "SeriesDescription",
    "modality": "Modality",
    "startTime": "SeriesTime",
    "start_date": "SeriesDate",
    "scanner": "StationName",
    "scanner/manufacturer": "Manufacturer",
    "scanner/model": "ManufacturerModelName",
    "scanner/softwareVersion": "SoftwareVersions",
    "protocol_name": "ProtocolName",
    "bodyPartExamined": "BodyPartExamined",
    "requestedProcedureDescription": "RequestedProcedureDescription",
    "coil": "ReceiveCoilName",
    "fieldStrength": "MagneticFieldStrength",
    "parameters/fov/x": "Columns",
    "parameters/fov/y": "Rows",
    "parameters/tr": "RepetitionTime",
    "parameters/te": "EchoTime",
    "parameters/ti": "InversionTime",
    "parameters/flip": "FlipAngle",
    "parameters/sequence": "SequenceName",
    "parameters/imageType": "ImageType",
    "parameters/scanSequence": "ScanningSequence",
    "parameters/seqVariant": "SequenceVariant",
    "parameters/scanOptions": "ScanOptions",
    "parameters/acqType": "MRAcquisitionType",
    "parameters/pixelBandwidth": "PixelBandwidth",
    "parameters/inPlanePhaseEncoding/direction": "InPlanePhaseEncodingDirection",
    "parameters/subjectPosition": "PatientPosition",
    "parameters/kvp": "KVP",
    "parameters/exposureTime": "ExposureTime",
    "parameters/exposure": "Exposure",
    "parameters/kernel": "ConvolutionKernel",
    "parameters/convolutionKernel": "ConvolutionKernel",
    "parameters/options": "ScanOptions",
    "parameters/filter": "FilterType",
    "parameters/acquisitionNumber": "AcquisitionNumber",
    "parameters/xrayTubeCurrent": "XRayTubeCurrent",
    "parameters/rotationDirection": "RotationDirection",
    "parameters/tableHeight": "TableHeight",
    "parameters/tableSpeed": "TableSpeed",
    "parameters/tableFeedPerRotation": "TableFeedPerRotation",
    "parameters/generatorPower": "GeneratorPower",
    "parameters/gantryTilt": "GantryDetectorTilt",
    "parameters/pitchFactor": "SpiralPitchFactor",
    "parameters/collimationWidth/single": "SingleCollimationWidth",
    "parameters/collimationWidth/total": "TotalCollimationWidth",
    "parameters/collectionDiameter": "DataCollectionDiameter",
    "parameters/distanceSourceToDetector": "DistanceSourceToDetector",
    "parameters/distanceSourceToPatient": "DistanceSourceToPatient",
    "parameters/rescale/intercept": "RescaleIntercept",
    "parameters/rescale/slope": "RescaleSlope",
    "parameters/ctDIvol": "CTDIvol",
    "parameters/derivation": "DerivationDescription",
    "parameters/facility": "InstitutionName",
}
#: where a sender may say "Project:X Subject:Y Session:Z", the first one wins
_ASSIGNING = ("PatientComments", "StudyComments", "AdditionalPatientHistory")
#: which plain elements may name the project itself
_NAMING = ("StudyDescription", "AccessionNumber")
_MORE = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesNumber",
    "InstanceNumber",
    "NumberOfFrames",
    "PatientAge",
    "PixelSpacing",
    "SliceThickness",
    "ImageOrientationPatient",
    *_ASSIGNING,
)
_READ = sorted({*_SESSION.values(), *_SCAN.values(), *_NAMING, *_MORE})
_CLEAN = re.compile(r"[^A-Za-z0-9_-]")
_DIGITS = re.compile(r"\D")
_AGE = re.compile(r"^0*(\d+)Y$")

_STORAGE = "1.2.840.10008.5.1.4.1.1."
#: modality by class of the instance, the longest fitting front counts
_CLASSES = {
    "1": "CR",
    "1.1": "DX",
    "1.2": "MG",
    "1.3": "IO",
    "2": "CT",
    "3.1": "US",
    "4": "MR",
    "6.1": "US",
    "7": "SC",
    "9": "ECG",
    "12.1": "XA",
    "12.2": "RF",
    "13.1.1": "XA",
    "20": "NM",
    "66.4": "SEG",
    "77.1.1": "ES",
    "77.1.4": "XC",
    "77.1.5": "OP",
    "77.1.6": "SM",
    "88": "SR",
    "104.1": "OT",
    "128": "PT",
    "130": "PT",
    "481": "RTIMAGE",
}
#: middle of the names of types, by modality: those of sessions, and those of scans
_SESSION_TYPES = {"PT": "pet"}
_SCAN_TYPES = {"PT": "pet", "RTSTRUCT": "rtImage", "RTIMAGE": "rtImage"}
_CROSS_SECTIONAL = {"MR", "CT", "US", "XA", "CR", "DX", "MG", "NM", "RF", "XC", "XCV", "EEG", "MEG"}
_VISIBLE = {"ES", "ESV", "GM", "GMV", "HD", "ECG", "EPS", "IO", "OP", "OPT", "SM", "SR"}
_PLAIN = _CROSS_SECTIONAL | _VISIBLE
_SCAN_ONLY = ("SC", "SEG")
_RADIOTHERAPY = ("RTSTRUCT", "RTIMAGE", "RTPLAN", "RTDOSE", "RTRECORD")
#: what a session with several modalities is named for
_LEADING = ("PT", "MR", "CT")


class NotDicom(Invalid):
    """A file is no DICOM instance."""


@dataclass(frozen=True)
class Instance:
    """What was read in one file.

    Attributes
    ----------
    study, series, series_number, sop_class, sop : str
        What it is and belongs to.
    modality : str
        As declared, or as its class says.
    secondary : bool
        Whether it is a secondary capture.
    frames : int
        How many images it holds.
    projects : list of str
        What may be the name of the project, the likeliest first.
    subject, label : str
        Of subject and session, fit for a label.
    archives : bool or None
        Whether the sender wants it archived at once; None when it does not say.
    session, scan : dict
        Values of fields.
    """

    study: str
    series: str
    series_number: str
    sop_class: str
    sop: str
    modality: str
    secondary: bool = False
    frames: int = 1
    instance_number: str = ""
    projects: list[str] = field(default_factory=list)
    subject: str = ""
    label: str = ""
    archives: bool | None = None
    session: dict[str, str] = field(default_factory=dict)
    scan: dict[str, str] = field(default_factory=dict)

    def kept(self) -> dict[str, Any]:
        """Give it in a form that a JSON column takes."""
        return asdict(self)


def clean(text: str) -> str:
    """Make a label of a text."""
    return _CLEAN.sub("_", text.strip())


def _value(data: Any, keyword: str) -> str:
    try:
        found = data.get(keyword)
        if found is None:
            return ""
        if isinstance(found, (list, tuple)) or hasattr(found, "insert"):
            return "\\".join(str(part) for part in found)
        return str(found).strip().replace("\x00", "")
    except Exception:  # a broken element is no element, whatever pydicom thinks of it
        return ""


def _time(text: str) -> str:
    digits = _DIGITS.sub("", text.partition(".")[0])
    if len(digits) < 4:
        return ""
    digits = digits.ljust(6, "0")
    return f"{digits[:2]}:{digits[2:4]}:{digits[4:6]}"


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split("\\") if part]
    except ValueError:
        return []


def _orientation(text: str) -> str:
    found = _numbers(text)
    if len(found) != 6:
        return ""
    x, y = found[:3], found[3:]
    normal = [
        abs(x[1] * y[2] - x[2] * y[1]),
        abs(x[2] * y[0] - x[0] * y[2]),
        abs(x[0] * y[1] - x[1] * y[0]),
    ]
    return ("Sag", "Cor", "Tra")[normal.index(max(normal))]


def _by_class(sop_class: str) -> str:
    if not sop_class.startswith(_STORAGE):
        return ""
    parts = sop_class[len(_STORAGE) :].split(".")
    while parts:
        found = _CLASSES.get(".".join(parts))
        if found:
            return found
        parts.pop()
    return ""


def _assigned(data: Any, word: str) -> str:
    pattern = re.compile(rf"(?:^|[\s,;]){word}\s*:\s*([\w-]+)(?=$|[\s,;])", re.I)
    for keyword in _ASSIGNING:
        match = pattern.search(_value(data, keyword))
        if match:
            return match.group(1)
    return ""


def _fields(data: Any, table: dict[str, str]) -> dict[str, str]:
    found = {path: _value(data, keyword) for path, keyword in table.items()}
    for path in ("time", "startTime"):
        if path in found:
            found[path] = _time(found[path])
    return {path: value for path, value in found.items() if value}


def _scan_fields(data: Any) -> dict[str, str]:
    found = _fields(data, _SCAN)
    spacing = _value(data, "PixelSpacing").split("\\")
    if len(spacing) == 2:
        found["parameters/voxelRes/x"], found["parameters/voxelRes/y"] = spacing[1], spacing[0]
    thickness = _value(data, "SliceThickness")
    if thickness:
        found["parameters/voxelRes/z"] = thickness
    orientation = _orientation(_value(data, "ImageOrientationPatient"))
    if orientation:
        found["parameters/orientation"] = orientation
    return found


def read(stream: BinaryIO, name: str) -> Instance:
    """Read the header of a DICOM file.

    Raises
    ------
    NotDicom
        When it is none, or names no class or instance.
    """
    import pydicom

    try:
        data = pydicom.dcmread(stream, stop_before_pixels=True, specific_tags=list(_READ))
    except Exception as error:  # pydicom fails in many ways on what is no DICOM
        raise NotDicom(f"unable to read DICOM object {name}") from error
    sop_class, sop = _value(data, "SOPClassUID"), _value(data, "SOPInstanceUID")
    if not sop_class:
        raise NotDicom(f"object {name} contains no SOP Class UID")
    if not sop:
        raise NotDicom(f"object {name} contains no SOP Instance UID")
    session = _fields(data, _SESSION)
    age = _AGE.match(_value(data, "PatientAge"))
    if age:
        session["age"] = age.group(1)
    said = _assigned(data, "AA").lower()
    frames = _value(data, "NumberOfFrames")
    projects = [_assigned(data, "Project"), *(_value(data, keyword) for keyword in _NAMING)]
    by_class = _by_class(sop_class)
    return Instance(
        study=_value(data, "StudyInstanceUID"),
        series=_value(data, "SeriesInstanceUID"),
        series_number=_value(data, "SeriesNumber"),
        sop_class=sop_class,
        sop=sop,
        modality=_value(data, "Modality") or by_class,
        secondary=by_class == "SC",
        frames=int(frames) if frames.isdecimal() and len(frames) < 9 else 1,
        instance_number=_value(data, "InstanceNumber"),
        projects=[text for text in projects if text],
        subject=clean(_assigned(data, "Subject") or _value(data, "PatientName")),
        label=clean(_assigned(data, "Session") or _value(data, "PatientID")),
        archives={"true": True, "yes": True, "false": False, "no": False}.get(said),
        session=session,
        scan=_scan_fields(data),
    )


# ---- types -----------------------------------------------------------------------------


def scan_type(instances: Sequence[Instance]) -> str:
    """Name the type of the scan that instances of one series make."""
    known = [i for i in instances if _by_class(i.sop_class)] or instances
    leading = known[0]
    if leading.secondary:
        return "xnat:scScanData"
    modality = leading.modality
    if modality in _RADIOTHERAPY:
        return "xnat:rtImageScanData"
    if modality in _SCAN_TYPES:
        return f"xnat:{_SCAN_TYPES[modality]}ScanData"
    if modality in {*_PLAIN, *_SCAN_ONLY}:
        return f"xnat:{modality.lower()}ScanData"
    return "xnat:otherDicomScanData"


def leading_modality(modalities: list[str]) -> str:
    """Say which modality a session with several is named for."""
    for modality in _LEADING:
        if modality in modalities:
            return modality
    for modality in modalities:
        if modality in _PLAIN:
            return modality
    return modalities[0] if modalities else ""


def session_type(modalities: list[str]) -> str:
    """Name the type of a session with scans of these modalities."""
    if "PT" in modalities and "MR" in modalities:
        return "xnat:petmrSessionData"
    modality = leading_modality(modalities)
    if modality in _RADIOTHERAPY:
        return "xnat:rtSessionData"
    if modality in _SESSION_TYPES:
        return f"xnat:{_SESSION_TYPES[modality]}SessionData"
    if modality in _PLAIN:
        return f"xnat:{modality.lower()}SessionData"
    return "xnat:otherDicomSessionData"
