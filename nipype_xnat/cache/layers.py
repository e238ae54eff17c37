"""Read-only caches that are looked up before the user's own: a site's, or the files of a mirror.

A layer has the layout of a cache (``objects/ab/<md5>``). Nothing is ever written into it: what is
wrong there is a miss, and what lost its stamp is read, once a process.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from .hashing import md5_of, new_md5
from .policy import Trust, after_hash, at_first_sight
from .stamp import carries_stamp

__all__ = ["glance", "linkable", "object_in", "right_in_layer"]

log = logging.getLogger("nipype_xnat.cache")

_MD5_OF_NOTHING = new_md5().hexdigest()

_read: dict[tuple[str, int, int, int], bool] = {}


def object_in(root: str, digest: str) -> str:
    """Return where a cache or a layer keeps the file with a digest."""
    return f"{root}/objects/{digest[:2]}/{digest}"


def glance(path: str, digest: str, size: int | None) -> tuple[Trust, os.stat_result] | None:
    """Judge a file without reading it; None where there is none, or none that can be seen."""
    try:
        status = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        log.warning("cannot read %s in the cache, as if it were not there: %s", path, error)
        return None
    if size is None:
        # what a power cut emptied does not count where nobody knows its size
        fits = status.st_size > 0 or digest == _MD5_OF_NOTHING
    else:
        fits = status.st_size == size
    trust = at_first_sight(
        regular=stat.S_ISREG(status.st_mode),
        size=fits,
        stamp=carries_stamp(status.st_mtime_ns, digest),
    )
    return trust, status


def right_in_layer(path: str, digest: str, size: int | None, status: os.stat_result) -> bool:
    """Tell by reading whether a file of a layer is what its name says; remembered afterwards."""
    key = (path, status.st_ino, status.st_size, status.st_mtime_ns)
    if key not in _read:
        try:
            _read[key] = md5_of(path) == digest
        except OSError as error:
            log.warning("cannot read %s in a layer, as if it were not there: %s", path, error)
            return False
        if not _read[key]:
            log.warning("%s is not what its name says: passed over", path)
    right_size = size is None or status.st_size == size
    return after_hash(digest=_read[key], size=right_size) is Trust.RESTORE


def linkable(path: Path, digest: str) -> bool:
    """Tell whether a view may hold a hard link to a file as it is: stamped, and read-only."""
    status = path.stat()
    return carries_stamp(status.st_mtime_ns, digest) and not status.st_mode & 0o222
