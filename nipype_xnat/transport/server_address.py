"""The address of a server, as users write it."""

from __future__ import annotations

from urllib.parse import urlsplit

from ..errors import ConfigurationError

__all__ = ["checked_server", "without_account"]


def checked_server(server: str) -> str:
    """Return a server's address without what does not matter.

    Raises
    ------
    ConfigurationError
        If it is none, or holds what does not belong there.
    """
    text = server.strip().rstrip("/")
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigurationError(
            f"{without_account(text)!r} is not the address of a server",
            advice="give a full address, such as https://xnat.example.org",
        )
    if parts.username or parts.password:
        raise ConfigurationError(
            "a user or a password must not stand in the server's address",
            server=f"{parts.scheme}://{parts.hostname}",
            advice="give them as user= and password=, in a configuration file, or in netrc",
        )
    if parts.query or parts.fragment:
        raise ConfigurationError(
            "the server's address must not have a query or a fragment",
            server=f"{parts.scheme}://{parts.netloc}{parts.path}",
        )
    return text


def without_account(address: str) -> str:
    """Return an address without what stands before an ``@``."""
    scheme, mark, rest = address.partition("://")
    if not mark:
        return address.rpartition("@")[2]
    return f"{scheme}://{rest.rpartition('@')[2]}"
