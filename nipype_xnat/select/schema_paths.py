"""The fields that a data type has, read from the archive's XML schema."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator

from ..errors import UnreadableAnswer

__all__ = ["paths_of"]

_XS = "{http://www.w3.org/2001/XMLSchema}"


def paths_of(schema: str, datatype: str) -> list[str]:
    """Return the paths of all fields of a data type, those that it inherits first.

    Parameters
    ----------
    schema : str
        The XML schema of the type's namespace.
    datatype : str
        With its prefix.

    Raises
    ------
    UnreadableAnswer
        If the schema is no XML.
    """
    try:
        root = ET.fromstring(schema)  # noqa: S314 (expat expands no external entities)
    except ET.ParseError as error:
        raise UnreadableAnswer(f"the server's schema is no XML: {error}") from error
    types = {entry.get("name"): entry for entry in root.findall(f"{_XS}complexType")}
    found = types.get(datatype.rpartition(":")[2])
    if found is None:
        return []
    return list(dict.fromkeys(_inside(found, datatype, types, frozenset())))


def _inside(
    node: ET.Element, at: str, types: dict[str | None, ET.Element], seen: frozenset[str]
) -> Iterator[str]:
    for child in node:
        name = child.get("name")
        if child.tag in (f"{_XS}element", f"{_XS}attribute"):
            if name:
                yield f"{at}/{name}"
                yield from _inside(child, f"{at}/{name}", types, seen)
            continue
        base = (child.get("base") or "").rpartition(":")[2]
        if child.tag == f"{_XS}extension" and base in types and base not in seen:
            yield from _inside(types[base], at, types, seen | {base})
        yield from _inside(child, at, types, seen)
