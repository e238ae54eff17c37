"""Every error that this package raises.

::

    XNATError
    ├── UsageError (ValueError)              bad input, found before any request is sent
    │   ├── SelectSyntaxError                a path template that cannot be read
    │   ├── CriteriaError                    search criteria that cannot be read
    │   ├── ConfigurationError               no server, no credentials, unreadable configuration
    │   └── NoWorkflow                       no such script, or no workflow in it
    ├── CannotReachServer (ConnectionError)  no connection: refused, unknown host, TLS, cut off
    │   └── ServerTimeout (TimeoutError)     connected, but no answer in time
    ├── AnswerError                          the server answered, and its answer is a refusal
    │   ├── NotLoggedIn (PermissionError)    wrong or missing credentials, session ended
    │   ├── NotAllowed (PermissionError)     logged in, but without the right to do this
    │   ├── NotFound (LookupError)           no such element, or one that this account may not see
    │   ├── Conflict                         exists already, or is in the way of what was asked
    │   ├── BadRequest                       the server did not accept what was sent
    │   └── ServerBroken                     the server failed (5xx), or sent what it must not
    │       └── UnreadableAnswer             the answer is not what its kind promises
    ├── NothingMatched (LookupError)         a selection that had to find something found nothing
    ├── StaleResult                          made from other inputs than those that are named now
    ├── TransferError (OSError)              bytes did not arrive as they were sent
    │   ├── Truncated                        the connection ended early, again and again
    │   ├── DigestMismatch                   size or digest differ from what the listing names
    │   ├── UnsafeName                       a file name that this file system cannot keep
    │   └── UploadIncomplete                 the server does not list what was sent
    ├── CacheError (OSError)                 the cache folder cannot be used
    │   └── NotInCache (FileNotFoundError)   offline, and the file was never fetched
    └── MirrorError                          the mirror, or the outbox, cannot be used
        ├── NotInMirror (LookupError)        offline, and the mirror does not hold it
        └── ChangedThere                     somebody else changed the same thing since the pull
            └── GoneThere                    what it belongs to is not there any more

Each message says which server and path were meant, what was asked, and what to do next.
Errors cross process borders (they come out of Nipype's workers), so each one pickles whole; none
of them ever holds a password, a token or a session id.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AnswerError",
    "BadRequest",
    "CacheError",
    "CannotReachServer",
    "ChangedThere",
    "ConfigurationError",
    "Conflict",
    "CriteriaError",
    "DigestMismatch",
    "GoneThere",
    "MirrorError",
    "NoWorkflow",
    "NotAllowed",
    "NotFound",
    "NotInCache",
    "NotInMirror",
    "NotLoggedIn",
    "NothingMatched",
    "SelectSyntaxError",
    "ServerBroken",
    "ServerTimeout",
    "StaleResult",
    "TransferError",
    "Truncated",
    "UnreadableAnswer",
    "UnsafeName",
    "UploadIncomplete",
    "UsageError",
    "XNATError",
    "XNATWarning",
]


class XNATWarning(UserWarning):
    """Something that works, but not as well or as safely as it could."""


class XNATError(Exception):
    """Base of all errors of this package.

    Parameters
    ----------
    message : str
        What went wrong, in one sentence.
    server : str, optional
        Address of the server, without credentials.
    asked : str, optional
        What was asked of it: a method and a path, or a template.
    advice : str, optional
        What to do next.
    status : int, optional
        The HTTP status, where there was one.
    """

    def __init__(
        self,
        message: str = "",
        *,
        server: str | None = None,
        asked: str | None = None,
        advice: str | None = None,
        status: int | None = None,
    ) -> None:
        self.message = message
        self.server = server
        self.asked = asked
        self.advice = advice
        self.status = status
        self.retries = 0
        """How often the request was sent again before this."""
        super().__init__(message)

    def __str__(self) -> str:
        text = self.message
        where = " of ".join(part for part in (self.asked, self.server) if part)
        if where:
            text += f" [{where}]"
        if self.advice:
            text += f"\n  What to do: {self.advice}"
        return text

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.__dict__.copy())


def _rebuild(kind: type[XNATError], message: str, state: dict[str, Any]) -> XNATError:
    error = kind(message)
    error.__dict__.update(state)
    return error


class UsageError(XNATError, ValueError):
    """Bad input of the caller, found before any request was sent."""


class SelectSyntaxError(UsageError):
    """A path template that cannot be read."""


class CriteriaError(UsageError):
    """Search criteria that cannot be read."""


class ConfigurationError(UsageError):
    """No server, no credentials, or a configuration that cannot be read."""


class NoWorkflow(UsageError):
    """A script was named that is not there, or that makes no workflow of this name."""


class CannotReachServer(XNATError, ConnectionError):
    """No connection to the server: refused, unknown host, TLS trouble, or cut off."""


class ServerTimeout(CannotReachServer, TimeoutError):
    """The server did not answer in time."""


class AnswerError(XNATError):
    """The server answered with a refusal."""


class NotLoggedIn(AnswerError, PermissionError):
    """Wrong or missing credentials, or a login session that ended."""


class NotAllowed(AnswerError, PermissionError):
    """The account has no right to do this."""


class NotFound(AnswerError, LookupError):
    """No such element, or one that this account may not see (XNAT hides the difference)."""


class Conflict(AnswerError):
    """It exists already, or something else is in the way."""


class BadRequest(AnswerError):
    """The server did not accept what was sent."""


class ServerBroken(AnswerError):
    """The server failed."""


class UnreadableAnswer(ServerBroken):
    """The answer is not what its status and type promise."""


class NothingMatched(XNATError, LookupError):
    """A selection that had to find something found nothing."""


class StaleResult(XNATError):
    """A result was made from other inputs than those that the archive and the workflow name now."""


class TransferError(XNATError, OSError):
    """Bytes did not arrive as they were sent."""


class Truncated(TransferError):
    """The connection ended before the file did, more often than is retried."""


class DigestMismatch(TransferError):
    """Size or digest of what arrived differ from what the listing names."""


class UnsafeName(TransferError):
    """A file name that the file system of the target cannot keep apart or cannot hold."""


class UploadIncomplete(TransferError):
    """After all rounds of repair the server still does not list what was sent."""


class CacheError(XNATError, OSError):
    """The cache folder cannot be used."""


class NotInCache(CacheError, FileNotFoundError):
    """Working offline, and the file is not in the cache."""


class MirrorError(XNATError):
    """The folder of a mirror, or of an outbox, cannot be used."""


class NotInMirror(MirrorError, LookupError):
    """Working offline, and the mirror does not hold what was asked for."""


class ChangedThere(MirrorError):
    """Somebody else changed the same thing on the server since the mirror was pulled."""


class GoneThere(ChangedThere):
    """The element that a change belongs to is not on the server any more."""
