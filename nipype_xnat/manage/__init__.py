"""Administration: saved searches, projects, accounts, schemas, the prearchive, the cache."""

from .manager import Manager
from .prearchive import Prearchive
from .projects import ProjectManager
from .schemas import Schemas
from .search import SavedSearches
from .users import Users

__all__ = ["Manager", "Prearchive", "ProjectManager", "SavedSearches", "Schemas", "Users"]
