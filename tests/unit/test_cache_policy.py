"""The table of what the cache may trust."""

from itertools import product

import pytest

from nipype_xnat.cache.policy import Trust, after_hash, at_first_sight


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
