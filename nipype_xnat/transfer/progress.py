"""Progress as plain records. The library prints nothing; who wants a bar draws one of these."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Progress", "Reporter"]


@dataclass(frozen=True)
class Progress:
    """How far one file is.

    Parameters
    ----------
    what : str
        ``download`` or ``upload``.
    place : str
        Where the file is in the archive, in words of a select path.
    done : int
        Bytes that are here (or there) by now.
    total : int or None
        Bytes in all, None where nobody knows yet.
    action : str
        The word of the decision, e.g. ``use``, ``download``, ``resume``, ``send``, ``keep``.
    finished : bool
        Whether this is the last record of the file.
    """

    what: str
    place: str
    done: int
    total: int | None
    action: str
    finished: bool = False


class Reporter:
    """Gives progress to a callable, one call at a time although many threads work.

    Parameters
    ----------
    what : str
        ``download`` or ``upload``.
    give : callable, optional
        Takes a :class:`Progress`.
    """

    def __init__(self, what: str, give: Callable[[Progress], object] | None) -> None:
        self._what = what
        self._give = give
        self._lock = threading.Lock()

    @property
    def heard(self) -> bool:
        """Whether anybody listens."""
        return self._give is not None

    def __call__(
        self, place: str, done: int, total: int | None, action: str, *, finished: bool = False
    ) -> None:
        """Report."""
        if self._give is not None:
            with self._lock:
                self._give(Progress(self._what, place, done, total, action, finished))
