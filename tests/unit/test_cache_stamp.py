"""The stamp: what tells files apart by size and time, and an edited file from an untouched one."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from nipype_xnat.cache.stamp import PERIOD, carries_stamp, stamp_of

SECOND = 10**9
digests = st.binary(max_size=8).map(lambda data: hashlib.md5(data).hexdigest())
# from 2001 on: before that a stamp would be older than time itself
times = st.integers(10**18, 4 * 10**18)


@given(digests, times)
def test_stamp_is_recent_never_in_the_future_and_known_again(digest, now):
    stamp = stamp_of(digest, now)
    assert now - (PERIOD + 1) * SECOND <= stamp <= now
    assert carries_stamp(stamp, digest)


@given(digests, times, times)
def test_stamps_of_one_digest_differ_by_whole_periods(digest, now, later):
    assert (stamp_of(digest, now) - stamp_of(digest, later)) % (PERIOD * SECOND) == 0


@given(digests, times, st.sampled_from([1, 100, 1000, 10**6, SECOND]))
def test_stamp_survives_file_systems_that_keep_less_of_a_time(digest, now, grain):
    stamp = stamp_of(digest, now)
    assert carries_stamp(stamp - stamp % grain, digest)


@given(digests, digests, times)
def test_different_files_differ_also_where_only_seconds_are_kept(one, other, now):
    # as far as 17 bits tell them apart
    if int(one[:8], 16) % PERIOD != int(other[:8], 16) % PERIOD:
        assert stamp_of(one, now) // SECOND != stamp_of(other, now) // SECOND
        assert not carries_stamp(stamp_of(one, now), other)


@given(digests, times, st.integers(1, SECOND // 2))
def test_another_time_is_no_stamp(digest, now, off):
    stamp = stamp_of(digest, now)
    rest = stamp % SECOND
    moved = stamp - rest + (rest + off) % SECOND
    kept = {rest - rest % grain for grain in (1, 100, 1000, 10**6, SECOND)}
    assert carries_stamp(moved, digest) is (moved % SECOND in kept)
    assert not carries_stamp(stamp + SECOND, digest)
