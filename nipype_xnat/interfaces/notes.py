"""What a node notes in its folder for others to read, as JSON that says what it is.

Nipype drops outputs that are connected to nothing, and its result files are pickles; it does not
clean the folder that these files stand in.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["Note"]

T = TypeVar("T")

_FOLDER = "_nipype"


@dataclass(frozen=True)
class Note:
    """A kind of note.

    Parameters
    ----------
    name : str
        Of the file.
    format : str
        What the file says of itself.
    version : int
        Of the format: a file of a newer one is not read.
    """

    name: str
    format: str
    version: int

    def write(self, folder: Path, values: Mapping[str, Any]) -> None:
        """Write values into the folder of a node; what stands there already is left alone."""
        path = folder / _FOLDER / self.name
        whole = {"format": self.format, "version": self.version, **values}
        text = json.dumps(whole)
        try:
            if path.read_text(encoding="utf-8") == text:
                return
        except (OSError, ValueError):
            path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def read(self, folder: Path, made_of: Callable[[dict[str, Any]], T]) -> T | None:
        """Return what is made of the values in the folder of a node.

        None if there are none, or none that can be read: somebody else may have written them.
        """
        try:
            values = json.loads((folder / _FOLDER / self.name).read_text(encoding="utf-8"))
            if values["format"] != self.format or values["version"] > self.version:
                return None
            return made_of(values)
        except (OSError, ValueError, KeyError, TypeError):
            return None
