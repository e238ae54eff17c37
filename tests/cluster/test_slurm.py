"""A cohort through SLURM."""

from __future__ import annotations

import pytest

from support.clusters.ground import reach
from support.clusters.law import ClusterLaw


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
