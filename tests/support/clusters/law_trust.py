"""What Nipype's own plugins hand on for a cancelled job is refused, and told as stale."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from nipype_xnat import verify
from support.clusters import cohort, submit_held
from support.clusters.daemons import until
from support.clusters.ground import HEADS, Ground

SESSION = "DEMO008_MR1"


class TrustLaw(Ground):
    """Stale results."""

    def _started(self, site, plugin: str, arguments: dict[str, str]) -> subprocess.Popen[str]:
        words = [site.config, site.folder / "work", site.folder / "cache", SESSION, plugin]
        paths = [str(Path(submit_held.__file__).parents[2]), os.environ.get("PYTHONPATH")]
        return subprocess.Popen(
            [sys.executable, "-m", submit_held.__name__, *map(str, words), json.dumps(arguments)],
            cwd=site.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def test_a_result_of_an_earlier_input_is_refused_and_stale(self, site, cluster):
        with self._started(site, "Linear", {}) as process:
            said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        run = site.folder / "work" / "bet_cohort"
        assert verify(run).done
        before = cohort.held(site)
        assert len(before) == 2

        self.replace(site)
        with self._started(site, self.plain, {self.option: self.hold}) as process:
            # the source's job has ended by then
            until(lambda: list((run / "batch").glob("batchscript_*bet.sh")), "bet's job", 60)
            until(cluster.jobs, "bet's job in the queue", 30)
            cluster.cancel(*cluster.jobs())
            said, _ = process.communicate(timeout=60)
        # bet has not run, and the plugin has not minded: the sink has
        assert site.computed() == HEADS[:1]
        assert process.returncode != 0
        assert "StaleResult" in said and f"the result of bet_cohort.{SESSION}.bet is not" in said
        assert cohort.held(site) == before
        (session,) = verify(run).sessions
        assert (session.name, session.state) == (SESSION, "stale")
        assert f"{SESSION}.bet: in_file was " in session.reason
