"""Elements as documents: XNAT's XML and its JSON, out and in.

Both outgoing forms are written from one tree of nodes, so they cannot disagree.
"""

from __future__ import annotations

import datetime as dt
import math
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import sqlalchemy as sa

from nipype_xnat.archive.datatypes import DataType, Dictionary, Step
from nipype_xnat.archive.elements import Draft, Element, Elements
from nipype_xnat.archive.errors import Invalid, Unparsable
from nipype_xnat.archive.items import LISTS, TYPE, Item, Lists
from nipype_xnat.archive.storage import schema as s

XSI = "http://www.w3.org/2001/XMLSchema-instance"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")


#: no document of XNAT comes near it
_DEEPEST = 100


class Datum(NamedTuple):
    """One plain value of a node."""

    path: str
    steps: tuple[Step, ...]
    value: Any


@dataclass
class Node:
    """One item of a document."""

    datatype: DataType
    data: list[Datum] = field(default_factory=list)
    #: what it holds: the place, the type declared there, and the items
    children: list[tuple[str, str, list[Node]]] = field(default_factory=list)
    hidden: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)

    @property
    def xsi_type(self) -> str:
        """The name of the type."""
        return self.datatype.name


# ---- out -------------------------------------------------------------------------------


def _typed(datatype: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if datatype == "integer":
        return int(value)
    if datatype == "float":
        return float(value)
    if datatype == "boolean":
        return "true" if value == "1" else "false"
    return value


def _key(datatype: DataType) -> str:
    """Name the database key of an item, as XNAT does after its most general type."""
    return f"{datatype.lineage[-1].replace(':', '_')}_id"


class Writer:
    """Builds the tree of nodes of an element.

    Parameters
    ----------
    elements : Elements
        Where it is looked up.
    """

    def __init__(self, elements: Elements):
        self.elements = elements
        self.connection = elements.connection
        self.dictionary = elements.dictionary

    def node(self, element: Element, deep: bool = True) -> Node:
        """Build the node of an element, and of everything that it holds."""
        datatype = self.elements.datatype(element)
        node = Node(datatype)
        stamp = dt.datetime.fromisoformat(element.insert_date[:19])
        node.meta = {
            "create_event_id": element.pk,
            "xsi:type": datatype.name,
            "isHistory": False,
            "start_date": stamp.strftime("%a %b %d %H:%M:%S UTC %Y"),
        }
        values = {**element.fields, **self._own(element, datatype)}
        self._fill(node, values, element.fields.get(LISTS, {}))
        if element.kind in {"scan", "recon"}:
            node.hidden[_key(datatype)] = element.pk
        self._common(element, node)
        if deep:
            self._below(element, datatype, node)
        return node

    def _own(self, element: Element, datatype: DataType) -> dict[str, Any]:
        """Give the fields that have columns of their own, or name another element."""
        own: dict[str, Any] = {"id": element.id, "label": element.label}
        if element.kind in {"subject", "experiment"}:
            own["project"] = element.project
        if element.kind in {"scan", "recon"}:
            own["type"] = element.scan_type
        own["date"] = element.date
        if element.subject_pk:
            own["subject_id"] = self.elements.by_pk(element.subject_pk).id
        if element.session_pk:
            session = self.elements.by_pk(element.session_pk).id
            own["image_session_id"] = own["imagesession_id"] = session
        found = {path: own.get(path.lower()) for path in datatype.fields if "/" not in path}
        return {path: value for path, value in found.items() if value is not None}

    def _fill(self, node: Node, values: Mapping[str, Any], lists: Lists) -> None:
        """Write values and lists into a node, in the order of its type."""
        datatype = node.datatype
        within = tuple(f"{path}/" for path in datatype.singles)
        for path, spec in datatype.fields.items():
            value = values.get(path)
            if value in {None, ""} or path in datatype.singles or path.startswith(within):
                continue
            node.data.append(Datum(path, spec.steps, _typed(spec.datatype, value)))
        for path, single in datatype.singles.items():
            front = f"{path}/"
            inner = {k[len(front) :]: v for k, v in values.items() if k.startswith(front)}
            nested = {k[len(front) :]: v for k, v in lists.items() if k.startswith(front)}
            if path in values:
                inner["#text"] = values[path]
            if inner or nested:
                child = Node(self._actual(single.holds, inner))
                if child.datatype.text and "#text" in inner:
                    inner[child.datatype.text.path] = inner.pop("#text")
                self._fill(child, inner, nested)
                node.children.append((path, single.holds, [child]))
        for path, many in datatype.repeated.items():
            if path in lists and not path.startswith(within):
                found = [
                    self.item(many.holds, entry, number)
                    for number, entry in enumerate(lists[path], 1)
                ]
                node.children.append((path, many.holds, found))

    def item(self, holds: str, entry: Item, number: int) -> Node:
        """Build the node of one item of a list that holds items of a type."""
        datatype = self.dictionary.get(entry.get(TYPE, holds))
        assert datatype is not None
        node = Node(datatype)
        node.hidden[_key(datatype)] = number
        self._fill(node, entry, entry.get(LISTS, {}))
        return node

    def _actual(self, holds: str, inner: Mapping[str, Any]) -> DataType:
        """Tell the type of a single item: what was said, or the first with its fields."""
        family = [t for t in map(self.dictionary.get, self.dictionary.family(holds)) if t]
        said = self.dictionary.get(str(inner.get(TYPE, "")))
        if said is not None:
            return said
        wanted = {path for path in inner if not path.startswith("#")}
        return max(family, key=lambda t: (len(wanted & set(t.fields)), -len(t.lineage)))

    def _held(self, node: Node, path: str, entries: Iterable[Mapping[str, Any]]) -> None:
        """Add items that are kept in tables of their own."""
        many = node.datatype.repeated.get(path)
        found = []
        for number, entry in enumerate(entries, 1):
            if many is not None:
                found.append(self.item(many.holds, dict(entry), number))
        if many is not None and found:
            node.children.append((path, many.holds, found))

    def _common(self, element: Element, node: Node) -> None:
        shares = self.elements.shares(element)
        self._held(node, "sharing/share", ({"project": p, "label": label} for p, label in shares))
        if element.kind == "project":
            names = self.connection.execute(
                sa.select(s.alias.c.alias).where(s.alias.c.project == element.id)
            ).scalars()
            self._held(node, "aliases/alias", ({"alias": name} for name in names))
        for direction, path in (("", "resources/resource"), ("in", "in/file"), ("out", "out/file")):
            place = "file" if element.kind == "scan" else path
            many = node.datatype.repeated.get(place)
            kept = self.connection.execute(
                sa.select(s.resource)
                .where(s.resource.c.owner_pk == element.pk, s.resource.c.direction == direction)
                .order_by(s.resource.c.pk)
            ).mappings()
            found = [self._resource(element, row) for row in kept]
            if found and many is not None:
                node.children.append((place, many.holds, found))
        variables = self.elements.variables(element)
        self._held(node, "fields/field", ({"name": n, "field": v} for n, v in variables.items()))

    def _resource(self, element: Element, row: Any) -> Node:
        datatype = self.dictionary.get(row["xsi_type"])
        assert datatype is not None
        node = Node(datatype)
        label = row["label"] or str(row["pk"])
        folder = f"/archive/{self.elements.owner(element)}/{element.name}/{label}"
        values = {name: row[name] for name in datatype.fields if name in row}
        values["URI"] = f"{folder}/{label}_catalog.xml"
        self._fill(node, values, {"tags/tag": _tags(row["tags"])} if row["tags"] else {})
        node.hidden[_key(datatype)] = row["pk"]
        node.meta = {"xsi:type": row["xsi_type"], "isHistory": False}
        return node

    def _below(self, element: Element, datatype: DataType, node: Node) -> None:
        el = self.elements
        if element.kind == "subject":
            found = [self.node(e) for e in el.experiments_of(element) if el.readable(e)]
            if found:
                node.children.append(("experiments/experiment", "xnat:subjectAssessorData", found))
        if datatype.is_a("xnat:imageSessionData"):
            for kind, path in (
                ("scan", "scans/scan"),
                ("recon", "reconstructions/reconstructedImage"),
                ("experiment", "assessors/assessor"),
            ):
                found = [
                    self.node(e)
                    for e in el.children(element, kind)
                    if kind != "experiment" or el.readable(e)
                ]
                if found:
                    node.children.append((path, datatype.repeated[path].holds, found))


def _tags(text: str) -> list[Item]:
    found: list[Item] = []
    for tag in text.split(","):
        name, mark, value = tag.replace(":", "=", 1).partition("=")
        found.append({"name": name, "tag": value} if mark else {"tag": name})
    return found


def _plain(value: Any) -> Any:
    # numbers that JSON does not know are texts
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}Infinity"
    return value


