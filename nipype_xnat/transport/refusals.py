"""From statuses, pages and exceptions of other libraries to the errors of this package.

The only place that does so. XNAT says what went wrong in an HTML page; its status alone is often
misleading (404 for "forbidden", 200 with a login page, 500 for many mistakes of the client).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from itertools import chain

import requests

from ..errors import (
    AnswerError,
    BadRequest,
    CannotReachServer,
    Conflict,
    NotAllowed,
    NotFound,
    NotLoggedIn,
    ServerBroken,
    ServerTimeout,
    UnreadableAnswer,
)
from .credentials import Credentials
from .request import Answer

__all__ = [
    "check_login",
    "checked",
    "is_login_page",
    "is_passing",
    "seconds_of",
    "unreachable",
]

_KINDS: dict[int, type[AnswerError]] = {
    401: NotLoggedIn,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    410: NotFound,
}
_ADVICE: dict[type[AnswerError], str] = {
    NotLoggedIn: "check the user name and the password of this account on this server",
    NotAllowed: "ask an owner of the project for the right, or use another account",
    NotFound: "check the spelling (labels are case-sensitive); XNAT also answers so for what this "
    "account may not see",
    ServerBroken: "XNAT answers 500 to some bad requests too; the server's log has the reason",
}
# JustificationAbsent of the server: a site can demand a reason with each change
_REASON_MARK = "justification"
_REASON_ADVICE = "this site demands a reason for each change: give event_reason='...'"
_GUEST_ADVICE = "give an account: user and password, config, or netrc"
_MESSAGE_MARKS = (r"<h3>(.*?)</h3>", r"<h1>(.*?)</h1>", r"<title>(.*?)</title>")
_LOGIN_MARK = "Login.vm"


def is_login_page(text: str) -> bool:
    """Tell whether a path or a page is that of XNAT's login."""
    return _LOGIN_MARK in text


def checked(answer: Answer, account: str) -> Answer:
    """Return an answer that is what was asked for.

    Raises
    ------
    AnswerError
        The kind that fits the status and the page.
    """
    request = answer.request
    if answer.status >= 300 and answer.status not in request.accept:
        page = answer.text()
        kind = _KINDS.get(answer.status, ServerBroken if answer.status >= 500 else BadRequest)
        advice = _ADVICE.get(kind)
        if is_login_page(page):
            kind, advice = NotLoggedIn, _ADVICE[NotLoggedIn]
        elif _REASON_MARK in page.lower() and "event_reason" not in request.asked:
            kind, advice = BadRequest, _REASON_ADVICE
        raise kind(
            _message(kind, answer.status, page, account),
            server=answer.server,
            asked=request.asked,
            advice=_GUEST_ADVICE if kind is NotLoggedIn and not account else advice,
            status=answer.status,
        )
    if answer.status < 300 and _is_stray_page(answer):
        start = next(iter(answer.stream()), b"").decode("utf-8", "replace")
        if is_login_page(start):
            raise NotLoggedIn(
                "the server answered with its login page",
                server=answer.server,
                asked=request.asked,
                advice=_ADVICE[NotLoggedIn],
                status=answer.status,
            )
        raise UnreadableAnswer(
            f"asked for {request.expect}, the server sent an HTML page"
            + (f": {_page_text(start)}" if _page_text(start) else ""),
            server=answer.server,
            asked=request.asked,
            status=answer.status,
        )
    return answer


def _is_stray_page(answer: Answer) -> bool:
    if not answer.headers.get("content-type", "").startswith("text/html"):
        return False
    if answer.request.expect in ("json", "csv", "xml"):
        return True
    # a stored .html file comes as an attachment, a login page does not
    return answer.request.expect == "bytes" and "content-disposition" not in answer.headers


def _message(kind: type[AnswerError], status: int, page: str, account: str) -> str:
    who = f"user {account!r}" if account else "nobody (no account was given)"
    text = _page_text(page)
    said = f" ({text})" if text else ""
    if kind is NotLoggedIn and not account:
        return f"the server does not answer guests{said}"
    if kind is NotLoggedIn:
        return f"the server does not know {who} as logged in{said}"
    if kind is NotAllowed:
        return f"{who} may not do this{said}"
    if kind is NotFound:
        return f"there is no such element{said}"
    if kind is Conflict:
        return f"it conflicts with what the server holds{said}"
    if kind is ServerBroken:
        return f"the server failed with status {status}{said}"
    return f"the server refused the request with status {status}{said}"


