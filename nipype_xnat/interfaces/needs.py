"""What the nodes of a workflow will ask an archive for, found without running it.

The workflow is expanded as Nipype does before a run (iterables, joins, nested workflows). Then each
node is looked at after those that it is connected to: a query and a source are asked what they
would find, nodes that only hand values on are run, and what comes out of any other node is not
known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import networkx
from nipype import JoinNode, MapNode, Workflow
from nipype.interfaces.base import isdefined, traits
from nipype.interfaces.io import JSONFileGrabber
from nipype.interfaces.utility import CSVReader, IdentityInterface, Merge, Select, Split
from nipype.pipeline.engine.utils import evaluate_connect_function, generate_expanded_graph
from nipype.utils.filemanip import ensure_list
from nipype.utils.misc import flatten, unflatten

from ..client import Interface
from ..cohort import parse_template
from ..errors import CannotReachServer, NotLoggedIn, XNATError
from ..records import Record
from ..select.parallel import in_parallel
from .query import XNATQuery, outputs_of
from .sink import XNATSink
from .source import XNATSource

__all__ = ["Lacking", "Needs", "needs_of"]

# they compute nothing, and leave no file
_HANDING_ON = (CSVReader, IdentityInterface, JSONFileGrabber, Merge, Select, Split)


@dataclass(frozen=True)
class Lacking:
    """Something that could not be fetched, or not be known.

    Parameters
    ----------
    node : str
        Full name of the node.
    asked : str
        Template and arguments, or the place of a file.
    reason : str
    later : bool
        Whether it is only not known before the run.
    """

    node: str
    asked: str
    reason: str
    later: bool = False

    def __str__(self) -> str:
        return f"{self.node}: {self.asked}: {self.reason}"


@dataclass
class Needs:
    """What nodes will ask for.

    Parameters
    ----------
    nodes : dict of str to list of (Interface, Record)
        For each node that fetches, its files and the archive that holds them.
    projects : dict of str to set of str
        Projects that are asked about or stored into, by the address of their archive.
    archives : dict of str to Interface
    unlisted : set of Record
        Files that a record of the workflow's own named, rather than a listing made now.
    lacking : list of Lacking
    """

    nodes: dict[str, list[tuple[Interface, Record]]] = field(default_factory=dict)
    projects: dict[str, set[str]] = field(default_factory=dict)
    archives: dict[str, Interface] = field(default_factory=dict)
    unlisted: set[Record] = field(default_factory=set)
    lacking: list[Lacking] = field(default_factory=list)

    def add(self, more: Needs) -> None:
        """Take over what others need."""
        for name, files in more.nodes.items():
            self.nodes.setdefault(name, []).extend(files)
        for server, projects in more.projects.items():
            self.projects.setdefault(server, set()).update(projects)
        self.archives.update(more.archives)
        self.unlisted |= more.unlisted
        self.lacking += more.lacking


def needs_of(
    workflow: Workflow,
    archive_of: Callable[[Any], Interface],
    progress: Callable[[str, int], object] | None = None,
) -> Needs:
    """Find out what the nodes of a workflow will ask for.

    Parameters
    ----------
    workflow : Workflow
        It is left as it is.
    archive_of : callable
        Gets the inputs of a node, returns the archive to ask.
    progress : callable, optional
        Gets the name of each node that was looked at, and its number of files.
    """
    # a deep copy of the workflow is what both give
    graph = generate_expanded_graph(workflow._create_flat_graph())
    needs = Needs()
    outputs: dict[Any, dict[str, Any]] = {}
    for generation in networkx.topological_generations(graph):
        # none of them is connected to another one
        lookers = [
            _Looker(node, archive_of, _unknown_inputs(graph, node, outputs)) for node in generation
        ]
        asking = [looker for looker in lookers if not looker.hands_on]
        known = dict(zip(asking, in_parallel(_Looker.look, asking), strict=True))
        for looker in lookers:
            # running an interface changes the directory of the whole process
            found, values = known[looker] if looker in known else looker.look()
            outputs[looker.node] = values
            needs.add(found)
            if progress is not None and looker.name in found.nodes:
                progress(looker.name, len(found.nodes[looker.name]))
    return needs


def _unknown_inputs(graph: Any, node: Any, outputs: dict[Any, dict[str, Any]]) -> dict[str, str]:
    """Give a node what the nodes before it hand on; return why the other inputs are not known."""
    unknown: dict[str, str] = {}
    for before, _, connected in graph.in_edges(node, data=True):
        for source, target in connected["connect"]:
            port = source[0] if isinstance(source, tuple) else source
            if port not in outputs[before]:
                unknown[target] = f"it is what {before.fullname} gives as {port!r}"
                continue
            value = outputs[before][port]
            try:
                if isinstance(source, tuple):
                    value = evaluate_connect_function(source[1], source[2], value)
                node.set_input(target, value)
            except Exception as error:  # a function of the user's
                unknown[target] = f"its connection to {before.fullname} fails: {error}"
    return unknown


class _Looker:
    """Looks at one node, whose inputs are given as far as they are known."""

    def __init__(
        self, node: Any, archive_of: Callable[[Any], Interface], unknown: dict[str, str]
    ) -> None:
        self.node = node
        self.archive_of = archive_of
        self.unknown = unknown
        self.name = str(node.itername)
        self.interface = node.interface
        self.hands_on = isinstance(self.interface, _HANDING_ON)

    def look(self) -> tuple[Needs, dict[str, Any]]:
        """Return what the node needs, and those of its outputs that are known."""
        needs = Needs()
        look = self._way()
        unknown = self.unknown
        if isinstance(self.interface, XNATSink):
            unknown = {name: why for name, why in unknown.items() if name == "project_id"}
        if look is None or unknown:
            if look is not None and not self.hands_on:
                for name, why in unknown.items():
                    reason = f"not known before the run: {why}"
                    needs.lacking.append(Lacking(self.name, f"input {name!r}", reason, later=True))
            return needs, {}
        try:
            elements = list(self._elements())
        except (ValueError, traits.TraitError) as error:
            self._lack(needs, _asked(self.interface), str(error))
            return needs, {}
        found: list[dict[str, Any]] = []
        for more, values in self._each(look, elements):
            needs.add(more)
            if values is not None:
                found.append(values)
        return needs, self._together(found) if len(found) == len(elements) else {}

    def _each(
        self, look: Callable[[Any, Needs], dict[str, Any]], elements: list[Any]
    ) -> Iterator[tuple[Needs, dict[str, Any] | None]]:
        """Look at the elements of a node; those that fail give no outputs."""

        def one(interface: Any) -> tuple[Needs, dict[str, Any] | None]:
            needs = Needs()
            try:
                return needs, look(interface, needs)
            except (CannotReachServer, NotLoggedIn):
                raise
            except (XNATError, ValueError, traits.TraitError) as error:
                self._lack(needs, _asked(interface), str(error))
                return needs, None

        return map(one, elements) if self.hands_on else in_parallel(one, elements)

    def _way(self) -> Callable[[Any, Needs], dict[str, Any]] | None:
        ways: tuple[tuple[Any, Callable[[Any, Needs], dict[str, Any]]], ...] = (
            (XNATSource, self._source),
            (XNATQuery, self._query),
            (XNATSink, self._sink),
            (_HANDING_ON, self._handing_on),
        )
        for kind, look in ways:
            if isinstance(self.interface, kind):
                return look
        return None

    def _elements(self) -> Iterator[Any]:
        """Yield the interface of a node, or one for each element of a MapNode."""
        node = self.node
        if isinstance(node, JoinNode):
            node._collate_join_field_inputs()
        if not isinstance(node, MapNode):
            yield self.interface
            return
        if isinstance(self.interface, XNATSink):
            # its other inputs need not be known
            values = {"project_id": getattr(node.inputs, "project_id", "")}
            values = {name: v for name, v in values.items() if name in node.iterfield}
            if not values:
                yield self.interface
                return
        else:
            node._check_iterfield()
            values = {name: getattr(node.inputs, name) for name in node.iterfield}
        lists = {
            name: flatten(ensure_list(value)) if node.nested else ensure_list(value)
            for name, value in values.items()
            if isdefined(value)
        }
        for number in range(max((len(each) for each in lists.values()), default=0)):
            element = deepcopy(self.interface)
            for name, each in lists.items():
                setattr(element.inputs, name, each[number])
            yield element

    def _together(self, found: list[dict[str, Any]]) -> dict[str, Any]:
        if not isinstance(self.node, MapNode):
            return found[0] if found else {}
        names = dict.fromkeys(name for each in found for name in each)
        lists = {name: [each.get(name) for each in found] for name in names}
        if not self.node.nested:
            return lists
        shape = ensure_list(getattr(self.node.inputs, self.node.iterfield[0]))
        return {name: unflatten(values, shape) for name, values in lists.items()}

    # -- kinds of nodes

    def _source(self, interface: Any, needs: Needs) -> dict[str, Any]:
        archive = self._archive(interface, needs)
        looked = interface.look_up(archive)
        files = needs.nodes.setdefault(self.name, [])
        files += [(archive, record) for record in looked.records]
        if not looked.listed:
            needs.unlisted.update(looked.records)
        self._projects(needs, archive, looked.paths, (record.project for record in looked.records))
        return {name: value for name, value in looked.identity.items() if isdefined(value)}

    def _query(self, interface: Any, needs: Needs) -> dict[str, Any]:
        archive = self._archive(interface, needs)
        found = outputs_of(interface.resolve(archive))
        self._projects(needs, archive, interface.inputs.templates.values(), found["project_ids"])
        return found

    def _sink(self, interface: Any, needs: Needs) -> dict[str, Any]:
        if isdefined(interface.inputs.project_id):
            self._projects(
                needs, self._archive(interface, needs), (), [interface.inputs.project_id]
            )
        return {}

    def _handing_on(self, interface: Any, needs: Needs) -> dict[str, Any]:
        try:
            given = interface.run().outputs.trait_get()
        except Exception as error:  # as it would in the run
            self._lack(needs, "its outputs", f"it fails: {error}")
            return {}
        return {name: value for name, value in given.items() if isdefined(value)}

    def _archive(self, interface: Any, needs: Needs) -> Interface:
        archive = self.archive_of(interface.inputs)
        return needs.archives.setdefault(archive.server, archive)

    def _projects(self, needs: Needs, archive: Interface, templates: Any, more: Any) -> None:
        known = needs.projects.setdefault(archive.server, set())
        known.update(filter(None, more))
        for template in templates:
            for path in parse_template(template):
                step = path.step("project")
                if step is not None and step.exact:
                    known.add(step.pattern.text)

    def _lack(self, needs: Needs, asked: str, reason: str) -> None:
        needs.lacking.append(Lacking(self.name, asked, reason))


def _asked(interface: Any) -> str:
    """Return the templates of a node with its arguments, in words."""
    inputs = interface.inputs
    words = []
    for name in ("templates", "query_template", "field_template", "record", "criteria"):
        value = getattr(inputs, name, None)
        if value and isdefined(value):
            shown = value.get("name", "") if name == "record" else value
            words.append(f"{name}={shown!r}")
    for name in getattr(interface, "_fields", ()):
        value = getattr(inputs, name)
        if isdefined(value):
            words.append(f"{name}={value!r}")
    return ", ".join(words)
