"""A cohort through Grid Engine."""

from __future__ import annotations

import pytest

from support.clusters.ground import reach
from support.clusters.law import ClusterLaw


class TestGridEngine(ClusterLaw):
    """The law, on Grid Engine."""

    plain = "SGE"
    graph = "SGEGraph"
    option = "qsub_args"
    hold = "-h"
    head = "#!/bin/sh\n#$ -V\n#$ -S /bin/bash"
    cancel = "qdel $JOB_ID"
    short = "-l h_rt=00:00:20"
    over_time = "exit code 137"

    @pytest.fixture
    def cluster(self, grid_engine, monkeypatch):
        yield reach(grid_engine, monkeypatch)
        grid_engine.empty()
