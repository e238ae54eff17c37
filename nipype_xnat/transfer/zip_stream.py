"""A zip that is made as it is read; of files as they are, its length is known before.

The checksum of a file stands before its bytes, because XNAT reads a zip from its beginning, and
such a reader takes no other zip of files that are not deflated. So a small file is read whole, and
a large one twice.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Generator, Iterator, Sequence

from ..cache.hashing import new_md5
from ..errors import XNATError
from .digests import Source

__all__ = ["MOST", "ROOM", "WHOLE", "ZipStream", "length_of"]

MOST = 65_000
"""Number of files that one such zip can hold."""

ROOM = 1 << 31
"""Bytes that it can have."""

WHOLE = 4 << 20
"""Bytes up to which a file is read whole, and deflated."""

_BLOCK = 1 << 20
_MEMBER = struct.Struct("<4s5H3I2H")
_LISTED = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_VERSION, _UNIX, _UTF8, _DAY = 20, 3 << 8, 1 << 11, 33  # the first of January 1980
_DEFLATED = 8
_RIGHTS = 0o100644 << 16


def length_of(sources: Sequence[Source]) -> int:
    """Return the length of the zip of some files as they are."""
    rest = _MEMBER.size + _LISTED.size
    return _END.size + sum(source.size + rest + 2 * len(source.name.encode()) for source in sources)


class ZipStream(io.RawIOBase):
    """The bytes of a zip, which depend on nothing but names and contents.

    Each file is told its digest as it goes by (:meth:`~nipype_xnat.transfer.digests.Source.sent`).

    Parameters
    ----------
    sources : sequence of Source
    deflated : callable
        Tells of a small file whether to deflate it.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        deflated: Callable[[Source], bool] = lambda source: False,
    ) -> None:
        super().__init__()
        self._pieces = _pieces(sorted(sources, key=lambda source: source.name), deflated)
        self._left = memoryview(b"")

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes."""
        parts: list[bytes | memoryview] = []
        room = size if size >= 0 else ROOM
        while room:
            piece = self._left or memoryview(next(self._pieces, b""))
            if not piece:
                break
            parts.append(piece[:room])
            self._left = piece[room:]
            room -= len(parts[-1])
        return b"".join(parts)

    def close(self) -> None:
        """Close the file that is being read."""
        self._pieces.close()
        super().close()


def _pieces(
    sources: Sequence[Source], deflated: Callable[[Source], bool]
) -> Generator[bytes, None, None]:
    listed = bytearray()
    at = 0
    for source in sources:
        name = source.name.encode()
        small = source.size <= WHOLE
        data = b"".join(_blocks(source)) if small else b""
        checksum = zlib.crc32(data)
        for block in () if small else _blocks(source):
            checksum = zlib.crc32(block, checksum)
        method, size = 0, source.size
        if small and deflated(source):
            method, data = _DEFLATED, _packed(data)
            size = len(data)
        common = (_VERSION, _UTF8, method, 0, _DAY, checksum, size, source.size, len(name), 0)
        before = _MEMBER.pack(b"PK\3\4", *common) + name
        yield before + data
        if not small:
            yield from _blocks(source)
        listed += _LISTED.pack(b"PK\1\2", _UNIX | _VERSION, *common, 0, 0, 0, _RIGHTS, at) + name
        at += len(before) + size
    yield bytes(listed)
    number = len(sources)
    yield _END.pack(b"PK\5\6", 0, 0, number, number, len(listed), at, 0)


def _packed(data: bytes) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def _blocks(source: Source) -> Iterator[bytes]:
    """Yield a file's bytes, and tell it their digest."""
    found = None if source.hashed else new_md5()
    left = source.size
    with source.open() as stream:
        while left:
            block = stream.read(min(left, _BLOCK))
            if not block:
                raise XNATError("a file became shorter while it was sent", advice="run again")
            if found is not None:
                found.update(block)
            left -= len(block)
            yield block
    if found is not None:
        source.sent(found.hexdigest())
