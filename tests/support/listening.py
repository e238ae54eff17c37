"""A transport that notes what goes through it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Listening:
    """Hands requests on to another transport.

    Parameters
    ----------
    inner : Transport
    note : callable
        What to note of a request; by default its method and address.

    Attributes
    ----------
    asked : list
        What was noted, in the order of the requests.
    """

    def __init__(self, inner: Any, note: Callable[[Any], Any] = lambda one: one.asked) -> None:
        self.inner = inner
        self.note = note
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def send(self, request: Any) -> Any:
        self.asked.append(self.note(request))
        return self.inner.send(request)
