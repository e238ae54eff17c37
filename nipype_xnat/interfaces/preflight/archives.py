"""Accounts and servers: where a password is kept, that it is private, and that a log-in works.

Here and in a job: what is asked and how it is judged is the same.
"""

from __future__ import annotations

import os
import socket
import stat
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from ... import config
from ...client import Interface
from ...errors import (
    AnswerError,
    CannotReachServer,
    ConfigurationError,
    NotAllowed,
    NotFound,
    NotLoggedIn,
    XNATError,
    XNATWarning,
)
from ...transport.server_address import without_account
from .findings import Finding, error, note, ok, warning

__all__ = ["Archives", "connection_of", "look_at_file"]

_AGE = 60.0  # seconds for which a listing serves further nodes that ask for the same
_CONNECT = 10.0  # seconds for a first connection; the client itself is more patient


def connection_of(values: Mapping[str, Any]) -> config.Connection:
    """Return what a node's names mean in this process.

    Parameters
    ----------
    values : mapping
        Arguments of :class:`nipype_xnat.Interface`.

    Raises
    ------
    ConfigurationError
        If server or account are not known.
    """
    names = ("server", "config", "anonymous", "verify", "proxy")
    given = {name: values[name] for name in names if values.get(name) is not None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XNATWarning)  # a finding tells it
        return config.connection(**given, interactive=False)


def look_at_file(path: Path, host: str = "") -> Iterator[Finding]:
    """Check that a file with a password is its owner's alone.

    Parameters
    ----------
    path : Path
    host : str
        Where this runs, if it is a job.
    """
    check = "account.file"
    try:
        status = path.stat()
    except OSError as trouble:
        fact = f"{path} cannot be read: {trouble.strerror}"
        yield error(check, fact, "put the file where all hosts see it, mode 0600", host=host)
        return
    mode = stat.S_IMODE(status.st_mode)
    if not stat.S_ISREG(status.st_mode):
        yield error(check, f"{path} is no file", "name a file", host=host)
    elif not os.access(path, os.R_OK):
        fact = f"{path} cannot be read by user {os.geteuid()}; it belongs to user {status.st_uid}"
        yield error(check, fact, "run jobs as its owner", host=host)
    elif mode & 0o077:
        fact = f"{path} has mode {mode:04o}: others can read a password"
        yield error(check, fact, f"chmod 600 {path}", host=host)
    elif status.st_uid != os.geteuid():
        fact = f"{path} belongs to user {status.st_uid}, this is user {os.geteuid()}"
        yield warning(check, fact, "keep a file of your own", host=host)
    else:
        yield ok(check, f"{path} is for its owner only ({mode:04o})", host=host)


class Archives:
    """The archives that nodes name, each connected to once.

    Parameters
    ----------
    host : str
        Where this runs, if it is a job.

    Attributes
    ----------
    files : list of Path
        Files that hold the accounts in use.
    secrets : set of str
        Their passwords, to look for where they must not be; never shown.
    trouble : str
        Why one of them cannot be asked.
    """

    def __init__(self, host: str = "") -> None:
        self._host = host
        self._open: dict[str, Interface] = {}
        self._seen: set[tuple[str, ...]] = set()
        self.secrets: set[str] = set()
        self.files: list[Path] = []
        self.trouble = ""

    def close(self) -> None:
        """Log out."""
        for one in self._open.values():
            one.disconnect()
        self._open.clear()

    def of(self, values: Mapping[str, Any]) -> Interface:
        """Return the connection that arguments of :class:`nipype_xnat.Interface` name."""
        key = repr(sorted((name, str(value)) for name, value in values.items()))
        if key not in self._open:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", XNATWarning)  # a finding tells it
                self._open[key] = Interface(interactive=False, **{**values, "metadata_age": _AGE})
        return self._open[key]

    def look_at(self, values: Mapping[str, Any], who: str = "") -> Iterator[Finding]:
        """Check account and server, each pair once.

        Parameters
        ----------
        values : mapping
            Arguments of :class:`nipype_xnat.Interface`, of one that is not offline.
        who : str
            Words that say which nodes mean it.
        """
        host = self._host
        try:
            found = connection_of(values)
        except ConfigurationError as trouble:
            fact = f"{trouble.message}{who}"
            self.trouble = trouble.message
            named = values.get("config")
            if named:
                file_found = [*look_at_file(Path(str(named)).expanduser(), host)]
                yield from file_found
                if any(one.level == "error" for one in file_found):
                    return  # says the same
            advice = trouble.advice or "put the file where all hosts see it, mode 0600"
            yield error("account.known", fact, advice, host=host)
            return
        file = config.account_file(found)
        server = without_account(found.server)
        key = (server, found.credentials.user, str(file))
        if key in self._seen:
            return
        self._seen.add(key)
        if secret := found.credentials.password():
            self.secrets.add(secret)
        if file is not None:
            self.files.append(file)
            yield from look_at_file(file, host)
        elif found.source == "anonymous":
            yield ok("account.known", f"nobody logs in to {server}{who}", host=host)
        if found.verify is False:
            fact = f"the certificate of {server} is not checked"
            yield warning(
                "server.certificate", fact, "name its certificate: verify=FILE", host=host
            )
        greeted = [*self._greet(values, found)]
        self.trouble = next((one.fact for one in greeted if one.level == "error"), self.trouble)
        yield from greeted

    def _greet(self, values: Mapping[str, Any], found: config.Connection) -> Iterator[Finding]:
        """Ask a server for its version, which logs in."""
        server = without_account(found.server)
        host, check = self._host, "server.reached"
        trouble = "" if found.proxy else _no_way_to(found.server)
        if trouble:
            fact = f"{server} cannot be reached: {trouble}"
            advice = "check address and network; where hosts have no way to it, work offline"
            yield error(check, f"{fact}", f"{advice} (docs/offline.md)", host=host)
            return
        try:
            version = str(self.of(values).version().get("version", "unknown"))
        except (NotAllowed, NotFound):
            version = "unknown"
        except NotLoggedIn as refused:
            fact = f"{server} refuses {found.credentials.user or 'nobody'}: {refused.message}"
            advice = refused.advice or "save the account anew: Interface(...).save_config(FILE)"
            yield error("server.login", fact, advice, host=host)
            return
        except CannotReachServer as away:
            advice = away.advice or "check address and network"
            yield error(check, f"{server}: {away.message}", advice, host=host)
            return
        except AnswerError as broken:
            advice = broken.advice or "ask its administrator"
            yield error(check, f"{server}: {broken.message}", advice, host=host)
            return
        except XNATError as other:
            yield error(check, f"{server}: {other.message}", other.advice or "", host=host)
            return
        yield ok(check, f"{server} answers, version {version}", host=host)
        if found.credentials.anonymous:
            yield note("server.login", f"nobody logs in to {server}", host=host)
        else:
            yield ok("server.login", f"{found.credentials.user} logs in", host=host)


def _no_way_to(server: str) -> str:
    """Say why no connection to a server comes about; empty if one does, or a proxy is asked."""
    parts = urlsplit(server)
    name = parts.hostname or ""
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    except ValueError:
        port = 0
    if not port or (parts.scheme in getproxies() and not proxy_bypass(name)):
        return ""  # the client says what is wrong with it
    try:
        with socket.create_connection((name, port), timeout=_CONNECT):
            return ""
    except OSError as trouble:
        return str(trouble.strerror or trouble)
