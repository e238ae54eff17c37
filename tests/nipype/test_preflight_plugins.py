"""The check before a run: plugins, their arguments, Nipype's settings, and the environment."""

import pytest
from nipype import Node, Workflow
from nipype.interfaces.utility import Merge
from nipype.pipeline.plugins import LinearPlugin

from nipype_xnat import check, cluster_plugin
from support.preflight import facts, levels, small


class _Mine(LinearPlugin):
    """A plugin of a user's own."""


@pytest.fixture
def workflow(tmp_path):
    """A workflow that names no archive, so that none is asked."""
    return small(None, tmp_path / "work")


def of(workflow, plugin, arguments=None, check_="plugin", **how):
    """Return the findings of one check that matter."""
    found = check(workflow, plugin, arguments, job=False, **how).of(check_)
    return [one for one in found if one.level != "ok" and one.check != "plugin.name"]


# -- the plugin


def test_a_plugin_that_nipype_does_not_have(workflow):
    (one,) = check(workflow, "Slurm").of("plugin")
    assert (one.level, one.fact) == ("error", "Nipype has no plugin called 'Slurm'")
    assert "SLURM, SLURMGraph" in one.advice
    assert levels(check(workflow, "MultiProc"), "plugin.name") == ["ok"]
    assert not check(workflow).of("plugin")
    # an object of any class
    assert levels(check(workflow, _Mine({})), "plugin.name") == ["ok"]


def test_nipypes_own_plugin_and_this_packages(workflow, programs):
    programs("sbatch", "squeue", "scancel")
    (one,) = check(workflow, "SLURM", {"max_jobs": 5}, job=False).of("plugin.name")
    assert one.level == "warning" and "cluster_plugin('SLURM'" in one.advice
    own = check(workflow, cluster_plugin("SLURMGraph", {"patience": 3}), job=False)
    assert facts(own, "plugin.name", "ok") == ["cluster_plugin('SLURMGraph')"]
    assert levels(own, "plugin.arguments") == ["ok"]


def test_slurmgraph_without_plugin_args(workflow, programs):
    programs("sbatch", "squeue", "scancel")
    assert "AttributeError" in of(workflow, "SLURMGraph")[0].fact
    assert not of(workflow, "SLURMGraph", {"dont_resubmit_completed_jobs": False})
    assert not of(workflow, cluster_plugin("SLURMGraph"))
    assert not of(workflow, "SGEGraph")


def test_arguments_that_a_plugin_does_not_know(workflow):
    (one,) = of(workflow, "SLURM", {"qsub_args": "-l h_vmem=2G"})
    assert (one.level, one.fact) == (
        "warning",
        "qsub_args has no meaning for Nipype's plugin SLURM",
    )
    assert not of(workflow, "SGE", {"qsub_args": "-l h_vmem=2G"})
    (one,) = of(workflow, "SLURMGraph", {"status_callback": print})
    assert one.level == "warning" and "status_callback" in one.fact
    (one,) = of(workflow, "SGE", {"max_tries": 5})
    assert one.level == "note" and "never acts" in one.fact


@pytest.mark.parametrize(
    "plugin, words, found",
    [
        ("SLURM", "--open-mode=append", "-o in --open-mode=append"),
        ("SLURM", "--exclusive", "-e in --exclusive"),
        ("SGE", "-l hostname=node-e1", "-e in hostname=node-e1"),
        ("SLURM", "--open-mode=append --output=log", ""),
        ("SLURM", "-o log -e log", ""),
        ("SLURM", "--time=2:00:00 --mem=2G", ""),
        # looks for "-o " and "-e "
        ("SLURMGraph", "--open-mode=append", ""),
        ("SGEGraph", "-l host=no-e -q all", "-e in host=no-e"),
        ("+SLURM", "--open-mode=append", ""),
    ],
)
def test_letters_that_nipype_finds_in_other_words(workflow, programs, plugin, words, found):
    programs("sbatch", "squeue", "scancel")
    name = "sbatch_args" if "SLURM" in plugin else "qsub_args"
    given = {name: words}
    how = cluster_plugin(plugin[1:], given) if plugin.startswith("+") else plugin
    warned = of(workflow, how, given, "plugin.words")
    assert [one.level for one in warned] == ["warning"] * bool(found)
    assert all(found in one.fact for one in warned)


