"""``nipype-xnat check``: say what would make a run fail, before it.

The script is run as a program, but ``Workflow.run`` runs nothing; with ``SCRIPT:NAME`` it is
loaded, and NAME is the workflow, or a function that makes it. The plugin is the one that the script
gives to ``Workflow.run``, unless an option names one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import NoWorkflow, UsageError

if TYPE_CHECKING:
    from ..interfaces import Findings

NAME = "check"
HELP = "say what would make a run fail"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--plugin", metavar="NAME", help="the plugin, as Nipype calls it")
    parser.add_argument(
        "--plugin-args", metavar="JSON", help='such as {"sbatch_args": "--time=2:00:00"}'
    )
    parser.add_argument(
        "--cluster-plugin",
        action="store_true",
        help="it is run by this package: cluster_plugin(NAME, JSON)",
    )
    parser.add_argument("--base-dir", type=Path, help="instead of that of the workflow")
    parser.add_argument("--server", help="archive instead of the one that the nodes name")
    parser.add_argument(
        "--config", type=Path, help="JSON file to connect with instead of what the nodes name"
    )
    parser.add_argument("--cache", type=Path, help="cache instead of the one that the nodes name")
    parser.add_argument(
        "--offline", action="store_true", default=None, help="nodes will ask a mirror"
    )
    parser.add_argument("--mirror", type=Path, help="folder of the mirror")
    parser.add_argument("--outbox", type=Path, help="folder where changes wait")
    parser.add_argument(
        "--job",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="submit a job that looks too (default: where the plugin is one of a cluster)",
    )
    parser.add_argument(
        "--patience", type=float, default=120.0, help="seconds to wait for it (120)"
    )
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    words = parser.add_argument(
        "script",
        # the first word and all that follow, which are the script's; or none
        nargs=argparse.PARSER,
        metavar="SCRIPT[:NAME]",
        help="Python script and its arguments (default: check machine, account and folders)",
    )
    words.required = False


def run(args: argparse.Namespace) -> int:
    """Check."""
    # what the script prints, and Nipype logs, is not the result
    with contextlib.redirect_stdout(sys.stderr):
        findings = _checked(args)
    width = shutil.get_terminal_size((100, 24)).columns
    print(findings.to_json() if args.json else findings.table(width))
    return findings.exit_code


def _checked(args: argparse.Namespace) -> Findings:
    from ..interfaces import Findings, check

    plugin_args = _object(args.plugin_args)
    if (args.plugin_args or args.cluster_plugin) and not args.plugin:
        raise UsageError("arguments of a plugin need its name", advice="give --plugin NAME too")
    named: dict[str, Any] = {
        "base_dir": args.base_dir,
        "server": args.server,
        "config": args.config,
        "cache_dir": args.cache,
        "offline": args.offline,
        "mirror": args.mirror,
        "outbox": args.outbox,
        "job": args.job,
        "patience": args.patience,
    }
    findings, ways = _ways(args, plugin_args)
    for workflows, plugin, arguments in ways or [([], *_given(args, plugin_args))]:
        findings += check(workflows, plugin, arguments, **named)
    return Findings(dict.fromkeys(findings))


def _object(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    try:
        value = json.loads(text)
    except ValueError as error:
        raise UsageError(f"--plugin-args is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise UsageError("--plugin-args is not a JSON object", advice='such as {"max_jobs": 100}')
    return value


def _given(args: argparse.Namespace, plugin_args: dict[str, Any] | None) -> tuple[Any, Any]:
    """Return the plugin that the options name, and its arguments."""
    if args.cluster_plugin:
        from ..interfaces import cluster_plugin

        return cluster_plugin(args.plugin, plugin_args), None
    return args.plugin, plugin_args


def _ways(
    args: argparse.Namespace, plugin_args: dict[str, Any] | None
) -> tuple[Findings, list[tuple[list[Any], Any, Any]]]:
    """Return what is wrong with the script, and its workflows by how they are run."""
    from ..interfaces import Finding, Findings
    from ..interfaces.preflight.situation import Plugin
    from ..interfaces.scripts import runs_of

    findings = Findings()
    if not args.script:
        return findings, []
    script, *words = args.script
    try:
        runs = runs_of(script, words)
    except NoWorkflow:
        raise
    except Exception as trouble:  # a script may raise anything
        fact = f"{script} makes no workflow: {type(trouble).__name__}: {trouble}"
        advice = "mend what is told below, or the script"
        findings.append(Finding("workflow.script", "error", fact.partition("\n")[0], advice))
        return findings, []
    if args.plugin:
        return findings, [([one.workflow for one in runs], *_given(args, plugin_args))]
    ways: dict[str, tuple[list[Any], Any, Any]] = {}
    for one in runs:
        key = Plugin.of(one.plugin, one.plugin_args).key
        ways.setdefault(key, ([], one.plugin, one.plugin_args))[0].append(one.workflow)
    return findings, list(ways.values())
