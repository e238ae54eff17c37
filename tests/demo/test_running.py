"""What goes wrong around a run: told in words, once, and never by waiting for ever."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections import namedtuple
from concurrent.futures.process import BrokenProcessPool
from types import SimpleNamespace

import pytest
import requests
from nipype import Node, Workflow
from nipype.interfaces.utility import Function

from nipype_xnat import Interface, errors
from nipype_xnat.cli.demo import example
from nipype_xnat.demo import failures, folder, pool, proof, running
from nipype_xnat.demo.failures import Failure
from nipype_xnat.errors import CannotReachServer, XNATError
from nipype_xnat.interfaces.last_error import error_of
from nipype_xnat.interfaces.schedulers import JobRefused, Unclear
from support.demo_site import QUICK_BET
from support.waiting import wait_for

CRASH = """Node: bet_cohort.A.sink
Working directory: /w

Node inputs:
server = x
Traceback (most recent call last):
  File "x.py", line 1, in y
nipype.pipeline.engine.nodes.NodeExecutionError: Exception raised while executing Node sink.

Traceback:
\tTraceback (most recent call last):
\t  File "urllib3/connection.py", line 1, in y
\turllib3.exceptions.NewConnectionError: HTTPConnection(host='127.0.0.1'): refused

\tDuring handling of the above exception, another exception occurred:

