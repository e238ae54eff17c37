"""What the example workflows share around the workflow itself.

Command line, running with progress, results and failures of each session. Nothing here is needed to
write a workflow; the examples show what is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nipype.pipeline.engine import Workflow
from nipype.pipeline.engine.utils import load_resultfile

from nipype_xnat import Interface
from nipype_xnat.cache.store import Cache
from nipype_xnat.cohort import found_of
from nipype_xnat.demo import folder
from nipype_xnat.demo.failures import Failure, listed, reasons
from nipype_xnat.demo.pool import MultiProcPlugin
from nipype_xnat.errors import UsageError, XNATError
from nipype_xnat.interfaces.plugins import CLUSTER_PLUGINS, cluster_plugin
from nipype_xnat.interfaces.results import drop_broken
from nipype_xnat.interfaces.tokens import issued_token

PLUGINS = ("MultiProc", "Linear", *CLUSTER_PLUGINS)
OVER_80 = "xnat:mrSessionData/AGE > 80"

INTERRUPTED = "Interrupted; run again with the same folder to go on"

Say = Callable[[str], None]


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


# -- the command line


def options(description: str, name: str) -> argparse.ArgumentParser:
    """Declare the options that all examples have.

    Parameters
    ----------
    description : str
        What the example does.
    name : str
        Name of the workflow, which its working directory is called by.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--server", help="address of the archive; the account comes from netrc")
    parser.add_argument(
        "--config",
        type=Path,
        help="instead: a JSON file with server, user and password, readable by its owner only",
    )
    parser.add_argument(
        "--token",
        action="store_true",
        help="let jobs log in by a short-lived token, in a folder beside the working directory",
    )
    parser.add_argument("--project", required=True, help="ID of the project")
    parser.add_argument(
        "--criteria", default=OVER_80, help="which sessions of it (default: %(default)s)"
    )
    parser.add_argument(
        "--scans",
        default="T1w*",
        help="type of the wanted scan; wildcards and commas allowed (default: %(default)s)",
    )
    parser.add_argument(
        "--resource", default="NIFTI*", help="label of the wanted resource (default: %(default)s)"
    )
    parser.add_argument(
        "--session",
        action="append",
        default=[],
        metavar="NAME",
        help="only this session of them (may be given several times), to run it again alone",
    )
    parser.add_argument(
        "--plugin", choices=PLUGINS, default="MultiProc", help="how to run (default: %(default)s)"
    )
    parser.add_argument(
        "--plugin-args",
        type=_json_object,
        default={},
        metavar="JSON",
        help='what the plugin takes, such as {"sbatch_args": "--time=2:00:00"}',
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=processors(),
        help="how many at once with MultiProc (default: %(default)s)",
    )
    parser.add_argument(
        "--work",
        type=Path,
        default=Path(f"{name}_work"),
        help="working directory; on a cluster one that all hosts see (default: %(default)s)",
    )
    parser.add_argument(
        "--cache", type=Path, help="folder for fetched files (default: the user's own cache)"
    )
    return parser


def processors() -> int:
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"{text!r} is not a JSON object")
    return value


def template(args: argparse.Namespace) -> str:
    """Return the select path of the wanted images."""
    return (
        f"/projects/{args.project}/experiments/*/scans/*[type={args.scans}]"
        f"/resources/{args.resource}/files/*[name=*.nii.gz,*.nii,*.img]"
    )


def connection(args: argparse.Namespace) -> dict[str, str]:
    """Return how a node names the archive: by reference, never by password."""
    if args.config is None and args.server is None:
        raise UsageError(
            "no archive was named", advice="give --server URL (with netrc) or --config FILE"
        )
    named = (
        {"config": str(args.config.expanduser().resolve())}
        if args.config is not None
        else {"server": args.server}
    )
    if args.cache is not None:
        named["cache_dir"] = str(args.cache.expanduser().resolve())
    return named


def connect(named: Mapping[str, str], cache: Path | None = None) -> Interface:
    """Open a connection of its own from what :func:`connection` returned."""
    return Interface(
        server=named.get("server"),
        config=named.get("config"),
        cache=cache or named.get("cache_dir"),
        interactive=False,
    )


