"""Files of an archive into the cache, and to paths of the user."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..cache import Cache, Mode, Partial
from ..errors import CacheError, NotInCache, XNATError
from ..records import Record
from ..transport import Transport
from .delivery import Fetched, copy_into, writing
from .failures import Failure, combined, is_common
from .names import Names
from .patience import Patience
from .progress import Progress, Reporter
from .spare import Spare
from .tars import AT_ONCE, Outcome, fetch_tar, tars_of
from .work import Work, filled, has_address
from .workers import run_all

__all__ = ["fetch", "save"]


def fetch(
    transport: Transport,
    records: Iterable[Record],
    cache: Cache,
    *,
    connections: int = 8,
    progress: Callable[[Progress], object] | None = None,
    listed: bool = False,
    mode: Mode | None = None,
    tries: int = 5,
    pause: float = 0.25,
) -> list[Fetched]:
    """Bring files into the cache, several at once.

    A file whose digest the listing names and the cache has costs no request; equal digests are
    fetched once. Bytes that are here are handed only to an account that was sent them, or whose own
    listing named them: where that is not known, the resource is listed.

    Parameters
    ----------
    transport : Transport
        Where the archive is.
    records : iterable of Record
        Files, as a listing named them.
    cache : Cache
    connections : int
        Most files at once.
    progress : callable, optional
        Takes a :class:`Progress`; called from other threads, one call at a time.
    listed : bool
        Whether the records come out of a listing that this account has just received.
    mode : Mode, optional
        How far the archive is asked; by default what the cache says.
    tries : int
        Attempts in a row that bring nothing new before a file is given up.
    pause : float
        Seconds before the second of them, on average; doubled each time.

    Returns
    -------
    list of Fetched
        In the order of the records.

    Raises
    ------
    TransferError
        If files failed; it names each one, and the others stay in the cache. Its attribute
        ``failures`` holds place and error of each.
    NotLoggedIn, NotAllowed, CannotReachServer
        If that is why.
    NotInCache
        If the archive is not to be asked, and files are not here.
    CacheError
        If the cache cannot be written.
    UsageError
        If a record names no file.
    """
    wanted = list(records)
    names = Names(transport, cache, listed=listed)
    patience, report = Patience(tries, pause), Reporter("download", progress)
    work = Work(transport, cache, names, mode or cache.mode, patience, report)
    for record in wanted:
        work.refuse(record)
    failures: list[Failure] = []
    results: dict[int, Fetched] = {}

    def give_up(outcome: Outcome) -> bool:
        if work.spare is not None:
            work.spare.one_less()
        results.update(outcome.fetched)
        failures.extend(outcome.failures)
        if not outcome.further or any(_is_fatal(error) for _, error in outcome.failures):
            return True
        return is_common(failures, len(results))

    def missing() -> list[int]:
        return [index for index in range(len(wanted)) if index not in results]

    try:
        for index, record in enumerate(wanted):
            found = work.at_hand(record)
            if found is not None:
                results[index] = found
        run_all(
            [
                partial(fetch_tar, work, wanted, indices)
                for indices in tars_of(work, wanted, missing(), connections)
            ],
            threads=min(AT_ONCE, connections),
            stop=work.stop,
            give_up=give_up,
        )
        if left := missing():
            jobs = _alone(work, wanted, left)
            work.spare = Spare(cache.scratch, connections, len(jobs))
            run_all(jobs, threads=connections, stop=work.stop, give_up=give_up)
    finally:
        names.write()
    if failures:
        for _, error in failures:
            if _is_fatal(error):
                raise error
        raise combined(failures, len(wanted))
    return [results[index] for index in range(len(wanted))]


def save(
    transport: Transport,
    record: Record,
    target: Path | str,
    *,
    cache: Cache | None = None,
    progress: Callable[[Progress], object] | None = None,
    tries: int = 5,
    pause: float = 0.25,
) -> Fetched:
    """Write a file of the archive to a path of the user.

    Parameters
    ----------
    transport : Transport
    record : Record
        The file.
    target : pathlib.Path or str
        Where to; a folder that exists takes the file under its own name. What was there is
        replaced in one step when the new file is whole.
    cache : Cache, optional
        Take it from there, and keep it there.
    progress, tries, pause
        As for :func:`fetch`.

    Returns
    -------
    Fetched
        Its path is the target.

    Raises
    ------
    TransferError
        If the file did not arrive whole, or the target cannot be written.
    """
    place = Path(target)
    if place.is_dir():
        place = place / record.path.rpartition("/")[2]
    work = Work(
        transport, cache, None, Mode.ONLINE, Patience(tries, pause), Reporter("download", progress)
    )
    work.refuse(record)
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        new = Partial(place.parent / f".{uuid.uuid4().hex}.part")
        try:
            if cache is not None:
                result = fetch(
                    transport, [record], cache, progress=progress, tries=tries, pause=pause
                )[0]
                copy_into(result.path, new, result.record.digest)
            else:
                received = work.receive_alone(record, new)
                result = Fetched(filled(record, new), place, received.action, received.bytes)
                work.report(record.place, new.size, new.size, received.action.value, finished=True)
            new.seal()
            new.path.replace(place)
        finally:
            new.discard()
    return replace(result, path=place)


# -- one job: files that cost one download


def _group(record: Record) -> tuple[str, ...]:
    """Return what files have in common that one download serves."""
    if not has_address(record):
        return ("zip", str(record.resource))
    if record.digest:
        return ("digest", record.digest.lower())
    return ("file", str(record.file))


def _is_fatal(error: XNATError) -> bool:
    """Tell whether no file can be kept; that one is not here does not say so."""
    return isinstance(error, CacheError) and not isinstance(error, NotInCache)


def _alone(
    work: Work, records: Sequence[Record], indices: Sequence[int]
) -> list[Callable[[], Outcome]]:
    groups: dict[tuple[str, ...], list[int]] = {}
    for index in indices:
        groups.setdefault(_group(records[index]), []).append(index)
    return [partial(_job, work, records, group) for group in groups.values()]


def _job(work: Work, records: Sequence[Record], indices: Sequence[int]) -> Outcome:
    found = Outcome()
    with closing(work.bundle_of(records[indices[0]])) as bundle:
        for index in indices:
            record = records[index]
            try:
                found.fetched[index] = work.one(record, bundle)
            except XNATError as error:
                found.failures.append((record.place, error))
            except OSError as error:
                found.failures.append((record.place, work.trouble(error)))
    return found
