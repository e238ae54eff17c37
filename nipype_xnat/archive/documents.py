"""Elements as documents: XNAT's XML and its JSON, out and in.

Both outgoing forms are written from one tree of nodes, so they cannot disagree.
"""

from __future__ import annotations

import datetime as dt
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

import sqlalchemy as sa

from nipype_xnat.archive.datatypes import DataType, Dictionary
from nipype_xnat.archive.elements import PARAMETERS, PARTS, Draft, Element, Elements
from nipype_xnat.archive.errors import Invalid, Unparsable
from nipype_xnat.archive.storage import schema as s

XSI = "http://www.w3.org/2001/XMLSchema-instance"
for _prefix, _uri in (
    ("xsi", XSI),
    ("xnat", "http://nrg.wustl.edu/xnat"),
    ("prov", "http://www.nbirn.net/prov"),
):
    ET.register_namespace(_prefix, _uri)

#: what a document may hold that is kept as it is
_WHOLE = {"provenance", "studyProtocol"}
Steps = tuple[tuple[str, bool, str], ...]


@dataclass
class Node:
    """One item of a document."""

    xsi_type: str
    data: list[tuple[str, Steps, Any]] = field(default_factory=list)
    children: list[tuple[str, list[Node]]] = field(default_factory=list)
    hidden: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    #: parts that are documents already, each with its place
    parts: list[tuple[str, str]] = field(default_factory=list)

    def add(self, path: str, value: Any, *, attribute: bool = False) -> None:
        """Add a plain value at an address."""
        if value is None or value == "":
            return
        parts = path.split("/")
        steps = tuple((p, attribute and n == len(parts) - 1, "") for n, p in enumerate(parts))
        self.data.append((path, steps, value))


# ---- out -------------------------------------------------------------------------------


def _typed(datatype: str, value: str) -> Any:
    if datatype == "integer":
        return int(value)
    if datatype == "float":
        return float(value)
    if datatype == "boolean":
        return "true" if value == "1" else "false"
    return value


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

    def node(self, element: Element, seen_from: str | None = None, deep: bool = True) -> Node:
        """Build the node of an element, and of everything that it holds."""
        el = self.elements
        datatype = el.datatype(element)
        node = Node(datatype.name)
        stamp = dt.datetime.fromisoformat(element.insert_date[:19])
        node.meta = {
            "create_event_id": element.pk,
            "xsi:type": datatype.name,
            "isHistory": False,
            "start_date": stamp.strftime("%a %b %d %H:%M:%S UTC %Y"),
        }
        self._plain(element, datatype, node)
        if element.kind == "scan":
            node.hidden["xnat_imageScanData_id"] = element.pk
        if element.kind == "recon":
            node.hidden["xnat_reconstructedImageData_id"] = element.pk
        self._common(element, datatype, node)
        if deep:
            self._below(element, datatype, node)
        return node

    def _plain(self, element: Element, datatype: DataType, node: Node) -> None:
        own: dict[str, Any] = {"id": element.id, "label": element.label}
        if element.kind in {"subject", "experiment"}:
            own["project"] = element.project
        if element.kind in {"scan", "recon"}:
            own["type"] = element.scan_type
        own["date"] = element.date
        if element.subject_pk and datatype.is_a("xnat:subjectAssessorData"):
            own["subject_id"] = self.elements.by_pk(element.subject_pk).id
        if element.session_pk:
            session = self.elements.by_pk(element.session_pk).id
            own["image_session_id"] = own["imagesession_id"] = session
        for path, spec in datatype.fields.items():
            lowered = path.lower()
            value = own.get(lowered) if "/" not in path else None
            if value is None and path in element.fields:
                value = _typed(spec.datatype, element.fields[path])
            if value is not None and value != "":
                node.data.append((path, spec.steps, value))

    def _common(self, element: Element, datatype: DataType, node: Node) -> None:
        for number, (name, value) in enumerate(element.fields.get(PARAMETERS, {}).items(), 1):
            hidden = f'<!--hidden_fields[xnat_addField_id="{number}"]-->'
            text = (
                f"<xnat:addParam name={quoteattr(name)}>\n{hidden}{escape(value)}</xnat:addParam>"
            )
            node.parts.append(("parameters/addParam", text))
        for place, texts in element.fields.get(PARTS, {}).items():
            node.parts += [(place, text) for text in texts]
        shared = []
        for project, label in self.elements.shares(element):
            entry = Node("xnat:experimentData_share")
            entry.add("project", project, attribute=True)
            entry.add("label", label, attribute=True)
            shared.append(entry)
        if shared:
            node.children.append(("sharing/share", shared))
        if element.kind == "project":
            rows = self.connection.execute(
                sa.select(s.alias.c.alias).where(s.alias.c.project == element.id)
            ).scalars()
            found = []
            for name in rows:
                entry = Node("xnat:projectData_alias")
                entry.add("alias", name)
                found.append(entry)
            if found:
                node.children.append(("aliases/alias", found))
        for direction, path in (("", "resources/resource"), ("in", "in/file"), ("out", "out/file")):
            place = "file" if element.kind == "scan" else path
            kept = self.connection.execute(
                sa.select(s.resource)
                .where(s.resource.c.owner_pk == element.pk, s.resource.c.direction == direction)
                .order_by(s.resource.c.pk)
            ).mappings()
            found = [self._resource(element, row) for row in kept]
            if found:
                node.children.append((place, found))
        variables = self.elements.variables(element)
        if variables:
            found = []
            for name, value in variables.items():
                entry = Node("xnat:variable")
                entry.add("name", name, attribute=True)
                entry.add("field", value)
                found.append(entry)
            node.children.append(("fields/field", found))

    def _resource(self, element: Element, row: Any) -> Node:
        node = Node(row["xsi_type"])
        label = row["label"] or str(row["pk"])
        node.add("label", row["label"], attribute=True)
        node.add("file_count", row["file_count"], attribute=True)
        node.add("file_size", row["file_size"], attribute=True)
        node.add(
            "URI",
            f"/archive/{self.elements.owner(element)}/{element.name}/{label}/{label}_catalog.xml",
            attribute=True,
        )
        for name in ("format", "description", "content"):
            node.add(name, row[name], attribute=True)
        node.hidden["xnat_abstractResource_id"] = row["pk"]
        node.meta = {"xsi:type": row["xsi_type"], "isHistory": False}
        return node

    def _below(self, element: Element, datatype: DataType, node: Node) -> None:
        el = self.elements
        if element.kind == "subject":
            found = [self.node(e) for e in el.experiments_of(element) if el.readable(e)]
            if found:
                node.children.append(("experiments/experiment", found))
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
                    node.children.append((path, found))


