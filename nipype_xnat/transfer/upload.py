"""Files into a resource, as an end state: what is there already is not sent, what was sent is
listed and compared, what got lost is sent again.

XNAT answers 200 to uploads that it did not store, and two uploads into one resource at once can
lose a file, so nothing counts but the listing afterwards.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from xml.sax.saxutils import quoteattr

from ..address import Address, is_plain_label
from ..errors import (
    AnswerError,
    CannotReachServer,
    Conflict,
    NotAllowed,
    ServerBroken,
    UnsafeName,
    UploadIncomplete,
    UsageError,
    XNATError,
)
from ..records import Record
from ..transport import Answer, Around, Body, Request, Transport
from .ahead import ReadingAhead
from .decision import Action, Decision, for_upload
from .digests import Source, settle_digests
from .listing import Entry, Listing, list_files, resource_id_of
from .packing import Parcel, Way, body_of, checked_upload_name, parcels
from .patience import Patience
from .progress import Progress, Reporter
from .stored import Stored, StoredFile

__all__ = ["put"]

log = logging.getLogger("nipype_xnat.transfer")

_SHOWN = 20


def put(
    transport: Transport,
    resource: Record,
    files: Mapping[str, Path | bytes],
    *,
    overwrite: bool = True,
    format: str = "",
    content: str = "",
    tags: str = "",
    description: str = "",
    event_reason: str = "",
    progress: Callable[[Progress], object] | None = None,
    rounds: int = 4,
    pause: float = 0.5,
) -> Stored:
    """See to it that a resource holds files; nothing is ever deleted.

    Parameters
    ----------
    transport : Transport
        Where the archive is.
    resource : Record
        The resource, with the ids of what holds it, and its number or label. It is made where it
        is missing; what holds it must be there.
    files : mapping of str to pathlib.Path or bytes
        Path within the resource to what it shall hold.
    overwrite : bool
        Replace files of other content. Without it they are a Conflict, found before anything is
        sent.
    format, content, tags, description : str
        Words for the files and, as XNAT does it, for the resource.
    event_reason : str
        Reason of the change, which some sites demand.
    progress : callable, optional
        Takes a :class:`Progress`.
    rounds : int
        How often to send and compare at most.
    pause : float
        Seconds before the second round, on average; doubled each time, because another writer may
        be in the same resource.

    Returns
    -------
    Stored

    Raises
    ------
    UnsafeName, UsageError
        For names that XNAT cannot keep, and for files that are not here: before any request.
    Conflict
        If a file of other content is there and must not be replaced.
    NotAllowed
        If the account may not write there, also where the server says 200 and stores nothing.
    UploadIncomplete
        If the server does not list what was sent after all rounds.
    """
    if not (resource.resource_id or resource.resource_label):
        raise UsageError("a resource needs a label or a number to put files into it")
    if rounds < 1:
        raise UsageError("rounds must be at least 1")
    for name in files:
        checked_upload_name(name)
    _no_folder_and_file(files)
    sources = {name: Source(name, item) for name, item in files.items()}
    words = {
        "format": format,
        "content": content,
        "tags": tags,
        "description": description,
        "event_reason": event_reason,
    }
    said = {name: text for name, text in words.items() if text}
    with _keeping(transport, resource, sources, said, overwrite) as seam:
        upload = _Upload(
            seam,
            resource,
            sources,
            words=said,
            overwrite=overwrite,
            report=Reporter("upload", progress),
            rounds=rounds,
            patience=Patience(rounds, pause),
        )
        return upload.run()


def _keeping(
    transport: Transport,
    resource: Record,
    sources: Mapping[str, Source],
    words: Mapping[str, str],
    overwrite: bool,
) -> AbstractContextManager[Transport]:
    """Return the transport to store with: one that works offline keeps what is stored."""
    storing = getattr(transport, "storing", None)
    if storing is None:
        return nullcontext(transport)
    files = {name: source.content for name, source in sources.items()}
    settle_digests(sources.values())
    digests = {name: source.digest for name, source in sources.items()}
    found: AbstractContextManager[Transport] = storing(resource, files, digests, words, overwrite)
    return found


def _no_folder_and_file(names: Iterable[str]) -> None:
    known = set(names)
    for name in known:
        parts = name.split("/")
        for end in range(1, len(parts)):
            if "/".join(parts[:end]) in known:
                raise UnsafeName(
                    f"{'/'.join(parts[:end])!r} cannot be a file and the folder of {name!r}"
                )


class _Counting(Around):
    """A transport that counts."""

    def __init__(self, inner: Transport) -> None:
        super().__init__(inner)
        self.requests = 0
        self.bytes_sent = 0

    def send(self, request: Request) -> Answer:
        self.requests += 1
        self.bytes_sent += request.body.length if request.body else 0
        return super().send(request)


class _Upload:
    def __init__(
        self,
        transport: Transport,
        resource: Record,
        sources: Mapping[str, Source],
        *,
        words: Mapping[str, str],
        overwrite: bool,
        report: Reporter,
        rounds: int,
        patience: Patience,
    ) -> None:
        self.transport = _Counting(transport)
        self.resource = resource
        self.place = resource.with_values(path="").place
        self.sources = sources
        self.words = words
        self.overwrite = overwrite
        self.report = report
        self.rounds = rounds
        self.patience = patience
        self.address = resource.resource
        self.reasons: dict[str, str] = {}
        self.all_said_ok = True
        self.decisions: dict[str, Decision] = {}
        self.torn: set[str] = set()

    def run(self) -> Stored:
        with ReadingAhead(self.sources.values()):
            listing = self._begin()
        settle_digests(
            source for name, source in self.sources.items() if _may_agree(source, listing.get(name))
        )
        self.decisions = {name: self._decide(name, listing) for name in self.sources}
        self._refuse_conflicts(listing)
        sending = (Action.SEND, Action.REPLACE)
        todo = [name for name, item in self.decisions.items() if item.action in sending]
        for name, decision in self.decisions.items():
            log.info("%s %s: %s", decision.action, self._place(name), decision.reason)
            if decision.action not in sending:
                self._done(name)
        wanted = list(todo)
        done = 0
        while todo:
            if done:
                if (
                    done == self.rounds
                    or self.torn.issuperset(todo)
                    or (done > 1 and self._ignored(todo, wanted, listing))
                ):
                    raise self._failure(todo, wanted, listing, done)
                time.sleep(self.patience.before(done))
                listing, todo = self._catalogued(todo)
                if not todo:
                    break
            whole = [name for name in todo if name not in self.torn]
            self._send_all(whole, overwrite=self.overwrite or done > 0)
            done += 1
            listing = list_files(self.transport, self.address)
            todo = self._unsettled(todo, listing)
        return self._stored(listing, done)

    # -- what is there

    def _begin(self) -> Listing:
        """Find the resource, or make it; return what it holds."""
        record = self.resource
        if record.resource_id:
            return list_files(self.transport, self.address)
        label = record.resource_label
        self._at(resource_id_of(self.transport, record.owner, label))
        if not self.resource.resource_id:
            if self._create(label):
                return Listing({})
            # another process made it meanwhile
            self._at(resource_id_of(self.transport, record.owner, label))
        return list_files(self.transport, self.address)

    def _at(self, resource_id: str) -> None:
        self.resource = self.resource.with_values(resource_id=resource_id)
        self.address = self.resource.resource

    def _create(self, label: str) -> bool:
        """Make the resource; False if it is there already."""
        owner = self.resource.owner / "resources"
        # a label of digits only would be read as a number
        plain = is_plain_label(label) and not label.isdigit()
        if plain:
            request = Request(
                "PUT", (owner / label).ask(self.words), accept=frozenset({409}), repeatable=True
            )
        else:
            request = Request(
                "POST", owner.ask(self._reason()), Body.of_text(self._document(label))
            )
        with self.transport.send(request) as answer:
            made, text = answer.status < 300, answer.text().strip()
        if made and not plain:
            number = text.rpartition("/")[2]
            self._at(
                number
                if number.isdigit()
                else resource_id_of(self.transport, self.resource.owner, label)
            )
        return made

    def _document(self, label: str) -> str:
        words = {name: text for name, text in self.words.items() if name in ("format", "content")}
        attributes = "".join(
            f" {name}={quoteattr(text)}" for name, text in {"label": label, **words}.items()
        )
        return (
            '<xnat:Resource xmlns:xnat="http://nrg.wustl.edu/xnat" '
            'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
            f'xsi:type="xnat:resourceCatalog"{attributes}/>'
        )

    def _decide(self, name: str, listing: Listing) -> Decision:
        source, entry = self.sources[name], listing.get(name)
        there = None if entry is None else (entry.size, entry.digest)
        digest = source.digest if _may_agree(source, entry) else ""
        return for_upload(source.size, digest, there, overwrite=self.overwrite)

    def _refuse_conflicts(self, listing: Listing) -> None:
        refused = [name for name, item in self.decisions.items() if item.action is Action.REFUSE]
        if refused:
            raise Conflict(
                f"{self._place('')} holds other files under these names, nothing was sent: "
                + _names(refused),
                server=self.transport.server,
                advice="choose other names or another resource, or give overwrite=True",
            )

    # -- sending

    def _send_all(self, names: list[str], *, overwrite: bool) -> None:
        # one after the other: XNAT loses files of uploads into one resource at once
        for parcel in parcels([self.sources[name] for name in names]):
            try:
                self._send(parcel, overwrite=overwrite)
            except (ServerBroken, CannotReachServer) as error:
                # it may have stored some or all: the listing tells
                self.all_said_ok = False
                log.info("sending to %s failed: %s", self._place(""), error.message)
                for source in parcel.sources:
                    self.reasons[source.name] = error.message
            for source in parcel.sources:
                if source.torn():
                    self.torn.add(source.name)
                    self.reasons[source.name] = "it was written to while it was sent"

    def _send(self, parcel: Parcel, *, overwrite: bool) -> None:
        for source in parcel.sources:
            source.look()
        if parcel.way is not Way.ZIP:
            # what was empty may have grown, and the other way round
            (parcel,) = parcels(parcel.sources)
        parameters: dict[str, str | bool | None] = dict(self.words)
        if overwrite:
            parameters["overwrite"] = True
        if parcel.way is Way.ZIP:
            parameters["extract"] = True
        if parcel.way is not Way.FORM:
            parameters["inbody"] = True
        address = (self.address / "files").file(parcel.name).ask(parameters)
        total = sum(source.size for source in parcel.sources)
        place = self._place("" if len(parcel.sources) > 1 else parcel.sources[0].name)
        action = self.decisions[parcel.sources[0].name].action.value
        with (
            body_of(
                parcel, lambda done: self.report(place, min(done, total), total, action)
            ) as body,
            self.transport.send(Request("PUT", address, body)) as answer,
        ):
            text = answer.text()
        for name in _duplicates(text):
            self.all_said_ok = False
            self.reasons[name] = "the server says that it has a file of this name"

    # -- comparing and repairing

    def _unsettled(self, names: Iterable[str], listing: Listing) -> list[str]:
        """Return what is not listed as it was sent."""
        left = []
        for name in names:
            entry = listing.get(name)
            if name in self.torn:
                left.append(name)
                continue
            if entry is not None and _agrees(self.sources[name], entry):
                self._done(name)
                continue
            left.append(name)
            if entry is not None and not self.overwrite:
                raise Conflict(
                    f"another writer stored another file as {self._place(name)} at the same time",
                    server=self.transport.server,
                    advice="look at both files; overwrite=True puts yours there",
                )
            if entry is not None:
                self.reasons[name] = (
                    f"the archive lists {entry.size} bytes with MD5 {entry.digest or 'unknown'}"
                )
            elif name not in self.reasons:
                self.reasons[name] = "the server said that all is well and does not list it"
        return left

    def _catalogued(self, names: list[str]) -> tuple[Listing, list[str]]:
        """Have files that are on the server's disk entered into the catalog; list again."""
        resource = self.resource.with_values(
            resource_id=""
            if is_plain_label(self.resource.resource_label)
            else (self.resource.resource_id)
        )
        place = Address(("archive", *resource.resource.segments[1:])).path
        address = Address.of("data", "services", "refresh", "catalog").ask(
            {"resource": place, "options": "append,populateStats", **self._reason()}
        )
        try:
            self.transport.send(Request("POST", address, repeatable=True)).close()
        except NotAllowed as error:
            raise self._not_allowed() from error
        except AnswerError as error:
            # not all servers have it: sending again repairs too
            log.info("the catalog of %s was not refreshed: %s", self._place(""), error.message)
        listing = list_files(self.transport, self.address)
        return listing, self._unsettled(names, listing)

    def _reason(self) -> dict[str, str]:
        return {k: v for k, v in self.words.items() if k == "event_reason"}

    def _ignored(self, left: list[str], wanted: list[str], listing: Listing) -> bool:
        """Tell whether the server took everything with a 200 and stored nothing of it."""
        return (
            self.all_said_ok
            and len(left) == len(wanted)
            and not any(listing.get(name) for name in left)
        )

    def _failure(
        self, left: list[str], wanted: list[str], listing: Listing, rounds: int
    ) -> XNATError:
        if self._ignored(left, wanted, listing):
            return self._not_allowed()
        changed = [name for name in left if name in self.torn or self.sources[name].changed()]
        lines = [f"\n  {name}: {self.reasons[name]}" for name in left[:_SHOWN]]
        if len(left) > _SHOWN:
            lines.append(f"\n  ... and {len(left) - _SHOWN} more")
        if changed:
            advice = f"these files were changed here meanwhile: {_names(changed)}; run again"
        else:
            advice = (
                "run again, when no other job writes to this resource; it sends what is missing"
            )
            if "event_reason" not in self.words and not self.all_said_ok:
                advice += ". Some sites demand a reason for changes: event_reason='...'"
        return UploadIncomplete(
            f"{len(left)} of {len(self.sources)} files did not arrive in {self._place('')} after "
            f"{rounds} rounds:" + "".join(lines),
            server=self.transport.server,
            advice=advice,
        )

    def _not_allowed(self) -> NotAllowed:
        who = self.transport.account
        return NotAllowed(
            f"the server said 200 and stored nothing in {self._place('')}: "
            + (f"user {who!r}" if who else "nobody (no account was given)")
            + " may most likely not write there",
            server=self.transport.server,
            advice="ask an owner of the project for the right to edit, or use another account",
        )

    # -- the result

    def _stored(self, listing: Listing, rounds: int) -> Stored:
        files = []
        by_size = False
        for name, source in self.sources.items():
            entry = listing.get(name)
            assert entry is not None
            if entry.resource_id and not self.resource.resource_id:
                self._at(entry.resource_id)
            by_size = by_size or not entry.digest
            decision = self.decisions[name]
            record = self.resource.with_values(
                resource_id=self.resource.resource_id or entry.resource_id,
                path=name,
                size=source.size,
                digest=source.digest,
                **{k: v for k, v in self.words.items() if k in ("format", "content", "tags")},
            )
            compared = "digest" if entry.digest else "size"
            files.append(StoredFile(record, decision.action, decision.reason, compared))
        if by_size:
            log.warning(
                "%s keeps no checksums of %s: what was sent could be compared by size only",
                self.transport.server,
                self._place(""),
            )
        return Stored(
            self.resource,
            tuple(files),
            self.transport.requests,
            self.transport.bytes_sent,
            rounds,
        )

    def _done(self, name: str) -> None:
        size = self.sources[name].size
        action = self.decisions[name].action.value
        self.report(self._place(name), size, size, action, finished=True)

    def _place(self, name: str) -> str:
        return f"{self.place}/files/{name}" if name else self.place


def _may_agree(source: Source, entry: Entry | None) -> bool:
    """Tell whether the digest of a file has to be known to compare it with what is listed."""
    return entry is not None and bool(entry.digest) and entry.size in (None, source.size)


def _agrees(source: Source, entry: Entry) -> bool:
    if entry.digest:
        return entry.digest == source.digest
    return entry.size == source.size


def _duplicates(text: str) -> list[str]:
    """Read the names that an upload answered with 200 did not store."""
    if '"duplicates"' not in text:
        return []
    try:
        names = json.loads(text)["duplicates"]
    except (ValueError, KeyError, TypeError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def _names(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN])
    return shown + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
