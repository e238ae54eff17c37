"""Check before a run: what would go wrong is told, and what to do."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from nipype import Workflow

from ... import config as configuration
from ...errors import ConfigurationError
from .archives import Archives
from .arguments import look_at_arguments
from .data import cohort_of, look_at_mirror, look_at_room, look_at_what_lacks
from .execution import look_at_execution
from .findings import Finding, Findings, error, note, several
from .folders import (
    Folder,
    folders_of,
    look_at_crash_folder,
    look_at_folder,
    look_at_names,
    look_at_place,
)
from .job import Told, ask_a_job
from .machine import look_at_environment, look_at_scheduler
from .nodes import look_at_programs, look_at_variables, sent
from .situation import Named, Plugin, Situation, situation_of

__all__ = ["check"]


def check(
    workflow: Workflow | Iterable[Workflow] | None = None,
    plugin: Any = None,
    plugin_args: dict[str, Any] | None = None,
    *,
    base_dir: Path | str | None = None,
    server: str | None = None,
    config: Path | str | None = None,
    cache_dir: Path | str | None = None,
    offline: bool | None = None,
    mirror: Path | str | None = None,
    outbox: Path | str | None = None,
    job: bool | None = None,
    patience: float = 120.0,
) -> Findings:
    """Look for what would make a run of a workflow fail; nothing is run or fetched.

    docs/preflight.md lists what is looked at. Where a plugin for SLURM or Grid Engine is named, one
    small job is submitted as a node would be, with the plugin's own arguments, and says what the
    host that computes sees.

    Parameters
    ----------
    workflow : Workflow, or iterable of them, optional
        They are left as they are. Without one, the machine, the account and the folders are
        checked that are named here or by the environment.
    plugin, plugin_args
        As ``Workflow.run`` gets them: a name is one of Nipype's own plugins, and what
        :func:`nipype_xnat.cluster_plugin` returns is one of this package's.
    base_dir : path, optional
        Counts instead of that of the workflow.
    server, config, cache_dir, offline, mirror, outbox : optional
        Count instead of what the nodes name.
    job : bool, optional
        Whether a job is submitted; by default where the plugin is one of a cluster.
    patience : float
        Seconds to wait for that job, which is cancelled then.

    Returns
    -------
    Findings
        A list of :class:`Finding`; ``print`` shows a table of it.

    Raises
    ------
    ConfigurationError
        If an address holds an account.
    """
    workflows = [workflow] if isinstance(workflow, Workflow) else list(workflow or ())
    instead = _instead(server, config, cache_dir, offline, mirror, outbox)
    where = Path(base_dir).expanduser().absolute() if base_dir is not None else None
    how = Plugin.of(plugin, plugin_args)
    findings = Findings(_words(instead))
    try:
        situation = situation_of(workflows, how, instead, where)
    except Exception as trouble:  # Nipype raises what it finds, of any kind
        fact = f"Nipype cannot expand the workflow: {type(trouble).__name__}: {trouble}"
        findings.append(error("workflow.expands", fact, "correct its nodes and connections"))
        situation = situation_of([], how, instead, where)
    archives = Archives()
    try:
        findings += _all(situation, archives, instead, job, patience)
    finally:
        archives.close()
    return findings


def _instead(
    server: str | None,
    config: Path | str | None,
    cache_dir: Path | str | None,
    offline: bool | None,
    mirror: Path | str | None,
    outbox: Path | str | None,
) -> dict[str, Any]:
    """Return arguments of :class:`nipype_xnat.Interface` for what was given."""
    if server is not None and "@" in server:
        raise ConfigurationError(
            "server holds an account", advice="give the address alone, and the account by netrc"
        )
    values: dict[str, Any] = {"server": server, "offline": offline}
    paths = {"config": config, "cache": cache_dir, "mirror": mirror, "outbox": outbox}
    values |= {
        name: str(Path(path).expanduser().absolute())
        for name, path in paths.items()
        if path is not None
    }
    return {name: value for name, value in values.items() if value is not None}


def _words(instead: dict[str, Any]) -> Iterator[Finding]:
    """Check variables that hold a word of a few; what cannot be read is left out of account."""
    for name, read, otherwise in (
        ("offline", configuration.offline, False),
        ("cache_mode", configuration.cache_mode, configuration.CACHE_MODES[0]),
    ):
        if name in instead:
            continue
        try:
            read()
        except ConfigurationError as trouble:
            instead[name] = otherwise
            yield error(f"environment.{name}", trouble.message, trouble.advice or "")


def _all(
    situation: Situation,
    archives: Archives,
    instead: dict[str, Any],
    job: bool | None,
    patience: float,
) -> Iterator[Finding]:
    plugin = situation.plugin
    yield from look_at_arguments(situation)
    if situation.workflows:
        yield from look_at_execution(situation)
        yield from look_at_crash_folder(situation)
    yield from look_at_names(situation)
    folders = folders_of(situation)
    for folder in folders:
        yield from look_at_folder(folder)
    for named in situation.named:
        yield from _archive(named, archives)
    if later := situation.named_later:
        yield note("account.later", f"{several(later)} gets the name of its archive in the run")
    cohort = cohort_of(situation, archives, instead)
    for named in situation.named:
        if named.offline:
            yield from look_at_mirror(named, cohort.projects)
    if situation.workflows:
        yield from look_at_what_lacks(cohort)
    yield from look_at_room(situation, cohort)
    secrets = frozenset(archives.secrets)
    yield from look_at_environment(plugin, dict(os.environ), secrets)
    yield from look_at_programs(situation)
    yield from look_at_variables(situation, dict(os.environ))
    pickled = sent(situation, secrets)
    yield from pickled.findings
    told = Told()
    if plugin.cluster:
        scheduler = [*look_at_scheduler(plugin)]
        yield from scheduler
        up = not any(one.level == "error" for one in scheduler)
        if up and job is not False:
            told = ask_a_job(situation, folders, pickled.modules, patience)
            yield from told.findings
    if plugin.elsewhere:
        yield from _places(folders, archives, told)


def _archive(named: Named, archives: Archives) -> Iterator[Finding]:
    if named.offline:
        return
    if not named.nodes and not _names_an_archive(named):
        yield note(
            "account.known",
            "no archive is named, so none is asked",
            f"give a workflow, --config, --server, or a file in {configuration.CONFIG_VARIABLE}",
        )
        return
    yield from archives.look_at(named.values, named.who)


def _names_an_archive(named: Named) -> bool:
    if named.values.get("server") or named.values.get("config"):
        return True
    named_by_file = os.environ.get(configuration.CONFIG_VARIABLE)
    return bool(named_by_file) or Path(configuration.ACCOUNTS_FILE).expanduser().is_file()


def _places(folders: list[Folder], archives: Archives, told: Told) -> Iterator[Finding]:
    """Check that other hosts see the folders, and the files with passwords."""
    here = socket.gethostname()
    files = [Folder("account", path, written=False) for path in dict.fromkeys(archives.files)]
    for folder in (*folders, *files):
        yield from look_at_place(folder, told.seen_from, here)
