"""Notes of who was told which digests: few files for many resources, found one by one."""

import hashlib
import json
import os
import sys
import time

import pytest

from nipype_xnat.cache import Cache, notes
from nipype_xnat.cache.known import key_of
from nipype_xnat.cache.named import Note

DAY = 86400


def digest(*words):
    return hashlib.md5(repr(words).encode()).hexdigest()


def key(number, account="jane"):
    return key_of("https://x", account, number)


def told(numbers, *words, account="jane"):
    """What an account is told of some resources: a digest of each."""
    return {
        key(number, account): Note(
            f"/projects/P/experiments/E{number}/resources/DICOM",
            frozenset({digest(number, *words)}),
        )
        for number in numbers
    }


def note(cache, wanted):
    """Note as a call does."""
    view = cache.notes()
    lacking = view.use({name: one.digests for name, one in wanted.items()})
    view.write({name: wanted[name] for name in lacking})
    return lacking


def has(cache, number, *words, account="jane"):
    return cache.notes().has(digest(number, *words), key(number, account))


def places(cache):
    return {path.stem: path for path in (cache.root / "named").glob("*/*")}


def files(cache):
    return {path.stat().st_ino for path in places(cache).values()}


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def test_nothing_is_written_where_nothing_is_new(cache):
    assert note(cache, {}) == [] and not has(cache, 1)
    assert not cache.root.exists()


def test_many_resources_are_few_files_and_each_is_found_alone(cache):
    assert len(note(cache, told(range(300)))) == 300
    assert len(places(cache)) == 300
    assert len(files(cache)) <= 6
    assert all(path.stat().st_size < 20_000 for path in places(cache).values())
    assert all(has(cache, number) for number in range(300))
    assert not has(cache, 300) and not has(cache, 7, "another")
    assert list((cache.root / "partial").iterdir()) == []
    # by the other 299, too
    view = cache.notes()
    assert all(view.has(digest(number), key(number)) for number in range(300))


def test_again_is_nothing_to_write(cache):
    note(cache, told(range(50)))
    before = files(cache)
    assert note(cache, told(range(50))) == []
    assert files(cache) == before


def test_accounts_are_kept_apart(cache):
    note(cache, told(range(20)))
    note(cache, told(range(20, 40), account="joe"))
    assert not any(has(cache, number, account="joe") for number in range(20))
    assert not any(has(cache, number) for number in range(20, 40))
    assert all(has(cache, number, account="joe") for number in range(20, 40))


def test_what_was_named_before_stays_named(cache):
    note(cache, told(range(20)))
    assert note(cache, told([3, 25], "changed")) == [key(3), key(25)]
    assert has(cache, 3) and has(cache, 3, "changed") and has(cache, 25, "changed")
    assert all(has(cache, number) for number in range(20))
    # the file of all has an older note of this one, which must not hide the newer
    view = cache.notes()
    assert view.has(digest(4), key(4)) and view.has(digest(3, "changed"), key(3))


def test_two_calls_that_note_the_same_resources_at_once(cache):
    first, second = cache.notes(), cache.notes()
    one, other = told(range(30)), told(range(30), "changed")
    assert first.use({name: note.digests for name, note in one.items()})
    assert second.use({name: note.digests for name, note in other.items()})
    first.write(one)
    second.write(other)
    assert all(has(cache, number) and has(cache, number, "changed") for number in range(30))


def test_processes_that_note_the_same_resources_at_once(cache):
    note(cache, told([0]))
    crew = []
    for member in range(6):
        pid = os.fork()
        if not pid:
            try:
                for start in (0, 40, 0):
                    note(cache, told(range(start, start + 60), member))
                os._exit(0)
            except BaseException:
                sys.excepthook(*sys.exc_info())
                os._exit(1)
        crew.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in crew] == [0] * 6
    assert places(cache).keys() == {key(number) for number in range(100)}
    for name, path in places(cache).items():
        assert json.loads(path.read_bytes())[name]["digests"]
    assert all(any(has(cache, number, member) for member in range(6)) for number in range(100))
    assert list((cache.root / "partial").iterdir()) == []
    assert {path.name[0] for path in (cache.root / "named").rglob("*")} <= set("0123456789abcdef")


@pytest.mark.parametrize("refusal", [PermissionError(1, "no links"), OSError(95, "no links")])
def test_without_hard_links_each_has_a_file(cache, monkeypatch, refusal):
    def refuse(*_):
        raise refusal

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        note(cache, told(range(20)))
        note(cache, told(range(20), "changed"))
    assert len(files(cache)) == 20
    assert all(has(cache, number) and has(cache, number, "changed") for number in range(20))


