"""SLURM and Grid Engine, as far as a workflow needs them: submit a job, ask what is queued."""

from __future__ import annotations

import getpass
import os
import re
import shlex
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import ConfigurationError

__all__ = ["GridEngine", "JobRefused", "Scheduler", "Slurm"]

_PATIENCE = 120.0  # seconds that a scheduler's own program may take


class JobRefused(Exception):
    """A job was not accepted; the words are the scheduler's own."""


class Scheduler(ABC):
    """What a cluster's own programs do for a workflow.

    Attributes
    ----------
    arguments : str
        Name of the plugin argument that is handed to the submitting program.
    cancel : str
        The program that takes jobs off the queue.
    template : str
        First lines of a batch script.
    """

    arguments: str
    cancel: str
    template: str
    _submit: str

    def __init__(self) -> None:
        if shutil.which(self._submit) is None:
            raise ConfigurationError(
                f"there is no program called {self._submit} on the PATH",
                advice="run this on a host from which jobs can be submitted",
            )

    def script(self, template: str, words: Sequence[str]) -> str:
        """Return a batch script that runs these words."""
        return f"{template.strip()}\n{shlex.join(words)}\n"

    @abstractmethod
    def submit(self, script: Path, name: str, arguments: str, after: Iterable[int] = ()) -> int:
        """Submit a batch script.

        Parameters
        ----------
        script : Path
            What it prints goes into a file beside it, unless the arguments say otherwise.
        name : str
            What the queue shows.
        arguments : str
            Further words for the submitting program, as in a shell.
        after : iterable of int
            Jobs that must have ended before.

        Returns
        -------
        int
            Number of the job.

        Raises
        ------
        JobRefused
            If it was not accepted.
        """

    @abstractmethod
    def queued(self) -> set[int] | None:
        """Return the jobs of this account that may still run; None where nobody answers."""

    def end(self, number: int) -> None:
        """Take a job off the queue."""
        self._ask(self.cancel, str(number))

    @abstractmethod
    def state(self, number: int) -> str:
        """Return what the scheduler says of a job that has not ended, in words for a person."""

    def _ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # noqa: S603  (a list, no shell)
                words,
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return subprocess.CompletedProcess(words, 1, "", f"{words[0]}: {error}")

    def _submitted(self, words: Sequence[str]) -> int:
        done = self._ask(*words)
        found = re.match(r"(\d+)", done.stdout.strip().rpartition("\n")[2])
        if done.returncode or found is None:
            said = (done.stderr.strip() or done.stdout.strip()) or f"exit code {done.returncode}"
            raise JobRefused(f"{words[0]} refused the job: {said}")
        return int(found[1])


class Slurm(Scheduler):
    """SLURM."""

    arguments = "sbatch_args"
    cancel = "scancel"
    template = "#!/bin/bash"
    _submit = "sbatch"

    def submit(self, script: Path, name: str, arguments: str, after: Iterable[int] = ()) -> int:
        """See :meth:`Scheduler.submit`."""
        given = shlex.split(arguments)
        words = ["sbatch", "--parsable", f"--job-name={name}"]
        if not any(word.startswith(("-o", "--output")) for word in given):
            words.append(f"--output={script}.o%j")
        if before := ":".join(map(str, after)):
            # without the second one, what can never start stays in the queue for ever
            words += [f"--dependency=afterok:{before}", "--kill-on-invalid-dep=yes"]
        return self._submitted([*words, *given, str(script)])

    def queued(self) -> set[int] | None:
        """See :meth:`Scheduler.queued`."""
        done = self._ask("squeue", "--noheader", f"--user={getpass.getuser()}", "--format=%A")
        return None if done.returncode else {int(word) for word in done.stdout.split()}

    def state(self, number: int) -> str:
        """See :meth:`Scheduler.state`."""
        done = self._ask("squeue", "--noheader", f"--jobs={number}", "--format=%T, %r")
        return f"squeue says {done.stdout.strip() or done.stderr.strip() or 'nothing'}"


class GridEngine(Scheduler):
    """Grid Engine, in any of its descents."""

    arguments = "qsub_args"
    cancel = "qdel"
    template = "#!/bin/sh\n#$ -V\n#$ -S /bin/sh"
    _submit = "qsub"

    def script(self, template: str, words: Sequence[str]) -> str:
        """Return a batch script; what ``-V`` leaves out of the environment is said in it."""
        libraries = os.environ.get("LD_LIBRARY_PATH")
        if libraries:
            template = f"{template.strip()}\nexport LD_LIBRARY_PATH={shlex.quote(libraries)}"
        return super().script(template, words)

    def submit(self, script: Path, name: str, arguments: str, after: Iterable[int] = ()) -> int:
        """See :meth:`Scheduler.submit`."""
        given = shlex.split(arguments)
        # a name must begin with a letter
        words = ["qsub", "-terse", "-N", name if name[:1].isalpha() else f"J{name}"]
        if "-o" not in given:
            words += ["-o", f"{script}.o$JOB_ID"]
        if not {"-e", "-j"}.intersection(given):
            words += ["-j", "y"]
        if before := ",".join(map(str, after)):
            words += ["-hold_jid", before]
        return self._submitted([*words, *given, str(script)])

    def queued(self) -> set[int] | None:
        """See :meth:`Scheduler.queued`; a job that could not be started (``Eqw``) will not run."""
        done = self._ask("qstat", "-u", getpass.getuser())
        if done.returncode:
            return None
        rows = [line.split() for line in done.stdout.splitlines()]
        return {
            int(row[0]) for row in rows if len(row) > 4 and row[0].isdigit() and "E" not in row[4]
        }

    def state(self, number: int) -> str:
        """See :meth:`Scheduler.state`."""
        done = self._ask("qstat", "-u", getpass.getuser())
        rows = [line.split() for line in done.stdout.splitlines()]
        found = next((row[4] for row in rows if len(row) > 4 and row[0] == str(number)), "nothing")
        return f"qstat says {found}"
