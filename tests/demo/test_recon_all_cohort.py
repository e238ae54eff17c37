"""The sibling example: recon-all for a cohort, with a small stand-in of that name."""

from __future__ import annotations

import pytest

from nipype_xnat import Interface
from nipype_xnat.errors import XNATError
from support.demo_site import RECON_ALL, open_served_site

MANY = 300
ONE = ("--criteria", "xnat:mrSessionData/AGE > 91")


@pytest.fixture
def run(site, capfd, load_example):
    return runner(site, capfd, load_example)


def runner(site, capfd, load_example):
    """Return a function that runs the example and returns exit code and what it said."""
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


def sent(site):
    """Requests that sent files of results, in order."""
    kept = [logged for logged in site.archive.requests if logged.method == "PUT"]
    return [logged.path for logged in kept if "/files" in logged.path]


def test_hundreds_of_files_are_one_request(run, site, monkeypatch):
    monkeypatch.setenv("RECON_ALL_FILES", str(MANY))
    site.archive.requests.clear()
    code, said = run(*ONE)
    assert code == 0
    assert len(stored(site)["DEMO008_MR1"]) == MANY + 4
    assert f"{MANY + 4} files compared byte for byte" in said
    assert len(sent(site)) == 1
    site.archive.requests.clear()
    code, said = run(*ONE)
    assert code == 0 and sent(site) == []
    assert "Nothing was downloaded, computed or uploaded" in said


@pytest.mark.parametrize("answered", [False, True], ids=["in mid-upload", "before it is told"])
def test_an_archive_killed_at_the_upload_gets_each_file_once(
    filled, tmp_path, monkeypatch, capfd, load_example, answered
):
    monkeypatch.setenv("RECON_ALL_FILES", str(MANY))
    upload = rb"PUT /data/\S+/resources/\S+/files/\S"
    with open_served_site(filled, tmp_path, monkeypatch) as site:
        run = runner(site, capfd, load_example)
        site.archive.kill_at(upload, answered=answered)
        assert run(*ONE)[0] == 1
        assert site.archive.killed.is_set()
        site.archive.start()
        assert {len(names) for names in stored(site).values()} == (
            {MANY + 4} if answered else set()
        )
        before = site.archive.count(upload)
        code, said = run(*ONE)
        assert code == 0, said
        assert site.archive.count(upload) - before == (0 if answered else 1)
        assert site.computed() == ["DEMO008_MR1"]
        assert {len(names) for names in stored(site).values()} == {MANY + 4}
        assert "Checked by another connection" in said
