"""What a node of Nipype left in its folder, read without changing anything there.

A node writes, in this order: ``_0x<hash>_unfinished.json`` with its inputs and their hashes,
``_node.pklz`` (itself, its inputs set, its ``input_source`` naming the result files before it), its
outputs in ``result_<name>.pklz``; at the end the first file loses its ``_unfinished``. Nipype takes
a result for valid where the hash of the inputs as they are now is in the name of that file, and so
does this module: the stored node is asked for its hash again.
"""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from nipype.pipeline.engine.utils import load_resultfile
from nipype.utils.filemanip import loadpkl

from .last_error import error_of

__all__ = ["NodeFolder", "Unreadable", "fingerprints", "folder_of", "loaded"]

_UNFINISHED = "_unfinished.json"
_SHOWN = 400  # characters of an error


class Unreadable(Exception):
    """Something that a node left cannot be read or found, and so not be judged."""


class NodeFolder:
    """The folder of one node.

    Parameters
    ----------
    path : pathlib.Path
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def _names(self) -> list[str]:
        try:
            return sorted(path.name for path in self.path.iterdir())
        except OSError:
            return []

    @cached_property
    def hashes(self) -> frozenset[str]:
        """Hashes of the inputs of which the node has given its result."""
        return frozenset(
            name[3:-5]
            for name in self._names
            if re.fullmatch(r"_0x\w+\.json", name) and not name.endswith(_UNFINISHED)
        )

    @property
    def begun(self) -> bool:
        """Whether a run of the node has begun and not ended."""
        return any(name.endswith(_UNFINISHED) for name in self._names)

    @property
    def result_file(self) -> Path | None:
        """The file with its result; None if there is none."""
        found = [name for name in self._names if re.fullmatch(r"result_.*\.pklz", name)]
        return self.path / found[0] if found else None

    @cached_property
    def result(self) -> Any:
        """What it gave, as Nipype keeps it.

        Raises
        ------
        Unreadable
        """
        if self.result_file is None:
            raise Unreadable(f"there is no result in {self.path}")
        return loaded(load_resultfile, self.result_file)

    @property
    def failure(self) -> str:
        """The error with which it ended, in one line; empty if it did not fail."""
        stored = next((n for n in self._names if n.startswith("crashstore")), None)
        try:
            result = (
                loaded(loadpkl, self.path / stored)
                if self.result_file is None and stored
                else self.result
            )
        except Unreadable:
            return ""
        if isinstance(result, Mapping):  # as a plugin keeps what a job could not give
            text = _text(result.get("traceback"))
        else:
            runtime = getattr(result, "runtime", None)
            text = _text(getattr(runtime, "traceback", None))
            code = getattr(runtime, "returncode", 0)
            if text and code:
                # what the program said, where the traceback has but its exit code
                text = _text(getattr(runtime, "stderr", None)) or text
        words = error_of(text) or text[-_SHOWN:]
        lines = [line.strip() for line in words.splitlines()]
        return textwrap.shorten("; ".join(filter(None, lines)), _SHOWN, placeholder=" ...")

    @cached_property
    def node(self) -> Any:
        """The node itself, as it was when it ran.

        Raises
        ------
        Unreadable
        """
        path = self.path / "_node.pklz"
        if not path.is_file():
            raise Unreadable(f"there is no {path}")
        return loaded(loadpkl, path)

    @property
    def name(self) -> str:
        """What the node is called in its workflow."""
        try:
            return str(self.node.itername)
        except Unreadable:
            return self.path.name

    def connections(self) -> dict[str, tuple[Path, str]]:
        """Return the result file and the output that each connected input comes from.

        Raises
        ------
        Unreadable
        """
        return {
            key: (Path(file), str(output[0] if isinstance(output, tuple) else output))
            for key, (file, output) in self.node.input_source.items()
        }

    def inputs_now(
        self, instead: Mapping[str, Path] | None = None
    ) -> tuple[str, list[tuple[str, Any]]]:
        """Return Nipype's hash of the inputs that the nodes before it give now, and the inputs.

        Parameters
        ----------
        instead : mapping of str to pathlib.Path, optional
            Result files to read for inputs, where these are others now than when the node ran.

        Raises
        ------
        Unreadable
            If a result is gone that the node was given, or its inputs cannot be made out.
        """
        node = self.node
        node.input_source = {
            key: (str((instead or {}).get(key, file)), output)
            for key, (file, output) in node.input_source.items()
        }
        for file, _ in node.input_source.values():
            if not Path(file).is_file():
                # Nipype would wait for it
                raise Unreadable(f"the result {file} is gone")
        node._got_inputs = False
        node._hashvalue = node._hashed_inputs = None
        try:
            entries, value = node._get_hashval()
        except Exception as error:  # whatever the user's own code raises
            raise Unreadable(f"its inputs cannot be made out: {_words(error)}") from error
        return str(value), list(entries)

    def inputs_then(self) -> dict[str, Any] | None:
        """Return the inputs of its result with the hashes of files; None if not legible."""
        for value in self.hashes:
            try:
                entries = json.loads((self.path / f"_0x{value}.json").read_text(encoding="utf-8"))
                return dict(entries)
            except (OSError, ValueError, TypeError):
                continue
        return None


def loaded(load: Callable[[str], Any], path: Path) -> Any:
    """Load a pickle of Nipype's.

    Raises
    ------
    Unreadable
    """
    try:
        return load(str(path))
    except Exception as error:  # unpickling runs into anything
        raise Unreadable(f"{path} cannot be read: {_words(error)}") from error


def _text(told: Any) -> str:
    return (told if isinstance(told, str) else "".join(told or ())).strip()


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def folder_of(file: Path, below: Path | None = None) -> Path | None:
    """Return the folder of the node that made a file; None if no node did.

    The elements of a MapNode have folders of their own inside of the MapNode's, which is meant.

    Parameters
    ----------
    file : pathlib.Path
        A file, or a folder.
    below : pathlib.Path, optional
        Not this folder.
    """
    for folder in (file, *file.parents):
        if folder == below or not _is_node(folder):
            continue
        parts = folder.parts
        if "mapflow" in parts[:-1]:
            outer = Path(*parts[: len(parts) - 1 - parts[::-1].index("mapflow")])
            if _is_node(outer):
                return outer
        return folder
    return None


def _is_node(folder: Path) -> bool:
    return (folder / "_node.pklz").is_file() or (folder / f"result_{folder.name}.pklz").is_file()


def fingerprints(entries: Iterable[tuple[str, Any]], connected: Iterable[str]) -> dict[str, str]:
    """Return short digests of the inputs that a node has of itself, by their names.

    Parameters
    ----------
    entries : iterable of (str, value)
        Inputs with the hashes of files, as Nipype gives them.
    connected : iterable of str
        Names of inputs that come from other nodes.
    """
    # the second is about outputs, the third holds what is connected to a sink of any name
    others = {*connected, "needed_outputs", "_outputs"}
    return {
        name: hashlib.md5(repr(_plain(value)).encode(), usedforsecurity=False).hexdigest()[:12]
        for name, value in entries
        if name not in others
    }


def _plain(value: Any) -> Any:
    """Return a value with hashes in place of files, so that a file's path does not matter."""
    if isinstance(value, (list, tuple)):
        if len(value) == 2 and all(isinstance(each, str) for each in value):
            path, digest = value
            if path.startswith("/") and re.fullmatch(r"[0-9a-f]{32}", digest):
                return digest
        return [_plain(each) for each in value]
    return str(value)