def _page_text(page: str) -> str:
    """Return what an error page says, on one line and not too long."""
    text = page
    if "<" in page:
        found = (re.search(mark, page, re.S | re.I) for mark in _MESSAGE_MARKS)
        text = next((match.group(1) for match in found if match), "")
    import html  # only for pages of errors

    text = html.unescape(re.sub(r"<[^>]*>", " ", text))
    text = " ".join(text.split())
    return text if len(text) <= 300 else text[:297] + "..."


def check_login(response: requests.Response, server: str, account: str) -> None:
    """Raise if a log-in did not give a session."""
    status = response.status_code
    asked = "POST /data/JSESSION"
    page = response.text
    if status in (301, 302, 303, 307, 308):
        target = response.headers.get("Location", "")
        if not is_login_page(target):
            raise ServerBroken(
                "the server sends log-ins on to another address; the password does not go there",
                server=server,
                asked=asked,
                advice="use the address that the server itself uses (often https:// for http://)",
                status=status,
            )
        status = 401
    if status in (401, 403):
        expired = "expired" in page.lower()
        raise NotLoggedIn(
            f"the server refused user {account!r}"
            + (": the password has expired" if expired else " (wrong user or password?)"),
            server=server,
            asked=asked,
            advice="log in with a browser to change it" if expired else _ADVICE[NotLoggedIn],
            status=status,
        )
    if status == 404:
        raise NotFound(
            "there is no XNAT at this address",
            server=server,
            asked=asked,
            advice="check the address; some sites have a context path, as in https://host/xnat",
            status=status,
        )
    if status >= 300:
        raise ServerBroken(
            f"the log-in failed with status {status}: {_page_text(page)}",
            server=server,
            asked=asked,
            status=status,
        )
    if "<" in page or not page.strip():
        raise UnreadableAnswer(
            "the server's answer to the log-in is a page, not a session id: this may not be an "
            "XNAT server, or a proxy stands before it",
            server=server,
            asked=asked,
            status=status,
        )


def unreachable(
    error: Exception, server: str, asked: str, credentials: Credentials
) -> CannotReachServer:
    """Turn an exception of requests (or of the system) into one of this package."""
    reason = credentials.masked(_reason(error))
    if isinstance(error, requests.Timeout | TimeoutError):
        return ServerTimeout(
            f"the server did not answer in time: {reason}",
            server=server,
            asked=asked,
            advice="try again later, or give a longer timeout",
        )
    if isinstance(error, requests.exceptions.SSLError) and "WRONG_VERSION_NUMBER" in reason:
        advice = "the server does not speak TLS at this address: check the port, or use http://"
    elif isinstance(error, requests.exceptions.SSLError):
        advice = "check the certificate; verify='/path/to/certificates.pem' trusts a site's own"
    elif isinstance(error, requests.exceptions.ProxyError):
        advice = "check the address of the proxy"
    else:
        advice = "check the address, the network, and whether the server runs"
    return CannotReachServer(
        f"cannot reach the server: {reason}", server=server, asked=asked, advice=advice
    )


def _reason(error: BaseException) -> str:
    """Return the innermost cause in words; the outer layers only repeat addresses."""
    seen: set[int] = set()
    inner: BaseException = error
    while id(inner) not in seen:
        seen.add(id(inner))
        candidates: Iterator[object] = chain(
            (getattr(inner, "reason", None), inner.__cause__, inner.__context__),
            inner.args,
        )
        nested = next((item for item in candidates if isinstance(item, BaseException)), None)
        if nested is None:
            break
        inner = nested
    text = str(inner) or type(inner).__name__
    # urllib3 puts a repr of its connection before the words
    return re.sub(r"^<.*?>: ", "", text).strip()


def is_passing(error: CannotReachServer) -> bool:
    """Tell whether a failed connection may work in a moment.

    One that was cut off or refused may: a server that is started anew refuses connections until it
    is up. A name that is not known, or a certificate, stays as it is.
    """
    text = error.message.lower()
    return not any(mark in text for mark in ("resolve", "certificate", "name or service"))


def seconds_of(retry_after: str | None) -> float | None:
    """Read a Retry-After header in either of its forms; None where there is none."""
    if not retry_after:
        return None
    if retry_after.strip().isdigit():
        return float(retry_after)
    try:
        when = parsedate_to_datetime(retry_after)
    except ValueError:
        return None
    return max(0.0, (when - datetime.now(timezone.utc)).total_seconds())
