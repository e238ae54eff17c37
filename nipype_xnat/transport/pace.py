"""How many requests are in flight to one server: fewer while it is slow, more again as it recovers.

As TCP does it: one more after a round of good answers, half as many after a bad sign. Bad signs are
the statuses that say so (429, 503), and files that begin to come clearly later than they used to.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import weakref

from .streams import put_unread_aside
from .waiting import look_up

__all__ = ["BUSY", "Pace", "Turn"]

log = logging.getLogger("nipype_xnat.transport")

BUSY = frozenset({429, 503})
"""Statuses by which a server says that it has too much to do."""

LONGEST = 60.0
"""Seconds that a server is left alone at most, whatever it asks for."""

_ROUND = 8  # answers that tell something
_MUCH = 3.0  # times the usual time
_CLEARLY = 0.5  # seconds more than the usual time: less is what a busy machine makes
_SHARE = 4  # late answers alone leave this part of the connections
_DRIFT = 1.05  # what lasts becomes usual
_LOOK = 1.0  # seconds between looks at what keeps connections


class Turn:
    """The right to one request; it ends with the body of the answer, or when it is forgotten.

    Parameters
    ----------
    pace : Pace
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self.round = 0

    def answered(
        self, status: int, seconds: float | None = None, pause: float | None = None
    ) -> None:
        """Tell what came.

        Parameters
        ----------
        status : int
        seconds : float, optional
            From the end of the request to the beginning of the answer, where that can be compared
            with others.
        pause : float, optional
            Seconds for which the server asks to be left alone.
        """
        self._pace.answered(self, status, seconds, pause)

    def end(self) -> None:
        """Let another request begin; a second time nothing happens."""
        self._pace.ended(self)


class Pace:
    """The requests that are in flight to one server, of one transport.

    Parameters
    ----------
    server : str
        Its address, for messages.
    most : int
        How many there may be at once; so many it begins with.
    adaptive : bool
        Whether there may be fewer; a server that asks to be left alone is, in any case.
    """

    def __init__(self, server: str, most: int, *, adaptive: bool = True) -> None:
        self._server = server
        self._most = most
        self._adaptive = adaptive
        self._allowed = most
        self._changed = threading.Condition()
        # one that is forgotten leaves by itself
        self._turns: weakref.WeakSet[Turn] = weakref.WeakSet()
        self._resume = 0.0
        self._usual = math.inf
        self._round = 0
        self._good = self._peak = 0
        self._times: list[float] = []

    def begin(self) -> Turn:
        """Return a turn; wait until there is one."""
        turn = Turn(self)
        while not self._takes(turn):
            look_up()
            # what is in flight may be what this thread will read later
            put_unread_aside()
        return turn

    def answered(self, turn: Turn, status: int, seconds: float | None, pause: float | None) -> None:
        """See :meth:`Turn.answered`."""
        with self._changed:
            if status in BUSY:
                if pause:
                    until = time.monotonic() + min(pause, LONGEST)
                    self._resume = max(self._resume, until)
                self._fewer(turn, 1, f"status {status}")
                return
            if turn.round != self._round:
                return  # it began before the last change, which it says nothing about
            self._good += 1
            if seconds is not None:
                self._times.append(seconds)
            if self._good >= max(_ROUND, self._allowed):
                self._judge(turn)

    def ended(self, turn: Turn) -> None:
        """See :meth:`Turn.end`."""
        with self._changed:
            self._turns.discard(turn)
            self._changed.notify()

    def _takes(self, turn: Turn) -> bool:
        """Take a turn if there is one, or will be in a moment."""
        end = time.monotonic() + _LOOK
        with self._changed:
            while True:
                now = time.monotonic()
                pause = self._resume - now
                # the most are what the connections themselves hold to
                if pause <= 0 and (self._allowed == self._most or len(self._turns) < self._allowed):
                    turn.round = self._round
                    self._turns.add(turn)
                    self._peak = max(self._peak, len(self._turns))
                    return True
                if now >= end:
                    return False
                self._changed.wait(min(end - now, pause) if pause > 0 else end - now)

    def _begin_round(self) -> None:
        self._good = 0
        self._times = []
        self._peak = len(self._turns)

    def _judge(self, turn: Turn) -> None:
        """End a round of good answers."""
        if len(self._times) >= _ROUND:
            found = sorted(self._times)[len(self._times) // 2]
            usual = self._usual
            self._usual = min(found, usual * _DRIFT)
            if found > max(_MUCH * usual, usual + _CLEARLY):
                why = f"answers take {1000 * found:.0f} ms, not {1000 * usual:.0f}"
                self._fewer(turn, -(-self._most // _SHARE), why)
                self._begin_round()
                return
        self._begin_round()
        if self._allowed < self._most:
            self._allowed += 1
            log.info("requests at once to %s: %d", self._server, self._allowed)
            self._changed.notify_all()

    def _fewer(self, turn: Turn, least: int, why: str) -> None:
        """Allow half of what was in flight, unless that was done since the turn began."""
        if turn.round != self._round or not self._adaptive:
            return
        allowed = max(least, min(self._allowed, self._peak) // 2)
        if self._peak > 1 and allowed < self._allowed:
            self._allowed = allowed
            self._round += 1
            self._begin_round()
            log.info("requests at once to %s: %d (%s)", self._server, allowed, why)
