"""Folders: they can be written, other hosts see them, and their names break nothing."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nipype.interfaces.base import CommandLine

from ...errors import ConfigurationError
from .findings import Finding, error, note, ok, warning
from .mounts import existing, mount_of, own_place
from .situation import Named, Plugin, Situation

__all__ = [
    "Folder",
    "folders_of",
    "look_at_crash_folder",
    "look_at_folder",
    "look_at_names",
    "look_at_place",
]

_SHELL = re.compile(r"""[\s()&;|<>$`"'*?\[\]!#~{}\\]""")
_PYTHON = re.compile(r"""['\\\n\r]""")
_SBATCH = re.compile(r"%[0-9]*[%AaJjNnstux]")
_QSUB = re.compile(r"[:,$]")
_LONG_OUTPUT = len("/_report/report.rst")


@dataclass(frozen=True)
class Folder:
    """A folder that jobs use.

    Parameters
    ----------
    role : str
        ``base_dir``, ``cache``, ``layer``, ``mirror`` or ``outbox``.
    path : Path
    written : bool
        Whether jobs write into it.
    """

    role: str
    path: Path
    written: bool = True


def folders_of(situation: Situation) -> list[Folder]:
    """Return the folders that the nodes use, each once."""
    found = [Folder("base_dir", path) for path in situation.base_dirs]
    for named in situation.named:
        found.append(Folder("cache", named.cache))
        found += [Folder("layer", path, written=False) for path in named.layers]
        found += _offline(named)
    return list(dict.fromkeys(found))


def _offline(named: Named) -> Iterator[Folder]:
    if not named.offline:
        return
    try:
        mirror = named.mirror
    except ConfigurationError:
        return  # told where the mirror is looked at
    yield Folder("mirror", mirror, written=False)
    if named.sinks:
        yield Folder("outbox", named.outbox)


def look_at_folder(folder: Folder) -> Iterator[Finding]:
    """Check that a folder is there, or can be made, and can be used."""
    check, path = f"{folder.role}.usable", folder.path
    there = existing(path)
    if not folder.written and there != path:
        yield error(check, f"{path} does not exist", "make it, or name another folder")
    elif not there.is_dir():
        yield error(check, f"{there} is no folder", "name a folder")
    elif not folder.written:
        if os.access(path, os.R_OK | os.X_OK):
            yield ok(check, f"{path} can be read")
        else:
            yield error(check, f"{path} cannot be read by this user", "ask its owner for the right")
    elif trouble := _unwritable(there):
        what = "written" if there == path else f"made: {there} cannot be written"
        yield error(
            check, f"{path} cannot be {what} ({trouble})", "name a folder of this user's own"
        )
    else:
        yield ok(check, f"{path} can be {'written' if there == path else 'made'}")


def _unwritable(folder: Path) -> str:
    """Say why a file cannot be made in a folder; only an attempt tells, as on a read-only mount."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as trouble:
        return str(trouble.strerror)


def look_at_place(folder: Folder, seen_from: Mapping[Path, str], here: str) -> Iterator[Finding]:
    """Check that other hosts see a folder.

    Parameters
    ----------
    folder : Folder
    seen_from : mapping of Path to str
        Hosts whose jobs proved that they see it.
    here : str
        Name of this host.
    """
    check, path = f"{folder.role}.shared", folder.path
    mount, own = mount_of(path), own_place(path)
    host = seen_from.get(path, "")
    if host and host != here:
        yield ok(check, f"{path} is seen by a job on {host}")
        return
    if mount is not None and mount.shared and not own:
        yield ok(check, f"{path} is on {mount}")
        return
    on = f" on {mount}" if mount else ""
    local = (mount is not None and mount.in_memory) or bool(own)
    what = f"{path} is{on}" + (f", below {own}" if own else "")
    advice = "name a folder on a file system that all hosts mount, such as NFS or Lustre"
    if host:
        fact = f"{what}; a job saw it, but on this host, which proves nothing for others"
        yield warning(check, fact, f"{advice}, unless this host runs all jobs")
    elif local:
        yield error(check, f"{what}: each host has one of its own", advice)
    else:
        fact = f"{what}, which is no network file system by its type"
        yield warning(check, fact, f"{advice}, unless this host exports it; a job can prove it")


def look_at_names(situation: Situation) -> Iterator[Finding]:
    """Check that there is a base_dir, and that its name and the nodes' names can be used."""
    plugin = situation.plugin
    for name in situation.without_base_dir:
        fact = f"the workflow {name} has no base_dir"
        advice = "give Workflow(base_dir=...) a folder, on a cluster one that all hosts see"
        if plugin.elsewhere:
            yield error("base_dir.set", f"{fact}, and {plugin} needs one", advice)
        else:
            fact += ": each node runs in a temporary folder, and nothing is found by the next run"
            yield warning("base_dir.set", fact, advice)
    for path in situation.base_dirs:
        yield ok("base_dir.set", str(path))
        if plugin.elsewhere:
            yield from _characters(str(path), plugin, situation)
    yield from _lengths(situation)


def _characters(path: str, plugin: Plugin, situation: Situation) -> Iterator[Finding]:
    check = "base_dir.characters"
    advice = "name a folder of letters, digits and ._-/ only"
    if found := _PYTHON.search(path):
        fact = f"{path} holds {found[0]!r}, which ends the text in the script that Nipype writes"
        yield error(check, fact, advice)
        return
    special = _SBATCH.search(path) if plugin.slurm else _QSUB.search(path)
    if plugin.cluster and special:
        program = "sbatch" if plugin.slurm else "qsub"
        fact = f"{path} holds {special[0]!r}, which {program} reads otherwise in its option -o"
        yield error(check, f"{fact}: jobs are refused, or end at once", advice)
        return
    shell = _SHELL.search(path)
    if shell and not plugin.own:
        fact = f"{path} holds {shell[0]!r}: {plugin} hands it to a shell without quotes"
        own = f"or run with plugin=cluster_plugin({plugin.name!r})"
        yield error(check, fact, f"{advice}, {own}" if plugin.cluster else advice)
        return
    commands = [node for node in situation.nodes if isinstance(node.interface, CommandLine)]
    if shell and commands:
        fact = f"{path} holds {shell[0]!r}, and Nipype quotes no file name in a command line"
        yield warning(check, f"{fact}, as in {commands[0].fullname}", advice)
        return
    yield ok(check, f"{path} holds nothing that a shell or a scheduler reads otherwise")


def _lengths(situation: Situation) -> Iterator[Finding]:
    """Check the longest paths of node folders and batch files."""
    for base in situation.base_dirs:
        nodes = [node for node in situation.nodes if node.base_dir == str(base)]
        if not nodes:
            continue
        most_path, most_name = _limits(existing(base))
        longest = max(nodes, key=lambda node: len(os.fsencode(node.output_dir())))
        length = len(os.fsencode(longest.output_dir())) + _LONG_OUTPUT
        advice = "give a shorter base_dir, and shorter names to workflows and nodes"
        if length > most_path:
            fact = f"{longest.fullname} needs paths of {length} bytes, {most_path} are possible"
            yield error("base_dir.length", fact, advice)
            continue
        named = max(nodes, key=lambda node: len(os.fsencode(_batch_name(node))))
        size = len(os.fsencode(_batch_name(named)))
        if situation.plugin.elsewhere and size > most_name:
            fact = (
                f"the batch file of {named.fullname} has a name of {size} bytes, {most_name} are "
                "possible"
            )
            yield error("base_dir.length", fact, advice)
            continue
        yield ok("base_dir.length", f"paths of at most {length} bytes, {most_path} are possible")


def _batch_name(node: Any) -> str:
    """Return the longest of the names that Nipype gives to the batch files of a node."""
    inner = ".".join(filter(None, (node._hierarchy, node._id)))
    return f"batchscript_pyscript_20000101_000000_{inner}.sh.o"


def _limits(folder: Path) -> tuple[int, int]:
    try:
        return os.pathconf(folder, "PC_PATH_MAX"), os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError):
        return 4096, 255


def look_at_crash_folder(situation: Situation) -> Iterator[Finding]:
    """Check that crash files can be written where Nipype puts them."""
    given = situation.execution.get("crashdump_dir")
    if not given or not situation.nodes:
        return
    path = Path(str(given)).absolute()
    there = existing(path)
    if not there.is_dir() or _unwritable(there):
        fact = f"crash files go to {path}, which cannot be written"
        yield error("crashdump_dir.usable", fact, "set execution.crashdump_dir to another folder")
    elif situation.plugin.graph and own_place(path) and path not in situation.base_dirs:
        fact = f"crash files go to {path}, written by jobs on whichever host they run"
        yield note("crashdump_dir.usable", fact, "set execution.crashdump_dir to a shared folder")
    else:
        yield ok("crashdump_dir.usable", f"crash files go to {path}")