def to_json(node: Node) -> dict[str, Any]:
    """Write a node the way XNAT's JSON items look."""
    fields = {datum.path: _plain(datum.value) for datum in node.data}
    for name, value in node.hidden.items():
        fields[name.lower()] = value
    children = [
        {"field": path, "items": [to_json(child) for child in found]}
        for path, _, found in node.children
    ]
    meta = node.meta or {"xsi:type": node.xsi_type, "isHistory": False}
    return {"children": children, "meta": meta, "data_fields": fields}


@dataclass
class _Tag:
    name: str
    path: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[_Tag] = field(default_factory=list)
    hidden: Mapping[str, Any] = field(default_factory=dict)
    #: whether it is an item, whose children are in order by its own type
    item: bool = False

    def child(self, name: str, path: str) -> _Tag:
        for found in self.children:
            if found.name == name:
                return found
        made = _Tag(name, path)
        self.children.append(made)
        return made


def _text(value: Any) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else f"{'-' if value < 0 else ''}INF"
    text = str(value)
    return text.replace(" ", "T", 1).removesuffix(".0") if _MOMENT.fullmatch(text) else text


def _tag(node: Node, name: str) -> _Tag:
    datatype = node.datatype
    tag = _Tag(name, hidden=node.hidden)

    def at(path: str) -> _Tag:
        place, names = tag, path.split("/") if path else []
        for count, step in enumerate(names, 1):
            reached = "/".join(names[:count])
            place = place.child(f"{datatype.prefixes[reached]}:{step}", reached)
        return place

    for path, steps, value in node.data:
        if steps and steps[-1].attribute:
            at(path.rpartition("/")[0]).attributes[steps[-1].name] = _text(value)
        else:
            at(path if steps else "").text = _text(value)
    for path, declared, children in node.children:
        above, _, last = path.rpartition("/")
        for child in children:
            made = _tag(child, f"{datatype.prefixes[path]}:{last}")
            made.path, made.item = path, True
            if child.xsi_type != declared:
                made.attributes["xsi:type"] = child.xsi_type
            at(above).children.append(made)
    _sort(tag, datatype.order)
    return tag


