"""``nipype-xnat check``: exit codes, scripts, and what is printed."""

import json
import textwrap

import pytest

from nipype_xnat.cli.main import main
from support.preflight import ONE

SCRIPT = """
    import argparse, sys
    from nipype import Node, Workflow
    from nipype_xnat import XNATSource

    def build(config, work):
        whole = Workflow("whole", base_dir=work)
        source = XNATSource(templates={{"t1": {one!r}}}, config=config, scan="1")
        source.inputs.session = "sub0_MR1"
        whole.add_nodes([Node(source, "source")])
        return whole

    if __name__ == "__main__":
        print("this is no finding")
        {start}
        build(*sys.argv[1:]).run({how})
        raise LookupError("there is no result")
"""


@pytest.fixture
def script(tmp_path):
    """A script that runs a workflow; what it says first and how it runs it can be given."""

    def script(how="", start="pass"):
        path = tmp_path / "script.py"
        path.write_text(textwrap.dedent(SCRIPT).format(one=ONE, how=how, start=start))
        return str(path)

    return script


def run(capsys, *words):
    """Run the command; return its exit code and what it printed."""
    code = main(["check", *map(str, words)])
    return code, capsys.readouterr().out


def rows(capsys, *words):
    """Run the command; return its exit code and the findings by their check."""
    code, said = run(capsys, "--json", *words)
    return code, {row["check"]: row for row in json.loads(said)}


def test_a_script_as_a_program(session, config, tmp_path, script, capsys):
    code, found = rows(capsys, script(), config, tmp_path / "work")
    assert code == 0
    assert found["base_dir.set"]["fact"] == str(tmp_path / "work")
    assert found["data.found"]["fact"] == "1 files, all of them listed"
    assert not (tmp_path / "work").exists()
    config.chmod(0o644)
    code, said = run(capsys, script(), config, tmp_path / "work")
    assert code == 1
    assert said.splitlines()[-1].startswith("1 error, ")
    assert "this is no finding" not in said


def test_a_function_of_a_script(session, config, tmp_path, script, capsys):
    code, found = rows(capsys, script() + ":build", config, tmp_path / "work")
    assert (code, found["server.login"]["level"]) == (0, "ok")


def test_the_plugin_that_the_script_gives(session, config, tmp_path, script, capsys):
    path = script('plugin="SLURMGraph"')
    code, found = rows(capsys, "--no-job", path, config, tmp_path / "work")
    assert code == 1
    assert "AttributeError" in found["plugin.arguments"]["fact"]
    code, found = rows(capsys, "--plugin", "Linear", path, config, tmp_path / "work")
    assert (code, found["plugin.name"]["fact"]) == (0, "Nipype's plugin Linear")


def test_the_plugin_that_options_name(session, config, tmp_path, script, capsys, programs):
    words = ["--no-job", "--plugin", "SLURM", "--plugin-args", '{"max_jobs": "9"}']
    code, found = rows(capsys, *words, script(), config, tmp_path / "work")
    assert code == 1 and found["plugin.max_jobs"]["level"] == "error"
    assert found["plugin.name"]["level"] == "warning"
    programs("sbatch", "squeue", "scancel")
    words = ["--no-job", "--plugin", "SLURM", "--cluster-plugin"]
    code, found = rows(capsys, *words, script(), config, tmp_path / "work")
    assert found["plugin.name"]["level"] == "ok"


def test_without_a_script(session, config, tmp_path, capsys):
    code, found = rows(capsys, "--config", config, "--cache", tmp_path / "cache")
    assert (code, found["server.login"]["level"]) == (0, "ok")
    code, found = rows(capsys, "--config", tmp_path / "none.json", "--base-dir", tmp_path)
    assert (code, found["base_dir.usable"]["level"]) == (1, "ok")
    assert found["account.file"]["level"] == "error"


def test_a_script_that_fails_before_it_runs_anything(config, tmp_path, script, capsys):
    broken = script(start="raise KeyError('FSLDIR')")
    code, found = rows(capsys, "--config", config, broken, config, tmp_path / "work")
    assert code == 1
    assert "KeyError: 'FSLDIR'" in found["workflow.script"]["fact"]
    # the rest is checked all the same
    assert found["server.login"]["level"] == "ok"
    code, found = rows(capsys, script(start="sys.exit(3)"), config, tmp_path / "work")
    assert (code, "ended with 3" in found["workflow.script"]["fact"]) == (1, True)


@pytest.mark.parametrize(
    "words",
    [
        ["no/such/script.py"],
        ["--plugin-args", "{}"],
        ["--plugin", "SLURM", "--plugin-args", "[1]"],
        ["--plugin", "SLURM", "--plugin-args", "{"],
        ["--plugin", "Linear", "--cluster-plugin"],
    ],
)
def test_wrong_use(capsys, words):
    assert main(["check", *words]) == 2
    assert "nipype-xnat check: " in capsys.readouterr().err


def test_a_name_that_a_script_does_not_have(script, capsys):
    assert main(["check", script() + ":assemble"]) == 2
    assert "has no assemble" in capsys.readouterr().err
