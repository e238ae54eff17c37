"""What a cluster makes of a cohort: what a linear run makes, and no secret is seen."""

from __future__ import annotations

import pytest
from nipype import Function, IdentityInterface, MapNode, Node, Workflow
from nipype.pipeline.engine.utils import load_resultfile

from nipype_xnat import cluster_plugin
from support.clusters import cohort, leaks
from support.clusters.daemons import until
from support.clusters.ground import ALL, HEADS, Ground, divide
from support.log_ins import opened


def add(values):
    """Add what was shared."""
    return sum(values)


class RunningLaw(Ground):
    """Runs in which nothing is ended from outside."""

    @pytest.mark.parametrize("kind", ["plain", "graph"])
    def test_nipypes_own_plugin_gives_what_a_linear_run_gives_and_shows_no_secret(
        self, site, cluster, linear, monkeypatch, kind
    ):
        plugin = getattr(self, kind)
        user, word = self.account(site, with_token=kind == "graph")
        sessions, open_before = opened(monkeypatch), site.archive.open_sessions
        with leaks.Watch(cluster.tells) as watch:
            code, said = cohort.run(site, plugin, {"dont_resubmit_completed_jobs": False})
            until(lambda: not cluster.jobs(), "the end of all jobs", 120)
        assert code == 0, said
        assert site.computed() == HEADS
        assert len(cohort.jobs_of(site.folder / "work")) == 3 * len(HEADS)
        self.search(site, cluster, watch, user, word, sessions)
        assert site.archive.open_sessions == open_before
        assert cohort.state(site) == linear

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
