"""What the cache may trust, as tables without a file system."""

from __future__ import annotations

from enum import Enum

__all__ = ["Kept", "Mode", "Trust", "Use", "after_hash", "at_first_sight", "for_answer"]


class Mode(Enum):
    """How far the archive is asked."""

    ONLINE = "online"
    """Listings are asked for, and answers are used again for a moment only."""
    REVALIDATE = "revalidate"
    """No answer is used twice, and what was listed earlier is listed again."""
    PREFER_CACHED = "prefer-cached"
    """What is here is used, however old; the archive is asked for the rest."""
    OFFLINE = "offline"
    """The archive is not asked."""


class Kept(Enum):
    """What is remembered of an answer."""

    NOTHING = "nothing"
    FRESH = "an answer that is young enough"
    STALE = "an older answer"


class Use(Enum):
    """What to do for an answer."""

    KEPT = "use what is remembered"
    ASK = "ask the archive"
    REFUSE = "refuse: it is not here"


_ANSWERS = {
    (Mode.ONLINE, Kept.FRESH): Use.KEPT,
    (Mode.ONLINE, Kept.STALE): Use.ASK,
    (Mode.ONLINE, Kept.NOTHING): Use.ASK,
    (Mode.REVALIDATE, Kept.FRESH): Use.ASK,
    (Mode.REVALIDATE, Kept.STALE): Use.ASK,
    (Mode.REVALIDATE, Kept.NOTHING): Use.ASK,
    (Mode.PREFER_CACHED, Kept.FRESH): Use.KEPT,
    (Mode.PREFER_CACHED, Kept.STALE): Use.KEPT,
    (Mode.PREFER_CACHED, Kept.NOTHING): Use.ASK,
    (Mode.OFFLINE, Kept.FRESH): Use.KEPT,
    (Mode.OFFLINE, Kept.STALE): Use.KEPT,
    (Mode.OFFLINE, Kept.NOTHING): Use.REFUSE,
}


def for_answer(mode: Mode, kept: Kept) -> Use:
    """Decide where an answer about metadata comes from.

    Parameters
    ----------
    mode : Mode
    kept : Kept
        What is remembered.
    """
    return _ANSWERS[mode, kept]


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
