"""Files that were fetched, handed out: in folders of the cache, and copied to the user."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..cache import Cache, Partial
from ..cache.views import checked_name
from ..errors import DigestMismatch, TransferError, UsageError, XNATError
from ..records import Record
from .decision import Action

__all__ = ["Fetched", "copy_into", "copy_to", "deliver", "deliver_folder", "writing"]

_BLOCK = 1 << 20


@dataclass(frozen=True)
class Fetched:
    """A file that is in the cache now.

    Parameters
    ----------
    record : Record
        What was asked for, with size and digest filled in.
    path : pathlib.Path
        The file in the cache; read-only, named by its digest.
    action : Action
        What was done: ``use``, ``revalidate``, ``resume`` or ``download``.
    bytes : int
        Bytes that crossed the network for it.
    age : float
        Seconds since the archive confirmed it, for a file without a digest that is used unasked.
        What a digest names cannot be old.
    """

    record: Record
    path: Path
    action: Action
    bytes: int
    age: float = 0.0

    @property
    def from_cache(self) -> bool:
        """Whether the bytes were here already."""
        return self.action in (Action.USE, Action.REVALIDATE)


def deliver(fetched: Sequence[Fetched], cache: Cache, name: str) -> dict[Record, Path]:
    """Put the files of one resource into a folder that keeps their names and sub-folders.

    Parameters
    ----------
    fetched : sequence of Fetched
        What :func:`fetch` returned.
    cache : Cache
        The same one.
    name : str
        Words for the folder's name.

    Returns
    -------
    dict of Record to pathlib.Path
        Where each file is; the paths are the same at each run, and to be read only.

    Raises
    ------
    UnsafeName
        If a name cannot be kept by the file system, or two names not be kept apart.
    UsageError
        If two different files have one path, because they are of more than one resource.
    """
    folder = deliver_folder(fetched, cache, name)
    return {item.record: folder / item.record.path for item in fetched}


def deliver_folder(fetched: Sequence[Fetched], cache: Cache, name: str) -> Path:
    """Put the files of one resource into a folder, as :func:`deliver`, and return the folder."""
    manifest: dict[str, Path] = {}
    for item in fetched:
        if manifest.setdefault(item.record.path, item.path) != item.path:
            raise UsageError(
                f"two different files are named {item.record.path!r}",
                advice="deliver the files of each resource by themselves",
            )
    return cache.view(name, manifest)


def copy_to(fetched: Sequence[Fetched], folder: Path | str) -> Path:
    """Copy files to a folder of the user, under their paths in the resource; return the folder.

    Parameters
    ----------
    fetched : sequence of Fetched
        What :func:`fetch` returned.
    folder : pathlib.Path or str
        Made where it is missing. A file of the same name is replaced in one step.

    Raises
    ------
    UnsafeName
        If a path would leave the folder.
    TransferError
        If the folder cannot be written.
    """
    root = Path(folder)
    for item in fetched:
        checked_name(item.record.path)
    with writing(root):
        root.mkdir(parents=True, exist_ok=True)
        for item in fetched:
            place = root / item.record.path
            place.parent.mkdir(parents=True, exist_ok=True)
            partial = Partial(place.parent / f".{uuid.uuid4().hex}.part")
            try:
                copy_into(item.path, partial, item.record.digest)
                partial.seal()
                partial.path.replace(place)
            finally:
                partial.discard()
    return root


def copy_into(source: Path, partial: Partial, digest: str) -> None:
    """Copy a file of the cache, and check it on the way."""
    with source.open("rb") as stream:
        while block := stream.read(_BLOCK):
            partial.write(block)
    if partial.digest != digest:
        raise DigestMismatch(
            f"{source} changed in the cache while it was copied", advice="run again"
        )


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Tell troubles of a folder of the user from those of the network."""
    try:
        yield
    except OSError as error:
        if isinstance(error, XNATError):
            raise
        raise TransferError(
            f"cannot write {place}: {error.strerror or error}",
            advice="check the folder, its rights, and the room on its disk",
        ) from error
