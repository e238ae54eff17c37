"""The cohort holds the people and the traps that the demo is about."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import date

import pytest

from nipype_xnat.demo.cohort import PROJECT, TRAPS, TRUTH, age, contents, demo_cohort

COHORT = demo_cohort(resolution=8.0)
SESSIONS = {session.label: (subject, session) for _, subject, session in COHORT.sessions()}
OVER_80 = {
    label: session
    for label, (subject, session) in SESSIONS.items()
    if age(subject.born, session.date) > 80
}


def t1w(session):
    return [scan for scan in session.scans if scan.type.startswith("T1w")]


@pytest.mark.parametrize(
    ("born", "on", "years"),
    [
        ("1944-05-07", "2024-05-07", 80),
        ("1944-05-07", "2024-05-06", 79),
        ("1944-05-07", "2025-05-06", 80),
        ("1944-02-29", "2024-02-28", 79),
        ("1944-02-29", "2024-03-01", 80),
    ],
)
def test_age_is_completed_years(born, on, years):
    assert age(date.fromisoformat(born), date.fromisoformat(on)) == years


def test_enough_people():
    own = list(COHORT.projects[0].subjects)
    assert COHORT.projects[0].id == PROJECT
    assert len(own) >= 14
    assert [subject.label for subject in own] == [f"DEMO{n:03d}" for n in range(1, len(own) + 1)]
    assert len({SESSIONS[label][0].label for label in OVER_80}) >= 6


def test_nobody_is_between_80_and_81_but_the_one_who_is_80_that_day():
    # so completed years and days / 365.25 select the same sessions
    exact = []
    for label, (subject, session) in SESSIONS.items():
        years = (session.date - subject.born).days / 365.25
        if 80 <= years < 81:
            exact.append((label, years))
    assert exact == [("DEMO009_MR1", 80.0)]
    assert "DEMO009_MR1" not in OVER_80


def test_one_subject_has_sessions_on_both_sides_of_80():
    ages = [
        age(SESSIONS[f"DEMO007_MR{n}"][0].born, SESSIONS[f"DEMO007_MR{n}"][1].date) for n in (1, 2)
    ]
    assert ages[0] < 80 < ages[1]


def test_each_session_has_one_wanted_scan_and_one_more_and_a_true_brain():
    for label, (_, session) in SESSIONS.items():
        assert len(t1w(session)) == (0 if label == "DEMO002_MR1" else 1)
        assert len(session.scans) > len(t1w(session))
        assert [resource.label for resource in session.resources] == [TRUTH]


def test_each_trap_is_in_the_selection():
    wanted = {label: t1w(session)[0] for label, session in OVER_80.items() if t1w(session)}
    types = [scan.type for scan in wanted.values()]
    labels = [resource.label for scan in wanted.values() for resource in scan.resources]
    names = [file.name for scan in wanted.values() for r in scan.resources for file in r.files]
    assert "DEMO002_MR1" in OVER_80 and "DEMO002_MR1" not in wanted
    assert any("/" in kind and "," in kind for kind in types)
    assert any(" " in label for label in labels)
    assert any(not name.isascii() for name in names)
    stems = {name[:-4] for name in names if name.endswith(".img")}
    assert stems and stems == {name[:-4] for name in names if name.endswith(".hdr")}
    decoys = [s.type for session in OVER_80.values() for s in session.scans]
    assert any("T1w" in kind and not kind.startswith("T1w") for kind in decoys)
    shares = [(project.id, share) for project in COHORT.projects for share in project.shares]
    assert [share.session in OVER_80 for _, share in shares] == [True]
    assert shares[0][0] != shares[0][1].project == PROJECT
    assert shares[0][1].session_label != shares[0][1].session


def test_traps_names_people_of_the_cohort():
    shared = {s.subject_label for project in COHORT.projects for s in project.shares}
    assert set(TRAPS) <= {subject.label for subject, _ in SESSIONS.values()} | shared


def test_what_stands_in_urls_may_stand_there():
    for project, subject, session in COHORT.sessions():
        for label in (project.id, subject.label, session.label):
            assert re.fullmatch(r"[A-Za-z0-9_-]+", label)
        for scan in session.scans:
            assert scan.id.isalnum()
            for resource in scan.resources:
                plain = all(re.fullmatch(r"[\w.-]+", f.name, re.ASCII) for f in resource.files)
                assert plain or resource.zipped


def test_contents_are_what_the_cohort_says_and_the_same_twice():
    for label in ("DEMO005_MR1", "DEMO006_MR1"):
        subject, session = SESSIONS[label]
        for scan in session.scans:
            for resource in scan.resources:
                made = contents(COHORT, subject, session, resource)
                assert list(made) == [file.name for file in resource.files]
                assert made == contents(COHORT, subject, session, resource)
                assert len(set(made.values())) == len(made)


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, nipype_xnat.demo, nipype_xnat.demo.cohort; "
        "print([n for n in ('numpy', 'nibabel', 'scipy', 'nipype') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
