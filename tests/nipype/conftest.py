"""A small cohort in the test's own archive, and a working directory of Nipype's."""

import pytest

from support.demo_site import put_program


def fill_cohort(fill):
    """Make four sessions with a T1w and a T2w each; sub3 has no T1w."""
    fill.put("/data/projects/P")
    for number in range(4):
        scans = {
            "1": (
                "T1w" if number != 3 else "localizer",
                {
                    "NIFTI": {
                        "t1.nii": b"T1 of sub%d" % number,
                        "t1.json": b'{"sub": %d}' % number,
                    },
                    "DICOM": {f"{n}.dcm": b"%d-%d" % (number, n) for n in range(3)},
                },
            ),
            "2": ("T2w", {"NIFTI": {"t2.nii": b"T2 of sub%d" % number}}),
        }
        fill.session("P", f"sub{number}", f"sub{number}_MR1", scans, date="2020-05-01")
        fill.put(f"/data/projects/P/subjects/sub{number}", yob=str(1930 + number))


@pytest.fixture
def cohort(hold):
    """Four sessions with a T1w and a T2w each; sub3 has no T1w."""
    hold(fill_cohort)
    return "P"


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    """Nipype writes crash files to the current directory."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """Let the PATH hold nothing but programs of these names, which succeed and say nothing."""
    folder = tmp_path / "programs"

    def programs(*names):
        for name in names:
            put_program(folder, name, "#!/bin/sh\n")
        monkeypatch.setenv("PATH", str(folder))
        return folder

    return programs


def fill_session(fill):
    """Make one session with one T1w."""
    fill.put("/data/projects/P")
    fill.session("P", "sub0", "sub0_MR1", {"1": ("T1w", {"NIFTI": {"t1.nii": b"T1 of sub0"}})})


@pytest.fixture
def session(hold):
    """One session with one T1w."""
    hold(fill_session)
    return "P"
