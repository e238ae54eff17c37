"""What goes first, what stays, and what is said about it."""

import hashlib
import itertools
import os
import random
import stat
import time
from dataclasses import replace

import pytest

from nipype_xnat import errors
from nipype_xnat.cache import Cache
from nipype_xnat.cache.eviction import Item, plan
from nipype_xnat.cache.known import key_of
from nipype_xnat.cache.named import Note
from nipype_xnat.cache.units import age_text, bytes_of, seconds_of, size_text
from nipype_xnat.cli.main import main

DAY = 86400


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def add(cache, data):
    digest = hashlib.md5(data).hexdigest()
    partial = cache.partial(digest)
    partial.start_over()
    partial.write(data)
    return cache.publish(partial, digest)


def later(folder, seconds):
    """Say that a folder was handed out some time from now: what is used last stays longest."""
    when = time.time() + seconds
    os.utime(folder, (when, when))


@pytest.fixture
def three(cache):
    """Three folders of one file each; the middle one was used first, the first one last."""
    views = {name: cache.view(name, {"f": add(cache, name.encode() * 100)}) for name in "abc"}
    for name, seconds in (("b", 1000), ("c", 2000), ("a", 3000)):
        later(views[name], seconds)
    return views


def names(cache):
    folder = cache.root / "views"
    return {path.name[0] for path in folder.iterdir()}


def disk(cache):
    """Bytes that the cache's files take, counted by inodes and not by the code under test."""
    found = {}
    for room in ("objects", "views"):
        for path in (cache.root / room).rglob("*"):
            status = path.lstat()
            if stat.S_ISREG(status.st_mode):
                found[status.st_ino] = status.st_size
    return sum(found.values())


# -- the plan, as a table


def test_oldest_use_goes_first():
    items = [Item(10, used, f"{used}") for used in (3, 1, 2)]
    assert [item.used for item in plan(items, size=10).evict] == [1, 2]
    assert plan(items, size=30).evict == ()
    assert plan(items).evict == ()


def test_age():
    items = [Item(10, used, f"{used}") for used in (10, 20, 30)]
    chosen = plan(items, age=15, now=30)
    assert [item.used for item in chosen.evict] == [10]
    assert (chosen.freed, chosen.left) == (10, 20)


@pytest.mark.parametrize("used", [10**6, 10**12])
def test_use_in_the_future_is_no_age(used):
    assert plan([Item(1, used, "x")], age=5, now=100).evict == ()
    assert len(plan([Item(1, used, "x")], size=0, now=100).evict) == 1


def test_leases_keep_files_and_folders():
    one, two = Item(10, 1, "d1"), Item(10, 2, "d2", views=frozenset({"v"}))
    chosen = plan([one, two], digests={"d1"}, views={"v"}, size=0, age=0, now=100)
    assert chosen.evict == () and chosen.leased == 20 and chosen.left == 20


def test_what_other_names_keep_is_not_worth_removing():
    kept = Item(10, 1, "d", elsewhere=True)
    assert plan([kept], size=0).evict == ()
    old = plan([kept], age=5, now=100)
    assert old.evict == (kept,) and old.freed == 0


def test_link_into_a_layer_takes_no_room():
    link = Item(10, 1, "", views=frozenset({"v"}), elsewhere=True)
    chosen = plan([link], size=5)
    assert chosen.left == 0 and chosen.evict == ()


def test_copies_go_with_their_folder():
    views = frozenset({"v"})
    copies = [Item(10, 1, "", views=views), Item(20, 1, "", views=views)]
    chosen = plan(copies, size=25)
    assert set(chosen.evict) == set(copies) and (chosen.freed, chosen.left) == (30, 0)


