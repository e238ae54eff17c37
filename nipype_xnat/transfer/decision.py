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
    LIST = "list"
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
    WHOLE = "a file with the digest that was listed just now"
    NAMED = "a file with a digest that was listed for this account before"
    UNNAMED = "a file with a digest that no listing of this account has named"
    REMEMBERED = "a file fetched before from the same place, and when it was changed last"
    FETCHED = "a file fetched before from the same place"


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


_NAMED = Decision(Action.USE, "the cache has the digest that the listing names")
_NAMED_BEFORE = Decision(Action.USE, "the cache has the digest that was listed before")
_RELIST = Decision(Action.LIST, "see whether the archive still has it")
_UNNAMED = Decision(Action.LIST, "the cache has it, see whether this account may read it")
_RESUME = Decision(Action.RESUME, "an earlier download was not finished")
_MISSING = Decision(Action.DOWNLOAD, "the cache does not have it")
_MISSING_BLIND = Decision(
    Action.DOWNLOAD, "the cache does not have it, and the archive keeps no digest"
)
_ASK = Decision(Action.REVALIDATE, "the archive keeps no digest: ask whether it changed")
_BLIND = Decision(Action.DOWNLOAD, "the archive keeps nothing that tells whether it changed")
_OLD = Decision(Action.USE, "the cache has what was fetched before, and the archive is not asked")
_NOT_HERE = Decision(Action.REFUSE, "it is not in the cache, and the archive is not asked")

# in the order of the modes: online, revalidate, prefer-cached, offline
_BY_DIGEST = {
    Here.WHOLE: (_NAMED, _NAMED, _NAMED, _NAMED),
    Here.NAMED: (_NAMED_BEFORE, _RELIST, _NAMED_BEFORE, _NAMED_BEFORE),
    Here.UNNAMED: (_UNNAMED, _UNNAMED, _UNNAMED, _UNNAMED),
    Here.PART: (_RESUME, _RESUME, _RESUME, _NOT_HERE),
    Here.NOTHING: (_MISSING, _MISSING, _MISSING, _NOT_HERE),
}
_BY_PLACE = {
    Here.REMEMBERED: (_ASK, _ASK, _OLD, _OLD),
    Here.FETCHED: (_BLIND, _BLIND, _OLD, _OLD),
    Here.NOTHING: (_MISSING_BLIND, _MISSING_BLIND, _MISSING_BLIND, _NOT_HERE),
}
_DOWNLOAD = {
    (mode, here, listed): decision
    for listed, table in ((Listed.DIGEST, _BY_DIGEST), (Listed.NO_DIGEST, _BY_PLACE))
    for here, decisions in table.items()
    for mode, decision in zip(Mode, decisions, strict=True)
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

    Raises
    ------
    KeyError
        For what cannot be: a file is known by its digest or by its place.
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
