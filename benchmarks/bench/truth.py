"""How true the link is, measured by bare sockets, and how much it could carry."""

from __future__ import annotations

import contextlib
import socket
import statistics
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from .figures import Setting, Subject
from .site import Process

_BLOCK = bytes(1 << 18)
_MIB = 1 << 20
_CLIENTS = 16


@contextmanager
def _answering() -> Iterator[int]:
    """Serve a port where eight bytes ask for so many bytes."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer(connection: socket.socket) -> None:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with connection, contextlib.suppress(OSError):
                while asked := connection.recv(8):
                    left = struct.unpack("!Q", asked)[0]
                    while left:
                        piece = _BLOCK[:left]
                        connection.sendall(piece)
                        left -= len(piece)

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    threading.Thread(target=answer, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)


def _ask(connection: socket.socket, size: int) -> None:
    connection.sendall(struct.pack("!Q", size))
    while size:
        size -= len(connection.recv(min(size, 1 << 20)))


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


@contextmanager
def _link(port: int, milliseconds: float, bandwidth: float = 0) -> Iterator[int]:
    process = Process("bench.link", *map(str, (port, milliseconds, bandwidth, 0)))
    try:
        yield int(process.first)
    finally:
        process.end()


def _round_trips(port: int, times: int) -> list[float]:
    found = []
    with _connect(port) as connection:
        _ask(connection, 1)
        for _ in range(times):
            began = time.perf_counter()
            _ask(connection, 1)
            found.append(time.perf_counter() - began)
    return found


def _first(port: int) -> float:
    """Return the time from opening a connection to its first answer."""
    began = time.perf_counter()
    with _connect(port) as connection:
        _ask(connection, 1)
    return time.perf_counter() - began


def _bulk(port: int, size: int, connections: int) -> float:
    """Return bytes a second of several connections at once."""
    several = [_connect(port) for _ in range(connections)]
    threads = [threading.Thread(target=_ask, args=(one, size // connections)) for one in several]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - began
    for one in several:
        one.close()
    return size / taken


def _rate(port: int, times: int) -> float:
    """Return round trips a second of several connections at once."""
    threads = [threading.Thread(target=_round_trips, args=(port, times)) for _ in range(_CLIENTS)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return _CLIENTS * times / (time.perf_counter() - began)


def run(setting: Setting) -> Subject:
    """Measure."""
    found = Subject("The link")
    size = setting.few(512, 64) * _MIB
    rows: list[list[object]] = []
    with _answering() as port:
        for asked in (0, 20, 50):
            with _link(port, asked) as link:
                times = sorted(_round_trips(link, setting.few(100, 20)))
                rows.append(
                    [
                        f"{asked} ms",
                        *(f"{1000 * one:.2f} ms" for one in (statistics.median(times), times[-1])),
                        f"{1000 * statistics.median(_first(link) for _ in range(5)):.2f} ms",
                        f"{_rate(link, setting.few(100, 20)):,.0f}",
                    ]
                )
                if asked == 20:
                    off = abs(1000 * statistics.median(times) - 20)
                    found.goal("the link: a round trip of 20 ms is off by", off, 1, unit="ms")
        found.table(
            [
                "round trip asked for",
                "median",
                "longest",
                "with a new connection",
                f"in a second on {_CLIENTS} connections",
            ],
            rows,
        )
        rows = []
        for name, rtt, bandwidth in (
            ("no link", None, 0.0),
            ("unlimited, 0 ms", 0, 0.0),
            ("unlimited, 20 ms", 20, 0.0),
            ("held to 125 MB/s, 20 ms", 20, 125e6),
        ):
            with contextlib.ExitStack() as stack:
                there = port if rtt is None else stack.enter_context(_link(port, rtt, bandwidth))
                rates = [_bulk(there, size, number) for number in (1, _CLIENTS)]
            rows.append([name, *(f"{rate / 1e6:.0f} MB/s" for rate in rates)])
            if bandwidth:
                off = abs(max(rates) / bandwidth - 1)
                found.goal("the link: 125 MB/s are off by", 100 * off, 5, unit="%")
            elif rtt == 20:
                found.goal(
                    "the link: it could carry, beside the 125 MB/s that it is held to",
                    max(rates) / 1e6,
                    250,
                    at_most=False,
                    unit="MB/s",
                )
        found.table(["link", "one connection", f"{_CLIENTS} connections"], rows)
    found.say(
        "Asked and answered by bare sockets in this one process, so the ceilings are those of link "
        "and measurement together. What is not held to a bandwidth and moves large files is "
        "measured without the link."
    )
    return found
