"""What an archive lists of one resource."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ..address import Address
from ..errors import UnreadableAnswer
from ..transport import Answer, Request, Transport

__all__ = ["Entry", "Listing", "list_files", "resource_id_of"]

_PATH = re.compile(r"/resources/[^/]+/files/(.+)$", re.S)


@dataclass(frozen=True)
class Entry:
    """A file as it is listed.

    Parameters
    ----------
    size : int or None
    digest : str
        MD5 in lower case, empty where the archive keeps none.
    resource_id : str
    """

    size: int | None
    digest: str
    resource_id: str = ""


class Listing:
    """The files of a resource by their paths, however the server spells these."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._exact = dict(entries)
        self._spelled: dict[str, Entry] = {}
        for path, entry in entries.items():
            if "%" not in path and "&" not in path:
                continue
            for spelling in (unquote(path), html.unescape(path), html.unescape(unquote(path))):
                self._spelled.setdefault(spelling, entry)

    def __len__(self) -> int:
        return len(self._exact)

    def digests(self) -> frozenset[str]:
        """Return all digests that are listed."""
        return frozenset(entry.digest for entry in self._exact.values() if entry.digest)

    def get(self, path: str) -> Entry | None:
        """Return what is listed under a path, or None."""
        return self._exact.get(path) or self._spelled.get(path)

    def by_path(self) -> dict[str, str]:
        """Return the digests by paths, empty where the archive keeps none."""
        return {path: entry.digest for path, entry in self._exact.items()}


def list_files(transport: Transport, resource: Address) -> Listing:
    """Ask for the files of a resource."""
    # it proves what is there now, so it never comes from memory
    request = Request("GET", (resource / "files").ask(format="json"), expect="json", fresh=True)
    with transport.send(request) as answer:
        rows = _rows(answer)
    entries: dict[str, Entry] = {}
    for row in rows:
        match = _PATH.search(str(row.get("URI", "")))
        if match is None:
            continue
        size = str(row.get("Size", ""))
        entries[match[1]] = Entry(
            int(size) if size.isdigit() else None,
            str(row.get("digest") or "").lower(),
            str(row.get("cat_ID") or ""),
        )
    return Listing(entries)


def resource_id_of(transport: Transport, owner: Address, label: str) -> str:
    """Return the number of a resource by its label, empty if there is none."""
    request = Request("GET", (owner / "resources").ask(format="json"), expect="json", fresh=True)
    with transport.send(request) as answer:
        rows = _rows(answer)
    numbers = [
        str(row.get("xnat_abstractresource_id", ""))
        for row in rows
        if html.unescape(str(row.get("label", ""))) == label or row.get("label") == label
    ]
    # of two resources with one label (which a race can make) all take the older one
    return min((number for number in numbers if number.isdigit()), key=int, default="")


def _rows(answer: Answer) -> list[dict[str, Any]]:
    document = answer.json()
    try:
        rows = document["ResultSet"]["Result"]
    except (KeyError, TypeError) as error:
        raise UnreadableAnswer(
            "the server sent something else than a listing",
            server=answer.server,
            asked=answer.request.asked,
            status=answer.status,
        ) from error
    return [row for row in rows if isinstance(row, dict)]
