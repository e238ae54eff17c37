"""A door before a server that counts how many connections go through it at once."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit


class Door:
    """Hands bytes on between clients and a server, and counts.

    One thread does all, and looks for what clients closed before it lets another one in. The system
    tells of the end of a connection before it tells of one that was opened later, so one that was
    given up in time is never counted together with the one in its place.

    Attributes
    ----------
    url : str
        The server's address through the door.
    open, most, made : int
        Connections open now, open at once at most, and opened in all.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = parts.hostname, parts.port
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._listener.setblocking(False)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}{parts.path}"
        self.open = self.most = self.made = 0
        self._looking = selectors.DefaultSelector()
        self._looking.register(self._listener, selectors.EVENT_READ)
        self._other: dict[socket.socket, socket.socket] = {}
        self._clients: set[socket.socket] = set()
        self._unsent: dict[socket.socket, bytearray] = {}
        self._shut = threading.Event()
        self._thread = threading.Thread(target=self._stand, daemon=True)
        self._thread.start()

    def forget(self) -> None:
        """Count the most and all from now on."""
        self.most, self.made = self.open, 0

    def close(self) -> None:
        """Let nobody through any more."""
        self._shut.set()
        self._thread.join(10)
        for one in (*self._other, self._listener):
            one.close()

    def _stand(self) -> None:
        while not self._shut.is_set():
            knocked = self._hand_on(0.05)
            if knocked:
                self._hand_on(0)
                self._let_in()

    def _hand_on(self, timeout: float) -> bool:
        knocked = False
        for key, events in self._looking.select(timeout):
            one = key.fileobj
            if one is self._listener:
                knocked = True
                continue
            assert isinstance(one, socket.socket)
            if one in self._other and events & selectors.EVENT_WRITE:
                self._send(one)
            if one in self._other and events & selectors.EVENT_READ:
                self._receive(one)
        return knocked

    def _let_in(self) -> None:
        try:
            client, _ = self._listener.accept()
        except BlockingIOError:
            return
        server = socket.create_connection(self._server)
        for one, other in ((client, server), (server, client)):
            one.setblocking(False)
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._other[one], self._unsent[one] = other, bytearray()
            self._looking.register(one, selectors.EVENT_READ)
        self._clients.add(client)
        self.open += 1
        self.made += 1
        self.most = max(self.most, self.open)

    def _receive(self, one: socket.socket) -> None:
        try:
            while data := one.recv(1 << 16):
                self._unsent[self._other[one]] += data
                self._send(self._other[one])
                if one not in self._other:
                    return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._end(one)

    def _send(self, one: socket.socket) -> None:
        unsent = self._unsent[one]
        try:
            while unsent:
                del unsent[: one.send(unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self._end(one)
            return
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if unsent else 0)
        self._looking.modify(one, wanted)

    def _end(self, one: socket.socket) -> None:
        other = self._other[one]
        if one not in self._clients and self._unsent[other]:
            # the server's last words: a client that is slow shall have them
            other.setblocking(True)
            other.settimeout(5)
            try:
                other.sendall(self._unsent[other])
            except OSError:
                pass
        self.open -= 1
        for half in (one, other):
            self._looking.unregister(half)
            self._clients.discard(half)
            del self._other[half], self._unsent[half]
            half.close()


@contextmanager
def door(url: str) -> Iterator[Door]:
    """Put a door before a server."""
    found = Door(url)
    try:
        yield found
    finally:
        found.close()
