"""What a job looks at: the same things as this process, seen from the host that computes.

A job gets a file of names: folders, programs, modules, and how nodes name their archives. It holds
no secret, and the answer holds none.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..._version import __version__
from .archives import Archives
from .findings import Finding, error, ok, warning

__all__ = ["ANSWER", "MARK", "QUESTION", "SEEN", "Question", "main"]

QUESTION = "question.json"
ANSWER = "answer.json"
MARK = ".nipype-xnat-check-"
SEEN = ".seen"
_SKEW = 5.0  # seconds


@dataclass(frozen=True)
class Question:
    """What a job is asked.

    Parameters
    ----------
    python, version : str
        Of the interpreter and of this package, where the job was submitted.
    user : int
    folders : list of dict
        ``role``, ``path``, ``written``, and ``mark``: a file that was put there, or that is read.
    archives : list of dict
        Arguments of :class:`nipype_xnat.Interface`, of those that are not offline.
    programs : list of (str, str, str)
        Name, the PATH that a node sets, and a node that needs it.
    modules : dict of str to str
        Packages, each with a node that needs it.
    """

    python: str
    version: str
    user: int
    folders: list[dict[str, Any]] = field(default_factory=list)
    archives: list[dict[str, Any]] = field(default_factory=list)
    programs: list[tuple[str, str, str]] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)


def main(folder: str) -> None:
    """Look, and leave an answer beside the question.

    Parameters
    ----------
    folder : str
        Where the question is.
    """
    host = socket.gethostname()
    asked = Question(**json.loads(Path(folder, QUESTION).read_text(encoding="utf-8")))
    findings = [*_itself(asked, host), *_clock(Path(folder), host)]
    seen = []
    for one in asked.folders:
        found = [*_folder(one, host)]
        findings += found
        if not any(each.level == "error" for each in found):
            seen.append(one["path"])
    findings += [*_programs(asked, host), *_modules(asked, host)]
    archives = Archives(host)
    try:
        for values in asked.archives:
            findings += archives.look_at(values)
    finally:
        archives.close()
    seen += map(str, archives.files)
    answer = {"host": host, "seen": seen, "findings": [asdict(one) for one in findings]}
    making = Path(folder, f"{ANSWER}.making")
    making.write_text(json.dumps(answer), encoding="utf-8")
    making.replace(Path(folder, ANSWER))


def _itself(asked: Question, host: str) -> Iterator[Finding]:
    here = platform.python_version()
    if (here, __version__) == (asked.python, asked.version):
        fact = f"Python {here} and nipype_xnat {__version__}, as here"
        yield ok("job.package", fact, host=host)
    else:
        fact = (
            f"Python {here} ({sys.executable}) and nipype_xnat {__version__}; it was submitted by "
            f"Python {asked.python} and nipype_xnat {asked.version}"
        )
        yield error("job.package", fact, "install the same on all hosts, or share it", host=host)
    if os.geteuid() != asked.user:
        fact = f"the job runs as user {os.geteuid()}, it was submitted by user {asked.user}"
        yield error("job.user", fact, "ask the site: a job must own what it reads", host=host)


def _clock(folder: Path, host: str) -> Iterator[Finding]:
    """Compare this host's clock with that of the file system."""
    path = folder / "clock"
    path.touch()
    skew = time.time() - path.stat().st_mtime
    fact = (
        f"the clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the file system's"
    )
    if abs(skew) > _SKEW:
        advice = "let NTP set the clocks: what is new is told by times"
        yield warning("job.clock", fact, advice, host=host)
    else:
        yield ok("job.clock", "the clock agrees with the file system's", host=host)


def _folder(asked: dict[str, Any], host: str) -> Iterator[Finding]:
    check, path = f"{asked['role']}.in_job", Path(asked["path"])
    mark = Path(asked["mark"])
    advice = "name a folder that all hosts mount at the same place"
    try:
        seen = mark.read_text(encoding="utf-8")
    except OSError as trouble:
        fact = f"{path} is not the folder that it is here ({mark.name}: {trouble.strerror})"
        yield error(check, fact, advice, host=host)
        return
    if seen != asked["text"]:
        fact = f"{path} is another folder than here: {mark.name} differs"
        yield error(check, fact, advice, host=host)
        return
    if not asked["written"]:
        yield ok(check, f"{path} can be read", host=host)
        return
    try:
        mark.with_name(mark.name + SEEN).write_text("seen", encoding="utf-8")
    except OSError as trouble:
        fact = f"{path} cannot be written: {trouble.strerror}"
        yield error(check, fact, "mount it writable, or name another folder", host=host)
        return
    room = os.statvfs(mark.parent)
    free = room.f_bavail * room.f_frsize / 1e9
    yield ok(check, f"{path} can be written, {free:.1f} GB are free", host=host)


def _programs(asked: Question, host: str) -> Iterator[Finding]:
    for name, path, node in asked.programs:
        where = shutil.which(name, path=path or None)
        if where:
            yield ok("programs.in_job", f"{name} is {where}", host=host)
        else:
            fact = f"{name}, needed by {node}, is not on the PATH of jobs"
            advice = "install it on all hosts, or load its environment module in a template"
            yield error("programs.in_job", fact, advice, host=host)


def _modules(asked: Question, host: str) -> Iterator[Finding]:
    missing = [name for name in sorted(asked.modules) if find_spec(name) is None]
    for name in missing:
        fact = f"{name}, needed by {asked.modules[name]}, is not there"
        advice = "install it on all hosts, or put its folder on PYTHONPATH"
        yield error("nodes.in_job", fact, advice, host=host)
    if asked.modules and not missing:
        yield ok("nodes.in_job", f"{len(asked.modules)} packages of the nodes are there", host=host)
