"""A fixture for people who test their own XNAT code: a fresh archive per test."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from nipype_xnat.archive import Archive, Logged


@dataclass(frozen=True)
class RunningArchive:
    """A running archive.

    Attributes
    ----------
    url : str
        Its base URL.
    user, password : str
        An administrator's account.
    archive : Archive
        The archive itself.
    """

    url: str
    user: str
    password: str
    archive: Archive

    @property
    def requests(self) -> deque[Logged]:
        """The requests answered so far, the oldest first."""
        return self.archive.requests


@pytest.fixture
def xnat_archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningArchive]:
    """Give a fresh, empty archive, serving on loopback."""
    # imported here, because pytest loads this module in every project that has it installed
    from nipype_xnat.archive import Archive, Site

    site = Site(durable=False)
    folder = tmp_path_factory.mktemp("xnat-archive")
    with Archive(folder, site) as archive, archive.running() as url:
        yield RunningArchive(url, site.admin, site.password, archive)
