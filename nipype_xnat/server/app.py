"""The WSGI application: who is asking, what it means, how errors are told."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable
from typing import IO, Any

from werkzeug.wrappers import Request, Response
from werkzeug.wsgi import ClosingIterator

from nipype_xnat.archive import errors
from nipype_xnat.archive.archive import Archive
from nipype_xnat.archive.people import Person
from nipype_xnat.server import answers, login
from nipype_xnat.server.call import Call, HttpFailure, escape
from nipype_xnat.server.handlers.siteconfig import stored
from nipype_xnat.server.kept import Kept
from nipype_xnat.server.routes import build
from nipype_xnat.server.rules import Rules
from nipype_xnat.server.sessions import Sessions
from nipype_xnat.server.wire import FilePart

log = logging.getLogger("nipype_xnat.server")

_STATUS: list[tuple[type[errors.ArchiveError], int]] = [
    (errors.Invalid, 400),
    (errors.Unusable, 417),
    (errors.Unparsable, 422),
    (errors.NotLoggedIn, 401),
    (errors.Forbidden, 403),
    (errors.ReadOnly, 403),
    (errors.NotFound, 404),
    (errors.Conflict, 409),
    (errors.Refused, 400),
    (errors.Gone, 410),
    (errors.Broken, 500),
]
#: what Spring's firewall refuses in a path before XNAT sees it
_FIREWALL = re.compile(r";|%3b|%2f|%5c|\\|%25|%2e|//|[^\x21-\x7e]", re.I)
#: what Tomcat refuses raw in a request target
_RAW = re.compile(r'[\[\]{}|^"<>\\` ]|[^\x21-\x7e]')
#: what Tomcat refuses after decoding: NUL, and percent signs that begin no escape
_UNDECODABLE = re.compile(r"%00|%(?![0-9a-fA-F]{2})")
_DOTS = re.compile(r"(^|/)\.{1,2}(/|$)")
_TUNNELLED = {"GET", "PUT", "DELETE", "HEAD", "POST"}


class Application:
    """XNAT's REST interface on an archive, as a WSGI application.

    Parameters
    ----------
    archive : Archive
        What is served.
    caller : Person, optional
        Who asks, where that is settled before: nobody logs in then.
    """

    def __init__(self, archive: Archive, caller: Person | None = None):
        self.archive = archive
        self.caller = caller
        rules = Rules.of(archive.site)
        rules.take(stored(archive.database))
        self.sessions = Sessions(rules, archive.count_session)
        self.kept = Kept(archive.database)
        self.router = build()

    def __call__(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        """Answer one request."""
        known = self._again(environ, start_response)
        if known is not None:
            return known
        request = Request(environ)
        if request.method not in {"GET", "HEAD"}:
            changed = self._answer(request, environ)
            if "chunked" in environ.get("HTTP_TRANSFER_ENCODING", "").lower():
                _read_out(environ["wsgi.input"])
            return changed(environ, start_response)
        # what is looked up now may be replaced before the answer comes to it
        release = self.archive.blobs.hold()
        try:
            response = self._answer(request, environ)
            if request.method == "HEAD":
                response = _headless(response)
            if isinstance(response.response, FilePart):
                # it is open: nothing has to be looked up any more
                release()
                start_response(response.status, response.headers.to_wsgi_list())
                return response.response
            body, status, headers = response.get_wsgi_response(environ)
            start_response(status, headers)
            if response.is_sequence:
                release()
                return body
            return ClosingIterator(body, release)
        except BaseException:
            release()
            raise

    def _again(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> list[bytes] | None:
        """Answer what was answered before, if it still holds, by looking at very little."""
        plain = environ["REQUEST_METHOD"] == "GET" and environ.get("CONTENT_LENGTH", "0") == "0"
        if not plain or self.caller is not None or "REQUEST_URI" not in environ:
            return None
        session = login.session(self.sessions, environ)
        known = self.kept.known(session.person, environ) if session is not None else None
        if known is None:
            return None
        body, kind = known
        said = [("Content-Type", kind), ("Vary", answers.VARY), ("Set-Cookie", self._expiry())]
        start_response("200 OK", said)
        return [body]

    def _answer(self, request: Request, environ: dict[str, Any]) -> Response:
        target = str(environ.get("REQUEST_URI") or environ.get("RAW_URI") or request.path)
        if "://" in target.split("?", 1)[0]:
            target = "/" + target.split("://", 1)[1].partition("/")[2]
        path, _, query = target.partition("?")
        if _RAW.search(query) or _RAW.search(path):
            return answers.container_failure(400, "Invalid character found in the request target")
        if _UNDECODABLE.search(path):
            return answers.container_failure(400, "Invalid URI")
        if _FIREWALL.search(path) or _DOTS.search(path):
            return answers.container_failure(500, "The request was rejected")
        context = self.archive.site.context
        if context:
            if path != context and not path.startswith(context + "/"):
                return answers.container_failure(404)
            path = path[len(context) :]
        method = str(request.method)
        call = Call(self.archive, self.sessions, request, method, path, kept=self.kept)
        tunnelled = (call.param("method") or "").upper()
        if method == "POST" and tunnelled in _TUNNELLED:
            call.method = tunnelled
        try:
            response = self._serve(call)
        finally:
            call.close()
        for name, value in call.headers.items():
            response.headers.add(name, value)
        self._stamp(call, response)
        return response

    def _serve(self, call: Call) -> Response:
        segments = call.path.split("/")[1:]
        try:
            if self.caller is not None:
                call.person = self.caller
            elif (refused := login.identify(call)) is not None:
                return refused
            return self._dispatch(call, segments)
        except HttpFailure as problem:
            if call.path.startswith("/xapi"):
                response = answers.plain(problem.message, "text/plain", problem.status)
            else:
                response = answers.failure(problem.status, problem.message)
            response.headers.update(problem.headers)
            return response
        except errors.ArchiveError as problem:
            status = next(code for kind, code in _STATUS if isinstance(problem, kind))
            if call.path.startswith("/xapi"):
                body = "" if isinstance(problem, errors.Forbidden) else str(problem)
                return answers.plain(body, "text/plain", status)
            return answers.failure(status, str(problem))
        except Exception:
            # whatever went wrong, one request must not take the connection along
            log.exception("%s %s failed", call.method, call.path)
            return answers.failure(500)

    def _dispatch(self, call: Call, segments: list[str]) -> Response:
        match = self.router.match(segments)
        if match is None:
            if segments[:1] in (["data"], ["REST"], ["xapi"]):
                raise HttpFailure(404)
            return login.front_page(call)
        route, names, call.rest = match
        call.entry = "/" + segments[0]
        call.names = {name: escape(value) for name, value in names.items()}
        method = "GET" if call.method == "HEAD" else call.method
        if method not in route.methods:
            return answers.failure(405, allow=[*route.methods, "HEAD"])
        response: Response = route.handler(call)
        return response

    def _stamp(self, call: Call, response: Response) -> None:
        if call.session is not None and self.sessions.alive(call.session):
            response.headers.add("Set-Cookie", self._expiry())

    def _expiry(self) -> str:
        """Write the cookie that tells when a session will end."""
        timeout = int(self.sessions.rules.timeout * 1000)
        now = int(time.time() * 1000)
        path = self.archive.site.context or "/"
        return f'SESSION_EXPIRATION_TIME="{now},{timeout}"; Version=1; Path={path}'


def _read_out(body: IO[bytes]) -> None:
    """Read what is left of a body, so that it is not taken for the next request."""
    try:
        while body.read(1 << 16):
            pass
    except (OSError, ValueError):
        return  # it was cut off, or is not what it says; the server ends the connection


def _headless(response: Response) -> Response:
    if response.is_streamed and "Content-Length" not in response.headers:
        response.close()
        response.response = []
        return response
    length = response.headers.get("Content-Length") or response.calculate_content_length()
    response.close()
    response.response = []
    if length is not None:
        response.automatically_set_content_length = False
        response.headers["Content-Length"] = str(length)
    return response
