"""An archive in a process of its own, killed at a chosen moment of a chosen request."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_SERVE = "import sys; from nipype_xnat.cli.main import main; sys.exit(main(sys.argv[1:]))"
_READ = 1 << 16


class Served:
    """``nipype-xnat serve``, reached through a relay that sees each request.

    When the archive is killed the relay closes its port too, so clients are refused as by a host
    whose server is gone; both come back at the same address.

    Parameters
    ----------
    root : Path
        The folder of the archive.

    Attributes
    ----------
    url : str
        Address of the relay.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[str] | None = None
        self._listening: socket.socket | None = None
        self._behind = 0
        self._port = 0
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._lines: list[bytes] = []
        self._threads: list[threading.Thread] = []
        self._wanted: re.Pattern[bytes] | None = None
        self._left = 0
        self._answered = False
        self._then: Callable[[], object] = bool
        self._call: tuple[re.Pattern[bytes], Callable[[], object]] | None = None
        self.killed = threading.Event()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start the archive, and then let clients in."""
        words = ["serve", "--root", str(self._root)]
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, *words], stdout=subprocess.PIPE, text=True
        )
        said = self._process.stdout.readline()
        self._behind = int(re.search(r":(\d+)/", said)[1])
        self._listening = socket.create_server(("127.0.0.1", self._port))
        self._port = self._listening.getsockname()[1]
        self._begin(self._accept, self._listening)

    def kill_at(
        self,
        wanted: bytes,
        *,
        after: int = 0,
        answered: bool = False,
        then: Callable[[], object] = bool,
    ) -> None:
        """Kill the archive at a request.

        Parameters
        ----------
        wanted : bytes
            Regular expression for a request's first line.
        after : int
            How many such requests pass before.
        answered : bool
            Kill it when half of the beginning of its answer is through, and not when half of the
            request's beginning is.
        then : callable
            Called in a thread of its own when it is dead.
        """
        self.killed.clear()
        self._left, self._answered, self._then = after, answered, then
        self._wanted = re.compile(rb"(?m)^" + wanted)

    def call_at(self, wanted: bytes, what: Callable[[], object]) -> None:
        """Call something when a request has come, before it is passed on."""
        self._call = re.compile(rb"(?m)^" + wanted), what

    def count(self, wanted: bytes) -> int:
        """Return how many requests of this kind came since the beginning."""
        with self._lock:
            return sum(bool(re.match(wanted, line)) for line in self._lines)

    def kill(self) -> None:
        """End the archive at once."""
        with self._lock:
            listening, self._listening = self._listening, None
            process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()
        if listening is not None:
            # else the port stays open as long as a thread waits in accept
            with contextlib.suppress(OSError):
                listening.shutdown(socket.SHUT_RDWR)
            listening.close()
        for one in list(self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """End all."""
        self.kill()
        for thread in self._threads:
            thread.join(10)

    # -- the relay

    def _begin(self, what: Callable[..., object], *arguments: object) -> None:
        thread = threading.Thread(target=what, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
                server = socket.create_connection(("127.0.0.1", self._behind))
            except OSError:
                return
            self._open |= {client, server}
            met = threading.Event()
            self._begin(self._pump, client, server, met, self._asked)
            self._begin(self._pump, server, client, met, self._answer)

    def _pump(
        self,
        source: socket.socket,
        target: socket.socket,
        met: threading.Event,
        is_last: Callable[[bytes, threading.Event], bool],
    ) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_READ):
                if is_last(data, met):
                    target.sendall(data[: len(data) // 2])
                    self._die()
                    break
                target.sendall(data)
        for one in (source, target):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        source.close()
        self._open.discard(source)

    def _asked(self, data: bytes, met: threading.Event) -> bool:
        with self._lock:
            if self._call is not None and self._call[0].search(data):
                self._call, call = None, self._call[1]
                call()
            self._lines += re.findall(rb"(?m)^[A-Z]+ /\S+ HTTP/1.1\r$", data)
            if self._wanted is None or not self._wanted.search(data):
                return False
            if self._left:
                self._left -= 1
                return False
            self._wanted = None
        if self._answered:
            met.set()
            return False
        return True

    def _answer(self, data: bytes, met: threading.Event) -> bool:
        return met.is_set()

    def _die(self) -> None:
        self.kill()
        self.killed.set()
        self._begin(self._then)
