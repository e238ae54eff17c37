"""What a workflow of a cohort is about: written into its working directory when it runs.

``RUN/nipype_xnat.run/sessions/NAME.json``, one small file for each session, says which nodes the
session has, how they are connected, and digests of what the workflow itself gives them as inputs.
Sinks and :func:`nipype_xnat.verify` read it: what was left by an earlier run of a node shows by
it, and so does what never ran. A run of some sessions writes their files only.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nipype.pipeline.engine import MapNode
from nipype.utils.misc import flatten

from ..cache.writing import write_whole
from .delivered import digest_of
from .node_folder import fingerprints

__all__ = [
    "PlannedNode",
    "PlannedSession",
    "RunRecord",
    "kind_of",
    "planned_node",
    "planned_sessions",
]

# no node is called so: their names have no dots
_PLACE = "nipype_xnat.run"
_FORMAT = "nipype_xnat.run"
_VERSION = 1


@dataclass(frozen=True)
class PlannedNode:
    """A node as the workflow has it now.

    Parameters
    ----------
    folder : pathlib.Path
    name : str
        Its full name.
    kind : str
        Name of its interface's class; for those of this package, and made from them, that of the
        package's own.
    connections : dict of str to (pathlib.Path, str)
        For each connected input the result file and the output that it comes from.
    inputs : dict of str to str
        Short digests of its other inputs.
    """

    folder: Path
    name: str
    kind: str = ""
    connections: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    inputs: Mapping[str, str] | None = None


@dataclass(frozen=True)
class PlannedSession:
    """A session of a cohort.

    Parameters
    ----------
    name : str
    record : str
        Digest of its record.
    nodes : tuple of PlannedNode
    lacks : tuple of str
        What it lacks, so that there are no nodes for it.
    """

    name: str
    record: str = ""
    nodes: tuple[PlannedNode, ...] = ()
    lacks: tuple[str, ...] = ()


class RunRecord:
    """The files of one working directory.

    Parameters
    ----------
    run : pathlib.Path
        ``base_dir/workflow``.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self._sessions = run / _PLACE / "sessions"
        self._read: dict[str, dict[Path, PlannedNode]] = {}

    @classmethod
    def around(cls, folder: Path) -> RunRecord | None:
        """Return the record of the run that a node's folder belongs to; None if it has none."""
        for parent in folder.parents:
            if (parent / _PLACE).is_dir():
                return cls(parent)
        return None

    @property
    def exists(self) -> bool:
        """Whether something is recorded."""
        return self._sessions.is_dir()

    def write(self, sessions: Iterable[PlannedSession], *, partial: bool) -> None:
        """Write down sessions.

        Parameters
        ----------
        sessions : iterable of PlannedSession
        partial : bool
            Whether the run has other sessions, whose files stay; otherwise they are removed.
        """
        self._sessions.mkdir(parents=True, exist_ok=True)
        written = set()
        for session in sessions:
            path = self._sessions / f"{session.name}.json"
            write_whole(path, json.dumps(self._values(session)), durable=False)
            written.add(path)
        if not partial:
            for path in self._sessions.glob("*.json"):
                if path not in written:
                    path.unlink(missing_ok=True)

    def sessions(self) -> Iterable[PlannedSession]:
        """Yield the sessions, sorted by name; what cannot be read lacks its nodes."""
        for path in sorted(self._sessions.glob("*.json")):
            lost = PlannedSession(path.stem, lacks=(f"{path} cannot be read; run it again",))
            yield self._session(path) or lost

    def node(self, folder: Path) -> PlannedNode | None:
        """Return what the workflow says of a node; None if it says nothing."""
        try:
            name = folder.relative_to(self.run).parts[0]
        except (ValueError, IndexError):
            return None
        if name not in self._read:
            session = self._session(self._sessions / f"{name}.json")
            nodes = session.nodes if session else ()
            self._read[name] = {node.folder: node for node in nodes}
        return self._read[name].get(folder)

    def _values(self, session: PlannedSession) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "session": session.name,
            "record": session.record,
            "lacks": list(session.lacks),
            "nodes": [
                {
                    "folder": self._inside(node.folder),
                    "name": node.name,
                    "kind": node.kind,
                    "connections": {
                        key: [self._inside(file), output]
                        for key, (file, output) in node.connections.items()
                    },
                    "inputs": node.inputs,
                }
                for node in session.nodes
            ],
        }

    def _session(self, path: Path) -> PlannedSession | None:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["format"] != _FORMAT or values["version"] > _VERSION:
                return None
            nodes = tuple(map(self._node, values["nodes"]))
            return PlannedSession(
                values["session"], values["record"], nodes, tuple(values["lacks"])
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _node(self, values: Mapping[str, Any]) -> PlannedNode:
        return PlannedNode(
            self.run / values["folder"],
            values["name"],
            values["kind"],
            {
                key: (self.run / file, output)
                for key, (file, output) in values["connections"].items()
            },
            values["inputs"],
        )

    def _inside(self, path: Path) -> str:
        return str(path.relative_to(self.run) if path.is_relative_to(self.run) else path)


def planned_node(node: Any) -> PlannedNode:
    """Read what a workflow says of a node that is about to run."""
    connections = {
        key: (Path(file), str(output[0] if isinstance(output, tuple) else output))
        for key, (file, output) in node.input_source.items()
    }
    return PlannedNode(
        Path(node.output_dir()),
        str(node.itername),
        kind_of(node.interface),
        connections,
        fingerprints(_own_inputs(node), connections),
    )


def kind_of(interface: Any) -> str:
    """Return the name of an interface's class; of those made from this package's, the package's."""
    names = [base.__name__ for base in type(interface).__mro__]
    return next((name for name in ("XNATSource", "XNATSink") if name in names), names[0])


def _own_inputs(node: Any) -> list[tuple[str, Any]]:
    """Return the inputs that a node has before it is given anything, with the hashes of files."""
    method = node.config["execution"]["hash_method"]
    entries, _ = node.inputs.get_hashval(hash_method=method)
    if not isinstance(node, MapNode):
        return list(entries)
    # as MapNode hashes itself: lists are its own, the rest is its interface's
    lists = [
        (name, flatten(value) if node.nested else value)
        for name, value in entries
        if name in node.iterfield
    ]
    rest, _ = node.interface.inputs.get_hashval(hash_method=method)
    return lists + [(name, value) for name, value in rest if name not in node.iterfield]


def planned_sessions(
    run: Path,
    nodes: Iterable[PlannedNode],
    records: Sequence[Mapping[str, Any]],
    lacking: Mapping[str, Sequence[str]],
) -> Iterable[PlannedSession]:
    """Sort the nodes of a run by session.

    Parameters
    ----------
    run : pathlib.Path
    nodes : iterable of PlannedNode
    records : sequence of mapping
    lacking : mapping
        What sessions without a record lack, by their names.
    """
    by_session: dict[str, list[PlannedNode]] = {}
    for node in nodes:
        if node.folder.is_relative_to(run):
            by_session.setdefault(node.folder.relative_to(run).parts[0], []).append(node)
    for record in records:
        name = str(record["name"])
        yield PlannedSession(name, digest_of(record), tuple(by_session.get(name, ())))
    for name, lacks in lacking.items():
        yield PlannedSession(name, lacks=tuple(lacks))
