"""Nipype's SLURM, SLURMGraph, SGE and SGEGraph for runs whose word can be taken.

Nipype's own plugins run the same nodes in the same jobs; docs/clusters.md says what they do where a
job vanishes, a scheduler is away or a submission is refused, and what these do instead. They are
given to a workflow as objects, so nothing of Nipype is changed::

    workflow.run(plugin=cluster_plugin("SLURM", {"sbatch_args": "--time=2:00:00"}))
"""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from traceback import format_exception
from typing import Any

from nipype import logging
from nipype.pipeline.engine.utils import load_resultfile
from nipype.pipeline.plugins.base import DistributedPluginBase, GraphPluginBase
from nipype.pipeline.plugins.tools import create_pyscript, report_crash

from ..errors import UsageError
from .jobs import Jobs
from .last_error import error_of
from .results import drop_broken, results_of
from .schedulers import GridEngine, JobRefused, Scheduler, Slurm
from .sharing import share_among

__all__ = ["CLUSTER_PLUGINS", "ClusterGraphPlugin", "ClusterPlugin", "cluster_plugin"]

CLUSTER_PLUGINS: tuple[str, ...] = ("SLURM", "SLURMGraph", "SGE", "SGEGraph")
"""Names of the plugins, as Nipype has them."""

_log = logging.getLogger("nipype.workflow")


def cluster_plugin(
    name: str, plugin_args: Mapping[str, Any] | None = None
) -> ClusterPlugin | ClusterGraphPlugin:
    """Return a plugin, for the argument ``plugin`` of a workflow's ``run``.

    Parameters
    ----------
    name : str
        One of ``CLUSTER_PLUGINS``.
    plugin_args : mapping
        ``sbatch_args`` or ``qsub_args`` (words for the submitting program), ``template`` (first
        lines of a batch script, or a file of them), ``max_jobs``, ``status_callback`` as Nipype's;
        ``connections``, the most that all jobs together open to an archive (see
        :func:`share_connections`); ``patience``, the seconds that a scheduler may be
        away (600); ``tell``, a callable that takes a line to be told to a person.

    Raises
    ------
    UsageError
        If there is no such plugin.
    ConfigurationError
        If the scheduler's programs are not here.
    """
    if name not in CLUSTER_PLUGINS:
        raise UsageError(
            f"there is no cluster plugin called {name!r}",
            advice=f"one of {', '.join(CLUSTER_PLUGINS)}",
        )
    scheduler: Scheduler = Slurm() if name.startswith("SLURM") else GridEngine()
    kind = ClusterGraphPlugin if name.endswith("Graph") else ClusterPlugin
    return kind(scheduler, dict(plugin_args or {}))


class ClusterPlugin(DistributedPluginBase):  # type: ignore[misc]
    """Submit a node as soon as it can run: Nipype's SLURM and SGE.

    Parameters
    ----------
    scheduler : Scheduler
    plugin_args : dict
        See :func:`cluster_plugin`.
    """

    def __init__(self, scheduler: Scheduler, plugin_args: dict[str, Any]) -> None:
        super().__init__(plugin_args=plugin_args)
        self._jobs = Jobs(scheduler, plugin_args, plugin_args.get("tell") or _log.warning)
        self._pending: dict[int, Any] = {}
        self._refused: dict[int, JobRefused] = {}

    @property
    def scheduler(self) -> Scheduler:
        """Where the jobs go."""
        return self._jobs.scheduler

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run a workflow's graph; called by Nipype."""
        try:
            nodes = list(graph.nodes())
            _share_connections(nodes, self.plugin_args)
            self._jobs.wait_for_earlier(nodes, _pause(config))
            drop_broken(Path(node.output_dir()) for node in nodes)
            super().run(graph, config, updatehash=updatehash)
        except BaseException:
            self._jobs.tell_what_is_left()
            raise

    def _submit_job(self, node: Any, updatehash: bool = False) -> int:
        if not updatehash:
            _forget(node)
        pyscript = create_pyscript(node, updatehash=updatehash)
        try:
            number = self._jobs.submit(node, pyscript)
        except JobRefused as error:
            # told like any node that fails, so that the others go on
            number = -1 - len(self._refused)
            self._refused[number] = error
        self._pending[number] = node
        return number

    def _get_result(self, taskid: int) -> dict[str, Any] | None:
        if taskid in self._refused:
            raise self._refused[taskid]
        if self._jobs.running(taskid):
            return None
        node = self._pending[taskid]
        result = _appeared(node, self._config)
        if result is None:
            raise RuntimeError(self._jobs.without_result(taskid, node.output_dir()))
        if not isinstance(result, dict):
            return {"result": result, "traceback": None}
        # the job's own account of its failure: no result, which a later run would take for one
        for path in results_of(Path(node.output_dir())):
            path.replace(path.with_name("crashstore.pklz"))
        return result

    def _clear_task(self, taskid: int) -> None:
        self._pending.pop(taskid, None)

    def _clean_queue(self, jobid: int, graph: Any, result: dict[str, Any] | None = None) -> Any:
        error = sys.exc_info()[1]
        if error is not None and self.procs[jobid].run_without_submitting:
            # Nipype reports it and then says that all is well
            self._run_errors.append(error)
        return super()._clean_queue(jobid, graph, result=result)

    def _report_crash(self, node: Any, result: dict[str, Any] | None = None) -> Any:
        if result is not None and isinstance(result["traceback"], str):
            # Nipype appends lines to it, which a text does not take
            result = {**result, "traceback": result["traceback"].splitlines(keepends=True)}
        return super()._report_crash(node, result=result)


