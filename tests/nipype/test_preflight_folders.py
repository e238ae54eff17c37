"""The check before a run: folders, their file systems, and the room on them."""

import os

import pytest
from nipype.interfaces.base import CommandLine, CommandLineInputSpec, File, TraitedSpec

from nipype_xnat import check, cluster_plugin
from nipype_xnat.interfaces.preflight import mounts
from support.preflight import facts, levels, mounted, small


class _Copy(CommandLine):
    class input_spec(CommandLineInputSpec):
        in_file = File(argstr="%s", mandatory=True)

    class output_spec(TraitedSpec):
        out_file = File()

    _cmd = "cp"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A place whose name is not below a folder that each host has of its own, for the check."""
    monkeypatch.setattr(mounts, "_OWN_PLACES", ())
    return tmp_path


def on_a_cluster(workflow, plugin="SLURM", **how):
    return check(workflow, plugin, how.pop("plugin_args", {}), job=False, **how)


@pytest.mark.parametrize("plugin, level", [("SLURM", "error"), ("Linear", "warning")])
def test_a_workflow_without_base_dir(plugin, level):
    found = check(small(None, None), plugin, job=False)
    assert levels(found, "base_dir.set") == [level]
    assert "has no base_dir" in facts(found, "base_dir.set")[0]
    assert not found.of("base_dir.usable")


def test_a_base_dir_can_be_given_instead(config, session, tmp_path):
    found = check(small(config, None), "Linear", base_dir=tmp_path / "work")
    assert facts(found, "base_dir.set", "ok") == [str(tmp_path / "work")]
    assert facts(found, "base_dir.usable", "ok") == [f"{tmp_path / 'work'} can be made"]
    assert not (tmp_path / "work").exists()


def test_folders_that_cannot_be_written(tmp_path):
    with mounted(tmp_path / "ro", "ro") as folder:
        found = check(small(None, folder / "work", cache_dir=str(folder)), "Linear")
        assert "cannot be made" in facts(found, "base_dir.usable", "error")[0]
        assert "cannot be written" in facts(found, "cache.usable", "error")[0]
        assert found.exit_code == 1
    found = check(small(None, tmp_path / "ro", cache_dir=str(tmp_path / "cache")), "Linear")
    assert levels(found, "base_dir.usable") == levels(found, "cache.usable") == ["ok"]


def test_a_file_in_the_place_of_a_folder(config, session, tmp_path):
    found = check(small(config, config), "Linear")
    assert facts(found, "base_dir.usable", "error") == [f"{config} is no folder"]


def test_layers_must_be_there(config, session, tmp_path):
    (tmp_path / "layer").mkdir()
    for name, level in (("none", "error"), ("layer", "ok")):
        layers = [str(tmp_path / name)]
        found = check(small(config, tmp_path / "work", cache_layers=layers), "Linear")
        assert levels(found, "layer.usable") == [level]


@pytest.mark.parametrize("name", ["a work", "w$ork", "w(1)", "w;rk"])
def test_characters_that_a_shell_reads(tmp_path, name):
    workflow = small(None, tmp_path / name)
    found = on_a_cluster(workflow)
    assert levels(found, "base_dir.characters") == ["error"]
    assert "cluster_plugin('SLURM')" in found.of("base_dir.characters")[0].advice
    assert not check(workflow, "Linear").of("base_dir.characters")
    assert levels(on_a_cluster(small(None, tmp_path / "w")), "base_dir.characters") == ["ok"]


def test_a_space_before_command_lines_of_this_packages_own_plugin(tmp_path, programs):
    programs("sbatch", "squeue", "scancel")
    plugin = cluster_plugin("SLURM")
    with_program = small(None, tmp_path / "a work", interface=_Copy())
    assert levels(check(with_program, plugin, job=False), "base_dir.characters") == ["warning"]
    without = small(None, tmp_path / "a work")
    assert levels(check(without, plugin, job=False), "base_dir.characters") == ["ok"]
    quoted = small(None, tmp_path / "jane's")
    assert levels(check(quoted, plugin, job=False), "base_dir.characters") == ["error"]


@pytest.mark.parametrize(
    "name, slurm, sge",
    [
        ("job%j", "error", "ok"),
        ("100%", "ok", "ok"),
        ("a:b", "ok", "error"),
        ("a,b", "ok", "error"),
    ],
)
def test_characters_that_a_scheduler_reads(tmp_path, programs, name, slurm, sge):
    programs("sbatch", "squeue", "scancel", "qsub", "qstat", "qdel")
    workflow = small(None, tmp_path / name)
    for plugin, level in (("SLURM", slurm), ("SGE", sge)):
        for how in (plugin, cluster_plugin(plugin)):
            assert levels(check(workflow, how, job=False), "base_dir.characters") == [level]


def test_paths_that_are_too_long(tmp_path):
    deep = tmp_path.joinpath(*["d" * 200] * 21)
    found = on_a_cluster(small(None, deep))
    assert "4096 are possible" in facts(found, "base_dir.length", "error")[0]
    workflow = small(None, tmp_path / "work", name="w" * 230)
    found = on_a_cluster(workflow)
    assert "255 are possible" in facts(found, "base_dir.length", "error")[0]
    # without jobs there are no batch files
    assert levels(check(workflow, "Linear"), "base_dir.length") == ["ok"]


def test_a_file_system_in_memory_is_seen_by_no_other_host(tmp_path):
    with mounted(tmp_path / "ram") as folder:
        workflow = small(None, folder / "work", cache_dir=str(folder / "cache"))
        found = on_a_cluster(workflow)
        for role in ("base_dir", "cache"):
            (fact,) = facts(found, f"{role}.shared", "error")
            assert f"tmpfs (preflight at {folder})" in fact
        assert not check(workflow, "MultiProc").of("base_dir.shared")


def test_folders_that_each_host_has_of_its_own():
    found = on_a_cluster(small(None, "/tmp/work"))
    assert "below /tmp: each host has one of its own" in facts(found, "base_dir.shared", "error")[0]


def table(monkeypatch, folder, kind, tmp_path):
    """Let Linux's table name a file system for a folder."""
    lines = mounts.TABLE.read_text() + f"99 1 0:99 / {folder} rw - {kind} server:/export rw\n"
    (tmp_path / "mountinfo").write_text(lines)
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "mountinfo")


