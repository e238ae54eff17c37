"""The same cohort through MultiProc, and the search that the other modules rely on."""

from __future__ import annotations

import gzip
import logging
import pickle
import subprocess
import sys

import pytest

from support.clusters import cohort, leaks, restarts, submit
from support.clusters.daemons import until
from support.clusters.ground import ALL, HEADS


def test_multiproc_gives_what_a_linear_run_gives(site, linear):
    code, said = cohort.run(site, "MultiProc", {"n_procs": 2})
    assert code == 0, said
    assert site.computed() == HEADS
    assert cohort.state(site) == linear


def cases(ways, short):
    """Return all combinations with the plugins; those that are not short take long."""
    return [
        pytest.param(plugin, way, id=f"{plugin}-{way}", marks=() if (plugin, way) in short else ALL)
        for way in ways
        for plugin in ("Linear", "MultiProc")
    ]


KILLS = {str(moment): moment for moment in restarts.MOMENTS}
SHORT = {("Linear", str(restarts.MOMENTS[3])), ("MultiProc", str(restarts.MOMENTS[1]))}


@pytest.mark.parametrize(("plugin", "moment"), cases(KILLS, SHORT))
def test_the_archive_is_killed_in_mid_run(served, linear, plugin, moment):
    restarts.archive_killed(served, linear, plugin, KILLS[moment])


@pytest.mark.parametrize(
    "moment",
    [None, pytest.param(restarts.MOMENTS[1], marks=ALL), restarts.MOMENTS[3]],
    ids=lambda moment: str(moment or "before a log-in"),
)
def test_an_archive_that_is_back_in_a_moment_fails_no_node(
    served, linear, monkeypatch, request, moment
):
    started = []

    class Back(logging.Handler):
        """Starts the archive when a request of this process is about to be sent again."""

        def emit(self, record):
            if served.archive.killed.is_set() and "trying again" in record.getMessage():
                served.archive.killed.clear()
                served.archive.start()
                started.append(record.getMessage())

    logger, back = logging.getLogger("nipype_xnat.transport"), Back(logging.INFO)
    logger.addHandler(back)
    request.addfinalizer(lambda: logger.removeHandler(back))
    monkeypatch.setattr(logger, "level", logging.INFO)
    monkeypatch.setenv("FSLOUTPUTTYPE", "NIFTI_GZ")
    work = served.folder / "work"
    whole = submit.workflow(str(served.config), str(work), str(served.folder / "cache"))
    if moment is None:
        served.archive.kill()
        served.archive.killed.set()
    else:
        served.archive.kill_at(moment.request, answered=moment.answered)
    whole.run(plugin="Linear")
    assert len(started) == 1
    assert moment or "log-in" in started[0]
    assert served.computed() == HEADS
    assert cohort.state(served) == linear


INTERRUPTS = {"fetching": restarts.FETCH, "storing": restarts.STORE}


@pytest.mark.parametrize(
    ("plugin", "what"), cases(INTERRUPTS, {("Linear", "storing"), ("MultiProc", "fetching")})
)
def test_an_interrupt_leaves_nothing_behind(served, linear, plugin, what):
    restarts.interrupted(served, linear, plugin, INTERRUPTS[what])


def test_the_search_finds_what_was_hidden_on_purpose(tmp_path):
    word = "s3cret w0rd/of+jane"
    wanted = leaks.forms(word, "jane")
    (tmp_path / "in").mkdir()
    plain, packed, quoted = (tmp_path / "in" / name for name in ("plain", "packed.pklz", "quoted"))
    plain.write_text(f"password={word}")
    packed.write_bytes(gzip.compress(pickle.dumps({"environ": {"PWD": word}})))
    quoted.write_text("http://jane:s3cret%20w0rd/of%2Bjane@server")
    assert set(leaks.files_with(wanted, [tmp_path], [])) == {plain, packed, quoted}
    assert leaks.files_with(wanted, [tmp_path], [tmp_path / "in"]) == []
    shell = [sys.executable, "-c", "import time; time.sleep(60)", word]
    with subprocess.Popen(shell) as process:
        try:
            with leaks.Watch(lambda: "nothing") as watch:
                until(lambda: watch.shown(wanted), "a word on a command line")
        finally:
            process.kill()
