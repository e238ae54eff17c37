"""The host and its environment: what plugins need, and what the environment shows to others."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping

from .findings import Finding, error, note, ok, several, warning
from .situation import Plugin

__all__ = ["look_at_environment", "look_at_scheduler"]

_NEEDED = {True: ("sbatch", "squeue"), False: ("qsub", "qstat")}
_CANCEL = {True: "scancel", False: "qdel"}
_NEED_LOGNAME = ("SLURM", "SGE", "PBS", "LSF", "OAR", "Condor")
_SECRET = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|(API|ACCESS|PRIVATE)_?KEY"
    r"|(^|_)PASS(_|$)|_PWD$",
    re.IGNORECASE,
)
_NAMES_A_FILE = re.compile(r"(FILE|PATH|DIR|ASKPASS|SOCK|URL|HOME)$", re.IGNORECASE)
_LEAST = 8  # shorter words stand in an environment by chance


def look_at_scheduler(plugin: Plugin) -> Iterator[Finding]:
    """Check that the scheduler's programs are here and that its controller answers."""
    missing = [name for name in _NEEDED[plugin.slurm] if shutil.which(name) is None]
    if missing:
        fact = f"{several(missing)} {'is' if len(missing) == 1 else 'are'} not on the PATH"
        yield error("scheduler.programs", fact, "run this on a host from which jobs are submitted")
        return
    cancel = _CANCEL[plugin.slurm]
    if shutil.which(cancel) is None:
        fact = f"{cancel} is not on the PATH, so jobs cannot be cancelled"
        yield warning("scheduler.programs", fact, "add the scheduler's programs to the PATH")
    else:
        yield ok("scheduler.programs", several([*_NEEDED[plugin.slurm], cancel]))
    queued = plugin.scheduler().queued()
    if queued is None:
        fact = f"the controller does not answer {_NEEDED[plugin.slurm][1]}"
        yield error("scheduler.answers", fact, "try again when it is up; sinfo or qhost tell")
    else:
        yield ok("scheduler.answers", f"{len(queued)} jobs of this account are in the queue")


def look_at_environment(
    plugin: Plugin, environment: Mapping[str, str], secrets: frozenset[str]
) -> Iterator[Finding]:
    """Check the variables that plugins need, and those that should hold no secret.

    Parameters
    ----------
    plugin : Plugin
    environment : mapping
    secrets : frozenset of str
        Passwords of the accounts in use; they are compared and never shown.
    """
    if plugin.name in _NEED_LOGNAME and not plugin.own:
        yield _logname(plugin, environment)
    long = {secret for secret in secrets if len(secret) >= _LEAST}
    held = sorted(name for name, value in environment.items() if any(s in value for s in long))
    shown = "Nipype writes the whole environment into result files"
    if plugin.cluster:
        shown += ", and jobs get it"
    if held:
        fact = f"{several(held)} holds the password of an account; {shown}"
        yield error("environment.secrets", fact, f"unset {held[0]}; nodes read a 0600 file instead")
    named = sorted(
        name
        for name, value in environment.items()
        if value and name not in held and _SECRET.search(name) and not _NAMES_A_FILE.search(name)
    )
    if named:
        fact = f"by their names these hold secrets: {several(named, 8)}; {shown}"
        yield warning("environment.secrets", fact, "unset them in the shell that runs the workflow")
    elif not held:
        yield ok("environment.secrets", "no variable is named like a secret")
    if plugin.cluster and not plugin.slurm and "-V" in str(plugin.arguments.get("template", "-V")):
        yield note(
            "environment.shown",
            "-V hands all variables to Grid Engine, and qstat -j shows them to every user",
            "name what jobs need instead: a template with #$ -v PATH,FSLDIR (docs/clusters.md)",
        )


def _logname(plugin: Plugin, environment: Mapping[str, str]) -> Finding:
    if environment.get("LOGNAME"):
        return ok("environment.LOGNAME", "LOGNAME is set")
    own = f", or run with plugin=cluster_plugin({plugin.name!r})" if plugin.cluster else ""
    return error(
        "environment.LOGNAME",
        f"LOGNAME is not set, and {plugin} ends with a KeyError without it",
        f"export LOGNAME=$(id -un){own}",
    )