@pytest.mark.parametrize("seed", range(200))
def test_plan_keeps_its_promises(seed):
    """Whatever lies there: leases hold, bytes add up, nothing younger goes before what is older."""
    chance = random.Random(seed)
    folders = "vwxyz"
    items = [
        Item(
            number + 12 * chance.randrange(10),  # each its own, so that they can be told apart
            chance.randrange(50),
            f"{number}",
            None,
            frozenset(name for name in folders if chance.random() < 0.3),
            chance.random() < 0.1,
        )
        for number in range(12)
    ]
    items = [
        # some are copies in folders, which have no other name
        replace(i, path="object") if not i.views or chance.random() < 0.6 else replace(i, digest="")
        for i in items
    ]
    digests = {item.digest for item in items if chance.random() < 0.2} - {""}
    views = {name for name in folders if chance.random() < 0.2}
    size = chance.choice([None, 0, 100, 300])
    age = chance.choice([None, 10, 30])
    chosen = plan(items, digests=digests, views=views, size=size, age=age, now=50)
    gone = set(chosen.evict)
    assert not any(item.digest in digests or item.views & views for item in gone)
    assert chosen.views == {view for item in gone for view in item.views}
    assert chosen.freed == sum(item.size for item in gone if not item.elsewhere)
    assert chosen.left == sum(item.counted for item in items if item not in gone)
    free = [i for i in items if i.digest not in digests and not i.views & views]
    if size is not None and chosen.left > size:
        assert all(item in gone or item.elsewhere for item in free)
    if age is not None:
        assert all(item in gone for item in free if 50 - item.used >= age)
    if size is not None:
        # copies go with their folder, whenever that is
        chosen_alone = [i for i in gone if i.path is not None]
        kept = [i for i in free if i not in gone and not i.elsewhere]
        pairs = itertools.product(chosen_alone, kept)
        assert all(out.used <= kept.used for out, kept in pairs)


# -- on a disk


def test_limit_by_size_counts_links_once(cache, three):
    cache.view("again", {"f": add(cache, b"a" * 100)})
    assert disk(cache) == 300
    pruned = cache.prune(size=250)
    assert (pruned.files, pruned.views, pruned.freed, pruned.left) == (1, 1, 100, 200)
    assert disk(cache) == 200 and names(cache) == {"a", "c"}
    assert cache.verify().good == 2


def test_folder_that_lost_a_file_goes_whole(cache):
    shared = add(cache, b"s" * 100)
    old = cache.view("old", {"f": shared, "g": add(cache, b"g" * 100)})
    later(old, 1000)
    new = cache.view("new", {"h": add(cache, b"h" * 100)})
    later(new, 2000)
    pruned = cache.prune(size=200)
    assert not old.exists() and new.exists()
    assert pruned.left == disk(cache) == 200


def test_dry_run_says_the_same_and_does_nothing(cache, three):
    before = sorted(path.as_posix() for path in cache.root.rglob("*"))
    told = cache.prune(size=100, dry_run=True)
    assert sorted(path.as_posix() for path in cache.root.rglob("*")) == before
    done = cache.prune(size=100)
    assert (told.files, told.freed, told.left) == (done.files, done.freed, done.left)
    assert told.dry_run and not done.dry_run


def test_lease_keeps_what_a_run_was_handed(cache, three, tmp_path):
    cache.lease(tmp_path / "run", views=[three["b"] / "f"])
    pruned = cache.prune(size=100)
    assert names(cache) == {"b"} and pruned.leased == 100
    assert [lease.run for lease in pruned.leases] == [str(tmp_path / "run")]
    assert pruned.over == 0
    pruned = cache.prune(size=0)
    assert names(cache) == {"b"} and pruned.over == 100


def test_lease_by_digest_comes_before_the_folder(cache, three, tmp_path):
    digest = hashlib.md5(b"b" * 100).hexdigest()
    cache.lease(tmp_path / "run", [digest])
    cache.prune(size=0)
    assert names(cache) == {"b"} and cache.find(digest)


def test_lease_of_the_same_is_renewed_by_a_touch(cache, three, tmp_path):
    digest = "0" * 32
    cache.lease(tmp_path / "run", [digest, "1" * 32], [three["b"] / "f"])
    (path,) = (cache.root / "leases").iterdir()
    (before,) = cache.leases()
    written = path.stat().st_ino
    for digests, views in (([digest], []), ([digest, "1" * 32], [three["b"] / "f"])):
        os.utime(path, (0, time.time() - 7200))
        cache.lease(tmp_path / "run", digests, views)
        (lease,) = cache.leases()
        assert path.stat().st_ino == written
        assert (lease.digests, lease.views) == (before.digests, before.views)
        assert lease.until >= before.until
    young = int(time.time()) - 60
    os.utime(path, (0, young))
    cache.lease(tmp_path / "run", [digest])
    assert path.stat().st_mtime == young, "nothing is written for a minute's sake"
    for digests, views in (([digest], [three["a"]]), (["2" * 32], []), ([], [])):
        cache.lease(tmp_path / "run", digests, views)
        (lease,) = cache.leases()
        assert lease.digests == frozenset(digests)
        assert len(lease.views) == len(views)


def test_lease_ends(cache, three, tmp_path):
    cache.lease(tmp_path / "run", views=[three["b"]], days=-0.001)
    assert cache.leases() == ()
    cache.prune(size=0)
    assert names(cache) == set()
    cache.lease(tmp_path / "run", days=-31)
    cache.prune()
    assert list((cache.root / "leases").iterdir()) == []


