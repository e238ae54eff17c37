"""Files of an archive into the cache, into folders, and to paths of the user."""

from __future__ import annotations

import hashlib
import logging
import threading
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ..cache import Cache, Known, Mode, Partial
from ..cache.hashing import is_md5
from ..cache.known import key_of
from ..cache.views import checked_name
from ..errors import (
    CacheError,
    DigestMismatch,
    TransferError,
    Truncated,
    UsageError,
    XNATError,
)
from ..records import Record
from ..transport import Transport
from .decision import Action, Decision, Here, Listed, for_download
from .failures import Failure, combined, is_common
from .patience import Patience, Stop
from .progress import Progress, Reporter
from .receive import Received, receive
from .workers import run_all
from .zipped import extract, receive_zip

__all__ = ["Fetched", "copy_to", "deliver", "deliver_folder", "fetch", "save"]

log = logging.getLogger("nipype_xnat.transfer")

_BLOCK = 1 << 20
_said = threading.Event()


@dataclass(frozen=True)
class Fetched:
    """A file that is in the cache now.

    Parameters
    ----------
    record : Record
        What was asked for, with size and digest filled in.
    path : pathlib.Path
        The file in the cache; read-only, named by its digest.
    action : Action
        What was done: ``use``, ``revalidate``, ``resume`` or ``download``.
    bytes : int
        Bytes that crossed the network for it.
    """

    record: Record
    path: Path
    action: Action
    bytes: int


def fetch(
    transport: Transport,
    records: Iterable[Record],
    cache: Cache,
    *,
    connections: int = 8,
    progress: Callable[[Progress], object] | None = None,
    mode: Mode = Mode.ONLINE,
    tries: int = 5,
    pause: float = 0.25,
) -> list[Fetched]:
    """Bring files into the cache, several at once.

    A file whose digest the listing names and the cache has costs no request; equal digests are
    fetched once.

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
    mode : Mode
        How far the archive is asked.
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
    CacheError
        If the cache cannot be written.
    UsageError
        If a record names no file.
    """
    wanted = list(records)
    work = _Work(transport, cache, mode, Patience(tries, pause), Reporter("download", progress))
    for record in wanted:
        work.refuse(record)
    groups: dict[tuple[str, ...], list[int]] = {}
    for index, record in enumerate(wanted):
        groups.setdefault(_group(record), []).append(index)
    jobs = [
        _job(work, [wanted[index] for index in indices], indices) for indices in groups.values()
    ]
    failures: list[Failure] = []
    successes = 0

    def give_up(outcome: _Outcome) -> bool:
        nonlocal successes
        failures.extend(outcome.failures)
        successes += len(outcome.fetched)
        if any(isinstance(error, CacheError) for _, error in outcome.failures):
            return True
        return is_common(failures, successes)

    outcomes = run_all(jobs, threads=connections, stop=work.stop, give_up=give_up)
    results = {
        index: item for outcome in outcomes if outcome for index, item in outcome.fetched.items()
    }
    if failures:
        for _, error in failures:
            if isinstance(error, CacheError):
                raise error
        raise combined(failures, len(wanted))
    return [results[index] for index in range(len(wanted))]


def deliver(fetched: Sequence[Fetched], cache: Cache, name: str) -> dict[Record, Path]:
    """Put the files of one resource into a folder that keeps their names and sub-folders.

    Parameters
    ----------
    fetched : sequence of Fetched
        What :func:`fetch` returned.
    cache : Cache
        The same one.
    name : str
        Words for the folder's name.

    Returns
    -------
    dict of Record to pathlib.Path
        Where each file is; the paths are the same at each run, and to be read only.

    Raises
    ------
    UnsafeName
        If a name cannot be kept by the file system, or two names not be kept apart.
    UsageError
        If two different files have one path, because they are of more than one resource.
    """
    folder = deliver_folder(fetched, cache, name)
    return {item.record: folder / item.record.path for item in fetched}


def deliver_folder(fetched: Sequence[Fetched], cache: Cache, name: str) -> Path:
    """Put the files of one resource into a folder, as :func:`deliver`, and return the folder."""
    manifest: dict[str, Path] = {}
    for item in fetched:
        if manifest.setdefault(item.record.path, item.path) != item.path:
            raise UsageError(
                f"two different files are named {item.record.path!r}",
                advice="deliver the files of each resource by themselves",
            )
    return cache.view(name, manifest)


