"""Requests read from sockets and answers written to them, in few calls of the system.

Cheroot reads and writes through the buffers that Python has in Python, looks whether a socket is
ready before each call, and sends the head of an answer, its body and its end one by one.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from io import FileIO
from typing import Any

from cheroot import server as cheroot_server
from cheroot import wsgi

_PIECE = 1 << 16
CHUNK = 1 << 18
_TOO_LATE = "timed out"  # the words by which cheroot knows it


class FilePart:
    """A body that is a file, or a part of one: the system sends it by itself where it can.

    Parameters
    ----------
    file : FileIO
        Open for reading; it is closed with the body.
    start, stop : int
        The first byte, and the one after the last.
    """

    def __init__(self, file: FileIO, start: int, stop: int):
        self.file = file
        self.start = start
        self.stop = stop

    def __iter__(self) -> Iterator[bytes]:
        at = self.start
        while at < self.stop:
            piece = os.pread(self.file.fileno(), min(CHUNK, self.stop - at), at)
            if not piece:
                raise EOFError("a stored file is shorter than its row says")
            at += len(piece)
            yield piece

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class Incoming:
    """What a socket receives."""

    def __init__(self, sock: socket.socket):
        self._socket = sock
        self._held = b""
        self._at = 0
        self.bytes_read = 0
        self.closed = False

    def has_data(self) -> bool:
        """Tell whether something was received that nobody has read yet."""
        return self._at < len(self._held)

    def _receive(self, size: int) -> bytes:
        try:
            return self._socket.recv(size)
        except BlockingIOError:
            raise TimeoutError(_TOO_LATE) from None

    def readline(self, size: int | None = None) -> bytes:
        """Read up to the end of a line, at most so many bytes."""
        searched = self._at
        while True:
            end = self._held.find(b"\n", searched) + 1 or len(self._held)
            whole = end > searched and self._held[end - 1] == 10
            if size is not None and 0 <= size <= end - self._at:
                end, whole = self._at + size, True
            if whole:
                break
            more = self._receive(_PIECE)
            if not more:
                break
            searched = end - self._at
            self._held, self._at = self._held[self._at :] + more, 0
        line = self._held[self._at : end]
        self._at = end
        self.bytes_read += len(line)
        return line

    def read(self, size: int | None = None) -> bytes:
        """Read so many bytes, fewer only where the other side has ended; or all until then."""
        wanted = size if size is not None and size >= 0 else 1 << 62
        piece = self._held[self._at : self._at + wanted]
        self._at += len(piece)
        left = wanted - len(piece)
        if left:
            pieces = [piece] if piece else []
            while left:
                piece = self._receive(min(left, CHUNK))
                if not piece:
                    break
                pieces.append(piece)
                left -= len(piece)
            piece = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.bytes_read += len(piece)
        return piece

    def close(self) -> None:
        """Read nothing any more."""
        self.closed = True


class Outgoing:
    """What a socket sends."""

    def __init__(self, sock: socket.socket):
        self._socket = sock
        self._held: list[bytes] | None = None
        self.bytes_written = 0

    def hold(self) -> None:
        """Keep what is written from now on, until it is sent in one piece."""
        if self._held is None:
            self._held = []

    def write(self, data: bytes) -> int:
        """Send, or keep."""
        if self._held is not None:
            self._held.append(data)
        else:
            self._send(data)
        return len(data)

    def flush(self) -> None:
        """Send what was kept."""
        held, self._held = self._held, None
        if held:
            self._send(b"".join(held))

    def _send(self, data: bytes) -> None:
        try:
            sent = self._socket.send(data)
            if sent < len(data):
                rest = memoryview(data)[sent:]
                while rest:
                    rest = rest[self._socket.send(rest) :]
        except BlockingIOError:
            raise TimeoutError(_TOO_LATE) from None
        self.bytes_written += len(data)

    def send(self, part: FilePart) -> None:
        """Send a file, what was kept first."""
        at, source = part.start, part.file.fileno()
        if part.stop - at <= CHUNK:
            for piece in part:
                self.write(piece)
            self.flush()
            return
        self.flush()
        try:
            while at < part.stop:
                sent = os.sendfile(self._socket.fileno(), source, at, part.stop - at)
                if not sent:
                    raise EOFError("a stored file is shorter than its row says")
                at += sent
        except BlockingIOError:
            raise TimeoutError(_TOO_LATE) from None
        self.bytes_written += at - part.start


class Connection(cheroot_server.HTTPConnection):
    """A connection that waits in the system's calls, not before them."""

    def __init__(self, server: Any, sock: Any, makefile: Any = None):
        super().__init__(server, sock, _ends)
        server.connected.add(self)
        if server.ssl_adapter is None:
            limit = struct.pack("ll", int(server.timeout), 0)
            sock.settimeout(None)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)

    def close(self) -> None:
        """Close it."""
        self.server.connected.discard(self)
        super().close()


def _ends(sock: socket.socket, mode: str, _size: int) -> Incoming | Outgoing:
    return Incoming(sock) if "r" in mode else Outgoing(sock)


class Request(cheroot_server.HTTPRequest):
    """A request whose answer is sent in as few pieces as it is made."""

    def respond(self) -> None:
        """Answer."""
        try:
            super().respond()
        finally:
            self.conn.wfile.flush()


class Gateway(wsgi.Gateway_10):
    """What calls the application; the head of an answer leaves with the beginning of its body."""

    def respond(self) -> None:
        """Answer."""
        request = self.req
        out = request.conn.wfile
        body = request.server.wsgi_app(self.env, self.start_response)
        try:
            out.hold()
            if isinstance(body, FilePart) and request.server.ssl_adapter is None:
                request.ensure_headers_sent()
                out.send(body)
                return
            whole = isinstance(body, list)
            for chunk in body:
                if chunk:
                    out.hold()
                    self.write(chunk)
                    if not whole:
                        out.flush()
        finally:
            request.ensure_headers_sent()
            if hasattr(body, "close"):
                body.close()
