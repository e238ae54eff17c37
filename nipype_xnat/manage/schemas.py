"""The XML schemas that say what data types a server has."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from ..address import Address
from ..errors import UsageError
from ..select.element import Archive
from ..transport import Request

__all__ = ["Schemas"]

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
        self._trees[name] = ET.fromstring(self.document(url))  # noqa: S314

    def remove(self, name: str) -> None:
        """Forget a schema that was loaded."""
        self._trees.pop(name, None)

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

    def _types(self, name: str) -> Iterator[str]:
        if name not in self._trees:
            raise UsageError(f"the schema {name!r} was not loaded", advice=f"add({name!r}) does so")
        for entry in self._trees[name].iter(f"{_XS}complexType"):
            if entry.get("name"):
                yield f"{name}:{entry.get('name')}"

    def __iter__(self) -> Iterator[str]:
        return iter(self._trees)

    def __repr__(self) -> str:
        return f"<Schemas {', '.join(self._trees) or 'none loaded'}>"