def test_words_that_cannot_be_read(workflow):
    assert "closing quotation" in of(workflow, "SLURM", {"sbatch_args": "--comment='a"})[0].fact
    assert "is no text" in of(workflow, "SLURM", {"sbatch_args": ["--mem=2G"]})[0].fact


def test_templates(workflow, tmp_path):
    (one,) = of(workflow, "SLURM", {"template": "/none/batch.sh"}, "plugin.template")
    assert (one.level, one.fact) == ("error", "template: there is no file /none/batch.sh")
    file = tmp_path / "batch.sh"
    file.write_text("module load fsl\n")
    (one,) = of(workflow, "SLURM", {"template": str(file)}, "plugin.template")
    assert one.level == "error" and "does not begin with #!" in one.fact
    file.write_text("#!/bin/bash\nmodule load fsl\n")
    assert not of(workflow, "SLURM", {"template": str(file)}, "plugin.template")
    assert not of(workflow, "SLURM", {"template": "#!/bin/bash"}, "plugin.template")
    (one,) = of(workflow, "SGE", {"template": "#!/bin/sh"}, "plugin.template")
    assert one.level == "warning" and "hands on no variable" in one.fact
    assert not of(workflow, "SGE", {"template": "#!/bin/sh\n#$ -v PATH"}, "plugin.template")


def test_how_many_at_once(workflow, tmp_path):
    def found(plugin, number, whole=workflow):
        return of(whole, plugin, {"max_jobs": number} if number is not None else {})

    for wrong in ("100", True, 0):
        assert [one.level for one in found("SLURM", wrong)] == ["error"]
    assert not found("SLURM", 1) and not found("SLURM", None)
    many = Workflow("many", base_dir=str(tmp_path))
    many.add_nodes([Node(Merge(1), f"node{number}") for number in range(101)])
    assert "all nodes that can run are in the queue at once" in found("SLURM", None, many)[0].fact
    assert "all 101 nodes" in found("SGEGraph", None, many)[0].fact
    assert not found("SLURM", 50, many)


def test_arguments_of_a_node(workflow, tmp_path):
    node = workflow.get_node("middle")
    node.plugin_args = {"sbatch_args": "--exclusive"}
    (one,) = of(workflow, "SLURM", {})
    assert one.fact.startswith("sbatch_args of the node small.middle")
    node.plugin_args = {"sbatch_args": "--mem=8G", "overwrite": True}
    assert not of(workflow, "SLURM", {})
    (one,) = of(workflow, "SGE", {})
    assert one.fact.startswith("sbatch_args of the node small.middle has no meaning")
    node.plugin_args = {"template": "/none.sh", "overwrite": True}
    assert ["does nothing" in one.fact for one in of(workflow, "SLURM", {})] == [True, False]
    assert "there is no file /none.sh" in of(workflow, "SGEGraph", {}, "plugin.template")[0].fact


# -- Nipype's settings


@pytest.mark.parametrize(
    "setting, value, plugin, level",
    [
        ("hash_method", "content", "Linear", "note"),
        ("remove_node_directories", "true", "Linear", "warning"),
        ("keep_inputs", True, "Linear", "note"),
        ("stop_on_first_crash", "true", "SLURM", "warning"),
        ("stop_on_first_crash", "true", "Linear", None),
        ("poll_sleep_duration", 0.1, "SGE", "note"),
        ("poll_sleep_duration", 0.1, "MultiProc", None),
    ],
)
def test_settings(workflow, setting, value, plugin, level):
    name = f"execution.{setting}"
    assert not check(workflow, plugin, job=False).of(name)
    workflow.config["execution"] = {setting: value}
    found = check(workflow, plugin, job=False)
    assert levels(found, name) == [level] * (level is not None)
    assert bool(levels(found, "execution.settings")) == (level is None)


