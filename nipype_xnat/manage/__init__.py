"""Administration: saved searches, projects, accounts, schemas, the prearchive, the cache."""

from ..select.prearchive import PreArchive
from .manager import Manager
from .projects import ProjectManager
from .schemas import Schemas
from .search import SearchManager
from .users import Users

__all__ = ["Manager", "PreArchive", "ProjectManager", "Schemas", "SearchManager", "Users"]
