"""The dictionary as W3C XML Schema, one document per namespace."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from xml.sax.saxutils import quoteattr

from nipype_xnat.archive.datatypes import DataType, Declared, Dictionary, Repeated, Single
from nipype_xnat.archive.datatypes import Field as Plain

#: the notes for XNAT itself, which stand in the schemas
_NOTES = "http://nrg.wustl.edu/xdat"
_XS = {
    "string": "xs:string",
    "integer": "xs:integer",
    "float": "xs:float",
    "date": "xs:date",
    "time": "xs:time",
    "datetime": "xs:dateTime",
    "duration": "xs:duration",
    "boolean": "xs:boolean",
}


@dataclass
class _Branch:
    """An element, with what is declared of it in one type."""

    elements: dict[str, _Branch] = field(default_factory=dict)
    attributes: dict[str, Plain] = field(default_factory=dict)
    leaf: Plain | None = None
    holds: Repeated | Single | None = None


def _grow(declared: tuple[Declared, ...]) -> _Branch:
    root = _Branch()
    for item in declared:
        place = root
        if not isinstance(item, Plain):
            for name in item.path.split("/"):
                place = place.elements.setdefault(name, _Branch())
            place.holds = item
            continue
        for name, attribute in item.steps:
            if attribute:
                place.attributes[name] = item
                break
            place = place.elements.setdefault(name, _Branch())
        else:
            place.leaf = item
    return root


class SchemaWriter:
    """Writes the schema document of one namespace.

    Parameters
    ----------
    dictionary : Dictionary
        The types.
    prefix : str
        Which namespace.
    """

    def __init__(self, dictionary: Dictionary, prefix: str):
        self.dictionary = dictionary
        self.prefix = prefix
        #: in schemas, unlike in documents, "xdat" means the notes where it is free
        self.notes = "note" if prefix == "xdat" else "xdat"
        self.lines: list[str] = []

    def document(self) -> str:
        """Write the document."""
        namespaces = self.dictionary.namespaces
        spaces = {**namespaces, "xs": "http://www.w3.org/2001/XMLSchema", self.notes: _NOTES}
        declared = " ".join(f'xmlns:{short}="{uri}"' for short, uri in spaces.items())
        self.lines = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<xs:schema targetNamespace="{namespaces[self.prefix]}" {declared} '
            'elementFormDefault="qualified" attributeFormDefault="unqualified">',
        ]
        own = [t for t in self.dictionary if t.name.split(":")[0] == self.prefix]
        for short in sorted(self._others(own)):
            self.lines.append(
                f'  <xs:import namespace="{namespaces[short]}" '
                f'schemaLocation="../{self.dictionary.schemas[short]}.xsd"/>'
            )
        for datatype in own:
            if datatype.element:
                names = f"name={quoteattr(datatype.element)} type={quoteattr(datatype.name)}"
                self.lines.append(f"  <xs:element {names}/>")
        for datatype in own:
            if not datatype.local:
                self._type(datatype)
        self.lines.append("</xs:schema>")
        return "\n".join(self.lines) + "\n"

    def _others(self, own: list[DataType]) -> set[str]:
        names = {name for t in own for name in t.lineage[1:2]}
        names |= {item.holds for t in own for item in t.own if not isinstance(item, Plain)}
        return {name.split(":")[0] for name in names} - {self.prefix}

    def _line(self, depth: int, text: str) -> None:
        self.lines.append("  " * depth + text)

    def _note(self, depth: int, datatype: DataType) -> None:
        facts = {"abstract": "true"} if datatype.abstract else {}
        if datatype.identifiers:
            facts["displayIdentifiers"] = datatype.identifiers
        if facts:
            text = "".join(f" {name}={quoteattr(value)}" for name, value in facts.items())
            self._line(
                depth,
                f"<xs:annotation><xs:appinfo><{self.notes}:element{text}/>"
                "</xs:appinfo></xs:annotation>",
            )

    def _type(self, datatype: DataType) -> None:
        name = datatype.name.split(":")[1]
        self._line(1, f"<xs:complexType name={quoteattr(name)}>")
        self._note(2, datatype)
        self._body(datatype, 2)
        self._line(1, "</xs:complexType>")

    def _body(self, datatype: DataType, depth: int) -> None:
        branch = _grow(datatype.own)
        base = datatype.lineage[1] if len(datatype.lineage) > 1 else None
        if base is not None:
            self._line(depth, "<xs:complexContent>")
            self._line(depth + 1, f"<xs:extension base={quoteattr(base)}>")
            self._content(branch, depth + 2)
            self._line(depth + 1, "</xs:extension>")
            self._line(depth, "</xs:complexContent>")
        elif branch.leaf is not None:
            self._text(branch, depth)
        else:
            self._content(branch, depth)

    def _text(self, branch: _Branch, depth: int) -> None:
        assert branch.leaf is not None
        kind = quoteattr(_XS[branch.leaf.datatype])
        self._line(depth, "<xs:simpleContent>")
        self._line(depth + 1, f"<xs:extension base={kind}>")
        self._attributes(branch, depth + 2)
        self._line(depth + 1, "</xs:extension>")
        self._line(depth, "</xs:simpleContent>")

    def _content(self, branch: _Branch, depth: int) -> None:
        if branch.elements:
            self._line(depth, "<xs:sequence>")
            for name, child in branch.elements.items():
                self._element(name, child, depth + 1)
            self._line(depth, "</xs:sequence>")
        self._attributes(branch, depth)

    def _attributes(self, branch: _Branch, depth: int) -> None:
        for name, item in branch.attributes.items():
            self._simple(f"xs:attribute name={quoteattr(name)}", item, depth)

    def _simple(self, tag: str, item: Plain, depth: int) -> None:
        """Write an element or attribute that holds one value."""
        kind = _XS[item.datatype]
        facets = [f"<xs:enumeration value={quoteattr(choice)}/>" for choice in item.choices]
        for name, bound in (("minInclusive", item.lowest), ("maxInclusive", item.highest)):
            if bound is not None:
                facets.append(f'<xs:{name} value="{bound:g}"/>')
        if not facets:
            self._line(depth, f'<{tag} type="{kind}"/>')
            return
        self._line(depth, f"<{tag}>")
        self._line(depth + 1, f'<xs:simpleType><xs:restriction base="{kind}">')
        for facet in facets:
            self._line(depth + 2, facet)
        self._line(depth + 1, "</xs:restriction></xs:simpleType>")
        self._line(depth, f"</{tag.partition(' ')[0]}>")

    def _element(self, name: str, branch: _Branch, depth: int) -> None:
        tag = f'xs:element name={quoteattr(name)} minOccurs="0"'
        if branch.holds is not None:
            self._holder(tag, branch.holds, depth)
        elif branch.leaf is not None and not branch.attributes:
            self._simple(tag, branch.leaf, depth)
        else:
            self._line(depth, f"<{tag}>")
            self._line(depth + 1, "<xs:complexType>")
            if branch.leaf is not None:
                self._text(branch, depth + 2)
            else:
                self._content(branch, depth + 2)
            self._line(depth + 1, "</xs:complexType>")
            self._line(depth, "</xs:element>")

    def _holder(self, tag: str, item: Repeated | Single, depth: int) -> None:
        """Write an element that is one item, or many, of another type."""
        if isinstance(item, Repeated):
            tag += ' maxOccurs="unbounded"'
        held = self.dictionary.get(item.holds)
        if held is None or not held.local:
            self._line(depth, f"<{tag} type={quoteattr(item.holds)}/>")
            return
        self._line(depth, f"<{tag}>")
        self._note(depth + 1, held)
        self._line(depth + 1, "<xs:complexType>")
        self._body(held, depth + 2)
        self._line(depth + 1, "</xs:complexType>")
        self._line(depth, "</xs:element>")


@lru_cache(maxsize=64)
def document(dictionary: Dictionary, prefix: str) -> str:
    """Give the schema document of a namespace."""
    return SchemaWriter(dictionary, prefix).document()


def prefixes(dictionary: Dictionary) -> list[str]:
    """List the namespaces, each of which has a schema document."""
    return list(dictionary.namespaces)


def named(dictionary: Dictionary, place: str) -> str | None:
    """Find the namespace whose schema document stands at ``folder/name``, or is so called."""
    place = place.removesuffix(".xsd").strip("/")
    for prefix in prefixes(dictionary):
        path = dictionary.schemas[prefix]
        if place in {path, prefix, f"{prefix}/{prefix}"}:
            return prefix
        # XNAT takes the name alone where it is that of the folder too
        if path.split("/") == [place, place]:
            return prefix
    return None
