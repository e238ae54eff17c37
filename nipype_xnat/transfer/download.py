"""Files of an archive into the cache, and to paths of the user."""

from __future__ import annotations

import hashlib
import logging
import threading
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from ..cache import Cache, Known, Mode, Partial
from ..cache.hashing import is_md5
from ..cache.known import key_of
from ..errors import (
    CacheError,
    DigestMismatch,
    NotInCache,
    Truncated,
    UsageError,
    XNATError,
)
from ..records import Record
from ..transport import Transport
from ..transport.trace import TracingTransport
from ..transport.waiting import while_waiting
from .decision import Action, Decision, Here, Listed, for_download
from .delivery import Fetched, copy_into, writing
from .failures import Failure, combined, is_common
from .names import Names
from .patience import Patience, Stop
from .progress import Progress, Reporter
from .receive import Received, receive
from .workers import run_all
from .zipped import extract, receive_zip

__all__ = ["fetch", "save"]

log = logging.getLogger("nipype_xnat.transfer")

_said = threading.Event()


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
    work = _Work(transport, cache, names, mode or cache.mode, patience, report)
    for record in wanted:
        work.refuse(record)
    results: dict[int, Fetched] = {}
    groups: dict[tuple[str, ...], list[int]] = {}
    failures: list[Failure] = []
    successes = 0

    def give_up(outcome: _Outcome) -> bool:
        nonlocal successes
        failures.extend(outcome.failures)
        successes += len(outcome.fetched)
        if any(_is_fatal(error) for _, error in outcome.failures):
            return True
        return is_common(failures, successes)

    try:
        for index, record in enumerate(wanted):
            here = work.at_hand(record)  # there is nothing to wait for, so no thread does
            if here is not None:
                results[index] = here
            else:
                groups.setdefault(_group(record), []).append(index)
        jobs = [
            _job(work, [wanted[index] for index in indices], indices) for indices in groups.values()
        ]
        for outcome in run_all(jobs, threads=connections, stop=work.stop, give_up=give_up):
            if outcome is not None:
                results.update(outcome.fetched)
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
    work = _Work(
        transport, cache, None, Mode.ONLINE, Patience(tries, pause), Reporter("download", progress)
    )
    work.refuse(record)
    with writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = Partial(place.parent / f".{uuid.uuid4().hex}.part")
        try:
            if cache is not None:
                result = fetch(
                    transport, [record], cache, progress=progress, tries=tries, pause=pause
                )[0]
                copy_into(result.path, partial, result.record.digest)
            else:
                received = work.receive_alone(record, partial)
                result = Fetched(_filled(record, partial), place, received.action, received.bytes)
                work.report(
                    record.place, partial.size, partial.size, received.action.value, finished=True
                )
            partial.seal()
            partial.path.replace(place)
        finally:
            partial.discard()
    return replace(result, path=place)


# -- one job: files that cost one download


@dataclass(frozen=True)
class _Outcome:
    fetched: Mapping[int, Fetched]
    failures: Sequence[Failure]


def _group(record: Record) -> tuple[str, ...]:
    """Return what files have in common that one download serves."""
    if not _addressable(record):
        return ("zip", str(record.resource))
    if record.digest:
        return ("digest", record.digest.lower())
    return ("file", str(record.file))


def _is_fatal(error: XNATError) -> bool:
    """Tell whether no file can be kept; that one is not here does not say so."""
    return isinstance(error, CacheError) and not isinstance(error, NotInCache)


def _addressable(record: Record) -> bool:
    try:
        record.file.path  # noqa: B018
    except UsageError:
        return False
    return True


def _job(work: _Work, records: list[Record], indices: list[int]) -> Callable[[], _Outcome]:
    def run() -> _Outcome:
        fetched: dict[int, Fetched] = {}
        failures: list[Failure] = []
        with ExitStack() as stack:
            bundle = _Bundle(work, stack)
            for index, record in zip(indices, records, strict=True):
                try:
                    fetched[index] = work.one(record, bundle)
                except XNATError as error:
                    failures.append((record.place, error))
                except OSError as error:
                    assert work.cache is not None
                    failures.append((record.place, work.cache.trouble(error)))
        return _Outcome(fetched, failures)

    return run


