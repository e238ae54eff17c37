"""Log-in sessions, as a servlet container keeps them: in memory, sliding."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from nipype_xnat.archive.errors import NotLoggedIn
from nipype_xnat.archive.people import Person
from nipype_xnat.server.rules import Rules


@dataclass
class Session:
    """One log-in session."""

    id: str
    person: Person
    used: float
    csrf: str = field(default_factory=lambda: str(uuid.uuid4()))
    tables: dict[str, object] = field(default_factory=dict)
    #: what became of long operations, by the name that the caller gave them
    progress: dict[str, list[tuple[str, str]]] = field(default_factory=dict)


class Sessions:
    """All open sessions.

    Parameters
    ----------
    rules : Rules
        How long they live, how many one account may have, when it is locked.
    counted : callable
        Told of every opening (True) and end (False).
    """

    def __init__(self, rules: Rules, counted: Callable[[bool], None]):
        self.rules = rules
        self._counted = counted
        self._open: dict[str, Session] = {}
        #: by login: how often a log-in failed in a row, and when it did last
        self._failed: dict[str, tuple[int, float]] = {}
        self._lock = threading.Lock()
        self._swept = 0.0

    def _expire(self, now: float) -> None:
        self._swept = now
        dead = [key for key, one in self._open.items() if now - one.used > self.rules.timeout]
        for key in dead:
            del self._open[key]
            self._counted(False)

    def open(self, person: Person) -> Session:
        """Open a session."""
        now = time.monotonic()
        with self._lock:
            self._expire(now)
            held = sum(one.person.login == person.login for one in self._open.values())
            if held >= self.rules.sessions and not person.guest:
                raise NotLoggedIn("Maximum sessions for this user exceeded")
            session = Session(secrets.token_hex(16).upper(), person, now)
            self._open[session.id] = session
        self._counted(True)
        return session

    def failed(self, login: str) -> None:
        """Note that somebody gave a wrong password for an account."""
        with self._lock:
            count = self._failed.get(login, (0, 0.0))[0]
            self._failed[login] = (count + 1, time.monotonic())

    def succeeded(self, login: str) -> None:
        """Forget the failures of an account."""
        with self._lock:
            self._failed.pop(login, None)

    def locked(self, login: str) -> bool:
        """Tell whether too many log-ins to an account have failed lately."""
        with self._lock:
            count, last = self._failed.get(login, (0, 0.0))
            if time.monotonic() - last > self.rules.lockout:
                self._failed.pop(login, None)
                return False
            return 0 < self.rules.failures <= count

    def get(self, key: str | None) -> Session | None:
        """Give a live session, and note that it was used."""
        if not key:
            return None
        now = time.monotonic()
        with self._lock:
            session = self._open.get(key)
            late = session is not None and now - session.used > self.rules.timeout
            # each request asks; looking at all of them each time would grow with their number
            if late or now - self._swept > 1:
                self._expire(now)
                session = self._open.get(key)
            if session is not None:
                session.used = now
            return session

    def alive(self, session: Session) -> bool:
        """Tell whether a session is still open."""
        return session.id in self._open

    def end(self, key: str) -> None:
        """End a session."""
        with self._lock:
            gone = self._open.pop(key, None)
        if gone is not None:
            self._counted(False)

    def of(self, login: str) -> list[Session]:
        """List the sessions of an account."""
        with self._lock:
            self._expire(time.monotonic())
            return [one for one in self._open.values() if one.person.login == login]

    def everybody(self) -> dict[str, list[Session]]:
        """List all sessions, by login."""
        with self._lock:
            self._expire(time.monotonic())
            found: dict[str, list[Session]] = {}
            for one in self._open.values():
                found.setdefault(one.person.login, []).append(one)
            return found

    def kill(self, login: str) -> list[str]:
        """End all sessions of an account, and return their ids."""
        ended = [one.id for one in self.of(login)]
        for key in ended:
            self.end(key)
        return ended
