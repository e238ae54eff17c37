"""Whose fields they are: the parameters of a creation, level by level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UsageError

__all__ = ["by_level"]

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
        For an xpath that names the data type of a level which is not above this one.
    """
    last = list(types)[-1]
    found: dict[str, dict[str, Any]] = {level: {} for level in types}
    for name, value in params.items():
        if not isinstance(value, (str, int, float, bool)):
            raise UsageError(f"a field is text or a number; {name} is a {type(value).__name__}")
        found[_level(name, types, last)][name] = value
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
