"""The tables of what is done with a file."""

import pytest

from nipype_xnat.cache import Mode
from nipype_xnat.transfer.decision import Action, Here, Listed, for_download, for_upload


@pytest.mark.parametrize(
    "here, listed, action",
    [
        (Here.WHOLE, Listed.DIGEST, Action.USE),
        (Here.PART, Listed.DIGEST, Action.RESUME),
        (Here.NOTHING, Listed.DIGEST, Action.DOWNLOAD),
        (Here.NOTHING, Listed.NO_DIGEST, Action.DOWNLOAD),
        (Here.REMEMBERED, Listed.NO_DIGEST, Action.REVALIDATE),
        *((here, Listed.NOT_A_FILE, Action.REFUSE) for here in Here),
    ],
)
def test_download(here, listed, action):
    decision = for_download(Mode.ONLINE, here, listed)
    assert decision.action is action and decision.reason


def test_without_a_digest_nothing_is_used_unasked():
    for here in (Here.NOTHING, Here.REMEMBERED):
        assert for_download(Mode.ONLINE, here, Listed.NO_DIGEST).action is not Action.USE


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
