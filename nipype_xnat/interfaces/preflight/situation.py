"""What is checked: the nodes of workflows, how they are run, and which archives they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nipype import Workflow
from nipype import config as nipype_config
from nipype.pipeline.engine.utils import generate_expanded_graph, merge_dict
from nipype.utils.misc import str2bool

from ... import config
from ..connection import ConnectionInputSpec, named_by
from ..plugins import CLUSTER_PLUGINS, ClusterGraphPlugin, ClusterPlugin
from ..schedulers import GridEngine, Scheduler, Slurm
from ..sink import XNATSink

__all__ = ["Named", "Plugin", "Situation", "situation_of"]

_ELSEWHERE = (*CLUSTER_PLUGINS, "PBS", "PBSGraph", "LSF", "OAR", "Condor", "CondorDAGMan")


@dataclass(frozen=True)
class Plugin:
    """How a workflow is run.

    Parameters
    ----------
    name : str
        As Nipype has it.
    arguments : mapping
    own : bool
        Whether it is this package's, from ``cluster_plugin``.
    given : bool
        Whether it was named, and not Nipype's default.
    made : bool
        Whether it is an object, whose class Nipype need not know.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    own: bool = False
    given: bool = True
    made: bool = False

    @classmethod
    def of(cls, plugin: Any, arguments: Any = None) -> Plugin:
        """Return what Nipype would make of the arguments of ``Workflow.run``."""
        if plugin is None:
            name = str(nipype_config.get("execution", "plugin"))
            return cls(name, dict(arguments or {}), given=False)
        if isinstance(plugin, str):
            return cls(plugin, dict(arguments or {}))
        name = type(plugin).__name__.removesuffix("Plugin")
        given = getattr(plugin, "plugin_args", None) or {}
        if isinstance(plugin, (ClusterPlugin, ClusterGraphPlugin)):
            kind = "SLURM" if isinstance(plugin.scheduler, Slurm) else "SGE"
            graph = "Graph" if isinstance(plugin, ClusterGraphPlugin) else ""
            return cls(kind + graph, dict(given), own=True, made=True)
        return cls(name, dict(given), made=True)

    @property
    def key(self) -> str:
        """A text that is the same for plugins that run nodes alike."""
        told = sorted((k, str(v)) for k, v in self.arguments.items() if not callable(v))
        return repr((self.name, self.own, self.given, told))

    @property
    def graph(self) -> bool:
        """Whether all nodes are submitted at once."""
        return self.name.endswith("Graph")

    @property
    def slurm(self) -> bool:
        """Whether it is for SLURM."""
        return self.name.startswith("SLURM")

    @property
    def cluster(self) -> bool:
        """Whether it is one of SLURM's or Grid Engine's."""
        return self.name in CLUSTER_PLUGINS

    @property
    def elsewhere(self) -> bool:
        """Whether nodes run on other hosts."""
        return self.name in _ELSEWHERE

    @property
    def words(self) -> str:
        """Name of the argument that is handed to the submitting program."""
        return "sbatch_args" if self.slurm else "qsub_args"

    def scheduler(self) -> Scheduler:
        """Return the scheduler's programs.

        Raises
        ------
        ConfigurationError
            If they are not here.
        """
        return Slurm() if self.slurm else GridEngine()

    def __str__(self) -> str:
        return f"cluster_plugin({self.name!r})" if self.own else f"Nipype's plugin {self.name}"


@dataclass(frozen=True)
class Named:
    """How nodes name an archive.

    Parameters
    ----------
    values : mapping
        Arguments of :class:`nipype_xnat.Interface`: names, never a secret.
    nodes : tuple of str
        Nodes that name it so; empty where options or the environment do.
    sinks : bool
        Whether something is stored there.
    """

    values: Mapping[str, Any]
    nodes: tuple[str, ...] = ()
    sinks: bool = False

    @property
    def offline(self) -> bool:
        """Whether a mirror is asked."""
        return config.offline(self.values.get("offline"))

    @property
    def cache(self) -> Path:
        """Folder of the cache."""
        return config.cache_folder(self.values.get("cache")).absolute()

    @property
    def layers(self) -> tuple[Path, ...]:
        """Caches that are looked up first."""
        return config.cache_layers(self.values.get("cache_layers"))

    @property
    def mirror(self) -> Path:
        """Folder of the mirror; raises ConfigurationError where none is named."""
        return config.mirror_folder(self.values.get("mirror"))

    @property
    def outbox(self) -> Path:
        """Folder of what waits to be sent."""
        return config.outbox_folder(self.values.get("outbox"), self.mirror)

    @property
    def who(self) -> str:
        """Its nodes, for a sentence."""
        return f" (asked for by {self.nodes[0]})" if self.nodes else ""


