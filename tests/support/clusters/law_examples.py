"""Both example workflows, as users start them: with the server, or from a mirror with no route."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator

import pytest

from nipype_xnat import Interface
from nipype_xnat.mirror import Wanted, pull, push
from support.clusters import cohort, submit
from support.clusters.ground import ALL, Ground
from support.demo_site import RECON_ALL

#: the last line of a batch script, which is what it runs, in a network namespace without a route
_WITHOUT_ROUTE = 'exec unshare -n -- bash -c "$(tail -n 1 "$0")"'
#: for each example its sessions, the resource that it stores, the folder of the node that makes it,
#: and how many files that are
_EXAMPLES = {
    "bet_cohort": (submit.SESSIONS, "BET", "bet", 2),
    "recon_all_cohort": (submit.SESSIONS[1:], "FREESURFER", "recon/{session}", 4),
}


def _cases() -> Iterator[object]:
    """Yield all combinations; the others run in each test of the example, or take long."""
    short = {("bet_cohort", "offline", "plain"), ("recon_all_cohort", "online", "graph")}
    for name in _EXAMPLES:
        for where in ("online", "offline"):
            for kind in ("plain", "graph"):
                marks = () if (name, where, kind) in short else ALL
                yield pytest.param(name, where, kind, marks=marks, id=f"{name}-{where}-{kind}")


class ExampleLaw(Ground):
    """Two workflows, two plugins, with the server and without.

    Attributes
    ----------
    head : str
        First lines of a batch script.
    """

    head = "#!/bin/bash"

    @pytest.mark.parametrize(("name", "where", "kind"), list(_cases()))
    def test_an_example(self, site, cluster, linear, monkeypatch, name, where, kind):
        site.put_program("recon-all", RECON_ALL)
        sessions, label, node, number = _EXAMPLES[name]
        words = ["--plugin", getattr(self, kind)]
        for session in sessions:
            words += ["--session", session]
        if where == "online":
            code, said = self.example(site, name, *words)
            assert code == 0, said
        else:
            self._offline(site, monkeypatch, name, *words)
        assert len(site.computed()) == len(sessions)
        held = cohort.held(site, label)
        assert len(held) == number * len(sessions)
        assert {session for session, _ in held} == set(sessions)
        for (session, path), (digest, *_) in held.items():
            made = site.folder / "work" / name / session / node.format(session=session) / path
            assert hashlib.md5(made.read_bytes()).hexdigest() == digest
        if name == "bet_cohort":
            assert cohort.state(site) == linear

    def _offline(self, site, monkeypatch, name: str, *words: str) -> None:
        if subprocess.run(["unshare", "-n", "true"], check=False, capture_output=True).returncode:
            pytest.skip("this machine does not let its users make network namespaces")
        template = site.folder / "template"
        template.write_text(f"{self.head}\n{_WITHOUT_ROUTE}\n")
        mirror = site.folder / "mirror"
        with Interface(config=site.config) as archive:
            pull(archive.transport, mirror, [Wanted("DEMO")])
            site.archive.requests.clear()
            with monkeypatch.context() as offline:
                offline.setenv("NIPYPE_XNAT_OFFLINE", "1")
                offline.setenv("NIPYPE_XNAT_MIRROR", str(mirror))
                given = ("--plugin-args", f'{{"template": "{template}"}}')
                code, said = self.example(site, name, *words, *given)
            assert code == 0, said
            assert not site.archive.requests
            result = push(archive.transport, mirror.with_name("mirror.outbox"))
        assert (result.conflicts, result.failed) == ([], [])
