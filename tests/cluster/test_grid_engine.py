"""A cohort through Grid Engine."""

from __future__ import annotations

import pytest

from support.clusters.law import ClusterLaw, reach
from support.clusters.law_check import CheckLaw


class TestGridEngine(CheckLaw, ClusterLaw):
    """The law, on Grid Engine."""

    plain = "SGE"
    graph = "SGEGraph"
    cancel = "qdel $JOB_ID"

    @pytest.fixture
    def cluster(self, grid_engine, monkeypatch):
        yield reach(grid_engine, monkeypatch)
        grid_engine.empty()