def _sort(tag: _Tag, order: Mapping[str, int]) -> None:
    tag.children.sort(key=lambda child: order[child.path])
    for child in tag.children:
        if not child.item:
            _sort(child, order)


def _write(tag: _Tag, depth: int, hidden: bool, out: list[str]) -> None:
    pad = "  " * depth
    attributes = "".join(f" {k}={quoteattr(v)}" for k, v in tag.attributes.items())
    comment = ""
    if hidden and tag.hidden:
        keys = ",".join(f'{k}="{v}"' for k, v in tag.hidden.items())
        comment = f"\n<!--hidden_fields[{keys}]-->"
    if not tag.children and not tag.text and not comment:
        out.append(f"{pad}<{tag.name}{attributes}/>")
        return
    if not tag.children:
        # an element without a text must stay without one, blanks included
        text = f"{comment}{escape(tag.text)}" if tag.text else comment.strip()
        out.append(f"{pad}<{tag.name}{attributes}>{text}</{tag.name}>")
        return
    out.append(f"{pad}<{tag.name}{attributes}>{comment}{escape(tag.text)}")
    for child in tag.children:
        _write(child, depth + 1, hidden, out)
    out.append(f"{pad}</{tag.name}>")


def to_xml(node: Node, dictionary: Dictionary, base: str, hidden: bool = True) -> str:
    """Write a node as an XNAT document.

    Parameters
    ----------
    node : Node
        What is written.
    dictionary : Dictionary
        The types.
    base : str
        The address of the site, for the schema locations.
    hidden : bool
        Whether comments tell the database keys.
    """
    prefix, _, short = node.xsi_type.partition(":")
    tag = _tag(node, f"{prefix}:{node.datatype.element or short}")
    places = []
    for space, uri in dictionary.namespaces.items():
        tag.attributes[f"xmlns:{space}"] = uri
        places.append(f"{uri} {base}/schemas/{dictionary.schemas[space]}.xsd")
    tag.attributes["xmlns:xsi"] = XSI
    tag.attributes["xsi:schemaLocation"] = " ".join(places)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    _write(tag, 0, hidden, lines)
    return "\n".join(lines) + "\n"


