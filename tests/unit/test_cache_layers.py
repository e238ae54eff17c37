"""Several layers: look-ups go through read-only caches first, and nothing is written there."""

import hashlib
import os
import tempfile
from pathlib import Path

import pytest

from nipype_xnat import Interface, errors
from nipype_xnat.cache import Cache
from nipype_xnat.cache.stamp import carries_stamp


@pytest.fixture
def site(tmp_path):
    return Cache(tmp_path / "site")


@pytest.fixture
def cache(tmp_path, site):
    return Cache(tmp_path / "own", layers=[tmp_path / "nowhere", site.root])


def add(cache, data):
    digest = hashlib.md5(data).hexdigest()
    partial = cache.partial(digest)
    partial.start_over()
    partial.write(data)
    return digest, cache.publish(partial, digest)


def state(root):
    """All of a folder that a program could change."""
    found = {}
    for path in [root, *root.rglob("*")]:
        status = path.lstat()
        held = path.read_bytes() if path.is_file() else None
        found[path] = (status.st_mode, status.st_ino, status.st_mtime_ns, held)
    return found


def test_found_in_a_layer_first_then_at_home(cache, site):
    there = add(site, b"brain")
    here = add(cache, b"brain")
    assert there[1] != here[1]
    assert cache.find(*there[:1], 5) == there[1]
    there[1].unlink()
    assert cache.find(here[0], 5) == here[1]


def test_what_is_fetched_goes_into_the_own_cache(cache, site):
    before = state(site.root) if site.root.exists() else None
    _, path = add(cache, b"new")
    assert path.is_relative_to(cache.root)
    assert before is None and not site.root.exists()


def test_views_of_both_lie_in_the_own_cache(cache, site):
    digest, there = add(site, b"image")
    _, here = add(cache, b"header")
    before = state(site.root)
    folder = cache.view("x", {"a.img": there, "a.hdr": here})
    assert folder.is_relative_to(cache.root)
    assert (folder / "a.img").read_bytes() == b"image"
    assert (folder / "a.hdr").read_bytes() == b"header"
    assert (folder / "a.img").samefile(there), "one file system: a link, no copy"
    assert carries_stamp((folder / "a.img").stat().st_mtime_ns, digest)
    assert cache.view("x", {"a.img": there, "a.hdr": here}) == folder
    assert state(site.root) == before
    assert {path.name for path in (cache.root / "objects").glob("*/*")} == {here.name}


def test_layer_on_another_file_system_is_copied_once(tmp_path):
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    with tempfile.TemporaryDirectory(dir=other) as folder:
        digest, there = add(Cache(folder), b"image")
        before = state(Path(folder))
        cache = Cache(tmp_path / "own", layers=[folder])
        views = [cache.view(name, {"a": there}) for name in "xy"]
        first, second = ((view / "a") for view in views)
        assert first.samefile(second) and not first.samefile(there)
        assert first.read_bytes() == b"image"
        assert state(Path(folder)) == before
    assert cache.find(digest, 5).is_relative_to(cache.root), "and stays when the layer is gone"
    assert cache.view("x", {"a": cache.find(digest)}) == views[0]


def test_layer_that_lost_its_stamps_is_read_and_left_as_it_is(cache, site):
    """As a copy of a cache that did not keep times."""
    digest, there = add(site, b"brain")
    os.utime(there, ns=(1, 1))
    before = state(site.root)
    assert cache.find(digest, 5) == there
    folder = cache.view("x", {"a": there})
    assert (folder / "a").read_bytes() == b"brain"
    assert carries_stamp((folder / "a").stat().st_mtime_ns, digest)
    assert not (folder / "a").samefile(there)
    assert state(site.root) == before
    # from now on nothing has to be read
    assert cache.find(digest, 5).is_relative_to(cache.root)