def copy_to(fetched: Sequence[Fetched], folder: Path | str) -> Path:
    """Copy files to a folder of the user, under their paths in the resource; return the folder.

    Parameters
    ----------
    fetched : sequence of Fetched
        What :func:`fetch` returned.
    folder : pathlib.Path or str
        Made where it is missing. A file of the same name is replaced in one step.

    Raises
    ------
    UnsafeName
        If a path would leave the folder.
    TransferError
        If the folder cannot be written.
    """
    root = Path(folder)
    for item in fetched:
        checked_name(item.record.path)
    with _writing(root):
        root.mkdir(parents=True, exist_ok=True)
        for item in fetched:
            place = root / item.record.path
            place.parent.mkdir(parents=True, exist_ok=True)
            partial = Partial(place.parent / f".{uuid.uuid4().hex}.part")
            try:
                _copy(item.path, partial, item.record.digest)
                partial.seal()
                partial.path.replace(place)
            finally:
                partial.discard()
    return root


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
        transport, cache, Mode.ONLINE, Patience(tries, pause), Reporter("download", progress)
    )
    work.refuse(record)
    with _writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = Partial(place.parent / f".{uuid.uuid4().hex}.part")
        try:
            if cache is not None:
                result = fetch(
                    transport, [record], cache, progress=progress, tries=tries, pause=pause
                )[0]
                _copy(result.path, partial, result.record.digest)
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
        mode: Mode,
        patience: Patience,
        report: Reporter,
    ) -> None:
        self.transport = transport
        self.cache = cache
        self.mode = mode
        self.patience = patience
        self.report = report
        self.stop = Stop()

    def refuse(self, record: Record) -> None:
        """Raise for what is no file, before any request."""
        if record.digest and not is_md5(record.digest.lower()):
            raise UsageError(f"{record.digest!r} is not an MD5, in the record of {record.place}")
        decision = self._decide(record, Here.NOTHING)
        if decision.action is Action.REFUSE:
            raise UsageError(
                f"{record.place or 'an empty record'}: {decision.reason}",
                advice="give records of files, with path and resource",
            )

    def _decide(self, record: Record, here: Here) -> Decision:
        if not record.path or not (record.resource_id or record.resource_label):
            listed = Listed.NOT_A_FILE
        else:
            listed = Listed.DIGEST if record.digest else Listed.NO_DIGEST
        return for_download(self.mode, here, listed)

    def one(self, record: Record, bundle: _Bundle) -> Fetched:
        """Bring one file into the cache."""
        self.stop.check()
        if not record.digest:
            _say_once()
            return self._without_digest(record, bundle)
        return self._by_digest(record, bundle)

    def _by_digest(self, record: Record, bundle: _Bundle) -> Fetched:
        cache = self._cache()
        digest = record.digest.lower()
        path = cache.find(digest, record.size)
        if path is None:
            with cache.lock(digest, self.stop.check):
                # another process may have fetched it while this one waited
                path = cache.find(digest, record.size)
                if path is None:
                    return self._into_cache(record, bundle, digest)
        decision = self._decide(record, Here.WHOLE)
        self._tell(record, decision.action, decision.reason, 0, path.stat().st_size)
        return Fetched(
            replace(record, digest=digest, size=path.stat().st_size), path, decision.action, 0
        )

    def _without_digest(self, record: Record, bundle: _Bundle) -> Fetched:
        cache = self._cache()
        identity = self._identity(record)
        with cache.lock(key_of(*identity), self.stop.check):
            known = cache.recall(*identity)
            path = cache.find(known.digest, known.size) if known and known.modified else None
            if known is None or path is None or not _addressable(record):
                return self._into_cache(record, bundle, key_of(*identity))
            return self._into_cache(record, bundle, key_of(*identity), known)

    def _into_cache(
        self, record: Record, bundle: _Bundle, name: str, known: Known | None = None
    ) -> Fetched:
        cache = self._cache()
        partial = cache.partial(name, record.size)
        here = Here.REMEMBERED if known else Here.PART if partial.size else Here.NOTHING
        decision = self._decide(record, here)
        log.debug("%s %s: %s", decision.action, record.place, decision.reason)
        try:
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

    def _tell(self, record: Record, action: Action, reason: str, came: int, size: int) -> None:
        log.info("%s %s: %s (%d bytes came)", action, record.place, reason, came)
        self.report(record.place, size, size, action.value, finished=True)


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


def _filled(record: Record, partial: Partial) -> Record:
    return replace(record, digest=partial.digest, size=partial.size)


def _copy(source: Path, partial: Partial, digest: str) -> None:
    with source.open("rb") as stream:
        while block := stream.read(_BLOCK):
            partial.write(block)
    if partial.digest != digest:
        raise DigestMismatch(
            f"{source} changed in the cache while it was copied", advice="run again"
        )


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    """Tell troubles of a folder of the user from those of the network."""
    try:
        yield
    except OSError as error:
        if isinstance(error, XNATError):
            raise
        raise TransferError(
            f"cannot write {place}: {error.strerror or error}",
            advice="check the folder, its rights, and the room on its disk",
        ) from error


def _say_once() -> None:
    if not _said.is_set():
        _said.set()
        log.warning(
            "this archive keeps no checksums of some files: each of them is asked for at each run, "
            "because a size proves nothing"
        )
