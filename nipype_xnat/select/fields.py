"""Whose fields they are: the parameters of a creation, level by level."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from ..errors import UsageError

__all__ = ["by_level", "check_written"]

_OF_ITSELF = {"xnat:projectData": "project", "xnat:subjectData": "subject"}
_SESSIONS = ("SessionData", "xnat:experimentData", "xnat:subjectAssessorData")


def by_level(params: Mapping[str, Any], types: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Sort fields by the level that has them.

    Parameters
    ----------
    params : mapping of str to value
        By short name or by xpath.
    types : mapping of str to str
        Data type of each level, from the project down to the one that is made.

    Returns
    -------
    dict of str to dict
        The fields of each level.

    Raises
    ------
    UsageError
        For an xpath that names the data type of a level which is not above this one, and for a
        short name that looks misspelt.
    """
    last = list(types)[-1]
    found: dict[str, dict[str, Any]] = {level: {} for level in types}
    for name, value in params.items():
        if not isinstance(value, (str, int, float, bool)):
            raise UsageError(f"a field is text or a number; {name} is a {type(value).__name__}")
        found[_level(name, types, last)][name] = value
    for level, fields in found.items():
        check_written(level, fields)
    return found


def _level(name: str, types: Mapping[str, str], last: str) -> str:
    datatype, slash, _ = name.partition("/")
    if not slash or ":" not in datatype or types[last] == datatype:
        return last
    for level, known in types.items():
        if known == datatype:
            return level
    wanted = _OF_ITSELF.get(datatype)
    if wanted is not None:
        if wanted not in types:
            raise UsageError(
                f"{name} is a field of a {wanted}, and the path names none",
                advice=f"the path names {', '.join(types)}",
            )
        return wanted
    if datatype.endswith(_SESSIONS) and last != "assessor" and "experiment" in types:
        return "experiment"
    return last


# the short names that XNAT writes (its class XMLPathShortcuts), by level
_WRITTEN = {
    "project": ("ID secondary_ID name description keywords alias pi_firstname pi_lastname note"),
    "subject": (
        "project label ID group src pi_firstname pi_lastname dob yob age gender "
        "handedness ses education educationDesc race ethnicity weight height "
        "gestational_age post_menstrual_age birth_weight"
    ),
    "experiment": (
        "ID visit_id visit protocol date time note pi_firstname pi_lastname "
        "validation_method validation_status validation_date validation_notes project "
        "label scanner operator dcmAccessionNumber dcmPatientId dcmPatientName "
        "session_type modality UID studyInstanceUID coil fieldStrength marker "
        "stabilization studyType patientID patientName scan_start_time "
        "injection_start_time tracer_name tracer_startTime tracer_dose tracer_sa "
        "tracer_totalmass tracer_intermediate tracer_isotope tracer_transmissions "
        "tracer_transmissions_start subject_ID"
    ),
    "scan": (
        "ID type UID note quality condition series_description documentation scanner "
        "modality frames validation_method validation_status validation_date "
        "validation_notes scanTime coil fieldStrength marker stabilization orientation "
        "originalFileName systemType fileType transaxialFOV acqType facility numPlanes "
        "numFrames numGates planeSeparation binSize dataType"
    ),
    "assessor": (
        "ID visit_id date time note pi_firstname pi_lastname validation_method "
        "validation_status validation_date validation_notes project label"
    ),
    "reconstruction": ("ID type baseScanType"),
}


def check_written(level: str, names: Iterable[str]) -> None:
    """Raise for a short name that looks misspelt: XNAT drops what it does not know, silently.

    Raises
    ------
    UsageError
        With the name that was probably meant.
    """
    known = {word.lower(): word for word in _WRITTEN.get(level, "").split()}
    for name in names:
        if set("/:") & set(name) or name.lower() in known:
            continue
        near = get_close_matches(name.lower(), known, 1, cutoff=0.8)
        if near:
            raise UsageError(
                f"XNAT writes no field {name!r} of a {level}",
                advice=f"did you mean {known[near[0]]!r}? Other fields are given by their xpaths",
            )
