"""Many small files, of a series or of a cohort: out of a few tars, where that is faster.

XNAT answers the listing of many resources, of many sessions, as one tar too. Its files are known by
their digests, so nothing depends on how the server names them there.
"""

from __future__ import annotations

import logging
import tarfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from ..address import ADDRESS_LIMIT, Address
from ..errors import (
    BadRequest,
    CacheError,
    CannotReachServer,
    NotAllowed,
    NotFound,
    NotLoggedIn,
    ServerBroken,
    XNATError,
)
from ..records import Record
from ..transport import Request
from ..transport.waiting import while_waiting
from .delivery import Fetched
from .failures import Failure
from .speeds import LARGEST, MOST, speeds_of
from .untar import members
from .work import Work, tar_key

__all__ = ["AT_ONCE", "Outcome", "fetch_tar", "tars_of"]

log = logging.getLogger("nipype_xnat.transfer")

AT_ONCE = 4
"""Tars that are asked for at once: each makes the server read many catalogs."""

_FEW = 4  # files of which nobody makes a tar
_LEAST = 4 << 20  # bytes of files for which one more tar is worth while
_TRIES = 2  # what came of a broken tar is kept, and the rest asked for again
_BESIDE = 1 << 20  # bytes of other files that are let pass in any case
_REFUSALS = (BadRequest, NotAllowed, NotFound, ServerBroken)
_PASSING = (429, 502, 503, 504)
_HEADERS = 4 << 10  # bytes of a tar besides the content of one file, amply


@dataclass
class Outcome:
    """What became of some files, by their places in the list.

    Parameters
    ----------
    fetched : dict of int to Fetched
    failures : list of Failure
    further : bool
        Whether more may be asked for in the same way.
    """

    fetched: dict[int, Fetched] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    further: bool = True


class _TooMuch(Exception):
    """More comes than the files that are wanted of a tar."""


def tars_of(
    work: Work, records: Sequence[Record], missing: Sequence[int], connections: int
) -> list[list[int]]:
    """Choose which files are to come as tars.

    Parameters
    ----------
    work : Work
    records : sequence of Record
    missing : sequence of int
        Places in it of those that have to be brought.
    connections : int
        Most requests at once.

    Returns
    -------
    list of list of int
        Places of the files of one tar each; empty where files one by one are likely to be faster.
    """
    resources: dict[str, list[int]] = {}
    for index in missing:
        if work.may_be_tarred(records[index]):
            resources.setdefault(records[index].resource_id, []).append(index)
    small = [
        indices
        for indices in resources.values()
        if _size(records[index] for index in indices) <= min(MOST, LARGEST * len(indices))
    ]
    if not small:
        return []

    def kind(indices: Sequence[int]) -> str:
        return _kind(records[indices[0]])

    speeds = speeds_of(work.transport.server)
    sizes = [_size(records[index] for index in indices) for indices in small]
    share = sum(sizes) // min(AT_ONCE, connections) + max(sizes)
    tars = [
        tar
        for _, group in groupby(sorted(small, key=kind), key=kind)
        for tar in _shared_out(records, group, min(max(_LEAST, share), MOST), speeds.resources)
        if len(tar) >= _FEW
    ]
    if not tars:
        return []
    files = sum(map(len, tars))
    size = _size(records[index] for tar in tars for index in tar)
    pays = speeds.choose_tar(files, size, len(tars), min(AT_ONCE, connections), connections)
    log.debug("%d files: %s", files, f"tars: {len(tars)}" if pays else "one by one")
    return tars if pays else []


def _size(records: Iterable[Record]) -> int:
    return sum(record.size or 0 for record in records)


def _kind(record: Record) -> str:
    """Return what resources have in common that can be asked for in one request."""
    together = (
        record.experiment_id
        and record.resource_id.isdecimal()
        and not (record.assessor_id or record.assessor_label or record.reconstruction_id)
    )
    if not together:
        return record.resource_id
    return "scans" if record.scan_id else "sessions"


def _shared_out(
    records: Sequence[Record], resources: Iterable[list[int]], most: int, number: int
) -> Iterator[list[int]]:
    """Yield the files of as many resources as may go together: in number, bytes, and address."""
    tar: list[int] = []
    size = length = many = 0
    for indices in resources:
        first = records[indices[0]]
        named = len(first.experiment_id) + len(first.resource_id) + len(",,")
        more = _size(records[index] for index in indices)
        if tar and (many == number or size + more > most or length + named > ADDRESS_LIMIT):
            yield tar
            tar, size, length, many = [], 0, 0, 0
        tar.extend(indices)
        size += more
        length += named
        many += 1
    if tar:
        yield tar


def _address(records: Sequence[Record]) -> Address:
    first = records[0]
    numbers = dict.fromkeys(record.resource_id for record in records)
    if len(numbers) == 1:
        files = first.resource / "files"
    else:
        sessions = dict.fromkeys(record.experiment_id for record in records)
        scans = ["scans", "ALL"] if first.scan_id else []
        files = Address.of("data", "experiments", ",".join(sessions), *scans)
        files = files / ["resources", ",".join(numbers), "files"]
    return files.ask(format="tar")


