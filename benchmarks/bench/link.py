"""A link of a given round-trip time and bandwidth: a TCP proxy in a process of its own.

Each connection has a queue of its own in each direction, and a piece of data leaves it half a
round trip after it came, so no connection waits for another one's data. Where a bandwidth is given,
all connections share it, piece by piece in the order in which they came; what a connection may have
on its way is limited, as by a TCP window. Each connection may have a bandwidth of its own too. A
new connection costs a round trip before its first data.
"""

from __future__ import annotations

import asyncio
import json
import selectors
import sys
from collections import deque
from dataclasses import dataclass, field
from typing import cast

#: seconds of lateness that timers are expected to have, at most
_LATE = 1e-3
#: bytes that may be on their way in one direction beyond what the link itself holds
_SLACK = 1 << 20
#: the same where the bandwidth is not limited
_UNLIMITED = 64 << 20
_LEAST = 1 << 16


@dataclass
class Wire:
    """One direction of the link."""

    delay: float
    bandwidth: float
    each: float = 0.0
    free: float = 0.0
    carried: int = 0
    late: float = 0.0
    pipes: set[Pipe] = field(default_factory=set)

    def due(self, size: int, now: float) -> float:
        """Take room for a piece, and return when it arrives."""
        self.carried += size
        if not self.bandwidth:
            return now + self.delay
        self.free = max(self.free, now) + size / self.bandwidth
        return self.free + self.delay

    def was_late(self, seconds: float) -> None:
        """Note how late a timer was, so that the next ones are set so much earlier."""
        self.late += 0.1 * (min(seconds, _LATE) - self.late)

    @property
    def window(self) -> int:
        """Bytes that each connection may have on its way now."""
        whole = int(4 * self.delay * self.bandwidth) + _SLACK if self.bandwidth else _UNLIMITED
        share = whole // max(1, len(self.pipes))
        own = int(4 * self.delay * self.each) + _LEAST if self.each else share
        return max(_LEAST, min(share, own))


class Pipe:
    """What goes one way through one connection."""

    def __init__(self, wire: Wire, source: asyncio.Transport, not_before: float):
        self.wire = wire
        self.source = source
        self.target: asyncio.Transport | None = None
        self.not_before = not_before
        self.queue: deque[tuple[float, bytes]] = deque()
        self.held = 0
        self.free = 0.0
        self.paused = False
        self.timer: asyncio.TimerHandle | None = None
        self.ended = False
        self.loop = asyncio.get_running_loop()
        wire.pipes.add(self)

    def take(self, data: bytes) -> None:
        """Note what came, and when it is to leave."""
        now = self.loop.time()
        due = max(self.wire.due(len(data), now), self.not_before)
        if self.wire.each:
            self.free = max(self.free, now) + len(data) / self.wire.each
            due = max(due, self.free + self.wire.delay)
        self.queue.append((due, data))
        self.held += len(data)
        if self.held > self.wire.window and not self.paused:
            self.paused = True
            self.source.pause_reading()
        self.plan()

    def plan(self) -> None:
        """See to it that the next piece leaves when it is due."""
        if self.timer is None and self.queue and self.target is not None:
            self.timer = self.loop.call_at(self.queue[0][0] - self.wire.late, self.leave)

    def leave(self) -> None:
        """Send all that is due."""
        assert self.target is not None
        now = self.loop.time()
        if self.timer is not None:
            self.wire.was_late(now - self.timer.when())
            self.timer = None
        while self.queue and self.queue[0][0] - self.wire.late <= now:
            data = self.queue.popleft()[1]
            self.held -= len(data)
            self.target.write(data)
        if self.paused and self.held <= self.wire.window // 2:
            self.paused = False
            if not self.source.is_closing():
                self.source.resume_reading()
        if self.ended and not self.queue:
            self.target.close()
        self.plan()

    def end(self) -> None:
        """Note that nothing more will come."""
        self.ended = True
        self.wire.pipes.discard(self)
        if self.target is not None and not self.queue:
            self.target.close()


class _End(asyncio.Protocol):
    """One end of a connection; what it receives goes into its pipe."""

    pipe: Pipe | None = None

    def data_received(self, data: bytes) -> None:
        """Pass on."""
        assert self.pipe is not None
        self.pipe.take(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        """Pass on that it ended."""
        if self.pipe is not None:
            self.pipe.end()


class _Server(_End):
    def __init__(self, back: Pipe):
        self.pipe = back


class _Client(_End):
    def __init__(self, link: Link):
        self.link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connect to the other side."""
        self.link.connections += 1
        source = cast("asyncio.Transport", transport)
        now = asyncio.get_running_loop().time()
        handshake = 2 * self.link.up.delay
        self.pipe = Pipe(self.link.up, source, now + handshake + self.link.up.delay)
        task = asyncio.ensure_future(self.connect(source))
        self.link.tasks.add(task)
        task.add_done_callback(self.link.tasks.discard)

    async def connect(self, source: asyncio.Transport) -> None:
        """Open the connection to the target, and let what waits leave."""
        assert self.pipe is not None
        loop = asyncio.get_running_loop()
        back = Pipe(self.link.down, source, 0)
        target, _ = await loop.create_connection(
            lambda: _Server(back), "127.0.0.1", self.link.target
        )
        back.source = target
        back.target = source
        self.pipe.target = target
        self.pipe.plan()
        if self.pipe.ended:
            self.pipe.end()


class Link:
    """A link to a port of this machine.

    Parameters
    ----------
    target : int
        The port.
    rtt : float
        Seconds of a round trip.
    bandwidth : float
        Bytes a second in each direction; 0 for no limit.
    each : float
        The same for a single connection.
    """

    def __init__(self, target: int, rtt: float, bandwidth: float, each: float):
        self.target = target
        self.up = Wire(rtt / 2, bandwidth, each)
        self.down = Wire(rtt / 2, bandwidth, each)
        self.connections = 0
        self.tasks: set[asyncio.Future[None]] = set()

    async def run(self) -> None:
        """Serve until the standard input ends; a line there asks for the counts so far."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Client(self), "127.0.0.1", 0, backlog=512)
        print(server.sockets[0].getsockname()[1], flush=True)
        asked = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(asked), sys.stdin)
        while await asked.readline():
            counts = {
                "connections": self.connections,
                "up": self.up.carried,
                "down": self.down.carried,
            }
            print(json.dumps(counts), flush=True)


def main() -> None:
    """Run a link: target port, milliseconds of a round trip, bytes a second of all and of each."""
    target, rtt, bandwidth, each = sys.argv[1:]
    link = Link(int(target), float(rtt) / 1000, float(bandwidth), float(each))
    # epoll waits in whole milliseconds; select does not
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    loop.run_until_complete(link.run())


if __name__ == "__main__":
    main()
