"""Folders that hold the files of a resource under the resource's own names."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import stat
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from ..errors import UnsafeName
from .stamp import carries_stamp

__all__ = ["NO_LINK", "agrees", "build", "checked_name", "folder_name", "link_or_copy"]

# what file systems (and protected_hardlinks of Linux) say where a hard link cannot be made
NO_LINK = frozenset(
    {errno.EPERM, errno.EXDEV, errno.ENOTSUP, errno.EMLINK, errno.EACCES, errno.ENOSYS}
)
# a name that is too long, or has characters that the file system refuses
_BAD_NAME = frozenset({errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ})


def checked_name(name: str) -> str:
    """Return a path within a resource that stays within a folder.

    Raises
    ------
    UnsafeName
        If it is empty, absolute, or holds ``..``, ``.``, an empty part or NUL.
    """
    if not name or "\0" in name or any(part in ("", ".", "..") for part in name.split("/")):
        raise UnsafeName(
            f"{name!r} cannot be the path of a file within a folder",
            advice="rename the file in the archive, or save it alone under a name of your own",
        )
    return name


def folder_name(name: str, manifest: Mapping[str, str]) -> str:
    """Return the name of the view of a manifest (path to digest): the same at each run."""
    readable = re.sub(r"[^A-Za-z0-9_.-]+", "_", name).strip("._-")[:80] or "files"
    text = json.dumps([name, sorted(manifest.items())])
    return f"{readable}-{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def link_or_copy(source: Path, target: Path) -> None:
    """Make a hard link, or where that cannot be a copy with the same stamp."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in NO_LINK:
            raise
        with source.open("rb") as old, target.open("xb") as new:
            shutil.copyfileobj(old, new, 1 << 20)
            new.flush()
            os.fsync(new.fileno())
        shutil.copystat(source, target)


def build(
    folder: Path,
    manifest: Mapping[str, Path],
    place: Callable[[Path, Path], None] = link_or_copy,
) -> None:
    """Fill a new folder.

    Parameters
    ----------
    folder : pathlib.Path
        Made here; must not exist.
    manifest : mapping of str to pathlib.Path
        Path in the folder to the object that goes there.
    place : callable
        Puts an object at a path where nothing may be.

    Raises
    ------
    UnsafeName
        If the file system cannot hold a name, or not keep two names apart.
    """
    folder.mkdir(parents=True)
    for name, source in sorted(manifest.items()):
        target = folder / checked_name(name)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            place(source, target)
        except (FileExistsError, NotADirectoryError) as error:
            other = _in_the_way(name, manifest)
            # the same bytes under one name: each of the two names opens the right file
            if manifest.get(other) == source and target.is_file():
                continue
            raise UnsafeName(
                f"this file system cannot keep {name!r} and {other!r} apart",
                advice="use a cache on another file system, or rename one of them in the archive",
            ) from error
        except (OSError, UnicodeEncodeError) as error:
            if isinstance(error, OSError) and error.errno not in _BAD_NAME:
                raise
            raise UnsafeName(
                f"this file system cannot hold a file named {name!r}: {error}",
                advice="use a cache on another file system, or rename the file in the archive",
            ) from error


def _in_the_way(name: str, manifest: Mapping[str, Path]) -> str:
    """Return the earlier name of a manifest that took the place of one."""
    folded = _fold(name)
    earlier = [other for other in sorted(manifest) if other < name]
    same = [other for other in earlier if _fold(other) == folded]
    above = [other for other in earlier if folded.startswith(_fold(other) + "/")]
    below = [other for other in earlier if _fold(other).startswith(folded + "/")]
    return (same + above + below + [name])[0]


def _fold(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def agrees(folder: Path, manifest: Mapping[str, tuple[str, int]]) -> bool:
    """Tell whether a view holds what a manifest (path to digest and size) says, without reading."""
    try:
        for name, (digest, size) in manifest.items():
            status = os.lstat(f"{folder}/{name}")
            if not (
                stat.S_ISREG(status.st_mode)
                and status.st_size == size
                and carries_stamp(status.st_mtime_ns, digest)
            ):
                return False
        # some file systems give names back in another normal form
        wanted = {unicodedata.normalize("NFC", name) for name in manifest}
        return all(unicodedata.normalize("NFC", name) in wanted for name in _below(str(folder)))
    except (OSError, UnicodeEncodeError):
        return False


def _below(folder: str, prefix: str = "") -> Iterator[str]:
    """Yield the paths of all that lies in a folder and is none itself."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _below(entry.path, f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name