class _Work:
    """What all files of one call share."""

    def __init__(
        self,
        transport: Transport,
        cache: Cache | None,
        names: Names | None,
        mode: Mode,
        patience: Patience,
        report: Reporter,
    ) -> None:
        self.transport = transport
        self.cache = cache
        self.names = names
        self.mode = mode
        self.patience = patience
        self.report = report
        self.stop = Stop()

    def refuse(self, record: Record) -> None:
        """Raise for what is no file, before any request."""
        if record.digest and not is_md5(record.digest.lower()):
            raise UsageError(f"{record.digest!r} is not an MD5, in the record of {record.place}")
        if _listed(record) is Listed.NOT_A_FILE:
            raise UsageError(
                f"{record.place or 'an empty record'}: {self._decide(record, Here.NOTHING).reason}",
                advice="give records of files, with path and resource",
            )

    def _decide(self, record: Record, here: Here) -> Decision:
        return for_download(self.mode, here, _listed(record))

    def one(self, record: Record, bundle: _Bundle) -> Fetched:
        """Bring one file into the cache."""
        self.stop.check()
        if not record.digest:
            return self._without_digest(record, bundle)
        return self._by_digest(record, bundle)

    def _by_digest(self, record: Record, bundle: _Bundle) -> Fetched:
        digest = record.digest.lower()
        found = self._usable(record)
        if found is None:
            self._go_online(record)
            with self._cache().lock(digest, self.stop.check):
                # another process may have fetched it while this one waited
                found = self._usable(record)
                if found is None:
                    return self._into_cache(record, bundle, digest)
        return self._use(record, *found)

    def at_hand(self, record: Record) -> Fetched | None:
        """Return a file that is here and may be used unasked; None where more is to be done."""
        seen = self._cache().glance(record.digest.lower(), record.size)
        if seen is None:
            return None
        decision = self._decide(record, self._names().of(record))
        return self._use(record, *seen, decision) if decision.action is Action.USE else None

    def _use(self, record: Record, path: Path, size: int, decision: Decision) -> Fetched:
        self._names().saw(record)
        if isinstance(self.transport, TracingTransport) and _addressable(record):
            self.transport.kept(record.file)
        self._tell(record, decision.action, decision.reason, 0, size)
        digest = record.digest.lower()
        if (record.digest, record.size) != (digest, size):
            record = replace(record, digest=digest, size=size)
        return Fetched(record, path, decision.action, 0)

    def _usable(self, record: Record) -> tuple[Path, int, Decision] | None:
        """Return a file that is here and its size, where this account may have it."""
        path = self._cache().find(record.digest, record.size)
        try:
            size = path.stat().st_size if path else 0
        except FileNotFoundError:  # removed in this moment
            return None
        if path is None:
            return None
        decision = self._decide(record, self._names().of(record))
        if decision.action is Action.LIST:
            log.debug("list %s: %s", record.place, decision.reason)
            if not self._names().ask(record):
                return None
            decision = self._decide(record, Here.WHOLE)
        return path, size, decision

    def _go_online(self, record: Record) -> None:
        """Raise if the archive is not to be asked for what is not here."""
        decision = self._decide(record, Here.NOTHING)
        if decision.action is Action.REFUSE:
            strange = record.digest and self._cache().find(record.digest, record.size)
            raise NotInCache(
                f"{record.place}: "
                + ("no listing of this account named it" if strange else decision.reason),
                server=self.transport.server,
                advice="fetch it once while the archive can be asked, with the same account and "
                "cache, or pull a mirror that holds it",
            )

    def _without_digest(self, record: Record, bundle: _Bundle) -> Fetched:
        cache = self._cache()
        identity = self._identity(record)
        found = self._remembered(record, identity)
        if found is not None and found[2].action is Action.USE:
            known, path, decision = found
            self._tell(record, decision.action, decision.reason, 0, known.size)
            whole = replace(record, digest=known.digest, size=known.size)
            return Fetched(whole, path, decision.action, 0, known.age)
        self._go_online(record)
        _say_once()
        with cache.lock(key_of(*identity), self.stop.check):
            found = self._remembered(record, identity)
            validator = found[0] if found and found[2].action is Action.REVALIDATE else None
            return self._into_cache(record, bundle, key_of(*identity), validator)

    def _remembered(
        self, record: Record, identity: tuple[object, ...]
    ) -> tuple[Known, Path, Decision] | None:
        known = self._cache().recall(*identity)
        path = self._cache().find(known.digest, known.size) if known else None
        if known is None or path is None:
            return None
        tells = known.modified and _addressable(record)
        here = Here.REMEMBERED if tells else Here.FETCHED
        return known, path, self._decide(record, here)

    def _into_cache(
        self, record: Record, bundle: _Bundle, name: str, known: Known | None = None
    ) -> Fetched:
        cache = self._cache()
        partial = cache.partial(name, record.size)
        if partial.size == record.size and self._names().of(record) is Here.UNNAMED:
            # what another account left is whole, so the archive would not be asked at all
            partial.start_over()
        here = Here.REMEMBERED if known else Here.PART if partial.size else Here.NOTHING
        decision = self._decide(record, here)
        log.debug("%s %s: %s", decision.action, record.place, decision.reason)
        try:
            with while_waiting(partial.show_life), while_waiting(self.stop.check):
                received = self._receive(record, partial, bundle, known.modified if known else "")
            if known is not None and received.action is Action.REVALIDATE:
                path = cache.find(known.digest, known.size)
                partial.discard()
                if path is None:
                    raise CacheError(
                        f"{record.place} was in the cache a moment ago and is gone",
                        advice="run again",
                    )
                found = replace(record, digest=known.digest, size=known.size)
            else:
                found = _filled(record, partial)
                path = cache.publish(partial, found.digest)
        except OSError as error:
            if isinstance(error, XNATError) and not isinstance(error, CacheError):
                # what came can be resumed if a digest will tell whether the whole is right
                (partial.keep if record.digest else partial.discard)()
            else:  # a full disk is not helped by keeping it
                partial.discard()
            raise
        except BaseException:
            (partial.keep if record.digest else partial.discard)()
            raise
        self._names().saw(record)
        if not record.digest:
            cache.remember(
                Known(found.digest, found.size or 0, received.modified, record.place),
                *self._identity(record),
            )
        reason = (
            "the server says that it did not change"
            if (received.action is Action.REVALIDATE)
            else "checked and kept"
        )
        self._tell(record, received.action, reason, received.bytes, found.size or 0)
        return Fetched(found, path, received.action, received.bytes)

    def _receive(self, record: Record, partial: Partial, bundle: _Bundle, since: str) -> Received:
        if _addressable(record):
            return receive(
                self.transport,
                record,
                partial,
                patience=self.patience,
                stop=self.stop,
                report=lambda done, total, action: self.report(
                    record.place, done, total, action.value
                ),
                since=since,
            )
        partial.start_over()
        archive, came = bundle.zip_of(record)
        try:
            extract(archive, record, partial)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise Truncated(
                f"{record.place} is damaged in the zip that the server sent: {error}",
                server=self.transport.server,
                advice="run again",
            ) from error
        size_differs = record.size is not None and partial.size != record.size
        if size_differs or (record.digest and partial.digest != record.digest.lower()):
            raise DigestMismatch(
                f"{record.place} is not what the listing says: it has {partial.size} bytes and "
                f"MD5 {partial.digest}",
                server=self.transport.server,
                advice="the file may have changed on the server: run again, so that it is listed "
                "again",
            )
        return Received(Action.DOWNLOAD, came)

    def receive_alone(self, record: Record, partial: Partial) -> Received:
        """Bring one file into a partial file, without a cache."""
        with ExitStack() as stack:
            return self._receive(record, partial, _Bundle(self, stack, partial.path.parent), "")

    def _identity(self, record: Record) -> tuple[object, ...]:
        return (
            self.transport.server,
            self.transport.account,
            record.resource_id or str(record.resource),
            record.path,
            record.size,
        )

    def _cache(self) -> Cache:
        assert self.cache is not None
        return self.cache

    def _names(self) -> Names:
        assert self.names is not None
        return self.names

    def _tell(self, record: Record, action: Action, reason: str, came: int, size: int) -> None:
        place = record.place
        log.info("%s %s: %s (%d bytes came)", action, place, reason, came)
        self.report(place, size, size, action.value, finished=True)


