"""An archive that is asked in this process, by the requests that would otherwise go over HTTP."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, BinaryIO
from urllib.parse import unquote, urlsplit

from ..archive import Archive
from ..archive.people import Person
from ..server.app import Application
from ..transport import Answer, Request, refusals

__all__ = ["Inside"]


class Inside:
    """A transport that calls an archive's own interface; no socket is opened.

    Parameters
    ----------
    archive : Archive
    server : str
        Address of the server that the archive stands for.
    account : str
        Who asks.
    """

    def __init__(self, archive: Archive, server: str, account: str) -> None:
        self.archive = archive
        self._server = server
        self._account = account
        self._application = Application(archive, Person(account or "guest", admin=True))

    @property
    def server(self) -> str:
        """Address of the server that the archive stands for."""
        return self._server

    @property
    def account(self) -> str:
        """Who asks."""
        return self._account

    def send(self, request: Request) -> Answer:
        """Answer a request; see :class:`nipype_xnat.transport.Transport`."""
        started: dict[str, Any] = {}

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[..., Any]:
            started["status"], started["headers"] = int(status[:3]), dict(headers)
            return lambda data: None

        chunks = self._application(self._environ(request), start)
        answer = Answer(
            request,
            started["status"],
            started["headers"],
            iter(chunks),
            server=self._server,
            close=getattr(chunks, "close", None),
            from_cache=True,
        )
        return refusals.checked(answer, self._account)

    def close(self) -> None:
        """Let go of the archive."""
        self.archive.close()

    def _environ(self, request: Request) -> dict[str, Any]:
        target = str(request.address)
        path, _, query = target.partition("?")
        host = urlsplit(self._server)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path).encode("utf-8").decode("latin-1"),
            "REQUEST_URI": target,
            "QUERY_STRING": query,
            "SERVER_NAME": host.hostname or "localhost",
            "SERVER_PORT": str(host.port or 80),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": host.scheme or "http",
            "wsgi.input": _Readable(request.body.open() if request.body else io.BytesIO()),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        if request.body:
            environ["CONTENT_LENGTH"] = str(request.body.length)
            environ["CONTENT_TYPE"] = request.body.content_type
        for name, value in request.headers.items():
            environ["HTTP_" + name.upper().replace("-", "_")] = value
        return environ


class _Readable(io.RawIOBase):
    """A body as a server reads one: some bodies can only be read, not read into a buffer."""

    def __init__(self, body: BinaryIO) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._body.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._body.close()
        super().close()
