"""A session of requests with one server, in which nothing is found out twice.

requests looks into the environment at each request (proxies, certificates, netrc), copies what does
not change (cookies, headers, settings), and reads the cookies of each answer twice. For a small
file that costs more than the file.
"""

from __future__ import annotations

from http.cookiejar import Cookie
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.cookies import RequestsCookieJar, extract_cookies_to_jar

from .connections import SharingAdapter

__all__ = ["ServerSession"]

# XNAT sets it with each answer, for its own pages: it says when the login session will end
_STAMP = "SESSION_EXPIRATION_TIME="


class ServerSession(requests.Session):
    """A session with one server.

    Parameters
    ----------
    server : str
        Root address of the server.
    adapter : SharingAdapter
        Makes the connections.
    headers : mapping of str to str
        Of each request.
    verify : bool or str, optional
        Check certificates, or a file of certificates to trust. None leaves it to the environment
        variables that requests knows.
    proxy : str, optional
        Address of a proxy. None leaves it to the environment.
    """

    cookies: _Cookies

    def __init__(
        self,
        server: str,
        adapter: SharingAdapter,
        *,
        headers: dict[str, str],
        verify: bool | str | None = None,
        proxy: str | None = None,
    ) -> None:
        super().__init__()
        self.headers.update(headers)
        self.mount(server, adapter)
        self.cookies = _Cookies()
        self._root = f"{server}/"
        self._path = urlsplit(self._root).path
        self._cookie: tuple[int, str | None] = (-1, None)
        # given as those of a request, they count more than those of the environment
        proxies = {"http": proxy, "https": proxy} if proxy else {}
        found = super().merge_environment_settings(server, proxies, None, verify, None)
        self.proxies = dict(found["proxies"] or {})
        self.verify = found["verify"]
        # from here on the environment is not looked at, netrc neither
        self.trust_env = False

    def merge_environment_settings(self, _: Any, __: Any, stream: Any, *___: Any) -> Any:
        """Return the settings of a request; called by requests."""
        return {"proxies": self.proxies, "stream": stream, "verify": self.verify, "cert": None}

    def prepare_request(self, request: requests.Request) -> requests.PreparedRequest:
        """Return what is sent; called by requests."""
        found = requests.PreparedRequest()
        found.prepare_method(request.method)
        found.prepare_url(request.url, None)
        found.prepare_headers({**self.headers, **request.headers})
        self._give_cookies(found)
        found.prepare_body(request.data, None)
        if request.auth:
            found.prepare_auth(request.auth)
        return found

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        """Send what was prepared; called by requests. Redirects are not followed."""
        options.pop("allow_redirects", None)
        answer = self.get_adapter(request.url or "").send(request, **options)
        if any(not text.startswith(_STAMP) for text in answer.raw.headers.getlist("Set-Cookie")):
            extract_cookies_to_jar(self.cookies, request, answer.raw)  # type: ignore[no-untyped-call]
        if not options.get("stream"):
            answer.content  # noqa: B018 (read, and kept)
        return answer

    def _give_cookies(self, request: requests.PreparedRequest) -> None:
        changes, header = self._cookie
        below = (request.url or "").startswith(self._root)
        if below and changes == self.cookies.changes:
            if header is not None:
                request.headers["Cookie"] = header
            return
        changes = self.cookies.changes
        request.prepare_cookies(self.cookies)
        if below and all(self._is_for_all(cookie) for cookie in self.cookies):
            self._cookie = changes, request.headers.get("Cookie")

    def _is_for_all(self, cookie: Cookie) -> bool:
        """Tell whether a cookie goes with each request to the server, until another one comes."""
        return cookie.expires is None and self._path.startswith(cookie.path.rstrip("/") + "/")


class _Cookies(RequestsCookieJar):
    """Cookies that tell whether they changed."""

    def __init__(self) -> None:
        super().__init__()
        self.changes = 0

    def set_cookie(self, cookie: Cookie, *arguments: Any, **values: Any) -> Any:
        self.changes += 1
        return super().set_cookie(cookie, *arguments, **values)

    def clear(self, *arguments: Any, **values: Any) -> None:
        self.changes += 1
        super().clear(*arguments, **values)
