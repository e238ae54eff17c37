"""Who logs in. A secret is held here and nowhere else, and shows nowhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["Credentials"]


class Credentials:
    """An account's name and its password (or an alias token and its secret).

    Parameters
    ----------
    user : str
        Login name, with the authentication provider before it where a site needs that
        (``ldap/jane``). Empty for nobody.
    password : str, optional
        The secret. It is in no repr and in no pickle.
    reload : callable, optional
        Finds the credentials again after the object was pickled, or when they are refused; it must
        itself pickle, and name the place of the secret (a file), not the secret.
    account : str, optional
        Whose they are, where the login name is that of a token.
    """

    def __init__(
        self,
        user: str = "",
        password: str | None = None,
        reload: Callable[[], Credentials | None] | None = None,
        account: str = "",
    ) -> None:
        self.user = user
        self.account = account or user.rpartition("/")[2]
        self._password = password
        self._reload = reload

    @property
    def anonymous(self) -> bool:
        """Whether nobody logs in."""
        return not self.user

    def password(self) -> str | None:
        """Return the secret, read again from its place where it was lost; None where it cannot."""
        if self._password is None and self._reload is not None:
            self.reread()
        return self._password

    def reread(self) -> bool:
        """Take them from their place again, and tell whether they are others now.

        Those of another account are not taken.
        """
        found = self._reload() if self._reload is not None else None
        if found is None or found.account != self.account:
            return False
        before = self.user, self._password
        self.user, self._password = found.user, found.password()
        return before != (self.user, self._password)

    def masked(self, text: str) -> str:
        """Return a text with the secret blotted out, for messages of other libraries."""
        return text.replace(self._password, "***") if self._password else text

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_password": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    def __repr__(self) -> str:
        return f"Credentials({self.account!r})"
