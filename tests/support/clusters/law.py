"""What holds on every cluster; the test modules say on which."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time

import pytest
import requests
from nipype import Function, IdentityInterface, MapNode, Node, Workflow
from nipype.pipeline.engine.utils import load_resultfile

from nipype_xnat import Interface, cluster_plugin
from nipype_xnat.cli.demo import example
from nipype_xnat.demo import heads
from nipype_xnat.server.sessions import Sessions
from support.clusters import cohort, leaks, submit
from support.clusters.daemons import Cluster, until
from support.demo_site import RECON_ALL

HEADS = ["DEMO008_MR1_T1w.nii.gz", "GUEST01_A_T1w.nii.gz", "tête_Größe_T1w.nii.gz"]
PASSWORD = "s3cret w0rd/of+jane"

#: those that take long run where this variable is set
ALL = pytest.mark.skipif(
    not os.environ.get("CLUSTER_TESTS_ALL"), reason="takes long; runs with CLUSTER_TESTS_ALL=1"
)


def reach(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Let programs of this test find a cluster, and no other."""
    for name in [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_", "SGE_"))]:
        monkeypatch.delenv(name)
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOGNAME", "root")  # Nipype's own plugins need it
    return cluster


def issued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list of the ids and tokens of each log-in session from now on."""
    found: list[str] = []
    original = Sessions.open

    def open_and_note(self, person):
        session = original(self, person)
        found.extend((session.id, session.csrf))
        return session

    monkeypatch.setattr(Sessions, "open", open_and_note)
    return found


def divide(divisor):
    """Share a hundred."""
    return 100 // divisor


def add(values):
    """Add what was shared."""
    return sum(values)


class ClusterLaw:
    """The tests; a subclass has the names of the plugins and the fixture ``cluster``."""

    plain = ""
    graph = ""
    cancel = ""

    def _account(self, site, with_token: bool) -> tuple[str, str]:
        """Write an account of a person, or one of its tokens, into the configuration file."""
        site.archive.add_user("jane", PASSWORD, admin=True)
        user, word = "jane", PASSWORD
        if with_token:
            uri = f"{site.url}/data/services/tokens/issue"
            given = requests.get(uri, auth=(user, word), timeout=60).json()
            user, word = given["alias"], given["secret"]
        Interface(site.url, user, word).save_config(site.config)
        return user, word

    def _search(self, site, cluster, watch, user, word, sessions) -> None:
        wanted = leaks.forms(word, user) | leaks.forms(PASSWORD, "jane")
        wanted |= {word.encode() for word in sessions}
        assert len(sessions) > len(HEADS)
        assert watch.failed == []
        assert watch.shown(wanted) == []
        but = [site.folder / "archive", site.config]
        assert leaks.files_with(wanted, [site.folder, cluster.folder], but) == []

    @pytest.mark.parametrize("kind", ["plain", "graph"])
    def test_nipypes_own_plugin_gives_what_a_linear_run_gives_and_shows_no_secret(
        self, site, cluster, linear, monkeypatch, kind
    ):
        plugin = getattr(self, kind)
        user, word = self._account(site, with_token=kind == "graph")
        sessions, open_before = issued(monkeypatch), site.archive.open_sessions
        with leaks.Watch(cluster.tells) as watch:
            code, said = cohort.run(site, plugin, {"dont_resubmit_completed_jobs": False})
            until(lambda: not cluster.jobs(), "the end of all jobs", 120)
        assert code == 0, said
        assert site.computed() == HEADS
        assert len(cohort.jobs_of(site.folder / "work")) == 3 * len(HEADS)
        self._search(site, cluster, watch, user, word, sessions)
        assert site.archive.open_sessions == open_before
        assert cohort.state(site) == linear

    def _example(self, site, name: str, *words: str) -> tuple[int, str]:
        """Run an example workflow as a user does; return exit code and all it said."""
        given = [example(name), "--config", site.config, "--project", "DEMO"]
        given += ["--work", site.folder / "work", "--cache", site.folder / "cache"]
        if not any(word == "--criteria" for word in words):
            given += ["--criteria", submit.CRITERIA]
        done = subprocess.run(
            [sys.executable, *map(str, given), *words],
            check=False,
            cwd=site.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=250,
        )
        return done.returncode, done.stdout + done.stderr

    def test_the_example_tells_what_failed_and_what_vanished_and_goes_on_from_there(
        self, site, cluster, linear, monkeypatch
    ):
        user, word = self._account(site, with_token=False)
        sessions = issued(monkeypatch)
        monkeypatch.setenv("QUICK_BET_REFUSES", "GUEST01")
        monkeypatch.setenv("QUICK_BET_VANISHES", "DEMO008")
        monkeypatch.setenv("QUICK_BET_ENDS", self.cancel)
        with leaks.Watch(cluster.tells) as watch:
            code, said = self._example(site, "bet_cohort", "--plugin", self.plain)
        assert code == 1, said
        assert "DEMO005_MR1: computed" in said
        assert "DEMO016_MR1: failed at bet" in said and "this head is not liked" in said
        assert "DEMO008_MR1: failed at bet" in said and "left no result" in said
        assert {session for session, _ in cohort.held(site)} == {"DEMO005_MR1"}
        site.computed()
        self._search(site, cluster, watch, user, word, sessions)
        assert list((site.folder / "work" / "crash").glob("crash-*.txt"))

        monkeypatch.delenv("QUICK_BET_REFUSES")
        monkeypatch.delenv("QUICK_BET_VANISHES")
        code, said = self._example(site, "bet_cohort", "--plugin", self.graph)
        assert code == 0, said
        assert site.computed() == HEADS[:2]
        assert "2 sessions computed, 4 files uploaded" in said
        assert cohort.state(site) == linear

    def _replace(self, site) -> None:
        """Put another image into the archive, under the same name."""
        session = "/data/projects/DEMO/subjects/DEMO008/experiments/DEMO008_MR1"
        uri = f"{site.url}{session}/scans/1/resources/NIFTI/files/{HEADS[0]}"
        other = heads.Person("OTHER", "OTHER_1", "M", 85.0)
        requests.put(
            f"{uri}?overwrite=true&inbody=true",
            data=heads.nifti_gz(heads.image(other, resolution=8.0)),
            headers={"Content-Type": "application/octet-stream"},
            auth=("admin", "admin"),
            timeout=60,
        ).raise_for_status()

    @pytest.mark.parametrize("kind", ["plain", pytest.param("graph", marks=ALL)])
    def test_jobs_cancelled_in_the_queue_are_no_earlier_result(self, site, cluster, linear, kind):
        code, said = cohort.run(site, "Linear")
        assert code == 0, said
        self._replace(site)
        name = {"SLURM": "sbatch_args", "SGE": "qsub_args"}[self.plain]
        held = {name: {"SLURM": "--hold", "SGE": "-h"}[self.plain]}
        with cohort.started(site, f"+{getattr(self, kind)}", held) as process:
            number = len(HEADS) * (1 if kind == "plain" else 3)
            until(lambda: len(cluster.jobs()) == number, "jobs in the queue", 60)
            cluster.cancel(*cluster.jobs())
            said, _ = process.communicate(timeout=100)
        assert process.returncode == 1, said
        assert "left no result" in said
        assert cohort.state(site) == linear

    def test_the_sibling_example(self, site, cluster):
        site.put_program("recon-all", RECON_ALL)
        words = ["--plugin", self.plain, "--criteria", "xnat:mrSessionData/AGE > 91"]
        code, said = self._example(site, "recon_all_cohort", *words)
        assert code == 0, said
        assert "4 files compared byte for byte" in said
        assert site.computed() == ["DEMO008_MR1"]

    def test_no_job_that_is_refused_takes_others_along(self, site, cluster):
        name = {"SLURM": "sbatch_args", "SGE": "qsub_args"}[self.plain]
        code, said = cohort.run(site, f"+{self.plain}", {name: "--no-such-option"})
        assert code == 1
        assert "refused the job" in said
        assert cluster.jobs() == []
        code, said = cohort.run(site, f"+{self.graph}", {name: "--no-such-option"})
        assert code == 1
        assert f"{len(HEADS)} failed" in said and "refused the job" in said

    @ALL
    @pytest.mark.parametrize("kind", ["plain", "graph"])
    def test_a_mapnode_of_which_one_element_fails(self, cluster, tmp_path, kind):
        def run(divisors):
            whole = Workflow(name="mapped", base_dir=str(tmp_path))
            over = Node(IdentityInterface(["divisors"]), name="over")
            over.inputs.divisors = divisors
            share = MapNode(Function(["divisor"], ["out"], divide), ["divisor"], name="share")
            total = Node(Function(["values"], ["out"], add), name="total")
            whole.connect([(over, share, [("divisors", "divisor")])])
            whole.connect([(share, total, [("out", "values")])])
            whole.config["execution"] = {
                "crashdump_dir": str(tmp_path / "crash"),
                "stop_on_first_crash": "false",
                "poll_sleep_duration": 0.5,
            }
            whole.run(plugin=cluster_plugin(getattr(self, kind)))
            (result,) = (tmp_path / "mapped" / "total").glob("result_*.pklz")
            return load_resultfile(result).outputs.out

        assert run([1, 2, 4]) == 175
        with pytest.raises(RuntimeError, match=r"ZeroDivisionError|mapped\.share: "):
            run([1, 2, 0])
        assert run([1, 2, 5]) == 170

    @ALL
    @pytest.mark.parametrize("kind", ["plain", "graph"])
    def test_the_submitting_process_is_killed(self, site, cluster, linear, monkeypatch, kind):
        plugin = f"+{getattr(self, kind)}"
        monkeypatch.setenv("QUICK_BET_TAKES", "15")
        with cohort.started(site, plugin) as process:
            until(lambda: list((site.folder / "work").rglob("bet/command.txt")), "a bet", 90)
            process.kill()
        assert cluster.jobs()
        monkeypatch.delenv("QUICK_BET_TAKES")
        code, said = cohort.run(site, plugin)
        assert code == 0, said
        assert "Waiting for jobs of an earlier run" in said
        assert site.computed() == HEADS
        assert cohort.state(site) == linear

    @ALL
    @pytest.mark.parametrize("kind", ["plain", "graph"])
    def test_an_interrupt_tells_what_is_left_in_the_queue(self, site, cluster, linear, kind):
        plugin = f"+{getattr(self, kind)}"
        with cohort.started(site, plugin) as process:
            until(cluster.jobs, "the first job", 60)
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        found = re.search(r"to end them: (\w+) ([\d ]+)", said)
        assert found, said
        cluster.ask(found[1], *found[2].split())
        until(lambda: not cluster.jobs(), "the end of all jobs")
        code, said = cohort.run(site, plugin)
        assert code == 0, said
        assert cohort.state(site) == linear

    @ALL
    @pytest.mark.parametrize("daemon", ["controller", "node"])
    def test_a_daemon_is_away_for_a_while(self, site, cluster, linear, daemon):
        with cohort.started(site, f"+{self.plain}") as process:
            until((site.folder / "cache").exists, "the first job", 60)
            getattr(cluster, f"kill_{daemon}")()
            time.sleep(8)
            getattr(cluster, f"start_{daemon}")()
            said, _ = process.communicate(timeout=200)
        assert process.returncode == 0, said
        assert site.computed() == HEADS
        assert cohort.state(site) == linear

    @ALL
    def test_jobs_are_cancelled_in_mid_run(self, site, cluster, linear):
        plugin = f"+{self.graph}"
        with cohort.started(site, plugin) as process:
            until((site.folder / "cache").exists, "the first job", 60)
            cluster.cancel(*cluster.jobs())
            said, _ = process.communicate(timeout=200)
        assert process.returncode == 1, said
        assert "left no result" in said
        code, said = cohort.run(site, plugin)
        assert code == 0, said
        assert cohort.state(site) == linear
