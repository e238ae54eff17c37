"""Doing to an archive what an outbox says, once.

Each entry is compared with what the archive has: what is there already is left alone, what somebody
else changed is a conflict. So an entry may be applied again after any interruption.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from .. import transfer
from ..address import Address
from ..cache.hashing import md5_of
from ..errors import ChangedThere, Conflict, GoneThere, NotFound, ServerBroken
from ..records import Record
from ..select.listings import Listings
from ..transport import Body, Request, Transport
from .facts import Facts, agrees, facts_of, is_share, wanted_by
from .outbox import Change, Entry, Files, Outbox
from .overlay import MADE_HERE

__all__ = ["Applier", "Choice", "made_in", "names_of"]

Choice = Literal["report", "theirs", "ours", "both"]
"""What to do where somebody else changed the same thing: leave it waiting and say so, keep what the
archive has, replace it (a copy of it is kept here), or store files beside those that are there."""

_OWNER = (
    "project",
    "subject_id",
    "subject_label",
    "experiment_id",
    "experiment_label",
    "scan_id",
    "assessor_id",
    "assessor_label",
    "reconstruction_id",
    "direction",
)


@dataclass(frozen=True)
class _Named:
    """An element by its place in a project."""

    project: str
    label: str
    level: str

    @property
    def address(self) -> Address:
        return Address.of("data", "projects", self.project, f"{self.level}s", self.label)


def names_of(transport: Transport, resource: Record) -> tuple[dict[str, str], str]:
    """Return the names of a resource's owner, and the resource's label.

    Parameters
    ----------
    transport : Transport
        The archive in which it is known.
    resource : Record
        Ids that were made offline are left out: the labels lead to the element.
    """
    values = {name: getattr(resource, name) for name in _OWNER}
    if resource.experiment_id and not (resource.project and resource.experiment_label):
        found = _item(transport, Address.of("data", "experiments", resource.experiment_id))
        values["project"] = values["project"] or found.get("project", "")
        values["experiment_label"] = found.get("label", "")
    if resource.subject_id and not resource.subject_label:
        found = _item(transport, Address.of("data", "subjects", resource.subject_id))
        values["subject_label"] = found.get("label", "")
    if resource.assessor_id and not resource.assessor_label:
        found = _item(transport, Address.of("data", "experiments", resource.assessor_id))
        values["assessor_label"] = found.get("label", "")
    label = resource.resource_label
    if not label:
        for record in Listings(transport).resources(resource.with_values(resource_id="")):
            if record.resource_id == resource.resource_id:
                label = record.resource_label
    kept = {
        name: value for name, value in values.items() if value and not MADE_HERE.fullmatch(value)
    }
    return kept, label


def made_in(transport: Transport, text: str) -> dict[str, dict[str, str]]:
    """Return the names of the elements that were made offline and stand in a text by their ids."""
    found: dict[str, dict[str, str]] = {}
    for match in MADE_HERE.finditer(text):
        id_ = match.group()
        level = "subject" if "_S" in id_[8:] else "experiment"
        values = _item(transport, Address.of("data", f"{level}s", id_))
        found[id_] = {
            "project": values.get("project", ""),
            "label": values.get("label", ""),
            "level": level,
        }
    return found


def _item(transport: Transport, address: Address) -> dict[str, str]:
    request = Request("GET", address.ask(format="json"), expect="json", fresh=True)
    values = transport.send(request).json()["items"][0]["data_fields"]
    return {name: str(value) for name, value in values.items()}


class Applier:
    """Applies the entries of an outbox to an archive.

    Parameters
    ----------
    transport : Transport
    outbox : Outbox
    conflicts : str
        See :data:`Choice`.
    keep : bool
        Whether what is replaced is kept in the outbox first.
    """

    def __init__(
        self,
        transport: Transport,
        outbox: Outbox,
        conflicts: Choice = "report",
        *,
        keep: bool = True,
    ) -> None:
        self.transport = transport
        self.outbox = outbox
        self.conflicts = conflicts
        self.keep = keep
        # elements whose time of change tells nothing, because the change was ours
        self._touched: set[str] = set()

    def apply(self, entry: Entry) -> str:
        """Apply an entry, and say what was done.

        Raises
        ------
        ChangedThere
            If somebody else changed the same thing, and nothing was chosen for that.
        AnswerError, TransferError, CannotReachServer
        """
        if isinstance(entry.what, Files):
            return self._store(entry, entry.what)
        return self._change(entry, entry.what)

    # -- files

    def _store(self, entry: Entry, what: Files) -> str:
        try:
            owner = self._owner(what)
            there = self._there(owner, what)
        except GoneThere as error:
            if self.conflicts == "theirs":
                return f"left out: {error.message}"
            raise
        files = {path: self.outbox.file(entry, path) for path in what.digests}
        send: dict[str, Path] = {}
        beside: dict[str, str] = {}
        clashes: list[str] = []
        for path, digest in what.digests.items():
            theirs = there.get(path)
            found = self._digest(theirs)
            if found == digest:
                continue
            unchanged = found == what.base.get(path)
            free = theirs is None and self.conflicts == "both"
            if unchanged or free or self.conflicts == "ours":
                send[path] = files[path]
            elif self.conflicts == "both":
                beside[path] = _beside(path, entry.name)
                send[beside[path]] = files[path]
            elif self.conflicts == "report":
                clashes.append(path)
        if clashes:
            raise ChangedThere(
                "somebody else changed " + ", ".join(clashes),
                server=self.transport.server,
                asked=entry.place,
                advice="push again with --conflicts theirs, ours or both",
            )
        self._keep(entry, [there[path] for path in send if there.get(path) is not None])
        if send:
            resource = owner.with_values(resource_label=what.resource)
            words = what.words
            transfer.put(
                self.transport,
                resource,
                send,
                format=words.get("format", ""),
                content=words.get("content", ""),
                tags=words.get("tags", ""),
                description=words.get("description", ""),
                event_reason=words.get("event_reason", ""),
            )
        already = len(what.digests) - len(send)
        return f"{len(send)} files sent, {already} there already or left as they are" + "".join(
            f"; {path} is stored as {name}" for path, name in beside.items()
        )

    def _owner(self, what: Files) -> Record:
        """Find the element that holds the resource, by the names that it has here."""
        owner = Record.from_dict(what.owner)
        project = Address.of("data", "projects", owner.project)
        if owner.subject_label and not owner.subject_id:
            found = self._require(project / ["subjects", owner.subject_label])
            owner = owner.with_values(subject_id=found["ID"])
        if owner.experiment_label and not owner.experiment_id:
            found = self._require(project / ["experiments", owner.experiment_label])
            owner = owner.with_values(experiment_id=found["ID"])
        if owner.assessor_label and not owner.assessor_id:
            found = self._require(project / ["experiments", owner.assessor_label])
            owner = owner.with_values(assessor_id=found["ID"])
        return owner

    def _require(self, address: Address) -> dict[str, str]:
        try:
            return _item(self.transport, address)
        except NotFound as error:
            raise GoneThere(
                "the archive does not have the element to store at (any more), or this account may "
                "not see it",
                server=self.transport.server,
                asked=f"GET {address}",
                advice="make it there and push again, or leave this out: --conflicts theirs",
            ) from error

    def _there(self, owner: Record, what: Files) -> dict[str, Record]:
        try:
            listed = list(Listings(self.transport).files_of(owner, what.resource))
        except (NotFound, ServerBroken):  # XNAT fails with 500 where a session or scan is not there
            self._require(owner.with_values(resource_id="").owner)
            return {}
        return {record.path: record for record in listed if record.resource_label == what.resource}

    def _digest(self, record: Record | None) -> str | None:
        if record is None:
            return None
        if record.digest or not self.keep:
            return record.digest
        # a server that keeps no digests: only the bytes tell
        with tempfile.TemporaryDirectory(prefix="nipype_xnat-") as folder:
            target = Path(folder) / "theirs"
            transfer.save(self.transport, record, target)
            return md5_of(target)

    def _keep(self, entry: Entry, replaced: list[Record]) -> None:
        """Fetch what is going to be replaced."""
        folder = self.outbox.kept(entry)
        for record in replaced if self.keep else ():
            target = folder / record.path
            if not target.exists():
                transfer.save(self.transport, record, target)

    # -- other changes

    def _change(self, entry: Entry, what: Change) -> str:
        names = {id_: self._real(made) for id_, made in what.made.items()}
        request = self._request(entry, what, names)
        wanted = wanted_by(request)
        sets = request.method == "PUT" and request.body is None
        now = facts_of(self.transport, request)
        if request.method == "DELETE" and now is None:
            self._require_sight(request)
            return "it was gone already"
        if sets and not is_share(request) and now is not None and agrees(wanted, now):
            return "it was so already"
        if not self._unchanged(request, what.base, now):
            if self.conflicts == "theirs":
                return "left as it is: somebody else changed it"
            if self.conflicts != "ours":
                raise ChangedThere(
                    f"somebody else changed it: here it was {_said(what.base)}, there it is "
                    f"{_said(now)}",
                    server=self.transport.server,
                    asked=entry.place,
                    advice="push again with --conflicts theirs or ours",
                )
            self._note(entry, now)
        self._touched.add(request.address.path)
        try:
            self.transport.send(request).close()
        except Conflict:
            if not is_share(request):
                raise
            return "it was shared already"
        return "sent"

    def _require_sight(self, request: Request) -> None:
        """Tell what is gone from what this account may not see: XNAT answers 404 to both."""
        segments = request.address.segments
        if segments[1] != "projects":
            return
        listing = Address(segments[:3]) / ["experiments"]
        try:
            asked = listing.ask(label="", columns="ID", format="json")
            self.transport.send(Request("GET", asked, expect="json", fresh=True)).close()
        except NotFound as error:
            if self.conflicts == "theirs":
                return
            raise ChangedThere(
                f"the project {segments[2]} is gone too, or this account may not see it",
                server=self.transport.server,
                asked=request.asked,
                advice="push with an account that may see it, or with --conflicts theirs if it is "
                "gone",
            ) from error

    def _request(self, entry: Entry, what: Change, names: Mapping[str, str]) -> Request:
        def real(text: str) -> str:
            return MADE_HERE.sub(lambda match: names.get(match.group(), match.group()), text)

        address = Address.parse(real(what.address))
        if not what.content_type:
            return Request(what.method, address)
        path = self.outbox.file(entry, "body")
        if not names:
            return Request(what.method, address, Body.of_file(path, what.content_type))
        text = real(path.read_bytes().decode("utf-8", "surrogateescape"))
        data = text.encode("utf-8", "surrogateescape")
        return Request(what.method, address, Body.of_bytes(data, what.content_type))

    def _real(self, made: Mapping[str, str]) -> str:
        """Return the id that an element made offline has in the archive, or will get."""
        named = _Named(**made)
        try:
            return _item(self.transport, named.address)["ID"]
        except NotFound:
            # it is just being made: its label stands where its id would
            return named.label

    def _unchanged(self, request: Request, base: Facts | None, now: Facts | None) -> bool:
        if base == now or is_share(request):
            return True
        if base is None or now is None:
            return False
        if "last_modified" in " ".join(base):
            return any(request.address.path.startswith(path) for path in self._touched)
        return agrees(base, now)

    def _note(self, entry: Entry, now: Facts | None) -> None:
        """Keep the values that are going to be replaced."""
        if not self.keep:
            return
        folder = self.outbox.kept(entry)
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{name}: {value}\n" for name, value in (now or {}).items()]
        (folder / "values.txt").write_text("".join(lines), encoding="utf-8")


def _said(facts: Facts | None) -> str:
    if facts is None:
        return "not there"
    return ", ".join(f"{name}={value!r}" for name, value in sorted(facts.items())) or "there"


def _beside(path: str, entry: str) -> str:
    """Name a file that is stored beside another one, the same name for the same entry."""
    name = PurePosixPath(path)
    mark = hashlib.sha256(entry.encode()).hexdigest()[:8]
    stem, dot, rest = name.name.partition(".")
    return str(name.with_name(f"{stem}_ours_{mark}{dot}{rest}"))
