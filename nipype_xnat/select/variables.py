"""Custom variables, and the parameters of scans and assessors: fields that a site makes itself."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

from ..errors import NotFound, UsageError
from .documents import XNAT, Document
from .element import Element

__all__ = ["WithDefinitions", "WithParameters", "WithVariables"]


def _xnat(name: str) -> str:
    return f"{{{XNAT}}}{name}"


def _checked(name: str) -> str:
    if not name or set(name) & set("[]'\"/="):
        raise UsageError(f"{name!r} cannot be the name of a variable")
    return name


class WithVariables(Element):
    """An element with custom variables."""

    def get_custom_variables(self) -> dict[str, str]:
        """Return the values of the custom variables by name, in one request."""
        found = {}
        for field in Document(self.xml()).root.findall(f"{_xnat('fields')}/{_xnat('field')}"):
            found[field.get("name", "")] = (field.text or "").strip()
        return found

    def set_custom_variables(self, values: Mapping[str, Any]) -> None:
        """Give values to custom variables, in one request.

        Parameters
        ----------
        values : mapping of str to value
            By name; the names need no definition.
        """
        base = f"{self.datatype()}/fields/field"
        self.attrs.mset({f"{base}[name={_checked(name)}]/field": values[name] for name in values})


class WithParameters(Element):
    """An element with parameters of its own: a scan or an assessor."""

    def set_param(self, key: str, value: Any) -> None:
        """Give a parameter a value."""
        path = f"{self.datatype()}/parameters/addParam[name={_checked(key)}]/addField"
        self.attrs.set(path, value)

    def get_param(self, key: str) -> str:
        """Return the value of a parameter.

        Raises
        ------
        NotFound
            If the element has no such parameter.
        """
        found = dict(self._params())
        if key not in found:
            raise NotFound(
                f"the {self.level} has no parameter {key!r}",
                server=self._archive.transport.server,
                asked=str(self.path),
                advice=f"it has {', '.join(found) or 'none'}",
            )
        return found[key]

    def get_params(self) -> list[str]:
        """Return the values of all parameters, in the order of :meth:`params`."""
        return [value for _, value in self._params()]

    def params(self) -> list[str]:
        """Return the names of all parameters."""
        return [name for name, _ in self._params()]

    def _params(self) -> list[tuple[str, str]]:
        return [
            (param.get("name", ""), "".join(param.itertext()).strip())
            for param in Document(self.xml()).all("addParam")
        ]


class WithDefinitions(Element):
    """A project, which defines what custom variables its elements have."""

    def get_custom_variables(self) -> dict[str, dict[str, dict[str, str]]]:
        """Return the definitions: protocol, then set, then field, then its type."""
        return {
            protocol.get("name", ""): {
                definition.get("ID", ""): {
                    field.get("name", ""): field.get("datatype", "")
                    for field in definition.iter(_xnat("field"))
                    if field.get("type") == "custom"
                }
                for definition in protocol.iter(_xnat("definition"))
            }
            for protocol in Document(self.xml()).all("studyProtocol")
        }

    def add_custom_variables(
        self,
        custom_variables: Mapping[str, Mapping[str, Mapping[str, str]]],
        allow_data_deletion: bool = False,
    ) -> None:
        """Define custom variables.

        Parameters
        ----------
        custom_variables : mapping
            ``{protocol: {set: {field: type}}}``, such as
            ``{"Subjects": {"newgroup": {"foo": "string", "bar": "integer"}}}``.
        allow_data_deletion : bool
            Let the archive drop what the document does not have.

        Raises
        ------
        UsageError
            If the project has no protocol of that name.
        """
        document = Document(self.xml())
        protocols = {entry.get("name", ""): entry for entry in document.all("studyProtocol")}
        changed = False
        for name, sets in custom_variables.items():
            if name not in protocols:
                raise UsageError(
                    f"the project has no protocol {name!r}",
                    asked=str(self.path),
                    advice=f"it has {', '.join(protocols)}"
                    if protocols
                    else "it has none yet: XNAT makes them when a custom variable of the project is"
                    " first defined in a browser",
                )
            for group, fields in sets.items():
                changed |= _define(protocols[name], group, fields)
        if changed:
            self._store_document(document.text(), allow_data_deletion)


def _below(parent: ET.Element, name: str, attribute: str, value: str) -> ET.Element | None:
    found = (child for child in parent.findall(_xnat(name)) if child.get(attribute) == value)
    return next(found, None)


def _define(protocol: ET.Element, group: str, fields: Mapping[str, str]) -> bool:
    """Define a set of fields; tells whether anything was new."""
    changed = False
    definitions = protocol.find(_xnat("definitions"))
    if definitions is None:
        definitions = ET.SubElement(protocol, _xnat("definitions"))
    datatype = protocol.get("data-type", "")
    definition = _below(definitions, "definition", "ID", group)
    if definition is None:
        values = {"ID": group, "data-type": datatype, "description": "", "project-specific": "1"}
        definition = ET.SubElement(definitions, _xnat("definition"), values)
        changed = True
    holder = definition.find(_xnat("fields"))
    if holder is None:
        holder = ET.SubElement(definition, _xnat("fields"))
    for name, kind in fields.items():
        if _below(holder, "field", "name", name) is None:
            path = f"xnat:{datatype.rpartition(':')[2]}/fields/field[name={_checked(name)}]/field"
            values = {"name": name, "datatype": kind, "type": "custom", "required": "0"}
            ET.SubElement(holder, _xnat("field"), {**values, "xmlPath": path})
            changed = True
    return changed
