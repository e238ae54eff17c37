"""The XML schemas that say what data types a server has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar
from xml.etree import ElementTree as ET

from ..address import Address
from ..errors import UsageError
from ..select.element import Archive
from ..select.schema_paths import paths_of
from ..transport import Request

__all__ = ["Schemas"]

T = TypeVar("T")

_XS = "{http://www.w3.org/2001/XMLSchema}"


class Schemas:
    """``interface.manage.schemas``: called, it returns the names of the schemas that were loaded.

    Parameters
    ----------
    archive : Interface

    Examples
    --------
    >>> interface.manage.schemas.add("xnat")  # doctest: +SKIP
    >>> interface.manage.schemas()  # doctest: +SKIP
    ['xnat']
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._trees: dict[str, ET.Element] = {}
        self._texts: dict[str, str] = {}

    def __call__(self) -> list[str]:
        """Return the names of the schemas that were loaded."""
        return list(self._trees)

    def available(self) -> list[str]:
        """Return the names of the schemas that the server has."""
        request = Request("GET", Address.of("xapi", "schemas"), expect="json")
        return [str(name) for name in self._archive.transport.send(request).json()]

    def add(self, url: str) -> None:
        """Load a schema.

        Parameters
        ----------
        url : str
            Its name (``xnat``), or its address on the server (``/xapi/schemas/xnat``).

        Raises
        ------
        NotFound
        """
        name = url.rstrip("/").rpartition("/")[2].removesuffix(".xsd")
        text = self.document(url)
        self._trees[name] = ET.fromstring(text)  # noqa: S314
        self._texts[name] = text

    def remove(self, name: str) -> None:
        """Forget a schema that was loaded."""
        self._trees.pop(name, None)
        self._texts.pop(name, None)

    def document(self, url: str) -> str:
        """Return the text of a schema; ``url`` as for :meth:`add`."""
        parts = [part for part in url.split("/") if part]
        if not parts:
            raise UsageError("a schema needs a name", advice="available() lists them")
        if parts[0] not in ("xapi", "schemas"):
            parts = ["xapi", "schemas", *parts]
        request = Request("GET", Address.of(*parts), expect="xml")
        return self._archive.transport.send(request).text()

    def types(self, name: str) -> list[str]:
        """Return the data types that a loaded schema defines.

        Raises
        ------
        UsageError
            If it was not loaded.
        """
        return sorted(set(self._types(name)))

    def paths(self, datatype: str) -> list[str]:
        """Return the paths of the fields of a data type, those that it inherits first.

        Raises
        ------
        UsageError
            If the schema of its prefix was not loaded.
        """
        name = datatype.partition(":")[0]
        return paths_of(self._loaded(name, self._texts), datatype)

    def _types(self, name: str) -> Iterator[str]:
        for entry in self._loaded(name, self._trees).iter(f"{_XS}complexType"):
            if entry.get("name"):
                yield f"{name}:{entry.get('name')}"

    @staticmethod
    def _loaded(name: str, kept: Mapping[str, T]) -> T:
        if name not in kept:
            raise UsageError(f"the schema {name!r} was not loaded", advice=f"add({name!r}) does so")
        return kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._trees)

    def __repr__(self) -> str:
        return f"<Schemas {', '.join(self._trees) or 'none loaded'}>"
