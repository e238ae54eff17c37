"""The data dictionary: XNAT's types, their fields, and the names people use for them.

The dictionary itself is data (``datatypes.json``, ``shortcuts.json``, ``displays.json``);
this module only reads it. A site adds types of its own with a file of the same form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

_PREDICATE = re.compile(r"\[[^\]]*\]")


@dataclass(frozen=True)
class Field:
    """One field of a type.

    Attributes
    ----------
    path : str
        The field as an address within its element, such as ``scanner/manufacturer``.
    datatype : str
        ``string``, ``integer``, ``float``, ``date``, ``time``, ``datetime`` or ``boolean``.
    steps : tuple of tuple
        The same address for documents: (name, is an attribute, xsi type or "").
    choices : tuple of str
        The only values allowed, or nothing.
    """

    path: str
    datatype: str
    steps: tuple[tuple[str, bool, str], ...]
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Repeated:
    """A field that occurs many times, held apart from the plain ones."""

    path: str
    holds: str


@dataclass(frozen=True)
class DataType:
    """One type of the dictionary, with what it inherits already in it."""

    name: str
    element: str
    kind: str
    singular: str
    plural: str
    abstract: bool
    lineage: tuple[str, ...]
    fields: Mapping[str, Field]
    repeated: Mapping[str, Repeated]
    own: tuple[str, ...] = ()
    lower: Mapping[str, Field] = field(default_factory=dict)

    def is_a(self, other: str) -> bool:
        """Tell whether this type is, or extends, the type of that name."""
        return other in self.lineage

    def field(self, path: str) -> Field | None:
        """Find a field by its address, in any case, predicates ignored."""
        return self.lower.get(_PREDICATE.sub("", path).strip("/").lower())


def parse_field(text: str) -> Field | Repeated:
    """Read one field of a dictionary file."""
    address, _, declared = text.partition(" ")
    if "[]" in address:
        return Repeated(address.replace("[]", ""), declared)
    steps = []
    for part in address.split("/"):
        attribute = part.startswith("@")
        name, _, xsi = part.lstrip("@").partition(":")
        steps.append((name, attribute, xsi))
    choices: tuple[str, ...] = ()
    if declared.startswith("enum:"):
        choices = tuple(declared[5:].split(","))
        declared = "string"
    path = "/".join(step[0] for step in steps)
    return Field(path, declared or "string", tuple(steps), choices)


class Dictionary:
    """All types that an archive knows.

    Parameters
    ----------
    documents : iterable of dict
        Parsed dictionary files, later ones add to earlier ones.
    """

    def __init__(self, documents: Iterable[Mapping[str, Any]]):
        self.namespaces: dict[str, str] = {}
        raw: dict[str, Mapping[str, Any]] = {}
        for document in documents:
            self.namespaces.update(document.get("namespaces", {}))
            raw.update(document.get("types", {}))
        self._types: dict[str, DataType] = {}
        for name in raw:
            self._build(name, raw)
        self._lower = {name.lower(): item for name, item in self._types.items()}
        self._elements = {
            (name.split(":")[0], item.element): item for name, item in self._types.items()
        }
        self._family: dict[str, tuple[str, ...]] = {}

    def _build(self, name: str, raw: Mapping[str, Mapping[str, Any]]) -> DataType:
        if name in self._types:
            return self._types[name]
        entry = raw[name]
        parent = self._build(entry["extends"], raw) if "extends" in entry else None
        fields = dict(parent.fields) if parent else {}
        repeated = dict(parent.repeated) if parent else {}
        for text in entry["fields"]:
            item = parse_field(text)
            if isinstance(item, Field):
                fields[item.path] = item
            else:
                repeated[item.path] = item
        built = DataType(
            name=name,
            element=entry["element"],
            kind=entry.get("kind") or (parent.kind if parent else ""),
            singular=entry["singular"],
            plural=entry["plural"],
            abstract=bool(entry.get("abstract")),
            lineage=(name, *(parent.lineage if parent else ())),
            fields=fields,
            repeated=repeated,
            own=tuple(entry["fields"]),
            lower={path.lower(): item for path, item in fields.items()},
        )
        self._types[name] = built
        return built

    def __iter__(self) -> Iterator[DataType]:
        return iter(self._types.values())

    def get(self, name: str) -> DataType | None:
        """Find a type by its name, in any case."""
        return self._lower.get(name.lower())

    def by_element(self, prefix: str, element: str) -> DataType | None:
        """Find a type by the name of its document element, such as ``MRSession``."""
        return self._elements.get((prefix, element))

    def family(self, name: str) -> tuple[str, ...]:
        """List a type and everything that extends it."""
        if name not in self._family:
            self._family[name] = tuple(t.name for t in self if t.is_a(name))
        return self._family[name]


def _read(name: str) -> Any:
    return json.loads(resources.files(__package__).joinpath(name).read_text("utf-8"))


@lru_cache(maxsize=8)
def load(extra: tuple[Path, ...] = ()) -> Dictionary:
    """Read the standard dictionary and a site's own files."""
    documents = [_read("datatypes.json")]
    documents += [json.loads(path.read_text("utf-8")) for path in extra]
    return Dictionary(documents)


@lru_cache(maxsize=1)
def shortcuts() -> dict[str, dict[str, dict[str, str]]]:
    """Read the short names of the listings, by kind: ``write`` and ``read`` (read-only)."""
    table: dict[str, dict[str, dict[str, str]]] = _read("shortcuts.json")
    return table


@lru_cache(maxsize=1)
def displays() -> dict[str, Any]:
    """Read the display fields of the search engine."""
    table: dict[str, Any] = _read("displays.json")
    return table