\tTraceback (most recent call last):
\t  File "z.py", line 1, in y
\tnipype_xnat.errors.{kind}: it is not there [GET /data/x of http://a]
\t  What to do: see to it
"""


@pytest.mark.parametrize("kind", sorted(errors.__all__))
def test_each_error_of_the_package_is_found_with_its_advice(kind):
    found = error_of(CRASH.replace("{kind}", kind))
    assert found == (f"{kind}: it is not there [GET /data/x of http://a]\n  What to do: see to it")
    assert Failure("sink", found).short == f"{kind}: it is not there"


@pytest.mark.parametrize("refused", [JobRefused, Unclear])
def test_what_a_scheduler_said_of_a_job_is_found(refused):
    error = refused("sbatch refused the job: no such node\nsbatch: it is not submitted")
    text = "".join(traceback.format_exception(error))
    assert error_of(text) == f"{refused.__name__}: {error}"


def test_each_reason_is_told_once_and_in_full():
    def failed(name, words):
        text = f"NotAllowed: {words} [PUT /data/{name}]\n  What to do: ask"
        return {"name": name, "experiment_id": f"ID_{name}"}, Failure("sink", text)

    told = failures.listed([failed("A1", "no"), failed("B1", "no"), failed("C1", "never")])
    assert told.count("What to do") == 2
    assert "A1, B1, at sink:\n    NotAllowed: no [PUT /data/A1]\n      What to do: ask" in told
    long = Failure("x", "Error: " + "word " * 50)
    assert len(long.short) <= 60 and "\n" not in long.short


@pytest.fixture
def words(site):
    given = ["--config", site.config, "--project", "DEMO", "--processes", "2"]
    given += ["--report", site.folder / "report.html"]
    given += ["--criteria", "xnat:mrSessionData/AGE > 85"]  # three sessions
    return [*given, "--work", site.folder / "work", "--cache", site.folder / "cache"]


@pytest.fixture
def program(site, words):
    """Start the example as a program; what it says is in its ``stdout`` and ``stderr``."""
    started = []

    def program(**environment):
        child = subprocess.Popen(
            [sys.executable, example("bet_cohort"), *words],
            cwd=site.folder,
            env={**os.environ, **environment},
            stdout=-1,
            stderr=-1,
            text=True,
            start_new_session=True,
        )
        started.append(child)
        return child

    yield program
    for child in started:
        if child.poll() is None:
            child.kill()
        child.communicate()


@pytest.fixture
def slow_bet(site):
    path = site.folder / "bin" / "bet"
    text = path.read_text().replace("source, target", "import time\nsource, target", 1)
    path.write_text(text + 'time.sleep(float(os.environ.get("SLOW_BET", "0")))\n')


def read_until(child, word):
    lines = []
    for line in child.stdout:
        lines.append(line)
        if re.search(word, line):
            return "".join(lines)
    raise AssertionError("".join(lines) + child.stderr.read())


def example_main(load_example, words):
    return load_example("bet_cohort").main([str(word) for word in [*words, "--plugin", "Linear"]])


def test_who_may_read_but_not_write_is_told_what_failed(site, words, load_example, capfd):
    site.archive.add_user("reader", "reader")
    path = f"{site.url}/data/projects/DEMO/users/Collaborators/reader"
    requests.put(path, auth=("admin", "admin"), timeout=60).raise_for_status()
    Interface(site.url, "reader", "reader").save_config(site.config)
    assert example_main(load_example, words) == 1
    said = capfd.readouterr().out
    assert f"3 of 3 sessions failed; details in {site.folder / 'work' / 'crash'}" in said
    assert "3 files downloaded, 3 sessions computed, 0 files uploaded" in said
    assert "already" not in said and "Checked" not in said
    assert "DEMO005_MR1, DEMO008_MR1, DEMO016_MR1" in said
    table = said[said.index("Stored at") : said.index("What failed")]
    assert max(map(len, table.splitlines())) < 120 and "What to do" not in table
    # again: the results are there, and only the sink is tried
    site.computed()
    assert example_main(load_example, words) == 1
    said = capfd.readouterr().out
    assert site.computed() == []
    assert "0 files downloaded, 0 sessions computed, 0 files uploaded" in said
    assert "3 of 3 sessions failed" in said and "already" not in said


def test_an_archive_that_goes_away_takes_the_report_with_it_not(
    site, words, load_example, capfd, monkeypatch
):
    def away(*_):
        raise CannotReachServer("no connection", server=site.url, advice="start it")

    monkeypatch.setattr(proof, "compare", away)
    page = site.folder / "report.html"
    assert example_main(load_example, [*words, "--report", page]) == 1
    said = capfd.readouterr().out
    assert "NOT CHECKED" in said and "no connection" in said and "start it" in said
    assert page.exists() and "3 sessions computed" in said


def test_the_lines_tell_computed_from_unchanged(site, words, load_example, capfd):
    assert example_main(load_example, words) == 0
    assert len(re.findall(r"\d/3\] \w+: computed\n", capfd.readouterr().out)) == 3
    assert example_main(load_example, words) == 0
    assert len(re.findall(r"\d/3\] \w+: unchanged\n", capfd.readouterr().out)) == 3


def test_two_runs_in_one_folder_do_not_mix(tmp_path):
    with folder.claimed(tmp_path / "work") as work:
        code = (
            "import sys; from pathlib import Path; from nipype_xnat.demo import folder, running\n"
            "def main():\n"
            "    with folder.claimed(Path(sys.argv[1])): return 0\n"
            "running.program(main)"
        )
        command = [sys.executable, "-c", code, work]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 1
        assert f"another run uses {work} (pid {os.getpid()} on " in done.stderr
        assert "--work" in done.stderr and "Traceback" not in done.stderr
    assert subprocess.run(command).returncode == 0


def test_a_forked_child_does_not_keep_the_folder(tmp_path):
    with folder.claimed(tmp_path):
        child = os.fork()
        if child == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            time.sleep(60)
            os._exit(0)
    try:
        with folder.claimed(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_full_disk_is_told_before_the_run(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 20, 0, 1 << 20))
    with pytest.raises(XNATError, match="no space left on .*work.*\n.*--work"):
        with folder.claimed(tmp_path / "work"):
            pass


def test_a_disk_that_fills_up_stops_the_run(site, words, load_example, monkeypatch):
    monkeypatch.setattr(running.folder, "LEAST", 1)
    usage = namedtuple("usage", "total used free")
    free = iter([1 << 30] * 3)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1 << 30, 0, next(free, 0)))
    module = load_example("bet_cohort")
    with pytest.raises(XNATError, match="no space left on"):
        module.main([str(word) for word in words])


def test_a_worker_that_dies_is_told_and_not_waited_for(site, words, load_example, capfd):
    # each worker leads a group of processes, so this kills the worker that runs it
    site.put_program("bet", "#!/bin/sh\nkill -9 -$(ps -o pgid= -p $$ | tr -d ' ')\n")
    assert load_example("bet_cohort").main([str(word) for word in words]) == 1
    said = capfd.readouterr().out
    assert "3 of 3 sessions failed" in said and "BrokenProcessPool" in said


def nothing():
    pass


def test_a_worker_that_dies_before_a_job_is_handed_over_fails_the_job(tmp_path):
    told = []
    arguments = {"n_procs": 1, "status_callback": lambda node, status: told.append(status)}
    plugin = pool.MultiProcPlugin(arguments, lambda: None)
    with pytest.raises(BrokenProcessPool):
        plugin.pool.submit(os._exit, 1).result()
    workflow = Workflow(name="w", base_dir=str(tmp_path))
    workflow.config["execution"] = {
        "crashdump_dir": str(tmp_path),
        "stop_on_first_crash": "false",
        "poll_sleep_duration": 0.1,
    }
    workflow.add_nodes([Node(Function(function=nothing), name="alone")])
    try:
        with pytest.raises(RuntimeError, match="BrokenProcessPool"):
            workflow.run(plugin=plugin)
    finally:
        plugin.stop()
    assert told == ["start", "exception"]


def test_ctrl_c_is_one_line_and_the_next_run_goes_on(site, program, slow_bet):
    child = program(SLOW_BET="100")
    read_until(child, "3 with the wanted")
    # both workers are logged in then: who is ended amid a log-in cannot know what to log out of
    wait_for(lambda: len(list((site.folder / "work").rglob("*_brain_mask.nii.gz"))) == 2)
    os.killpg(child.pid, signal.SIGINT)  # as a terminal does
    out, err = child.communicate(timeout=60)
    assert (child.returncode, err) == (
        130,
        "Interrupted; run again with the same folder to go on\n",
    )
    assert "Traceback" not in out
    assert site.archive.open_sessions == 0
    site.computed()
    again = program()
    out, err = again.communicate(timeout=120)
    assert (again.returncode, err) == (0, "") and "6 files uploaded" in out


def test_no_worker_outlives_a_killed_program(site, program, slow_bet):
    child = program(SLOW_BET="200")
    read_until(child, "3 with the wanted")
    wait_for(lambda: list((site.folder / "work").rglob("*_brain_mask.nii.gz")))
    child.kill()
    child.wait()
    wait_for(lambda: not _working_in(site.folder))
    with folder.claimed(site.folder / "work"):
        pass


def _working_in(place):
    listed = subprocess.run(["ps", "-eo", "pid,stat,args"], capture_output=True, text=True).stdout
    lines = [line for line in listed.splitlines() if str(place) in line]
    return [line for line in lines if not line.split()[1].startswith("Z")]


def test_counts_and_words_of_a_run():
    def session(**values):
        given = {"computed": False, "failure": None, "stored": []}
        return SimpleNamespace(**{**given, **values})

    nothing = running.Work.of([session()], 0)
    assert "all results were there already" in str(nothing)
    some = running.Work.of([session(), session(computed=True, failure=Failure("sink", "no"))], 1)
    assert str(some) == (
        "1 file downloaded, 1 session computed, 0 files uploaded.\n1 of 2 sessions failed"
    )


def test_a_program_that_babbles_and_makes_no_file_has_failed(site, words, load_example, capfd):
    site.put_program("bet", "#!/bin/sh\necho '\\033[2J nan nan 100%'\nexit 0\n")
    assert example_main(load_example, words) == 1
    said = capfd.readouterr().out
    assert "failed at sink" in said and "3 of 3 sessions failed" in said
    assert "there is no file" in said and "0 files uploaded" in said
    # Nipype has it that bet is done, and would not run it again
    site.put_program("bet", QUICK_BET)
    assert example_main(load_example, words) == 0
    assert len(site.computed()) == 3


@pytest.mark.parametrize("plugin", ["Linear", "MultiProc"])
def test_a_result_that_was_cut_off_is_made_anew(site, words, load_example, capfd, plugin):
    assert example_main(load_example, words) == 0
    computed = site.computed()
    result = site.folder / "work" / "bet_cohort" / "DEMO008_MR1" / "bet" / "result_bet.pklz"
    result.write_bytes(result.read_bytes()[:300])
    given = [str(word) for word in [*words, "--plugin", plugin]]
    assert load_example("bet_cohort").main(given) == 0
    assert site.computed() == ["DEMO008_MR1_T1w.nii.gz"] and len(computed) == 3
    assert "1 session computed" in capfd.readouterr().out
