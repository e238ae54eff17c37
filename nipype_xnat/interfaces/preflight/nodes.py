"""Nodes: they can be sent to jobs, hold no secret, and find their programs."""

from __future__ import annotations

import io
import json
import os
import pickle
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nipype.interfaces.base import CommandLine, isdefined

from .findings import Finding, error, note, ok, several, warning
from .situation import Situation

__all__ = ["Sent", "look_at_programs", "look_at_variables", "programs_of", "sent"]

_LEAST = 8  # shorter words stand in a pickle by chance
_FSL_TYPES = ("NIFTI", "NIFTI_PAIR", "NIFTI_GZ", "NIFTI_PAIR_GZ")

# told on standard input which modules are sought; nothing of them is imported
_FINDS = """
import json, sys
from importlib.util import find_spec
print(json.dumps([name for name in json.load(sys.stdin) if find_spec(name) is None]))
"""


class Sent:
    """What nodes are made of, as far as a job must find it.

    Parameters
    ----------
    findings : list of Finding
    modules : dict of str to str
        Packages of their classes and functions, each with a node that needs it.
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.modules: dict[str, str] = {}


class _Noting(pickle.Pickler):
    """Notes the classes and functions that are pickled by their names."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream)
        self.seen: dict[tuple[str, str], None] = {}

    def reducer_override(self, thing: Any) -> Any:
        """See :class:`pickle.Pickler`."""
        name = getattr(thing, "__qualname__", None)
        if isinstance(name, str) and (isinstance(thing, type) or callable(thing)):
            self.seen[(str(getattr(thing, "__module__", "")), name)] = None
        return NotImplemented


def sent(situation: Situation, secrets: frozenset[str]) -> Sent:
    """Pickle the nodes as Nipype does for its jobs, and look at what comes of it.

    Parameters
    ----------
    situation : Situation
    secrets : frozenset of str
        Passwords of the accounts in use; they are compared and never shown.
    """
    found = Sent()
    long = [secret.encode() for secret in secrets if len(secret) >= _LEAST]
    main: dict[str, str] = {}
    failed: dict[str, list[str]] = {}
    holding: list[str] = []
    for node in situation.nodes:
        stream, name = io.BytesIO(), str(node.fullname)
        pickler = _Noting(stream)
        try:
            pickler.dump(node)
        except Exception as trouble:  # a user's class may raise anything
            if not any(module == "__main__" for module, _ in pickler.seen):
                failed.setdefault(f"{type(trouble).__name__}: {trouble}", []).append(name)
        for module, word in pickler.seen:
            if module == "__main__":
                main.setdefault(word, name)
            else:
                found.modules.setdefault(module.partition(".")[0], name)
        if any(secret in stream.getvalue() for secret in long):
            holding.append(name)
    if not situation.plugin.elsewhere:
        main.clear()  # processes of this host load it again, or have it
    found.findings += _pickled(main, failed, holding, len(situation.nodes))
    if situation.plugin.elsewhere:
        found.findings += _modules(found.modules)
    return found


def _pickled(
    main: Mapping[str, str], failed: Mapping[str, list[str]], holding: list[str], number: int
) -> Iterator[Finding]:
    for word, name in main.items():
        fact = f"the node {name} holds {word} of the script itself, which no job can load"
        advice = "move it into a module that is installed, or whose folder PYTHONPATH names"
        yield error("nodes.main", fact, advice)
    for trouble, names in failed.items():
        fact = f"{several(names)} cannot be pickled, which Nipype does to each: {trouble}"
        yield error("nodes.pickle", fact, "give the node plain values, and functions by their text")
    if holding:
        fact = f"the password of an account is in the pickle of {several(holding)}"
        yield error("nodes.secrets", fact, "name a configuration file or netrc instead")
    if number and not (main or failed or holding):
        yield ok("nodes.pickle", f"{number} nodes can be pickled, and hold no password")


def _modules(modules: Mapping[str, str]) -> Iterator[Finding]:
    for name in _missing(sorted(modules)):
        yield error(
            "nodes.modules",
            f"the node {modules[name]} needs {name}, which a job does not find: what a "
            "script adds to sys.path, and its own folder, do not arrive there",
            "install it, or put its folder on PYTHONPATH",
        )


def _missing(names: list[str]) -> list[str]:
    """Return the packages that a new interpreter, in another folder, does not find."""
    if not names:
        return []
    done = subprocess.run(  # noqa: S603  (a list, no shell)
        [sys.executable, "-c", _FINDS],
        input=json.dumps(names),
        capture_output=True,
        text=True,
        check=False,
        cwd="/",  # -c would look into this folder, where a job does not run
    )
    return list(json.loads(done.stdout)) if done.returncode == 0 else []


