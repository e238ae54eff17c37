"""The seam to a mirror: the local archive's own interface, called in this process.

The same requests go to the same code as over HTTP, but no socket is opened. What is asked is
answered by the mirror, which is only read; what is changed is changed in a private copy, and put
into an outbox to be sent later.
"""

from __future__ import annotations

import io
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DatabaseError

from ..address import Address
from ..archive import Archive
from ..archive.errors import Refused
from ..cache.hashing import new_md5
from ..errors import MirrorError, NotFound, NotInMirror, UsageError, XNATError
from ..records import Record
from ..transport import Answer, Body, Request, Transport
from ..transport.lifetime import watch_forks
from .apply import Applier, made_in, names_of
from .facts import facts_of, files_of, is_share
from .folder import Contents, Folder
from .inside import Inside
from .outbox import Change, Entry, Files, Outbox, Source
from .overlay import Overlay
from .types import site_of

__all__ = ["OfflineTransport"]


class OfflineTransport:
    """Answer requests from a mirror, and keep what they would change.

    Parameters
    ----------
    root : path
        The mirror's folder. It is only read, so that any number of processes may share it, and it
        may lie on a read-only file system.
    state : str, optional
        Name of the state to read; the current one by default.
    outbox : path, optional
        Where changes go; without it they are refused.

    Raises
    ------
    MirrorError
        If there is no mirror.
    """

    def __init__(self, root: Path | str, state: str = "", outbox: Path | str | None = None) -> None:
        self.folder = Folder(root)
        self._state = state
        known = self.folder.read() if state else self.folder.require()
        self.contents: Contents = known or Contents("")
        self.outbox = None if outbox is None else Outbox(outbox)
        self.after_fork()
        watch_forks(self)

    def after_fork(self) -> None:
        """Open the mirror anew: a child does not use its parent's files."""
        self._lock = threading.RLock()
        self._reader: Inside | None = None
        self._overlay: Overlay | None = None

    @property
    def server(self) -> str:
        """Address of the server that was mirrored."""
        return self.contents.server

    @property
    def account(self) -> str:
        """The account that pulled."""
        return self.contents.account

    def send(self, request: Request) -> Answer:
        """Answer a request.

        Raises
        ------
        NotInMirror
            If the mirror does not hold what is asked for, or cannot hold what would be changed.
        """
        segments = request.address.segments
        if request.method not in _READS and not _is_search(request):
            return self._change(request)
        kept = self.contents.kept.get(str(request.address))
        if kept is not None:
            return Answer(
                request, 200, {}, iter([kept.encode()]), server=self.server, from_cache=True
            )
        if segments[:1] != ("data",) or len(segments) < 2 or segments[1] not in _HELD:
            raise NotInMirror(
                f"a mirror does not hold this (working offline, with {self.folder.root})",
                server=self.server,
                asked=request.asked,
                advice="ask the server itself, without offline=True and NIPYPE_XNAT_OFFLINE; "
                "a mirror holds projects, and neither accounts nor the prearchive",
            )
        with self._lock:
            archive = self._overlay or self._opened()
        try:
            return archive.send(request)
        except NotFound as error:
            raise self._explained(request, error, archive) from error

    def close(self) -> None:
        """Let go of the mirror; a later request opens it again."""
        with self._lock:
            reader, overlay = self._reader, self._overlay
            self._reader = self._overlay = None
        if reader is not None:
            reader.close()
        if overlay is not None:
            overlay.close()

    def _opened(self) -> Inside:
        with self._lock:
            if self._reader is None:
                try:
                    archive = Archive(self._place, site_of(self._place), read_only=True)
                    self._reader = Inside(archive, self.server, self.account)
                except (Refused, DatabaseError) as error:
                    reason = getattr(error, "orig", error)
                    raise MirrorError(
                        f"the mirror {self.folder.root} cannot be read: {reason}",
                        advice=f"pull it again: nipype-xnat mirror pull {self.folder.root}",
                    ) from error
            return self._reader

    @property
    def _place(self) -> Path:
        return self.folder.state(self._state or self.contents.state)

    # -- changing

    @contextmanager
    def _kept_whole(self, overlay: Overlay) -> Iterator[None]:
        """Let go of the copy where a change that it has does not get into the outbox.

        What is tried again would count as done already, and never wait.
        """
        try:
            yield
        except BaseException:
            with self._lock:
                if self._overlay is overlay:
                    self._overlay = None
            raise

    def _changed(self) -> Overlay:
        """Return the copy that takes changes, with all that waits already in it."""
        with self._lock:
            if self._overlay is None:
                assert self.outbox is not None
                overlay = Overlay(self._place, self.server, self.account)
                applier = Applier(overlay, self.outbox, conflicts="ours", keep=False)
                for entry in self.outbox.waiting():
                    if entry.server == self.server:
                        _apply(applier, entry)
                self._overlay = overlay
            return self._overlay

    def _change(self, request: Request) -> Answer:
        segments = request.address.segments
        if self.outbox is None or segments[:1] != ("data",) or not _CHANGED & {*segments[1:2]}:
            raise NotInMirror(
                "this cannot be done offline",
                server=self.server,
                asked=request.asked,
                advice="do it where the server can be reached",
            )
        overlay = self._changed()
        base = facts_of(overlay, request)
        if is_share(request) and self.contents.wanted(segments[-1]) is None:
            # how that project looks is not known here: the server will tell
            answer = Answer(request, 200, {}, iter(()), server=self.server)
        else:
            answer = overlay.send(request)
        text = answer.read()
        body = request.body
        change = Change(
            request.method,
            str(request.address),
            body.content_type if body else "",
            made_in(overlay, f"{request.address} {_document(body)}"),
            base,
        )
        files = {"body": body.open} if body else {}
        with self._kept_whole(overlay):
            self.outbox.add(self.server, change, files, self.contents.pulled)
        return Answer(request, answer.status, answer.headers, iter([text]), server=self.server)

    @contextmanager
    def storing(
        self,
        resource: Record,
        files: Mapping[str, Path | bytes],
        digests: Mapping[str, str],
        words: Mapping[str, str],
        overwrite: bool,
    ) -> Iterator[Transport]:
        """Give a transport for one transfer, and keep its files as one entry of the outbox.

        Parameters
        ----------
        resource : Record
        files : mapping of str to (path or bytes)
        digests : mapping of str to str
        words : mapping of str to str
        overwrite : bool
        """
        if self.outbox is None:
            raise NotInMirror("there is no outbox to store into", server=self.server)
        overlay = self._changed()
        owner, label = names_of(overlay, resource)
        place = resource.owner / ["resources", label]
        before = files_of(overlay, place) or {}
        # a server without digests: what the mirror holds tells what was there
        for path in [path for path in digests if before.get(path) == ""]:
            before[path] = _digest_of(overlay, place / "files", path)
        with self._kept_whole(overlay):
            yield overlay
            new = {path: digest for path, digest in digests.items() if before.get(path) != digest}
            if new:
                entry = Files(
                    owner,
                    label,
                    new,
                    {path: before.get(path) for path in new},
                    dict(words),
                    overwrite,
                )
                sources = {path: _opener(files[path]) for path in new}
                self.outbox.add(self.server, entry, sources, self.contents.pulled)

    # -- telling what is not there

    def _explained(
        self, request: Request, error: NotFound, archive: Inside
    ) -> NotFound | NotInMirror:
        segments = request.address.segments
        project = segments[segments.index("projects") + 1 :][:1] if "projects" in segments else ()
        held = self.contents.wanted(project[0]) if project else None
        if project and held is None:
            names = ", ".join(one.project for one in self.contents.projects) or "nothing"
            return self._missing(request, f"the mirror holds {names}, not {project[0]}", project[0])
        if "files" in segments and _MISSING_BYTES in error.message:
            return self._missing(request, "the mirror lists this file, but not its bytes")
        if held is not None and not held.criteria:
            return error
        if not project and _is_below_held(archive, request):
            return error  # a session that is held is held with all that is below it
        return self._missing(request, "the mirror does not hold it")

    def _missing(self, request: Request, what: str, project: str = "P") -> NotInMirror:
        return NotInMirror(
            f"{what} (working offline, with {self.folder.root}, pulled {self.contents.pulled})",
            server=self.server,
            asked=request.asked,
            advice="where the server can be reached: nipype-xnat mirror pull "
            f"{self.server} --project {project} --files TEMPLATE {self.folder.root}",
        )

    # -- where a process copies or leaves it

    def __reduce__(self) -> tuple[Any, ...]:
        outbox = None if self.outbox is None else self.outbox.root
        return OfflineTransport, (self.folder.root, self._state, outbox)


