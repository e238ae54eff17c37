"""What holds on every cluster; the test modules say on which."""

from __future__ import annotations

from support.clusters.law_check import CheckLaw
from support.clusters.law_examples import ExampleLaw
from support.clusters.law_failures import FailureLaw
from support.clusters.law_load import LoadLaw
from support.clusters.law_restarts import RestartLaw
from support.clusters.law_running import RunningLaw
from support.clusters.law_trust import TrustLaw

__all__ = ["ClusterLaw"]


class ClusterLaw(CheckLaw, RunningLaw, FailureLaw, RestartLaw, TrustLaw, LoadLaw, ExampleLaw):
    """All laws; a subclass has what :class:`Ground` names, and the fixture ``cluster``."""
