"""What an XNATSource delivered: the record that it keeps in its node's folder.

Each source writes it, whether or not anything is connected to its manifest; a sink,
:func:`nipype_xnat.verify` and whoever else wants to know read it. ``docs/trust.md`` describes its
keys.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..records import Record
from .notes import Note

__all__ = ["Delivered", "DeliveredFile", "digest_of", "files_of_record"]

_NOTE = Note("xnat_source.json", "nipype_xnat.source", 1)


@dataclass(frozen=True)
class DeliveredFile:
    """One file that was delivered.

    Parameters
    ----------
    record : Record
        Where it is in the archive, with size and digest.
    local : str
        Where it was handed on.
    outputs : tuple of str
        Outputs of the source that it belongs to.
    """

    record: Record
    local: str
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Delivered:
    """The identity of what a source delivered.

    Parameters
    ----------
    archive : str
        Address of the archive.
    paths : dict of str to list of str
        For each output the select paths that the files answer; empty where a record named them.
    name, record : str
        Of a source with a record: what that is called in its cohort, and its digest.
    files : tuple of DeliveredFile
    outputs : dict
        The node's outputs but for the manifest.
    """

    archive: str
    paths: Mapping[str, list[str]] = field(default_factory=dict)
    name: str = ""
    record: str = ""
    files: tuple[DeliveredFile, ...] = ()
    outputs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def manifest(self) -> list[dict[str, Any]]:
        """Archive, address, size and digest of each file: the output ``manifest``."""
        return [
            {
                "archive": self.archive,
                "address": file.record.place,
                "resource_id": file.record.resource_id,
                "path": file.record.path,
                "size": file.record.size,
                "digest": file.record.digest,
            }
            for file in self.files
        ]

    def of(self, outputs: Iterable[str]) -> list[DeliveredFile]:
        """Return the files of some outputs; the manifest stands for all."""
        wanted = set(outputs)
        if "manifest" in wanted:
            return list(self.files)
        return [file for file in self.files if wanted.intersection(file.outputs)]

    def write(self, folder: Path) -> None:
        """Write it into the folder of a node."""
        values = {
            "archive": self.archive,
            "paths": self.paths,
            "name": self.name,
            "record": self.record,
            "files": [
                {
                    **file.record.to_dict(),
                    "address": file.record.place,
                    "local": file.local,
                    "outputs": list(file.outputs),
                }
                for file in self.files
            ],
            "outputs": self.outputs,
        }
        _NOTE.write(folder, values)

    @classmethod
    def read(cls, folder: Path) -> Delivered | None:
        """Read what a source has written into its folder; None if nothing can be read."""

        def made_of(values: Mapping[str, Any]) -> Delivered:
            return cls(
                values["archive"],
                values["paths"],
                values["name"],
                values["record"],
                tuple(
                    DeliveredFile(Record.from_dict(each), each["local"], tuple(each["outputs"]))
                    for each in values["files"]
                ),
                values["outputs"],
            )

        return _NOTE.read(folder, made_of)


def digest_of(record: Mapping[str, Any]) -> str:
    """Return the digest of a cohort's record."""
    return hashlib.md5(
        json.dumps(record, sort_keys=True, default=str).encode(), usedforsecurity=False
    ).hexdigest()


def files_of_record(
    record: Mapping[str, Any], outputs: Iterable[str], *, companions: bool = True
) -> list[Record]:
    """Return the files that a cohort's record names for some outputs."""
    from ..cohort import found_of  # a source that is not run needs none of it

    found: dict[Record, None] = {}
    for output in sorted(set(outputs) & set(record.get("files", {}))):
        for each in found_of(record, output):
            found[each.record] = None
            if companions:
                found.update(dict.fromkeys(each.companions))
    return list(found)