log = logging.getLogger("nipype_xnat.mirror")

_READS = frozenset({"GET", "HEAD"})
_HELD = frozenset({"projects", "subjects", "experiments", "search", "scan_types"})
_CHANGED = frozenset({"projects", "subjects", "experiments"})
_MISSING_BYTES = "Unable to find file."


def _apply(applier: Applier, entry: Entry) -> None:
    try:
        applier.apply(entry)
    except XNATError as error:
        # the mirror may have been pulled anew since; the push will tell
        log.warning("what waits cannot be seen here: %s: %s", entry.place, error)


def _digest_of(archive: Inside, files: Address, path: str) -> str:
    """Return the MD5 of a file's bytes; empty where they are not held."""
    found = new_md5()
    try:
        answer = archive.send(Request("GET", files.file(path)))
    except (NotFound, UsageError):  # not held, or of a name that no address can have
        return ""
    with closing(answer):
        for chunk in answer.stream():
            found.update(chunk)
    return found.hexdigest()


def _is_below_held(archive: Inside, request: Request) -> bool:
    """Tell whether the subject or experiment is held below which a request asks."""
    segments = request.address.segments
    if segments[1] not in ("subjects", "experiments") or len(segments) < 4:
        return False
    owner = Address(segments[:3]).ask(format="json")
    try:
        archive.send(Request("GET", owner, expect="json")).close()
    except NotFound:
        return False
    return True


def _opener(content: Path | bytes) -> Source:
    return content if isinstance(content, Path) else partial(io.BytesIO, content)


def _document(body: Body | None) -> str:
    """Return the text of a body in which ids may stand; files are none."""
    if body is None or not re.search("xml|json|form-urlencoded", body.content_type):
        return ""
    with body.open() as stream:
        return stream.read().decode("utf-8", "replace")


def _is_search(request: Request) -> bool:
    return request.method == "POST" and request.address.segments == ("data", "search")
