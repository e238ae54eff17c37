"""What is remembered of files whose archive keeps no checksums.

One small JSON file each. They are an index: when one is lost or unreadable the file is fetched
again, nothing worse.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from .hashing import is_md5

__all__ = ["Known", "key_of", "read"]


@dataclass(frozen=True)
class Known:
    """What a file was when it was fetched.

    Parameters
    ----------
    digest : str
        MD5 of the bytes that came.
    size : int
        Bytes.
    modified : str
        Last-Modified, as the server wrote it; empty where it cannot tell a later change.
    place : str
        Where the file is, for a reader of the index.
    """

    digest: str
    size: int
    modified: str = ""
    place: str = ""

    def to_json(self) -> bytes:
        """Return the text of the entry."""
        return (json.dumps(asdict(self), ensure_ascii=False, indent=1) + "\n").encode()


def key_of(*parts: object) -> str:
    """Return a file name for what identifies a file on a server for an account."""
    text = json.dumps([str(part) for part in parts])
    return hashlib.sha256(text.encode()).hexdigest()


def read(path: Path) -> Known | None:
    """Read an entry; None where there is none, or none that can be used."""
    try:
        values = json.loads(path.read_bytes())
        known = Known(
            str(values["digest"]),
            int(values["size"]),
            str(values.get("modified", "")),
            str(values.get("place", "")),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return known if is_md5(known.digest) else None