@contextlib.contextmanager
def for_jobs(args: argparse.Namespace, named: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """Name the archive for the nodes: with ``--token`` by one that ends with the run."""
    if not args.token:
        yield dict(named)
        return
    work = args.work.expanduser().resolve()
    with (
        connect(named) as archive,
        issued_token(archive, work.with_name(f"{work.name}.token")) as config,
    ):
        yield {**{k: v for k, v in named.items() if k != "server"}, "config": config}


def absent(cache: Cache, cohort: Iterable[Mapping[str, Any]]) -> set[tuple[str, int | None]]:
    """Return digest and size of the files of a cohort that are not in the cache."""
    wanted = {
        (one.digest, one.size)
        for record in cohort
        for output in record["files"]
        for found in found_of(record, output)
        for one in (found.record, *found.companions)
    }
    return {one for one in wanted if cache.find(*one) is None}


# -- running


@dataclass
class Run:
    """What came of running a workflow.

    Parameters
    ----------
    started : float
        Seconds since the epoch.
    failures : dict
        For each session that failed, by its name, the reason.
    crashes : Path
        Folder of the crash files.
    before : dict
        When the main node of each session had run before, by the session's name.
    """

    started: float
    crashes: Path
    failures: dict[str, Failure] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)


def run(
    workflow: Workflow,
    names: Sequence[str],
    args: argparse.Namespace,
    *,
    main: str,
    last: str = "sink",
    tell: Say = say,
) -> Run:
    """Run a workflow of one sub-workflow for each session, and say how far it is.

    One session that fails does not stop the others.

    Parameters
    ----------
    workflow : Workflow
        From :func:`nipype_xnat.interfaces.cohort_workflow`.
    names : sequence of str
        The records' names.
    args : argparse.Namespace
        Of :func:`options`.
    main : str
        The node that computes.
    last : str
        The node with which a session is done.
    tell : callable
        Takes a line.
    """
    work = Path(workflow.base_dir).resolve()
    crashes = work / "crash"
    drop_broken(Path(work, workflow.name).glob("*/*"))
    outcome = Run(time.time(), crashes, before=_times(workflow, names, main))
    progress = _Progress(workflow, names, (main, last), outcome.before, tell)
    _be_quiet(workflow, crashes)
    plugin_args = {"status_callback": progress, **args.plugin_args}
    pool = None
    if args.plugin in CLUSTER_PLUGINS:
        plugin_args.setdefault("tell", tell)
        workflow.config["execution"].setdefault("poll_sleep_duration", 1.0)
    if args.plugin == "MultiProc":
        plugin_args.setdefault("n_procs", max(1, args.processes))
        # what needs little memory first: a sink, before the next subject's computation
        plugin_args.setdefault("scheduler", "mem_thread")
        # by default Nipype sleeps two seconds between looks at its pool: most of a second run
        workflow.config["execution"]["poll_sleep_duration"] = 0.1
        pool = MultiProcPlugin(plugin_args, lambda: folder.check_room(work))
    broken = ""
    try:
        if args.plugin in CLUSTER_PLUGINS:
            ran = workflow.run(plugin=cluster_plugin(args.plugin, plugin_args))
        else:
            ran = workflow.run(plugin=pool or args.plugin, plugin_args=plugin_args)
        if not len(ran):
            # nipype-xnat check, or prefetch: there is no result to tell of
            tell("The workflow was looked at, and not run")
            sys.exit()
    except Exception as error:
        if isinstance(error, XNATError):
            raise
        folder.check_room(work)
        if isinstance(error, OSError) and folder.is_full(str(error)):
            raise folder.explained(error, work) from error
        # what failed is told session by session; what has no session is for the caller
        if not progress.failed:
            raise
        broken = f"{type(error).__name__}: {error}"
        tell(f"  {type(error).__name__}: not all sessions came through")
    finally:
        if pool is not None:
            pool.stop()
    known = reasons(crashes, outcome.started)
    outcome.failures = {
        name: Failure(node, known.get((name, node), f"the node {node!r} failed; see {crashes}"))
        for name, node in progress.failed.items()
    }
    for name in names:
        if name not in progress.done:
            outcome.failures[name] = Failure("", f"not run to its end: {broken}")
    if any(folder.is_full(failure.text) for failure in outcome.failures.values()):
        tell(f"  No space is left on {work}, or where else the failed sessions write.")
    return outcome


