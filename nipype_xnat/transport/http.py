"""The archive at the other end of HTTP: login session, retries, errors told apart."""

from __future__ import annotations

import copy
import logging
import os
import random
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError, ReadTimeoutError

from .._version import __version__
from ..address import Address
from ..errors import (
    CannotReachServer,
    NotLoggedIn,
    ServerBroken,
    ServerTimeout,
    XNATError,
)
from . import refusals
from .connections import seconds_waited
from .credentials import Credentials
from .lifetime import abandon, at_exit, end_abandoned, watch_forks
from .login_session import LoginSession
from .pace import LONGEST, Pace, Turn
from .request import Answer, Request
from .server_address import checked_server, without_account
from .session import ServerSession
from .slots import MACHINE_CONNECTIONS, Slots
from .streams import Stream, pieces

__all__ = ["HttpTransport"]

log = logging.getLogger("nipype_xnat.transport")

# XNAT sends browsers to a login page (302) where it answers 401 to programs; see
# DefaultInteractiveAgentDetector of the server
USER_AGENT = f"nipype_xnat/{__version__}"
# files come as they are stored: a transparent gunzip would break .nii.gz and digests
_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
_LOG_IN = Request("POST", Address.of("data", "JSESSION"))
_TOO_LATE = 504  # a proxy waited long enough
_SHORT = 1 << 16  # bytes that are read sooner than a new connection is made
_RETRY_STATUS = frozenset({429, 502, 503, _TOO_LATE})
_MAX_REDIRECTS = 5


class _Tries:
    """Counts how often one request was sent again."""

    again = 0


