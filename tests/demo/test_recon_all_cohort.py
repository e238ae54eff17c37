"""The sibling example: recon-all for a cohort, with a small stand-in of that name."""

from __future__ import annotations

import pytest

from nipype_xnat import Interface
from nipype_xnat.errors import XNATError
from support.demo_site import RECON_ALL


@pytest.fixture
def run(site, capfd, load_example):
    site.put_program("recon-all", RECON_ALL)
    module = load_example("recon_all_cohort")

    def run(*words: str):
        given = ["--config", site.config, "--project", "DEMO", "--plugin", "Linear"]
        given += ["--criteria", "xnat:mrSessionData/AGE > 85"]
        given += ["--work", site.folder / "work", "--cache", site.folder / "cache", *words]
        code = module.main([str(word) for word in given])
        return code, capfd.readouterr().out

    return run


def stored(site):
    """Names of what the archive holds as results, by session."""
    found: dict[str, set[str]] = {}
    with Interface(config=site.config) as archive:
        path = "/projects/DEMO/experiments/*/resources/FREESURFER/files"
        for record in archive.select(path).records():
            found.setdefault(record.experiment_label, set()).add(record.path)
    return found


def test_what_recon_all_makes_is_stored_and_its_environment_is_not(run, site):
    code, said = run()
    assert code == 0
    assert site.computed() == ["DEMO005_MR1", "DEMO008_MR1", "DEMO016_MR1"]
    names = {"mri/orig/001.mgz", "surf/lh.white", "stats/aseg.stats", "scripts/recon-all.log"}
    assert stored(site) == dict.fromkeys(["DEMO005_MR1", "DEMO008_MR1", "DEMO016_MR1"], names)
    assert "DEMO002_MR1: no t1" in said
    assert "3 files downloaded, 3 sessions computed, 12 files uploaded" in said
    assert "12 files compared byte for byte" in said


def test_again_there_is_nothing_to_do(run, site):
    run()
    site.computed()
    code, said = run()
    assert (code, site.computed()) == (0, [])
    assert "Nothing was downloaded, computed or uploaded" in said


def test_one_that_fails_is_named_and_stops_no_other(run, site, monkeypatch):
    monkeypatch.setenv("RECON_ALL_REFUSES", "DEMO008")
    code, said = run()
    assert code == 1
    assert set(stored(site)) == {"DEMO005_MR1", "DEMO016_MR1"}
    assert "(ERROR: no talairach)" in said


def test_without_recon_all_it_says_what_to_do(run, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(XNATError, match="no program called recon-all"):
        run()