def test_where_each_takes_long_several_are_noted_at_once(cache, monkeypatch):
    monkeypatch.setattr(notes, "_SLOW", -1.0)
    note(cache, told(range(500)))
    assert note(cache, told(range(500))) == []
    assert all(has(cache, number) for number in range(500))


def test_note_of_an_earlier_version_counts(cache):
    note(cache, told([1]))
    path = places(cache)[key(1)]
    text = {"place": "/projects/P", "digests": [digest(1, "old")]}
    path.write_text(json.dumps(text, indent=1) + "\n")
    assert has(cache, 1, "old") and not has(cache, 1)
    note(cache, told(range(5)))
    assert has(cache, 1, "old") and all(has(cache, number) for number in range(5))


def test_note_is_for_people_too(cache):
    note(cache, told(range(3)))
    values = json.loads(places(cache)[key(1)].read_text())
    assert values[key(1)] == {
        "place": "/projects/P/experiments/E1/resources/DICOM",
        "digests": [digest(1)],
    }


@pytest.mark.parametrize("place", ["/projects/größe", '/a "b"\n"c": {', "/bad\udc80name"])
def test_place_of_any_name(cache, place):
    wanted = {name: one._replace(place=place) for name, one in told(range(3)).items()}
    note(cache, wanted)
    assert all(has(cache, number) for number in range(3))
    assert json.loads(places(cache)[key(2)].read_bytes())[key(2)]["place"] == place


@pytest.mark.parametrize("harm", ["cut", "emptied", "noise", "other"])
def test_harmed_file_is_no_note_and_is_written_anew(cache, harm):
    wanted = told(range(10))
    note(cache, wanted)
    path = places(cache)[key(9)]
    data = path.read_bytes()
    path.write_bytes(
        {
            "cut": data[: data.index(key(9).encode()) + 100],
            "emptied": b"",
            "noise": b"\xff" * 1000,
            "other": b"[]",
        }[harm]
    )
    assert not has(cache, 9)
    note(cache, wanted)
    assert all(has(cache, number) for number in range(10))


def test_notes_of_a_layer_count_and_stay_as_they_are(cache, tmp_path):
    note(cache, told(range(10)))
    before = files(cache)
    own = Cache(tmp_path / "own", layers=[cache.root])
    assert all(has(own, number) for number in range(10))
    assert not has(own, 1, "new")
    note(own, told(range(12)))
    assert files(cache) == before
    assert all(has(Cache(own.root), number) for number in range(12))


# -- when they were used last


def long_ago(cache, days):
    when = time.time() - days * DAY
    for path in places(cache).values():
        os.utime(path, (when, when))


def old(cache):
    """The resources that were not used today."""
    names = {key(number): number for number in range(100)}
    return {
        names[name]
        for name, path in places(cache).items()
        if time.time() - path.stat().st_mtime > DAY
    }


def test_use_of_all_is_noted_in_place(cache):
    note(cache, told(range(10)))
    long_ago(cache, 3)
    before = files(cache)
    assert note(cache, told(range(10))) == []
    assert old(cache) == set() and files(cache) == before


def test_use_of_some_says_nothing_of_the_others(cache):
    note(cache, told(range(10)))
    long_ago(cache, 3)
    for some in ([2], [5, 6, 7]):
        note(cache, told(some))
    assert old(cache) == {0, 1, 3, 4, 8, 9}
    assert all(has(cache, number) for number in range(10))
    assert len(files(cache)) == 3


def test_what_only_some_of_the_resources_have_is_forgotten_alone(cache):
    """After the days for which it is remembered who was told what is not here any more."""
    note(cache, told(range(10)))
    data = b"brain"
    here = hashlib.md5(data).hexdigest()
    partial = cache.partial(here)
    partial.write(data)
    cache.publish(partial, here)
    note(cache, {key(3): Note("/projects/P", frozenset({here}))})
    long_ago(cache, 100)
    note(cache, told([5]))
    cache.prune()
    assert places(cache).keys() == {key(3), key(5)}
    assert cache.notes().has(here, key(3)) and has(cache, 5) and not has(cache, 4)


def test_object_was_used_when_the_note_that_names_it_was(cache):
    """And not when the file was that has this note and others."""
    made = {}
    for number in range(4):
        data = b"x" * 100 + bytes([number])
        one = hashlib.md5(data).hexdigest()
        partial = cache.partial(one)
        partial.write(data)
        made[number] = cache.publish(partial, one)
    wanted = {key(number): Note("/p", frozenset({path.name})) for number, path in made.items()}
    note(cache, wanted)
    long_ago(cache, -3)  # all are used in three days, only this one was now
    note(cache, {key(2): wanted[key(2)]})
    cache.prune(size=303)
    assert {number for number, path in made.items() if path.exists()} == {0, 1, 3}
