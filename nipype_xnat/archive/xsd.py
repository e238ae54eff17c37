"""XNAT's own form of data types: W3C XML Schema, read as a data dictionary."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_XS = "{http://www.w3.org/2001/XMLSchema}"
_NOTE = "{http://nrg.wustl.edu/xdat}"
#: what the dictionary calls the types of XML Schema; any other one is a text
_PRIMITIVES = {
    "integer": "integer",
    "int": "integer",
    "long": "integer",
    "short": "integer",
    "nonNegativeInteger": "integer",
    "positiveInteger": "integer",
    "float": "float",
    "double": "float",
    "decimal": "float",
    "boolean": "boolean",
    "date": "date",
    "time": "time",
    "dateTime": "datetime",
    "duration": "duration",
    "anyURI": "text",
    "LONGVARCHAR": "text",
    "jsonb": "text",
}


class _Reader:
    def __init__(self, root: ET.Element, spaces: Mapping[str, str]):
        self.root = root
        self.uris = {uri: prefix for prefix, uri in spaces.items()}
        self.spaces = spaces
        self.prefix = self.uris.get(root.get("targetNamespace", ""), "")
        if not self.prefix:
            raise ValueError("its target namespace has no prefix")
        self.types: dict[str, dict[str, Any]] = {}

    def read(self) -> dict[str, dict[str, Any]]:
        for entry in self.root.findall(f"{_XS}complexType"):
            self._type(f"{self.prefix}:{entry.get('name')}", entry)
        for entry in self.root.findall(f"{_XS}element"):
            held = self.types.get(entry.get("type", ""))
            if held is not None:
                held.setdefault("element", entry.get("name"))
        return self.types

    def _type(self, name: str, entry: ET.Element, text: str = "") -> None:
        made: dict[str, Any] = {"fields": [], "unique": []}
        self.types[name] = made
        note = entry.find(f"{_XS}annotation/{_XS}appinfo/{_NOTE}element")
        if note is not None:
            if note.get("displayIdentifiers"):
                made["identifiers"] = note.get("displayIdentifiers")
            made["abstract"] = note.get("abstract") == "true"
        body = entry
        for content in entry.iterfind(f"{_XS}complexContent/{_XS}extension"):
            made["extends"], body = content.get("base", ""), content
        for content in entry.iterfind(f"{_XS}simpleContent/{_XS}extension"):
            kind = self._named(content.get("base", ""))
            made["fields"].append(_line(f"={text or name.partition(':')[2]}", kind))
            body = content
        self._body(name, body, "")

    def _body(self, name: str, body: ET.Element, at: str) -> None:
        made = self.types[name]
        for entry in body.iterfind(f"{_XS}attribute"):
            made["fields"].append(_line(f"{at}@{entry.get('name')}", self._kind(entry)))
            self._unique(made, entry, f"{at}{entry.get('name')}")
        for entry in _elements(body):
            self._element(name, entry, at)

    def _element(self, name: str, entry: ET.Element, at: str) -> None:
        made, own = self.types[name], entry.get("name", "")
        path = f"{at}{own}"
        complex_ = entry.find(f"{_XS}complexType")
        if entry.get("maxOccurs", "1") not in {"0", "1"}:
            held = entry.get("type", "")
            if not held or self._kind(entry) != held:
                held = f"{name}_{own}"
                if complex_ is not None:
                    self._type(held, complex_, own)
                else:
                    self.types[held] = {"fields": [_line(f"={own}", self._kind(entry))]}
                self.types[held]["local"] = True
            made["fields"].append(f"{path}[] {held}")
            return
        if complex_ is None:
            made["fields"].append(_line(path, self._kind(entry)))
            self._unique(made, entry, path)
            return
        text = complex_.find(f"{_XS}simpleContent/{_XS}extension")
        if text is not None:
            made["fields"].append(_line(path, self._named(text.get("base", ""))))
        self._body(name, complex_ if text is None else text, f"{path}/")

    def _unique(self, made: dict[str, Any], entry: ET.Element, path: str) -> None:
        note = entry.find(f"{_XS}annotation/{_XS}appinfo/{_NOTE}field")
        if note is not None and (note.get("uniqueComposite") or note.get("unique")):
            made["unique"].append(path)

    def _kind(self, entry: ET.Element) -> str:
        limits = entry.find(f"{_XS}simpleType/{_XS}restriction")
        if limits is None:
            return self._named(entry.get("type", ""))
        kind = self._named(limits.get("base", ""))
        choices = [str(e.get("value")) for e in limits.findall(f"{_XS}enumeration")]
        if choices:
            return "enum:" + ",".join(choices)
        longest = limits.find(f"{_XS}maxLength")
        if longest is not None:
            return f"string<={longest.get('value')}"
        bounds = [limits.find(f"{_XS}{side}Inclusive") for side in ("min", "max")]
        if any(bound is not None for bound in bounds):
            low, high = ("" if b is None else str(b.get("value")) for b in bounds)
            return f"{kind}:{low}..{high}"
        return kind

    def _named(self, name: str) -> str:
        prefix, _, short = name.rpartition(":")
        uri = self.spaces.get(prefix, "")
        if not name or uri in {_XS.strip("{}"), _NOTE.strip("{}")}:
            return _PRIMITIVES.get(short, "")
        return name


def _elements(body: ET.Element) -> Iterator[ET.Element]:
    for entry in body:
        if entry.tag == f"{_XS}element":
            yield entry
        elif entry.tag in {f"{_XS}sequence", f"{_XS}choice", f"{_XS}all"}:
            yield from _elements(entry)


def _line(address: str, kind: str) -> str:
    return f"{address} {kind}".rstrip()


def read(path: Path) -> dict[str, Any]:
    """Read a schema file of a site.

    Parameters
    ----------
    path : Path
        An XML Schema as XNAT takes it, with XNAT's usual prefixes for its own types.

    Returns
    -------
    dict
        A data dictionary.

    Raises
    ------
    ValueError
        When it is no XML, or its namespace has no prefix.
    """
    folder = path.parent.name if path.parent.parent.name == "schemas" else path.stem
    return parse(path.read_bytes(), f"{folder}/{path.stem}")


def parse(data: bytes, place: str) -> dict[str, Any]:
    """Read the text of a schema.

    Parameters
    ----------
    data : bytes
    place : str
        What it is called on its server: ``folder/name``, or one name for both.

    Returns
    -------
    dict
        A data dictionary.

    Raises
    ------
    ValueError
        When it is no XML, or its namespace has no prefix.
    """
    try:
        spaces: dict[str, str] = dict(
            pair
            for _, pair in ET.iterparse(io.BytesIO(data), ["start-ns"])  # noqa: S314 (the site's own)
        )
        reader = _Reader(ET.fromstring(data), spaces)  # noqa: S314
    except ET.ParseError as error:
        raise ValueError(f"it is no XML: {error}") from error
    folder, _, name = place.partition("/")
    return {
        "namespaces": {reader.prefix: reader.root.get("targetNamespace")},
        "schemas": {reader.prefix: f"{folder}/{name or folder}"},
        "types": reader.read(),
    }
