"""The data dictionary: XNAT's types, their fields, and the names people use for them.

The dictionary itself is data (``datatypes.json``, ``shortcuts.json``, ``displays.json``);
this module only reads it. A site adds types of its own with a file of the same form.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from nipype_xnat.archive import xsd
from nipype_xnat.archive.errors import Invalid

_PREDICATE = re.compile(r"\[[^\]]*\]")
PRIMITIVES = {
    "string",
    "text",
    "integer",
    "float",
    "boolean",
    "date",
    "time",
    "datetime",
    "duration",
}
#: what a text may hold where its type does not say; ``text`` has no limit
TEXT_LIMIT = 255


class Step(NamedTuple):
    """One step of a field's address in a document."""

    name: str
    attribute: bool = False


@dataclass(frozen=True)
class Field:
    """One field of a type.

    Attributes
    ----------
    path : str
        The field as an address within its element, such as ``scanner/manufacturer``.
    datatype : str
        ``string``, ``integer``, ``float``, ``date``, ``time``, ``datetime``, ``duration``
        or ``boolean``.
    steps : tuple of Step
        The same address for documents; empty when it is the text of the element itself.
    choices : tuple of str
        The only values allowed, or nothing.
    limit : int, optional
        The greatest length of a text.
    lowest, highest : float, optional
        The bounds of a number.
    """

    path: str
    datatype: str
    steps: tuple[Step, ...]
    choices: tuple[str, ...] = ()
    limit: int | None = None
    lowest: float | None = None
    highest: float | None = None


@dataclass(frozen=True)
class Repeated:
    """A field that occurs many times, each an item of a type of its own."""

    path: str
    holds: str


@dataclass(frozen=True)
class Single:
    """A field that is one item of another type."""

    path: str
    holds: str


Declared = Field | Repeated | Single


@dataclass(frozen=True, eq=False)
class DataType:
    """One type of the dictionary, with what it inherits already in it.

    Attributes
    ----------
    fields : mapping of str to Field
        The plain fields by address, those of its single items included.
    repeated : mapping of str to Repeated
        The fields that occur many times.
    singles : mapping of str to Single
        The fields that are one item.
    order : mapping of str to int
        The place of each element in a document, by address.
    prefixes : mapping of str to str
        The namespace of each element, by address: that of the type that declares it.
    local : bool
        Whether schema documents write it where it is used, without a name.
    unique : tuple of str
        The fields that tell items of this type in one list apart.
    """

    name: str
    element: str
    kind: str
    singular: str
    plural: str
    abstract: bool
    lineage: tuple[str, ...]
    own: tuple[Declared, ...] = ()
    identifiers: str = ""
    local: bool = False
    unique: tuple[str, ...] = ()
    fields: dict[str, Field] = field(default_factory=dict)
    repeated: dict[str, Repeated] = field(default_factory=dict)
    singles: dict[str, Single] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    prefixes: dict[str, str] = field(default_factory=dict)
    lower: dict[str, Field] = field(default_factory=dict)

    def is_a(self, other: str) -> bool:
        """Tell whether this type is, or extends, the type of that name."""
        return other in self.lineage

    def field(self, path: str) -> Field | None:
        """Find a field by its address, in any case, predicates ignored."""
        return self.lower.get(_PREDICATE.sub("", path).strip("/").lower())

    @property
    def text(self) -> Field | None:
        """The field that is the text of an element of this type, if there is one."""
        return next((f for p, f in self.fields.items() if not f.steps and "/" not in p), None)

    @property
    def stands_alone(self) -> bool:
        """Whether elements of this type have an address, and can be searched."""
        return not self.abstract and self.kind not in {"resource", "part"}


def _bound(text: str) -> float | None:
    return float(text) if text else None


def parse_field(text: str) -> Declared:
    """Read one field of the dictionary: its address, and its type after a blank.

    ``@x`` is an attribute, ``x[]`` occurs many times, ``=x`` is the text of the element
    itself. A type is a primitive one with its limits (``string<=64``, ``integer:0..3``,
    ``enum:left,right``), or the name of another type.

    Raises
    ------
    ValueError
        When the type is not one that is understood.
    """
    address, _, declared = text.partition(" ")
    if address.endswith("[]"):
        path = address[:-2]
        return Repeated(path, declared)
    if declared.startswith("enum:"):
        rules: dict[str, Any] = {"choices": tuple(declared[5:].split(","))}
        primitive = "string"
    else:
        primitive, rules = declared or "string", {}
        name, mark, limit = primitive.partition("<=")
        if mark:
            primitive, rules = name, {"limit": int(limit)}
        name, mark, bounds = primitive.partition(":")
        if mark and name in PRIMITIVES:
            lowest, _, highest = bounds.partition("..")
            primitive, rules = name, {"lowest": _bound(lowest), "highest": _bound(highest)}
    if primitive not in PRIMITIVES:
        if ":" not in primitive:
            raise ValueError(f"'{declared}' is not a type of a field")
        return Single(address, primitive)
    if primitive == "string" and "choices" not in rules:
        rules.setdefault("limit", TEXT_LIMIT)
    if primitive == "text":
        primitive = "string"
    if address.startswith("="):
        return Field(address[1:], primitive, (), **rules)
    steps = tuple(Step(part.lstrip("@"), part.startswith("@")) for part in address.split("/"))
    return Field("/".join(step.name for step in steps), primitive, steps, **rules)


