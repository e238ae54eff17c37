"""Files of the cohort: all of them can be had, and there is room for them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...client import Interface
from ...errors import XNATError
from ...records import Record
from ..connection import named_by
from ..needs import Lacking, Needs, needs_of
from .archives import Archives
from .findings import Finding, error, note, ok, several, warning
from .mounts import existing, mount_of
from .situation import Named, Situation

__all__ = ["Cohort", "cohort_of", "look_at_mirror", "look_at_room", "look_at_what_lacks"]

_BLOCK = 4096
# what Nipype itself writes for a node: its folder, report, inputs, hash, pickle and result; on a
# cluster the pickle, script, batch file and output of its job too
_FILES_OF_A_NODE = 8
_FILES_OF_A_JOB = 4
_FILES_OF_A_FETCH = 2  # the bytes, and a note of who was sent them
_SHOWN = 5


@dataclass
class Cohort:
    """What the nodes will ask for, as far as it could be found out.

    Parameters
    ----------
    files : int
        How many they ask for.
    absent : dict of Path to (dict of Record to Interface)
        Those that have to come, by the cache that they come into.
    lacking : list of Lacking
    projects : dict of str to set of str
        Projects asked about or stored into, by the address of their archive.
    trouble : str
        Why nothing is known.
    """

    files: int = 0
    absent: dict[Path, dict[Record, Interface]] = field(default_factory=dict)
    lacking: list[Lacking] = field(default_factory=list)
    projects: dict[str, set[str]] = field(default_factory=dict)
    trouble: str = ""


def cohort_of(situation: Situation, archives: Archives, instead: dict[str, Any]) -> Cohort:
    """Ask archives, or mirrors, what the nodes will ask them; nothing is fetched."""
    found = Cohort(trouble=archives.trouble)
    if found.trouble:
        return found  # told once, and not for each node

    def archive_of(inputs: Any) -> Interface:
        values = {**named_by(inputs), **instead}
        if "config" in instead:
            values.pop("server", None)
        return archives.of(values)

    for workflow in situation.workflows:
        try:
            needs = needs_of(workflow, archive_of)
        except XNATError as trouble:
            found.trouble = trouble.message
            continue
        found.lacking += needs.lacking
        for server, projects in needs.projects.items():
            found.projects.setdefault(server, set()).update(projects)
        _sort(needs, found)
    return found


def _sort(needs: Needs, found: Cohort) -> None:
    seen: set[tuple[Path, Record]] = set()
    for files in needs.nodes.values():
        for archive, record in files:
            cache = archive.cache
            if (cache.root, record) in seen:
                continue
            seen.add((cache.root, record))
            found.files += 1
            if not record.digest or cache.find(record.digest, record.size) is None:
                found.absent.setdefault(cache.root, {})[record] = archive


def look_at_mirror(named: Named, projects: dict[str, set[str]]) -> Iterator[Finding]:
    """Check that a mirror is whole and holds the projects of the nodes."""
    try:
        from ...mirror import Folder  # needs the local archive, which is an extra
    except ImportError as trouble:
        fact = f"a mirror cannot be read here: {trouble}"
        yield error("mirror.holds", fact, "pip install 'nipype-xnat[archive]'")
        return
    try:
        folder = Folder(named.mirror)
        held = folder.require()
    except XNATError as trouble:
        yield error("mirror.holds", f"{trouble.message}{named.who}", trouble.advice or "")
        return
    account = held.account or "nobody"
    fact = f"{folder.root} is a mirror of {held.server}, pulled {held.pulled} as {account}"
    absent = sorted(projects.get(held.server, set()) - {one.project for one in held.projects})
    if absent:
        yield error(
            "mirror.holds",
            f"{fact}; it does not hold {several(absent)}",
            f"nipype-xnat mirror pull {held.server} --project {absent[0]} {folder.root}, or "
            f"nipype-xnat prefetch --mirror {folder.root} SCRIPT",
        )
    else:
        yield ok("mirror.holds", f"{fact}; it holds {several([str(p) for p in held.projects])}")


def look_at_what_lacks(cohort: Cohort) -> Iterator[Finding]:
    """Check that what nodes ask for is there."""
    if cohort.trouble:
        fact = f"what the nodes will ask for is not known: {cohort.trouble}"
        yield warning("data.found", fact, "mend what is told of the server, and check again")
        return
    lacking = [one for one in cohort.lacking if not one.later]
    for one in lacking[:_SHOWN]:
        fact = f"{one.node} asks for {one.asked}: {one.reason.partition(chr(10))[0]}"
        yield error("data.found", fact, "correct what the node asks for, or pull what it needs")
    if len(lacking) > _SHOWN:
        fact = f"{len(lacking) - _SHOWN} more nodes ask for what is not there"
        yield error("data.found", fact, "see nipype-xnat prefetch --dry-run SCRIPT for all of them")
    later = [one for one in cohort.lacking if one.later]
    if later:
        nodes = several(list(dict.fromkeys(one.node for one in later)))
        yield note("data.later", f"what {nodes} asks for depends on what is computed in the run")
    offline = {
        record: archive
        for files in cohort.absent.values()
        for record, archive in files.items()
        if archive.offline or archive.cache_mode == "offline"
    }
    if offline:
        record = next(iter(offline))
        fact = f"the bytes of {len(offline)} files are not here, such as {record.place}"
        yield error(
            "data.bytes", fact, "nipype-xnat prefetch [--mirror FOLDER] SCRIPT fetches them"
        )
    if not (lacking or offline) and cohort.files:
        yield ok("data.found", f"{cohort.files} files, all of them listed")


@dataclass
class _Need:
    """What is written to one file system."""

    bytes: int = 0
    files: int = 0
    words: list[str] = field(default_factory=list)


def look_at_room(situation: Situation, cohort: Cohort) -> Iterator[Finding]:
    """Check that file systems have room for what comes, as a lower bound."""
    needs: dict[int, tuple[Path, _Need]] = {}
    for cache, files in cohort.absent.items():
        coming = [record for record, archive in files.items() if not archive.offline]
        size = sum(record.size or 0 for record in coming)
        words = f"{_size(size)} in {len(coming)} files to fetch into the cache {cache}"
        _add(needs, cache, size, len(coming) * _FILES_OF_A_FETCH, words)
    each = _FILES_OF_A_NODE + (_FILES_OF_A_JOB if situation.plugin.elsewhere else 0)
    for base in situation.base_dirs:
        new = [
            node
            for node in situation.nodes
            if node.base_dir == str(base) and not os.path.exists(node.output_dir())  # noqa: PTH110  (too long: no)
        ]
        number = len(new) * each
        words = f"{_size(number * _BLOCK)} in {number} files that Nipype itself writes for "
        words += f"{len(new)} nodes in {base}, results of programs not counted"
        _add(needs, base, number * _BLOCK, number, words)
    for path, need in needs.values():
        yield from _compare(path, need)


def _add(
    needs: dict[int, tuple[Path, _Need]], path: Path, size: int, files: int, words: str
) -> None:
    there = existing(path)
    try:
        device = there.stat().st_dev
    except OSError:
        return
    need = needs.setdefault(device, (there, _Need()))[1]
    need.bytes += size
    need.files += files
    need.words.append(words)


def _compare(path: Path, need: _Need) -> Iterator[Finding]:
    try:
        room = os.statvfs(path)
    except OSError as trouble:
        yield note("space.bytes", f"the room of {path} is not told: {trouble.strerror}")
        return
    free = room.f_bavail * room.f_frsize
    where = mount_of(path)
    at_least = f"at least {' and '.join(need.words)}"
    there = f"{_size(free)} are free for this user on {where or path}"
    if need.bytes > free:
        advice = "make room, or name folders on a larger file system"
        yield error("space.bytes", f"{at_least}; {there}", advice)
    else:
        yield ok("space.bytes", f"{at_least}; {there}")
    if room.f_files and need.files > room.f_favail:
        fact = f"at least {need.files} files; {where or path} takes {room.f_favail} more"
        yield error("space.files", fact, "delete files, or ask for more inodes")
    elif room.f_files:
        fact = f"at least {need.files} files; {where or path} takes {room.f_favail} more"
        yield ok("space.files", fact)


def _size(number: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if number < 1000:
            return f"{number:.0f} bytes" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} TB"