def programs_of(situation: Situation) -> dict[tuple[str, str], list[str]]:
    """Return the programs of the nodes, by name and the PATH that a node sets, with the nodes."""
    found: dict[tuple[str, str], list[str]] = {}
    for node in situation.nodes:
        interface = node.interface
        if not isinstance(interface, CommandLine):
            continue
        try:
            words = shlex.split(f"{interface._cmd_prefix}{interface.cmd}")
        except (ValueError, NotImplementedError):
            continue
        environ = interface.inputs.environ if isdefined(interface.inputs.environ) else {}
        if words:
            key = words[0], str(environ.get("PATH", ""))
            found.setdefault(key, []).append(str(node.fullname))
    return found


def look_at_programs(situation: Situation) -> Iterator[Finding]:
    """Check that the programs of command line nodes are here."""
    for (name, path), nodes in programs_of(situation).items():
        where = shutil.which(name, path=path or None)
        if where:
            yield ok("programs.here", f"{name} is {where}")
        elif situation.plugin.elsewhere:
            fact = f"{name}, needed by {several(nodes)}, is not on the PATH here, and jobs get it"
            yield warning("programs.here", fact, f"install {name}, or load its environment module")
        else:
            fact = f"{name}, needed by {several(nodes)}, is not on the PATH"
            yield error("programs.here", fact, f"install {name}, or load its environment module")


def look_at_variables(situation: Situation, environment: Mapping[str, str]) -> Iterator[Finding]:
    """Check the variables of FSL and FreeSurfer, where nodes use them."""
    kinds = {kind: _of_package(situation, kind) for kind in ("fsl", "freesurfer")}
    if kinds["fsl"]:
        yield from _fsl(kinds["fsl"], environment)
    if kinds["freesurfer"]:
        yield from _freesurfer(kinds["freesurfer"], environment)


def _of_package(situation: Situation, package: str) -> list[Any]:
    prefix = f"nipype.interfaces.{package}."
    return [
        node
        for node in situation.nodes
        if isinstance(node.interface, CommandLine)
        and any(base.__module__.startswith(prefix) for base in type(node.interface).__mro__)
    ]


def _fsl(nodes: list[Any], environment: Mapping[str, str]) -> Iterator[Finding]:
    given = environment.get("FSLOUTPUTTYPE")
    if given and given not in _FSL_TYPES:
        fact = f"FSLOUTPUTTYPE is {given!r}, which Nipype ends at with a KeyError"
        yield error("variables.FSLOUTPUTTYPE", fact, f"one of {', '.join(_FSL_TYPES)}")
    elif not given:
        fact = "FSLOUTPUTTYPE is not set: nodes without output_type write uncompressed NIFTI"
        yield note("variables.FSLOUTPUTTYPE", fact, "export FSLOUTPUTTYPE=NIFTI_GZ")
    else:
        yield ok("variables.FSLOUTPUTTYPE", given)
    yield from _folder("FSLDIR", nodes, environment, "FSL's own programs end without it")


def _freesurfer(nodes: list[Any], environment: Mapping[str, str]) -> Iterator[Finding]:
    needed = "FreeSurfer's own programs end without it"
    yield from _folder("FREESURFER_HOME", nodes, environment, needed)
    given, home = environment.get("FS_LICENSE"), environment.get("FREESURFER_HOME")
    licence = Path(given) if given else Path(home, "license.txt") if home else None
    if licence is not None and os.access(licence, os.R_OK):
        yield ok("variables.FS_LICENSE", f"{licence} can be read")
    else:
        fact = f"no licence of FreeSurfer: {licence or 'FS_LICENSE names none'}"
        fact += " cannot be read" if licence else ""
        yield warning("variables.FS_LICENSE", fact, "export FS_LICENSE=FILE")
    without = [
        str(node.fullname)
        for node in nodes
        if not isdefined(getattr(node.inputs, "subjects_dir", None))
        or not getattr(node.inputs, "subjects_dir", None)
    ]
    if without and not environment.get("SUBJECTS_DIR"):
        fact = f"{several(without)} has no subjects_dir, and SUBJECTS_DIR is not set"
        yield note("variables.SUBJECTS_DIR", fact, "give subjects_dir, or export SUBJECTS_DIR")


def _folder(
    name: str, nodes: list[Any], environment: Mapping[str, str], why: str
) -> Iterator[Finding]:
    check, given = f"variables.{name}", environment.get(name)
    if given and Path(given).is_dir():
        yield ok(check, given)
    elif given:
        yield warning(check, f"{name} is {given}, which is no folder", f"export {name}=FOLDER")
    else:
        fact = f"{name} is not set, and {nodes[0].fullname} uses it: {why}"
        yield warning(check, fact, f"export {name}=FOLDER, or ignore this with a stand-in")
