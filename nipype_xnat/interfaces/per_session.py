"""One sub-workflow for each session of a cohort, named by what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from nipype.interfaces.base import isdefined
from nipype.pipeline.engine import MapNode, Workflow

from ..cohort import Cohort
from ..errors import UsageError
from .run_record import RunRecord, planned_node, planned_sessions
from .sink import XNATSink

__all__ = ["CohortWorkflow", "cohort_workflow"]


class CohortWorkflow(Workflow):  # type: ignore[misc]
    """A workflow with one sub-workflow for each session, see :func:`cohort_workflow`.

    When it runs it writes into its working directory what its sessions are and which nodes they
    have, for the sinks and for :func:`nipype_xnat.verify`. As part of another workflow it writes
    nothing.

    Parameters
    ----------
    name : str
    base_dir : str, optional
    cohort : Cohort, optional
    """

    def __init__(
        self, name: str, base_dir: str | None = None, cohort: Cohort | None = None
    ) -> None:
        super().__init__(name, base_dir)
        self.cohort = cohort if cohort is not None else Cohort([])

    def _configure_exec_nodes(self, graph: Any) -> None:
        # the one step of Nipype's run in which nodes know their folders and are not yet handed on
        super()._configure_exec_nodes(graph)
        if not self.base_dir:  # then each node gets a folder somewhere
            return
        run = Path(self.base_dir, self.name).resolve()
        lacking: dict[str, list[str]] = {}
        for lost in self.cohort.missing:
            lacking.setdefault(lost.name, []).append(str(lost))
        nodes = map(planned_node, graph.nodes())
        RunRecord(run).write(
            planned_sessions(run, nodes, self.cohort.records, lacking), partial=self.cohort.partial
        )


def cohort_workflow(
    name: str,
    records: Iterable[Mapping[str, Any]],
    build: Callable[[Mapping[str, Any]], Workflow],
    base_dir: str | Path | None = None,
) -> CohortWorkflow:
    """Make a workflow that has one sub-workflow for each record.

    Nipype names the elements of a MapNode by their position, so adding or removing one subject
    would recompute all that come after it. Here each element has a folder of its own name: only
    what is new or changed is computed.

    Parameters
    ----------
    name : str
        Name of the workflow.
    records : iterable of dict
        A :class:`nipype_xnat.Cohort`, or the ``records`` of XNATQuery. With a cohort the run's
        record has the sessions too that lack something, and after :meth:`nipype_xnat.Cohort.only`
        it keeps what it has of the others.
    build : callable
        Gets a record, returns the workflow for it, which is given the record's name, and whose
        sinks are given the record where they have none.
    base_dir : path, optional
        Working directory.

    Returns
    -------
    CohortWorkflow

    Raises
    ------
    UsageError
        If two records have the same name.
    """
    cohort = records if isinstance(records, Cohort) else Cohort([dict(each) for each in records])
    whole = CohortWorkflow(name, None if base_dir is None else str(base_dir), cohort)
    seen: set[str] = set()
    for record in cohort:
        part = build(record)
        if part.name != record["name"]:
            part = part.clone(str(record["name"]))
        if part.name in seen:
            raise UsageError(
                f"two records of the cohort are called {part.name!r}",
                advice="give records with a name of their own each",
            )
        seen.add(part.name)
        for sink in _sinks(part):
            sink.inputs.record = dict(record)
        whole.add_nodes([part])
    return whole


def _sinks(part: Workflow) -> Iterator[Any]:
    """Yield the sinks of a session that have no record."""
    for name in part.list_node_names():
        node = part.get_node(name)
        if not isinstance(node.interface, XNATSink):
            continue
        if isinstance(node, MapNode) and "record" in node.iterfield:
            continue
        if not isdefined(node.inputs.record):
            yield node
