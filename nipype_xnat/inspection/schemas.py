"""What the XML schemas of a server say of its data types."""

from __future__ import annotations

from typing import Protocol

from ..manage import Manager
from ..select.element import Archive

__all__ = ["Managed", "SchemasInspector"]

_USUAL = "xnat"


class Managed(Archive, Protocol):
    """What introspection needs of the connection."""

    @property
    def manage(self) -> Manager:
        """The administration, which loads schemas."""


class SchemasInspector:
    """``interface.inspect.schemas``: called, it returns the fields of all types by type.

    It looks into the schemas that ``interface.manage.schemas`` has loaded; where none is, it loads
    XNAT's own.

    Parameters
    ----------
    archive : Interface
    """

    def __init__(self, archive: Managed) -> None:
        self._schemas = archive.manage.schemas

    def __call__(self) -> dict[str, list[str]]:
        """Return the paths of the fields of each data type."""
        if not self._schemas():
            self._schemas.add(_USUAL)
        types = [name for schema in self._schemas for name in self._schemas.types(schema)]
        return {name: self._schemas.paths(name) for name in types}

    def look_for(self, element_name: str, datatype_name: str | None = None) -> list[str]:
        """Return the paths of fields that a word is part of.

        Parameters
        ----------
        element_name : str
            Part of a path, or a data type (``xnat:mrScanData``): all its fields.
        datatype_name : str, optional
            Only fields of this type.
        """
        found = self()
        if ":" in element_name:
            return found.get(element_name, [])
        types = found if datatype_name is None else [datatype_name]
        return [path for name in types for path in found.get(name, ()) if element_name in path]
