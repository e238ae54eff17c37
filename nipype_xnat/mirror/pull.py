"""Pulling: part of a server becomes a mirror, or a mirror what the server holds now."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from .. import search, transfer
from ..address import Address
from ..cohort import find_files, parse_template
from ..errors import AnswerError, NotAllowed, NotFound, SelectSyntaxError, UsageError
from ..records import Record
from ..transport import Request, Transport
from .changes import Changes, compare, referenced
from .folder import Contents, Folder, Wanted, written
from .fresh import Fresh
from .lists import ProjectLists, Tick
from .offline import OfflineTransport
from .types import Types
from .writer import writing

__all__ = ["Pulled", "pull"]

log = logging.getLogger("nipype_xnat.mirror")

_AT_ONCE = 500  # files handed to one transfer: what is known of them fits into little memory
# what is asked of any server, whatever the project, and cannot be told from its tables
_KEPT = ("/xapi/siteConfig/buildInfo", "/data/search/elements?format=json")
_EVERYTHING = (
    "/projects/{}/resources/*/files/*",
    "/projects/{}/subjects/*/resources/*/files/*",
    "/projects/{}/experiments/*/resources/*/files/*",
    "/projects/{}/experiments/*/scans/*/resources/*/files/*",
    "/projects/{}/experiments/*/assessors/*/resources/*/files/*",
    "/projects/{}/experiments/*/assessors/*/in_resources/*/files/*",
    "/projects/{}/experiments/*/assessors/*/out_resources/*/files/*",
    "/projects/{}/experiments/*/reconstructions/*/in_resources/*/files/*",
    "/projects/{}/experiments/*/reconstructions/*/out_resources/*/files/*",
)


@dataclass
class Pulled:
    """What a pull did, or would do.

    Parameters
    ----------
    changes : Changes
        What differs from the mirror before.
    fetched, already_here : int
        Files whose bytes came, and files whose bytes were there.
    bytes : int
        That crossed the network for them.
    removed, freed : int
        Files whose bytes are not held any longer, and how many bytes they had.
    failed : list of (str, str)
        Places of the files that did not come, and why. Pull again to get them.
    unread : dict of str to str
        Types of the site's own whose schema the server does not show (or that is not understood),
        and the more general types whose fields are held of their elements.
    dry_run : bool
    """

    changes: Changes
    fetched: int = 0
    already_here: int = 0
    bytes: int = 0
    removed: int = 0
    freed: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    dry_run: bool = False

    def __str__(self) -> str:
        would = "would be " if self.dry_run else ""
        lines = [str(self.changes)]
        lines.append(
            f"files: {self.fetched} {would}fetched ({self.bytes} bytes), "
            f"{self.already_here} here already, {self.removed} {would}removed "
            f"({self.freed} bytes), {len(self.failed)} failed"
        )
        lines += [f"failed: {place}: {reason}" for place, reason in self.failed]
        lines += [
            f"{name}: only the fields of {general} are held, the schema of the server is not known"
            for name, general in sorted(self.unread.items())
        ]
        return "\n".join(lines)


def pull(
    transport: Transport,
    root: Path | str,
    wanted: Iterable[Wanted] = (),
    *,
    also: Iterable[Record] = (),
    without: Iterable[str] = (),
    dry_run: bool = False,
    connections: int = 8,
    progress: Callable[[transfer.Progress], object] | None = None,
    tick: Tick | None = None,
) -> Pulled:
    """Bring a mirror to what the server holds now.

    Everything is listed again; only bytes whose digest changed are fetched. What is interrupted
    leaves the mirror as it was, and the files that came are not fetched again.

    Parameters
    ----------
    transport : Transport
        The server.
    root : path
        The mirror's folder; made where it is missing.
    wanted : iterable of Wanted
        Projects to add, or to hold in another extent. Those that the mirror holds are pulled too.
    also : iterable of Record
        Files whose bytes are fetched besides those that the projects' templates name. They stay
        until the server lists other ones in their place.
    without : iterable of str
        Projects that the mirror shall not hold any longer.
    dry_run : bool
        List and compare, and change nothing.
    connections : int
        Most files at once.
    progress : callable, optional
        Gets the progress of each file, see :func:`nipype_xnat.transfer.fetch`.
    tick : callable, optional
        Gets what was listed, and how many.

    Returns
    -------
    Pulled

    Raises
    ------
    MirrorError
        If the folder holds something else or cannot be written, or somebody else pulls into it.
    NotAllowed, NotFound
        If a project is not there (any more), or this account may not see it. The mirror stays as it
        was.
    UsageError
        If no project is named, a template is about another project, or the mirror is of another
        server.
    """
    folder = Folder(root)
    wanted = [_checked(one) for one in wanted]
    before = folder.read() or Contents(transport.server, transport.account)
    if before.server != transport.server:
        raise UsageError(
            f"{folder.root} is a mirror of {before.server}, not of {transport.server}",
            advice="pull into a folder of its own",
        )
    contents = before.with_projects(wanted, without)
    if not contents.projects:
        raise UsageError("no project to pull", advice="name one: --project P")
    room = "make room on its disk, or pull into another folder; what came is not fetched again"
    with written(f"the mirror {folder.root}", room), folder.pulling():
        work = _Pull(Fresh(transport), folder, contents, also, dry_run, connections, progress)
        return work.run(tick)


def _checked(one: Wanted) -> Wanted:
    """Refuse what cannot be pulled before anything is asked."""
    if one.criteria:
        search.parse(one.criteria)
    for template in one.files:
        for path in parse_template(template):
            step = path.step("project")
            if step is None or not step.exact or step.pattern.text != one.project:
                raise SelectSyntaxError(
                    f"the template is not about the project {one.project}",
                    asked=template,
                    advice=f"/projects/{one.project}/experiments/*/scans/*/resources/*/files/*",
                )
    return one


class _Pull:
    """One pull, while it runs."""

    def __init__(
        self,
        transport: Transport,
        folder: Folder,
        contents: Contents,
        also: Iterable[Record],
        dry_run: bool,
        connections: int,
        progress: Callable[[transfer.Progress], object] | None,
    ) -> None:
        self.transport = transport
        self.folder = folder
        self.contents = contents
        self.also = also
        self.dry_run = dry_run
        self.connections = connections
        self.progress = progress
        self.types = Types.of_server(transport)

    def run(self, tick: Tick | None) -> Pulled:
        name, place = self.folder.new_state()
        published = False
        try:
            self._list(place, tick)
            old = self.folder.state(self.contents.state) if self.contents.state else None
            result = Pulled(
                self._compared(old, place), unread=self.types.unread, dry_run=self.dry_run
            )
            self._fetch_all(name, place, result)
            if not self.dry_run:
                self._publish(name)
                published = True
            self._remove(place, result)
        finally:
            if not published:
                self.folder.drop_state(name)
        return result

    def _compared(self, old: Path | None, new: Path) -> Changes:
        try:
            return compare(old, new)
        except sqlite3.DatabaseError as error:
            log.warning("the state before cannot be read, all counts as new: %s", error)
            return compare(None, new)

    def _list(self, place: Path, tick: Tick | None) -> None:
        with writing(place, self.types) as writer:
            for one in self.contents.projects:
                allowed = None
                if one.criteria:
                    criteria = search.parse(one.criteria)
                    allowed = search.matching_ids(self.transport, criteria, "experiment")
                self._list_one(ProjectLists(self.transport, writer, one, allowed, tick))

    def _list_one(self, lists: ProjectLists) -> None:
        try:
            lists.write()
        except (NotAllowed, NotFound) as error:
            advice = "check its name, and whether this account may see it"
            if self.contents.state:
                advice += "; the mirror stays as it was. To pull the others, and to let go of "
                advice += f"what is held of it: --without {lists.project}"
            raise type(error)(
                f"the project {lists.project!r} cannot be listed: {error.message}",
                server=error.server,
                asked=error.asked,
                status=error.status,
                advice=advice,
            ) from error

    def _publish(self, name: str) -> None:
        kept = dict(self._kept())
        contents = Contents(
            self.contents.server, self.transport.account, self.contents.projects, name, "", kept
        )
        self.folder.publish(contents)
        # the state before stays for those who read it now
        for older in self.folder.states():
            if older not in (name, self.contents.state):
                self.folder.drop_state(older)

    def _kept(self) -> Iterator[tuple[str, str]]:
        for target in _KEPT:
            request = Request("GET", Address.parse(target), expect="json")
            try:
                yield str(request.address), self.transport.send(request).text()
            except AnswerError as error:
                log.info("%s is not kept: %s", target, error.message)

    # -- bytes

    def _fetch_all(self, name: str, place: Path, result: Pulled) -> None:
        listed = OfflineTransport(self.folder.root, name)
        unnamed: list[Record] = []
        try:
            files = self._wanted(listed)
            while chunk := list(islice(files, _AT_ONCE)):
                if self.dry_run:
                    self._would_fetch(chunk, result)
                else:
                    unnamed += self._fetch_chunk(chunk, result)
        finally:
            listed.close()
        if unnamed:
            with writing(place, self.types) as writer:
                for record in unnamed:
                    writer.blob(record, record.digest)

    def _wanted(self, listed: Transport) -> Iterator[Record]:
        """Yield the files whose bytes are to be held."""
        for one in self.contents.projects:
            if one.bytes and one.files:
                for template in one.files:
                    for found in find_files(listed, parse_template(template)):
                        yield found.record
                        yield from found.companions
            elif one.bytes:
                yield from self._all_of(listed, one.project)
        yield from self.also

    def _all_of(self, listed: Transport, project: str) -> Iterator[Record]:
        """Yield all files of a project, each once: some resources have two places in the tree."""
        before: set[str] = set()
        for template in _EVERYTHING:
            here: set[str] = set()
            for found in find_files(listed, parse_template(template.format(project))):
                here.add(found.record.resource_id)
                if found.record.resource_id not in before:
                    yield found.record
            before |= here

    def _would_fetch(self, chunk: Sequence[Record], result: Pulled) -> None:
        for record in chunk:
            if self._is_here(record):
                result.already_here += 1
            else:
                result.fetched += 1
                result.bytes += record.size or 0

    def _is_here(self, record: Record) -> bool:
        digest = record.digest
        return bool(digest) and self.folder.bytes.find(digest, record.size) is not None

    def _fetch_chunk(self, chunk: Sequence[Record], result: Pulled) -> list[Record]:
        """Fetch files, and return those whose digest only the bytes told."""
        wanted = [record for record in chunk if not self._is_here(record)]
        result.already_here += len(chunk) - len(wanted)
        unnamed = {_key(record) for record in wanted if not record.digest}
        fetched = self._fetch(wanted, result)
        for got in fetched:
            # the same bytes under another name came a moment ago, or the server confirmed them
            known = got.action in (transfer.Action.USE, transfer.Action.REVALIDATE)
            result.already_here += known
            result.fetched += not known
            result.bytes += got.bytes
        return [got.record for got in fetched if _key(got.record) in unnamed]

    def _fetch(self, chunk: Sequence[Record], result: Pulled) -> list[transfer.Fetched]:
        fetched, failed = transfer.fetch_what_comes(
            self.transport,
            chunk,
            self.folder.bytes,
            connections=self.connections,
            progress=self.progress,
        )
        result.failed += [(record.place, str(error)) for record, error in failed]
        return fetched

    def _remove(self, place: Path, result: Pulled) -> None:
        """Remove the bytes that no listing of the mirror names any longer."""
        with referenced(place) as is_named:
            for path in (self.folder.root / "bytes" / "objects").glob("*/*"):
                if not is_named(path.name):
                    result.removed += 1
                    result.freed += path.stat().st_size
                    if not self.dry_run:
                        path.unlink(missing_ok=True)


def _key(record: Record) -> tuple[str, str]:
    return record.resource_id, record.path
