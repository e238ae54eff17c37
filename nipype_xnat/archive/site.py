"""What one site decides differently from another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Site:
    """The settings of an archive.

    Parameters
    ----------
    site_id : str
        Front of generated ids: ``XNAT`` gives ``XNAT_S00001`` and ``XNAT_E00001``.
    context : str
        Path before ``/data``, such as ``/xnat``; empty for none.
    require_login : bool
        Whether people without an account are turned away (else they are guests).
    require_change_reason : bool
        Whether changes need ``event_reason``.
    checksums : bool
        Whether MD5 digests are kept; the digest column is blank without.
    session_timeout : float
        Seconds until an unused log-in session ends.
    max_sessions : int
        Open log-in sessions allowed for one account.
    max_failed_logins : int
        Wrong passwords in a row until an account is locked; 0 never locks.
    lockout : float
        Seconds that a locked account stays locked.
    token_life : float
        Seconds that an alias token is good for.
    refuse_comma_lists : bool
        A test switch: refuse lists in paths with 400, as some proxies do.
    max_header : int
        Longest header block in bytes, request line included.
    id_width : int
        Digits of generated ids.
    admin, password : str
        The first account, made when the archive is new.
    durable : bool
        Whether every commit is forced to disk. Tests may switch this off.
    datatypes : tuple of Path
        Files with types of the site's own.
    version : str
        The version of XNAT that the archive says it is.
    receiving_timeout : float
        Seconds without a new file after which a session in the prearchive counts as complete.
    page_size : int
        Rows of a page when only one of ``limit`` and ``offset`` is given.
    """

    site_id: str = "XNAT"
    context: str = ""
    require_login: bool = True
    require_change_reason: bool = False
    checksums: bool = True
    session_timeout: float = 15 * 60
    max_sessions: int = 1000
    max_failed_logins: int = 20
    lockout: float = 3600
    token_life: float = 2 * 24 * 3600
    refuse_comma_lists: bool = False
    max_header: int = 8192
    id_width: int = 5
    admin: str = "admin"
    password: str = "admin"  # noqa: S105 (told to everybody; loopback only)
    durable: bool = True
    datatypes: tuple[Path, ...] = ()
    version: str = "1.8.10"
    receiving_timeout: float = 300
    page_size: int = 100

    @property
    def id_prefix(self) -> str:
        """The site id as generated ids begin with it."""
        return re.sub(r"[\s\"'^]", "", self.site_id).replace("-", "_")
