"""File contents, under names that the archive makes itself.

No name that a client sends ever reaches the file system, so nothing outside the folder
can be touched. A content is written to a temporary name, renamed, and forced to disk, its
name too; only then may the database speak of it. What a crash leaves behind is spoken of
by no row and is swept at the next start.

What somebody may still be reading is not removed before they are done: an answer may name
contents long before it comes to open them.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, BinaryIO, Protocol

from nipype_xnat.archive.errors import ReadOnly

CHUNK = 1 << 20
#: contents that are forced to disk at the same time
_SYNCING = 8


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
    """The folder of file contents.

    Parameters
    ----------
    root : Path
        The folder of the archive.
    durable : bool
        Whether a content is forced to disk, and its name too, before it is spoken of.
    read_only : bool
        Whether nothing may be written.
    """

    def __init__(self, root: Path, durable: bool = True, read_only: bool = False):
        self._files = root / "files"
        self._incoming = root / "incoming"
        self._durable = durable
        self._read_only = read_only
        #: folders of contents that are there
        self._folders: set[str] = set()
        self._lock = threading.Lock()
        #: who reads, in the order of coming, and what waits until those have gone who came before
        self._readers: set[int] = set()
        self._turns = itertools.count(1)
        self._leaving: deque[tuple[int, str]] = deque()
        if not read_only:
            self._files.mkdir(parents=True, exist_ok=True)
            self._incoming.mkdir(parents=True, exist_ok=True)
            for leftover in self._incoming.iterdir():
                leftover.unlink(missing_ok=True)
            if durable:
                _sync(root)

    def path(self, name: str) -> Path:
        """Say where the content of that name lies."""
        return self._files / name[:2] / name

    def open(self, name: str) -> BinaryIO:
        """Open a content for reading."""
        return open(self.path(name), "rb")

    def open_raw(self, name: str) -> FileIO:
        """Open a content for being read in large pieces, or sent by the system."""
        return FileIO(str(self.path(name)))

    def add(self, source: Readable, limit: int | None = None) -> Blob:
        """Store what can be read from `source`, at most `limit` bytes."""
        with self.together() as add:
            return add(source, limit)

    @contextmanager
    def together(self) -> Iterator[Callable[[Readable, int | None], Blob]]:
        """Give a way to store many contents, as :meth:`add` does with one.

        They are forced to disk at the end, all at once: that takes a disk little longer than one
        of them.
        """
        written: list[str] = []

        def add(source: Readable, limit: int | None = None) -> Blob:
            temporary = self.temporary()
            try:
                with open(temporary, "wb") as sink:
                    size, digest = _copied(source, sink, limit)
                name = temporary.name
                temporary.replace(self._place(name))
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            written.append(name)
            return Blob(name, size, digest, time.time())

        yield add
        if self._durable and written:
            self._settle(written)

    @contextmanager
    def passing(self, source: Readable) -> Iterator[BinaryIO]:
        """Give a file with what can be read from `source`; it is removed at the end."""
        temporary = self.temporary()
        try:
            with open(temporary, "w+b") as stream:
                shutil.copyfileobj(source, stream, CHUNK)
                stream.seek(0)
                yield stream
        finally:
            temporary.unlink(missing_ok=True)

    def _place(self, name: str) -> str:
        """Say where a content is to lie; the folder is made."""
        folder = self._files / name[:2]
        if name[:2] not in self._folders:
            folder.mkdir(exist_ok=True)
            if self._durable:
                _sync(self._files)
            self._folders.add(name[:2])
        return f"{folder}/{name}"

    def _settle(self, names: Sequence[str]) -> None:
        """Force contents to disk, and their names."""
        contents = [self.path(name) for name in names]
        folders = list(dict.fromkeys(path.parent for path in contents))
        if len(names) == 1:
            _sync(contents[0])
            _sync(folders[0])
            return
        # a file system writes down together what several wait for at the same time
        with ThreadPoolExecutor(min(_SYNCING, len(names))) as several:
            for _ in several.map(_sync, contents):
                pass
            for _ in several.map(_sync, folders):
                pass

    def hold(self) -> Callable[[], None]:
        """Keep all contents for somebody who reads, until what is returned is called."""
        with self._lock:
            turn = next(self._turns)
            self._readers.add(turn)

        def release() -> None:
            with self._lock:
                self._readers.discard(turn)
                gone = []
                while self._leaving and not any(r <= self._leaving[0][0] for r in self._readers):
                    gone.append(self._leaving.popleft()[1])
            for name in gone:
                self.path(name).unlink(missing_ok=True)

        return release

    def drop(self, name: str) -> None:
        """Remove a content, once nobody reads any more who may know it; it may be gone already."""
        self._writable()
        with self._lock:
            if self._readers:
                self._leaving.append((max(self._readers), name))
                return
        self.path(name).unlink(missing_ok=True)

    def sweep(self, known: Callable[[str], Container[str]]) -> int:
        """Remove what no row of the database speaks of, and return how many.

        Parameters
        ----------
        known : callable
            Gives the names in use that begin with two digits.
        """
        self._writable()
        count = 0
        for folder in self._files.iterdir():
            names = known(folder.name)
            for path in folder.iterdir():
                if path.name not in names:
                    path.unlink(missing_ok=True)
                    count += 1
        return count

    def clear(self) -> None:
        """Remove everything."""
        self._writable()
        for folder in (self._files, self._incoming):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True, exist_ok=True)
        self._folders.clear()

    def temporary(self) -> Path:
        """Give a fresh name for something on its way.

        Raises
        ------
        ReadOnly
            When the archive was opened for reading only.
        """
        self._writable()
        return self._incoming / secrets.token_hex(16)

    def _writable(self) -> None:
        if self._read_only:
            raise ReadOnly


def _copied(source: Readable, sink: IO[bytes], limit: int | None) -> tuple[int, str]:
    """Copy, and return the size and the MD5 of what was copied."""
    digest = hashlib.md5(usedforsecurity=False)
    size = 0

    def read() -> bytes:
        return source.read(CHUNK if limit is None else min(CHUNK, limit - size))

    chunk = read()
    if len(chunk) < CHUNK:
        while chunk:
            size += len(chunk)
            digest.update(chunk)
            sink.write(chunk)
            chunk = read()
        return size, digest.hexdigest()
    # what is large is hashed beside: that takes longer than to receive and to write it
    with ThreadPoolExecutor(1) as beside:
        while chunk:
            size += len(chunk)
            hashed = beside.submit(digest.update, chunk)
            sink.write(chunk)
            chunk = read()
            hashed.result()
    return size, digest.hexdigest()


def _sync(path: Path) -> None:
    """Force a file, or the names in a folder, to disk; what is gone meanwhile needs none of it."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
