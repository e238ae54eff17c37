"""File contents, under names that the archive makes itself.

No name that a client sends ever reaches the file system, so nothing outside the folder
can be touched. A content is written to a temporary name, forced to disk, and renamed;
only then may the database speak of it. What a crash leaves behind is nameless and is
swept at the next start.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

CHUNK = 1 << 20


class Readable(Protocol):
    """Anything bytes can be read from."""

    def read(self, size: int = ..., /) -> bytes:
        """Give at most so many bytes."""
        ...


@dataclass(frozen=True)
class Blob:
    """A stored content: its name in the store, its size, its MD5."""

    name: str
    size: int
    digest: str
    modified: float


class Blobs:
    """The folder of file contents."""

    def __init__(self, root: Path, durable: bool = True):
        self._files = root / "files"
        self._incoming = root / "incoming"
        self._durable = durable
        self._files.mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(parents=True, exist_ok=True)

    def path(self, name: str) -> Path:
        """Say where the content of that name lies."""
        return self._files / name[:2] / name

    def open(self, name: str) -> BinaryIO:
        """Open a content for reading."""
        return open(self.path(name), "rb")

    def add(self, source: Readable, limit: int | None = None) -> Blob:
        """Store what can be read from `source`, at most `limit` bytes."""
        name = secrets.token_hex(16)
        temporary = self._incoming / name
        digest = hashlib.md5(usedforsecurity=False)
        size = 0
        try:
            with open(temporary, "wb") as sink:
                while limit is None or size < limit:
                    wanted = CHUNK if limit is None else min(CHUNK, limit - size)
                    chunk = source.read(wanted)
                    if not chunk:
                        break
                    digest.update(chunk)
                    size += len(chunk)
                    sink.write(chunk)
                if self._durable:
                    sink.flush()
                    os.fsync(sink.fileno())
            target = self.path(name)
            target.parent.mkdir(exist_ok=True)
            temporary.replace(target)
            if self._durable:
                _sync_folder(target.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        return Blob(name, size, digest.hexdigest(), time.time())

    def drop(self, name: str) -> None:
        """Remove a content; that it is gone already is fine."""
        self.path(name).unlink(missing_ok=True)

    def sweep(self, known: Callable[[str], bool]) -> int:
        """Remove what no row of the database speaks of, and return how many."""
        count = 0
        for leftover in self._incoming.iterdir():
            leftover.unlink(missing_ok=True)
            count += 1
        for folder in self._files.iterdir():
            for path in folder.iterdir():
                if not known(path.name):
                    path.unlink(missing_ok=True)
                    count += 1
        return count

    def clear(self) -> None:
        """Remove everything."""
        for folder in (self._files, self._incoming):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)

    def temporary(self) -> Path:
        """Give a fresh name for something on its way."""
        return self._incoming / secrets.token_hex(16)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
