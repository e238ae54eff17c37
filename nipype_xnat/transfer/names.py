"""Whether an account may have bytes that are here already: what its listings named."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ..cache import Cache
from ..errors import NotInCache
from ..records import Record
from ..transport import Transport
from .decision import Here
from .listing import Listing, list_files

__all__ = ["Names", "name_of_resource"]

_WRITERS = 8


@dataclass
class _Resource:
    """What is known of one resource."""

    record: Record
    noted: frozenset[str] | None = None
    new: set[str] = field(default_factory=set)
    listing: Listing | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def lists(self, record: Record) -> bool:
        """Tell whether the listing of this call has a file with its digest."""
        entry = self.listing.get(record.path) if self.listing is not None else None
        return entry is not None and entry.digest == record.digest.lower()


class Names:
    """What was named to an account: by its listings in this call, and earlier.

    Parameters
    ----------
    transport : Transport
    cache : Cache
    listed : bool
        Whether the records of this call come out of a listing that this account has just received.
    """

    def __init__(self, transport: Transport, cache: Cache, *, listed: bool) -> None:
        self._transport = transport
        self._cache = cache
        self._listed = listed
        self._lock = threading.Lock()
        self._resources: dict[str, _Resource] = {}

    def of(self, record: Record) -> Here:
        """Tell how a file stands that the cache has."""
        if self._listed:
            return Here.WHOLE
        resource = self._resource(record)
        if resource.lists(record):
            return Here.WHOLE
        with resource.lock:
            if resource.noted is None:
                resource.noted = self._cache.named(*self._identity(record))
            known = record.digest.lower() in (resource.noted | resource.new)
        return Here.NAMED if known else Here.UNNAMED

    def ask(self, record: Record) -> bool:
        """Tell whether the archive lists a file with its digest now; asked once a resource."""
        resource = self._resource(record)
        with resource.lock:
            if resource.listing is None:
                try:
                    resource.listing = list_files(self._transport, record.resource)
                except NotInCache:  # offline, and no mirror answers
                    return False
                resource.new.update(resource.listing.digests())
            return resource.lists(record)

    def saw(self, record: Record) -> None:
        """Note that the archive gave a file, or its digest, to this account."""
        if record.digest:
            resource = self._resource(record)
            with resource.lock:
                resource.new.add(record.digest.lower())

    def write(self) -> None:
        """Remember what is new for later calls and other processes."""
        told = [
            resource
            for resource in self._resources.values()
            if resource.new
            and not self._cache.names_again(resource.new, *self._identity(resource.record))
        ]
        if len(told) < _WRITERS:
            self._note(told)
            return
        # a file each: several at once, because a busy disk makes each wait
        with ThreadPoolExecutor(_WRITERS, "nipype_xnat-notes") as pool:
            list(pool.map(self._note, (told[first::_WRITERS] for first in range(_WRITERS))))

    def _note(self, told: Iterable[_Resource]) -> None:
        for resource in told:
            place = resource.record.with_values(path="").place
            self._cache.name(resource.new, place, *self._identity(resource.record))

    def _resource(self, record: Record) -> _Resource:
        name = name_of_resource(record)
        with self._lock:
            if name not in self._resources:
                self._resources[name] = _Resource(record)
            return self._resources[name]

    def _identity(self, record: Record) -> tuple[str, str, str]:
        return self._transport.server, self._transport.account, name_of_resource(record)


def name_of_resource(record: Record) -> str:
    """Return what identifies a resource in its archive."""
    return record.resource_id or str(record.resource)
