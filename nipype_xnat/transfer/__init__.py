"""Bytes to and from an archive: decided first, then streamed, checked and published whole."""

from .decision import Action
from .delivery import Fetched, copy_to, deliver, deliver_folder
from .download import fetch, save
from .progress import Progress
from .stored import Stored, StoredFile
from .tolerant import fetch_what_comes
from .upload import put

__all__ = [
    "Action",
    "Fetched",
    "Progress",
    "Stored",
    "StoredFile",
    "copy_to",
    "deliver",
    "deliver_folder",
    "fetch",
    "fetch_what_comes",
    "put",
    "save",
]
