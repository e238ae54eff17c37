"""A transport whose answers are never remembered ones."""

from __future__ import annotations

from dataclasses import replace

from ..transport import Answer, Request, Transport

__all__ = ["Fresh"]


class Fresh:
    """Ask the server itself, each time: what is copied must be what it holds now.

    Parameters
    ----------
    inner : Transport
    """

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    @property
    def server(self) -> str:
        """Address of the server."""
        return self._inner.server

    @property
    def account(self) -> str:
        """Name of the account."""
        return self._inner.account

    def send(self, request: Request) -> Answer:
        """Send a request."""
        return self._inner.send(replace(request, fresh=True))

    def close(self) -> None:
        """Close the inner transport."""
        self._inner.close()
