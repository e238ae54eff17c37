"""How files travel, and what a stream of known length gives."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nipype_xnat.errors import XNATError
from nipype_xnat.transfer.digests import Source
from nipype_xnat.transfer.listing import Entry, Listing
from nipype_xnat.transfer.packing import SMALL, ZIP_LIMIT, Way, parcels
from nipype_xnat.transfer.watched import Watched


def source(name, size=10):
    it = Source(name, b"")
    it.size = size
    return it


def ways(*sources):
    return [(p.way, [s.name for s in p.sources]) for p in parcels(sources)]


def test_few_files_go_alone_and_many_small_ones_together():
    assert ways(source("a"), source("b")) == [(Way.RAW, ["a"]), (Way.RAW, ["b"])]
    assert ways(source("a"), source("b"), source("c")) == [(Way.ZIP, ["a", "b", "c"])]
    assert ways(source("a"), source("big", SMALL + 1), source("b"), source("c")) == [
        (Way.ZIP, ["a", "b", "c"]),
        (Way.RAW, ["big"]),
    ]


def test_empty_files():
    assert ways(source("e", 0)) == [(Way.FORM, ["e"])]
    assert ways(source("e", 0), source("a#")) == [(Way.ZIP, ["e", "a#"])]


@pytest.mark.parametrize(
    "name",
    [
        "a#b",
        "a?b",
        "a%b",
        "a+b",
        "a;b",
        "ä",
        "a&b",
        "a'b",
        'a"b',
        "a<b",
        "a*",
        "a[1]",
        " a",
        "a ",
        "dir /a",
        "a\tb",
        "a!b",
    ],
)
def test_names_that_a_path_would_change_go_in_a_zip(name):
    assert ways(source(name)) == [(Way.ZIP, [name])]


@pytest.mark.parametrize("name", ["a b.nii", "sub dir/a.nii.gz", "a,b=c@d:e(f)$~_-"])
def test_names_that_a_path_keeps_go_raw(name):
    assert ways(source(name)) == [(Way.RAW, [name])]


def test_zips_are_cut_where_they_need_too_much_room():
    big = [source(f"{i}#", ZIP_LIMIT // 2) for i in range(5)]
    assert [len(p.sources) for p in parcels(big)] == [2, 2, 1]


@given(
    st.lists(
        st.tuples(st.text("ab#/", min_size=1), st.integers(0, 2 * SMALL)), unique_by=lambda x: x[0]
    )
)
def test_each_file_travels_once(items):
    sources = [source(name, size) for name, size in items]
    sent = [s.name for p in parcels(sources) for s in p.sources]
    assert sorted(sent) == sorted(name for name, _ in items)


def test_watched_stream_gives_its_length_and_tells():
    told = []
    stream = Watched(io.BytesIO(b"x" * 100), 60, told.append)
    assert stream.seek(0, io.SEEK_END) == 60 and stream.seek(0) == 0
    assert len(stream.read(50)) == 50 and len(stream.read(50)) == 10 and stream.read(50) == b""
    assert told == [60]


def test_watched_stream_that_ends_too_early_is_an_error_and_no_broken_connection():
    stream = Watched(io.BytesIO(b"x" * 10), 60, lambda _: None)
    assert len(stream.read(50)) == 10
    with pytest.raises(XNATError, match="shorter") as caught:
        stream.read(50)
    assert not isinstance(caught.value, OSError)


def test_listing_finds_names_however_the_server_spells_them():
    entries = {
        "a%20b": Entry(1, ""),
        "c&amp;d": Entry(2, ""),
        "100%": Entry(3, ""),
        "x y": Entry(4, ""),
        "x%20y": Entry(5, ""),
    }
    listing = Listing(entries)
    sizes = {name: listing.get(name).size for name in ("a b", "c&d", "100%", "x y", "x%20y")}
    assert sizes == {"a b": 1, "c&d": 2, "100%": 3, "x y": 4, "x%20y": 5}
    assert listing.get("other") is None
