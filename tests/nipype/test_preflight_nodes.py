"""The check before a run: what nodes are made of, and the programs that they call."""

import subprocess
import sys
import textwrap

import pytest
from nipype import Node, Workflow
from nipype.interfaces import freesurfer, fsl
from nipype.interfaces.base import BaseInterface, BaseInterfaceInputSpec, CommandLine, TraitedSpec

from nipype_xnat import check
from support.preflight import facts, levels, small


class _Own(BaseInterface):
    """An interface of the tests' own, with something in it."""

    input_spec = BaseInterfaceInputSpec
    output_spec = TraitedSpec

    def __init__(self, held=None):
        super().__init__()
        self.held = held


def alone(interface, work):
    """Make a workflow of one node."""
    whole = Workflow("alone", base_dir=str(work))
    node = Node(interface, "node")
    whole.add_nodes([node])
    return whole


def on_a_cluster(workflow):
    return check(workflow, "SLURM", {"max_jobs": 9}, job=False)


def test_what_cannot_be_pickled(tmp_path):
    found = on_a_cluster(alone(_Own(held=lambda: 0), tmp_path))
    (fact,) = facts(found, "nodes.pickle", "error")
    assert "alone.node" in fact
    found = check(alone(_Own(held=1), tmp_path), "Linear")
    assert levels(found, "nodes.pickle") == ["ok"]


SCRIPT = """
    import sys
    from nipype import Node, Workflow
    from nipype.interfaces.base import BaseInterface, BaseInterfaceInputSpec, TraitedSpec
    {imports}

    class Mine(BaseInterface):
        input_spec = BaseInterfaceInputSpec
        output_spec = TraitedSpec

    def build():
        whole = Workflow("whole", base_dir={work!r})
        whole.add_nodes([Node({what}(), "node")])
        return whole

    if __name__ == "__main__":
        {last}
"""


def script(folder, what, last, imports=""):
    folder.mkdir(exist_ok=True)
    path = folder / "script.py"
    work = str(folder / "work")
    text = textwrap.dedent(SCRIPT).format(what=what, last=last, imports=imports, work=work)
    path.write_text(text)
    return path


ASK = "import nipype_xnat; print(nipype_xnat.check(build(), sys.argv[1], job=False))"


def asked(path, plugin):
    """Run a script that checks its own workflow."""
    words = [sys.executable, str(path), plugin]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=path.parent)
    return done.stdout


def test_a_class_of_the_script_itself(tmp_path):
    said = asked(script(tmp_path, "Mine", ASK), "SLURM")
    assert "nodes.main" in said and "holds Mine of the script itself" in " ".join(said.split())
    assert "nodes.main" not in asked(script(tmp_path, "Mine", ASK), "MultiProc")


def test_a_module_beside_the_script(tmp_path, monkeypatch):
    beside = script(tmp_path, "Mine", "pass").rename(tmp_path / "beside_it.py")
    imports = "from beside_it import Mine as Other"
    path = script(tmp_path, "Other", ASK, imports)
    said = " ".join(asked(path, "SGE").split())
    assert "nodes.modules" in said and "needs beside_it, which a job does not find" in said
    monkeypatch.setenv("PYTHONPATH", f"{beside.parent}:{':'.join(filter(None, sys.path))}")
    assert "nodes.modules" not in asked(path, "SGE")


# -- programs


def test_programs(tmp_path, programs):
    folder = programs("sbatch", "squeue", "scancel")
    workflow = alone(CommandLine("segment-it --fast"), tmp_path / "work")
    (fact,) = facts(check(workflow, "Linear"), "programs.here", "error")
    assert fact == "segment-it, needed by alone.node, is not on the PATH"
    # a template may load it for jobs
    assert levels(on_a_cluster(workflow), "programs.here") == ["warning"]
    programs("segment-it")
    (fact,) = facts(check(workflow, "Linear"), "programs.here", "ok")
    assert fact == f"segment-it is {folder / 'segment-it'}"


