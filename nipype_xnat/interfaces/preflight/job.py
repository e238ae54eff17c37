"""The job's side: one small job is submitted as a node would be, and says what it sees."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from ..._version import __version__
from ...errors import ConfigurationError
from ..schedulers import JobRefused, Scheduler
from .findings import Finding, error, ok, warning
from .folders import Folder
from .inside import ANSWER, MARK, QUESTION, SEEN, Question
from .mounts import existing
from .nodes import programs_of
from .situation import Situation

__all__ = ["Told", "ask_a_job"]

_PAUSE = 0.2
_LATE = 10.0  # seconds that a shared file system may take to show what a job wrote

# run as Nipype runs a node's script: by this interpreter, in a folder of its own
_SCRIPT = """\
import json, pathlib, socket, traceback
folder = pathlib.Path(__file__).resolve().parent
try:
    from nipype_xnat.interfaces.preflight.inside import main
    main({folder!r})
except BaseException as trouble:
    text = traceback.format_exception_only(type(trouble), trouble)[-1].strip()
    answer = {{"host": socket.gethostname(), "trouble": text}}
    making = folder / "answer.making"
    making.write_text(json.dumps(answer))
    making.replace(folder / {answer!r})
"""


class Told:
    """What a job told.

    Parameters
    ----------
    findings : list of Finding
    seen_from : dict of Path to str
        Folders that it proved to see, and its host.
    """

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.seen_from: dict[Path, str] = {}


def ask_a_job(
    situation: Situation,
    folders: list[Folder],
    modules: dict[str, str],
    patience: float,
) -> Told:
    """Submit a job with the plugin's own arguments, wait for its answer, and judge it.

    Parameters
    ----------
    situation : Situation
    folders : list of Folder
    modules : dict of str to str
        Packages that nodes need, each with such a node.
    patience : float
        Seconds to wait; the job is cancelled then.
    """
    told = Told()
    try:
        scheduler = situation.plugin.scheduler()
    except ConfigurationError:
        return told  # told where the programs are looked at
    home = existing(situation.home)
    try:
        folder = Path(tempfile.mkdtemp(prefix=MARK, dir=home))
    except OSError as trouble:
        fact = f"no job can be sent from {home}: {trouble.strerror}"
        told.findings.append(error("job.runs", fact, "name a base_dir that can be written"))
        return told
    marks: list[Path] = []
    try:
        question = _question(situation, folders, modules, marks)
        (folder / QUESTION).write_text(json.dumps(asdict(question)), encoding="utf-8")
        _submit(situation, scheduler, folder, patience, told)
        _look_at_marks(folders, question, told)
    finally:
        for mark in marks:
            mark.unlink(missing_ok=True)
            mark.with_name(mark.name + SEEN).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
    return told


def _question(
    situation: Situation, folders: list[Folder], modules: dict[str, str], marks: list[Path]
) -> Question:
    found = Question(platform.python_version(), __version__, os.geteuid(), modules=modules)
    for folder in folders:
        mark, text = _mark(folder, marks)
        if mark is None:
            continue  # told where the folder is looked at
        found.folders.append(
            {
                "role": folder.role,
                "path": str(folder.path),
                "written": folder.written,
                "mark": str(mark),
                "text": text,
            }
        )
    for named in situation.named:
        if not named.offline and (named.nodes or named.values):
            found.archives.append(dict(named.values))
    for (name, path), nodes in programs_of(situation).items():
        found.programs.append((name, path, nodes[0]))
    return found


def _mark(folder: Folder, marks: list[Path]) -> tuple[Path | None, str]:
    """Return a file by which a job knows that it sees the same folder, and its text."""
    there = existing(folder.path)
    if not folder.written:
        mark = there / "mirror.json" if folder.role == "mirror" else there / "layout"
        with contextlib.suppress(OSError, UnicodeDecodeError):
            return mark, mark.read_text(encoding="utf-8")
        return None, ""
    text = uuid.uuid4().hex
    mark = there / f"{MARK}{text[:8]}"
    try:
        mark.write_text(text, encoding="utf-8")
    except OSError:
        return None, ""
    marks.append(mark)
    return mark, text


def _submit(
    situation: Situation, scheduler: Scheduler, folder: Path, patience: float, told: Told
) -> None:
    plugin = situation.plugin
    script = folder / "look.py"
    script.write_text(_SCRIPT.format(folder=str(folder), answer=ANSWER), encoding="utf-8")
    template = str(plugin.arguments.get("template") or scheduler.template)
    if "\n" not in template and Path(template).is_file():
        template = Path(template).read_text(encoding="utf-8")
    batch = folder / "look.sh"
    batch.write_text(scheduler.script(template, [sys.executable, str(script)]), encoding="utf-8")
    arguments = str(plugin.arguments.get(plugin.words) or "")
    told.findings += _words_of_nodes(situation, scheduler, batch, arguments)
    try:
        number = scheduler.submit(batch, "nipype-xnat-check", arguments)
    except (JobRefused, ValueError) as refused:
        fact = f"a job with the plugin's arguments is not accepted: {refused}"
        told.findings.append(error("job.accepted", fact, f"correct {plugin.words} or template"))
        return
    answered = False
    try:
        answered = _wait(scheduler, number, folder / ANSWER, patience)
        told.findings += _judged(scheduler, number, folder, patience, answered, told)
    finally:
        if not answered:
            scheduler.end(number)


def _words_of_nodes(
    situation: Situation, scheduler: Scheduler, batch: Path, arguments: str
) -> Iterator[Finding]:
    """Ask the scheduler whether it takes the words that nodes have of their own."""
    name = situation.plugin.words
    seen: set[str] = set()
    for node in situation.nodes:
        own = getattr(node, "plugin_args", None)
        if not isinstance(own, dict):
            continue
        words = own.get(name)
        if not isinstance(words, str):
            continue
        whole = words if own.get("overwrite") else f"{arguments} {words}"
        if whole in seen:
            continue
        seen.add(whole)
        try:
            scheduler.try_words(batch, whole)
        except (JobRefused, ValueError) as refused:
            fact = f"jobs of the node {node.fullname} are not accepted: {refused}"
            yield error("job.accepted", fact, f"correct {name} in its plugin_args")


def _wait(scheduler: Scheduler, number: int, answer: Path, patience: float) -> bool:
    """Wait until a job has answered; False if it has ended without, or did not come to its turn."""
    end = time.monotonic() + patience
    left_at: float | None = None
    asked = 0.0
    while time.monotonic() < end:
        os.listdir(answer.parent)  # noqa: PTH208  (makes NFS look for new names)
        if answer.exists():
            return True
        now = time.monotonic()
        if left_at is not None and now - left_at > _LATE:
            return False
        if left_at is None and now - asked > 1.0:
            asked = now
            queued = scheduler.queued()
            if queued is not None and number not in queued:
                left_at = now
        time.sleep(_PAUSE)
    return False


def _judged(
    scheduler: Scheduler,
    number: int,
    folder: Path,
    patience: float,
    answered: bool,
    told: Told,
) -> Iterator[Finding]:
    if not answered:
        yield _silence(scheduler, number, folder, patience)
        return
    answer = json.loads((folder / ANSWER).read_text(encoding="utf-8"))
    host = str(answer["host"])
    if "trouble" in answer:
        yield error(
            "job.package",
            f"{sys.executable} cannot run this package: {answer['trouble']}",
            "install it on all hosts, in the environment of this interpreter",
            host=host,
        )
        return
    yield ok("job.runs", f"job {number} ran", host=host)
    for path in answer["seen"]:
        told.seen_from[Path(path)] = host
    for one in answer["findings"]:
        yield Finding(**one)


def _silence(scheduler: Scheduler, number: int, folder: Path, patience: float) -> Finding:
    """Say why there is no answer."""
    queued = scheduler.queued()
    if queued is None or number in queued:
        fact = f"job {number} did not come to its end in {patience:g} s: {scheduler.state(number)}"
        advice = "wait longer (--patience), or mend the arguments or the queue; it was cancelled"
        return error("job.runs", fact, advice)
    printed = "; ".join(filter(None, (scheduler.fate(number), *_printed(folder))))
    printed = printed or "nothing that it printed is there"
    return error(
        "job.runs",
        f"job {number} has ended, and {folder.parent} shows no answer: {printed}",
        "name a base_dir that all hosts mount, or see what the scheduler says of the job",
    )


def _printed(folder: Path) -> Iterator[str]:
    for path in sorted(folder.glob("look.sh.o*")):
        with contextlib.suppress(OSError):
            text = path.read_text(encoding="utf-8", errors="replace").strip()
            if text:
                yield f"it printed {text.splitlines()[-1]!r}"


def _look_at_marks(folders: list[Folder], question: Question, told: Told) -> None:
    """Check that what the job wrote into a folder is seen here."""
    for one in question.folders:
        path = Path(one["path"])
        if not one["written"] or path not in told.seen_from:
            continue
        mark = Path(one["mark"])
        end = time.monotonic() + _LATE
        while not (seen := mark.with_name(mark.name + SEEN).exists()) and time.monotonic() < end:
            time.sleep(_PAUSE)
        if not seen:
            host = told.seen_from.pop(path)
            fact = f"what a job on {host} wrote into {path} is not seen here after {_LATE:g} s"
            told.findings.append(
                warning(f"{one['role']}.in_job", fact, "look at how the folder is mounted")
            )
