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

__all__ = ["GridEngine", "JobRefused", "Scheduler", "Slurm", "Unclear"]

_PATIENCE = 300.0  # seconds that a scheduler's own program may take; sbatch itself tries for 120


class JobRefused(Exception):
    """A job was not accepted; the words are the scheduler's own.

    Attributes
    ----------
    for_now : bool
        Whether it is a limit of how many jobs there may be, so that the job may be accepted later.
    """

    for_now = False


class Unclear(JobRefused):
    """There was no answer: the job may have been accepted all the same."""


class Scheduler(ABC):
    """What a cluster's own programs do for a workflow.

    Attributes
    ----------
    arguments : str
        Name of the plugin argument that is handed to the submitting program.
    cancel : str
        The program that takes jobs off the queue.
    describe : str
        The words that show a job, before its number.
    template : str
        First lines of a batch script.
    """

    arguments: str
    cancel: str
    describe: str
    template: str
    _submit: str
    _limits: tuple[str, ...]
    _silence: tuple[str, ...]

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
    def try_words(self, script: Path, arguments: str) -> None:
        """Ask whether a batch script would be accepted; nothing is submitted.

        Raises
        ------
        JobRefused
            If it would not.
        """

    @abstractmethod
    def queued(self) -> dict[int, str] | None:
        """Return the jobs of this account that may still run; None where nobody answers.

        Returns
        -------
        dict of int to str, or None
            For each job, why it does not run, if that is nothing that passes by itself; else empty.
        """

    @abstractmethod
    def scripts(self) -> dict[int, Path] | None:
        """Return the scripts of this account's jobs; None where nobody answers.

        Jobs that have ended may be among them.
        """

    @abstractmethod
    def fate(self, number: int) -> str:
        """Say how a job ended, as far as that is still known."""

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
        if not done.returncode and found is not None:
            return int(found[1])
        said = (done.stderr.strip() or done.stdout.strip()) or f"exit code {done.returncode}"
        if any(mark in said.lower() for mark in self._silence):
            raise Unclear(f"{words[0]} got no answer: {said}")
        error = JobRefused(f"{words[0]} refused the job: {said}")
        error.for_now = any(mark in said.lower() for mark in self._limits)
        raise error

    def _tried(self, words: Sequence[str]) -> None:
        done = self._ask(*words)
        if done.returncode:
            raise JobRefused(f"{words[0]} refuses it: {done.stderr.strip() or done.stdout.strip()}")


class Slurm(Scheduler):
    """SLURM."""

    arguments = "sbatch_args"
    cancel = "scancel"
    describe = "scontrol show job"
    template = "#!/bin/bash"
    _submit = "sbatch"
    _limits = ("temporarily un", "queue full", "submitjob", "job submit limit")
    _silence = ("timed out", "zero bytes", "unexpected message")

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

    def try_words(self, script: Path, arguments: str) -> None:
        """See :meth:`Scheduler.try_words`."""
        self._tried(["sbatch", "--test-only", *shlex.split(arguments), str(script)])

    def queued(self) -> dict[int, str] | None:
        """See :meth:`Scheduler.queued`."""
        rows = self._rows("%A|%T|%r")
        if rows is None:
            return None
        return {
            int(number): "" if state != "PENDING" or reason in _PASSING else reason
            for number, state, reason in rows
        }

    def state(self, number: int) -> str:
        """See :meth:`Scheduler.state`."""
        done = self._ask("squeue", "--noheader", f"--jobs={number}", "--format=%T, %r")
        return f"squeue says {done.stdout.strip() or done.stderr.strip() or 'nothing'}"

    def scripts(self) -> dict[int, Path] | None:
        """See :meth:`Scheduler.scripts`."""
        rows = self._rows("%A|%T|%o", "--states=all")
        return None if rows is None else {int(number): Path(path) for number, _, path in rows}

    def _rows(self, columns: str, *words: str) -> list[list[str]] | None:
        user = f"--user={getpass.getuser()}"
        done = self._ask("squeue", "--noheader", user, f"--format={columns}", *words)
        if done.returncode:
            return None
        return [line.split("|", 2) for line in done.stdout.splitlines() if line]

    def fate(self, number: int) -> str:
        """See :meth:`Scheduler.fate`."""
        said = self._ask("scontrol", "--oneliner", "show", "job", str(number)).stdout
        found = dict(re.findall(r"\b(JobState|Reason|ExitCode)=(\S+)", said))
        if not found:
            words = ("sacct", "-nXP", "-o", "State,ExitCode", "-j", str(number))
            return self._ask(*words).stdout.strip().replace("|", ", exit code ")
        reason = "" if found.get("Reason") == "None" else f" ({found.get('Reason')})"
        return f"{found.get('JobState')}{reason}, exit code {found.get('ExitCode')}"


#: why a job waits that will start by and by
_PASSING = frozenset(
    {"None", "Resources", "Priority", "Dependency", "BeginTime", "Cleaning", "Prolog", ""}
)


class GridEngine(Scheduler):
    """Grid Engine, in any of its descents."""

    arguments = "qsub_args"
    cancel = "qdel"
    describe = "qstat -j"
    template = "#!/bin/sh\n#$ -V\n#$ -S /bin/sh"
    _submit = "qsub"
    _limits = ("jobs are allowed", "job rejected: only", "try again later")
    _silence = ("timeout", "timed out", "got read error", "got send error")

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

    def try_words(self, script: Path, arguments: str) -> None:
        """See :meth:`Scheduler.try_words`."""
        self._tried(["qsub", "-w", "v", *shlex.split(arguments), str(script)])

    def queued(self) -> dict[int, str] | None:
        """See :meth:`Scheduler.queued`; a job that could not be started (``Eqw``) will not run."""
        done = self._ask("qstat", "-u", getpass.getuser())
        if done.returncode:
            return None
        rows = [line.split() for line in done.stdout.splitlines()]
        return {
            int(row[0]): f"state {row[4]}" if set("hsSTd").intersection(row[4]) else ""
            for row in rows
            if len(row) > 4 and row[0].isdigit() and "E" not in row[4]
        }

    def state(self, number: int) -> str:
        """See :meth:`Scheduler.state`."""
        done = self._ask("qstat", "-u", getpass.getuser())
        rows = [line.split() for line in done.stdout.splitlines()]
        found = next((row[4] for row in rows if len(row) > 4 and row[0] == str(number)), "nothing")
        return f"qstat says {found}"

    def scripts(self) -> dict[int, Path] | None:
        """See :meth:`Scheduler.scripts`."""
        numbers = self.queued()
        if not numbers:
            return numbers if numbers is None else {}
        said = self._ask("qstat", "-j", ",".join(map(str, numbers))).stdout
        found = re.findall(r"(?m)^job_number:\s*(\d+)$|^script_file:\s*(.*)$", said)
        return {
            int(number): Path(path)
            for (number, _), (_, path) in zip(found[::2], found[1::2], strict=False)
        }

    def fate(self, number: int) -> str:
        """See :meth:`Scheduler.fate`."""
        said = self._ask("qacct", "-j", str(number)).stdout
        found = dict(re.findall(r"(?m)^(failed|exit_status)\s+(.*?)\s*$", said))
        failed, status = found.get("failed", "0"), " ".join(found.get("exit_status", "").split())
        texts = ("" if failed == "0" else failed, f"exit code {status}" if status else "")
        return ", ".join(text for text in texts if text)