def _times(workflow: Workflow, names: Sequence[str], node: str) -> dict[str, str]:
    known = {}
    for name in names:
        path = _result(workflow, name, node)
        if path.is_file():
            # one that is cut off tells nothing, and is dropped before a run
            with contextlib.suppress(Exception):
                known[name] = str(load_resultfile(path).runtime.startTime)
    return known


def _result(workflow: Workflow, name: str, node: str) -> Path:
    return Path(str(workflow.base_dir), workflow.name, name, node, f"result_{node}.pklz")


class _Progress:
    """Nipype calls this for each node that starts or ends."""

    def __init__(
        self,
        workflow: Workflow,
        names: Sequence[str],
        nodes: tuple[str, str],
        before: Mapping[str, str],
        tell: Say,
    ) -> None:
        self._workflow = workflow
        self._names = set(names)
        self._total = len(names)
        self._main, self._last = nodes
        self._before = before
        self._tell = tell
        self.done: set[str] = set()
        self.failed: dict[str, str] = {}

    def __call__(self, node: Any, status: str) -> None:
        prefix = f"{self._workflow.name}."
        name, _, inner = str(node.fullname).removeprefix(prefix).partition(".")
        if name not in self._names or name in self.done:
            return
        if status == "exception":
            self.failed[name] = inner
            self._finish(name, f"failed at {inner}")
        elif status == "end" and inner == self._last and sys.exc_info()[0] is None:
            self._finish(name, self._word(name))

    def _word(self, name: str) -> str:
        with contextlib.suppress(Exception):
            if _times(self._workflow, [name], self._main).get(name) != self._before.get(name):
                return "computed"
            stored = load_resultfile(_result(self._workflow, name, self._last)).outputs.stored
            if any(str(entry["action"]) != "keep" for entry in stored):
                return "unchanged, but stored again"
            return "unchanged"
        return "done"

    def _finish(self, name: str, word: str) -> None:
        self.done.add(name)
        width = len(str(self._total))
        self._tell(f"  [{len(self.done):{width}d}/{self._total}] {name}: {word}")


def _be_quiet(workflow: Workflow, crashes: Path) -> None:
    from nipype import config, logging

    # Nipype's own log of each node would bury the progress; crash files tell what failed
    for name in ("nipype.workflow", "nipype.interface", "nipype.utils"):
        logging.getLogger(name).setLevel("CRITICAL")
    config.set("logging", "workflow_level", "CRITICAL")
    config.set("logging", "interface_level", "CRITICAL")
    workflow.config["execution"] = {
        **workflow.config.get("execution", {}),
        "crashdump_dir": str(crashes),
        "crashfile_format": "txt",
        "stop_on_first_crash": "false",
    }


# -- what came of it


@dataclass(frozen=True)
class Session:
    """What the nodes of one session gave.

    Parameters
    ----------
    record : mapping
        The cohort's record.
    outputs : mapping
        For each node, its outputs by name.
    computed : bool
        Whether the asked-for node ran now, and not at an earlier time.
    failure : Failure or None
        Why there is no result.
    """

    record: Mapping[str, Any]
    outputs: Mapping[str, Mapping[str, Any]]
    computed: bool = False
    failure: Failure | None = None

    @property
    def name(self) -> str:
        """What the session is called in the cohort."""
        return str(self.record["name"])

    @property
    def stored(self) -> list[Mapping[str, Any]]:
        """What the sink stored, file by file."""
        return list(self.outputs.get("sink", {}).get("stored") or [])

    @property
    def place(self) -> str:
        """Where in the archive that is."""
        places = {str(entry["address"]).partition("/files/")[0] for entry in self.stored}
        return ", ".join(sorted(places))


