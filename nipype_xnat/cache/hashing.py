"""MD5 as XNAT's catalogs hold it: a checksum, not a protection."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

__all__ = ["is_md5", "md5_of", "new_md5"]

_BLOCK = 1 << 20
_MD5 = re.compile(r"[0-9a-f]{32}")


def new_md5(start: bytes = b"") -> _Hash:
    """Return an MD5 to be fed, also where a system forbids MD5 for secrets (FIPS)."""
    return hashlib.md5(start, usedforsecurity=False)


def md5_of(path: Path | str) -> str:
    """Return the MD5 of a file in hexadecimal, read in pieces."""
    digest = new_md5()
    with open(path, "rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def is_md5(text: str) -> bool:
    """Tell whether a text is an MD5 in lower-case hexadecimal."""
    return _MD5.fullmatch(text) is not None
