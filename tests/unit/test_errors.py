"""The exception family: one tree, whole through a pickle, helpful in words."""

import pickle
import re

import pytest

from nipype_xnat import errors, interfaces, mirror

ROOMS = (interfaces, mirror)  # no error is made elsewhere than in its module


def every_error():
    found, waiting = [], [errors.XNATError]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting.extend(kind.__subclasses__())
    return sorted(found, key=lambda kind: kind.__name__)


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_each_error_survives_a_pickle_with_all_it_knows(kind):
    error = kind("it broke", server="https://x", asked="GET /data", advice="mend it", status=500)
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is kind
    assert str(copy) == str(error)
    assert (copy.server, copy.asked, copy.advice, copy.status) == (
        "https://x",
        "GET /data",
        "mend it",
        500,
    )


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_the_tree_at_the_top_of_the_module_is_the_tree(kind):
    assert re.search(rf"\b{kind.__name__}\b", errors.__doc__)
    assert kind.__name__ in errors.__all__
    assert kind.__doc__


def test_a_message_names_server_question_and_advice():
    text = str(errors.NotFound("no such", server="https://x", asked="GET /data/y", advice="look"))
    assert "no such" in text and "https://x" in text and "GET /data/y" in text and "look" in text