# -- the host


@pytest.mark.parametrize(
    "plugin, needed", [("SLURM", True), ("SGE", True), ("SGEGraph", False), ("Linear", False)]
)
def test_logname(workflow, monkeypatch, programs, plugin, needed):
    programs("sbatch", "squeue", "scancel", "qsub", "qstat", "qdel")
    monkeypatch.delenv("LOGNAME", raising=False)
    found = check(workflow, plugin, job=False)
    assert levels(found, "environment.LOGNAME") == ["error"] * needed
    monkeypatch.setenv("LOGNAME", "jane")
    found = check(workflow, plugin, job=False)
    assert levels(found, "environment.LOGNAME") == ["ok"] * needed
    if plugin.startswith("S"):
        monkeypatch.delenv("LOGNAME")
        found = check(workflow, cluster_plugin(plugin), job=False)
        assert not found.of("environment.LOGNAME")


def test_variables_that_are_named_like_secrets(workflow, monkeypatch):
    for name in ("DB_PASS", "GITHUB_TOKEN", "XNAT_PASSWORD", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "not to be shown")
    for name in ("PASSPORT", "COMPASS_DIR", "SSH_ASKPASS", "TOKEN_FILE", "OLDPWD", "PWD"):
        monkeypatch.setenv(name, "/harmless")
    found = check(workflow, "Linear")
    (fact,) = facts(found, "environment.secrets", "warning")
    names = "AWS_SECRET_ACCESS_KEY, DB_PASS, GITHUB_TOKEN, XNAT_PASSWORD"
    assert names in fact and "not to be shown" not in str(found)
    for name in names.split(", "):
        monkeypatch.delenv(name)
    assert levels(check(workflow, "Linear"), "environment.secrets") == ["ok"]


def test_variables_that_grid_engine_shows(workflow):
    assert levels(check(workflow, "SGE", job=False), "environment.shown") == ["note"]
    named = {"template": "#!/bin/sh\n#$ -v PATH"}
    assert not check(workflow, "SGE", named, job=False).of("environment.shown")
    assert not check(workflow, "SLURM", job=False).of("environment.shown")


@pytest.mark.parametrize(
    "plugin, names",
    [("SLURM", ("sbatch", "squeue", "scancel")), ("SGE", ("qsub", "qstat", "qdel"))],
)
def test_the_schedulers_programs(workflow, programs, plugin, names):
    programs()
    found = check(workflow, plugin)
    assert f"{names[0]}, {names[1]} are not on the PATH" in facts(found, "scheduler")[0]
    assert not found.of("job")
    programs(*names[:2])
    assert levels(check(workflow, plugin, job=False), "scheduler.programs") == ["warning"]
    programs(*names)
    found = check(workflow, plugin, job=False)
    assert levels(found, "scheduler.programs") == ["ok"]
    assert facts(found, "scheduler.answers", "ok") == ["0 jobs of this account are in the queue"]


def test_a_controller_that_does_not_answer(workflow, programs):
    folder = programs("sbatch", "squeue", "scancel")
    (folder / "squeue").write_text("#!/bin/sh\nexit 1\n")
    found = check(workflow, "SLURM")
    assert levels(found, "scheduler.answers") == ["error"]
    assert not found.of("job")


def test_a_job_that_is_refused_and_one_that_leaves_no_word(workflow, programs):
    folder = programs("sbatch", "squeue", "scancel")
    (folder / "sbatch").write_text("#!/bin/sh\necho 'no such partition' >&2\nexit 1\n")
    found = check(workflow, "SLURM", {"sbatch_args": "-p none"})
    assert "no such partition" in facts(found, "job.accepted", "error")[0]
    assert not list(folder.parent.rglob(".nipype-xnat-check-*"))
