"""The workflows that a script makes, without running them."""

from __future__ import annotations

import logging
import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import networkx
from nipype import Workflow

from ..errors import NoWorkflow, UsageError

__all__ = ["Run", "runs_of", "workflows_of"]

log = logging.getLogger("nipype_xnat.prefetch")


@dataclass(frozen=True)
class Run:
    """A workflow, and how a script would have run it.

    Parameters
    ----------
    workflow : Workflow
    plugin, plugin_args
        What the script gave to ``Workflow.run``; None where it gave nothing.
    """

    workflow: Workflow
    plugin: Any = None
    plugin_args: Any = None


def workflows_of(script: str, arguments: Sequence[str] = ()) -> list[Workflow]:
    """Return the workflows of a script.

    Parameters
    ----------
    script : str
        ``SCRIPT.py``: it is run as a program, but ``Workflow.run`` runs nothing and returns an
        empty graph; the workflows are those that would have been run. ``SCRIPT.py:NAME``: the
        script is loaded as a module is, and NAME is a workflow, a list of them, or a function that
        returns either and gets the arguments.
    arguments : sequence of str

    Raises
    ------
    UsageError
        If there is no such script or name, or no workflow in it.
    """
    return [run.workflow for run in runs_of(script, arguments)]


def runs_of(script: str, arguments: Sequence[str] = ()) -> list[Run]:
    """Return the workflows of a script, and how it would have run them.

    Parameters
    ----------
    script, arguments
        See :func:`workflows_of`.
    """
    path, name = _split(script)
    with _program(path, arguments):
        if name:
            return _named(path, name, arguments)
        return _run(path)


def _split(script: str) -> tuple[Path, str]:
    if Path(script).is_file():
        return Path(script), ""
    path, _, name = script.rpartition(":")
    if not Path(path).is_file():
        raise NoWorkflow(f"there is no script {script}")
    return Path(path), name


@contextmanager
def _program(path: Path, arguments: Sequence[str]) -> Iterator[None]:
    """Set up what a program sees of how it was called."""
    argv, folders = sys.argv, list(sys.path)
    sys.argv = [str(path), *arguments]
    sys.path.insert(0, str(path.parent.absolute()))
    try:
        yield
    finally:
        sys.argv, sys.path[:] = argv, folders


def _named(path: Path, name: str, arguments: Sequence[str]) -> list[Run]:
    values = runpy.run_path(str(path), run_name=path.stem)
    if name not in values:
        raise NoWorkflow(f"{path} has no {name}")
    found = values[name]
    if callable(found) and not isinstance(found, Workflow):
        found = found(*arguments)
    several = [found] if isinstance(found, Workflow) else found
    if not isinstance(several, (list, tuple)) or not all(
        isinstance(one, Workflow) for one in several
    ):
        raise NoWorkflow(
            f"{name} of {path} is no workflow but {found!r}",
            advice="name a Workflow, a list of them, or a function that returns them",
        )
    return [Run(one) for one in several]


def _run(path: Path) -> list[Run]:
    found: list[Run] = []

    def run(self: Workflow, plugin: Any = None, plugin_args: Any = None, *_: Any, **__: Any) -> Any:
        found.append(Run(self, plugin, plugin_args))
        return networkx.DiGraph()

    own = Workflow.run
    Workflow.run = run
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as error:
        if error.code and not found:
            raise UsageError(
                f"{path} ended with {error.code} before it ran a workflow",
                advice="see what it says; its arguments follow its name",
            ) from None
    except Exception as error:
        # what a script does with results fails without them
        if not found:
            raise
        log.warning(
            "%s ended after %s workflows with %s: %s; what it would run later is not known",
            path,
            len(found),
            type(error).__name__,
            error,
        )
    finally:
        Workflow.run = own
    if not found:
        raise NoWorkflow(
            f"{path} runs no workflow", advice="name the workflow: SCRIPT:NAME, or a function of it"
        )
    return found
