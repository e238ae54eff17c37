"""The files of a tar, one after the other, while it comes."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from typing import IO

__all__ = ["members"]

_BLOCK = 1 << 16


class _Incoming:
    """What comes in pieces, as a file to read from."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = b""

    def read(self, size: int) -> bytes:
        """Return at most so many bytes; none at the end."""
        piece = self._left or next(self._pieces, b"")
        self._left = piece[size:]
        return piece[:size]


def members(pieces: Iterable[bytes]) -> Iterator[tuple[int, IO[bytes]]]:
    """Yield the size of each file, and the file, which can be read until the next one is asked for.

    Parameters
    ----------
    pieces : iterable of bytes
        A tar that is not compressed.

    Raises
    ------
    tarfile.TarError
        If it is none, or a file of it does not come whole.
    """
    incoming = _Incoming(pieces)
    try:
        with tarfile.open(fileobj=incoming, mode="r|", bufsize=_BLOCK) as tar:  # type: ignore[call-overload]
            while (entry := tar.next()) is not None:
                tar.members = []  # of a long tar nobody looks back
                file = tar.extractfile(entry) if entry.isreg() else None
                if file is not None:
                    yield entry.size, file
    except (ValueError, RecursionError) as error:
        # what the standard library makes of some damaged headers
        raise tarfile.ReadError(f"a header makes no sense: {error}") from error
