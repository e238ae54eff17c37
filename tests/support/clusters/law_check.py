"""The check before a run, with a job of a real scheduler."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from nipype import Node, Workflow
from nipype.interfaces.utility import Merge

from nipype_xnat import Interface, XNATSource, check, cluster_plugin
from nipype_xnat.cli.demo import example
from support.clusters import leaks, submit
from support.clusters.cohort import jobs_of
from support.clusters.daemons import until

# a batch script whose last line, which the plugin adds, runs with a folder hidden and no route
_WITHIN = """{}
exec unshare -m -n -- sh -c "mount -t tmpfs none {} && $(tail -n 1 "$0")"
"""


PASSWORD = "an 0ther/word+of jane"


class CheckLaw:
    """The tests; a subclass has the names of the plugins and the fixture ``cluster``."""

    plain = ""

    def test_a_check_finds_nothing_where_all_is_well(self, site, cluster):
        """The example, by the command; no secret is shown by the job or left behind."""
        site.archive.add_user("jane", PASSWORD, admin=True)
        Interface(site.url, "jane", PASSWORD).save_config(site.config)
        words = ["--config", site.config, "--project", "DEMO", "--criteria", submit.CRITERIA]
        words += ["--work", site.folder / "work", "--cache", site.folder / "cache"]
        words = ["--json", example("bet_cohort"), *words, "--plugin", self.plain]
        with leaks.Watch(cluster.tells) as watch:
            done = subprocess.run(
                [sys.executable, "-m", "nipype_xnat", "check", *map(str, words)],
                capture_output=True,
                text=True,
                cwd=site.folder,
            )
        assert done.returncode == 0, done.stdout + done.stderr
        found = {(row["check"], bool(row["host"])): row for row in json.loads(done.stdout)}
        for name in (
            "job.runs",
            "job.package",
            "job.clock",
            "base_dir.in_job",
            "cache.in_job",
            "account.file",
            "server.reached",
            "server.login",
            "programs.in_job",
            "nodes.in_job",
        ):
            assert found[name, True]["level"] == "ok", found[name, True]
        # nothing stays, and nothing was run
        until(lambda: cluster.jobs() == [], "the end of the job that answered")
        assert jobs_of(site.folder) == []
        assert not (site.folder / "bet_cohort.html").exists()
        assert not list(site.folder.rglob(".nipype-xnat-check-*"))
        assert site.archive.open_sessions == 0
        wanted = leaks.forms(PASSWORD, "jane")
        assert (watch.failed, watch.shown(wanted)) == ([], [])
        but = [site.folder / "archive", site.config]
        assert leaks.files_with(wanted, [site.folder, cluster.folder], but) == []

    def test_what_only_a_job_does_not_see_is_found(self, site, cluster, monkeypatch):
        """An account, a cache and a program on this host alone, and no way to the server."""
        if subprocess.run(["unshare", "-m", "-n", "true"], capture_output=True).returncode:
            pytest.skip("this machine does not let its users make namespaces")
        hidden = site.folder / "hidden"
        hidden.mkdir()
        (site.folder / "bin" / "bet").rename(hidden / "bet")
        monkeypatch.setenv("PATH", f"{hidden}{os.pathsep}{os.environ['PATH']}")
        account = hidden / "xnat.json"
        account.write_bytes(site.config.read_bytes())
        account.chmod(0o600)
        whole = submit.workflow(str(site.config), str(site.folder / "work"), str(hidden / "cache"))
        path = "/projects/DEMO/experiments/DEMO005_MR1/scans/*/resources/*/files/*.nii.gz"
        other = XNATSource(templates={"t1": path}, config=str(account), companions=False)
        whole.add_nodes([Node(other, "other")])
        first = {"SLURM": "#!/bin/sh", "SGE": "#!/bin/sh\n#$ -V\n#$ -S /bin/sh"}[self.plain]
        plugin = cluster_plugin(self.plain, {"template": _WITHIN.format(first, hidden)})
        found = check(whole, plugin, patience=60)
        by_job = {one.check: one for one in found if one.host and one.level == "error"}
        assert set(by_job) == {
            "account.file",
            "server.reached",
            "cache.in_job",
            "programs.in_job",
        }, str(found)
        assert f"{account} cannot be read" in by_job["account.file"].fact
        assert site.url in by_job["server.reached"].fact
        assert "offline" in by_job["server.reached"].advice
        assert found.exit_code == 1
        # here all of it is well, and the folder that the job saw is not blamed
        here = {one.check for one in found if not one.host and one.level == "error"}
        assert here == {"cache.shared", "account.shared"}, str(found)

    def test_jobs_that_are_refused_or_never_run_are_told_and_cancelled(self, cluster, tmp_path):
        words, held = {"SLURM": ("sbatch_args", "--hold"), "SGE": ("qsub_args", "-h")}[self.plain]
        node = Node(Merge(1), "node")
        node.plugin_args = {words: {"SLURM": "-p none", "SGE": "-q none"}[self.plain]}
        whole = Workflow("whole", base_dir=str(tmp_path))
        whole.add_nodes([node])
        found = check(whole, self.plain, {words: held}, patience=2).of("job")
        assert [(one.check, one.level) for one in found] == [
            ("job.accepted", "error"),
            ("job.runs", "error"),
        ], str(found)
        assert "jobs of the node whole.node are not accepted" in found[0].fact
        assert "did not come to its end in 2 s" in found[1].fact
        until(lambda: cluster.jobs() == [], "the end of all jobs")
        found = check(whole, self.plain, {words: "--no-such-option"}).of("job.accepted")
        assert len(found) == 2, str(found)
        assert "refuses it" in found[0].fact and "refused the job" in found[1].fact, str(found)
        assert not list(tmp_path.rglob(".nipype-xnat-check-*"))
