"""What to do with a file, as tables without traffic or disk.

The words of an action and its reason are those of the log, of the progress and of a dry run, so
none of them can say anything else than what is done.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..cache.policy import Mode

__all__ = ["Action", "Decision", "Here", "Listed", "for_download", "for_upload"]


class Action(str, Enum):
    """What is done with a file."""

    USE = "use"
    RESUME = "resume"
    DOWNLOAD = "download"
    REVALIDATE = "revalidate"
    REFUSE = "refuse"
    KEEP = "keep"
    SEND = "send"
    REPLACE = "replace"

    def __str__(self) -> str:
        return self.value


class Here(Enum):
    """What the cache has of a file."""

    NOTHING = "nothing"
    PART = "an unfinished download"
    WHOLE = "a file with the digest of the listing"
    REMEMBERED = "a file fetched before from the same place"


class Listed(Enum):
    """What the listing says of a file."""

    DIGEST = "its digest"
    NO_DIGEST = "no digest"
    NOT_A_FILE = "no name of a file"


@dataclass(frozen=True)
class Decision:
    """An action and its reason.

    Parameters
    ----------
    action : Action
    reason : str
        In words, for the log.
    """

    action: Action
    reason: str


_DOWNLOAD = {
    (Mode.ONLINE, Here.WHOLE, Listed.DIGEST): Decision(
        Action.USE, "the cache has the digest that the listing names"
    ),
    (Mode.ONLINE, Here.PART, Listed.DIGEST): Decision(
        Action.RESUME, "an earlier download was not finished"
    ),
    (Mode.ONLINE, Here.NOTHING, Listed.DIGEST): Decision(
        Action.DOWNLOAD, "the cache does not have it"
    ),
    (Mode.ONLINE, Here.REMEMBERED, Listed.NO_DIGEST): Decision(
        Action.REVALIDATE, "the archive keeps no digest: ask whether it changed"
    ),
    (Mode.ONLINE, Here.NOTHING, Listed.NO_DIGEST): Decision(
        Action.DOWNLOAD, "the cache does not have it, and the archive keeps no digest"
    ),
}
_NOT_A_FILE = Decision(Action.REFUSE, "the record names no file")


def for_download(mode: Mode, here: Here, listed: Listed) -> Decision:
    """Decide what to do for a file that is wanted here.

    Parameters
    ----------
    mode : Mode
    here : Here
        What the cache has.
    listed : Listed
        What the listing says.
    """
    if listed is Listed.NOT_A_FILE:
        return _NOT_A_FILE
    return _DOWNLOAD[mode, here, listed]


def for_upload(
    size: int, digest: str, there: tuple[int | None, str] | None, *, overwrite: bool
) -> Decision:
    """Decide what to do for a file that is wanted there.

    Parameters
    ----------
    size, digest : int, str
        Of the file here.
    there : (int or None, str) or None
        Size and digest that the listing names; the digest is empty where the archive keeps none.
        None if there is no such file.
    overwrite : bool
        Whether another file may be replaced.
    """
    if there is None:
        return Decision(Action.SEND, "the archive does not have it")
    listed_size, listed_digest = there
    if listed_digest and listed_digest == digest:
        return Decision(Action.KEEP, "the archive has the same digest")
    # the same size alone proves nothing
    differs = bool(listed_digest) or (listed_size is not None and listed_size != size)
    reason = "the archive has another one" if differs else "the archive keeps no digest to compare"
    return Decision(Action.REPLACE if overwrite else Action.REFUSE, reason)
