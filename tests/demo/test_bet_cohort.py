"""The example: a cohort out of an archive, through Nipype's BET, and back."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
import requests

from nipype_xnat import Interface
from nipype_xnat.cli.demo import example
from nipype_xnat.demo import heads
from nipype_xnat.errors import ConfigurationError, UsageError, XNATError
from support.demo_site import open_site, reopened_site

DELIVERED = [
    "DEMO001_MR1_T1w.nii.gz",
    "DEMO003_MR1_T1w.nii.gz",
    "DEMO004_MR1_T1w.nii.gz",
    "DEMO006_MR1_T1w.img",
    "DEMO007_MR2_T1w.nii.gz",
    "DEMO008_MR1_T1w.nii.gz",
    "GUEST01_A_T1w.nii.gz",
    "tête_Größe_T1w.nii.gz",
]


#: three of the sessions
FEW = ("--criteria", "xnat:mrSessionData/AGE > 85")


def options(site, *words):
    given = ["--config", site.config, "--project", "DEMO", "--plugin", "Linear"]
    given += ["--work", site.folder / "work", "--cache", site.folder / "cache"]
    given += ["--report", site.folder / "report.html", "--truth", "TRUTH", *words]
    return [str(word) for word in given]


@pytest.fixture(scope="module")
def example_main(load_example):
    return load_example("bet_cohort").main


@pytest.fixture(scope="module")
def first(filled, example_main, tmp_path_factory):
    """A run on an archive that was seeded: what it said, and all that it left.

    A working directory holds absolute paths, so what was left is kept aside, and each test has a
    copy of it in the place where the run was.
    """
    place = tmp_path_factory.mktemp("first") / "site"
    place.mkdir()
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(place.parent))
        with open_site(filled, place, patch) as site, contextlib.redirect_stdout(said):
            code = example_main(options(site))
            computed, held = site.computed(), brains(site)
    kept = place.rename(place.with_name("kept"))
    return SimpleNamespace(
        code=code, said=said.getvalue(), computed=computed, held=held, kept=kept, place=place
    )


@pytest.fixture
def after(first, monkeypatch):
    """The site as the first run left it."""
    shutil.rmtree(first.place, ignore_errors=True)
    # hard links too
    subprocess.run(["cp", "-a", first.kept, first.place], check=True)
    with reopened_site(first.place, monkeypatch) as found:
        yield found


@pytest.fixture
def run(example_main, capfd):
    """Run the example on an archive; return exit code and what it printed."""

    def run(site, *words: str):
        code = example_main(options(site, *words))
        return code, capfd.readouterr().out

    return run


def changed(site):
    """Requests that change data."""
    kept = [logged for logged in list(site.archive.requests) if logged.method != "GET"]
    plain = ("/data/JSESSION", "/data/search")
    return [logged for logged in kept if logged.path not in plain]


def brains(site):
    """Digests of what the archive holds as results, by session and name."""
    with Interface(config=site.config) as archive:
        found = archive.select("/projects/DEMO/experiments/*/resources/BET/files").records()
        return {(record.experiment_label, record.path): record.digest for record in found}


def replace_t1w(site, label, data):
    path = f"/data/projects/DEMO/subjects/{label[:7]}/experiments/{label}/scans/1/resources/NIFTI"
    requests.put(
        f"{site.url}{path}/files/{label}_T1w.nii.gz?overwrite=true&inbody=true",
        data=data,
        headers={"Content-Type": "application/octet-stream"},
        auth=("admin", "admin"),
    ).raise_for_status()


def other_head():
    person = heads.Person("OTHER", "OTHER_1", "M", 85.0)
    return heads.nifti_gz(heads.image(person, resolution=8.0))


def test_each_selected_session_is_delivered_or_reported(first, after):
    said = first.said
    assert first.code == 0
    assert first.computed == DELIVERED
    assert "9 sessions selected, 8 with the wanted image" in said
    assert "DEMO002_MR1: no t1" in said
    assert "16 files compared byte for byte" in said
    assert "9 files downloaded, 8 sessions computed, 16 files uploaded" in said
    held = brains(after)
    sessions = {session for session, _ in held}
    assert sessions == {f"DEMO{n:03d}_MR1" for n in (1, 3, 4, 5, 6, 8, 16)} | {"DEMO007_MR2"}
    made = {
        hashlib.md5(path.read_bytes()).hexdigest()
        for path in (after.folder / "work").rglob("bet/*_brain*.nii.gz")
    }
    assert set(held.values()) == made and len(held) == 16
    assert ("DEMO005_MR1", "tête_Größe_T1w_brain_mask.nii.gz") in held
    table = [line.split() for line in said.splitlines() if re.match(r"DEMO001 ", line)]
    assert table[0][1:3] == ["85", "DEMO001_MR1"] and table[0][-1].endswith("/resources/BET")
    page = (after.folder / "report.html").read_text("utf-8")
    assert page.count("<img ") == 8 and "least Dice" in page and "DEMO002_MR1" in page


def test_again_there_is_nothing_to_do(run, after):
    code, said = run(after)
    assert code == 0
    assert after.computed() == []
    assert "Nothing was downloaded, computed or uploaded" in said
    assert changed(after) == []
    files = [r for r in list(after.archive.requests) if re.search(r"/files/[^/]", r.path)]
    assert files == []
    assert "16 by digest" in said


def test_a_replaced_image_is_done_anew_and_no_other(run, first, after):
    replace_t1w(after, "DEMO001_MR1", other_head())
    code, said = run(after)
    assert code == 0
    assert after.computed() == ["DEMO001_MR1_T1w.nii.gz"]
    assert "1 file downloaded, 1 session computed, 2 files uploaded" in said
    held = brains(after)
    assert {key[0] for key in held if held[key] != first.held[key]} == {"DEMO001_MR1"}


def test_a_session_that_goes_touches_no_other(run, after):
    path = f"{after.url}/data/projects/DEMO/subjects/DEMO003/experiments/DEMO003_MR1"
    requests.delete(path, auth=("admin", "admin"), timeout=60).raise_for_status()
    code, said = run(after)
    assert (code, after.computed()) == (0, [])
    assert "8 sessions selected, 7 with the wanted image" in said
    assert "Nothing was downloaded" in said


def test_a_session_that_comes_touches_no_other(run, after):
    path = f"{after.url}/data/projects/DEMO/subjects/DEMO013?dob=1930-01-09"
    requests.put(path, auth=("admin", "admin"), timeout=60).raise_for_status()
    code, said = run(after)
    assert (code, after.computed()) == (0, ["DEMO013_MR1_T1w.nii.gz"])
    assert "10 sessions selected, 9 with the wanted image" in said
    assert "1 file downloaded, 1 session computed, 2 files uploaded" in said


def test_one_that_fails_is_named_with_the_reason_and_stops_no_other(run, site, monkeypatch):
    monkeypatch.setenv("QUICK_BET_REFUSES", "DEMO008")
    code, said = run(site, *FEW)
    assert code == 1
    assert site.computed() == ["GUEST01_A_T1w.nii.gz", "tête_Größe_T1w.nii.gz"]
    assert "DEMO008_MR1: failed at bet" in said
    assert "(bet: this head is not liked)" in said
    assert "4 files compared byte for byte" in said
    assert "this head is not liked" in (site.folder / "report.html").read_text("utf-8")
    monkeypatch.delenv("QUICK_BET_REFUSES")
    code, said = run(site, *FEW)
    assert (code, site.computed()) == (0, ["DEMO008_MR1_T1w.nii.gz"])


def test_as_a_program_in_parallel_it_gives_the_same(first, site):
    words = ["--config", site.config, "--project", "DEMO", "--processes", "2"]
    words += ["--work", site.folder / "work", "--cache", site.folder / "cache"]
    done = subprocess.run(
        [sys.executable, example("bet_cohort"), *words],
        check=False,
        cwd=site.folder,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert site.computed() == DELIVERED
    # each process has logged out
    assert site.archive.open_sessions == 0
    assert (site.folder / "bet_cohort.html").exists()
    assert brains(site) == first.held


def test_in_another_folder_all_is_computed_again_and_nothing_sent(run, first, after):
    code, said = run(after, "--work", str(after.folder / "elsewhere"), *FEW)
    assert (code, after.computed()) == (0, DELIVERED[-3:])
    assert "0 files downloaded, 3 sessions computed, 0 files uploaded" in said
    assert brains(after) == first.held


def test_a_changed_result_in_the_archive_is_put_right(run, first, after):
    path = "/data/projects/DEMO/subjects/DEMO001/experiments/DEMO001_MR1/resources/BET/files"
    requests.put(
        f"{after.url}{path}/DEMO001_MR1_T1w_brain.nii.gz?overwrite=true&inbody=true",
        data=b"something else",
        headers={"Content-Type": "application/octet-stream"},
        auth=("admin", "admin"),
        timeout=60,
    ).raise_for_status()
    assert brains(after) != first.held
    code, said = run(after)
    assert (code, after.computed()) == (0, [])
    assert "1 file uploaded" in said
    assert brains(after) == first.held


def test_the_port_of_the_archive_is_no_part_of_what_is_computed(run, after):
    with after.archive.running() as url:
        assert url != after.url
        Interface(url, "admin", "admin").save_config(after.config)
        code, said = run(after, *FEW)
    assert (code, after.computed()) == (0, [])
    assert "Nothing was downloaded, computed or uploaded" in said


def test_no_password_in_what_it_leaves_behind(run, site, monkeypatch):
    site.archive.add_user("jane", "s3cret-w0rd", admin=True)
    Interface(site.url, "jane", "s3cret-w0rd").save_config(site.config)
    monkeypatch.setenv("QUICK_BET_REFUSES", "DEMO008")  # a crash file too
    code, said = run(site, *FEW)
    assert code == 1
    assert site.computed() == ["GUEST01_A_T1w.nii.gz", "tête_Größe_T1w.nii.gz"]
    assert "s3cret-w0rd" not in said
    for place in ("work", "report.html", "cache"):
        root = site.folder / place
        for path in [root] if root.is_file() else [p for p in root.rglob("*") if p.is_file()]:
            data = path.read_bytes()
            if data[:2] == b"\x1f\x8b":
                data = gzip.decompress(data)
            assert b"s3cret-w0rd" not in data, path
    assert list((site.folder / "work" / "crash").glob("crash-*.txt"))


def test_without_a_bet_it_says_what_to_do(run, site, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(XNATError, match=r"no program called bet.*\n.*stand-in"):
        run(site)


def test_without_an_archive_it_says_what_to_do(load_example):
    module = load_example("bet_cohort")
    with pytest.raises(UsageError, match="--server URL"):
        module.main(["--project", "DEMO"])


def test_an_account_is_never_asked_for(monkeypatch, tmp_path, load_example):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    module = load_example("bet_cohort")
    monkeypatch.setattr(module, "which_bet", lambda: "bet")
    with pytest.raises(ConfigurationError, match="netrc"):
        module.main(["--server", "http://127.0.0.1:9", "--project", "DEMO"])


def test_one_session_is_run_again_alone(run, site, monkeypatch):
    monkeypatch.setenv("QUICK_BET_REFUSES", "DEMO008")
    code, _ = run(site, *FEW)
    assert code == 1
    monkeypatch.delenv("QUICK_BET_REFUSES")
    site.computed()
    code, said = run(site, *FEW, "--session", "DEMO008_MR1", "--session", "DEMO005_MR1")
    assert (code, site.computed()) == (0, ["DEMO008_MR1_T1w.nii.gz"])
    assert "2 sessions selected, 2 with the wanted image" in said
    assert len({session for session, _ in brains(site)}) == 3
    with pytest.raises(UsageError, match=r"'DEMO08_MR1'(.|\n)*did you mean 'DEMO008_MR1'"):
        run(site, *FEW, "--session", "DEMO08_MR1")
