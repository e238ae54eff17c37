"""The root of administration: ``interface.manage``."""

from __future__ import annotations

from ..cache import Cache
from ..select.element import Archive
from .prearchive import Prearchive
from .projects import ProjectManager
from .schemas import Schemas
from .search import SavedSearches
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
    def search(self) -> SavedSearches:
        """Searches and templates of searches that the server keeps."""
        return SavedSearches(self._archive)

    @property
    def users(self) -> Users:
        """The accounts of the site."""
        return Users(self._archive)

    @property
    def prearchive(self) -> Prearchive:
        """Sessions that wait to be archived."""
        return Prearchive(self._archive)

    @property
    def cache(self) -> Cache:
        """The folder of fetched files."""
        return self._archive.cache

    def project(self, name: str) -> ProjectManager:
        """Return the administration of one project; nothing is asked."""
        return ProjectManager(name, self._archive)

    def __repr__(self) -> str:
        return f"<Manager {self._archive.transport.server}>"