def sessions(
    workflow: Workflow,
    cohort: Iterable[Mapping[str, Any]],
    done: Run,
    *,
    main: str,
    nodes: Sequence[str] = (),
) -> Iterator[Session]:
    """Yield what each session's nodes gave, read from the working directory.

    Parameters
    ----------
    workflow : Workflow
    cohort : iterable of dict
        The records.
    done : Run
    main : str
        The node that computes.
    nodes : sequence of str
        Further nodes whose outputs are wanted.
    """
    for record in cohort:
        name = str(record["name"])
        # also of a session that failed later on
        now = _times(workflow, [name], main).get(name)
        failure = done.failures.get(name)
        if failure is not None:
            ran = failure.node not in ("", main) and now != done.before.get(name)
            yield Session(record, {}, ran, failure)
            continue
        outputs: dict[str, Mapping[str, Any]] = {
            node: load_resultfile(_result(workflow, name, node)).outputs.get()
            for node in dict.fromkeys((*nodes, main))
        }
        yield Session(record, outputs, now != done.before.get(name))


@dataclass(frozen=True)
class Work:
    """How much a run had to do."""

    downloaded: int
    computed: int
    uploaded: int
    failed: int = 0
    total: int = 0
    crashes: Path | None = None

    @classmethod
    def of(cls, done: Iterable[Session], downloaded: int, crashes: Path | None = None) -> Work:
        """Count what was done for all sessions, also for those that failed in the end."""
        done = list(done)
        sent = [entry for session in done for entry in session.stored]
        return cls(
            downloaded,
            sum(session.computed for session in done),
            sum(str(entry["action"]) != "keep" for entry in sent),
            sum(session.failure is not None for session in done),
            len(done),
            crashes,
        )

    def __str__(self) -> str:
        if not (self.failed or self.downloaded or self.computed or self.uploaded):
            return "Nothing was downloaded, computed or uploaded: all results were there already."
        text = (
            f"{count(self.downloaded, 'file')} downloaded, "
            f"{count(self.computed, 'session')} computed, "
            f"{count(self.uploaded, 'file')} uploaded."
        )
        if self.failed:
            where = f"; details in {self.crashes}" if self.crashes else ""
            text += f"\n{self.failed} of {count(self.total, 'session')} failed{where}"
        return text


def count(number: int, noun: str) -> str:
    """Return a number with what is counted."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def tell_failures(done: Iterable[Session], tell: Say = say) -> None:
    """Tell below the table, for each distinct reason once, why sessions failed and what to do."""
    text = listed((one.record, one.failure) for one in done if one.failure is not None)
    if text:
        tell(f"What failed:\n{text}\n")


# -- words about sessions


def ages(archive: Interface, criteria: str | None) -> dict[str, tuple[int | None, str]]:
    """Return age and sex at each session that fulfils criteria, by the session's id.

    An archive that cannot tell gives none.
    """
    kind = "xnat:mrSessionData"
    columns = [f"{kind}/SESSION_ID", f"{kind}/AGE", "xnat:subjectData/GENDER_TEXT"]
    found: dict[str, tuple[int | None, str]] = {}
    with contextlib.suppress(XNATError):
        search = archive.select(kind, columns)
        for row in search.where(criteria) if criteria else search.all():
            age = row.get("age", "")
            years = int(float(age)) if age.replace(".", "", 1).isdigit() else None
            found[row["session_id"]] = years, row.get("xnat_subjectdata_gender_text", "")
    return found


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Align columns of text; numbers to the right."""
    numeric = [
        all(re.fullmatch(r"[\d.,]*", line[index]) for line in lines) for index in range(len(heads))
    ]
    widths = [max(map(len, column)) for column in zip(heads, *lines, strict=True)]
    rows = []
    for line in (heads, *lines):
        cells = [
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ]
        rows.append("  ".join(cells).rstrip())
    return "\n".join([rows[0], "  ".join("-" * width for width in widths), *rows[1:]])


def program(main: Callable[[], int]) -> None:
    """Run a script's main function; errors become one message and an exit code."""
    try:
        sys.exit(main())
    except UsageError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except XNATError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(130)
