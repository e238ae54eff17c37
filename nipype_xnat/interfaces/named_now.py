"""Whether the files that nodes delivered or stored are what their archives name now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..client import Interface
from ..errors import XNATError
from ..records import Record
from ..select.relisting import relist
from .connection import connect

__all__ = ["Held", "ask"]


@dataclass
class Held:
    """Files of one node, and what came of asking for them.

    Parameters
    ----------
    inputs : ConnectionInputSpec
        How the node names its archive.
    files : tuple of Record
    archive : str
        Address of the archive, as the node recorded it.
    differences : list of str
        In words, each file that is another one now, or is not there any more.
    gone : int
        How many of these are not there.
    unchecked : list of str
        What could not be asked, and why.
    """

    inputs: Any
    files: tuple[Record, ...]
    archive: str = ""
    differences: list[str] = field(default_factory=list)
    gone: int = 0
    unchecked: list[str] = field(default_factory=list)


def ask(held: Iterable[Held], config: Path | None = None) -> None:
    """Ask the archives, each once for all nodes, and note what came of it in ``held``.

    An archive that does not answer leaves its files unchecked.

    Parameters
    ----------
    held : iterable of Held
    config : pathlib.Path, optional
        The file of an account, for the archive that it names, instead of what the nodes name.
    """
    archives: dict[Interface, list[Held]] = {}
    account = {} if config is None else {"config": str(config)}
    server = Interface(config=config, interactive=False).server if config is not None else ""
    for each in held:
        if not each.files:
            continue
        try:
            instead = account if each.archive == server else {}
            archives.setdefault(connect(each.inputs, **instead), []).append(each)
        except XNATError as error:
            each.unchecked.append(f"the archive cannot be asked: {error.message}")
    for archive, members in archives.items():
        try:
            found = relist(archive.transport, (file for each in members for file in each.files))
        except XNATError as error:
            for each in members:
                each.unchecked.append(f"{archive.server} cannot be asked: {error.message}")
            continue
        for each in members:
            for file in each.files:
                if file in found.problems:
                    each.unchecked.append(
                        f"{file.place} cannot be listed: {found.problems[file].message}"
                    )
                else:
                    _compare(each, file, found.now[file], archive.server)


def _compare(held: Held, then: Record, now: Record | None, server: str) -> None:
    if now is None:
        held.gone += 1
        held.differences.append(f"{then.place} is not in {server} any more{_digest(then)}")
    elif then.digest and now.digest:
        if then.digest.lower() != now.digest.lower():
            held.differences.append(
                f"{then.place} had the digest {then.digest} and has {now.digest} in {server} now"
            )
    elif then.size is not None and now.size is not None and then.size != now.size:
        held.differences.append(
            f"{then.place} had {then.size} bytes and has {now.size} in {server} now"
        )
    else:
        held.unchecked.append(f"{server} names no digest of {then.place}")


def _digest(record: Record) -> str:
    return f" (it had the digest {record.digest})" if record.digest else ""