@pytest.mark.parametrize(
    "kind, level",
    [
        ("nfs4", "ok"),
        ("lustre", "ok"),
        ("fuse.sshfs", "ok"),
        ("ext4", "warning"),
        ("xfs", "warning"),
    ],
)
def test_file_systems_by_their_type(here, monkeypatch, kind, level):
    table(monkeypatch, here, kind, here)
    found = on_a_cluster(small(None, here / "work"))
    assert levels(found, "base_dir.shared") == [level]
    assert f"{kind} (server:/export at {here})" in facts(found, "base_dir.shared")[0]


def test_the_table_of_mounts_is_read_as_linux_writes_it(tmp_path, monkeypatch):
    (tmp_path / "mountinfo").write_text(
        "1 0 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
        f"2 1 0:5 / {tmp_path}/a\\040b rw shared:1 master:2 - nfs4 srv:/x rw\n"
        f"3 1 0:6 / {tmp_path}/a rw - tmpfs none rw\n"
    )
    monkeypatch.setattr(mounts, "TABLE", tmp_path / "mountinfo")
    (tmp_path / "a b").mkdir()
    assert mounts.mount_of(tmp_path / "a b" / "not there").kind == "nfs4"
    (tmp_path / "ab").mkdir()
    assert mounts.mount_of(tmp_path / "ab").kind == "ext4"
    os.symlink(tmp_path / "a b", tmp_path / "link")
    assert mounts.mount_of(tmp_path / "link").kind == "nfs4"


