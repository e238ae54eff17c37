"""Part of a server kept here: pulled while it can be reached, read while it cannot."""

from .changes import Change, Changes
from .folder import Contents, Folder, Wanted
from .offline import OfflineTransport
from .pull import Pulled, pull

__all__ = [
    "Change",
    "Changes",
    "Contents",
    "Folder",
    "OfflineTransport",
    "Pulled",
    "Wanted",
    "pull",
]
