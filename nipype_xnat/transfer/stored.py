"""What the archive lists after an upload."""

from __future__ import annotations

from dataclasses import dataclass

from ..address import Address
from ..records import Record
from .decision import Action

__all__ = ["Stored", "StoredFile"]


@dataclass(frozen=True)
class StoredFile:
    """A file that the archive lists now.

    Parameters
    ----------
    record : Record
        Where it is, with size and digest.
    action : Action
        ``keep`` (it was there), ``send`` or ``replace``.
    reason : str
        Why, in words.
    compared : str
        ``digest``, or ``size`` where the archive keeps no digests: that proves less.
    """

    record: Record
    action: Action
    reason: str
    compared: str = "digest"

    @property
    def size(self) -> int:
        """Bytes."""
        return self.record.size or 0

    @property
    def digest(self) -> str:
        """MD5 in hexadecimal."""
        return self.record.digest

    @property
    def address(self) -> Address:
        """Address of the file; UsageError for names that no address can hold."""
        return self.record.file


@dataclass(frozen=True)
class Stored:
    """What :func:`put` did.

    Parameters
    ----------
    resource : Record
        The resource, with its number where the archive told it.
    files : tuple of StoredFile
        In the order in which they were given.
    requests : int
        Requests that it took.
    bytes_sent : int
        Bytes of all bodies that were sent.
    rounds : int
        Rounds of sending: 0 if all was there, more than 1 if something had to be repaired.
    """

    resource: Record
    files: tuple[StoredFile, ...]
    requests: int
    bytes_sent: int
    rounds: int

    @property
    def records(self) -> tuple[Record, ...]:
        """The records of the files."""
        return tuple(file.record for file in self.files)
