"""The data types of a mirrored server: the standard ones, and those that its site has added.

A server tells of its own types by its schema documents. What they say is kept with the state as one
dictionary file, so that whoever reads the state knows them too.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from ..address import Address
from ..archive import Site, datatypes, xsd
from ..archive.datatypes import DataType, Dictionary
from ..errors import AnswerError
from ..transport import Request, Transport

__all__ = ["Types", "site_of", "types_in"]

log = logging.getLogger("nipype_xnat.mirror")

_NAME = "types.json"
_LIST = Address.of("xapi", "schemas")


class Types:
    """The standard types, and those that are added to them.

    Parameters
    ----------
    own : dict, optional
        A data dictionary of types that a site has added.
    """

    def __init__(self, own: dict[str, Any] | None = None) -> None:
        self._own: dict[str, Any] = {"namespaces": {}, "schemas": {}, "types": {}}
        self._add(own or {})
        #: what is known of types in general only, by the general type
        self.unread: dict[str, str] = {}

    @property
    def dictionary(self) -> Dictionary:
        """All types."""
        return self._dictionary

    @classmethod
    def of_server(cls, transport: Transport) -> Types:
        """Read the schema documents of a server, those of the standard types left out.

        A server that does not show them, and a document that is not understood, are passed over:
        :meth:`stand_in` helps where such a type is met.
        """
        found = cls()
        waiting = dict(_documents(transport))
        # a document may extend the types of another one, whatever their order
        while waiting:
            read = [name for name, document in waiting.items() if found._takes(name, document)]
            if not read:
                break
            for name in read:
                del waiting[name]
        for name in waiting:
            log.warning("the data types of the schema %s of this server are not understood", name)
        return found

    def _takes(self, name: str, document: str) -> bool:
        try:
            self._add(xsd.parse(document.encode("utf-8"), name))
        except (ValueError, AttributeError, TypeError) as error:
            log.info("the schema %s cannot be read: %s", name, error)
            return False
        return True

    def _add(self, more: dict[str, Any]) -> None:
        """Add a data dictionary.

        Raises
        ------
        ValueError
            If it refers to types that are unknown; nothing is added then.
        """
        merged = {name: {**part, **more.get(name, {})} for name, part in self._own.items()}
        self._dictionary = Dictionary([datatypes.standard(), merged])
        self._own = merged

    def stand_in(self, name: str, general: str) -> DataType:
        """Return a type; one that is unknown gets the fields of a more general one.

        Parameters
        ----------
        name : str
        general : str
            What elements of that type are in any case, such as ``xnat:imageScanData``.
        """
        if self.dictionary.get(name) is not None:
            return self.require(name)
        prefix = name.partition(":")[0]
        space = self.dictionary.namespaces.get(prefix, f"http://nrg.wustl.edu/{prefix}")
        made = {"extends": general, "fields": []}
        self._add({"namespaces": {prefix: space}, "types": {name: made}})
        self.unread[name] = general
        return self.require(name)

    def require(self, name: str) -> DataType:
        """Return a type that is known."""
        found = self.dictionary.get(name)
        assert found is not None
        return found

    def write(self, state: Path) -> None:
        """Keep the types that are not standard with a state."""
        if self._own["types"]:
            text = json.dumps(self._own, indent=1, ensure_ascii=False)
            (state / _NAME).write_text(text, encoding="utf-8")


def types_in(state: Path) -> Dictionary:
    """Return the types that a state knows."""
    return datatypes.load(site_of(state).datatypes)


def site_of(state: Path, **settings: Any) -> Site:
    """Return the settings of an archive that is opened on a state."""
    path = state / _NAME
    return Site(datatypes=(path,) if path.exists() else (), **settings)


def _documents(transport: Transport) -> dict[str, str]:
    """Return the schema documents that are not among the standard ones, by their names."""
    usual = set()
    for place in datatypes.load().schemas.values():
        folder, _, name = place.partition("/")
        usual |= {place, name if folder == name else place}
    found: dict[str, str] = {}
    try:
        names = transport.send(Request("GET", _LIST, expect="json")).json()
    except AnswerError as error:
        log.info("the server does not list its schemas: %s", error.message)
        return found
    for name in names if isinstance(names, list) else []:
        # XNAT's own machinery, whose types no element has
        if str(name) in usual or str(name).partition("/")[0] == "xdat":
            continue
        try:
            request = Request("GET", _LIST / str(name).split("/"), expect="xml")
            found[str(name)] = transport.send(request).text()
        except AnswerError as error:
            log.info("the schema %s is not shown: %s", name, error.message)
    return found
