"""Jobs that fail, vanish or are refused, each told, and none that takes others along."""

from __future__ import annotations

import re
import time

import pytest
from nipype import Function, Node, Workflow
from nipype.pipeline.engine.nodes import NodeExecutionError

from nipype_xnat import cluster_plugin
from support.clusters import cohort, leaks
from support.clusters.daemons import until
from support.clusters.ground import ALL, HEADS, Ground, divide
from support.log_ins import opened


class FailureLaw(Ground):
    """What goes wrong with a job."""

    def test_the_example_tells_what_failed_and_what_vanished_and_goes_on_from_there(
        self, site, cluster, linear, monkeypatch
    ):
        user, word = self.account(site, with_token=False)
        sessions = opened(monkeypatch)
        monkeypatch.setenv("QUICK_BET_REFUSES", "GUEST01")
        monkeypatch.setenv("QUICK_BET_VANISHES", "DEMO008")
        monkeypatch.setenv("QUICK_BET_ENDS", self.cancel)
        with leaks.Watch(cluster.tells) as watch:
            code, said = self.example(site, "bet_cohort", "--plugin", self.plain)
        assert code == 1, said
        assert "DEMO005_MR1: computed" in said
        assert "DEMO016_MR1: failed at bet" in said and "this head is not liked" in said
        assert "DEMO008_MR1: failed at bet" in said and "left no result" in said
        assert {session for session, _ in cohort.held(site)} == {"DEMO005_MR1"}
        site.computed()
        self.search(site, cluster, watch, user, word, sessions)
        assert list((site.folder / "work" / "crash").glob("crash-*.txt"))

        monkeypatch.delenv("QUICK_BET_REFUSES")
        monkeypatch.delenv("QUICK_BET_VANISHES")
        code, said = self.example(site, "bet_cohort", "--plugin", self.graph)
        assert code == 0, said
        assert site.computed() == HEADS[:2]
        assert "2 sessions computed, 4 files uploaded" in said
        assert cohort.state(site) == linear

    @pytest.mark.parametrize("kind", ["plain", "graph"])
    def test_jobs_cancelled_in_the_queue_are_no_earlier_result(self, site, cluster, linear, kind):
        code, said = cohort.run(site, "Linear")
        assert code == 0, said
        self.replace(site)
        held = {self.option: self.hold}
        with cohort.started(site, f"+{getattr(self, kind)}", held) as process:
            number = len(HEADS) * (1 if kind == "plain" else 3)
            until(lambda: len(cluster.jobs()) == number, "jobs in the queue", 60)
            cluster.cancel(*cluster.jobs())
            said, _ = process.communicate(timeout=100)
        assert process.returncode == 1, said
        assert "left no result" in said
        assert cohort.state(site) == linear

    def test_no_job_that_is_refused_takes_others_along(self, site, cluster):
        code, said = cohort.run(site, f"+{self.plain}", {self.option: "--no-such-option"})
        assert code == 1
        assert "refused the job" in said
        assert cluster.jobs() == []
        code, said = cohort.run(site, f"+{self.graph}", {self.option: "--no-such-option"})
        assert code == 1
        assert f"{len(HEADS)} failed" in said and "refused the job" in said

    def test_a_node_that_fails_in_the_submitting_process_is_told(self, cluster, tmp_path):
        whole = Workflow(name="here", base_dir=str(tmp_path))
        node = Node(Function(["divisor"], ["out"], divide), name="share")
        node.inputs.divisor = 0
        node.run_without_submitting = True
        whole.add_nodes([node])
        whole.config["execution"] = {
            "crashdump_dir": str(tmp_path / "crash"),
            "stop_on_first_crash": "false",
        }
        with pytest.raises(NodeExecutionError, match="ZeroDivisionError"):
            whole.run(plugin=cluster_plugin(self.plain))

    @ALL
    def test_a_job_over_its_time_is_told_as_that(self, site, cluster, linear, monkeypatch):
        monkeypatch.setenv("QUICK_BET_TAKES", "600")
        monkeypatch.setenv("QUICK_BET_DAWDLES", "DEMO008")
        code, said = cohort.run(site, f"+{self.plain}", {self.option: self.short})
        assert code == 1, said
        assert self.over_time in said
        assert {session for session, _ in cohort.held(site)} == {"DEMO005_MR1", "DEMO016_MR1"}
        monkeypatch.delenv("QUICK_BET_TAKES")
        code, said = cohort.run(site, f"+{self.plain}")
        assert code == 0, said
        assert site.computed() == HEADS
        assert cohort.state(site) == linear

    @ALL
    @pytest.mark.parametrize("kind", ["plain", "graph"])
    def test_no_more_jobs_than_the_scheduler_takes(self, site, cluster, linear, kind):
        cluster.limit(4)
        try:
            code, said = cohort.run(site, f"+{getattr(self, kind)}")
        finally:
            cluster.limit(0)
        assert code == 0, said
        assert site.computed() == HEADS
        assert cohort.state(site) == linear

    @ALL
    def test_jobs_that_are_held_are_told(self, site, cluster, linear):
        with cohort.started(site, f"+{self.plain}", {self.option: self.hold}) as process:
            for line in process.stdout:
                if "does not go on" in line:
                    break
            assert re.search(r"Job \d+, bet_cohort\.\w+\.source, does not go on \(.*\); see ", line)
            while process.poll() is None:
                cluster.release(*cluster.jobs())
                time.sleep(1)
        assert process.returncode == 0
        assert cohort.state(site) == linear

    @ALL
    @pytest.mark.parametrize("kind", ["plain", "graph"])
    def test_a_result_that_was_cut_off_is_made_anew(self, site, cluster, linear, kind):
        code, said = cohort.run(site, "Linear")
        assert code == 0, said
        assert site.computed() == HEADS
        for path in (site.folder / "work").rglob("DEMO008_MR1/bet/result_bet.pklz"):
            path.write_bytes(path.read_bytes()[:500])
        code, said = cohort.run(site, f"+{getattr(self, kind)}")
        assert code == 0, said
        assert site.computed() == [HEADS[0]]
        assert cohort.state(site) == linear
