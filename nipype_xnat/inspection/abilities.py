"""What a server is and can do."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..address import Address
from ..errors import AnswerError
from ..transport import Request, Transport

__all__ = ["Abilities", "ask"]


@dataclass(frozen=True)
class Abilities:
    """What a server told of itself.

    Parameters
    ----------
    version : str
        As it spells it; empty where it does not say.
    xapi : bool
        Whether it has the newer half of the interface (XNAT 1.7 and later).
    build : tuple of (str, str)
        All that it says of its build.
    plugins : tuple of str
        Names of its plugins, as far as this account may see them.
    """

    version: str = ""
    xapi: bool = False
    build: tuple[tuple[str, str], ...] = ()
    plugins: tuple[str, ...] = ()

    @property
    def release(self) -> tuple[int, ...]:
        """The version as numbers, for comparing; empty where it is not known."""
        found = re.match(r"\d+(\.\d+)*", self.version)
        return tuple(int(part) for part in found[0].split(".")) if found else ()

    @property
    def pages_listings(self) -> bool:
        """Whether listings of subjects and experiments take ``limit`` and ``offset``."""
        return self.release >= (1, 8, 9)

    @property
    def custom_forms(self) -> bool:
        """Whether it has custom forms (``/xapi/custom-fields``)."""
        return self.release >= (1, 8, 8)


def ask(transport: Transport) -> Abilities:
    """Ask a server what it is: three requests at most.

    Raises
    ------
    CannotReachServer, NotLoggedIn
    """
    try:
        request = Request("GET", Address.of("xapi", "siteConfig", "buildInfo"), expect="json")
        build = transport.send(request).json()
    except AnswerError:
        return Abilities(version=_old_version(transport))
    facts = tuple((str(key), str(value)) for key, value in build.items())
    return Abilities(dict(facts).get("version", ""), True, facts, _plugins(transport))


def _old_version(transport: Transport) -> str:
    # up to 1.6; later servers have no such address
    try:
        return transport.send(Request("GET", Address.of("data", "version"))).text().strip()
    except AnswerError:
        return ""


def _plugins(transport: Transport) -> tuple[str, ...]:
    try:
        request = Request("GET", Address.of("xapi", "plugins"), expect="json")
        return tuple(sorted(transport.send(request).json()))
    except AnswerError:
        return ()  # only some accounts may see them
