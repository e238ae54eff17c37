"""The cache's files: look-ups, publishing, views, and what strangers leave in its folders."""

import hashlib
import json
import os
import pickle
import unicodedata

import pytest

from nipype_xnat import errors
from nipype_xnat.cache import Cache, Known, views
from nipype_xnat.cache.stamp import carries_stamp


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def add(cache, data):
    digest = hashlib.md5(data).hexdigest()
    partial = cache.partial(digest)
    partial.start_over()
    partial.write(data)
    return digest, cache.publish(partial, digest)


def aside(cache):
    folder = cache.root / "aside"
    return list(folder.iterdir()) if folder.is_dir() else []


def test_nothing_is_written_before_something_is_kept(cache):
    assert cache.find("0" * 32) is None
    assert cache.recall("x") is None
    assert cache.verify().good == 0
    assert not cache.root.exists()


def test_published_file_is_read_only_stamped_and_found(cache):
    digest, path = add(cache, b"brain")
    assert path == cache.root / "objects" / digest[:2] / digest
    assert path.read_bytes() == b"brain"
    assert path.stat().st_mode & 0o777 == 0o444
    assert carries_stamp(path.stat().st_mtime_ns, digest)
    assert path.stat().st_nlink == 1
    assert cache.find(digest, 5) == cache.find(digest) == cache.find(digest.upper()) == path
    assert list((cache.root / "partial").iterdir()) == []


def test_published_twice_stays_the_same_file(cache):
    digest, path = add(cache, b"brain")
    inode = path.stat().st_ino
    assert add(cache, b"brain") == (digest, path)
    assert path.stat().st_ino == inode


def test_a_folder_that_another_thread_makes_at_the_same_moment(cache, monkeypatch):
    link, refused = os.link, []

    def late(source, target):
        if not refused:
            refused.append(target)
            os.mkdir(os.path.dirname(target))  # by the other one
            raise FileNotFoundError(target)
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    digest, path = add(cache, b"brain")
    assert refused == [str(path)] and cache.find(digest, 5) == path


def test_disk_that_is_full_in_the_middle_of_a_piece(cache):
    """The system takes a part of it, and tells the rest at the next attempt only."""
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    partial = cache.partial("0" * 32)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, limits[1]))
    try:
        with pytest.raises(OSError):
            partial.write(b"x" * 100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert partial.path.stat().st_size == 60_000
    partial.discard()
    assert list((cache.root / "partial").iterdir()) == []


@pytest.mark.parametrize("digest", ["", "x", "../../../etc/passwd", "0" * 31, "g" * 32])
def test_what_is_no_digest_is_never_a_path(cache, digest):
    assert cache.find(digest) is None


def change(path, data):
    path.chmod(0o644)
    path.write_bytes(data)


def test_touched_file_gets_its_stamp_back(cache):
    digest, path = add(cache, b"brain")
    os.utime(path)
    assert cache.find(digest, 5) == path
    assert carries_stamp(path.stat().st_mtime_ns, digest)


def test_edited_file_is_set_aside_and_counts_as_a_miss(cache):
    digest, path = add(cache, b"brain")
    change(path, b"BRAIN")  # same size
    assert cache.find(digest, 5) is None
    assert not path.exists()
    assert [item.read_bytes() for item in aside(cache)] == [b"BRAIN"]
    add(cache, b"brain")
    assert cache.find(digest, 5) == path


def test_emptied_file_is_set_aside_where_nobody_knows_its_size(cache):
    """As a power cut may leave it: the name and the stamp, and no bytes."""
    digest, path = add(cache, b"brain")
    stamp = path.stat().st_mtime_ns
    change(path, b"")
    os.utime(path, ns=(stamp, stamp))
    assert cache.find(digest) is None and cache.glance(digest) is None
    assert len(aside(cache)) == 1
    empty, place = add(cache, b"")
    assert cache.find(empty) == cache.find(empty, 0) == place


def test_cut_file_is_set_aside_although_its_stamp_is_right(cache):
    digest, path = add(cache, b"brain")
    stamp = path.stat().st_mtime_ns
    change(path, b"bra")
    os.utime(path, ns=(stamp, stamp))
    assert cache.find(digest, 5) is None
    assert len(aside(cache)) == 1


def test_size_that_only_the_listing_has_is_a_miss_and_spoils_nothing(cache):
    digest, path = add(cache, b"brain")
    assert cache.find(digest, 6) is None
    assert aside(cache) == [] and cache.find(digest, 5) == path


@pytest.mark.parametrize("kind", ["folder", "link", "empty"])
def test_strangers_in_the_place_of_a_file(cache, tmp_path, kind):
    digest, path = add(cache, b"brain")
    path.unlink()
    if kind == "folder":
        path.mkdir()
        (path / "x").write_text("x")
    elif kind == "link":
        (tmp_path / "elsewhere").write_bytes(b"brain")
        path.symlink_to(tmp_path / "elsewhere")
    else:
        path.write_bytes(b"")
    assert cache.find(digest, 5) is None
    assert add(cache, b"brain")[1].read_bytes() == b"brain"
    assert cache.find(digest, 5) == path


def test_publishing_onto_a_wrong_file_replaces_it(cache):
    _, path = add(cache, b"brain")
    change(path, b"BRAIN")
    add(cache, b"brain")
    assert path.read_bytes() == b"brain"
    assert [item.read_bytes() for item in aside(cache)] == [b"BRAIN"]


def test_right_file_that_another_process_put_there_meanwhile_stays(cache):
    """One process judges a file, another replaces it, then the first sets it aside."""
    digest, path = add(cache, b"brain")
    change(path, b"BRAIN")
    judged = path.lstat()
    held = path.open("rb")  # or the new file could get the number of the old one
    assert cache.find(digest) is None
    add(cache, b"brain")
    assert cache._set_aside(path, judged) is None
    held.close()
    assert cache.find(digest, 5) == path


def test_verify_reads_all(cache):
    good, _ = add(cache, b"good")
    bad, path = add(cache, b"bad")
    stamp = path.stat().st_mtime_ns
    change(path, b"BAD")
    os.utime(path, ns=(stamp, stamp))  # nothing but reading tells
    (cache.root / "objects" / good[:2] / "notes.txt").write_text("mine")
    found = cache.verify()
    assert found.good == 1
    assert sorted(item.name.split(".")[0] for item in found.set_aside) == sorted([bad, "notes"])
    assert cache.find(good) is not None and cache.find(bad) is None


def test_cache_of_a_later_version_is_left_alone(cache):
    cache.root.mkdir()
    (cache.root / "layout").write_text("2\n")
    with pytest.raises(errors.CacheError, match="layout '2'"):
        add(cache, b"brain")


def test_new_cache_is_private_and_a_given_folder_keeps_its_rights(cache, tmp_path):
    add(cache, b"brain")
    assert cache.root.stat().st_mode & 0o777 == 0o700
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    add(Cache(shared), b"brain")
    assert shared.stat().st_mode & 0o777 == 0o755


def test_removed_cache_is_made_again(cache):
    import shutil

    add(cache, b"one")
    shutil.rmtree(cache.root)
    assert add(cache, b"two")[1].read_bytes() == b"two"


# -- what is remembered of files without digest


def test_remembered_by_all_that_identifies_a_file(cache):
    known = Known("0" * 32, 5, "Mon, 01 Jan 2024 00:00:00 GMT", "/projects/P")
    cache.remember(known, "https://x", "jane", "17", "a.nii", 5)
    assert cache.recall("https://x", "jane", "17", "a.nii", 5) == known
    assert cache.recall("https://x", "joe", "17", "a.nii", 5) is None
    assert cache.recall("https://x", "jane", "17", "a.nii", 6) is None


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"digest": "../x", "size": 1}', '{"size": 1}']
)
def test_unreadable_memory_is_no_memory(cache, text):
    cache.remember(Known("0" * 32, 5), "x")
    (path,) = (cache.root / "known").glob("*/*.json")
    path.write_text(text)
    assert cache.recall("x") is None