class Dictionary:
    """All types that an archive knows.

    Parameters
    ----------
    documents : iterable of dict
        Parsed dictionary files, later ones add to earlier ones.

    Raises
    ------
    ValueError
        When a type refers to one that does not exist, or is not understood.
    """

    def __init__(self, documents: Iterable[Mapping[str, Any]]):
        self.namespaces: dict[str, str] = {}
        #: where the schema document of each namespace stands, as ``folder/name``
        self.schemas: dict[str, str] = {}
        raw: dict[str, Mapping[str, Any]] = {}
        for document in documents:
            self.namespaces.update(document.get("namespaces", {}))
            self.schemas.update(document.get("schemas", {}))
            raw.update(document.get("types", {}))
        for prefix in self.namespaces:
            self.schemas.setdefault(prefix, f"{prefix}/{prefix}")
        self._types: dict[str, DataType] = {}
        for name in raw:
            self._build(name, raw, ())
        self._family: dict[str, tuple[str, ...]] = {}
        for item in self._types.values():
            self._flatten(item, ())
        self._lower = {name.lower(): item for name, item in self._types.items()}
        self._elements = {
            (name.split(":")[0], item.element): item
            for name, item in self._types.items()
            if item.element
        }

    def _build(
        self, name: str, raw: Mapping[str, Mapping[str, Any]], above: tuple[str, ...]
    ) -> DataType:
        if name in self._types:
            return self._types[name]
        prefix, colon, short = name.partition(":")
        if not colon or prefix not in self.namespaces:
            raise ValueError(f"{name}: its namespace is not declared")
        entry = raw[name]
        parent = None
        if entry.get("extends"):
            base = entry["extends"]
            if base not in raw or base in above:
                raise ValueError(f"{name} extends {base}, which is not a type before it")
            parent = self._build(base, raw, (*above, name))
        try:
            own = tuple(parse_field(text) for text in entry.get("fields", ()))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error
        for item in own:
            if not isinstance(item, Field) and item.holds not in raw:
                raise ValueError(f"{name}: {item.path} holds {item.holds}, which is no type")
        kind = entry.get("kind") or (parent.kind if parent else "part")
        element = entry.get("element", "")
        if not element and kind != "part":
            bare = short.removesuffix("Data")
            element = bare[:1].upper() + bare[1:]
        singular = entry.get("singular") or element
        built = DataType(
            name=name,
            element=element,
            kind=kind,
            singular=singular,
            plural=entry.get("plural") or f"{singular}s",
            abstract=bool(entry.get("abstract")),
            lineage=(name, *(parent.lineage if parent else ())),
            own=own,
            identifiers=entry.get("identifiers", ""),
            local=bool(entry.get("local")),
            unique=tuple(entry.get("unique", parent.unique if parent else ())),
        )
        self._types[name] = built
        return built

    def _flatten(self, datatype: DataType, above: tuple[str, ...]) -> None:
        """Work out the fields of a type, those of its single items included."""
        if datatype.name in above:
            raise ValueError(f"{datatype.name} holds itself: {' > '.join(above)}")
        if datatype.lower or datatype.repeated or datatype.singles:
            return
        for name in reversed(datatype.lineage):
            prefix = name.partition(":")[0]
            for item in self._types[name].own:
                self._place(datatype, item, prefix)
                if isinstance(item, Field):
                    datatype.fields[item.path] = item
                elif isinstance(item, Repeated):
                    datatype.repeated[item.path] = item
                else:
                    datatype.singles[item.path] = item
                    self._expand(datatype, item, (*above, datatype.name))
        datatype.lower.update({path.lower(): item for path, item in datatype.fields.items()})

    def _place(self, datatype: DataType, item: Declared, prefix: str) -> None:
        names = item.path.split("/")
        if isinstance(item, Field):
            names = [step.name for step in item.steps if not step.attribute]
        for count in range(1, len(names) + 1):
            part = "/".join(names[:count])
            datatype.order.setdefault(part, len(datatype.order))
            datatype.prefixes.setdefault(part, prefix)

    def _expand(self, datatype: DataType, item: Single, above: tuple[str, ...]) -> None:
        for name in self.family(item.holds):
            held = self._types[name]
            self._flatten(held, above)
            for inner in held.fields.values():
                path = f"{item.path}/{inner.path}" if inner.steps else item.path
                datatype.fields.setdefault(path, replace(inner, path=path))
            for many in held.repeated.values():
                path = f"{item.path}/{many.path}"
                datatype.repeated.setdefault(path, Repeated(path, many.holds))

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


def standard() -> dict[str, Any]:
    """Read the document of the standard dictionary, to which others are added."""
    document: dict[str, Any] = _read("datatypes.json")
    return document


@lru_cache(maxsize=8)
def load(extra: tuple[Path, ...] = ()) -> Dictionary:
    """Read the standard dictionary and a site's own files: JSON, or XML Schema (``.xsd``).

    Raises
    ------
    Invalid
        When a site's file is not a dictionary; the message names the file.
    """
    documents = [standard()]
    built = Dictionary(documents)
    for path in extra:
        try:
            schema = Path(path).suffix == ".xsd"
            documents.append(
                xsd.read(Path(path)) if schema else json.loads(Path(path).read_text("utf-8"))
            )
            built = Dictionary(documents)
        except (ValueError, AttributeError, TypeError) as error:
            raise Invalid(f"{path} is not a data dictionary: {error}") from error
    return built


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
