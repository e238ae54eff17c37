"""Many jobs at once are few connections to the archive, and a run's token ends with it."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import requests
from nipype import Node, Workflow

from nipype_xnat import Interface, XNATSource, cluster_plugin
from nipype_xnat.config import connection
from support.clusters import leaks, submit
from support.clusters.daemons import until
from support.clusters.ground import CROWD, HEADS, PASSWORD, Ground
from support.counting import door

LIMIT = 4

#: what a job does before its own line: it goes on when all are there, and gives up after minutes
TOGETHER = """
: "${MEETING:?}" "${PARTY:?}"
echo > "$MEETING/$$"
for look in $(seq 1000); do
    set -- "$MEETING"/*
    [ $# -ge $PARTY ] && break
    sleep 0.3
done"""


class LoadLaw(Ground):
    """Load on the archive, and what is to be gone with the run."""

    head = "#!/bin/bash"

    def _sources(self, site, config) -> Workflow:
        """Make a source for each job; a third of them want the same image."""
        whole = Workflow(name="load", base_dir=str(site.folder / "work"))
        for number in range(CROWD):
            source = XNATSource(outfields=["t1"], config=str(config))
            source.inputs.cache_dir = str(site.folder / "cache")
            source.inputs.query_template = (
                "/projects/DEMO/experiments/"
                f"{submit.SESSIONS[number % 3]}/scans/*[type=T1w*]/resources/NIFTI*/files/*"
                "[name=*.nii.gz,*.nii,*.img]"
            )
            whole.add_nodes([Node(source, name=f"source{number}")])
        whole.config["execution"] = {
            "crashdump_dir": str(site.folder / "crash"),
            "poll_sleep_duration": 0.5,
        }
        return whole

    def test_many_jobs_share_a_few_connections_and_fetch_each_file_once(
        self, site, cluster, monkeypatch
    ):
        meeting = site.folder / "meeting"
        meeting.mkdir()
        monkeypatch.setenv("MEETING", str(meeting))
        monkeypatch.setenv("PARTY", str(CROWD))
        monkeypatch.setenv("NIPYPE_XNAT_CONNECTIONS", str(LIMIT))
        config = site.folder / "through-the-door.json"
        with door(site.url) as way_in:
            Interface(way_in.url, "admin", "admin").save_config(config)
            whole = self._sources(site, config)
            site.archive.requests.clear()
            before = site.archive.logins, site.archive.logouts, site.archive.open_sessions
            whole.run(plugin=cluster_plugin(self.plain, {"template": self.head + TOGETHER}))
            until(lambda: way_in.open == 0, "the end of all connections")
        assert len(list(meeting.iterdir())) == CROWD
        assert 1 < way_in.most <= LIMIT
        fetched = Counter(
            request.path.rpartition("/")[2]
            for request in site.archive.requests
            if request.method == "GET" and "/files/" in request.path
        )
        assert len(fetched) == len(HEADS)
        assert set(fetched.values()) == {1}
        after = site.archive.logins, site.archive.logouts, site.archive.open_sessions
        assert after == (before[0] + CROWD, before[1] + CROWD, before[2])

    def test_the_token_of_a_run_ends_with_it_and_is_in_no_file(self, site, cluster):
        self.account(site, with_token=False)
        token = site.folder / "work.token" / "xnat.json"
        words = ["--plugin", self.plain, "--token", "--session", submit.SESSIONS[1]]
        with ThreadPoolExecutor(1) as pool, leaks.Watch(cluster.tells) as watch:
            running = pool.submit(self.example, site, "bet_cohort", *words)
            until(lambda: token.exists() or running.done(), "a token", 120)
            given = connection(config=token).credentials
            code, said = running.result()
        assert code == 0, said
        assert site.computed() == HEADS[:1]
        alias, word = given.user, given.password()
        assert alias != "jane" and word != PASSWORD
        asked = requests.get(f"{site.url}/data/projects", auth=(alias, word), timeout=60)
        assert asked.status_code == 401
        assert not token.parent.exists()
        assert watch.failed == [] and watch.shown(leaks.forms(word, alias)) == []
        places = [site.folder, cluster.folder]
        # what a database has deleted may still lie in its file
        archive = [site.folder / "archive"]
        assert leaks.files_with(leaks.forms(word, alias), places, archive) == []
        assert word not in said
        assert leaks.files_with([alias.encode()], [site.folder / "work"], []) == []
