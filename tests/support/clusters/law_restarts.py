"""Whatever is ended in mid-run, the next run ends as an undisturbed one."""

from __future__ import annotations

import re
import signal
import time

import pytest

from support.clusters import cohort, restarts
from support.clusters.daemons import until
from support.clusters.ground import ALL, HEADS, Ground
from support.demo_site import RECON_ALL


class RestartLaw(Ground):
    """Jobs, daemons, the submitting process and the archive are ended."""

    @ALL
    @pytest.mark.parametrize("kind", ["plain", "graph", "Nipype's own"])
    def test_the_submitting_process_is_killed(self, site, cluster, linear, monkeypatch, kind):
        plugin = f"+{self.graph if kind == 'graph' else self.plain}"
        killed = self.plain if kind == "Nipype's own" else plugin
        monkeypatch.setenv("QUICK_BET_TAKES", "15")
        with cohort.started(site, killed) as process:
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
    def test_a_daemon_is_away_for_a_while(self, site, cluster, linear, monkeypatch, daemon):
        monkeypatch.setenv("QUICK_BET_TAKES", "12")
        with cohort.started(site, f"+{self.plain}") as process:
            started = (site.folder / "work").rglob
            until(lambda: len(list(started("bet/command.txt"))) == len(HEADS), "each bet", 120)
            getattr(cluster, f"kill_{daemon}")()
            time.sleep(8)
            getattr(cluster, f"start_{daemon}")()
            said, _ = process.communicate(timeout=200)
        assert process.returncode == 0, said
        assert site.computed() == HEADS
        assert cohort.state(site) == linear

    @ALL
    @pytest.mark.parametrize("kind", ["plain", "graph"])
    @pytest.mark.parametrize("moment", restarts.MOMENTS, ids=str)
    def test_the_archive_is_killed(self, served, cluster, linear, kind, moment):
        restarts.archive_killed(served, linear, f"+{getattr(self, kind)}", moment)

    @ALL
    @pytest.mark.parametrize("kind", ["plain", "graph"])
    def test_a_scheduler_that_answers_late_starts_no_job_twice(self, site, cluster, linear, kind):
        cluster.freeze_controller()
        try:
            with cohort.started(site, f"+{getattr(self, kind)}") as process:
                # longer than SLURM's programs wait for an answer
                time.sleep(25)
                cluster.thaw_controller()
                said, _ = process.communicate(timeout=200)
        finally:
            cluster.thaw_controller()
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

    @ALL
    @pytest.mark.parametrize("kind", ["plain", "graph"])
    def test_a_long_job_goes_on_where_it_was_killed(self, site, cluster, monkeypatch, kind):
        site.put_program("recon-all", RECON_ALL)
        monkeypatch.setenv("RECON_ALL_FILES", "300")
        monkeypatch.setenv("RECON_ALL_ENDS", self.cancel)
        words = ["--plugin", getattr(self, kind), "--criteria", "xnat:mrSessionData/AGE > 91"]
        code, said = self.example(site, "recon_all_cohort", *words)
        assert code == 1, said
        monkeypatch.delenv("RECON_ALL_ENDS")
        site.archive.requests.clear()
        code, said = self.example(site, "recon_all_cohort", *words)
        assert code == 0, said
        stages = (site.folder / "bet.log.stages").read_text().splitlines()
        assert stages == ["DEMO008_MR1 first", "DEMO008_MR1 last"]
        assert len(cohort.held(site, "FREESURFER")) == 304
        sent = [
            one for one in site.archive.requests if one.method == "PUT" and "/files" in one.path
        ]
        assert len(sent) == 1