#: fields that are items of their own in JSON though their type is always the same
_ITEMS = {
    "investigator": "xnat:investigatorData",
    "PI": "xnat:investigatorData",
    "validation": "xnat:validationData",
}


def to_json(node: Node) -> dict[str, Any]:
    """Write a node the way XNAT's JSON items look."""
    fields: dict[str, Any] = {}
    inner: dict[str, tuple[str, dict[str, Any]]] = {}
    for path, steps, value in node.data:
        name, _, xsi = steps[0]
        held = xsi or _ITEMS.get(name)
        if held and len(steps) > 1:
            inner.setdefault(name, (held, {}))[1][path.split("/", 1)[1]] = value
        else:
            fields[path] = value
    for name, value in node.hidden.items():
        fields[name.lower() if name.startswith("xnat_") else name] = value
    meta = node.meta or {"xsi:type": node.xsi_type, "isHistory": False}
    item: dict[str, Any] = {"children": [], "meta": meta, "data_fields": fields}
    for name, (held, values) in inner.items():
        made = {"children": [], "meta": {**meta, "xsi:type": held}, "data_fields": values}
        item["children"].append({"field": name, "items": [made]})
    for path, children in node.children:
        item["children"].append({"field": path, "items": [to_json(child) for child in children]})
    return item


@dataclass
class _Tag:
    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    text: str = ""
    children: list[_Tag] = field(default_factory=list)
    hidden: Mapping[str, Any] = field(default_factory=dict)
    whole: str = ""

    def child(self, name: str) -> _Tag:
        for found in self.children:
            if found.name == name:
                return found
        made = _Tag(name)
        self.children.append(made)
        return made


def _order(datatype: DataType | None) -> dict[str, int]:
    order: dict[str, int] = {}
    if datatype is not None:
        for text in (*datatype.fields, *datatype.repeated):
            order.setdefault(text.split("/")[0], len(order))
    return order


def _text(value: Any) -> str:
    return str(value)


