"""One sub-workflow for each session of a cohort, named by what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Workflow

from ..errors import UsageError

__all__ = ["cohort_workflow"]


def cohort_workflow(
    name: str,
    records: Iterable[Mapping[str, Any]],
    build: Callable[[Mapping[str, Any]], Workflow],
    base_dir: str | Path | None = None,
) -> Workflow:
    """Make a workflow that has one sub-workflow for each record.

    Nipype names the elements of a MapNode by their position, so adding or removing one subject
    would recompute all that come after it. Here each element has a folder of its own name: only
    what is new or changed is computed.

    Parameters
    ----------
    name : str
        Name of the workflow.
    records : iterable of dict
        A :class:`nipype_xnat.Cohort`, or the ``records`` of XNATQuery.
    build : callable
        Gets a record, returns the workflow for it, which is given the record's name.
    base_dir : path, optional
        Working directory.

    Returns
    -------
    Workflow

    Raises
    ------
    UsageError
        If two records have the same name.
    """
    whole = Workflow(name=name, base_dir=None if base_dir is None else str(base_dir))
    seen: set[str] = set()
    for record in records:
        part = build(record)
        if part.name != record["name"]:
            part = part.clone(str(record["name"]))
        if part.name in seen:
            raise UsageError(
                f"two records of the cohort are called {part.name!r}",
                advice="give records with a name of their own each",
            )
        seen.add(part.name)
        whole.add_nodes([part])
    return whole
