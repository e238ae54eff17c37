"""Which digests a listing has named to an account: small files, each about one resource.

Bytes are kept once for all accounts that share a cache, and handed only to one whose own listing
named them, or that was sent them. A note that is lost costs one more listing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from .hashing import is_md5

__all__ = ["read_names", "text_of_names"]


def read_names(path: Path) -> frozenset[str]:
    """Read a note; empty where there is none, or none that can be used."""
    try:
        digests = json.loads(path.read_bytes())["digests"]
        return frozenset(str(digest) for digest in digests if is_md5(str(digest)))
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()


def text_of_names(place: str, digests: Iterable[str]) -> bytes:
    """Return the text of a note."""
    values = {"place": place, "digests": sorted(digests)}
    return (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode()
