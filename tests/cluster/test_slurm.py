"""A cohort through SLURM."""

from __future__ import annotations

import pytest

from support.clusters.law import ClusterLaw, reach


class TestSlurm(ClusterLaw):
    """The law, on SLURM."""

    plain = "SLURM"
    graph = "SLURMGraph"
    cancel = "scancel $SLURM_JOB_ID"

    @pytest.fixture
    def cluster(self, slurm, monkeypatch):
        yield reach(slurm, monkeypatch)
        slurm.empty()
