"""The rules of logging in, as a site's settings give them; they may change while it runs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nipype_xnat.archive.site import Site

_UNITS = {
    "sec": 1,
    "min": 60,
    "hour": 3600,
    "day": 24 * 3600,
    "week": 7 * 24 * 3600,
    "month": 30 * 24 * 3600,
}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(sec|min|hour|day|week|month)[a-z]*", re.I)


def seconds(text: str) -> float | None:
    """Read an interval as PostgreSQL writes one, such as ``1 hour 30 minutes``."""
    parts = _PART.findall(text)
    if not parts or _PART.sub("", text).strip(" ,"):
        return None
    return sum(float(number) * _UNITS[unit.lower()] for number, unit in parts)


def words(length: float) -> str:
    """Write a number of seconds as an interval."""
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if length >= unit and length % unit == 0:
            return f"{int(length // unit)} {name}"
    return f"{length:g} seconds"


def yes(text: str) -> bool:
    """Read a setting that is on or off."""
    return text.strip().lower() in {"true", "1"}


@dataclass
class Rules:
    """What decides whether somebody is let in.

    Parameters
    ----------
    timeout : float
        Seconds without use until a log-in session ends.
    sessions : int
        How many one account may have.
    failures : int
        Failed log-ins until an account is locked; 0 or less never locks.
    lockout : float
        Seconds that a lock lasts.
    token_life : float
        Seconds that an alias token is good for.
    require_login : bool
        Whether guests are turned away.
    admins_list_users : bool
        Whether only administrators may list the accounts.
    """

    timeout: float
    sessions: int
    failures: int
    lockout: float
    token_life: float
    require_login: bool
    admins_list_users: bool = False

    @classmethod
    def of(cls, site: Site) -> Rules:
        """Give the rules that a site begins with."""
        return cls(
            site.session_timeout,
            site.max_sessions,
            site.max_failed_logins,
            site.lockout,
            site.token_life,
            site.require_login,
        )

    def settings(self) -> dict[str, object]:
        """Give them under the names that XNAT's site configuration has for them."""
        return {
            "sessionTimeout": words(self.timeout),
            "concurrentMaxSessions": self.sessions,
            "maxFailedLogins": self.failures,
            "maxFailedLoginsLockoutDuration": words(self.lockout),
            "aliasTokenTimeout": words(self.token_life),
            "requireLogin": self.require_login,
            "restrictUserListAccessToAdmins": self.admins_list_users,
        }

    def take(self, settings: Mapping[str, str]) -> None:
        """Take over what the site configuration says; what cannot be read changes nothing."""
        self.timeout = seconds(settings.get("sessionTimeout", "")) or self.timeout
        self.lockout = seconds(settings.get("maxFailedLoginsLockoutDuration", "")) or self.lockout
        self.token_life = seconds(settings.get("aliasTokenTimeout", "")) or self.token_life
        self.sessions = _number(settings.get("concurrentMaxSessions"), self.sessions)
        self.failures = _number(settings.get("maxFailedLogins"), self.failures)
        if "requireLogin" in settings:
            self.require_login = yes(settings["requireLogin"])
        if "restrictUserListAccessToAdmins" in settings:
            self.admins_list_users = yes(settings["restrictUserListAccessToAdmins"])


def _number(text: str | None, otherwise: int) -> int:
    try:
        return int(text) if text is not None else otherwise
    except ValueError:
        return otherwise
