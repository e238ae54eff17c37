"""One file of an archive into the cache, and what all files of one call share."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

from ..address import is_addressable
from ..cache import Cache, Known, Mode, Partial
from ..cache.hashing import is_md5
from ..cache.known import key_of
from ..errors import CacheError, NotInCache, UsageError, XNATError
from ..records import Record
from ..transport import Transport
from ..transport.trace import TracingTransport
from ..transport.waiting import while_waiting
from .decision import Action, Decision, Here, Listed, for_download
from .delivery import Fetched
from .names import Names, name_of_resource
from .patience import Patience, Stop
from .progress import Reporter
from .receive import Received, receive
from .spare import Spare
from .speeds import LARGEST, speeds_of
from .zipped import Bundle

__all__ = ["Work", "filled", "has_address", "tar_key"]

log = logging.getLogger("nipype_xnat.transfer")

_BLOCK = 1 << 20
_said = threading.Event()


class Work:
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
        self.spare: Spare | None = None
        self._speeds = speeds_of(transport.server)

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

    def one(self, record: Record, bundle: Bundle) -> Fetched:
        """Bring one file into the cache."""
        self.stop.check()
        if not record.digest:
            return self._without_digest(record, bundle)
        return self._by_digest(record, bundle)

    def _by_digest(self, record: Record, bundle: Bundle) -> Fetched:
        digest = record.digest.lower()
        found = self._usable(record)
        if found is None:
            self._go_online(record)
            with self._cache().lock(digest, self.stop.check):
                # another process may have fetched it while this one waited
                found = self._usable(record)
                if found is None:
                    began = time.monotonic()
                    brought = self._into_cache(record, bundle, digest)
                    if brought.action is Action.DOWNLOAD and brought.bytes <= LARGEST:
                        self._speeds.one_took(time.monotonic() - began)
                    return brought
        return self._used(record, *found)

    def at_hand(self, record: Record) -> Fetched | None:
        """Return a file that is here and may be used unasked; None where more is to be done."""
        self.stop.check()
        seen = self._cache().glance(record.digest.lower(), record.size)
        if seen is None:
            return None
        decision = self._decide(record, self._names().of(record))
        return self._used(record, *seen, decision) if decision.action is Action.USE else None

    def _used(self, record: Record, path: Path, size: int, decision: Decision) -> Fetched:
        self._names().saw(record)
        if isinstance(self.transport, TracingTransport) and has_address(record):
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

    def _without_digest(self, record: Record, bundle: Bundle) -> Fetched:
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
        tells = known.modified and has_address(record)
        here = Here.REMEMBERED if tells else Here.FETCHED
        return known, path, self._decide(record, here)

    def _into_cache(
        self, record: Record, bundle: Bundle, name: str, known: Known | None = None
    ) -> Fetched:
        cache = self._cache()
        partial = cache.partial(name, record.size)
        if partial.size == record.size and self._names().of(record) is Here.UNNAMED:
            # what another account left is whole, so the archive would not be asked at all
            partial.start_over()
        here = Here.REMEMBERED if known else Here.PART if partial.size else Here.NOTHING
        decision = self._decide(record, here)
        if log.isEnabledFor(logging.DEBUG):
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
                found = filled(record, partial)
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

    def _receive(self, record: Record, partial: Partial, bundle: Bundle, since: str) -> Received:
        if has_address(record):
            return receive(
                self.transport,
                record,
                partial,
                patience=self.patience,
                stop=self.stop,
                report=self._progress(record),
                since=since,
                spare=self.spare,
            )
        partial.start_over()
        came = bundle.receive(record)
        bundle.extract(record, partial)
        return Received(Action.DOWNLOAD, came)

    def receive_alone(self, record: Record, partial: Partial) -> Received:
        """Bring one file into a partial file, without a cache."""
        folder = partial.path.parent
        with closing(self.bundle(lambda: NamedTemporaryFile(dir=folder, prefix="."))) as bundle:
            return self._receive(record, partial, bundle, "")

    def bundle(self, make: Callable[[], IO[bytes]]) -> Bundle:
        """Return the zip of a resource, which is fetched when a first file needs it."""
        return Bundle(
            self.transport,
            make,
            patience=self.patience,
            stop=self.stop,
            report=lambda record, done: self._progress(record)(done, None, Action.DOWNLOAD),
        )

    def bundle_of(self, record: Record) -> Bundle:
        """Return the zip of a record's resource, kept in the cache while it is used."""
        cache = self._cache()
        return self.bundle(lambda: cache.scratch(f"zip-{_name_of([record])}"))

    def locked(self, name: str) -> AbstractContextManager[bool]:
        """Keep other processes from bringing the same."""
        return self._cache().lock(name, self.stop.check)

    def trouble(self, error: OSError) -> CacheError:
        """Put an error of the cache's file system in words."""
        return self._cache().trouble(error)

    def may_be_tarred(self, record: Record) -> bool:
        """Tell whether a file has to be brought, and can be known in a tar."""
        return (
            bool(record.digest)
            and bool(record.resource_id)
            and record.size is not None
            and not record.prearchive
            and self._decide(record, Here.NOTHING).action is Action.DOWNLOAD
            and self._cache().find(record.digest, record.size) is None
        )

    @contextmanager
    def alive(self, name: str) -> Iterator[Callable[[], None]]:
        """Give a way to let those who wait for a lock see that its work goes on."""
        with self._cache().scratch(name) as sign:
            yield lambda: os.utime(sign.fileno())

    def keep(self, file: IO[bytes], digests: Container[str]) -> tuple[str, Path] | None:
        """Put a file into the cache if its digest is wanted."""
        cache = self._cache()
        partial = cache.partial("tar")
        try:
            while block := file.read(_BLOCK):
                partial.write(block)
            digest = partial.digest
            return (digest, cache.publish(partial, digest)) if digest in digests else None
        finally:
            partial.discard()

    def came(self, record: Record, path: Path, size: int) -> Fetched:
        """Note that a file came in a tar, of which so many bytes were for it."""
        self._names().saw(record)
        self._tell(record, Action.DOWNLOAD, "checked and kept", size, record.size or 0)
        if record.digest != path.name:
            record = replace(record, digest=path.name)
        return Fetched(record, path, Action.DOWNLOAD, size)

    def _progress(self, record: Record) -> Callable[[int, int | None, Action], None]:
        if not self.report.heard:
            return lambda done, total, action: None
        place = record.place
        return lambda done, total, action: self.report(place, done, total, action.value)

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
        # of a cohort that is here a line a file says little
        level = logging.DEBUG if action is Action.USE else logging.INFO
        if log.isEnabledFor(level):
            log.log(level, "%s %s: %s (%d bytes came)", action, record.place, reason, came)
        if self.report.heard:
            self.report(record.place, size, size, action.value, finished=True)


def has_address(record: Record) -> bool:
    """Tell whether a file has an address of its own; others come out of a zip."""
    return all(is_addressable(part) for part in record.path.split("/") if part)


def _listed(record: Record) -> Listed:
    if not record.path or not (record.resource_id or record.resource_label):
        return Listed.NOT_A_FILE
    return Listed.DIGEST if record.digest else Listed.NO_DIGEST


def filled(record: Record, partial: Partial) -> Record:
    """Return a record with the size and the digest of what came."""
    return replace(record, digest=partial.digest, size=partial.size)


def tar_key(records: Iterable[Record]) -> str:
    """Return a file name that stands for the tar of some files' resources."""
    return f"tar-{_name_of(records)}"


def _name_of(records: Iterable[Record]) -> str:
    names = sorted({name_of_resource(record) for record in records})
    return hashlib.sha256("\n".join(names).encode()).hexdigest()[:32]


def _say_once() -> None:
    if not _said.is_set():
        _said.set()
        log.warning(
            "this archive keeps no checksums of some files: each of them is asked for at each run, "
            "because a size proves nothing"
        )
