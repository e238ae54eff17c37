"""The seam to a mirror: the local archive's own interface, called in this process.

The same requests go to the same code as over HTTP, but no socket is opened and nothing is written.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ..archive import Archive, Site
from ..archive.people import Person
from ..errors import BadRequest, NotFound, NotInMirror
from ..server.app import Application
from ..transport import Answer, Request, refusals
from ..transport.lifetime import watch_forks
from .folder import Contents, Folder

__all__ = ["OfflineTransport"]

_READS = frozenset({"GET", "HEAD"})
_MISSING_BYTES = "Unable to find file."


class OfflineTransport:
    """Answer requests from a mirror.

    Parameters
    ----------
    root : path
        The mirror's folder. It is only read, so that any number of processes may share it, and it
        may lie on a read-only file system.
    state : str, optional
        Name of the state to read; the current one by default.

    Raises
    ------
    MirrorError
        If there is no mirror.
    """

    on_login: Callable[[int, float], None] | None = None

    def __init__(self, root: Path | str, state: str = "") -> None:
        self.folder = Folder(root)
        self._state = state
        known = self.folder.read() if state else self.folder.require()
        self.contents: Contents = known or Contents("")
        self.after_fork()
        watch_forks(self)

    def after_fork(self) -> None:
        """Open the mirror anew: a child does not use its parent's files."""
        self._lock = threading.Lock()
        self._application: Application | None = None

    @property
    def server(self) -> str:
        """Address of the server that was mirrored."""
        return self.contents.server

    @property
    def account(self) -> str:
        """The account that pulled."""
        return self.contents.account

    def send(self, request: Request) -> Answer:
        """Answer a request that only reads.

        Raises
        ------
        NotInMirror
            If the mirror does not hold what is asked for, or the request would change something.
        """
        segments = request.address.segments
        if request.method not in _READS and not _is_search(request):
            raise self._missing(request, "a mirror cannot be changed")
        kept = self.contents.kept.get(str(request.address))
        if kept is not None:
            return self._answer(request, 200, {}, iter([kept.encode()]), None)
        if segments[:1] != ("data",) or len(segments) < 2 or segments[1] not in _HELD:
            raise self._missing(request, "a mirror does not hold this")
        try:
            return self._ask(request)
        except NotFound as error:
            raise self._explained(request, error) from error
        except BadRequest as error:
            if "read-only" in error.message:
                raise self._missing(request, "a mirror cannot be changed") from error
            raise

    def close(self) -> None:
        """Let go of the mirror; a later request opens it again."""
        with self._lock:
            application, self._application = self._application, None
        if application is not None:
            application.archive.close()

    # -- asking

    def _opened(self) -> Application:
        with self._lock:
            if self._application is None:
                place = self.folder.state(self._state or self.contents.state)
                archive = Archive(place, Site(), read_only=True)
                reader = Person(self.account or "guest", admin=True)
                self._application = Application(archive, reader)
            return self._application

    def _ask(self, request: Request) -> Answer:
        started: dict[str, Any] = {}

        def start(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[..., Any]:
            started["status"], started["headers"] = int(status[:3]), dict(headers)
            return lambda data: None

        chunks = self._opened()(self._environ(request), start)
        close = getattr(chunks, "close", None)
        answer = self._answer(request, started["status"], started["headers"], iter(chunks), close)
        return refusals.checked(answer, self.account)

    def _answer(
        self,
        request: Request,
        status: int,
        headers: dict[str, str],
        chunks: Iterator[bytes],
        close: Callable[[], None] | None,
    ) -> Answer:
        return Answer(
            request,
            status,
            headers,
            chunks,
            server=self.server,
            close=close,
            from_cache=True,
        )

    def _environ(self, request: Request) -> dict[str, Any]:
        target = str(request.address)
        path, _, query = target.partition("?")
        host = urlsplit(self.server)
        body = request.body.open() if request.body else io.BytesIO()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path).encode("utf-8").decode("latin-1"),
            "REQUEST_URI": target,
            "QUERY_STRING": query,
            "SERVER_NAME": host.hostname or "mirror",
            "SERVER_PORT": str(host.port or 80),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": host.scheme or "http",
            "wsgi.input": body,
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

    # -- telling what is not there

    def _explained(self, request: Request, error: NotFound) -> NotFound | NotInMirror:
        segments = request.address.segments
        project = segments[segments.index("projects") + 1 :][:1] if "projects" in segments else ()
        held = self.contents.wanted(project[0]) if project else None
        if project and held is None:
            names = ", ".join(one.project for one in self.contents.projects) or "nothing"
            return self._missing(request, f"the mirror holds {names}, not {project[0]}")
        if "files" in segments and _MISSING_BYTES in error.message:
            return self._missing(request, "the mirror lists this file, but not its bytes")
        if held is not None and not held.criteria:
            return error
        return self._missing(request, "the mirror does not hold it")

    def _missing(self, request: Request, what: str) -> NotInMirror:
        return NotInMirror(
            f"{what} (working offline, with {self.folder.root}, pulled {self.contents.pulled})",
            server=self.server,
            asked=request.asked,
            advice="where the server can be reached: nipype-xnat mirror pull "
            f"{self.server} --project P --files TEMPLATE {self.folder.root}",
        )

    # -- where a process copies or leaves it

    def __reduce__(self) -> tuple[Any, ...]:
        return OfflineTransport, (self.folder.root, self._state)


_HELD = frozenset({"projects", "subjects", "experiments", "search", "scan_types"})


def _is_search(request: Request) -> bool:
    return request.method == "POST" and request.address.segments == ("data", "search")
