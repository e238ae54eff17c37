"""Waiting for what comes sooner or later, on a slow machine too."""

import time


def wait_for(condition, seconds=120):
    """Look again and again whether something holds; fail if it never does."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