@pytest.mark.parametrize("hours", [-100, 100])
def test_lease_is_counted_by_the_file_systems_clock(cache, three, tmp_path, monkeypatch, hours):
    """A machine whose clock is wrong neither ends nor prolongs it."""
    cache.lease(tmp_path / "run", views=[three["b"]], days=1)
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)
    cache.prune(size=0)
    assert names(cache) == {"b"}


def test_lease_is_renewed_by_its_run_only(cache, three, tmp_path):
    for _ in range(3):
        cache.lease(tmp_path / "run", views=[three["a"]])
    cache.lease(tmp_path / "other", views=[three["b"]])
    assert len(list((cache.root / "leases").iterdir())) == 2
    cache.lease(tmp_path / "run", views=[three["c"]])
    cache.prune(size=0)
    assert names(cache) == {"b", "c"}


def test_lease_that_cannot_be_read_protects_nothing_and_harms_nothing(cache, three, tmp_path):
    cache.lease(tmp_path / "run", views=[three["a"]])
    (path,) = (cache.root / "leases").iterdir()
    path.write_text("{")
    cache.prune(size=0)
    assert names(cache) == set()


def test_lease_taken_while_pruning_is_respected(cache, three, tmp_path, monkeypatch):
    from nipype_xnat.cache import care

    decide = care.plan

    def slowly(*args, **values):
        chosen = decide(*args, **values)
        cache.lease(tmp_path / "run", views=[three["c"]])
        return chosen

    monkeypatch.setattr(care, "plan", slowly)
    pruned = cache.prune(size=0)
    assert names(cache) == {"c"}
    assert (pruned.files, pruned.freed, pruned.left) == (2, 200, 100)


def test_what_no_lease_protects_is_told(cache, three):
    assert cache.prune(size=0, dry_run=True).recent == 3


def test_bytes_that_a_user_linked_elsewhere_are_told_and_kept(cache, three, tmp_path):
    os.link(three["b"] / "f", tmp_path / "mine")
    pruned = cache.prune(size=0)
    assert names(cache) == {"b"}
    assert (pruned.left, pruned.elsewhere, pruned.over) == (100, 100, 100)
    assert cache.prune(age=0).left == 0
    assert (tmp_path / "mine").read_bytes() == b"b" * 100


def test_use_is_noted_once_a_day_and_the_file_keeps_its_time(cache, three):
    stamp = (three["b"] / "f").stat().st_mtime_ns
    long_ago = time.time() - 3 * DAY
    os.utime(three["b"], (long_ago, long_ago))
    path = cache.find(hashlib.md5(b"b" * 100).hexdigest())
    assert cache.view("b", {"f": path}) == three["b"]
    noted = three["b"].stat().st_mtime
    assert noted > long_ago + 2 * DAY
    cache.view("b", {"f": path})
    assert three["b"].stat().st_mtime == noted
    assert (three["b"] / "f").stat().st_mtime_ns == stamp


def test_use_without_a_folder_is_noted_too(cache):
    old, new = add(cache, b"o" * 100), add(cache, b"n" * 100)
    for path, seconds in ((new, 2000), (old, 1000)):
        cache.notes().write({key_of(path.name): Note("/projects/P", frozenset({path.name}))})
        (note,) = [
            one for one in (cache.root / "named").glob("*/*") if path.name in one.read_text()
        ]
        later(note, seconds)
    cache.prune(size=100)
    assert new.exists() and not old.exists()


def test_leftovers_of_killed_processes_go_after_a_day(cache, monkeypatch):
    add(cache, b"x")
    young = cache.partial("1" * 32)
    young.write(b"young")
    young.keep()
    (cache.root / "partial" / "view.dead").mkdir()
    assert cache.prune().unfinished == 0
    assert len(list((cache.root / "partial").iterdir())) == 2
    from nipype_xnat.cache import inventory

    monkeypatch.setattr(inventory, "clock_of", lambda root: time.time() + 2 * DAY)
    assert cache.prune(dry_run=True).unfinished >= 5
    cache.prune()
    assert list((cache.root / "partial").iterdir()) == []


def test_changed_folder_is_set_aside_and_told(cache, three):
    (three["a"] / "result.txt").write_text("made by a tool")
    pruned = cache.prune()
    assert (pruned.broken, pruned.aside) == (1, 1)
    assert names(cache) == {"b", "c"}
    (where,) = (cache.root / "aside").iterdir()
    assert (where / "result.txt").read_text() == "made by a tool"
    assert cache.prune().aside == 1