def test_file_that_can_be_written_is_not_linked(cache, site):
    _, there = add(site, b"brain")
    there.chmod(0o644)
    folder = cache.view("x", {"a": there})
    assert not (folder / "a").samefile(there)
    assert (folder / "a").stat().st_mode & 0o777 == 0o444
    assert there.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("harm", ["edited", "cut", "folder", "link"])
def test_wrong_entry_of_a_layer_is_passed_over_and_left(cache, site, tmp_path, harm):
    digest, there = add(site, b"brain")
    there.chmod(0o644)
    if harm == "edited":
        there.write_bytes(b"BRAIN")
    elif harm == "cut":
        stamp = there.stat().st_mtime_ns
        there.write_bytes(b"bra")
        os.utime(there, ns=(stamp, stamp))
    else:
        there.unlink()
        if harm == "folder":
            there.mkdir()
        else:
            there.symlink_to(tmp_path)
    before = state(site.root)
    assert cache.find(digest, 5) is None
    _, here = add(cache, b"brain")
    assert cache.find(digest, 5) == here
    assert (cache.view("x", {"a": here}) / "a").read_bytes() == b"brain"
    assert cache.verify().set_aside == ()
    assert state(site.root) == before


def test_size_that_only_the_listing_has_is_a_miss(cache, site):
    digest, _ = add(site, b"brain")
    assert cache.find(digest, 6) is None
    assert cache.find(digest, 5) is not None


def test_wrong_file_at_home_does_not_hide_behind_a_right_one_in_a_layer(cache, site):
    _, there = add(site, b"brain")
    os.utime(there, ns=(1, 1))  # so that views hold a copy
    _, here = add(cache, b"brain")
    here.chmod(0o644)
    here.write_bytes(b"BRAIN")
    assert (cache.view("x", {"a": there}) / "a").read_bytes() == b"brain"
    assert here.read_bytes() == b"brain"


def test_cache_that_is_its_own_layer_is_an_ordinary_cache(tmp_path):
    cache = Cache(tmp_path / "c", layers=[tmp_path / "c"])
    assert cache.layers == ()
    digest, path = add(cache, b"brain")
    path.chmod(0o644)
    path.write_bytes(b"BRAIN")
    assert cache.find(digest) is None and not path.exists()


def test_file_gone_from_all_layers(cache, site):
    _, there = add(site, b"1")
    there.unlink()
    with pytest.raises(errors.CacheError, match="fetch it again"):
        cache.view("x", {"a": there})


def test_client_takes_layers_and_the_environment_names_them(tmp_path, monkeypatch):
    given = Interface("http://x", anonymous=True, cache_layers=[tmp_path / "a"])
    assert given.cache.layers == (tmp_path / "a",)
    names = [str(tmp_path / "b"), str(tmp_path / "c")]
    monkeypatch.setenv("NIPYPE_XNAT_CACHE_LAYERS", os.pathsep.join(names))
    assert [str(layer) for layer in Interface("http://x", anonymous=True).cache.layers] == names
    assert Interface("http://x", anonymous=True, cache_layers=[]).cache.layers == ()


def test_file_of_a_layer_costs_no_download(xnat_archive, fill, tmp_path, site):
    fill.put("/data/projects/P")
    fill.session("P", "S", "MR1", {"1": ("T1w", {"NIFTI": {"t1.nii": b"brain"}})})
    path = "/projects/P/subjects/S/experiments/MR1/scans/1/resources/NIFTI/files/t1.nii"
    with Interface(xnat_archive.url, "admin", "admin", cache=site.root) as client:
        client.select(path).get()
    before = state(site.root)
    own = tmp_path / "own"
    with (
        Interface(
            xnat_archive.url, "admin", "admin", cache=own, cache_layers=[site.root]
        ) as client,
        client.trace() as trace,
    ):
        got = Path(client.select(path).get())
    assert got.read_bytes() == b"brain" and got.is_relative_to(own)
    asked = [call for call in trace if call.address.path.endswith("t1.nii")]
    assert all(call.from_cache for call in asked)
    assert state(site.root) == before