def test_results_that_nfs_shows_late(here, monkeypatch):
    table(monkeypatch, here, "nfs4", here)
    workflow = small(None, here / "work")
    (fact,) = facts(on_a_cluster(workflow), "execution.job_finished_timeout", "warning")
    assert "job_finished_timeout is 5 s" in fact
    workflow.config["execution"] = {"job_finished_timeout": 65}
    assert not on_a_cluster(workflow).of("execution.job_finished_timeout")
    workflow.config["execution"] = {"job_finished_timeout": 5}
    assert not check(workflow, "Linear").of("execution.job_finished_timeout")


def test_the_account_must_be_seen_too(session, config, here, monkeypatch):
    assert levels(on_a_cluster(small(config, here / "work")), "account.shared") == ["warning"]
    table(monkeypatch, here, "nfs", here)
    assert levels(on_a_cluster(small(config, here / "work")), "account.shared") == ["ok"]


def test_room_for_the_cohort(config, session, fill, tmp_path):
    scan = "/data/projects/P/subjects/sub0/experiments/sub0_MR1/scans/1/resources/NIFTI/files"
    fill.file(f"{scan}/large.nii", b"x" * 150_000)
    with mounted(tmp_path / "small", "size=100k") as folder:
        found = check(small(config, tmp_path / "work", cache_dir=str(folder)), "Linear")
        (fact,) = facts(found, "space.bytes", "error")
        assert "at least 150.0 kB in 2 files to fetch" in fact
        assert "102.4 kB are free for this user on tmpfs" in fact
    found = check(small(config, tmp_path / "work", cache_dir=str(tmp_path / "cache")), "Linear")
    (fact,) = facts(found, "space.bytes")
    # one file system: both are counted together
    assert levels(found, "space.bytes") == ["ok"]
    assert "150.0 kB in 2 files to fetch" in fact and "for 3 nodes" in fact


def test_files_that_are_here_need_no_room(config, session, tmp_path):
    from nipype_xnat import prefetch

    workflow = small(config, tmp_path / "work", cache_dir=str(tmp_path / "cache"))
    prefetch(workflow)
    assert "to fetch" not in facts(check(workflow, "Linear"), "space.bytes")[0]


def test_inodes(tmp_path):
    with mounted(tmp_path / "few", "size=10m,nr_inodes=12") as folder:
        found = check(small(None, folder), "Linear")
        assert "at least 24 files" in facts(found, "space.files", "error")[0]
    with mounted(tmp_path / "many", "size=10m,nr_inodes=1000") as folder:
        assert "error" not in levels(check(small(None, folder), "Linear"), "space.files")


def test_what_nipype_writes_for_a_node_is_no_less_than_what_is_counted(config, session, tmp_path):
    workflow = small(config, tmp_path / "work")
    (fact,) = (one for one in facts(check(workflow, "Linear"), "space.bytes") if "nodes" in one)
    counted = int(fact.split(" files that Nipype")[0].split()[-1])
    workflow.run()
    nodes = [tmp_path / "work" / "small" / name for name in ("source", "middle", "sink")]
    written = [path for node in nodes for path in (node, *node.rglob("*"))]
    assert counted <= len(written)
    # what was computed is not counted again
    assert "for 0 nodes" in facts(check(workflow, "Linear"), "space.bytes")[-1]


def test_crash_files(tmp_path):
    workflow = small(None, tmp_path / "work")
    with mounted(tmp_path / "ro", "ro") as folder:
        workflow.config["execution"] = {"crashdump_dir": str(folder)}
        assert levels(check(workflow, "Linear"), "crashdump_dir") == ["error"]
    workflow.config["execution"] = {"crashdump_dir": str(tmp_path / "crash")}
    assert levels(check(workflow, "Linear"), "crashdump_dir") == ["ok"]
    assert levels(on_a_cluster(workflow, "SGEGraph"), "crashdump_dir") == ["note"]
