"""The tables of what the cache may trust."""

from itertools import product

import pytest

from nipype_xnat import config
from nipype_xnat.cache.policy import Kept, Mode, Trust, Use, after_hash, at_first_sight, for_answer
from nipype_xnat.interfaces.connection import ConnectionInputSpec


@pytest.mark.parametrize("regular, size, stamp", list(product([True, False], repeat=3)))
def test_only_size_and_stamp_together_are_trusted_unread(regular, size, stamp):
    trust = at_first_sight(regular=regular, size=size, stamp=stamp)
    if not regular:
        assert trust is Trust.ASIDE
    else:
        assert trust is (Trust.HIT if size and stamp else Trust.HASH)


@pytest.mark.parametrize(
    "digest, size, trust",
    [
        (True, True, Trust.RESTORE),
        (True, False, Trust.MISS),
        (False, True, Trust.ASIDE),
        (False, False, Trust.ASIDE),
    ],
)
def test_content_decides(digest, size, trust):
    assert after_hash(digest=digest, size=size) is trust


@pytest.mark.parametrize("mode, kept", list(product(Mode, Kept)))
def test_where_an_answer_comes_from(mode, kept):
    use = for_answer(mode, kept)
    if mode is Mode.OFFLINE:
        assert use is (Use.REFUSE if kept is Kept.NOTHING else Use.KEPT)
    elif kept is Kept.NOTHING or mode is Mode.REVALIDATE:
        assert use is Use.ASK
    elif kept is Kept.FRESH:
        assert use is Use.KEPT
    else:
        assert use is (Use.KEPT if mode is Mode.PREFER_CACHED else Use.ASK)


def test_each_mode_has_its_word():
    words = tuple(mode.value for mode in Mode)
    assert words == config.CACHE_MODES
    assert words == ConnectionInputSpec().trait("cache_mode").handler.values