# ---- in --------------------------------------------------------------------------------


def parse(data: bytes) -> ET.Element:
    """Read an XML document; one with a DOCTYPE, or of endless depth, is refused.

    Raises
    ------
    Unparsable
        When it is not well-formed.
    """
    guard = expat.ParserCreate()
    depth = 0

    def enter(*_: Any) -> None:
        nonlocal depth
        depth += 1
        if depth > _DEEPEST:
            raise Unparsable(f"The document is deeper than {_DEEPEST} elements")

    def leave(*_: Any) -> None:
        nonlocal depth
        depth -= 1

    def refuse(*_: Any) -> None:
        raise Unparsable("DOCTYPE is disallowed")

    guard.StartDoctypeDeclHandler = refuse
    guard.StartElementHandler, guard.EndElementHandler = enter, leave
    try:
        guard.Parse(data, True)
        return ET.fromstring(data)  # noqa: S314 (documents with a DOCTYPE were refused)
    except (expat.ExpatError, ET.ParseError, LookupError, ValueError) as error:
        raise Unparsable(f"The document cannot be parsed: {error}") from error


_IDENTITY = {"id", "label", "project", "subject_id", "image_session_id", "imagesession_id"}


class Reader:
    """Turns documents into drafts."""

    def __init__(self, dictionary: Dictionary):
        self.dictionary = dictionary
        self._prefix = {uri: short for short, uri in dictionary.namespaces.items()}

    def _split(self, tag: str) -> tuple[str, str]:
        uri, _, name = tag[1:].partition("}") if tag.startswith("{") else ("", "", tag)
        return self._prefix.get(uri, "xnat"), name

    def draft(self, element: ET.Element, expected: str | None = None) -> Draft:
        """Read an element; the type comes from the document, or is `expected`."""
        declared = element.get(f"{{{XSI}}}type")
        found = self.dictionary.get(declared) if declared else None
        if found is None:
            found = self.dictionary.by_element(*self._split(element.tag))
        if found is None and expected is not None:
            found = self.dictionary.get(expected)
        if found is None:
            raise Invalid(f"'{declared or element.tag}' is not a data type of this archive")
        draft = Draft(xsi_type=found.name)
        self._walk(element, "", found, draft)
        return draft

    def _put(self, draft: Draft, datatype: DataType, path: str, value: str) -> None:
        lowered = path.lower()
        if not value.strip() and lowered in _IDENTITY:
            # documents are written with such attributes left blank
            return
        if lowered == "id":
            draft.id = value
        elif lowered == "label" and datatype.kind != "project":
            draft.label = value
        elif lowered == "project" and datatype.kind in {"subject", "experiment"}:
            draft.project = value
        elif lowered == "subject_id":
            draft.subject = value
        elif lowered in {"image_session_id", "imagesession_id"}:
            draft.session = value
        else:
            known = datatype.lower.get(lowered)
            if known is not None:
                draft.values[known.path] = value

    def _walk(self, element: ET.Element, at: str, datatype: DataType, draft: Draft) -> None:
        for name, value in element.attrib.items():
            if not name.startswith("{"):
                self._put(draft, datatype, f"{at}{name}", value)
            elif name == f"{{{XSI}}}type" and at.rstrip("/") in datatype.singles:
                draft.values[f"{at}{TYPE}"] = value
        text = (element.text or "").strip()
        if at and text:
            self._put(draft, datatype, at.rstrip("/"), text)
        for child in element:
            if not isinstance(child.tag, str):
                continue
            path = f"{at}{self._split(child.tag)[1]}"
            repeated = datatype.repeated.get(path)
            if repeated is None:
                self._walk(child, path + "/", datatype, draft)
            else:
                self._repeated(child, path, repeated.holds, draft)

    def _repeated(self, child: ET.Element, path: str, holds: str, draft: Draft) -> None:
        held = self.dictionary.get(holds)
        kind = held.kind if held else "part"
        if path == "fields/field":
            name = child.get("name")
            if name:
                draft.variables[name] = _whole_text(child)
        elif path == "sharing/share":
            project = child.get("project")
            if project:
                draft.shares.append((project, child.get("label")))
        elif path == "aliases/alias":
            if _whole_text(child):
                draft.aliases.append(_whole_text(child))
        elif kind == "resource":
            draft.resources.append({**resource_attributes(child), "at": path})
        elif kind in {"scan", "recon", "experiment"}:
            found = self.draft(child, holds)
            given = self.dictionary.get(found.xsi_type or "")
            if given is None or given.kind != kind:
                raise Invalid(f"{found.xsi_type} cannot stand at {path}, which takes {holds}")
            draft.children.append(found)
        elif kind == "part":
            draft.lists.setdefault(path, []).append(self._item(child, holds))

    def _item(self, element: ET.Element, holds: str) -> Item:
        item: Item = {}
        named = element.get(f"{{{XSI}}}type")
        if named:
            item[TYPE] = named
        held = self.dictionary.get(named or holds)
        if held is None:
            raise Invalid(f"'{named}' is not a data type of this archive")
        self._into(element, "", held, item)
        if held.text is not None and _whole_text(element):
            item[held.text.path] = _whole_text(element)
        return item

    def _into(self, element: ET.Element, at: str, held: DataType, item: Item) -> None:
        for name, value in element.attrib.items():
            spec = None if name.startswith("{") else held.lower.get(f"{at}{name}".lower())
            if spec is not None:
                item[spec.path] = value
            elif name == f"{{{XSI}}}type" and at.rstrip("/") in held.singles:
                item[f"{at}{TYPE}"] = value
        spec = held.lower.get(at.rstrip("/").lower())
        if at and spec is not None and _whole_text(element):
            item[spec.path] = _whole_text(element)
        for child in element:
            if not isinstance(child.tag, str):
                continue
            path = f"{at}{self._split(child.tag)[1]}"
            many = held.repeated.get(path)
            if many is None:
                self._into(child, f"{path}/", held, item)
            else:
                inner = item.setdefault(LISTS, {}).setdefault(path, [])
                inner.append(self._item(child, many.holds))