class ClusterGraphPlugin(GraphPluginBase):  # type: ignore[misc]
    """Submit all nodes at once, then wait for them: Nipype's SLURMGraph and SGEGraph.

    Parameters
    ----------
    scheduler : Scheduler
    plugin_args : dict
        See :func:`cluster_plugin`.
    """

    def __init__(self, scheduler: Scheduler, plugin_args: dict[str, Any]) -> None:
        callback = plugin_args.get("status_callback")
        # Nipype's base class would say that it is not supported
        super().__init__({k: v for k, v in plugin_args.items() if k != "status_callback"})
        self._status_callback = callback
        self._jobs = Jobs(scheduler, plugin_args, plugin_args.get("tell") or _log.warning)

    @property
    def scheduler(self) -> Scheduler:
        """Where the jobs go."""
        return self._jobs.scheduler

    def run(self, graph: Any, config: Any, updatehash: bool = False) -> None:
        """Run a workflow's graph; called by Nipype."""
        try:
            nodes = list(graph.nodes())
            _share_connections(nodes, self.plugin_args)
            self._jobs.wait_for_earlier(nodes, _pause(config))
            drop_broken(Path(node.output_dir()) for node in nodes)
            super().run(graph, config, updatehash=updatehash)
        except BaseException:
            self._jobs.tell_what_is_left()
            raise

    def _submit_graph(
        self, pyfiles: list[str], dependencies: dict[int, list[int]], nodes: list[Any]
    ) -> None:
        numbers: dict[int, int] = {}
        reasons: dict[int, str] = {}
        for index, node in enumerate(nodes):
            if any(before in reasons for before in dependencies[index]):
                reasons[index] = ""
                continue
            if node.interface.always_run:
                _drop_results(node)  # what else is out of date shows by its hash afterwards
            before = [numbers[one] for one in dependencies[index]]
            try:
                numbers[index] = self._jobs.submit(node, pyfiles[index], before)
            except JobRefused as error:
                reasons[index] = str(error)
                self._report(node, reasons[index])
        self._jobs.wait(numbers.values(), _pause(self._config))
        for index, node in enumerate(nodes):
            if index in reasons:
                continue
            if any(before in reasons for before in dependencies[index]):
                reasons[index] = ""  # the reason is told once
            elif problem := self._problem_of(node, numbers[index]):
                reasons[index] = problem
            elif self._status_callback:
                self._status_callback(node, "end")
        told = [f"{nodes[index].fullname}: {why}" for index, why in reasons.items() if why]
        if told:
            raise RuntimeError("\n".join([f"{len(told)} failed", *told]))

    def _problem_of(self, node: Any, number: int) -> str:
        """Say why a node has no result that stands; empty if it has one."""
        result = _appeared(node, self._config)
        cached = updated = False
        with contextlib.suppress(Exception):
            cached, updated = node.is_cached()
        if result is not None and cached and updated:
            return ""
        failed = getattr(getattr(result, "runtime", None), "traceback", None)
        if failed and not (cached and updated):
            # its job has written the crash file
            if self._status_callback:
                self._status_callback(node, "exception")
            return error_of(str(failed)) or str(failed)
        problem = self._jobs.without_result(number, node.output_dir())
        self._report(node, problem)
        return problem

    def _report(self, node: Any, problem: str) -> None:
        if self._status_callback:
            self._status_callback(node, "exception")
        report_crash(node, traceback=format_exception(RuntimeError(problem)))


def _share_connections(nodes: Sequence[Any], plugin_args: Mapping[str, Any]) -> None:
    share_among(nodes, plugin_args.get("max_jobs") or math.inf, plugin_args.get("connections"))


def _pause(config: Any) -> float:
    return float(config["execution"]["poll_sleep_duration"])


def _appeared(node: Any, config: Any) -> Any:
    """Return what a node's job left, which a shared file system may show late; None if nothing."""
    end = time.monotonic() + float(config["execution"]["job_finished_timeout"])
    while True:
        if found := results_of(Path(node.output_dir())):
            # what is written just now, or was cut off, cannot be read in many ways
            with contextlib.suppress(Exception):
                return load_resultfile(found[0])
        if time.monotonic() > end:
            return None
        time.sleep(0.5)


def _forget(node: Any) -> None:
    """Remove the result that a job shall make anew, so that none but that job's can be found."""
    with contextlib.suppress(Exception):
        cached, updated = node.is_cached()
        if cached and updated and not node.interface.always_run:
            return
    _drop_results(node)


def _drop_results(node: Any) -> None:
    for path in results_of(Path(node.output_dir())):
        path.unlink(missing_ok=True)
