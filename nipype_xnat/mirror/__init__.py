"""Part of a server kept here: pulled while it can be reached, read while it cannot."""

from .changes import Change, Changes
from .folder import Contents, Folder, Wanted
from .offline import OfflineTransport
from .outbox import Entry, Outbox
from .pull import Pulled, pull
from .push import Pushed, push

__all__ = [
    "Change",
    "Changes",
    "Contents",
    "Entry",
    "Folder",
    "OfflineTransport",
    "Outbox",
    "Pulled",
    "Pushed",
    "Wanted",
    "pull",
    "push",
]
