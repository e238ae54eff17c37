"""The text of notes: which digests a listing has named to an account, resource by resource.

One file may hold the notes of many resources, a line each, so that one of them is found by its key
and the others are not read. All of it is JSON, for people.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from .hashing import is_md5

__all__ = ["Note", "digests_of", "line_of", "lines_of", "text_in", "text_of_lines"]

_KEY = 64  # characters: SHA-256 in hexadecimal


class Note(NamedTuple):
    """What is noted of a resource for an account.

    Parameters
    ----------
    place : str
        Where the resource is, for a reader of the note.
    digests : frozenset of str
    """

    place: str
    digests: frozenset[str]


def line_of(key: str, note: Note) -> bytes:
    """Return the line of a resource, whose key identifies it on its server for its account."""
    values = {"place": note.place, "digests": sorted(note.digests)}
    # what is no character is written as JSON writes it
    return f'"{key}": {json.dumps(values, ensure_ascii=False)}'.encode(errors="backslashreplace")


def text_of_lines(lines: Iterable[bytes]) -> bytes:
    """Return the text of a file."""
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def lines_of(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the keys in a file, with the text of the note of each."""
    for line in data.split(b"\n"):
        if line[:1] == b'"' and line[_KEY + 1 : _KEY + 4] == b'": ':
            yield line[1 : _KEY + 1].decode("ascii", "replace"), line[_KEY + 4 :].rstrip(b",")


def text_in(data: bytes, key: str) -> bytes:
    """Return the text of a note out of a file that has its key for a name; empty without one."""
    mark = b'\n"%b": ' % key.encode()
    start = data.find(mark)
    if start < 0:
        # as it was written at first: a file, a note
        return b"" if data.startswith(b'{\n"') else data
    start += len(mark)
    end = data.find(b"\n", start)
    return data[start:end].rstrip(b",") if end >= 0 else b""


def digests_of(text: bytes) -> frozenset[str]:
    """Return the digests in the text of a note; none if it cannot be used."""
    try:
        digests = json.loads(text)["digests"] if text else ()
        return frozenset(digest for digest in map(str, digests) if is_md5(digest))
    except (ValueError, KeyError, TypeError):
        return frozenset()
