"""The root of administration: ``interface.manage``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..cache import Cache
from ..select.element import Archive
from ..select.prearchive import PreArchive
from ..select.tags import Tags
from .projects import ProjectManager
from .schemas import Schemas
from .search import SearchManager
from .users import Users

__all__ = ["Manager"]


class Manager:
    """What an archive offers besides data.

    Parameters
    ----------
    archive : Interface
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.schemas = Schemas(archive)

    @property
    def search(self) -> SearchManager:
        """Searches and templates of searches that the server keeps."""
        return SearchManager(self._archive)

    @property
    def tags(self) -> Tags:
        """The tags of the account."""
        return Tags(self._archive)

    @property
    def users(self) -> Users:
        """The accounts of the site."""
        return Users(self._archive)

    @property
    def prearchive(self) -> PreArchive:
        """Sessions that wait to be archived."""
        return PreArchive(self._archive)

    @property
    def cache(self) -> Cache:
        """The folder of fetched files."""
        return self._archive.cache

    def register_callback(self, func: Callable[[Any, Any], object]) -> None:
        """Call a function for each element that a selection gives, as it gives it.

        Parameters
        ----------
        func : callable
            Takes the selection and the element.
        """
        self._archive.callback = func

    def unregister_callback(self) -> None:
        """Call nothing any more."""
        self._archive.callback = None

    def project(self, name: str) -> ProjectManager:
        """Return the administration of one project; nothing is asked."""
        return ProjectManager(name, self._archive)

    def __repr__(self) -> str:
        return f"<Manager {self._archive.transport.server}>"
