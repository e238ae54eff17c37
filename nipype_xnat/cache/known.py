"""What is remembered of files whose archive keeps no checksums.

One small JSON file each. They are an index: when one is lost or unreadable the file is fetched
again, nothing worse.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, field
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
    age : float
        Seconds since this was written.
    """

    digest: str
    size: int
    modified: str = ""
    place: str = ""
    age: float = field(default=0.0, compare=False)

    def to_json(self) -> bytes:
        """Return the text of the entry."""
        values = {name: value for name, value in asdict(self).items() if name != "age"}
        return (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode()


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
            max(0.0, time.time() - path.stat().st_mtime),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return known if is_md5(known.digest) else None
