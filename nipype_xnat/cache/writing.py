"""How files are written that others read: names nobody else takes, one step, signs of use."""

from __future__ import annotations

import logging
import os
import socket
import time
import uuid
from functools import cache
from itertools import count
from pathlib import Path

__all__ = ["DAY", "remove", "sync_folder", "touch", "unique_name", "write_small", "write_whole"]

log = logging.getLogger("nipype_xnat.cache")

DAY = 86400.0

_number = count(1)


def unique_name() -> str:
    """Return a name that no other process on any machine uses; a reader sees whose it is."""
    return f"{_name_of(os.getpid())}-{next(_number)}"


@cache
def _name_of(process: int) -> str:
    # a child that was forked has another number; one of another machine, or of another time, has
    # another random part
    return f"{_host()}-{process}-{uuid.uuid4().hex}"


@cache
def _host() -> str:
    return "".join(c for c in socket.gethostname() if c.isalnum() or c == "-")[:40]


def write_whole(path: Path, text: str, *, durable: bool = True) -> None:
    """Write a small file in one step: who reads it sees what was there before, or all of this.

    Parameters
    ----------
    path : pathlib.Path
    text : str
    durable : bool
        Whether it has to outlive a power cut; many files are written faster without.
    """
    temporary = path.with_name(f".{path.name}.{unique_name()}")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    if durable:
        sync_folder(path.parent)


def write_small(path: Path | str, data: bytes) -> None:
    """Write a small file in one step, in a folder that is made where it is missing."""
    folder, _, name = os.fspath(path).rpartition("/")
    temporary = f"{folder}/.{name}.{unique_name()}"
    try:
        try:
            _write_new(temporary, data)
        except FileNotFoundError:
            os.makedirs(folder, exist_ok=True)
            _write_new(temporary, data)
        os.replace(temporary, path)
    except BaseException:
        remove(temporary)
        raise


def _write_new(path: str, data: bytes) -> None:
    with open(path, "xb") as file:
        file.write(data)


def remove(path: str) -> None:
    """Remove a file, if that is possible."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    except OSError as error:
        log.debug("cannot remove %s: %s", path, error)


def touch(path: Path | str) -> None:
    """Note that something was used, by the file system's clock and once a day."""
    try:
        if abs(time.time() - os.stat(path).st_mtime) > DAY:
            os.utime(path)
    except OSError as error:  # a read-only cache, or somebody else's
        log.debug("cannot note that %s was used: %s", path, error)


def sync_folder(folder: Path) -> None:
    """Bring a new name to the disk, where the file system can be asked to."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
