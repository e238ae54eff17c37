"""The dictionary as W3C XML Schema, one document per namespace."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from xml.sax.saxutils import quoteattr

from nipype_xnat.archive.datatypes import DataType, Dictionary, parse_field
from nipype_xnat.archive.datatypes import Field as Plain

_XS = {
    "string": "xs:string",
    "integer": "xs:integer",
    "float": "xs:float",
    "date": "xs:date",
    "time": "xs:time",
    "datetime": "xs:dateTime",
    "boolean": "xs:boolean",
}
#: entries of lists whose type is not in the dictionary, as (attributes, elements, has text)
_ENTRIES: dict[str, tuple[tuple[str, ...], tuple[str, ...], bool]] = {
    "share": (("label", "project", "visit", "protocol"), ("comment",), False),
    "variable": (("name",), (), True),
    "alias": ((), (), True),
    "publication": (("doi", "type"), ("title", "abstract", "citation", "uri"), False),
    "investigator": (("ID",), ("title", "firstname", "lastname", "institution", "email"), False),
    "addParam": (("name",), (), True),
    "addID": (("name",), (), True),
    "datum": (("ID", "name", "source", "units"), (), True),
    "tag": (("name",), (), True),
    "region": (("name",), ("subregionlabels", "baseimage"), False),
    "studyProtocol": (("ID", "name", "data-type"), ("description",), False),
    "qcScan": (
        (),
        ("imageScan_ID", "coverage", "motion", "rating", "pass", "comments"),
        False,
    ),
}


#: what people tell elements of a type apart by, for the schema's own notes
_IDENTIFIERS = {
    "xnat:subjectData": "label",
    "xnat:experimentData": "label",
    "xnat:abstractResource": "label",
    "xnat:reconstructedImageData": "ID",
}


def _note(pad: str, **facts: str) -> str:
    text = "".join(f" {name}={quoteattr(value)}" for name, value in facts.items())
    return f"{pad}<xs:annotation><xs:appinfo><xdat:element{text}/></xs:appinfo></xs:annotation>"


@dataclass
class _Branch:
    elements: dict[str, _Branch] = field(default_factory=dict)
    attributes: dict[str, Plain] = field(default_factory=dict)
    leaf: Plain | None = None
    list_of: str | None = None
    refers: str | None = None


def _grow(texts: tuple[str, ...], dictionary: Dictionary) -> _Branch:
    root = _Branch()
    for text in texts:
        item = parse_field(text)
        if isinstance(item, Plain):
            place = root
            for name, attribute, xsi in item.steps:
                if attribute:
                    place.attributes[name] = item
                    break
                place = place.elements.setdefault(name, _Branch())
                if xsi and place is not root:
                    place.refers = xsi
            else:
                place.leaf = item
        else:
            place = root
            for name in item.path.split("/"):
                place = place.elements.setdefault(name, _Branch())
            place.list_of = item.holds
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
        self.lines: list[str] = []
        self._embedded: dict[str, _Branch] = {}

    def document(self) -> str:
        """Write the document."""
        namespaces = self.dictionary.namespaces
        uri = namespaces[self.prefix]
        self.lines = [
            '<?xml version="1.0" encoding="UTF-8"?>',
            f'<xs:schema targetNamespace="{uri}" '
            'xmlns:xs="http://www.w3.org/2001/XMLSchema" '
            # in schemas, unlike in documents, "xdat" are the notes for XNAT itself
            + " ".join(
                f'xmlns:{short}="{u}"'
                for short, u in {**namespaces, "xdat": "http://nrg.wustl.edu/xdat"}.items()
            )
            + ' elementFormDefault="qualified" attributeFormDefault="unqualified">',
        ]
        own = [t for t in self.dictionary if t.name.split(":")[0] == self.prefix]
        others = {a.split(":")[0] for t in own for a in t.lineage} - {self.prefix}
        for short in sorted(others):
            self.lines.append(
                f'  <xs:import namespace="{namespaces[short]}" '
                f'schemaLocation="../{short}/{short}.xsd"/>'
            )
        for datatype in own:
            names = f"name={quoteattr(datatype.element)} type={quoteattr(datatype.name)}"
            self.lines.append(f"  <xs:element {names}/>")
        for datatype in own:
            self._type(datatype)
        for name, branch in self._embedded.items():
            self._embedded_type(name, branch)
        self.lines.append("</xs:schema>")
        return "\n".join(self.lines) + "\n"

    def _embedded_type(self, name: str, branch: _Branch) -> None:
        short = name.split(":")[1]
        # the general type that the field is declared with, and the special one that it holds
        base = f"abstract{short[0].upper()}{short[1:]}"
        self.lines.append(f"  <xs:complexType name={quoteattr(base)}/>")
        self.lines.append(f"  <xs:complexType name={quoteattr(short)}>")
        self.lines.append("    <xs:complexContent>")
        self.lines.append(f'      <xs:extension base="{self.prefix}:{base}">')
        self._content(branch, 4)
        self.lines += ["      </xs:extension>", "    </xs:complexContent>", "  </xs:complexType>"]

    def _type(self, datatype: DataType) -> None:
        name = datatype.name.split(":")[1]
        self.lines.append(f"  <xs:complexType name={quoteattr(name)}>")
        facts = {}
        if datatype.abstract:
            facts["abstract"] = "true"
        if datatype.name in _IDENTIFIERS:
            facts["displayIdentifiers"] = _IDENTIFIERS[datatype.name]
        if facts:
            self.lines.append(_note("    ", **facts))
        branch = _grow(datatype.own, self.dictionary)
        inner = 2
        if len(datatype.lineage) > 1:
            self.lines.append("    <xs:complexContent>")
            self.lines.append(f"      <xs:extension base={quoteattr(datatype.lineage[1])}>")
            inner = 4
        self._content(branch, inner)
        if len(datatype.lineage) > 1:
            self.lines += ["      </xs:extension>", "    </xs:complexContent>"]
        self.lines.append("  </xs:complexType>")

    def _content(self, branch: _Branch, depth: int) -> None:
        pad = "  " * depth
        if branch.elements:
            self.lines.append(f"{pad}<xs:sequence>")
            for name, child in branch.elements.items():
                self._element(name, child, depth + 1)
            self.lines.append(f"{pad}</xs:sequence>")
        self._attributes(branch, depth)

    def _attributes(self, branch: _Branch, depth: int) -> None:
        pad = "  " * depth
        for name, item in branch.attributes.items():
            kind = _XS[item.datatype]
            self.lines.append(f"{pad}<xs:attribute name={quoteattr(name)} type={quoteattr(kind)}/>")

    def _element(self, name: str, branch: _Branch, depth: int) -> None:
        pad = "  " * depth
        shown = quoteattr(name)
        if branch.refers and self._refer(shown, branch, pad):
            return
        if branch.list_of:
            self._list(shown, branch.list_of, depth)
        elif branch.leaf is not None and branch.leaf.choices:
            self.lines.append(f'{pad}<xs:element name={shown} minOccurs="0">')
            self.lines.append(f'{pad}  <xs:simpleType><xs:restriction base="xs:string">')
            for choice in branch.leaf.choices:
                self.lines.append(f"{pad}    <xs:enumeration value={quoteattr(choice)}/>")
            self.lines.append(f"{pad}  </xs:restriction></xs:simpleType>")
            self.lines.append(f"{pad}</xs:element>")
        elif branch.leaf is not None and not branch.attributes:
            kind = quoteattr(_XS[branch.leaf.datatype])
            self.lines.append(f'{pad}<xs:element name={shown} type={kind} minOccurs="0"/>')
        else:
            self.lines.append(f'{pad}<xs:element name={shown} minOccurs="0"><xs:complexType>')
            if branch.leaf is not None:
                kind = quoteattr(_XS[branch.leaf.datatype])
                self.lines.append(f"{pad}  <xs:simpleContent><xs:extension base={kind}>")
                self._attributes(branch, depth + 2)
                self.lines.append(f"{pad}  </xs:extension></xs:simpleContent>")
            else:
                self._content(branch, depth + 1)
            self.lines.append(f"{pad}</xs:complexType></xs:element>")

    def _refer(self, shown: str, branch: _Branch, pad: str) -> bool:
        assert branch.refers is not None
        prefix, short = branch.refers.split(":")
        if prefix != self.prefix:
            self.lines.append(f'{pad}<xs:element name={shown} type="xs:anyType" minOccurs="0"/>')
            return True
        self._embedded.setdefault(branch.refers, branch)
        base = f"{prefix}:abstract{short[0].upper()}{short[1:]}"
        self.lines.append(f'{pad}<xs:element name={shown} type="{base}" minOccurs="0"/>')
        return True

    def _list(self, shown: str, holds: str, depth: int) -> None:
        pad = "  " * depth
        occurs = 'minOccurs="0" maxOccurs="unbounded"'
        known = self.dictionary.get(holds)
        if known is not None:
            kind = quoteattr(known.name)
            self.lines.append(f"{pad}<xs:element name={shown} type={kind} {occurs}/>")
            return
        attributes, elements, text = _ENTRIES[holds]
        self.lines.append(f"{pad}<xs:element name={shown} {occurs}>")
        if "name" in attributes:
            self.lines.append(_note(pad + "  ", displayIdentifiers="name"))
        self.lines.append(f"{pad}  <xs:complexType>")
        if text:
            self.lines.append(f'{pad}  <xs:simpleContent><xs:extension base="xs:string">')
        elif elements:
            self.lines.append(f"{pad}  <xs:sequence>")
            for name in elements:
                self.lines.append(
                    f'{pad}    <xs:element name={quoteattr(name)} type="xs:string" minOccurs="0"/>'
                )
            self.lines.append(f"{pad}  </xs:sequence>")
        for name in attributes:
            self.lines.append(f'{pad}  <xs:attribute name={quoteattr(name)} type="xs:string"/>')
        if text:
            self.lines.append(f"{pad}  </xs:extension></xs:simpleContent>")
        self.lines.append(f"{pad}</xs:complexType></xs:element>")


@lru_cache(maxsize=64)
def document(dictionary: Dictionary, prefix: str) -> str:
    """Give the schema document of a namespace."""
    return SchemaWriter(dictionary, prefix).document()


def prefixes(dictionary: Dictionary) -> list[str]:
    """List the namespaces that have types."""
    return list(dict.fromkeys(t.name.split(":")[0] for t in dictionary))
