"""What can go wrong in an archive, told apart by what the caller can do about it.

ArchiveError
    Invalid         what was asked makes no sense (a value, a name)
    Unusable        nothing usable was sent
    Unparsable      a document could not be read
    NotLoggedIn     who is asking is not known
    Forbidden       known, but not allowed
    NotFound        does not exist, or may not be seen
    Conflict        exists already, or differs from what exists
    Refused         a precondition of the archive is not met
    ReadOnly        the archive was opened for reading only
    Gone            was there, is no longer
    Broken          the archive cannot do it (XNAT answers so to several caller's mistakes)
"""

from __future__ import annotations


class ArchiveError(Exception):
    """Any refusal of the archive; the text is for people."""


class Invalid(ArchiveError):
    """A value or a name is not allowed."""


class Unusable(ArchiveError):
    """The request holds nothing that can be used."""


class Unparsable(ArchiveError):
    """A document cannot be read."""


class NotLoggedIn(ArchiveError):
    """The caller has not said who he is, or wrongly."""


class Forbidden(ArchiveError):
    """The caller may not do this."""


class NotFound(ArchiveError):
    """No such thing, or none that the caller may see."""


class Conflict(ArchiveError):
    """It exists already, or it is of another kind."""


class Refused(ArchiveError):
    """A precondition is not met."""


class Gone(ArchiveError):
    """It was there once."""


class Broken(ArchiveError):
    """The archive fails on this request, as XNAT does."""


class ReadOnly(ArchiveError):
    """The archive was opened for reading only."""

    def __init__(self, message: str = "This archive is open for reading only."):
        super().__init__(message)