def test_a_path_that_a_node_sets(tmp_path, programs):
    programs()
    interface = CommandLine("segment-it", environ={"PATH": str(tmp_path / "own")})
    workflow = alone(interface, tmp_path / "work")
    assert levels(check(workflow, "Linear"), "programs.here") == ["error"]
    programs("segment-it").rename(tmp_path / "own")
    assert levels(check(workflow, "Linear"), "programs.here") == ["ok"]


def test_workflows_without_programs_hear_nothing_of_them(tmp_path):
    found = check(small(None, tmp_path / "work"), "Linear")
    assert not found.of("programs") and not found.of("variables")


def test_variables_of_fsl(tmp_path, monkeypatch):
    for name in ("FSLDIR", "FSLOUTPUTTYPE"):
        monkeypatch.delenv(name, raising=False)
    workflow = alone(fsl.BET(output_type="NIFTI_GZ"), tmp_path / "work")
    found = check(workflow, "Linear")
    assert levels(found, "variables.FSLDIR") == ["warning"]
    assert levels(found, "variables.FSLOUTPUTTYPE") == ["note"]
    assert not found.of("variables.FREESURFER_HOME")
    monkeypatch.setenv("FSLDIR", str(tmp_path / "none"))
    monkeypatch.setenv("FSLOUTPUTTYPE", "NIFTI.GZ")
    found = check(workflow, "Linear")
    assert "which is no folder" in facts(found, "variables.FSLDIR", "warning")[0]
    assert levels(found, "variables.FSLOUTPUTTYPE") == ["error"]
    monkeypatch.setenv("FSLDIR", str(tmp_path))
    monkeypatch.setenv("FSLOUTPUTTYPE", "NIFTI_GZ")
    assert levels(check(workflow, "Linear"), "variables") == ["ok", "ok"]


def test_variables_of_freesurfer(tmp_path, monkeypatch):
    for name in ("FREESURFER_HOME", "FS_LICENSE", "SUBJECTS_DIR"):
        monkeypatch.delenv(name, raising=False)
    workflow = alone(freesurfer.ReconAll(), tmp_path / "work")
    found = check(workflow, "Linear")
    wanted = ("FREESURFER_HOME", "FS_LICENSE", "SUBJECTS_DIR")
    assert [levels(found, f"variables.{name}") for name in wanted] == [
        ["warning"],
        ["warning"],
        ["note"],
    ]
    monkeypatch.setenv("FREESURFER_HOME", str(tmp_path))
    (tmp_path / "license.txt").write_text("here")
    monkeypatch.setenv("SUBJECTS_DIR", str(tmp_path))
    assert levels(check(workflow, "Linear"), "variables") == ["ok", "ok"]
    monkeypatch.setenv("FS_LICENSE", str(tmp_path / "none"))
    assert levels(check(workflow, "Linear"), "variables.FS_LICENSE") == ["warning"]


def test_a_workflow_that_nipype_cannot_expand(tmp_path):
    whole = Workflow("whole", base_dir=str(tmp_path))
    node = Node(_Own(), "node")
    node.iterables = ("no_such_input", [1, 2])
    whole.add_nodes([node])
    found = check(whole, "Linear")
    assert levels(found, "workflow.expands") == ["error"]
    assert not check(alone(_Own(), tmp_path), "Linear").of("workflow")


@pytest.mark.parametrize("kind", ["table", "json"])
def test_findings_in_other_forms(tmp_path, kind):
    import json

    found = check(alone(CommandLine("no-such-program"), tmp_path / "work"), "Linear")
    assert found.exit_code == 1 and not found.at("error").of("server")
    if kind == "json":
        rows = json.loads(found.to_json())
        assert [row["check"] for row in rows] == [one.check for one in found]
    else:
        last = found.table(80).splitlines()
        assert last[-1].startswith("1 error, ")
        # what matters most stands last
        assert any(line.startswith("error    programs.here") for line in last[-5:])
