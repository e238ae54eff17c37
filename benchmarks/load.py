"""Many clients at once, cheap enough not to be what is measured.

One thread drives all connections with a selector: each sends a prepared request, reads the
answer to its end, notes the time and sends the next. A pool of client threads would spend
more on each request than the server does.
"""

from __future__ import annotations

import selectors
import socket
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_END = b"\r\n\r\n"
_NUMBER = b"{n}"


@dataclass
class Load:
    """What came of it."""

    seconds: float
    times: list[float] = field(default_factory=list)
    failed: int = 0

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return len(self.times) / self.seconds

    def percentile(self, share: float) -> float:
        """Give the time that so large a share of the answers did not exceed."""
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class _Client:
    def __init__(self, address: tuple[str, int], request: bytes):
        self.request = request
        self.sent = 0
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held = b""
        self.began = 0.0

    def send(self) -> None:
        self.held = b""
        self.sent += 1
        text = self.request.replace(_NUMBER, b"%d-%d" % (self.socket.fileno(), self.sent))
        self.began = time.perf_counter()
        self.socket.sendall(text)

    def read(self) -> bool:
        """Take what has come, and tell whether the answer is whole."""
        piece = self.socket.recv(1 << 18)
        if not piece:
            raise ConnectionError("the server hung up")
        self.held += piece
        at = self.held.find(_END)
        if at < 0:
            return False
        head = self.held[:at].lower()
        if b"transfer-encoding: chunked" in head:
            return self.held.endswith(b"\r\n0" + _END)
        _, _, rest = head.partition(b"content-length:")
        return len(self.held) >= at + len(_END) + int(rest.split(b"\r\n")[0])

    @property
    def good(self) -> bool:
        """Whether the answer says that all went well."""
        return self.held.startswith(b"HTTP/1.1 200 ")


def request(url: str, cookie: str = "") -> tuple[tuple[str, int], bytes]:
    """Prepare a GET."""
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"GET {target} HTTP/1.1", f"Host: {parts.netloc}", "Accept: */*"]
    if cookie:
        lines.append(f"Cookie: JSESSIONID={cookie}")
    return (str(parts.hostname), int(parts.port or 80)), "\r\n".join([*lines, "", ""]).encode()


def once(url: str, cookie: str = "") -> bytes:
    """Ask once, and give the answer as it came, headers included."""
    client = _Client(*request(url, cookie))
    try:
        client.send()
        while not client.read():
            pass
        return client.held
    finally:
        client.socket.close()


def run(url: str, cookie: str, clients: int, seconds: float) -> Load:
    """Let so many clients ask for one address for so long.

    ``{n}`` in the address is another text in each request.
    """
    address, text = request(url, cookie)
    several = [_Client(address, text) for _ in range(clients)]
    found = Load(0.0)
    with selectors.DefaultSelector() as chosen:
        for client in several:
            chosen.register(client.socket, selectors.EVENT_READ, client)
        began = time.perf_counter()
        for client in several:
            client.send()
        waiting = len(several)
        while waiting:
            for key, _ in chosen.select(30):
                client = key.data
                if not client.read():
                    continue
                now = time.perf_counter()
                found.times.append(now - client.began)
                found.failed += not client.good
                if now - began < seconds:
                    client.send()
                else:
                    waiting -= 1
        found.seconds = time.perf_counter() - began
    for client in several:
        client.socket.close()
    return found