class HttpTransport:
    """Send requests to one XNAT server, for one account.

    The first request logs in; all others ride on that session. It is renewed when it ends in
    mid-run, never inherited over a fork, and closed when the process ends, also in a worker of a
    pool. One object may be used by many threads.

    Parameters
    ----------
    server : str
        Root address of the server, with its context path, e.g. ``https://host/xnat``.
    credentials : Credentials, optional
        Nobody by default.
    verify : bool or str, optional
        Check TLS certificates, or a file of certificates to trust. None leaves it to the
        environment variables that requests knows.
    proxy : str, optional
        Address of an HTTP proxy.
    connections : int
        Most connections to the server at once.
    machine_connections : int
        Most connections that all processes of this user on this machine open to the server
        together; 0 sets no such limit.
    adaptive : bool
        Send fewer requests at once while the server is slow.
    timeout : (float, float)
        Seconds to wait for a connection, and for the next bytes of an answer.
    retries : int
        How often a repeatable request is sent again after a broken connection or a status that says
        "later" (429, 502, 503, 504).
    """

    on_login: Callable[[int, float], None] | None = None
    """Gets the status of each log-in and the seconds that it took."""

    def __init__(
        self,
        server: str,
        credentials: Credentials | None = None,
        *,
        verify: bool | str | None = None,
        proxy: str | None = None,
        connections: int = 8,
        machine_connections: int = MACHINE_CONNECTIONS,
        adaptive: bool = True,
        timeout: tuple[float, float] = (15.0, 300.0),
        retries: int = 4,
    ) -> None:
        self._server = checked_server(server)
        self.credentials = credentials or Credentials()
        self.verify = verify
        self.proxy = proxy
        self.connections = connections
        self.machine_connections = machine_connections
        self.adaptive = adaptive
        self.timeout = timeout
        self.retries = retries
        self._forget()
        watch_forks(self)

    @property
    def server(self) -> str:
        """Root address of the server, without a trailing slash."""
        return self._server

    @property
    def account(self) -> str:
        """Login name, without the name of an authentication provider."""
        return self.credentials.account

    @property
    def logged_in(self) -> bool:
        """Whether a login session is open now."""
        return self._session is not None and self._session.opened

    def _forget(self) -> None:
        """Drop connections and session without a word to the server: they belong to a parent."""
        self._lock = threading.Lock()
        self._pace = Pace(self._server, self.connections, adaptive=self.adaptive)
        self._session: LoginSession | None = None
        self._away: tuple[float, CannotReachServer] | None = None

    after_fork = _forget

    def send(self, request: Request) -> Answer:
        """Send a request and return the answer; see :class:`Transport`."""
        tries = _Tries()
        try:
            answer = self._send(request, tries)
        except XNATError as error:
            error.retries = tries.again
            raise
        answer.retries = tries.again
        return answer

    def _send(self, request: Request, tries: _Tries) -> Answer:
        renewed = self.credentials.anonymous
        while True:
            session = self._log_in()
            turn = self._pace.begin()
            try:
                answer = self._send_once(request, session.http, turn)
                later = answer.status in _RETRY_STATUS and request.may_repeat
                later = later and not (request.hasty and answer.status == _TOO_LATE)
                if later and tries.again < self.retries:
                    after = answer.headers.get("retry-after")
                    answer.close()
                    self._wait(tries.again, after, f"status {answer.status}", request)
                    tries.again += 1
                    continue
                return refusals.checked(answer, self.account)
            except NotLoggedIn:
                # 401, or a login page in one of its guises: the session ended in mid-run
                if renewed:
                    raise
                renewed = True
                tries.again += 1
                self._end(session)
            except CannotReachServer as error:
                hasty = request.hasty and isinstance(error, ServerTimeout)
                if hasty or tries.again >= self.retries or not request.may_repeat:
                    raise
                self._wait(tries.again, None, str(error), request)
                tries.again += 1

    def close(self) -> None:
        """Log out and give up all connections; a later request logs in again."""
        with self._lock:
            session = self._session
        if session is not None:
            self._end(session)

    # -- the login session

    def _log_in(self) -> LoginSession:
        end_abandoned()
        since = time.monotonic()
        with self._lock:
            if self._session is None:
                if self._away is not None and self._away[0] > since:
                    # it was tried long enough while this thread waited
                    raise copy.copy(self._away[1])
                slots = Slots(self._server, self.machine_connections)
                # the session must not keep this object alive
                make = partial(
                    ServerSession,
                    self._server,
                    headers=_HEADERS,
                    verify=self.verify,
                    proxy=self.proxy,
                )
                session = LoginSession(self._server, make, slots, self.connections)
                if not self.credentials.anonymous:
                    self._open_session(session.http)
                    session.opened = True
                self._session = session
                at_exit(session)
                weakref.finalize(self, abandon, session).atexit = False
            return self._session

    def _end(self, session: LoginSession) -> None:
        with self._lock:
            # another thread may have a new one already
            if self._session is session:
                self._session = None
        session.end()

    def _open_session(self, http: requests.Session) -> None:
        try:
            self._try_to_open(http)
        except NotLoggedIn:
            # the file may name another token by now
            if not self.credentials.reread():
                raise
            self._try_to_open(http)

    def _auth(self, asked: str) -> HTTPBasicAuth:
        # in a frame of its own: some loggers show the local variables of those that an error passes
        password = self.credentials.password()
        if password is None:
            raise NotLoggedIn(
                f"the password of {self.account!r} is not at hand (a saved or copied connection "
                "never holds it): log in again",
                server=self._server,
                asked=asked,
                advice="make a new Interface, with a configuration file or netrc so that other "
                "processes can log in by themselves",
            )
        return HTTPBasicAuth(
            self.credentials.user.encode("utf-8"),
            password.encode("utf-8"),
        )

    def _try_to_open(self, http: requests.Session) -> None:
        auth = self._auth(_LOG_IN.asked)
        started = time.perf_counter()
        for attempt in range(self.retries + 1):
            try:
                response = self._exchange(
                    lambda: http.post(
                        self._server + "/data/JSESSION",
                        auth=auth,
                        timeout=self.timeout,
                        allow_redirects=False,
                    ),
                    _LOG_IN,
                )
            except CannotReachServer as error:
                # an unknown name will not mend itself in a second
                if attempt == self.retries or not refusals.is_passing(error):
                    self._away = time.monotonic(), copy.copy(error)
                    raise
                self._wait(attempt, None, str(error), None)
                continue
            if response.status_code in _RETRY_STATUS and attempt < self.retries:
                self._wait(attempt, response.headers.get("Retry-After"), "log-in", None)
                continue
            break
        if self.on_login is not None:
            self.on_login(response.status_code, time.perf_counter() - started)
        refusals.check_login(response, self._server, self.account)
        usable = self._server.startswith("https:")
        kept = [c for c in http.cookies if c.name == "JSESSIONID" and (usable or not c.secure)]
        if not kept:
            # no cookie, or one that would not go back to an address without TLS
            http.cookies.set("JSESSIONID", response.text.split(";")[0].strip())
        log.debug("logged in to %s as %s", self._server, self.account)

    # -- one exchange

    def _send_once(self, request: Request, http: requests.Session, turn: Turn) -> Answer:
        try:
            return self._answer(request, http, turn)
        except BaseException:
            turn.end()
            raise

    def _answer(self, request: Request, http: requests.Session, turn: Turn) -> Answer:
        url = self._server + str(request.address)
        headers = dict(request.headers)
        if request.body is not None:
            headers.setdefault("Content-Type", request.body.content_type)
        method = request.method
        for _ in range(_MAX_REDIRECTS + 1):
            started = time.perf_counter()
            response = self._one_response(http, method, url, request, headers)
            if log.isEnabledFor(logging.DEBUG):
                seconds = time.perf_counter() - started
                log.debug(
                    "%s -> %d in %.0f ms", request.asked, response.status_code, 1000 * seconds
                )
            target = response.headers.get("Location")
            if (
                response.status_code in (301, 302, 303, 307, 308)
                and response.status_code not in request.accept
                and target
            ):
                url = self._follow(request, response, urljoin(url, target))
                response.close()
                continue
            # files can be compared with each other; the larger a listing, the later it comes
            alike = request.expect == "bytes" and not (request.body or request.address.query)
            turn.answered(
                response.status_code,
                seconds_waited() if alike else None,
                refusals.seconds_of(response.headers.get("Retry-After")),
            )
            encoded = response.headers.get("Content-Encoding", "identity") != "identity"
            left = response.raw.length_remaining
            short = request.expect != "bytes" if left is None else left <= _SHORT
            body = Stream(pieces(response.raw, encoded), response.close, turn.end, short)
            return Answer(
                request,
                response.status_code,
                dict(response.headers.lower_items()),
                self._chunks(body, request),
                server=self._server,
                close=body.close,
            )
        raise ServerBroken(
            f"redirected more than {_MAX_REDIRECTS} times",
            server=self._server,
            asked=request.asked,
        )

    def _one_response(
        self,
        http: requests.Session,
        method: str,
        url: str,
        request: Request,
        headers: dict[str, str],
    ) -> requests.Response:
        if request.body is None:
            return self._exchange(
                lambda: http.request(
                    method,
                    url,
                    headers=headers,
                    timeout=self.timeout,
                    stream=True,
                    allow_redirects=False,
                ),
                request,
            )
        with request.body.open() as stream:
            # an empty file object would be sent chunked, which XNAT refuses
            data: Any = stream if request.body.length else b""
            return self._exchange(
                lambda: http.request(
                    method,
                    url,
                    data=data,
                    headers=headers,
                    timeout=self.timeout,
                    stream=True,
                    allow_redirects=False,
                ),
                request,
            )

    def _exchange(
        self, call: Callable[[], requests.Response], request: Request
    ) -> requests.Response:
        try:
            return call()
        except (requests.RequestException, OSError) as error:
            raise refusals.unreachable(
                error, self._server, request.asked, self.credentials
            ) from error

    def _chunks(self, body: Stream, request: Request) -> Iterator[bytes]:
        try:
            yield from body
        except ReadTimeoutError as error:
            late = requests.ReadTimeout(str(error))
            raise refusals.unreachable(
                late, self._server, request.asked, self.credentials
            ) from error
        except (requests.RequestException, HTTPError, OSError) as error:
            raise refusals.unreachable(
                error, self._server, request.asked, self.credentials
            ) from error
        finally:
            body.close()

    def _follow(self, request: Request, response: requests.Response, target: str) -> str:
        """Return the address to go on with, or raise where following is wrong."""
        if refusals.is_login_page(urlsplit(target).path):
            raise NotLoggedIn(
                "the server sent its login page: the account is not logged in, or its session was "
                "ended",
                server=self._server,
                asked=request.asked,
                advice="log in again; on a site with single sign-on use an alias token",
            )
        here, there = urlsplit(self._server), urlsplit(target)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise ServerBroken(
                f"the server sends this request on to {there.scheme}://{there.hostname}, which is "
                "another address; the login session does not go there",
                server=self._server,
                asked=request.asked,
                advice="use the address that the server itself uses (often https:// for http://)",
            )
        if request.method not in ("GET", "HEAD"):
            raise ServerBroken(
                f"the server redirected a {request.method} ({response.status_code}), which would "
                "lose what was sent",
                server=self._server,
                asked=request.asked,
                advice="use the address that the server itself uses",
            )
        return target

    def _wait(
        self, attempt: int, retry_after: str | None, why: str, request: Request | None
    ) -> None:
        seconds = refusals.seconds_of(retry_after)
        if seconds is None:
            # doubled each time, with jitter so that many jobs do not come back together
            seconds = 0.25 * 2**attempt * (0.5 + random.random())
        log.info(
            "trying again in %.1f s: %s (%s)",
            seconds,
            request.asked if request else "log-in",
            why.splitlines()[0],
        )
        time.sleep(min(seconds, LONGEST))

    # -- pickling: a place to log in again from, never a session

    def __getstate__(self) -> dict[str, Any]:
        names = ("_server", "credentials", "verify", "timeout", "retries")
        limits = ("connections", "machine_connections", "adaptive")
        state = {name: self.__dict__[name] for name in (*names, *limits)}
        state["proxy"] = without_account(self.proxy) if self.proxy else self.proxy
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()
        watch_forks(self)

    def __repr__(self) -> str:
        who = self.account or "nobody"
        return f"HttpTransport({self._server!r}, {who}, pid {os.getpid()})"
