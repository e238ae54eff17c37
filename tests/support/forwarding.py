"""An HTTP proxy that notes what goes through it."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class Proxy:
    """A proxy for addresses without TLS.

    Attributes
    ----------
    url : str
    asked : list of str
        The addresses that it was asked for.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        handler = type("Bound", (_Handler,), {"proxy": self})
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    proxy: Proxy

    def log_message(self, *_: object) -> None:
        pass

    def forward(self) -> None:
        self.proxy.asked.append(self.path)
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        there = http.client.HTTPConnection(parts.hostname, parts.port)
        there.request(self.command, self.path[self.path.index(parts.path) :], body, self.headers)
        answer = there.getresponse()
        content = answer.read()
        there.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_DELETE = forward


@contextmanager
def proxy() -> Iterator[Proxy]:
    """Run a proxy."""
    found = Proxy()
    thread = threading.Thread(target=found.http.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield found
    finally:
        found.http.shutdown()
        thread.join()
        found.http.server_close()
