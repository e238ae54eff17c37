"""The job of a check: what it says of the host that computes, and what is made of that.

The scheduler here is a program of two lines that runs a job at once, on this host; tests/cluster
has the same with real ones.
"""

import json
import os
import time
from pathlib import Path

import pytest
from nipype import Node
from nipype.interfaces.base import CommandLine

import support
from nipype_xnat import Interface, check, cluster_plugin
from nipype_xnat.interfaces.preflight import inside, job
from nipype_xnat.mirror import Wanted, pull
from support.demo_site import put_program
from support.preflight import facts, levels, small

RUNS_AT_ONCE = """#!/bin/sh
for script; do :; done
/bin/sh "$script" > "$script.o7" 2>&1
echo 7
"""


@pytest.fixture
def sbatch(tmp_path, monkeypatch):
    """Programs by the names of SLURM's."""
    folder = tmp_path / "programs"
    put_program(folder, "sbatch", RUNS_AT_ONCE)
    for name in ("squeue", "scancel"):
        put_program(folder, name, f"#!/bin/sh\necho {name} >> {tmp_path}/asked\n")
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    here = str(Path(support.__file__).parents[1])
    words = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(words))
    return folder


def by_job(workflow, template="#!/bin/sh", **how):
    """Return what the job of a check says."""
    plugin = cluster_plugin("SLURM", {"template": template})
    return check(workflow, plugin, patience=60, **how)


def test_all_is_well_and_nothing_stays(session, config, tmp_path, sbatch):
    workflow = small(config, tmp_path / "work", cache_dir=str(tmp_path / "cache"))
    before = sorted(tmp_path.rglob("*"))
    found = by_job(workflow)
    assert found.exit_code == 0, str(found)
    told = {one.check: one.level for one in found if one.host}
    assert set(told.values()) == {"ok"} and "server.login" in told
    # seen from this host only, which is said
    assert "which proves nothing for others" in facts(found, "base_dir.shared", "warning")[0]
    asked = tmp_path / "asked"
    assert "scancel" not in asked.read_text()
    asked.unlink()
    assert sorted(tmp_path.rglob("*")) == before


def test_another_environment_in_the_job(session, config, tmp_path, sbatch):
    workflow = small(config, tmp_path / "work")
    workflow.add_nodes([Node(CommandLine("segment-it"), "segment")])
    put_program(sbatch, "segment-it", "#!/bin/sh\n")
    template = "#!/bin/sh\nPATH=/usr/bin:/bin"
    found = by_job(workflow, template)
    assert levels(found, "programs.here") == ["ok"]
    assert "segment-it, needed by small.segment" in facts(found, "programs.in_job", "error")[0]


def test_a_module_that_is_not_in_the_job(session, config, tmp_path, sbatch, monkeypatch):
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "only_here.py").write_text(
        "from support.nodes import Shout\n\nclass Mine(Shout):\n    pass\n"
    )
    monkeypatch.syspath_prepend(beside)
    monkeypatch.setenv("PYTHONPATH", f"{beside}{os.pathsep}{os.environ['PYTHONPATH']}")
    import only_here

    workflow = small(config, tmp_path / "work", interface=only_here.Mine())
    without = f'#!/bin/sh\nexport PYTHONPATH="${{PYTHONPATH#{beside}:}}"'
    found = by_job(workflow, without)
    assert not found.of("nodes.modules")
    assert facts(found, "nodes.in_job", "error") == [
        "only_here, needed by small.middle, is not there"
    ]


def test_an_interpreter_that_lacks_this_package(session, config, tmp_path, sbatch):
    broken = tmp_path / "broken" / "nipype_xnat"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise ImportError('no such library here')\n")
    template = f"#!/bin/sh\nexport PYTHONPATH={broken.parent}"
    found = by_job(small(config, tmp_path / "work"), template)
    (fact,) = facts(found, "job.package", "error")
    assert "ImportError: no such library here" in fact
    assert not found.of("base_dir.in_job")


def test_a_job_that_ends_before_it_looks(session, config, tmp_path, sbatch, monkeypatch):
    monkeypatch.setattr(job, "_LATE", 0.5)
    found = by_job(small(config, tmp_path / "work"), "#!/bin/sh\necho no licence left; exit 3")
    (fact,) = facts(found, "job.runs", "error")
    assert "job 7 has ended" in fact and "it printed 'no licence left'" in fact


def test_a_mirror_in_the_job(session, config, tmp_path, sbatch):
    mirror = tmp_path / "mirror"
    with Interface(config=config) as archive:
        pull(archive.transport, mirror, [Wanted("P")])
    workflow = small(config, tmp_path / "work", cache_dir=str(tmp_path / "cache"))
    found = by_job(workflow, offline=True, mirror=mirror)
    assert found.exit_code == 0, str(found)
    assert levels(found, "mirror.in_job") == levels(found, "outbox.in_job") == ["ok"]
    assert not found.of("server") and not found.of("account")


@pytest.fixture
def question(tmp_path):
    """A question as it is put to a job, and what comes of answering it in this process."""

    def ask(**values):
        asked = {"python": "3.1.4", "version": "0.0.1", "user": os.geteuid(), **values}
        (tmp_path / inside.QUESTION).write_text(json.dumps(asked))
        inside.main(str(tmp_path))
        answer = json.loads((tmp_path / inside.ANSWER).read_text())
        return {one["check"]: one for one in answer["findings"]}

    return ask


def test_other_versions_another_user_and_another_folder(question, tmp_path):
    (tmp_path / "mark").write_text("another text")
    folder = {"role": "base_dir", "path": str(tmp_path), "written": True, "text": "a text"}
    folder["mark"] = str(tmp_path / "mark")
    found = question(user=os.geteuid() + 1, folders=[folder])
    assert found["job.package"]["level"] == "error"
    assert "Python 3.1.4 and nipype_xnat 0.0.1" in found["job.package"]["fact"]
    assert found["job.user"]["level"] == "error"
    assert "is another folder than here" in found["base_dir.in_job"]["fact"]


@pytest.mark.parametrize("ahead, level", [(0, "ok"), (60, "warning"), (-60, "warning")])
def test_clocks(question, monkeypatch, ahead, level):
    now = time.time
    monkeypatch.setattr(inside.time, "time", lambda: now() + ahead)
    assert question()["job.clock"]["level"] == level
