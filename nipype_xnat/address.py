"""A path-and-query value that is quoted exactly once, when it is sent.

XNAT decodes almost nothing in a path (labels are compared as they arrive), and its firewall
refuses some characters even when they are quoted, so what may stand in a segment is checked here,
before any request.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl, quote, unquote

from .errors import UsageError

__all__ = ["ADDRESS_LIMIT", "Address", "is_addressable", "is_identifier", "is_plain_label"]

ADDRESS_LIMIT = 7000
"""Characters of an address; 8 KiB is the limit of a header block, cookies included."""

# RFC 3986 allows these unquoted in a segment; XNAT uses "," and "*" with a meaning of their own
_SEGMENT_SAFE = ",:@=*+'()!$&"
_QUERY_SAFE = "/:,*@()!'"
# Spring Security's StrictHttpFirewall answers 500 to these, quoted or not
_REFUSED = frozenset("%/\\;")
_NOT_IN_LABELS = frozenset(" ,'\"#?[]{}|^<>`&*")


def is_addressable(name: str) -> bool:
    """Tell whether a name can stand in a path of an XNAT server as one segment.

    Parameters
    ----------
    name : str
        An id, a label, or one part of a file path.

    Notes
    -----
    The server's firewall refuses ``%``, ``\\``, ``;`` and ``/`` inside a segment in every
    spelling, as well as the segments ``.`` and ``..`` (Spring Security, ``StrictHttpFirewall``).
    """
    return name not in ("", ".", "..") and not _REFUSED.intersection(name) and name.isprintable()


@lru_cache(maxsize=512)
def is_plain_label(name: str) -> bool:
    """Tell whether a resource can be addressed by this label.

    XNAT does not decode labels in a path, reads a comma as two of them, refuses quotes and escapes
    ``& < >`` before it compares, so any other label needs the resource's number.
    """
    return (
        is_addressable(name)
        and name.isascii()
        and name != "NULL"  # XNAT's word for resources without a label
        and not _NOT_IN_LABELS.intersection(name)
    )


def is_identifier(name: str) -> bool:
    """Tell whether XNAT makes projects, subjects, experiments and assessors under a name.

    Source: ``XftStringUtils.isValidId`` of the server.
    """
    return re.fullmatch(r"[A-Za-z0-9_-]+", name) is not None


@dataclass(frozen=True)
class Address:
    """A path below the server's root, and a query.

    Parameters
    ----------
    segments : tuple of str
        Path segments, unquoted.
    query : tuple of (str, str)
        Query parameters, unquoted, in order.

    Examples
    --------
    >>> Address.of("data", "projects", "P1").ask(format="json")
    Address('/data/projects/P1?format=json')
    >>> str(Address.of("data", "files", "two words.nii"))
    '/data/files/two%20words.nii'
    """

    segments: tuple[str, ...]
    query: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, *segments: str | int) -> Address:
        """Make an address of unquoted segments."""
        return cls(()) / [str(segment) for segment in segments]

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read a quoted path, with or without a query, as a server writes it."""
        path, _, query = text.partition("?")
        parts = tuple(unquote(part) for part in path.split("/") if part)
        return cls(parts, tuple(parse_qsl(query, keep_blank_values=True)))

    def __truediv__(self, more: str | Iterable[str]) -> Address:
        segments = (more,) if isinstance(more, str) else tuple(more)
        for segment in segments:
            if not is_addressable(segment):
                raise UsageError(
                    f"{segment!r} cannot be part of an address: XNAT refuses empty names, "
                    "'.', '..', control characters and the characters % / \\ ;",
                    advice="address the element by its numeric id, or rename it",
                )
        return Address(self.segments + segments, self.query)

    def file(self, path: str) -> Address:
        """Append a file path, whose ``/`` separate folders."""
        return self / [part for part in path.split("/") if part]

    def ask(
        self, parameters: Mapping[str, str | int | bool | None] | None = None, /, **more: object
    ) -> Address:
        """Append query parameters; ``None`` leaves one out, a bool becomes ``true``/``false``."""
        pairs = list(self.query)
        for name, value in {**(parameters or {}), **more}.items():
            if value is None:
                continue
            text = str(value).lower() if isinstance(value, bool) else str(value)
            pairs.append((name, text))
        return Address(self.segments, tuple(pairs))

    @property
    def path(self) -> str:
        """The quoted path, with a leading slash."""
        quoted = [quote(segment, safe=_SEGMENT_SAFE) for segment in self.segments]
        start = self._file_starts()
        if any("%20" in word for word in quoted[start:]):
            # XNAT decodes a file's path that holds a blank, and + is read as one then
            quoted[start:] = [word.replace("+", "%2B") for word in quoted[start:]]
        return "/" + "/".join(quoted)

    def _file_starts(self) -> int:
        """Return where the path of a file begins: behind resources, its label, and files."""
        for place in range(3, len(self.segments)):
            if self.segments[place - 3] == "resources" and self.segments[place - 1] == "files":
                return place
        return len(self.segments)

    def __str__(self) -> str:
        if not self.query:
            return self.path
        pairs = (
            f"{quote(name, safe='/:')}={quote(value, safe=_QUERY_SAFE)}"
            for name, value in self.query
        )
        return f"{self.path}?{'&'.join(pairs)}"

    def __repr__(self) -> str:
        return f"Address({str(self)!r})"
