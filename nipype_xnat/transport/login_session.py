"""A login session of a server: its connections, and its end."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from contextlib import nullcontext

import requests

from .connections import SharingAdapter
from .slots import Slots

__all__ = ["LoginSession"]

log = logging.getLogger("nipype_xnat.transport")

# seconds that the end of a process waits for a connection to log out over
_FAREWELL = 60.0


class LoginSession:
    """One login session and its connections, apart from who uses them.

    Parameters
    ----------
    server : str
    make : callable
        Makes a session of requests that uses an adapter.
    slots : Slots
    connections : int
        Most connections.

    Attributes
    ----------
    http : requests.Session
    opened : bool
        Whether it is logged in.
    """

    def __init__(
        self,
        server: str,
        make: Callable[[SharingAdapter], requests.Session],
        slots: Slots,
        connections: int,
    ) -> None:
        adapter = SharingAdapter(slots, connections)
        self.http = make(adapter)
        self.opened = False
        self._server = server
        self._make = make
        self._slots = slots
        self._rests = adapter.rests
        self._pid = os.getpid()

    def end(self) -> None:
        """Log out, once, in the process that logged in."""
        if os.getpid() != self._pid:
            return
        opened, self.opened = self.opened, False
        # when a process ends, the connections are closed already
        if opened and self._rests():
            opened = not self._log_out(as_it_is=True)
        # first, so that the log-out needs no connection beside those
        self.http.close()
        if opened:
            self._log_out(as_it_is=False)

    def _log_out(self, *, as_it_is: bool) -> bool:
        """Log out over its own connections or a new one; return whether the server was told."""
        with nullcontext(self.http) if as_it_is else self._new() as http:
            if not as_it_is:
                http.cookies.update(self.http.cookies)
            try:
                http.delete(self._server + "/data/JSESSION", timeout=15.0, allow_redirects=False)
            except requests.RequestException as error:
                log.debug("log-out from %s failed: %s", self._server, type(error).__name__)
                return False
        return True

    def _new(self) -> requests.Session:
        return self._make(SharingAdapter(self._slots, 1, _FAREWELL))
