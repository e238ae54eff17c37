"""Finding out who is asking."""

from __future__ import annotations

import re
import time
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive import people
from nipype_xnat.archive.errors import NotLoggedIn
from nipype_xnat.archive.people import GUEST, Person
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call
from nipype_xnat.server.sessions import Session, Sessions

_BROWSER = re.compile(r"MSIE|Mozilla|AppleWebKit|Opera", re.I)
_OPEN = re.compile(r"^/xapi/siteConfig/buildInfo(/|$)|^/app/template/Login\.vm|^/style/|^/images/")
_PROTECTED = re.compile(r"^/(data|REST|xapi|fs)(/|$)")
LOGIN_PAGE = (
    "<!DOCTYPE html>\n<html><head><title>XNAT Login</title></head><body>"
    "<!-- BEGIN xnat-templates/screens/Login.vm --><h1>Login</h1>"
    "<!-- END xnat-templates/screens/Login.vm --></body></html>\n"
)


def is_browser(call: Call) -> bool:
    """Tell whether the caller looks like a browser."""
    agent: str = call.request.headers.get("User-Agent", "")
    return "XNATDesktopClient" not in agent and bool(_BROWSER.search(agent))


def check(call: Call, login: str, password: str) -> Person | None:
    """Check a name and a password, or an alias and its secret."""
    account = login.rpartition("/")[2]
    with call.archive.database.read() as connection:
        row = (
            connection.execute(sa.select(s.account).where(s.account.c.login == account))
            .mappings()
            .first()
        )
        if row is not None:
            if call.sessions.locked(account):
                return None
            if people.check_password(row["password"], password):
                call.sessions.succeeded(account)
                return people.person(connection, account)
            call.sessions.failed(account)
            return None
        token = (
            connection.execute(sa.select(s.token).where(s.token.c.alias == account))
            .mappings()
            .first()
        )
        if token is None or token["secret"] != password or token["expires"] < time.time():
            return None
        return people.person(connection, token["login"])


def enter(call: Call, person: Person) -> None:
    """Open a session for a person, and hand over its cookie."""
    call.session = call.sessions.open(person)
    call.person = person
    secure = "; Secure" if call.request.scheme == "https" else ""
    path = call.archive.site.context or "/"
    call.headers.add("Set-Cookie", f"JSESSIONID={call.session.id}; Path={path}{secure}; HttpOnly")


def _credentials(call: Call) -> tuple[str, str] | None:
    header: str = call.request.headers.get("Authorization", "")
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        login, colon, password = b64decode(encoded.strip()).decode("utf-8").partition(":")
    except (Base64Error, UnicodeDecodeError) as error:
        raise NotLoggedIn("Failed to decode basic authentication token") from error
    return (login, password) if colon else None


def session(sessions: Sessions, environ: Mapping[str, Any]) -> Session | None:
    """Give the session that a request names in its cookie, if it is alive."""
    # all cookies, decoded and put into a table, would be a fifth of a short answer's work
    for part in environ.get("HTTP_COOKIE", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == "JSESSIONID":
            return sessions.get(value.strip('"'))
    return None


def identify(call: Call) -> Response | None:
    """Settle who is asking; a response is the refusal."""
    found = session(call.sessions, call.request.environ)
    if found is not None:
        call.session, call.person = found, found.person
        return None
    credentials = _credentials(call)
    if credentials is not None:
        person = check(call, *credentials)
        if person is None:
            return challenge(call, "Login attempt failed. Please try again.")
        enter(call, person)
        return None
    if _OPEN.match(call.path) or not _PROTECTED.match(call.path):
        return None
    if call.path.rstrip("/").endswith("/services/auth"):
        return None
    if not call.sessions.rules.require_login:
        enter(call, GUEST)
        return None
    if is_browser(call):
        return to_login_page(call)
    return challenge(call, "")


def challenge(call: Call, message: str) -> Response:
    """Answer that nobody is logged in."""
    response = answers.container_failure(401, message)
    response.headers["WWW-Authenticate"] = f'Basic realm="{call.archive.site.site_id}"'
    return response


def to_login_page(call: Call) -> Response:
    """Send a browser to the log-in page."""
    response = answers.plain("", "text/html;charset=UTF-8", 302)
    base = call.request.host_url.rstrip("/") + call.archive.site.context
    response.headers["Location"] = f"{base}/app/template/Login.vm"
    return response


def front_page(call: Call) -> Response:
    """Answer anything outside the interface: the log-in page, or a word of welcome."""
    guests = not call.sessions.rules.require_login
    if guests and call.person.guest and call.path in {"", "/"}:
        page = (
            "<!DOCTYPE html>\n<html><head><title>XNAT archive</title></head><body>"
            '<span id="user_info">Logged in as: <span style="color:red;">Guest</span></span>'
            "</body></html>\n"
        )
        return answers.plain(page, "text/html;charset=UTF-8")
    if call.path.startswith("/app/template/Login.vm") or call.person.guest:
        return answers.plain(LOGIN_PAGE, "text/html;charset=UTF-8")
    if call.path not in {"", "/"}:
        return answers.container_failure(404)
    page = (
        "<!DOCTYPE html>\n<html><head><title>XNAT archive</title></head><body><h1>XNAT archive"
        f'</h1><p><a href="{call.archive.site.context}/data/projects?format=html">Projects</a>'
        "</p></body></html>\n"
    )
    return answers.plain(page, "text/html;charset=UTF-8")
