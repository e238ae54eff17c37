"""Prefetch: all that a workflow will ask an archive for is fetched before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nipype import Workflow
from nipype.interfaces.base import isdefined

from .. import transfer
from ..client import Interface
from ..errors import UsageError, XNATError
from ..records import Record
from ..select.listings import Listings
from .connection import connect
from .needs import Lacking, Needs, needs_of

__all__ = ["Prefetched", "prefetch"]

_AGE = 60.0  # seconds for which a listing serves further nodes that ask for the same


@dataclass
class Prefetched:
    """What a prefetch found and did.

    Parameters
    ----------
    nodes : dict of str to (int, int)
        For each node that fetches, the number of its files and their bytes.
    fetched, already_here : int
        Files that came (or, in a dry run, would come), and files that were here.
    bytes : int
        That crossed the network for them, or would.
    lacking : list of Lacking
        What was not found, did not come, or is not known before the run.
    dry_run : bool
    """

    nodes: dict[str, tuple[int, int]] = field(default_factory=dict)
    fetched: int = 0
    already_here: int = 0
    bytes: int = 0
    lacking: list[Lacking] = field(default_factory=list)
    dry_run: bool = False

    @property
    def complete(self) -> bool:
        """Whether the workflow needs no download any more."""
        return not self.lacking and (not self.dry_run or not self.fetched)

    @property
    def exit_code(self) -> int:
        """What a program ends with: 0, or 1 where something is missing."""
        return 1 if self.lacking else 0

    def __str__(self) -> str:
        width = max(map(len, self.nodes), default=0)
        lines = [
            f"{name:<{width}}  {files:>6} files  {size:>14} bytes"
            for name, (files, size) in self.nodes.items()
        ]
        would = "would be " if self.dry_run else ""
        lines.append(
            f"{self.fetched} files {would}fetched ({self.bytes} bytes), {self.already_here} here "
            f"already, {len(self.lacking)} missing"
        )
        lines += [f"missing: {one}" for one in self.lacking]
        return "\n".join(lines)


def prefetch(
    workflow: Workflow | Iterable[Workflow],
    *,
    mirror: Path | str | None = None,
    config: Path | str | None = None,
    cache_dir: Path | str | None = None,
    dry_run: bool = False,
    connections: int = 8,
    progress: Callable[[transfer.Progress], object] | None = None,
    looked: Callable[[str, int], object] | None = None,
) -> Prefetched:
    """Fetch what the nodes of a workflow will ask for, so that they can run where no server is.

    XNATQuery and XNATSource nodes are found behind iterables, joins, MapNodes and nested workflows,
    and asked as in a run; nothing is computed. What depends on a computed value is reported.

    Parameters
    ----------
    workflow : Workflow, or iterable of them
        They are left as they are.
    mirror : path, optional
        Make or complete a mirror that holds the projects of the workflow, its sinks' too, and the
        bytes of the files that its nodes fetch; run the nodes with ``offline=True`` then. Without
        it files go into the cache of the nodes.
    config : path, optional
        Configuration file to connect with instead of what the nodes name.
    cache_dir : path, optional
        Cache to fetch into instead of what the nodes name.
    dry_run : bool
        Say how many files and bytes would come.
    connections : int
        Most files at once.
    progress : callable, optional
        Gets the progress of each file, see :func:`nipype_xnat.transfer.fetch`.
    looked : callable, optional
        Gets the name of each node that was looked at, and its number of files.

    Returns
    -------
    Prefetched

    Raises
    ------
    UsageError
        If a mirror is to hold files of several servers.
    CannotReachServer, NotLoggedIn
        What came is not fetched again.
    """
    instead: dict[str, Any] = {
        "offline": False,
        "cache_mode": "online",
        "connections": connections,
        "metadata_age": _AGE,
    }
    if config is not None:
        instead["config"] = str(Path(config).expanduser().absolute())
    if cache_dir is not None:
        instead["cache"] = str(Path(cache_dir).expanduser().absolute())

    server = _server_of(mirror)

    def archive_of(inputs: Any) -> Interface:
        named = isdefined(inputs.server) or isdefined(inputs.config) or "config" in instead
        return connect(inputs, **instead, **({} if named or not server else {"server": server}))

    result = Prefetched(dry_run=dry_run)
    for one in [workflow] if isinstance(workflow, Workflow) else workflow:
        needs = needs_of(one, archive_of, looked)
        result.lacking += needs.lacking
        for name, files in needs.nodes.items():
            sizes = [record.size or 0 for _, record in files]
            result.nodes[name] = (len(sizes), sum(sizes))
        if mirror is not None:
            _into_mirror(needs, Path(mirror), result, connections, progress)
        else:
            _into_caches(needs, result, connections, progress)
    return result


def _server_of(mirror: Path | str | None) -> str:
    """Return whose mirror it is, for nodes that name nothing else."""
    if mirror is None:
        return ""
    from ..mirror import Folder  # needs the local archive, which is an extra

    held = Folder(mirror).read()
    return held.server if held else ""


def _into_caches(
    needs: Needs,
    result: Prefetched,
    connections: int,
    progress: Callable[[transfer.Progress], object] | None,
) -> None:
    """Fetch into the caches that the nodes use."""
    groups: dict[tuple[int, bool], tuple[Interface, dict[Record, None]]] = {}
    for archive, record in _each(needs):
        listed = record not in needs.unlisted
        group = groups.setdefault((id(archive), listed), (archive, {}))
        group[1][record] = None
    for (_, listed), (archive, files) in groups.items():
        records = list(files)
        here = {record for record in records if _is_here(archive.cache, record)}
        result.already_here += len(here)
        if result.dry_run:
            result.fetched += len(records) - len(here)
            result.bytes += sum(record.size or 0 for record in records if record not in here)
            continue
        came, failed = transfer.fetch_what_comes(
            archive.transport,
            records,
            archive.cache,
            connections=connections,
            progress=progress,
            listed=listed,
        )
        result.fetched += len(records) - len(failed) - len(here)
        result.bytes += sum(got.bytes for got in came)
        for record, error in failed:
            _lack(needs, result, record, error)


def _is_here(cache: Any, record: Record) -> bool:
    return bool(record.digest) and cache.find(record.digest, record.size) is not None


def _each(needs: Needs) -> Iterable[tuple[Interface, Record]]:
    return (each for files in needs.nodes.values() for each in files)


def _lack(needs: Needs, result: Prefetched, record: Record, error: XNATError | str) -> None:
    for name, files in needs.nodes.items():
        if any(wanted == record for _, wanted in files):
            result.lacking.append(Lacking(name, record.place, str(error)))


def _into_mirror(
    needs: Needs,
    root: Path,
    result: Prefetched,
    connections: int,
    progress: Callable[[transfer.Progress], object] | None,
) -> None:
    """Pull a mirror of the projects, with the bytes of these files."""
    from .. import mirror  # needs the local archive, which is an extra

    if not needs.archives:
        return
    if len(needs.archives) > 1:
        raise UsageError(
            "a mirror is of one server, and the workflow asks " + ", ".join(needs.archives),
            advice="give each server's nodes a workflow, and a mirror, of their own",
        )
    ((server, archive),) = needs.archives.items()
    records = list(dict.fromkeys(record for _, record in _each(needs)))
    folder = mirror.Folder(root)
    if result.dry_run:
        missing = [record for record in records if not _is_here(folder.bytes, record)]
        result.fetched += len(missing)
        result.already_here += len(records) - len(missing)
        result.bytes += sum(record.size or 0 for record in missing)
        return
    held = folder.read()
    wanted = []
    known_there = {found.project for found in Listings(archive.transport).projects()}
    for project in sorted(needs.projects.get(server, ())):
        if project not in known_there:
            reason = f"{server} has no such project, or this account may not see it"
            result.lacking.append(Lacking("mirror", f"project {project}", reason))
            continue
        known = held.wanted(project) if held else None
        if known is None or known.criteria:
            # all listings, so that what is not found offline is known to be absent
            wanted.append(mirror.Wanted(project, bytes=False))
    if not (wanted or held):
        return
    pulled = mirror.pull(
        archive.transport,
        root,
        wanted,
        also=records,
        connections=connections,
        progress=progress,
    )
    result.fetched += pulled.fetched
    result.already_here += pulled.already_here
    result.bytes += pulled.bytes
    places = {record.place: record for record in records}
    for place, reason in pulled.failed:
        if place in places:
            _lack(needs, result, places[place], reason)
        else:
            result.lacking.append(Lacking("mirror", place, reason))
