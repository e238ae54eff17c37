"""What the laws of a cluster stand on: who asks, with what, and what must not be seen."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import requests

from nipype_xnat import Interface
from nipype_xnat.cli.demo import example
from nipype_xnat.demo import heads
from support.clusters import leaks, submit
from support.clusters.daemons import CPUS, Cluster

HEADS = ["DEMO008_MR1_T1w.nii.gz", "GUEST01_A_T1w.nii.gz", "tête_Größe_T1w.nii.gz"]
PASSWORD = "s3cret w0rd/of+jane"

_ALL = bool(os.environ.get("CLUSTER_TESTS_ALL"))
#: those that take long run where this variable is set
ALL = pytest.mark.skipif(not _ALL, reason="takes long; runs with CLUSTER_TESTS_ALL=1")
#: how many jobs want the archive at once
CROWD = CPUS if _ALL else 12
#: one of both clusters runs these, and the other one too where that variable is set
BY_DEFAULT_ON = {
    "test_an_example[bet_cohort-offline-plain]": "SLURM",
    "test_an_example[recon_all_cohort-online-graph]": "SGE",
    "test_jobs_cancelled_in_the_queue_are_no_earlier_result[graph]": "SLURM",
    "test_jobs_cancelled_in_the_queue_are_no_earlier_result[plain]": "SGE",
    "test_many_jobs_share_a_few_connections_and_fetch_each_file_once": "SLURM",
    "test_nipypes_own_plugin_gives_what_a_linear_run_gives_and_shows_no_secret[graph]": "SLURM",
    "test_nipypes_own_plugin_gives_what_a_linear_run_gives_and_shows_no_secret[plain]": "SGE",
    "test_a_result_of_an_earlier_input_is_refused_and_stale": "SLURM",
    "test_the_token_of_a_run_ends_with_it_and_is_in_no_file": "SGE",
}


def reach(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Let programs of this test find a cluster, and no other."""
    for name in [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_", "SGE_"))]:
        monkeypatch.delenv(name)
    for name, value in cluster.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("LOGNAME", "root")  # Nipype's own plugins need it
    return cluster


def divide(divisor):
    """Share a hundred."""
    return 100 // divisor


class Ground:
    """What a cluster is called by, and what its tests do again and again.

    A subclass has the values and the fixture ``cluster``.

    Attributes
    ----------
    plain, graph : str
        Names of the plugins.
    option : str
        The plugin argument with words for the submitting program.
    hold : str
        The word by which a job stays in the queue.
    cancel : str
        What a job ends itself by, as a shell has it.
    short : str
        The words that give a job little time.
    over_time : str
        What the scheduler says of a job that took longer.
    """

    plain = ""
    graph = ""
    option = ""
    hold = ""
    cancel = ""
    short = ""
    over_time = ""

    @pytest.fixture(autouse=True)
    def _share(self, request):
        where = BY_DEFAULT_ON.get(request.node.name, self.plain)
        if where != self.plain and not _ALL:
            pytest.skip(f"runs on {where}, and here with CLUSTER_TESTS_ALL=1")

    def account(self, site, with_token: bool) -> tuple[str, str]:
        """Write an account of a person, or one of its tokens, into the configuration file."""
        site.archive.add_user("jane", PASSWORD, admin=True)
        user, word = "jane", PASSWORD
        if with_token:
            uri = f"{site.url}/data/services/tokens/issue"
            given = requests.get(uri, auth=(user, word), timeout=60).json()
            user, word = given["alias"], given["secret"]
        Interface(site.url, user, word).save_config(site.config)
        return user, word

    def search(self, site, cluster, watch, user, word, sessions) -> None:
        wanted = leaks.forms(word, user) | leaks.forms(PASSWORD, "jane")
        wanted |= {word.encode() for word in sessions}
        assert len(sessions) > len(HEADS)
        assert watch.failed == []
        assert watch.shown(wanted) == []
        but = [site.folder / "archive", site.config]
        assert leaks.files_with(wanted, [site.folder, cluster.folder], but) == []

    def example(self, site, name: str, *words: str) -> tuple[int, str]:
        """Run an example workflow as a user does; return exit code and all it said."""
        given = [example(name), "--config", site.config, "--project", "DEMO"]
        given += ["--work", site.folder / "work", "--cache", site.folder / "cache"]
        if not any(word == "--criteria" for word in words):
            given += ["--criteria", submit.CRITERIA]
        done = subprocess.run(
            [sys.executable, *map(str, given), *words],
            check=False,
            cwd=site.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=250,
        )
        return done.returncode, done.stdout + done.stderr

    def replace(self, site) -> None:
        """Put another image into the archive, under the same name."""
        session = "/data/projects/DEMO/subjects/DEMO008/experiments/DEMO008_MR1"
        uri = f"{site.url}{session}/scans/1/resources/NIFTI/files/{HEADS[0]}"
        other = heads.Person("OTHER", "OTHER_1", "M", 85.0)
        requests.put(
            f"{uri}?overwrite=true&inbody=true",
            data=heads.nifti_gz(heads.image(other, resolution=8.0)),
            headers={"Content-Type": "application/octet-stream"},
            auth=("admin", "admin"),
            timeout=60,
        ).raise_for_status()