def test_clear_removes_all_but_what_runs_use(cache, three, tmp_path):
    (three["a"] / "result.txt").write_text("x")
    cache.prune()
    cache.lease(tmp_path / "run", views=[three["b"]])
    assert cache.clear(dry_run=True).files == 2
    assert disk(cache) == 300
    cache.clear()
    assert names(cache) == {"b"} and not (cache.root / "aside").exists()
    cache.clear(force=True)
    assert disk(cache) == 0
    assert add(cache, b"again").read_bytes() == b"again"


def test_layers_are_left_alone(cache, tmp_path):
    site = Cache(tmp_path / "site")
    there = add(site, b"s" * 100)
    both = Cache(cache.root, layers=[site.root])
    both.view("x", {"f": there})
    pruned = both.prune(size=0)
    assert pruned.left == 0 and pruned.over == 0
    both.clear(force=True)
    assert there.read_bytes() == b"s" * 100 and both.find(there.name) == there


def test_folder_that_is_no_cache_is_left_alone(tmp_path):
    (tmp_path / "objects" / "ab").mkdir(parents=True)
    precious = tmp_path / "objects" / "ab" / "thesis"
    precious.write_text("x")
    for act in (Cache(tmp_path).clear, Cache(tmp_path).prune):
        with pytest.raises(errors.CacheError, match="not a cache"):
            act()
    assert precious.exists()


def test_cache_that_is_not_there(tmp_path):
    cache = Cache(tmp_path / "none")
    assert cache.prune(size=0).files == cache.clear().files == 0
    assert cache.inventory().size == 0 and cache.leases() == ()
    assert not cache.root.exists()


def test_verify_reads_folders_too(cache, three):
    held = three["a"] / "f"
    status = held.stat()
    held.unlink()
    held.write_bytes(b"A" * 100)
    os.utime(held, ns=(status.st_mtime_ns, status.st_mtime_ns))
    held.chmod(0o444)
    found = cache.verify()
    assert found.good == 3 and len(found.set_aside) == 1
    assert names(cache) == {"b", "c"}


# -- sizes, ages, and the command


@pytest.mark.parametrize(
    "text, size",
    [
        ("0", 0),
        ("500", 500),
        ("2kB", 2000),
        ("20GB", 20 * 10**9),
        ("1.5 TiB", 3 * 2**39),
        ("3m", 3 * 10**6),
        (7, 7),
    ],
)
def test_sizes(text, size):
    assert bytes_of(text) == size


@pytest.mark.parametrize(
    "text, age", [("30d", 30 * DAY), ("12h", 12 * 3600), ("2", 2 * DAY), ("90s", 90), (5.5, 5.5)]
)
def test_ages(text, age):
    assert seconds_of(text) == age


@pytest.mark.parametrize("text", ["", "GB", "20XB", "-5GB", "1e5"])
def test_what_is_no_size(text):
    with pytest.raises(errors.UsageError):
        bytes_of(text)
    with pytest.raises(errors.UsageError):
        seconds_of(text)


def test_words():
    assert [size_text(n) for n in (0, 999, 1500, 2 * 10**10)] == [
        "0 B",
        "999 B",
        "1.5 kB",
        "20.0 GB",
    ]
    assert [age_text(n) for n in (-5, 90, 7200, 30 * DAY)] == [
        "0 seconds",
        "90 seconds",
        "2 hours",
        "30 days",
    ]


def test_command(cache, three, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NIPYPE_XNAT_CACHE", str(cache.root))
    cache.lease(tmp_path / "run", views=[three["b"]])
    assert main(["cache", "list"]) == 0
    said = capsys.readouterr().out
    assert "3 files in 3 folders, 300 B" in said and said.count("leased until") == 1
    assert main(["cache", "prune", "--size", "100", "--dry-run"]) == 0
    assert "would remove 2 files" in capsys.readouterr().out
    assert main(["cache", "prune", "--size", "0"]) == 1
    said = capsys.readouterr()
    assert "removed 2 files" in said.out and str(tmp_path / "run") in said.out
    assert "above the limit: 100 B" in said.err
    assert main(["cache", "verify"]) == 0
    held = three["b"] / "f"
    held.chmod(0o644)
    held.write_bytes(b"?")
    assert main(["cache", "verify"]) == 1
    assert "set aside: " in capsys.readouterr().out
    assert main(["cache", "clear", "--force", "--cache", str(cache.root)]) == 0
    assert disk(cache) == 0
    assert main(["cache", "prune", "--size", "many"]) == 2
    assert "is no size" in capsys.readouterr().err
