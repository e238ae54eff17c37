"""Pushing: what waits in an outbox is sent to its server."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from filelock import FileLock, Timeout

from ..errors import (
    CannotReachServer,
    ChangedThere,
    MirrorError,
    NotLoggedIn,
    UsageError,
    XNATError,
)
from ..select.parallel import in_parallel
from ..transport import Transport
from .apply import Applier, Choice
from .fresh import Fresh
from .outbox import Entry, Files, Outbox

__all__ = ["Pushed", "push"]

_CHOICES = ("report", "theirs", "ours", "both")


@dataclass
class Pushed:
    """What a push did.

    Parameters
    ----------
    sent : list of (Entry, str)
        What was sent, or was there already, and in words what was done.
    conflicts : list of (Entry, str)
        What somebody else changed too; it waits until a choice is made.
    failed : list of (Entry, str)
        What the server refused; it waits.
    """

    sent: list[tuple[Entry, str]] = field(default_factory=list)
    conflicts: list[tuple[Entry, str]] = field(default_factory=list)
    failed: list[tuple[Entry, str]] = field(default_factory=list)

    def __str__(self) -> str:
        lines = [
            f"{len(self.sent)} sent, {len(self.conflicts)} in conflict, {len(self.failed)} failed"
        ]
        lines += [f"sent: {entry.place}: {text}" for entry, text in self.sent]
        lines += [f"conflict: {entry.place}: {text}" for entry, text in self.conflicts]
        lines += [f"failed: {entry.place}: {text}" for entry, text in self.failed]
        return "\n".join(lines)


def push(
    transport: Transport,
    outbox: Outbox | Path | str,
    *,
    conflicts: Choice = "report",
    reason: str = "",
    connections: int = 4,
    progress: Callable[[Entry, str], object] | None = None,
) -> Pushed:
    """Send what waits in an outbox.

    May be interrupted at any moment and run again, also twice at once: what the server has already
    is not sent again.

    Parameters
    ----------
    transport : Transport
        The server that the outbox is for.
    outbox : Outbox or path
    conflicts : str
        What to do where somebody else changed the same thing since the mirror was pulled:
        ``report`` it and let it wait, keep ``theirs``, replace it by ``ours`` (a copy of theirs is
        kept in the outbox), or keep ``both`` (files are stored beside theirs under another name).
    reason : str
        Why, for servers that want a reason for each change; for changes that were made without one.
    connections : int
        Most resources at once.
    progress : callable, optional
        Gets each entry that is done, and what was done.

    Returns
    -------
    Pushed

    Raises
    ------
    UsageError
        If something waits for another server, or the choice is unknown.
    MirrorError
        If somebody else pushes the same outbox.
    CannotReachServer, NotLoggedIn
        What was not sent waits.
    """
    if conflicts not in _CHOICES:
        raise UsageError(
            f"{conflicts!r} is no way to settle conflicts", advice=f"one of {', '.join(_CHOICES)}"
        )
    box = outbox if isinstance(outbox, Outbox) else Outbox(outbox)
    waiting = box.waiting()
    for entry in waiting:
        if entry.server != transport.server:
            raise UsageError(
                f"{entry.name} of {box.root} is for {entry.server}, not for {transport.server}",
                advice="push to that server, or copy the mirror to this one",
            )
    result = Pushed()
    if not waiting:
        return result
    applier = Applier(Fresh(transport, reason), box, conflicts)
    with _alone(box):
        for group in _groups(waiting):
            _push_group(applier, box, group, connections, result, progress)
    return result


def _groups(waiting: Sequence[Entry]) -> Iterator[list[list[Entry]]]:
    """Yield what may be sent at once: lists of entries that are sent one after the other.

    Files of different resources do not mind each other; any other change does.
    """
    for files, run in groupby(waiting, key=lambda entry: isinstance(entry.what, Files)):
        if not files:
            yield [list(run)]
            continue
        by_resource: dict[str, list[Entry]] = {}
        for entry in run:
            by_resource.setdefault(entry.place, []).append(entry)
        yield list(by_resource.values())


def _push_group(
    applier: Applier,
    box: Outbox,
    group: list[list[Entry]],
    connections: int,
    result: Pushed,
    progress: Callable[[Entry, str], object] | None,
) -> None:
    def work(entries: list[Entry]) -> None:
        for entry in entries:
            _push_one(applier, box, entry, result, progress)

    for _ in in_parallel(work, group, connections):
        pass


def _push_one(
    applier: Applier,
    box: Outbox,
    entry: Entry,
    result: Pushed,
    progress: Callable[[Entry, str], object] | None,
) -> None:
    try:
        text = applier.apply(entry)
    except ChangedThere as error:
        box.note_conflict(entry, str(error))
        result.conflicts.append((entry, str(error)))
        return
    except (CannotReachServer, NotLoggedIn):
        raise
    except XNATError as error:
        box.note_conflict(entry, str(error))
        result.failed.append((entry, str(error)))
        return
    box.done(entry, text)
    result.sent.append((entry, text))
    if progress is not None:
        progress(entry, text)


@contextmanager
def _alone(box: Outbox) -> Iterator[None]:
    """Keep a second push away; where locks do not work it does no harm, only the work twice."""
    lock = FileLock(str(box.root / "push.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        raise MirrorError(
            f"somebody else pushes {box.root}", advice="wait for the other push to end"
        ) from error
    except (OSError, NotImplementedError):
        yield
        return
    try:
        yield
    finally:
        lock.release()
