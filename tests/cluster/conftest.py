"""A real SLURM, a real Grid Engine, and a small cohort for them."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.clusters import cohort
from support.clusters.daemons import Cluster, Unavailable
from support.clusters.grid_engine import GridEngine
from support.clusters.slurm import Slurm
from support.demo_site import fill_archive, open_served_site, open_site

# what asserts there explains itself when it fails
for name in (
    "ground",
    "restarts",
    "law_running",
    "law_failures",
    "law_restarts",
    "law_trust",
    "law_examples",
    "law_check",
    "law_load",
):
    pytest.register_assert_rewrite(f"support.clusters.{name}")


@contextmanager
def _running(kind: Callable[[], Cluster]) -> Iterator[Cluster]:
    try:
        cluster = kind()
    except Unavailable as reason:
        pytest.skip(f"{kind.__name__}: {reason}; tests/cluster/install installs it")
    try:
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="module")
def slurm() -> Iterator[Slurm]:
    """A SLURM of its own for the tests of one module."""
    with _running(Slurm) as found:
        yield found


@pytest.fixture(scope="module")
def grid_engine() -> Iterator[GridEngine]:
    """A Grid Engine of its own for the tests of one module."""
    with _running(GridEngine) as found:
        yield found


@pytest.fixture
def site(once, tmp_path, monkeypatch) -> Iterator[SimpleNamespace]:
    """An archive with the demo's cohort, its configuration file, and a quick bet on the PATH."""
    filled: Path = once("filled", fill_archive)
    with open_site(filled, tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture
def served(once, tmp_path, monkeypatch) -> Iterator[SimpleNamespace]:
    """The same, with an archive in a process of its own that can be killed."""
    with open_served_site(once("filled", fill_archive), tmp_path, monkeypatch) as found:
        yield found


@pytest.fixture(scope="session")
def linear(once) -> dict[str, Any]:
    """What the archive holds after a run without any cluster."""

    def make(folder: Path) -> None:
        folder.mkdir()
        with pytest.MonkeyPatch.context() as patch:
            with open_site(once("filled", fill_archive), folder, patch) as site:
                code, said = cohort.run(site, "Linear")
                assert code == 0, said
                (folder / "state").write_bytes(pickle.dumps(cohort.state(site)))

    return pickle.loads((once("linear", make) / "state").read_bytes())