def _whole_text(element: ET.Element) -> str:
    return "".join([element.text or "", *(child.tail or "" for child in element)]).strip()


def resource_attributes(element: ET.Element) -> dict[str, str]:
    """Give what a resource document says about its resource."""
    return {k: v for k, v in element.attrib.items() if not k.startswith("{")}


def catalog_xml(label: str, project: str, entries: Iterable[Any], tags: Iterable[str] = ()) -> str:
    """Write the catalog document of a resource."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<cat:Catalog ID={quoteattr(label)} xmlns:cat="http://nrg.wustl.edu/catalog" '
        f'xmlns:xsi="{XSI}">',
        "  <cat:metaFields>",
        f'    <cat:metaField name="PROJECT">{escape(project)}</cat:metaField>',
        "  </cat:metaFields>",
        "  <cat:entries>",
    ]
    for entry in entries:
        attributes = {
            "ID": entry.path,
            "URI": entry.path,
            "cachePath": entry.path,
            "name": entry.name,
            "format": entry.format,
            "content": entry.content,
            "description": entry.description,
            "digest": entry.digest,
            "createdBy": entry.created_by,
            "createdTime": (entry.created or "")[:19].replace(" ", "T"),
        }
        text = "".join(f" {k}={quoteattr(v)}" for k, v in attributes.items() if v)
        lines.append(f'    <cat:entry{text} xsi:type="cat:entry">')
        lines.append("      <cat:metaFields>")
        lines.append(f'        <cat:metaField name="SIZE">{entry.size}</cat:metaField>')
        plain = []
        for tag in (entry.tags or "").split(","):
            name, mark, value = tag.replace(":", "=", 1).partition("=")
            if mark:
                shown = quoteattr(name)
                lines.append(f"        <cat:metaField name={shown}>{escape(value)}</cat:metaField>")
            elif name:
                plain.append(name)
        lines.append("      </cat:metaFields>")
        if plain:
            lines.append("      <cat:tags>")
            lines += [f"        <cat:tag>{escape(tag)}</cat:tag>" for tag in plain]
            lines.append("      </cat:tags>")
        lines.append("    </cat:entry>")
    lines += ["  </cat:entries>", "</cat:Catalog>", ""]
    return "\n".join(lines)
