"""Which digests listings have named to accounts, in a folder that many processes write.

Bytes are kept once for all accounts that share a cache, and handed only to one whose own listing
named them, or that was sent them. A note that is lost costs one more listing.

::

    CACHE/named/ab/<key>.json    what was named, by what identifies server, account and resource

What one call notes of many resources is one file (or a few, because a file is read as a whole for
one of its notes), with a hard link for each resource: a link costs a tenth of what a file does, and
each resource is found by its own name, whoever noted it. A file never changes. A newer one takes
over the names that it is about, each in one step, when it is whole. Where there are no hard links,
each resource has a file of its own.

The modification time of a file tells when all that it is about was used last. It is set by a call
that uses all of its resources; one that uses some of them notes those anew.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from .named import Note, digests_of, line_of, lines_of, text_in, text_of_lines
from .writing import DAY, remove, touch, unique_name, write_small

__all__ = ["Notes"]

log = logging.getLogger("nipype_xnat.cache")

_LARGEST = 16 << 10  # bytes of a file with several notes
_PART = 100  # resources that are asked about at once
_SLOW = 0.001  # seconds for each of them, as on a network file system
_THREADS = 8  # ... where several do so at a time

_Part = TypeVar("_Part", bound=Any)
_Done = TypeVar("_Done")


class _Line(NamedTuple):
    key: str
    note: Note
    text: bytes


class Notes:
    """The notes of a cache and of its layers, as one call sees them.

    Parameters
    ----------
    root : str
        The cache.
    layers : sequence of str
        Other caches, whose notes count too and are never written.
    prepare : callable
        Makes the cache's folders.
    """

    def __init__(self, root: str, layers: Sequence[str], prepare: Callable[[], None]) -> None:
        self._root = root
        self._homes = (*layers, root)
        self._prepare = prepare
        self._lock = threading.Lock()
        self._files: list[bytes] = []
        self._met: dict[str, bytes] = {}
        self._known: dict[str, frozenset[str]] = {}
        self._opened: set[str] = set()

    def has(self, digest: str, key: str) -> bool:
        """Tell whether a digest was named.

        Parameters
        ----------
        digest : str
            MD5 in lower-case hexadecimal.
        key : str
            Of server, account and resource; see :func:`~nipype_xnat.cache.known.key_of`.
        """
        return digest in self._digests(key, {digest})

    def use(self, told: Mapping[str, Set[str]]) -> list[str]:
        """Note that digests were used, and return the keys that have to be written for that.

        Parameters
        ----------
        told : mapping of str to set of str
            Digests by keys.
        """
        keys = list(told)
        parts = [keys[start : start + _PART] for start in range(0, len(keys), _PART)]
        found = _each(lambda part: [self._used(key, told[key]) for key in part], parts)
        lacking: list[str] = []
        old: dict[tuple[int, int], tuple[int, list[str]]] = {}
        now = time.time()
        for key, status in zip(keys, (one for part in found for one in part), strict=True):
            if status is None:
                lacking.append(key)
            elif abs(now - status.st_mtime) > DAY:
                file = status.st_dev, status.st_ino
                old.setdefault(file, (status.st_nlink, []))[1].append(key)
        for names, used in old.values():
            if len(used) >= names:
                touch(self._place(self._root, used[0]))
            else:
                lacking += used
        return lacking

    def write(self, told: Mapping[str, Note]) -> None:
        """Note what was named, by keys. Where that cannot be written it will be listed again."""
        if not told:
            return
        lines = []
        for key, note in told.items():
            known = self._known[key] = self._digests(key, note.digests) | note.digests
            lines.append(_line(key, note._replace(digests=known)))
        try:
            self._prepare()
            _each(self._write, list(_packed(lines)))
        except OSError as error:
            log.debug("cannot note what was listed in %s: %s", self._root, error)

    # -- reading

    def _digests(self, key: str, wanted: Set[str]) -> frozenset[str]:
        """Return what was named; some of it, as long as that has what is wanted."""
        known = self._known.get(key)
        if known is None:
            known = digests_of(self._elsewhere(key))
        if not wanted <= known and key not in self._opened:
            self._opened.add(key)
            known = known.union(*(digests_of(self._read(home, key)) for home in self._homes))
        self._known[key] = known
        return known

    def _elsewhere(self, key: str) -> bytes:
        """Return a note out of the files that were read for others."""
        with self._lock:
            while self._files:
                self._met.update(lines_of(self._files.pop()))
            return self._met.get(key, b"")

    def _read(self, home: str, key: str) -> bytes:
        try:
            with open(self._place(home, key), "rb", buffering=0) as file:
                data = file.readall()
        except OSError:
            return b""
        with self._lock:
            self._files.append(data)
        return text_in(data, key)

    def _used(self, key: str, digests: Set[str]) -> os.stat_result | None:
        """Return the state of the file that has a note; None if digests are not noted."""
        if not digests <= self._digests(key, digests):
            return None
        try:
            return os.stat(self._place(self._root, key))
        except OSError:  # only a layer has it, or it was pruned
            return None

    # -- writing

    def _write(self, lines: Sequence[_Line]) -> None:
        """Write one file with some notes, and name it for each of them."""
        if len(lines) == 1:
            self._write_alone(lines[0])
            return
        file = self._temporary()
        try:
            with open(file, "xb") as stream:
                stream.write(text_of_lines(line.text for line in lines))
            for line in lines:
                self._name(file, line)
        finally:
            remove(file)

    def _name(self, file: str, line: _Line) -> None:
        place = self._place(self._root, line.key)
        try:
            try:
                os.link(file, place)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(place), exist_ok=True)
                os.link(file, place)
        except FileExistsError:
            before = digests_of(self._read(self._root, line.key))
            if before <= line.note.digests:
                other = self._temporary()
                os.link(file, other)
                os.rename(other, place)
            else:  # by another process, a moment ago
                note = line.note._replace(digests=before | line.note.digests)
                self._write_alone(_line(line.key, note))
        except OSError:  # no hard links
            self._write_alone(line)

    def _write_alone(self, line: _Line) -> None:
        write_small(self._place(self._root, line.key), text_of_lines([line.text]))

    def _temporary(self) -> str:
        return f"{self._root}/partial/notes.{unique_name()}"

    def _place(self, home: str, key: str) -> str:
        return f"{home}/named/{key[:2]}/{key}.json"


def _line(key: str, note: Note) -> _Line:
    return _Line(key, note, line_of(key, note))


def _packed(lines: Sequence[_Line]) -> Iterator[list[_Line]]:
    """Yield lines in as many as may be one file."""
    pack: list[_Line] = []
    size = 0
    for line in lines:
        if pack and size + len(line.text) > _LARGEST:
            yield pack
            pack, size = [], 0
        pack.append(line)
        size += len(line.text)
    if pack:
        yield pack


def _each(work: Callable[[_Part], _Done], parts: Sequence[_Part]) -> list[_Done]:
    """Do parts of a work one by one, or several at once where the first one takes long."""
    began = time.monotonic()
    done = [work(part) for part in parts[:1]]
    rest = parts[1:]
    if len(rest) > 1 and time.monotonic() - began > _SLOW * len(parts[0]):
        with ThreadPoolExecutor(min(_THREADS, len(rest)), "nipype_xnat-notes") as pool:
            done.extend(pool.map(work, rest))
    else:
        done.extend(map(work, rest))
    return done
