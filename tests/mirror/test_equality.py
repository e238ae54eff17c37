"""A law: the server, a mirror of it, and looking at each element in turn give the same answers.

``NIPYPE_XNAT_COHORTS=50 pytest tests/mirror/test_equality.py`` tries more cohorts.
"""

import os
import random

import pytest

from nipype_xnat import Archive, Interface
from nipype_xnat.archive import Site
from nipype_xnat.mirror import Wanted, pull
from support.cohorts import Question, Search, cohort

COHORTS = int(os.environ.get("NIPYPE_XNAT_COHORTS", "2"))
SELECTIONS, SEARCHES = 40, 25


@pytest.fixture(scope="module", params=range(COHORTS))
def asked(request, tmp_path_factory):
    """Give a made cohort with a client of its server, and one of its mirror."""
    folder = tmp_path_factory.mktemp("equality")
    data = cohort(request.param)
    with Archive(folder / "archive", Site(durable=False)) as archive:
        archive.seed(data)
        with archive.running() as url:
            with Interface(url, "admin", "admin", cache=folder / "c1") as online:
                pull(online.transport, folder / "mirror", [Wanted("P"), Wanted("Q")])
                cache = folder / "c2"
                with Interface(offline=True, mirror=folder / "mirror", cache=cache) as offline:
                    yield request.param, data, online, offline


def names(record):
    """Spell a record as the evaluator spells what it finds."""
    parts = (record.subject_label, record.experiment_label, record.scan_id, record.resource_label)
    return tuple(part for part in (*parts, record.path, record.digest) if part)


def selected(archive, text):
    return sorted(names(record) for record in archive.select(text).records())


def test_selections(asked):
    seed, data, online, offline = asked
    chance = random.Random(f"selections {seed}")
    answers = 0
    for _ in range(SELECTIONS):
        question = Question(chance, data)
        wanted = question.answer()
        answers += bool(wanted)
        assert selected(online, question.text) == wanted, question.text
        assert selected(offline, question.text) == wanted, question.text
    assert answers > SELECTIONS / 5, "questions without answers prove little"


def test_searches(asked):
    seed, data, online, offline = asked
    chance = random.Random(f"searches {seed}")
    columns = ["xnat:mrSessionData/LABEL", "xnat:mrSessionData/DATE"]
    answers = 0
    for _ in range(SEARCHES):
        search = Search(chance, data)
        wanted = search.answer()
        answers += bool(wanted)
        for archive in (online, offline):
            table = archive.select("xnat:mrSessionData", columns).where(search.text)
            found = sorted(row["label"] for row in table)
            assert found == wanted, (archive, search.text)
    assert answers > SEARCHES / 5


def test_selections_narrowed_by_criteria(asked):
    seed, data, online, offline = asked
    chance = random.Random(f"both {seed}")
    for _ in range(10):
        search = Search(chance, data)
        # without a word about sessions they would be about subjects, and all sessions of these
        criteria = f"xnat:mrSessionData/PROJECT = Q and ({search.text})"
        found = {
            name: sorted(
                r.experiment_label
                for r in archive.select("/projects/Q/experiments")
                .where(criteria, level="experiment")
                .records()
            )
            for name, archive in (("online", online), ("offline", offline))
        }
        of_q = [label for label in search.answer() if label.startswith("Q")]
        assert found == {"online": of_q, "offline": of_q}, search.text


def test_what_is_shown_of_each_element(asked):
    _, _, online, offline = asked
    for path in (
        "/projects/P/subjects",
        "/projects/P/experiments",
        "/projects/P/experiments/*/scans",
    ):
        for there, here in zip(online.select(path), offline.select(path), strict=True):
            assert here.details() == there.details()
            if path != "/projects/P/experiments/*/scans":
                assert here.get_custom_variables() == there.get_custom_variables()
                assert here.shares().get() == there.shares().get()