# -- views


def manifest(cache, **contents):
    return {name.replace("__", "/"): add(cache, data)[1] for name, data in contents.items()}


def test_view_keeps_names_and_folders(cache):
    files = {"a.img": add(cache, b"i")[1], "sub dir/größe.hdr": add(cache, b"h")[1]}
    folder = cache.view("S1 / T1w", files)
    assert folder.parent == cache.root / "views"
    assert folder.name.startswith("S1_T1w-")
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}
    assert found == set(files)
    assert (folder / "a.img").samefile(files["a.img"])
    assert list((cache.root / "partial").iterdir()) == []


def test_same_manifest_same_folder_and_other_manifest_other_folder(cache):
    files = manifest(cache, a=b"1", b=b"2")
    folder = cache.view("x", files)
    inode = folder.stat().st_ino
    assert cache.view("x", dict(reversed(files.items()))) == folder
    assert folder.stat().st_ino == inode
    assert cache.view("x", {"a": files["a"]}) != folder
    assert cache.view("x", {"a": files["b"], "b": files["a"]}) != folder
    assert cache.view("y", files) != folder


def test_stamp_shows_in_the_view(cache):
    """Nipype compares size and time of what it is handed."""
    files = manifest(cache, a=b"12345", b=b"54321")
    folder = cache.view("x", files)
    times = {(folder / name).stat().st_mtime_ns // 10**9 for name in files}
    assert len(times) == 2


@pytest.mark.parametrize("harm", ["missing", "extra", "edited", "file"])
def test_changed_view_is_set_aside_and_built_again(cache, harm):
    files = manifest(cache, a=b"1", sub__b=b"2")
    folder = cache.view("x", files)
    if harm == "missing":
        (folder / "a").unlink()
    elif harm == "extra":
        (folder / "sub" / "new.txt").write_text("made by a tool")
    elif harm == "edited":
        (folder / "a").unlink()
        (folder / "a").write_bytes(b"9")
    else:
        import shutil

        shutil.rmtree(folder)
        folder.write_text("a file")
    assert cache.view("x", files) == folder
    assert (folder / "a").read_bytes() == b"1"
    assert (folder / "sub" / "b").read_bytes() == b"2"
    assert {p.name for p in folder.rglob("*")} == {"a", "sub", "b"}
    assert len(aside(cache)) == 1


def test_file_edited_through_a_view_is_noticed(cache):
    digest, path = add(cache, b"1")
    folder = cache.view("x", {"a": path})
    change(folder / "a", b"2")
    with pytest.raises(errors.CacheError, match="fetch it again"):
        cache.view("x", {"a": path})
    assert cache.find(digest) is None
    add(cache, b"1")
    assert (cache.view("x", {"a": path}) / "a").read_bytes() == b"1"


@pytest.mark.parametrize("name", ["", "/abs", "..", "a/../../b", "a//b", "./a", "a\0b", "a/"])
def test_names_that_leave_the_folder(cache, name):
    _, path = add(cache, b"1")
    with pytest.raises(errors.UnsafeName):
        cache.view("x", {name: path})
    assert not list((cache.root / "views").iterdir())


@pytest.mark.parametrize("name", ["n" * 300, "bad\ud800name"])
def test_names_that_the_file_system_refuses(cache, name):
    _, path = add(cache, b"1")
    with pytest.raises(errors.UnsafeName, match="cannot hold"):
        cache.view("x", {name: path})


def test_file_and_folder_of_one_name(cache):
    files = {"a": add(cache, b"1")[1], "a/b": add(cache, b"2")[1]}
    with pytest.raises(errors.UnsafeName, match=r"'a/b' and 'a'"):
        cache.view("x", files)
    assert not list((cache.root / "views").iterdir())


def folding(fold):
    """Behave like a file system that cannot tell some names apart."""

    def place(source, target):
        target = target.with_name(fold(target.name))
        os.link(source, target)

    return place


@pytest.mark.parametrize(
    "fold, names",
    [
        (str.casefold, ("T1.nii", "t1.nii")),
        (lambda name: unicodedata.normalize("NFD", name), ("\u00e9.nii", "e\u0301.nii")),
    ],
)
def test_names_that_the_file_system_cannot_keep_apart(cache, tmp_path, fold, names):
    one, other = add(cache, b"1")[1], add(cache, b"2")[1]
    with pytest.raises(errors.UnsafeName) as caught:
        views.build(tmp_path / "v", dict(zip(names, (one, other), strict=True)), folding(fold))
    assert all(repr(name) in str(caught.value) for name in names)


def test_names_that_fall_together_with_the_same_bytes_do_no_harm(cache, tmp_path):
    one, other = add(cache, b"1")[1], add(cache, b"2")[1]

    def place(source, target):
        os.link(source, target.with_name(target.name.casefold()))
        if not target.exists():  # there, each name opens the file
            os.link(source, target)

    views.build(tmp_path / "same", {"A": one, "a": one}, place)
    assert (tmp_path / "same" / "a").read_bytes() == b"1"
    with pytest.raises(errors.UnsafeName, match="'a' and 'A'"):
        views.build(tmp_path / "different", {"A": one, "a": other}, place)


def test_names_in_another_normal_form_are_the_same_view(cache, tmp_path):
    digest, path = add(cache, b"1")
    (tmp_path / "v").mkdir()
    os.link(path, tmp_path / "v" / "e\u0301")
    # as HFS+ does: opened by one form, listed in the other
    assert not views.agrees(tmp_path / "v", {"\u00e9": (digest, 1)})
    os.link(path, tmp_path / "v" / "\u00e9")
    assert views.agrees(tmp_path / "v", {"\u00e9": (digest, 1)})


def test_without_hard_links_views_are_copies_with_the_stamp(cache, tmp_path):
    from pathlib import Path

    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    digest, path = add(cache, b"1")
    import tempfile

    with tempfile.TemporaryDirectory(dir=other) as folder:
        views.build(Path(folder) / "v", {"a": path})
        copy = Path(folder) / "v" / "a"
        assert not copy.samefile(path)
        assert views.agrees(Path(folder) / "v", {"a": (digest, 1)})
        assert copy.stat().st_mode & 0o777 == 0o444


def test_object_that_is_gone(cache):
    _, path = add(cache, b"1")
    path.unlink()
    with pytest.raises(errors.CacheError, match="fetch it again"):
        cache.view("x", {"a": path})


def test_empty_view(cache):
    folder = cache.view("x", {})
    assert folder.is_dir() and cache.view("x", {}) == folder


def test_errors_pickle(cache):
    cache.root.mkdir()
    (cache.root / "objects").write_text("in the way")
    with pytest.raises(errors.CacheError) as caught:
        add(cache, b"brain")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value) and str(cache.root) in str(again)


def test_layout_can_be_read_by_people(cache):
    add(cache, b"brain")
    cache.remember(Known("0" * 32, 5, "", "/projects/P"), "x")
    assert (cache.root / "layout").read_text() == "1\n"
    (path,) = (cache.root / "known").glob("*/*.json")
    assert json.loads(path.read_text())["place"] == "/projects/P"
