"""A private copy of a mirror's state, which takes what is changed offline.

What would happen on the server happens here, by the same rules, so that changes are refused or
numbered as there, and a script sees what it did. The mirror itself stays as it is.
"""

from __future__ import annotations

import re
import secrets
import shutil
import tempfile
from pathlib import Path

import sqlalchemy as sa

from ..archive import Archive
from ..archive.storage.blobs import Blobs
from ..transport.lifetime import at_exit
from .folder import written
from .inside import Inside
from .types import site_of

__all__ = ["MADE_HERE", "Overlay"]

MADE_HERE = re.compile(r"\bOFFLINE_[0-9a-f]{8}_[SE]\d+\b")
"""Ids of elements that were made offline."""

_OWN_NUMBERS = 1 << 41


class Overlay(Inside):
    """A copy of a state that can be changed, thrown away at the end of the process.

    Parameters
    ----------
    state : path
        Folder of the state.
    server, account : str
    """

    def __init__(self, state: Path, server: str, account: str) -> None:
        room = "make room, or name another folder in TMPDIR"
        with written(f"a copy of the mirror's tables in {tempfile.gettempdir()}", room):
            archive = self._copied(state)
        super().__init__(archive, server, account)
        at_exit(self)

    def _copied(self, state: Path) -> Archive:
        self._root = Path(tempfile.mkdtemp(prefix="nipype_xnat-"))
        try:
            return self._opened(state)
        except BaseException:
            shutil.rmtree(self._root, ignore_errors=True)
            raise

    def _opened(self, state: Path) -> Archive:
        shutil.copyfile(state / "archive.sqlite", self._root / "archive.sqlite")
        (self._root / "archive.sqlite").chmod(0o600)
        site = site_of(state, site_id=f"OFFLINE-{secrets.token_hex(4)}", durable=False)
        archive = Archive(self._root, site)
        archive.blobs = _Layered(self._root, state / "files")
        with archive.database.change() as connection:
            # numbers that no server has given
            connection.execute(
                sa.text("UPDATE sqlite_sequence SET seq = :start"), {"start": _OWN_NUMBERS}
            )
            connection.execute(
                sa.text(
                    "INSERT INTO sqlite_sequence (name, seq) SELECT 'resource', :start "
                    "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'resource')"
                ),
                {"start": _OWN_NUMBERS},
            )
        return archive

    def end(self) -> None:
        """Throw the copy away."""
        self.archive.close()
        shutil.rmtree(self._root, ignore_errors=True)

    close = end


class _Layered(Blobs):
    """Contents of its own before those of the mirror, which are never touched."""

    def __init__(self, root: Path, mirror: Path) -> None:
        super().__init__(root, durable=False)
        self._mirror = mirror

    def path(self, name: str) -> Path:
        """Say where the content of that name lies."""
        own = super().path(name)
        held = self._mirror / name[:2] / name
        return held if name and not own.exists() and held.exists() else own

    def drop(self, name: str) -> None:
        """Remove a content of its own."""
        if name:
            super().path(name).unlink(missing_ok=True)
