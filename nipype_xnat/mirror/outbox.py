"""What was changed offline and waits to be sent.

::

    OUTBOX/waiting/NAME/entry.json   what is to be done, readable by a person
    OUTBOX/waiting/NAME/files/       the bytes, under the resource's own paths
    OUTBOX/sent/NAME/entry.json      what was done
    OUTBOX/kept/NAME/                what a push replaced on the server
    OUTBOX/making/                   what is being written

Each entry gets its visible name in one step, when it is whole, so any number of jobs can fill one
outbox, and outboxes are merged by moving their entries into one folder.
"""

from __future__ import annotations

import getpass
import json
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import BinaryIO

from ..cache.writing import sync_folder, unique_name, write_whole
from ..errors import MirrorError

__all__ = ["Change", "Entry", "Files", "Outbox", "Source"]

_ENTRY = "entry.json"
_BLOCK = 1 << 20

Source = Path | Callable[[], BinaryIO]
"""A file, or what opens one."""


@dataclass(frozen=True)
class Files:
    """Files that a resource shall hold.

    Parameters
    ----------
    owner : dict of str to str
        Names of the element that holds the resource, as in a
        :class:`~nipype_xnat.records.Record`; ids only of what the server knows.
    resource : str
        Label of the resource.
    digests : dict of str to str
        MD5 of each file by its path.
    base : dict of str to (str or None)
        MD5 of what the mirror listed under each path when the files were stored; None for nothing.
    words : dict of str to str
        Format, content, tags and the like.
    overwrite : bool
    """

    owner: dict[str, str]
    resource: str
    digests: dict[str, str]
    base: dict[str, str | None]
    words: dict[str, str] = field(default_factory=dict)
    overwrite: bool = True


@dataclass(frozen=True)
class Change:
    """A request that changes an element.

    Parameters
    ----------
    method, address : str
    content_type : str
        Of the body, which is the file ``body`` of the entry; empty where there is none.
    made : dict of str to (dict of str to str)
        Elements that were made offline, by the ids that they have here: what they are called.
    base : dict of str to (str or None)
        The values that the request sets, as the mirror had them; None where the element was not
        there. ``last_modified`` for what is deleted.
    """

    method: str
    address: str
    content_type: str = ""
    made: dict[str, dict[str, str]] = field(default_factory=dict)
    base: dict[str, str] | None = None


