"""Part of a server kept here: pulled while it can be reached, read while it cannot."""

from .changes import Change, Changes
from .copied import Copied, CopiedElement
from .copying import copy
from .folder import Contents, Folder, Wanted
from .labels import read_labels
from .offline import OfflineTransport
from .outbox import Entry, Outbox
from .pull import Pulled, pull
from .push import Pushed, push

__all__ = [
    "Change",
    "Changes",
    "Contents",
    "Copied",
    "CopiedElement",
    "Entry",
    "Folder",
    "OfflineTransport",
    "Outbox",
    "Pulled",
    "Pushed",
    "Wanted",
    "copy",
    "pull",
    "push",
    "read_labels",
]