def _tag(node: Node, name: str, prefix: str, dictionary: Dictionary) -> _Tag:
    tag = _Tag(name, hidden=node.hidden)
    for _, steps, value in node.data:
        place = tag
        for step, attribute, xsi in steps:
            if attribute:
                place.attributes[step] = _text(value)
                break
            if node.xsi_type == "xnat:variable" and step == "field":
                break
            place = place.child(f"{prefix}:{step}")
            if xsi:
                place.attributes["xsi:type"] = xsi
        else:
            place.text = _text(value)
        if node.xsi_type in {"xnat:variable"} and steps[-1][0] == "field":
            tag.text = _text(value)
        if node.xsi_type == "xnat:projectData_alias":
            tag.text, tag.children = _text(value), []
    for path, children in node.children:
        place = tag
        *above, last = path.split("/")
        for step in above:
            place = place.child(f"{prefix}:{step}")
        for child in children:
            made = _tag(child, f"{prefix}:{last}", child.xsi_type.split(":")[0], dictionary)
            if dictionary.get(child.xsi_type) is not None:
                made.attributes["xsi:type"] = child.xsi_type
            place.children.append(made)
    for path, text in node.parts:
        place = tag
        *above, last = path.split("/")
        for step in above:
            place = place.child(f"{prefix}:{step}")
        place.children.append(_Tag(f"{prefix}:{last}", whole=text))
    order = _order(dictionary.get(node.xsi_type))
    tag.children.sort(key=lambda t: order.get(t.name.split(":")[1], len(order)))
    return tag


def _write(tag: _Tag, depth: int, hidden: bool, out: list[str]) -> None:
    pad = "  " * depth
    if tag.whole:
        out.append(pad + tag.whole)
        return
    attributes = "".join(f" {k}={quoteattr(v)}" for k, v in tag.attributes.items())
    comment = ""
    if hidden and tag.hidden:
        keys = ",".join(f'{k}="{v}"' for k, v in tag.hidden.items())
        comment = f"<!--hidden_fields[{keys}]-->"
    if not tag.children and not tag.text:
        out.append(f"{pad}<{tag.name}{attributes}/>")
        return
    if not tag.children:
        out.append(f"{pad}<{tag.name}{attributes}>{escape(tag.text)}</{tag.name}>")
        return
    out.append(f"{pad}<{tag.name}{attributes}>{escape(tag.text)}{comment}")
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
    datatype = dictionary.get(node.xsi_type)
    prefix = node.xsi_type.split(":")[0]
    root = datatype.element if datatype else node.xsi_type.split(":")[1]
    tag = _tag(node, f"{prefix}:{root}", prefix, dictionary)
    places = []
    for short, uri in dictionary.namespaces.items():
        tag.attributes[f"xmlns:{short}"] = uri
        places.append(f"{uri} {base}/schemas/{short}/{short}.xsd")
    tag.attributes["xmlns:xsi"] = XSI
    tag.attributes["xsi:schemaLocation"] = " ".join(places)
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    _write(tag, 0, hidden, lines)
    return "\n".join(lines) + "\n"


# ---- in --------------------------------------------------------------------------------


def parse(data: bytes) -> ET.Element:
    """Read an XML document; one with a DOCTYPE is refused.

    Raises
    ------
    Unparsable
        When it is not well-formed.
    """
    guard = expat.ParserCreate()

    def refuse(*_: Any) -> None:
        raise Unparsable("DOCTYPE is not allowed")

    guard.StartDoctypeDeclHandler = refuse
    try:
        guard.Parse(data, True)
        return ET.fromstring(data)  # noqa: S314 (documents with a DOCTYPE were refused)
    except (expat.ExpatError, ET.ParseError, LookupError, ValueError) as error:
        raise Unparsable(f"The document cannot be parsed: {error}") from error


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
        text = (element.text or "").strip()
        if at and text:
            self._put(draft, datatype, at.rstrip("/"), text)
        for child in element:
            if not isinstance(child.tag, str):
                continue
            path = f"{at}{self._split(child.tag)[1]}"
            if path in _WHOLE:
                draft.parts.setdefault(path, []).append(ET.tostring(child, "unicode").strip())
                continue
            repeated = datatype.repeated.get(path)
            if repeated is None:
                self._walk(child, path + "/", datatype, draft)
            else:
                self._repeated(child, path, repeated.holds, draft)

    def _repeated(self, child: ET.Element, path: str, holds: str, draft: Draft) -> None:
        if path == "fields/field":
            name = child.get("name")
            if name:
                draft.variables[name] = (child.text or "").strip()
        elif holds == "addParam":
            name = child.get("name")
            if name:
                draft.parameters[name] = "".join(child.itertext()).strip()
        elif holds == "share":
            project = child.get("project")
            if project:
                draft.shares.append((project, child.get("label")))
        elif holds == "alias":
            if child.text and child.text.strip():
                draft.aliases.append(child.text.strip())
        elif holds == "xnat:abstractResource":
            entry = {k: v for k, v in child.attrib.items() if not k.startswith("{")}
            entry["at"] = path
            draft.resources.append(entry)
        elif holds in {
            "xnat:imageScanData",
            "xnat:reconstructedImageData",
            "xnat:imageAssessorData",
            "xnat:subjectAssessorData",
        }:
            draft.children.append(self.draft(child, holds))


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