def fetch_tar(work: Work, records: Sequence[Record], indices: Sequence[int]) -> Outcome:
    """Bring files into the cache by one tar of their resources.

    What it does not have as it was listed, what has not come before it breaks, and everything if it
    is refused or holds much besides, is neither fetched nor a failure: it is fetched by itself.

    Parameters
    ----------
    work : Work
    records : sequence of Record
    indices : sequence of int
        Places of the files.
    """
    found = Outcome()
    key = tar_key(records[index] for index in indices)
    with work.locked(key):
        left: list[int] = []
        for index in indices:
            # another process may have fetched it while this one waited
            here = work.at_hand(records[index])
            if here is not None:
                found.fetched[index] = here
            elif work.may_be_tarred(records[index]):
                left.append(index)
        here_before = len(found.fetched)
        refused = left if _bring(work, records, left, found, key) else []
        while refused:
            halves = _halves(records, refused)
            bad = [half for half in halves if _bring(work, records, half, found, key)]
            # one resource spoils a tar; where both halves are refused, lists may be
            refused = bad[0] if len(bad) == 1 else []
        if left and len(found.fetched) == here_before:
            speeds_of(work.transport.server).no_tar()
    return found


def _bring(
    work: Work, records: Sequence[Record], indices: Sequence[int], found: Outcome, key: str
) -> bool:
    """Bring files by a tar; return whether the server refused it."""
    left = list(indices)
    for _ in range(_TRIES):
        if len(left) < _FEW:
            break
        try:
            _take(work, records, left, found, key)
        except _TooMuch:
            log.info("beside %s there is more than is wanted", records[left[0]].place)
            break
        except (XNATError, OSError, tarfile.TarError) as error:
            # what befalls single files too is told when they are fetched
            log.info("no tar with %s: %s", records[left[0]].place, error)
            before, left = left, [index for index in left if index not in found.fetched]
            if left == before:
                found.further = found.further and not _befalls_all(error)
                return isinstance(error, _REFUSALS) and error.status not in _PASSING
        else:
            break
    return False


def _halves(records: Sequence[Record], indices: Sequence[int]) -> list[list[int]]:
    """Part files by their resources; those of one are not parted."""
    numbers = list(dict.fromkeys(records[index].resource_id for index in indices))
    if len(numbers) == 1:
        return []
    first = set(numbers[: len(numbers) // 2])
    return [
        [index for index in indices if (records[index].resource_id in first) is which]
        for which in (True, False)
    ]


def _befalls_all(error: Exception) -> bool:
    """Tell whether other tars would fail likewise."""
    if isinstance(error, XNATError):
        return isinstance(error, (CannotReachServer, NotLoggedIn, CacheError))
    return isinstance(error, OSError)  # of the cache's disk


def _take(
    work: Work, records: Sequence[Record], indices: Sequence[int], found: Outcome, key: str
) -> None:
    """Keep those files of a tar that are wanted."""
    wanted: dict[int | None, dict[str, list[int]]] = {}
    for index in indices:
        of_size = wanted.setdefault(records[index].size, {})
        of_size.setdefault(records[index].digest.lower(), []).append(index)
    size = _size(records[index] for index in indices)
    most = size + len(indices) * _HEADERS + max(_BESIDE, size // 10)
    address = _address([records[index] for index in indices])
    # where many resources are too slow, fewer files are asked for instead of the same again
    request = Request("GET", address, expect="bytes", hasty=True)
    speeds = speeds_of(work.transport.server)
    began = time.monotonic()
    with (
        work.alive(key) as alive,
        while_waiting(alive),
        while_waiting(work.stop.check),
        work.transport.send(request) as answer,
    ):
        speeds.tar_began(time.monotonic() - began, len({records[i].resource_id for i in indices}))
        pieces = _watched(answer.stream(), most, work.stop.check, alive)
        for length, file in members(pieces):
            digests = wanted.get(length)
            kept = work.keep(file, digests) if digests else None
            if not digests or kept is None:
                continue
            digest, path = kept
            first, *equal = digests.pop(digest)
            found.fetched[first] = work.came(records[first], path, length)
            for index in equal:
                found.fetched[index] = work.came(records[index], path, 0)
        for _ in pieces:  # the connection can be used again
            pass
    if not any(wanted.values()):
        speeds.tar_took(time.monotonic() - began, len(indices), size)


def _watched(pieces: Iterable[bytes], most: int, *calls: Callable[[], object]) -> Iterator[bytes]:
    """Yield what comes, as long as it is not too much, and call something for each piece."""
    for piece in pieces:
        for call in calls:
            call()
        most -= len(piece)
        if most < 0:
            raise _TooMuch
        yield piece