@dataclass(frozen=True)
class Entry:
    """One thing that waits.

    Parameters
    ----------
    name : str
        Of its folder; entries are sent in the order of their names.
    server : str
        Where it shall go.
    what : Files or Change
    when, host, user : str
        When, where and by whom it was made.
    pulled : str
        When the mirror was pulled that it was made on.
    """

    name: str
    server: str
    what: Files | Change
    when: str = ""
    host: str = ""
    user: str = ""
    pulled: str = ""

    @property
    def place(self) -> str:
        """What it is about, in words."""
        if isinstance(self.what, Change):
            return f"{self.what.method} {self.what.address}"
        owner = self.what.owner
        names = (
            owner.get("project"),
            owner.get("subject_label") or owner.get("subject_id"),
            owner.get("experiment_label") or owner.get("experiment_id"),
            owner.get("scan_id") or owner.get("assessor_label") or owner.get("reconstruction_id"),
            self.what.resource,
        )
        return "/".join(name for name in names if name)

    def to_json(self) -> str:
        """Return the text of ``entry.json``."""
        values = asdict(self)
        values["kind"] = "files" if isinstance(self.what, Files) else "change"
        return json.dumps(values, indent=1, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Entry:
        """Read an ``entry.json``."""
        values = json.loads(text)
        kind = {"files": Files, "change": Change}[values.pop("kind")]
        return cls(**{**values, "what": kind(**values["what"])})


class Outbox:
    """A folder of changes that wait to be sent.

    Parameters
    ----------
    root : path
        Made when something is put into it.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser().absolute()
        self._latest = 0  # nanoseconds in the name of the latest entry that was seen here
        self._lock = threading.Lock()

    # -- filling it

    def add(
        self,
        server: str,
        what: Files | Change,
        files: Mapping[str, Source],
        pulled: str = "",
    ) -> Entry:
        """Put something into the outbox.

        Parameters
        ----------
        server : str
        what : Files or Change
        files : mapping of str to (path or callable)
            Files by their paths, or what opens them; for a change with a body ``{"body": ...}``.
        pulled : str

        Raises
        ------
        MirrorError
            If the folder cannot be written; nothing is left of the entry then.
        """
        now = datetime.now(timezone.utc)
        entry = Entry(
            f"{self._moment()}-{unique_name()}",
            server,
            what,
            f"{now:%Y-%m-%dT%H:%M:%SZ}",
            socket.gethostname(),
            _user(),
            pulled,
        )
        making = self.root / "making" / entry.name
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            (making / "files").mkdir(parents=True)
            for path, source in files.items():
                target = making / "files" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                _place(source, target)
            write_whole(making / _ENTRY, entry.to_json())
            self._move(making, "waiting")
        except OSError as error:
            shutil.rmtree(making, ignore_errors=True)
            raise MirrorError(
                f"the outbox {self.root} cannot be written: {error.strerror or error}",
                advice="make room, or name another folder in NIPYPE_XNAT_OUTBOX",
            ) from error
        return entry

    def _moment(self) -> str:
        """Return a time that sorts after that of each entry that was seen here.

        Clocks of hosts disagree, and are set back; what was done on top of something is sent after
        it all the same.
        """
        with self._lock:
            self._latest = max(self._latest + 1, time.time_ns())
            return _written(self._latest)

    # -- looking into it

    @property
    def exists(self) -> bool:
        """Whether anything was ever put into it."""
        return any((self.root / room).is_dir() for room in ("waiting", "sent"))

    def waiting(self) -> list[Entry]:
        """Return what waits, in the order in which it is sent."""
        return self._entries("waiting")

    def sent(self) -> list[Entry]:
        """Return what was sent."""
        return self._entries("sent")

    def _entries(self, room: str) -> list[Entry]:
        folder = self.root / room
        if not folder.is_dir():
            return []
        found = []
        for path in sorted(folder.iterdir()):
            try:
                text = (path / _ENTRY).read_text("utf-8")
            except (FileNotFoundError, NotADirectoryError):
                continue  # another push moved it meanwhile
            try:
                entry = Entry.from_json(text)
            except (ValueError, KeyError, TypeError) as error:
                raise MirrorError(
                    f"{path / _ENTRY} cannot be read: {error}",
                    advice="mend it, or move its folder out of the outbox",
                ) from error
            # whoever moves entries about may have named them anew
            found.append(replace(entry, name=path.name))
        with self._lock:
            self._latest = max([self._latest, *(_moment_of(entry.name) for entry in found)])
        return found

    def file(self, entry: Entry, path: str) -> Path:
        """Return where the bytes of a waiting entry are."""
        return self.root / "waiting" / entry.name / "files" / path

    def kept(self, entry: Entry) -> Path:
        """Return the folder of what is replaced when an entry is sent."""
        return self.root / "kept" / entry.name

    def conflict(self, entry: Entry) -> str:
        """Return why an entry was not sent, empty where nothing was in its way."""
        try:
            return (self.root / "waiting" / entry.name / "conflict.txt").read_text("utf-8")
        except OSError:
            return ""

    # -- emptying it

    def note_conflict(self, entry: Entry, text: str) -> None:
        """Write beside an entry why it was not sent."""
        write_whole(self.root / "waiting" / entry.name / "conflict.txt", text)

    def done(self, entry: Entry, result: str) -> None:
        """Move an entry to those that were sent; its bytes are on the server now."""
        source = self.root / "waiting" / entry.name
        try:
            write_whole(source / "result.txt", result)
            (source / "conflict.txt").unlink(missing_ok=True)
            target = self._move(source, "sent")
        except FileNotFoundError:
            return  # another push did the same
        shutil.rmtree(target / "files", ignore_errors=True)

    def _move(self, source: Path, room: str) -> Path:
        target = self.root / room / source.name
        target.parent.mkdir(parents=True, exist_ok=True)
        source.rename(target)
        sync_folder(target.parent)
        return target

    def __repr__(self) -> str:
        return f"Outbox({str(self.root)!r})"


def _written(moment: int) -> str:
    """Write nanoseconds so that their order is that of names."""
    seconds, rest = divmod(moment, 10**9)
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y%m%dT%H%M%S}.{rest:09d}"


def _moment_of(name: str) -> int:
    """Read nanoseconds from the name of an entry; 0 where somebody has renamed it."""
    whole, _, rest = name.partition("-")[0].partition(".")
    try:
        read = datetime.strptime(whole, "%Y%m%dT%H%M%S").replace(tzinfo=timezone.utc)
        return int(read.timestamp()) * 10**9 + int(rest)
    except ValueError:
        return 0


def _place(source: Source, target: Path) -> None:
    """Copy a file and bring it to the disk: a link would change when the file is written again."""
    opened = source() if callable(source) else source.open("rb")
    with opened as old, target.open("wb") as new:
        shutil.copyfileobj(old, new, _BLOCK)
        new.flush()
        os.fsync(new.fileno())


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
