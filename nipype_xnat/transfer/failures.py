"""One error that tells of several files."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import (
    CannotReachServer,
    NotAllowed,
    NotInCache,
    NotLoggedIn,
    TransferError,
    XNATError,
)

__all__ = ["Failure", "combined", "is_common"]

Failure = tuple[str, XNATError]
"""Where a file is, and what befell it."""

_SHOWN = 20


def is_common(failures: Sequence[Failure], successes: int) -> bool:
    """Tell whether the failures so far show that further files would fail likewise."""
    if any(isinstance(error, NotLoggedIn) for _, error in failures):
        return True
    unreachable = [error for _, error in failures if isinstance(error, CannotReachServer)]
    return len(unreachable) >= 3 and not successes


def combined(failures: Sequence[Failure], wanted: int) -> XNATError:
    """Return the error to raise.

    One failure is its own error. Several of one kind that is no matter of the single file (not
    logged in, not allowed, no connection) are an error of this kind; all others are a
    TransferError, or its kind that they have in common.

    Parameters
    ----------
    failures : sequence of (str, XNATError)
        At least one.
    wanted : int
        Number of files that were asked for.
    """
    if len(failures) == 1:
        return failures[0][1]
    kinds = {type(error) for _, error in failures}
    first = failures[0][1]
    for kind in (NotLoggedIn, NotAllowed, CannotReachServer):
        if all(isinstance(error, kind) for _, error in failures):
            error: XNATError = type(first)(
                f"{len(failures)} of {wanted} files failed alike: {first.message}",
                server=first.server,
                asked=first.asked,
                advice=first.advice,
                status=first.status,
            )
            break
    else:
        only = next(iter(kinds)) if len(kinds) == 1 else TransferError
        lines = [f"\n  {place}: {error.message}" for place, error in failures[:_SHOWN]]
        if len(failures) > _SHOWN:
            lines.append(f"\n  ... and {len(failures) - _SHOWN} more")
        advice = dict.fromkeys(error.advice for _, error in failures if error.advice)
        error = (only if issubclass(only, (TransferError, NotInCache)) else TransferError)(
            f"{len(failures)} of {wanted} files failed, the others are in the cache:"
            + "".join(lines),
            server=first.server,
            advice="; ".join(advice) or None,
        )
    error.failures = tuple(failures)  # type: ignore[attr-defined]
    return error
