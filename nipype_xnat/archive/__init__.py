"""The local archive: XNAT's rules on SQLite and plain files."""

from __future__ import annotations

from nipype_xnat.archive.archive import Archive, Logged
from nipype_xnat.archive.site import Site

__all__ = ["Archive", "Logged", "Site"]
