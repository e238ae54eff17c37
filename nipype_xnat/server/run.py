"""Running the application on a socket."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cheroot import wsgi

from nipype_xnat.archive.archive import Archive, Logged, Middleware
from nipype_xnat.archive.site import Site
from nipype_xnat.server import wire
from nipype_xnat.server.app import Application

#: requests worked on at once
THREADS = 32


class _Request(wire.Request):
    """Answers an oversized header block as Tomcat does."""

    def simple_response(self, status: str, msg: str = "") -> None:
        """Answer without the application, and say so that the connection ends."""
        if not str(status).startswith(("413", "414")):
            super().simple_response(status, msg)
            return
        self.close_connection = True
        self._drain()
        page = (
            b"<!doctype html><html><head><title>HTTP Status 400</title></head><body>"
            b"<h1>HTTP Status 400</h1><p>Request header is too large</p></body></html>"
        )
        head = (
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html;charset=utf-8\r\n"
            f"Content-Length: {len(page)}\r\nConnection: close\r\n\r\n"
        )
        with contextlib.suppress(OSError):
            self.conn.wfile.write(head.encode() + page)

    def _drain(self) -> None:
        # closing with unread bytes resets the connection, and the answer would be lost
        left = 1 << 20
        with contextlib.suppress(OSError):
            while left > 0:
                line = self.conn.rfile.readline(1 << 16)
                left -= len(line)
                if line in {b"\r\n", b"\n", b""}:
                    return


class _Connection(wire.Connection):
    RequestHandlerClass = _Request


class _Server(wsgi.Server):
    ConnectionClass = _Connection
    #: connections that may be open at once; more are closed after each answer
    limit = 256
    connected: set[wire.Connection]

    @property
    def can_add_keepalive_connection(self) -> bool:
        """Tell whether a connection may stay open after an answer."""
        # cheroot counts those that rest, under a lock that all threads want at once
        return len(self.connected) <= self.limit

    def clear_stats(self) -> None:
        """Begin to count anew, for this server alone.

        Cheroot also enters each server into a table of the whole process, where it would stay for
        ever, and its archive with it.
        """
        super().clear_stats()  # type: ignore[no-untyped-call]
        logging.statistics.pop(f"Cheroot HTTPServer {id(self)}", None)  # type: ignore[attr-defined]

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """Keep quiet about clients that hang up."""


def _logging(archive: Archive, application: Callable[..., Any]) -> Callable[..., Any]:
    def logged(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        path, _, query = str(environ.get("REQUEST_URI") or environ["PATH_INFO"]).partition("?")

        def start(status: str, *rest: Any) -> Any:
            archive.requests.append(Logged(environ["REQUEST_METHOD"], path, query, int(status[:3])))
            return start_response(status, *rest)

        return application(environ, start)

    return logged


def listen(
    application: Callable[..., Any],
    host: str,
    port: int,
    threads: int = THREADS,
    max_header: int = Site.max_header,
    certificate: tuple[str, str] | None = None,
) -> wsgi.Server:
    """Make an HTTP server for an application, set up as all archives are served."""
    server = _Server(
        (host, port), application, numthreads=threads, request_queue_size=256, timeout=60
    )
    server.gateway = wire.Gateway
    server.connected = set()
    server.max_request_header_size = max_header
    server.shutdown_timeout = 2
    server.expiration_interval = 0.02  # and so long it takes to end
    if certificate is not None:
        from cheroot.ssl.builtin import BuiltinSSLAdapter

        server.ssl_adapter = BuiltinSSLAdapter(*certificate)
    return server


@contextmanager
def serving(
    archive: Archive,
    *,
    port: int,
    host: str,
    middleware: Sequence[Middleware] = (),
    threads: int = THREADS,
    certificate: tuple[str, str] | None = None,
) -> Iterator[str]:
    """Serve an archive from a thread of its own, and give its base URL."""
    application: Callable[..., Any] = Application(archive)
    for wrap in reversed(middleware):
        application = wrap(application)
    # outermost, so that answers made by a middleware are counted too
    application = _logging(archive, application)
    server = listen(application, host, port, threads, archive.site.max_header, certificate)
    server.prepare()
    thread = threading.Thread(target=server.serve, name="xnat-archive", daemon=True)
    thread.start()
    bound = server.bind_addr[1]
    scheme = "https" if certificate else "http"
    shown = f"[{host}]" if ":" in host else host
    try:
        yield f"{scheme}://{shown}:{bound}{archive.site.context}"
    finally:
        server.stop()
        thread.join(timeout=10)
