"""Plugin arguments that are known to break, or to do nothing."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from nipype.pipeline import plugins

from .findings import Finding, error, note, ok, several, warning
from .situation import Plugin, Situation

__all__ = ["look_at_arguments"]

_BOTH = frozenset({"template", "max_jobs", "status_callback"})
_RETRIES = frozenset({"retry_timeout", "max_tries"})
_SGE = frozenset({"qsub_args"}) | _BOTH
_KNOWN: dict[str, frozenset[str]] = {
    "SLURM": _BOTH | _RETRIES | {"sbatch_args", "jobid_re"},
    "SLURMGraph": _RETRIES | {"sbatch_args", "template", "dont_resubmit_completed_jobs"},
    "SGE": _SGE | _RETRIES | {"qstatProgramPath", "qstatCachedProgramPath"},
    "SGEGraph": frozenset({"qsub_args", "template", "dont_resubmit_completed_jobs"}),
}
_OWN = _BOTH | {"patience", "tell"}
_LETTERS = {"-o": "--output", "-e": "--error"}
_MANY = 100  # jobs at once that a site may mind


def look_at_arguments(situation: Situation) -> Iterator[Finding]:
    """Check the plugin's name and arguments, and those of nodes."""
    plugin = situation.plugin
    if not plugin.made and not hasattr(plugins, f"{plugin.name}Plugin"):
        known = sorted(name.removesuffix("Plugin") for name in dir(plugins) if "Plugin" in name)
        fact = f"Nipype has no plugin called {plugin.name!r}"
        yield error("plugin.name", fact, f"one of {', '.join(filter(None, known))}")
        return
    if not plugin.cluster:
        if plugin.given:
            yield ok("plugin.name", str(plugin))
        return
    if plugin.own:
        yield ok("plugin.name", str(plugin))
    else:
        yield warning(
            "plugin.name",
            f"{plugin} can take an earlier run's result for a new one, and ends where a job "
            "vanishes or the scheduler is away",
            f"run with plugin=cluster_plugin({plugin.name!r}, ...); see docs/clusters.md",
        )
    found = [*_plugin_arguments(plugin), *_max_jobs(situation), *_nodes(situation)]
    yield from found
    if not any(one.level in ("warning", "error") for one in found):
        yield ok("plugin.arguments", f"{len(plugin.arguments)} arguments, none known to break")


def _plugin_arguments(plugin: Plugin) -> Iterator[Finding]:
    given = plugin.arguments
    if plugin.name == "SLURMGraph" and not plugin.own and not given:
        yield error(
            "plugin.arguments",
            "Nipype's plugin SLURMGraph ends with an AttributeError when it gets no plugin_args",
            'give plugin_args={"dont_resubmit_completed_jobs": False}',
        )
    known = _OWN | {plugin.words} if plugin.own else _KNOWN[plugin.name]
    if unknown := sorted(set(given) - known):
        fact = f"{several(unknown)} has no meaning for {plugin}"
        yield warning("plugin.arguments", fact, f"it knows {', '.join(sorted(known))}")
    if never := sorted(_RETRIES & known & set(given)):
        fact = f"{several(never)} never acts: Nipype does not notice that {plugin} was refused"
        yield note("plugin.arguments", fact)
    yield from _words(given.get(plugin.words), plugin, "")
    yield from _template(given.get("template"), plugin, "")


def _words(given: Any, plugin: Plugin, node: str) -> Iterator[Finding]:
    """Check the words for the submitting program."""
    if given is None:
        return
    of = f" of the node {node}" if node else ""
    name = f"{plugin.words}{of}"
    if not isinstance(given, str):
        yield error("plugin.words", f"{name} is no text but {given!r}", "give one text")
        return
    try:
        words = shlex.split(given)
    except ValueError as trouble:
        yield error("plugin.words", f"{name} cannot be read: {trouble}", "close each quote")
        return
    if plugin.own:
        return
    for letter, long in _LETTERS.items():
        # what Nipype looks for, in one text and not in its words
        sought = f"{letter} " if plugin.graph else letter
        meant = any(word == letter or word.startswith((letter, long)) for word in words)
        if sought in given and not meant:
            found = next((word for word in words if letter in word), given)
            yield warning(
                "plugin.words",
                f"{name}: {plugin} finds {letter} in {found} and names no file for what jobs "
                "print, which goes to the current directory then",
                f"add {letter} FILE, or run with plugin=cluster_plugin({plugin.name!r}, ...)",
            )


def _template(given: Any, plugin: Plugin, node: str) -> Iterator[Finding]:
    if given is None:
        return
    of = f" of the node {node}" if node else ""
    text = str(given)
    if "\n" not in text and not text.lstrip().startswith("#"):
        path = Path(text)
        if not path.is_file():
            fact = f"template{of}: there is no file {text}"
            yield error("plugin.template", fact, "name a file, or give the lines themselves")
            return
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as trouble:
            fact = f"template{of}: {given} cannot be read: {trouble}"
            yield error("plugin.template", fact, "name a text file that this user can read")
            return
    first = text.strip() if plugin.own else text
    if plugin.slurm and not first.startswith("#!") and not (node and plugin.graph):
        fact = f"template{of} does not begin with #!, and sbatch refuses such a script"
        yield error("plugin.template", fact, "let its first line be #!/bin/bash")
    elif not plugin.slurm and not any(flag in text for flag in ("-V", "-v ")):
        fact = f"template{of} hands on no variable (-V, or -v NAMES), so jobs have no PATH of yours"
        yield warning("plugin.template", fact, "add a line such as #$ -v PATH,PYTHONPATH,FSLDIR")


def _max_jobs(situation: Situation) -> Iterator[Finding]:
    plugin, number = situation.plugin, len(situation.nodes)
    given = plugin.arguments.get("max_jobs")
    if given is None or plugin.graph:
        if number > _MANY:
            at_once = f"all {number} nodes" if plugin.graph else "all nodes that can run"
            advice = "" if plugin.graph else "give max_jobs"
            fact = f"{at_once} are in the queue at once"
            yield note("plugin.max_jobs", f"{fact}; a site may have a limit", advice)
    elif isinstance(given, bool) or not isinstance(given, (int, float)):
        fact = f"max_jobs is {given!r}, and Nipype compares it with a number"
        yield error("plugin.max_jobs", fact, "give a number")
    elif given < 1:
        fact = f"max_jobs is {given}, so no job is ever submitted"
        yield error("plugin.max_jobs", fact, "give 1 or more")


def _nodes(situation: Situation) -> Iterator[Finding]:
    """Check the plugin arguments that nodes have of their own, each kind once."""
    plugin = situation.plugin
    seen: set[str] = set()
    for node in situation.nodes:
        own = getattr(node, "plugin_args", None)
        if not own or repr(own) in seen:
            continue
        seen.add(repr(own))
        name = str(node.fullname)
        if not isinstance(own, Mapping):
            fact = f"plugin_args of the node {name} is no mapping but {own!r}"
            yield error("plugin.nodes", fact, "give a dict")
            continue
        unknown = sorted(set(own) - {plugin.words, "template", "overwrite"})
        if unknown:
            fact = f"{several(unknown)} of the node {name} has no meaning for {plugin}"
            yield warning("plugin.nodes", fact, f"it knows {plugin.words}, template, overwrite")
        if "template" in own and not plugin.own and not plugin.graph:
            fact = f"the template of the node {name} does nothing: {plugin} takes its own only"
            yield warning("plugin.nodes", fact, f"run with plugin=cluster_plugin({plugin.name!r})")
        yield from _words(own.get(plugin.words), plugin, name)
        yield from _template(own.get("template"), plugin, name)
