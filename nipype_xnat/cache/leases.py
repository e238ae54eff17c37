"""Leases: what a run was handed and may still read.

One small file a run directory, replaced in one step, with an expiry. Its age is counted by the file
system's clock, so machines whose clocks disagree see it end at the same moment.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path

__all__ = ["DAYS", "Lease", "Leases", "renewed", "text_of_lease"]

log = logging.getLogger("nipype_xnat.cache")

DAYS = 14.0
"""How long a lease lasts unless it is renewed: jobs wait in queues."""


# the part of its time within which a lease need not begin anew: an hour of fourteen days
_YOUNG = 1 / 336

# an ended lease may be renewed at any moment, so it is not removed at once
_FORGET = 30 * 86400.0


@dataclass(frozen=True)
class Lease:
    """What is kept for a run.

    Parameters
    ----------
    run : str
        The run's directory.
    until : float
        When it ends, in seconds since 1970 by the clock of the cache's file system.
    digests, views : frozenset of str
        Files, and names of folders in ``views``.
    """

    run: str
    until: float
    digests: frozenset[str]
    views: frozenset[str]


def text_of_lease(run: str, digests: list[str], views: list[str], seconds: float) -> bytes:
    """Return the text of a lease."""
    values = {"run": run, "seconds": seconds, "digests": digests, "views": views}
    # in one line: each run makes it anew, and indenting takes more than twice as long
    return (json.dumps(values, ensure_ascii=False) + "\n").encode()


def renewed(path: Path, text: bytes) -> bool:
    """Let a lease that is there already begin anew, if it keeps what a text says.

    Its age is that of its file, so a touch renews it. Replacing a file makes some file systems wait
    for the disk, and on a busy one even a touch waits, which a run in which nothing changed need
    not do.
    """
    try:
        kept = path.read_bytes()
        there = json.loads(kept)
        if kept != text:
            wanted = json.loads(text)
            # what was handed out earlier stays until it is known what is handed out now
            if wanted["views"] or there["seconds"] != wanted["seconds"]:
                return False
            if not set() < set(wanted["digests"]) <= set(there["digests"]):
                return False
        if abs(time.time() - path.stat().st_mtime) > there["seconds"] * _YOUNG:
            os.utime(path)
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return True


class Leases:
    """The leases of a cache, read again when one was added or renewed.

    Parameters
    ----------
    folder : pathlib.Path
    now : float
        The time, by the clock of the file system.
    """

    def __init__(self, folder: Path, now: float) -> None:
        self._folder = folder
        self._now = now
        self._seen: dict[str, int] | None = None
        self.alive: tuple[Lease, ...] = ()
        self.ended: tuple[Path, ...] = ()
        self.digests: frozenset[str] = frozenset()
        self.views: frozenset[str] = frozenset()
        self.look()

    def look(self) -> None:
        """Read what changed since the last look."""
        seen: dict[str, int] = {}
        for path in self._folder.glob("*.json"):
            try:
                seen[path.name] = path.stat().st_mtime_ns
            except FileNotFoundError:  # ended, and removed by another prune
                continue
        if seen == self._seen:
            return
        self._seen = seen
        alive: list[Lease] = []
        ended: list[Path] = []
        for name, mtime_ns in seen.items():
            lease = _read(self._folder / name, mtime_ns / 1e9)
            if lease is not None and lease.until > self._now:
                alive.append(lease)
            elif lease is not None and self._now - lease.until > _FORGET:
                ended.append(self._folder / name)
        self.alive, self.ended = tuple(alive), tuple(ended)
        self.digests = frozenset().union(*(lease.digests for lease in alive))
        self.views = frozenset().union(*(lease.views for lease in alive))


def _read(path: Path, since: float) -> Lease | None:
    try:
        values = json.loads(path.read_bytes())
        return Lease(
            str(values["run"]),
            since + float(values["seconds"]),
            frozenset(map(str, values["digests"])),
            frozenset(map(str, values["views"])),
        )
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        log.warning("cannot read the lease %s, it protects nothing: %s", path, error)
        return None
