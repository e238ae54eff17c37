"""Several archives at once: in parallel, each answer with its origin, one of them down."""

import threading
from pathlib import Path

import pytest

from nipype_xnat import F, Federation, Interface
from nipype_xnat.archive import Archive
from nipype_xnat.errors import (
    CannotReachServer,
    CriteriaError,
    SelectSyntaxError,
    UsageError,
    XNATWarning,
)
from support.filler import Filler
from support.waiting import wait_for

MR = "xnat:mrSessionData"


@pytest.fixture
def pair(client, fill, tmp_path):
    """Two archives with a project of the same name, and different people in it."""
    with Archive(tmp_path / "other") as archive, archive.running() as url:
        other = Filler(url)
        for filler, labels in ((fill, ("ann", "bea")), (other, ("carl",))):
            filler.put("/data/projects/P")
            for number, label in enumerate(labels):
                scans = {"1": ("T1w", {"NIFTI": {"a.nii": label.encode()}})}
                filler.session("P", label, f"{label}_MR", scans, date="2020-01-01")
                filler.put(f"/data/projects/P/subjects/{label}", dob=f"19{4 + number}0-01-01")
        with Interface(url, "admin", "admin", cache=tmp_path / "cache2") as there:
            yield client, there


@pytest.fixture
def down(tmp_path):
    """An archive that does not answer."""
    found = Interface("http://127.0.0.1:9", "admin", "admin", cache=tmp_path / "c")
    found._http.retries = 0
    return found


def test_elements_know_where_they_are_from(pair):
    both = Federation({"here": pair[0], "there": pair[1]})
    found = both.select("/projects/P/subjects")
    assert [(name, subject.label()) for name, subject in found.items()] == [
        ("here", "ann"),
        ("here", "bea"),
        ("there", "carl"),
    ]
    assert [both.origin(subject) for subject in found] == ["here", "here", "there"]
    assert found.get("label") == [("here", "ann"), ("here", "bea"), ("there", "carl")]
    assert found.get("label", "id")[2][:2] == ("there", "carl")
    assert [name for name, _ in found.records()] == ["here", "here", "there"]
    assert len(found.fetchall()) == 3
    assert found.first().label() == "ann"
    with pytest.raises(UsageError, match="no archive of this federation"):
        Federation([pair[1]]).origin(found.first())


def test_files_of_two_archives(pair):
    both = Federation(pair)
    files = both.select("//scans/*[type=T1w]/resources/*/files")
    contents = [Path(file.get()).read_bytes() for file in files]
    assert sorted(contents) == [b"ann", b"bea", b"carl"]


def test_criteria_and_one_exact_name(pair):
    both = Federation(pair)
    old = both.select("//subjects").where(F(f"{MR}/AGE") > 75)
    assert [subject.label() for subject in old] == ["ann", "carl"]
    assert [name for name, _ in both.select("/projects/P").items()] == [
        archive.server for archive in pair
    ]


def test_rows_know_where_they_are_from(pair):
    both = Federation({"here": pair[0], "there": pair[1]})
    search = both.select(MR, [f"{MR}/LABEL", f"{MR}/AGE"])
    table = search.all(order_by=f"{MR}/AGE")
    assert table.select(["archive", "label", "age"]).items() == [
        ("here", "bea_MR", "70"),
        ("here", "ann_MR", "80"),
        ("there", "carl_MR", "80"),
    ]
    assert search.where(f"{MR}/AGE > 75")["archive"] == ["here", "there"]
    assert search.where(f"{MR}/AGE > 99").headers()[:3] == ["archive", "label", "age"]


def test_archives_are_asked_at_the_same_time(pair):
    both = Federation(pair)
    meeting = threading.Barrier(2, timeout=120)
    for archive in pair:
        send = archive._transport.send

        def together(request, send=send):
            if "/projects" in str(request.address):
                meeting.wait()  # breaks unless the other archive is asked meanwhile
            return send(request)

        archive._transport.send = together
    assert len(both.select("/projects").get()) == 2
    for archive in pair:
        del archive._transport.send


def test_one_that_is_down_is_told(pair, down):
    all_three = Federation([pair[0], down, pair[1]])
    with pytest.raises(CannotReachServer, match="127.0.0.1:9"):
        all_three.select("/projects").get()
    assert list(all_three.problems) == [down.server]


def test_one_that_is_down_is_survived_if_asked_for(pair, down):
    all_three = Federation([pair[0], down, pair[1]], survive=True)
    with pytest.warns(XNATWarning, match=r"without http://127.0.0.1:9"):
        assert len(all_three.select("/projects/P/subjects").get()) == 3
    assert isinstance(all_three.problems[down.server], CannotReachServer)
    with pytest.warns(XNATWarning):
        assert len(all_three.select(MR, [f"{MR}/LABEL"]).all()) == 3
    assert Federation(pair, survive=True).select("/projects").get()


def test_leaving_early_ends_the_readers(pair):
    before = {thread.name for thread in threading.enumerate()}
    assert Federation(pair).select("/projects/P/subjects").first().label() == "ann"
    wait_for(
        lambda: "xnat-federation" not in {each.name for each in threading.enumerate()} - before
    )


def test_mistakes_are_told_before_any_request(down):
    alone = Federation([down])
    for wrong, kind in (
        (lambda: alone.select("/nonsense"), SelectSyntaxError),
        (lambda: alone.select("//subjects").where("AGE > 3"), CriteriaError),
        (lambda: Federation([]), UsageError),
        (lambda: Federation([down, down]), UsageError),
    ):
        with pytest.raises(kind):
            wrong()
