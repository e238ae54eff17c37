"""How a server is spoken to when things are copied to it: by new answers only, and with reasons."""

from __future__ import annotations

from dataclasses import replace

from ..transport import Answer, Around, Request, Transport

__all__ = ["Fresh"]


class Fresh(Around):
    """Ask the server itself, each time: what is copied must be what it holds now.

    Parameters
    ----------
    inner : Transport
    reason : str
        Why things change, for changes that give no reason of their own.
    """

    def __init__(self, inner: Transport, reason: str = "") -> None:
        super().__init__(inner)
        self._reason = reason

    def send(self, request: Request) -> Answer:
        """Send a request."""
        address = request.address
        lacks = request.method != "GET" and not dict(address.query).get("event_reason")
        if self._reason and lacks:
            address = address.ask(event_reason=self._reason)
        return super().send(replace(request, address=address, fresh=True))
