"""How often and how long to try again, and how to stop."""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

__all__ = ["Patience", "Stop", "Stopped"]


class Stopped(Exception):
    """The user broke off; only passed between threads of this package."""


class Stop:
    """Tells threads to end."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """Ask all to end."""
        self._event.set()

    def check(self) -> None:
        """Raise Stopped if all were asked to end."""
        if self._event.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Sleep, but not longer than until all are asked to end."""
        self._event.wait(seconds)
        self.check()


@dataclass(frozen=True)
class Patience:
    """How often to try again, and how long to wait before.

    Parameters
    ----------
    tries : int
        Attempts in a row that bring nothing new.
    pause : float
        Seconds before the second attempt, on average; doubled each time.
    longest : float
        Seconds that a pause does not exceed.
    """

    tries: int = 5
    pause: float = 0.25
    longest: float = 30.0

    def before(self, attempt: int) -> float:
        """Return the seconds to wait before an attempt (1 is the first repetition).

        With jitter, so that many jobs do not come back together.
        """
        seconds = self.pause * 2.0 ** max(0, attempt - 1) * (0.5 + random.random())
        return min(seconds, self.longest)
