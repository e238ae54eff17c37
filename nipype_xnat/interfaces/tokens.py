"""A token for the jobs of a run in place of a password: issued, renewed, ended with the run."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from ..address import Address
from ..client import Interface
from ..config import write_private
from ..errors import ConfigurationError, NotFound, UsageError, XNATError
from ..transport import Credentials, Request

__all__ = ["issued_token"]

log = logging.getLogger("nipype_xnat.tokens")

_TOKENS = Address.of("data", "services", "tokens")
_LIFE = 2 * 24 * 3600.0  # seconds, where the server does not say (XNAT's own preference)
_AGAIN = 60.0  # seconds after which a renewal that failed is tried again
_PATIENCE = 30.0  # seconds to wait for a renewal that is just under way at the end


@contextmanager
def issued_token(
    account: Interface | str | Path,
    folder: str | Path,
    *,
    renew: float | None = None,
    grace: float = 600.0,
) -> Iterator[str]:
    """Issue a token for the time of a ``with`` block, and hand it over by a configuration file.

    The token is renewed before it expires, and at the end of the block, however it ends, it is
    invalidated and its file removed. Tokens that a killed process left in the same folder are
    invalidated first.

    Parameters
    ----------
    account : Interface or path
        Whose token: a connection, or a configuration file.
    folder : path
        On a file system that all hosts see; made with mode 0700. No other run may use it.
    renew : float, optional
        Seconds after which the token is replaced; by default half of its life.
    grace : float
        Seconds for which a replaced token is still good, so that a job that has just read it can
        log in. A job that logs in later reads the file again.

    Yields
    ------
    str
        The configuration file, for the nodes' input ``config``.

    Raises
    ------
    ConfigurationError
        If the folder is somebody else's.
    UsageError
        If another run uses the folder, or there is no account to issue a token for.
    NotAllowed
        If the site gives out no tokens.

    Examples
    --------
    >>> with issued_token("xnat.json", "/shared/jane/run.token") as config:  # doctest: +SKIP
    ...     workflow = build(config=config)
    ...     workflow.run(plugin="SLURM")
    """
    with contextlib.ExitStack() as stack:
        if isinstance(account, Interface):
            archive = account
        else:
            archive = stack.enter_context(Interface(config=account, interactive=False))
        if archive.offline or not archive.user:
            raise UsageError(
                "a token is issued by a server, for an account", advice="give a configuration file"
            )
        place = _prepared(Path(folder).expanduser().absolute())
        stack.enter_context(_alone(place))
        tokens = _Tokens(archive, place, renew, grace)
        stack.callback(tokens.end)
        tokens.begin()
        yield str(tokens.config)


def _prepared(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be a folder for the token: {error.strerror}",
            advice="name another one, which can be made and written",
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise ConfigurationError(
            f"{folder} is not a folder of this user", advice="name another one for the token"
        )
    if found.st_mode & 0o077:
        folder.chmod(0o700)
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    lock = FileLock(str(folder / "lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"another run uses the token in {folder}", advice="name another folder for this run"
        ) from None
    except (OSError, NotImplementedError) as error:
        log.debug("%s cannot be locked: %s", folder, error)
    mine = os.getpid()
    try:
        yield
    finally:
        if os.getpid() == mine:  # not in a child of a fork
            with contextlib.suppress(OSError):
                (folder / "lock").unlink()
            lock.release()
            with contextlib.suppress(OSError):
                folder.rmdir()


class _Tokens:
    """The tokens of one run: the one in the file, and replaced ones until their grace ends.

    The names of all that may still be good are noted in a file before they are used, so that a
    later run can invalidate them. A name alone is no secret: nobody logs in with it.
    """

    def __init__(self, archive: Interface, folder: Path, renew: float | None, grace: float) -> None:
        self.config = folder / "xnat.json"
        self._noted = folder / "issued.json"
        self._archive = archive
        self._renew = renew
        self._grace = grace
        self._pid = os.getpid()
        self._current = ""
        self._replaced: dict[str, float] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """End what an earlier run left, issue a token, and renew it from time to time."""
        for alias in self._left():
            log.info("a token of an earlier run is invalidated")
            if not self._invalidate(alias):
                self._replaced[alias] = time.monotonic() + _AGAIN
        due = self._issue()
        self._thread = threading.Thread(
            target=self._keep, args=(due,), name="nipype_xnat-token", daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        """Invalidate all, and remove the file; not in a child of a fork."""
        if os.getpid() != self._pid:
            return
        self._ended.set()
        if self._thread is not None:
            self._thread.join(_PATIENCE)
        self.config.unlink(missing_ok=True)
        for alias in filter(None, (*self._replaced, self._current)):
            if self._invalidate(alias):
                self._replaced.pop(alias, None)
                self._current = "" if alias == self._current else self._current
        self._note()

    def _keep(self, due: float) -> None:
        while True:
            now = time.monotonic()
            for alias in [alias for alias, end in self._replaced.items() if end <= now]:
                if self._invalidate(alias):
                    del self._replaced[alias]
                    self._note()
                else:
                    self._replaced[alias] = now + _AGAIN
            if due <= now:
                try:
                    due = self._issue()
                except (XNATError, OSError) as error:
                    log.warning("the token was not renewed, this is tried again: %s", error)
                    due = now + _AGAIN
            if self._ended.wait(max(0.0, min((due, *self._replaced.values())) - time.monotonic())):
                return

    def _issue(self) -> float:
        """Put a new token into the file, and return when it is to be replaced."""
        answer = self._archive.transport.send(Request("GET", _TOKENS / "issue", expect="json"))
        token = answer.json()
        alias = str(token["alias"])
        self._replaced[alias] = math.inf  # until it is in the file
        try:
            self._note()
            secret = Credentials(alias, str(token["secret"]), account=self._archive.user)
            self._archive.save_config(self.config, secret)
        except BaseException:
            self._replaced[alias] = 0.0
            raise
        del self._replaced[alias]
        if self._current:
            self._replaced[self._current] = time.monotonic() + self._grace
        self._current = alias
        expires = token.get("estimatedExpirationTime")
        # by the server's clock both, so that the clock of this host does not matter
        issued = token.get("created") or token.get("timestamp")
        known = isinstance(expires, (int, float)) and isinstance(issued, (int, float))
        life = max(0.0, (expires - issued) / 1000) if known else _LIFE
        return time.monotonic() + (max(1.0, life / 2) if self._renew is None else self._renew)

    def _invalidate(self, alias: str) -> bool:
        """Invalidate a token; tell whether it is good no more."""
        try:
            self._archive.transport.send(Request("GET", _TOKENS / "invalidate" / alias)).close()
        except NotFound:  # expired, and swept by the server
            return True
        except XNATError as error:
            log.warning("a token could not be invalidated, it expires by itself: %s", error)
            return False
        return True

    def _left(self) -> list[str]:
        try:
            values = json.loads(self._noted.read_text(encoding="utf-8"))
            about = values["server"] == self._archive.server
            return [str(alias) for alias in values["aliases"]] if about else []
        except (OSError, ValueError, KeyError, TypeError):
            return []

    def _note(self) -> None:
        aliases = list(filter(None, (*self._replaced, self._current)))
        if aliases:
            write_private(self._noted, {"server": self._archive.server, "aliases": aliases})
        else:
            self._noted.unlink(missing_ok=True)
