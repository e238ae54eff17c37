"""A cohort through SLURM."""

from __future__ import annotations

import subprocess

import pytest

from nipype_xnat import Interface
from nipype_xnat.mirror import Wanted, pull, push
from support.clusters import cohort
from support.clusters.ground import HEADS, reach
from support.clusters.law import ClusterLaw

#: a batch script whose last line, which Nipype adds, runs in a network namespace without a route
WITHOUT_ROUTE = '#!/bin/bash\nexec unshare -n -- bash -c "$(tail -n 1 "$0")"'


class TestSlurm(ClusterLaw):
    """The law, on SLURM."""

    plain = "SLURM"
    graph = "SLURMGraph"
    option = "sbatch_args"
    hold = "--hold"
    cancel = "scancel $SLURM_JOB_ID"
    short = "--time=1"
    over_time = "TIMEOUT (TimeLimit)"

    @pytest.fixture
    def cluster(self, slurm, monkeypatch):
        yield reach(slurm, monkeypatch)
        slurm.empty()

    def test_pulled_run_without_a_route_and_pushed_it_ends_as_an_online_run(
        self, site, cluster, linear, monkeypatch
    ):
        if subprocess.run(["unshare", "-n", "true"], check=False, capture_output=True).returncode:
            pytest.skip("this machine does not let its users make network namespaces")
        mirror = site.folder / "mirror"
        with Interface(config=site.config) as archive:
            pull(archive.transport, mirror, [Wanted("DEMO")])
            site.archive.requests.clear()
            with monkeypatch.context() as jobs:
                jobs.setenv("NIPYPE_XNAT_OFFLINE", "1")
                jobs.setenv("NIPYPE_XNAT_MIRROR", str(mirror))
                code, said = cohort.run(site, self.plain, {"template": WITHOUT_ROUTE})
            assert code == 0, said
            assert site.computed() == HEADS
            assert not site.archive.requests
            result = push(archive.transport, mirror.with_name("mirror.outbox"))
        assert (result.conflicts, result.failed) == ([], [])
        assert cohort.state(site) == linear
