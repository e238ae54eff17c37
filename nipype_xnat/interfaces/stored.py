"""What an XNATSink stored: the record that it keeps in its node's folder.

One JSON file, written whether or not anything is connected to the output ``stored``, which Nipype
drops otherwise. ``docs/trust.md`` describes its keys.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..records import Record

__all__ = ["Stored"]

# in a folder that Nipype does not clean
_PLACE = Path("_nipype") / "xnat_sink.json"
_FORMAT = "nipype_xnat.sink"
_VERSION = 1


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
        path = folder / _PLACE
        path.parent.mkdir(exist_ok=True)
        values = {
            "format": _FORMAT,
            "version": _VERSION,
            "archive": self.archive,
            "unchecked": list(self.unchecked),
            "files": [
                {**record.to_dict(), "address": record.place, **more} for record, more in self.files
            ],
        }
        path.write_text(json.dumps(values), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Stored | None:
        """Read what a sink has written into its folder; None if there is nothing to read."""
        try:
            values = json.loads((folder / _PLACE).read_text(encoding="utf-8"))
            if values["format"] != _FORMAT or values["version"] > _VERSION:
                return None
            return cls(
                values["archive"],
                tuple(
                    (Record.from_dict(each), {key: each[key] for key in ("action", "source")})
                    for each in values["files"]
                ),
                tuple(values["unchecked"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None
