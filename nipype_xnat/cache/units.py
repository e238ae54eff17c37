"""Sizes and ages as people write them."""

from __future__ import annotations

import re

from ..errors import UsageError

__all__ = ["age_text", "bytes_of", "seconds_of", "size_text"]

_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?)b?\s*", re.IGNORECASE)
_AGE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([smhdwy]?)\s*", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400, "y": 365 * 86400, "": 86400}
_PREFIXES = "kmgtp"


def bytes_of(size: int | str) -> int:
    """Read a size: bytes, or a text such as ``20GB`` (thousands) or ``20GiB`` (1024s).

    Raises
    ------
    UsageError
    """
    if not isinstance(size, str):
        return int(size)
    match = _SIZE.fullmatch(size)
    if match is None:
        raise UsageError(f"{size!r} is no size", advice="write 500MB, 20GB or 1.5TiB")
    base = 1024 if match[3] else 1000
    power = _PREFIXES.index(match[2].lower()) + 1 if match[2] else 0
    return int(float(match[1]) * base**power)


def seconds_of(age: float | str) -> float:
    """Read an age: seconds, or a text such as ``12h``, ``30d``, ``8w``; a bare number means days.

    Raises
    ------
    UsageError
    """
    if not isinstance(age, str):
        return float(age)
    match = _AGE.fullmatch(age)
    if match is None:
        raise UsageError(f"{age!r} is no age", advice="write 12h, 30d, 8w or 1y")
    return float(match[1]) * _SECONDS[match[2].lower()]


def size_text(size: int) -> str:
    """Return a size in words."""
    value, unit = float(size), "B"
    for larger in ("kB", "MB", "GB", "TB", "PB"):
        if value < 1000:
            break
        value, unit = value / 1000, larger
    return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"


def age_text(seconds: float) -> str:
    """Return an age in words."""
    seconds = max(0.0, seconds)
    for unit, word in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {word}"
    return f"{seconds:.0f} seconds"
