"""How the data of an element was made: its processing steps."""

from __future__ import annotations

import getpass
import platform
import socket
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import UsageError
from .documents import PROV, XNAT, Document

__all__ = ["Provenance"]

# the tags of a step in the order of their schema, each with its attributes
_TAGS: dict[str, tuple[str, ...]] = {
    "program": ("version", "arguments"),
    "timestamp": (),
    "cvs": (),
    "user": (),
    "machine": (),
    "platform": ("version",),
    "compiler": ("version",),
    "library": ("version",),
}
_WORDS = frozenset([*_TAGS, *(f"{tag}_{name}" for tag, names in _TAGS.items() for name in names)])


class Provenance:
    """The processing steps behind an assessor or a reconstruction.

    A step is a mapping with ``program`` and, as known, ``program_version``,
    ``program_arguments``, ``timestamp``, ``cvs``, ``user``, ``machine``, ``platform``,
    ``platform_version``, ``compiler``, ``compiler_version``, ``library``, ``library_version``.

    Parameters
    ----------
    document : callable
        Returns the element's document as text.
    store : callable
        Takes a changed document, and whether what is not in it goes.
    account : str
        Whom to name where a step names nobody.
    """

    def __init__(
        self,
        document: Callable[[], str],
        store: Callable[[str, bool], None],
        account: str,
    ) -> None:
        self._document = document
        self._store = store
        self._account = account

    def get(self) -> list[dict[str, str]]:
        """Return the steps, the first one first, in one request."""
        return [
            _read(step) for step in Document(self._document()).root.iter(f"{{{PROV}}}processStep")
        ]

    def set(
        self,
        process_steps: Mapping[str, Any] | Iterable[Mapping[str, Any]],
        overwrite: bool = False,
    ) -> None:
        """Add steps.

        Parameters
        ----------
        process_steps : mapping, or iterable of them
            What is missing of time, user, machine and platform is this process's own.
        overwrite : bool
            Let them take the place of all steps that there are.

        Raises
        ------
        UsageError
            For a step without a program or with a word that no step has, before any request.
        """
        given = [process_steps] if isinstance(process_steps, Mapping) else list(process_steps)
        steps = [self._complete(step) for step in given]
        document = Document(self._document())
        found = document.root.find(f"{{{XNAT}}}provenance")
        if found is not None and overwrite:
            document.root.remove(found)
            found = None
        if found is None:
            found = ET.Element(f"{{{XNAT}}}provenance")
            document.root.insert(0, found)
        found.extend(_written(step) for step in steps)
        self._store(document.text(), overwrite)

    def attach(self, program: str | Mapping[str, Any], **words: Any) -> None:
        """Add one step, word by word or as a mapping: ``attach("bet", program_version="6.0")``."""
        step = {"program": program} if isinstance(program, str) else program
        self.set({**step, **words})

    def delete(self) -> None:
        """Remove all steps."""
        document = Document(self._document())
        found = document.root.find(f"{{{XNAT}}}provenance")
        if found is not None:
            document.root.remove(found)
            self._store(document.text(), True)

    def _complete(self, step: Mapping[str, Any]) -> dict[str, str]:
        unknown = sorted(set(step) - _WORDS)
        if unknown or not step.get("program"):
            raise UsageError(
                f"a processing step has no {', '.join(unknown)}"
                if unknown
                else "a processing step names its program",
                advice=f"its words are {', '.join(sorted(_WORDS))}",
            )
        own = {
            "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S"),
            "user": self._account or getpass.getuser(),
            "machine": socket.gethostname(),
        }
        if "platform" not in step:
            own.update(platform=platform.system(), platform_version=platform.release())
        return {**own, **{name: str(value) for name, value in step.items()}}

    def __repr__(self) -> str:
        return "<Provenance>"


def _read(step: ET.Element) -> dict[str, str]:
    values: dict[str, str] = {}
    for child in step:
        name = child.tag.rpartition("}")[2]
        values[name] = (child.text or "").strip()
        values.update({f"{name}_{word}": value for word, value in child.attrib.items()})
    return values


def _written(step: Mapping[str, str]) -> ET.Element:
    made = ET.Element(f"{{{PROV}}}processStep")
    for tag, attributes in _TAGS.items():
        if tag not in step:
            continue
        child = ET.SubElement(made, f"{{{PROV}}}{tag}")
        child.text = step[tag]
        for name in attributes:
            if f"{tag}_{name}" in step:
                child.set(name, step[f"{tag}_{name}"])
    return made
