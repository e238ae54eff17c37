"""The tables of what is done with a file."""

from itertools import product

import pytest

from nipype_xnat.cache import Mode
from nipype_xnat.transfer.decision import Action, Here, Listed, for_download, for_upload

ONLINE, REVALIDATE, PREFER, OFFLINE = Mode
BY_DIGEST = {Here.WHOLE, Here.NAMED, Here.UNNAMED, Here.PART, Here.NOTHING}
BY_PLACE = {Here.REMEMBERED, Here.FETCHED, Here.NOTHING}


def expected(mode, here, listed):
    """Say in other words what is right, for each case there is."""
    if listed is Listed.NOT_A_FILE:
        return Action.REFUSE
    if here is Here.UNNAMED:
        return Action.LIST  # whoever asks, and offline a mirror may answer
    if here is Here.WHOLE:
        return Action.USE
    if here is Here.NAMED:
        return Action.LIST if mode is REVALIDATE else Action.USE
    if here in (Here.NOTHING, Here.PART):
        if mode is OFFLINE:
            return Action.REFUSE
        return Action.RESUME if here is Here.PART else Action.DOWNLOAD
    if mode in (PREFER, OFFLINE):
        return Action.USE
    return Action.REVALIDATE if here is Here.REMEMBERED else Action.DOWNLOAD


@pytest.mark.parametrize("mode, here, listed", list(product(Mode, Here, Listed)))
def test_download(mode, here, listed):
    possible = {Listed.DIGEST: BY_DIGEST, Listed.NO_DIGEST: BY_PLACE}.get(listed, set(Here))
    if here not in possible:
        with pytest.raises(KeyError):
            for_download(mode, here, listed)
        return
    decision = for_download(mode, here, listed)
    assert decision.action is expected(mode, here, listed) and decision.reason


def test_without_a_digest_nothing_is_used_unasked_unless_told_so():
    for mode, here in product((ONLINE, REVALIDATE), BY_PLACE):
        assert for_download(mode, here, Listed.NO_DIGEST).action is not Action.USE


def test_offline_nothing_is_transferred():
    for here in BY_DIGEST:
        action = for_download(OFFLINE, here, Listed.DIGEST).action
        assert action in (Action.USE, Action.LIST, Action.REFUSE)
    for here in BY_PLACE:
        assert for_download(OFFLINE, here, Listed.NO_DIGEST).action in (Action.USE, Action.REFUSE)


D, E = "d" * 32, "e" * 32


@pytest.mark.parametrize(
    "there, overwrite, action",
    [
        (None, True, Action.SEND),
        (None, False, Action.SEND),
        ((5, D), True, Action.KEEP),
        ((5, D), False, Action.KEEP),
        ((None, D), False, Action.KEEP),
        ((5, E), True, Action.REPLACE),
        ((5, E), False, Action.REFUSE),
        ((5, ""), True, Action.REPLACE),  # the same size proves nothing
        ((5, ""), False, Action.REFUSE),
        ((6, ""), True, Action.REPLACE),
        ((None, ""), False, Action.REFUSE),
    ],
)
def test_upload(there, overwrite, action):
    assert for_upload(5, D, there, overwrite=overwrite).action is action


def test_upload_says_whether_it_knows():
    assert "no digest" in for_upload(5, D, (5, ""), overwrite=True).reason
    assert "another" in for_upload(5, D, (6, ""), overwrite=True).reason
