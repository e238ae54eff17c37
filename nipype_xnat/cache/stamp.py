"""The stamp: a modification time that is derived from a file's digest.

Nipype decides by size and modification time whether an input changed, so two different files must
not agree in both, also where a file system keeps whole seconds only. And who edits a cached file
in place sets its modification time to now, so a look-up sees that without reading the file.

The seconds stay within the last :data:`PERIOD` and never lie in the future: clean-up jobs of
clusters delete what looks old, and make warns of what is newer than now.
"""

from __future__ import annotations

__all__ = ["PERIOD", "carries_stamp", "stamp_of"]

PERIOD = 1 << 17
"""Seconds (a day and a half) within which a stamp lies when it is made."""

_SECOND = 10**9
# what file systems keep of a time: nanoseconds, 100 ns (SMB), microseconds, milliseconds, seconds
_GRAINS = (1, 100, 1_000, 1_000_000, _SECOND)


def _parts(digest: str) -> tuple[int, int]:
    return int(digest[:8], 16) % PERIOD, int(digest[8:16], 16) % _SECOND


def stamp_of(digest: str, now_ns: int) -> int:
    """Return the newest stamp of a digest that is not in the future.

    Parameters
    ----------
    digest : str
        MD5 in hexadecimal.
    now_ns : int
        The time, in nanoseconds since 1970.

    Returns
    -------
    int
        Nanoseconds since 1970.
    """
    seconds, nanoseconds = _parts(digest)
    now = now_ns // _SECOND
    stamp = (now - (now - seconds) % PERIOD) * _SECOND + nanoseconds
    return stamp if stamp <= now_ns else stamp - PERIOD * _SECOND


def carries_stamp(mtime_ns: int, digest: str) -> bool:
    """Tell whether a modification time is a stamp of a digest, as far as file systems keep it."""
    wanted, nanoseconds = _parts(digest)
    seconds, rest = divmod(mtime_ns, _SECOND)
    return seconds % PERIOD == wanted and rest in {
        nanoseconds - nanoseconds % grain for grain in _GRAINS
    }
