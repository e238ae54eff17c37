"""Whether an account may have bytes that are here already: what its listings named."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from ..cache import Cache
from ..cache.known import key_of
from ..cache.named import Note
from ..errors import NotInCache
from ..records import Record
from ..transport import Transport
from .decision import Here
from .listing import Listing, list_files

__all__ = ["Names", "name_of_resource"]


@dataclass
class _Resource:
    """What is known of one resource."""

    record: Record
    key: str
    new: set[str] = field(default_factory=set)
    listing: Listing | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def lists(self, record: Record) -> bool:
        """Tell whether the listing of this call has a file with its digest."""
        entry = self.listing.get(record.path) if self.listing is not None else None
        return entry is not None and entry.digest == record.digest.lower()

    def note(self) -> Note:
        """Return what is to be remembered."""
        return Note(self.record.with_values(path="").place, frozenset(self.new))


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
        self._notes = cache.notes()
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
        digest = record.digest.lower()
        with resource.lock:
            known = digest in resource.new or self._notes.has(digest, resource.key)
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
        told = {one.key: one for one in self._resources.values() if one.new}
        lacking = self._notes.use({key: one.new for key, one in told.items()})
        self._notes.write({key: told[key].note() for key in lacking})

    def _resource(self, record: Record) -> _Resource:
        name = name_of_resource(record)
        with self._lock:
            if name not in self._resources:
                key = key_of(self._transport.server, self._transport.account, name)
                self._resources[name] = _Resource(record, key)
            return self._resources[name]


def name_of_resource(record: Record) -> str:
    """Return what identifies a resource in its archive."""
    return record.resource_id or str(record.resource)
