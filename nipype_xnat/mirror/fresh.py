"""A transport whose answers are never remembered ones."""

from __future__ import annotations

from dataclasses import replace

from ..transport import Answer, Around, Request

__all__ = ["Fresh"]


class Fresh(Around):
    """Ask the server itself, each time: what is copied must be what it holds now."""

    def send(self, request: Request) -> Answer:
        """Send a request."""
        return super().send(replace(request, fresh=True))
