"""What the cache may trust, as tables without a file system."""

from __future__ import annotations

from enum import Enum

__all__ = ["Mode", "Trust", "after_hash", "at_first_sight"]


class Mode(Enum):
    """How far the archive is asked. Offline work adds its words here."""

    ONLINE = "online"


class Trust(Enum):
    """What to do with a file that a look-up found."""

    HIT = "hit"
    HASH = "read it"
    RESTORE = "restore its stamp"
    ASIDE = "set aside"
    MISS = "not what is wanted"


_FIRST = {
    # regular file, size as wanted, stamp as its name's digest
    (True, True, True): Trust.HIT,
    (True, True, False): Trust.HASH,
    (True, False, True): Trust.HASH,
    (True, False, False): Trust.HASH,
}
_HASHED = {
    # digest as its name, size as wanted
    (True, True): Trust.RESTORE,
    # the listing names another size for these very bytes: the listing has to be asked again
    (True, False): Trust.MISS,
    (False, True): Trust.ASIDE,
    (False, False): Trust.ASIDE,
}


def at_first_sight(*, regular: bool, size: bool, stamp: bool) -> Trust:
    """Judge by what costs no reading.

    Parameters
    ----------
    regular : bool
        Whether it is a plain file.
    size, stamp : bool
        Whether they are as wanted.
    """
    return _FIRST.get((regular, size, stamp), Trust.ASIDE)


def after_hash(*, digest: bool, size: bool) -> Trust:
    """Judge by content: whether the digest is that of the name, and the size as wanted."""
    return _HASHED[digest, size]