class _Bundle:
    """The zip of a resource, fetched when a first file needs it."""

    def __init__(self, work: _Work, stack: ExitStack, folder: Path | None = None) -> None:
        self._work = work
        self._stack = stack
        self._folder = folder
        self._path: Path | None = None

    def zip_of(self, record: Record) -> tuple[Path, int]:
        """Return the zip, and the bytes that came for it now."""
        if self._path is not None:
            return self._path, 0
        work = self._work
        if self._folder is not None:
            partial = Partial(self._folder / f".{uuid.uuid4().hex}.part")
        else:
            assert work.cache is not None
            key = hashlib.sha256(str(record.resource).encode()).hexdigest()[:32]
            partial = work.cache.partial(f"zip-{key}")
        self._stack.callback(partial.discard)
        came = receive_zip(
            work.transport,
            record,
            partial,
            patience=work.patience,
            stop=work.stop,
            report=lambda done, total, action: work.report(record.place, done, total, action.value),
        )
        self._path = partial.path
        return partial.path, came


def _listed(record: Record) -> Listed:
    if not record.path or not (record.resource_id or record.resource_label):
        return Listed.NOT_A_FILE
    return Listed.DIGEST if record.digest else Listed.NO_DIGEST


def _filled(record: Record, partial: Partial) -> Record:
    return replace(record, digest=partial.digest, size=partial.size)


def _say_once() -> None:
    if not _said.is_set():
        _said.set()
        log.warning(
            "this archive keeps no checksums of some files: each of them is asked for at each run, "
            "because a size proves nothing"
        )
