"""What a node handed out stays while its run may need it."""

from pathlib import Path

from nipype_xnat import Interface, XNATSource
from nipype_xnat.cache import Cache

T1 = "/projects/P/experiments/sub{number}_MR1/scans/1/resources/NIFTI/files/t1.nii"


def source(config, tmp_path, number):
    node = XNATSource(templates={"t1": T1}, config=str(config), cache_dir=str(tmp_path / "cache"))
    node.inputs.number = number
    return node


def test_prune_keeps_what_nodes_handed_out(cohort, config, tmp_path, monkeypatch):
    cache = Cache(tmp_path / "cache")
    with Interface(config=config, cache=cache.root) as client:
        mine = Path(client.select(T1.format(number=2)).get())
    found = []
    for number in (0, 1):
        run = tmp_path / f"run{number}"
        run.mkdir()
        monkeypatch.chdir(run)
        found.append(Path(source(config, tmp_path, number).run().outputs.t1))
    assert {lease.run for lease in cache.leases()} == {
        str(tmp_path / "run0"),
        str(tmp_path / "run1"),
    }
    pruned = cache.prune(size=0)
    assert pruned.leased > 0
    assert [path.read_bytes() for path in found] == [b"T1 of sub0", b"T1 of sub1"]
    assert (found[0].parent / "t1.json").exists(), "companions too"
    assert not mine.exists(), "nobody has a lease for it"


def test_next_run_of_a_node_renews_its_lease(cohort, config, tmp_path, monkeypatch):
    cache = Cache(tmp_path / "cache")
    run = tmp_path / "run"
    run.mkdir()
    monkeypatch.chdir(run)
    old = Path(source(config, tmp_path, 0).run().outputs.t1)
    new = Path(source(config, tmp_path, 1).run().outputs.t1)
    assert len(cache.leases()) == 1
    cache.prune(size=0)
    assert new.exists() and not old.exists()
