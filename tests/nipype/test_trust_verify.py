"""How a run stands, told from its working directory and the archive."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from nipype import Node, Workflow
from nipype import config as nipype_config
from nipype.interfaces.base import CommandLine, CommandLineInputSpec, TraitedSpec

from nipype_xnat import Cohort, XNATSink, XNATSource, verify
from nipype_xnat.cli.main import main
from nipype_xnat.errors import UsageError
from support.cancelled import CancelledPlugin
from support.nodes import Shout
from support.workflows import build, query, resolve, run_apart

BASE = "/data/projects/P/subjects/{0}/experiments/{0}_MR1"


@pytest.fixture(autouse=True)
def _nipype_settings(tmp_path):
    settings = {
        "crashdump_dir": str(tmp_path / "cwd"),
        "job_finished_timeout": "0.3",
        "stop_on_first_crash": "false",
    }
    before = {name: nipype_config.get("execution", name) for name in settings}
    for name, value in settings.items():
        nipype_config.set("execution", name, value)
    yield
    for name, value in before.items():
        if value is not None:
            nipype_config.set("execution", name, value)


@pytest.fixture
def work(cohort, config, tmp_path):
    """Run three sessions, of four that were selected."""
    build(config, tmp_path / "work", resolve(config)).run("Linear")
    return tmp_path / "work"


def replace(fill, subject, content=b"another"):
    fill.file(
        BASE.format(subject) + "/scans/1/resources/NIFTI/files/t1.nii", content, overwrite="true"
    )


def states(run):
    return {one.name: one.state for one in verify(run).sessions}


def reason(run, name):
    (found,) = [one for one in verify(run).sessions if one.name == name]
    return found.reason


def only(run, **differ):
    """What a run is like but for the sessions that are named."""
    all_done = {f"sub{number}_MR1": "done" for number in range(3)}
    assert states(run) == {**all_done, "sub3_MR1": "missing", **differ}


def test_done_and_what_was_never_there(work, config, fill):
    run = work / "cohort"
    only(run)
    assert "no t1" in reason(run, "sub3_MR1")
    found = verify(run)
    assert not found.done
    assert found.names("done") == ["sub0_MR1", "sub1_MR1", "sub2_MR1"]
    assert str(found).splitlines()[-1] == "4 sessions: 3 done, 1 missing"
    # where nothing lacks, a run is done
    build(config, work, Cohort(resolve(config).records)).run("Linear")
    assert verify(run).done


def test_an_image_that_was_replaced(work, config, fill):
    replace(fill, "sub1")
    run = work / "cohort"
    only(run, sub1_MR1="stale")
    assert "t1.nii had the digest" in reason(run, "sub1_MR1")
    # and when the source has fetched it, but nothing came of that
    build(config, work, resolve(config)).run(plugin=CancelledPlugin("shout", "sink"))
    only(run, sub1_MR1="stale")
    assert "cohort.sub1_MR1.shout: in_file was" in reason(run, "sub1_MR1")
    build(config, work, resolve(config)).run("Linear")
    only(run)


def test_a_result_that_is_gone_or_another_one(work, fill):
    run = work / "cohort"
    fill.call("DELETE", BASE.format("sub0") + "/resources/shout/files/shout.txt")
    fill.file(BASE.format("sub2") + "/resources/shout/files/shout.txt", b"?", overwrite="true")
    only(run, sub0_MR1="missing", sub2_MR1="stale")
    assert "what was stored" in reason(run, "sub2_MR1")


def test_a_session_that_was_deleted(work, fill):
    fill.call("DELETE", f"{BASE.format('sub1')}?removeFiles=true")
    only(work / "cohort", sub1_MR1="stale")


def test_a_node_that_failed_and_its_session_alone(cohort, config, fill, tmp_path, monkeypatch):
    work = tmp_path / "work"
    run = work / "cohort"
    own = Shout._run_interface

    def refuse(self, runtime):
        if "sub1" in runtime.cwd:
            raise ValueError("this head is not liked")
        return own(self, runtime)

    monkeypatch.setattr(Shout, "_run_interface", refuse)
    with pytest.raises(Exception, match="not liked"):
        build(config, work, resolve(config)).run("Linear")
    only(run, sub1_MR1="failed")
    assert reason(run, "sub1_MR1") == "cohort.sub1_MR1.shout: ValueError: this head is not liked"
    monkeypatch.undo()
    again = resolve(config).only(*verify(run).names("failed"))
    assert [record["name"] for record in again] == ["sub1_MR1"]
    build(config, work, again).run("Linear")
    only(run)
    assert (run / "sub0_MR1" / "runs.log").read_text().count("run") == 1


class Refusing(CommandLine):
    """A program that says why it fails."""

    _cmd = "sh -c 'echo this head is not liked >&2; exit 3'"
    input_spec = CommandLineInputSpec
    output_spec = TraitedSpec


def test_what_a_program_said_is_the_reason(tmp_path):
    run = Workflow(name="programs", base_dir=str(tmp_path))
    run.add_nodes([Node(Refusing(), name="refusing")])
    with pytest.raises(Exception, match="not liked"):
        run.run("Linear")
    (found,) = verify(tmp_path / "programs").sessions
    assert (found.state, found.reason) == ("failed", "programs.refusing: this head is not liked")


def test_names_of_several_states(work, capsys):
    run = work / "cohort"
    shutil.rmtree(run / "sub1_MR1" / "source")
    for path in (run / "sub2_MR1" / "shout").glob("_0x*.json"):
        path.rename(str(path).replace(".json", "_unfinished.json"))
    only(run, sub1_MR1="unchecked", sub2_MR1="running")
    words = ["verify", str(run), "--names", "running", "--names", "missing"]
    assert main(words) == 1
    assert capsys.readouterr().out == "sub2_MR1\nsub3_MR1\n"
    with pytest.raises(UsageError, match="no state 'broken'"):
        verify(run).names("broken")


def test_a_node_that_is_at_work_and_those_that_wait(work, config):
    run = work / "cohort"
    (done,) = (run / "sub1_MR1" / "shout").glob("_0x*.json")
    done.rename(str(done).replace(".json", "_unfinished.json"))
    for name in ("result_shout.pklz", "shout.txt"):
        (run / "sub1_MR1" / "shout" / name).unlink()
    for node in ("shout", "sink"):
        shutil.rmtree(run / "sub0_MR1" / node)
    only(run, sub0_MR1="missing", sub1_MR1="running")
    assert "has not run" in reason(run, "sub0_MR1")


def test_before_anything_has_run(cohort, config, tmp_path):
    whole = build(config, tmp_path / "work", resolve(config))
    whole.run(plugin=CancelledPlugin("source", "shout", "sink"))
    assert set(states(tmp_path / "work" / "cohort").values()) == {"missing"}


def test_a_removed_folder_that_has_served_is_unchecked(work):
    run = work / "cohort"
    shutil.rmtree(run / "sub2_MR1" / "source")
    only(run, sub2_MR1="unchecked")
    assert "was removed" in reason(run, "sub2_MR1")


def test_an_archive_that_does_not_answer_leaves_it_unchecked(work, config, xnat_archive):
    values = json.loads(config.read_text())
    config.write_text(json.dumps({**values, "server": "http://127.0.0.1:9"}))
    found = states(work / "cohort")
    assert set(found.values()) == {"unchecked", "missing"}
    assert "cannot be asked" in reason(work / "cohort", "sub0_MR1")


def test_it_changes_nothing_in_the_working_directory(work):
    def seen():
        return {
            path: (path.stat().st_mtime_ns, path.stat().st_mode)
            for path in [work, *sorted(work.rglob("*"))]
        }

    for path in [work, *work.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = seen()
    try:
        only(work / "cohort")
        assert seen() == before
    finally:
        for path in [work, *work.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_requests_do_not_grow_with_the_sessions(cohort, config, fill, tmp_path, xnat_archive):
    def requests():
        xnat_archive.requests.clear()
        verify(tmp_path / "work" / "cohort")
        return len([r for r in xnat_archive.requests if "JSESSION" not in r.path])

    build(config, tmp_path / "work", resolve(config)).run("Linear")
    few = requests()
    for number in range(4, 12):
        name = f"sub{number}"
        scans = {"1": ("T1w", {"NIFTI": {"t1.nii": b"T1 of %d" % number}})}
        fill.session("P", name, f"{name}_MR1", scans)
    build(config, tmp_path / "work", resolve(config)).run("Linear")
    assert len(verify(tmp_path / "work" / "cohort").names("done")) == 11
    assert requests() == few <= 3


def test_other_workflows(cohort, config, fill, tmp_path):
    """By the graph that Nipype writes; sessions are called by their labels."""

    def whole():
        found = Workflow(name="mine", base_dir=str(tmp_path / "work"))
        source = Node(
            XNATSource(
                templates={
                    "t1": "/projects/P/experiments/{session}/scans/1/resources/NIFTI/files/*.nii"
                },
                config=str(config),
            ),
            "source",
        )
        source.iterables = ("session", ["sub0_MR1", "sub1_MR1"])
        shout, sink = Node(Shout(), "shout"), Node(XNATSink(config=str(config)), "sink")
        names = ["project_id", "subject_id", "experiment_id"]
        found.connect(
            [(source, shout, [("t1", "in_file")]), (shout, sink, [("out_file", "shout")])]
        )
        found.connect([(source, sink, [(name, name) for name in names])])
        return found

    run = tmp_path / "work" / "mine"
    whole().run(plugin=CancelledPlugin("sink"))
    assert states(run) == {"sub0_MR1": "missing", "sub1_MR1": "missing"}
    whole().run("Linear")
    assert verify(run).done and len(verify(run).sessions) == 2
    replace(fill, "sub1")
    assert states(run) == {"sub0_MR1": "done", "sub1_MR1": "stale"}
    (run / "graph1.json").unlink()
    assert states(run) == {"sub0_MR1": "done", "sub1_MR1": "stale"}


def test_map_nodes_by_the_labels_of_their_elements(cohort, config, fill, tmp_path):
    query(str(config), tmp_path / "work").run("Linear")
    run = tmp_path / "work" / "asking"
    assert states(run) == {f"sub{number}_MR1": "done" for number in range(3)}
    replace(fill, "sub2")
    assert states(run) == {"sub0_MR1": "done", "sub1_MR1": "done", "sub2_MR1": "stale"}


def test_the_command(work, config, fill, capsys):
    run = work / "cohort"
    replace(fill, "sub1")
    assert main(["verify", str(run)]) == 1
    said = capsys.readouterr().out
    assert "sub1_MR1: stale: " in said and "sub0" not in said
    assert "4 sessions: 2 done, 1 stale, 1 missing" in said
    assert main(["verify", str(run), "--names", "stale"]) == 1
    assert capsys.readouterr().out == "sub1_MR1\n"
    assert main(["verify", str(run), "--json"]) == 1
    values = json.loads(capsys.readouterr().out)
    assert values["states"] == {"done": 2, "stale": 1, "missing": 1}
    assert {one["name"] for one in values["sessions"] if one["state"] == "done"} == {
        "sub0_MR1",
        "sub2_MR1",
    }
    build(config, work, Cohort(resolve(config).records)).run("Linear")
    assert main(["verify", str(run)]) == 0


def test_wrong_use(work, tmp_path, capsys):
    assert main(["verify", str(tmp_path / "absent")]) == 2
    assert main(["verify", str(work)]) == 2
    assert "there are cohort in it" in capsys.readouterr().err
    with pytest.raises(UsageError, match="not the folder of a workflow"):
        verify(tmp_path / "cwd")
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(work / "cohort"), "--names", "broken"])
    assert ended.value.code == 2


def test_from_another_process_after_workers(cohort, config, tmp_path):
    """Nothing is known but what is on disk, and where the nodes' own modules are."""
    run_apart(config, tmp_path / "work", "MultiProc")
    words = [sys.executable, "-m", "nipype_xnat", "verify", str(tmp_path / "work" / "cohort")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "shout" in done.stdout and "3 unchecked" in done.stdout
    tests = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    paths = os.pathsep.join(filter(None, [tests, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=120, env={**os.environ, "PYTHONPATH": paths}
    )
    assert "4 sessions: 3 done, 1 missing" in done.stdout


@pytest.mark.parametrize("written", ["", "[]", "{}", '{"format": "nipype_xnat.run", "version": 1}'])
def test_records_that_cannot_be_read_hide_no_session(work, written):
    """A full disk, or the end of a machine, may leave them so."""
    run = work / "cohort"
    (run / "nipype_xnat.run" / "sessions" / "sub0_MR1.json").write_text(written)
    (run / "sub1_MR1" / "sink" / "_nipype" / "xnat_sink.json").write_text(written)
    (run / "sub2_MR1" / "source" / "_nipype" / "xnat_source.json").write_text(written)
    only(run, sub0_MR1="missing", sub1_MR1="unchecked", sub2_MR1="unchecked")
    assert "sub0_MR1.json cannot be read" in reason(run, "sub0_MR1")
    assert "no record of what it stored" in reason(run, "sub1_MR1")
    assert "no record of what it delivered" in reason(run, "sub2_MR1")


def test_the_worst_is_told_of_a_session_with_several_ends(cohort, config, tmp_path, monkeypatch):
    """What could not be checked does not hide what failed."""
    whole = Workflow(name="mine", base_dir=str(tmp_path / "work"))
    template = "/projects/P/experiments/sub1_MR1/scans/1/resources/NIFTI/files/*.nii"
    source = Node(XNATSource(templates={"t1": template}, config=str(config)), "source")
    for name in ("a", "b"):
        sink = Node(XNATSink(config=str(config)), f"sink_{name}")
        sink.inputs.check_inputs = name == "b"
        sink.inputs.assessor_type = "xnat:nonsense" if name == "b" else "xnat:qcManualAssessorData"
        sink.inputs.assessor_id = name
        names = ["project_id", "subject_id", "experiment_id"]
        whole.connect([(source, sink, [*((name, name) for name in names), ("t1", "out")])])
    with pytest.raises(Exception, match="nonsense"):
        whole.run("Linear")
    assert states(tmp_path / "work" / "mine") == {"sub1_MR1": "failed"}


def test_the_account_of_a_run_whose_own_is_gone(cohort, config, tmp_path, capsys, fill):
    """As after a run with an issued token; another archive's account is not asked for these."""
    token = tmp_path / "token.json"
    shutil.copy(config, token)
    build(token, tmp_path / "work", Cohort(resolve(config).records)).run("Linear")
    token.unlink()
    run = tmp_path / "work" / "cohort"
    assert set(states(run).values()) == {"unchecked"}
    assert verify(run, config=config).done
    assert main(["verify", str(run), "--config", str(config)]) == 0
    other = tmp_path / "other.json"
    values = {**json.loads(config.read_text()), "server": "http://127.0.0.1:9"}
    other.write_text(json.dumps(values))
    other.chmod(0o600)
    assert main(["verify", str(run), "--config", str(other)]) == 1
    replace(fill, "sub1")
    capsys.readouterr()
    assert main(["verify", str(run), "--config", str(config)]) == 1
    assert "sub1_MR1: stale" in capsys.readouterr().out
    assert main(["verify", str(run), "--config", str(tmp_path / "none.json")]) == 2
