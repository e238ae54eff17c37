"""What an XNATSink stored: the record that it keeps in its node's folder.

It is written whether or not anything is connected to the output ``stored``. ``docs/trust.md``
describes its keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..records import Record
from .notes import Note

__all__ = ["Stored"]

_NOTE = Note("xnat_sink.json", "nipype_xnat.sink", 1)


@dataclass(frozen=True)
class Stored:
    """What the archive listed after a sink had run.

    Parameters
    ----------
    archive : str
        Address of the archive.
    files : tuple of (Record, mapping)
        Each file, and what else is known of it: what was done, and where it came from.
    unchecked : tuple of str
        What could not be checked of the inputs.
    """

    archive: str
    files: tuple[tuple[Record, Mapping[str, Any]], ...]
    unchecked: tuple[str, ...] = ()

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The output ``stored``."""
        return [
            {
                "archive": self.archive,
                "address": record.place,
                "resource_id": record.resource_id,
                "path": record.path,
                "size": record.size,
                "digest": record.digest,
                **more,
                "unchecked": list(self.unchecked),
            }
            for record, more in self.files
        ]

    def write(self, folder: Path) -> None:
        """Write it into the folder of a node."""
        values = {
            "archive": self.archive,
            "unchecked": list(self.unchecked),
            "files": [
                {**record.to_dict(), "address": record.place, **more} for record, more in self.files
            ],
        }
        _NOTE.write(folder, values)

    @classmethod
    def read(cls, folder: Path) -> Stored | None:
        """Read what a sink has written into its folder; None if nothing can be read."""

        def made_of(values: Mapping[str, Any]) -> Stored:
            return cls(
                values["archive"],
                tuple(
                    (Record.from_dict(each), {key: each[key] for key in ("action", "source")})
                    for each in values["files"]
                ),
                tuple(values["unchecked"]),
            )

        return _NOTE.read(folder, made_of)