@dataclass
class Situation:
    """All that is checked.

    Parameters
    ----------
    workflows : list of Workflow
    plugin : Plugin
    nodes : list of Node
        Of the expanded workflows, with base_dir and configuration as in a run.
    named : list of Named
    base_dirs : list of Path
    execution : dict
        Nipype's settings of a run; where workflows differ, those of the first.
    without_base_dir : list of str
        Workflows that have none.
    named_later : list of str
        Nodes that get the name of their archive from other nodes.
    """

    workflows: list[Workflow]
    plugin: Plugin
    nodes: list[Any] = field(default_factory=list)
    named: list[Named] = field(default_factory=list)
    base_dirs: list[Path] = field(default_factory=list)
    execution: dict[str, Any] = field(default_factory=dict)
    without_base_dir: list[str] = field(default_factory=list)
    named_later: list[str] = field(default_factory=list)

    @property
    def home(self) -> Path:
        """The folder that a job is sent from: the one of Nipype's batch files, if known."""
        if self.base_dirs:
            return self.base_dirs[0]
        return self.named[0].cache if self.named else Path.cwd()

    def on(self, setting: str) -> bool:
        """Tell whether a setting of Nipype is switched on."""
        return bool(str2bool(str(self.execution.get(setting, "false"))))


def situation_of(
    workflows: Iterable[Workflow],
    plugin: Plugin,
    instead: Mapping[str, Any],
    base_dir: Path | None = None,
) -> Situation:
    """Find out what is to be checked; nothing is asked of an archive.

    Parameters
    ----------
    workflows : iterable of Workflow
        They are left as they are.
    plugin : Plugin
    instead : mapping
        Arguments of :class:`nipype_xnat.Interface` that count instead of what nodes name.
    base_dir : path, optional
        Counts instead of that of the workflows.
    """
    found = Situation(list(workflows), plugin)
    found.execution = _settings({})
    named: dict[str, Named] = {}
    for index, workflow in enumerate(found.workflows):
        where = base_dir or (Path(workflow.base_dir) if workflow.base_dir else None)
        settings = _settings(workflow.config)
        if index == 0:
            found.execution = settings
        if where is None:
            found.without_base_dir.append(str(workflow.name))
        for node, connected in _expanded(workflow, where):
            found.nodes.append(node)
            if isinstance(node.interface.inputs, ConnectionInputSpec):
                if connected & {"server", "config"}:
                    found.named_later.append(str(node.itername))
                else:
                    _add(named, node, instead)
        if where is not None and where.absolute() not in found.base_dirs:
            found.base_dirs.append(where.absolute())
    if base_dir is not None and not found.base_dirs:
        found.base_dirs.append(base_dir.absolute())
    found.named = list(named.values()) or [Named(dict(instead))]
    return found


def _settings(own: Mapping[str, Any]) -> dict[str, Any]:
    """Return Nipype's settings, with those of a workflow in front."""
    merged = merge_dict(deepcopy(nipype_config._sections), deepcopy(dict(own)))
    return dict(merged["execution"])


def _expanded(workflow: Workflow, base_dir: Path | None) -> Iterator[tuple[Any, set[str]]]:
    """Yield the nodes of a workflow, each with the names of its connected inputs."""
    whole = merge_dict(deepcopy(nipype_config._sections), deepcopy(dict(workflow.config)))
    # a deep copy of the workflow is what both give
    graph = generate_expanded_graph(workflow._create_flat_graph())
    for node in graph.nodes():
        node.config = merge_dict(whole, node.config or {})
        node.base_dir = str(base_dir) if base_dir else None
        edges = graph.in_edges(node, data=True)
        yield node, {target for *_, given in edges for _, target in given["connect"]}


def _add(named: dict[str, Named], node: Any, instead: Mapping[str, Any]) -> None:
    values = {**named_by(node.interface.inputs), **instead}
    if "config" in instead:
        values.pop("server", None)
    key = repr(sorted((name, str(value)) for name, value in values.items()))
    before = named.get(key, Named(values))
    sinks = before.sinks or isinstance(node.interface, XNATSink)
    named[key] = Named(values, (*before.nodes, str(node.itername)), sinks)
