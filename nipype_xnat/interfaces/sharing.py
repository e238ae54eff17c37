"""A limit of connections divided among the jobs of a run, which may be on many hosts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nipype import MapNode, Workflow, logging

from ..config import machine_connections
from .connection import ConnectionInputSpec

__all__ = ["share_among", "share_connections"]

_log = logging.getLogger("nipype.workflow")


def share_connections(workflow: Workflow, jobs: int, connections: int | None = None) -> int:
    """Divide a limit of connections among the jobs of a run.

    Each node that asks an archive gets its share as ``connections``, or keeps what it has where
    that is less. Each needs one, so more jobs than connections stay below the limit on one host,
    where all processes share it, but not on several: there the plugin's ``max_jobs`` does it.

    Parameters
    ----------
    workflow : Workflow
        Its nodes are changed; none of them computes anything anew for that.
    jobs : int
        How many run at once at most.
    connections : int, optional
        Most connections of all jobs to one archive; by default what ``NIPYPE_XNAT_CONNECTIONS``
        says, or 16.

    Returns
    -------
    int
        The share of one job; 0 where there is no limit.

    Examples
    --------
    >>> share_connections(workflow, jobs=8)  # doctest: +SKIP
    2
    >>> workflow.run(plugin="SLURM", plugin_args={"max_jobs": 8})  # doctest: +SKIP
    """
    nodes = [workflow.get_node(name) for name in workflow.list_node_names()]
    return share_among(nodes, jobs, connections)


def share_among(nodes: Iterable[Any], jobs: float, connections: int | None = None) -> int:
    """Divide a limit of connections among nodes; see :func:`share_connections`.

    Parameters
    ----------
    nodes : iterable of Node
    jobs : float
        How many run at once at most; infinity where nothing is known.
    connections : int, optional
    """
    limit = machine_connections(connections)
    asking = [node for node in nodes if _asks(node)]
    if not limit or not asking:
        return 0
    # a MapNode has as many jobs as elements, which may not be known yet
    known = limit if any(isinstance(node, MapNode) for node in asking) else len(asking)
    together = max(1, int(min(jobs, max(known, len(asking)))))
    share = max(1, limit // together)
    for node in asking:
        node.set_input("connections", min(share, node.interface.inputs.connections))
    if together > limit:
        _log.warning(
            "%d jobs may ask the archive at once, each over a connection of its own, and the limit "
            "is %d; on one host they wait for each other, on several give the plugin max_jobs",
            together,
            limit,
        )
    return share


def _asks(node: Any) -> bool:
    return isinstance(getattr(node.interface, "inputs", None), ConnectionInputSpec)
