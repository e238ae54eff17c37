"""Many files, of which some may not come."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..cache import Cache
from ..errors import AnswerError, NotLoggedIn, TransferError, XNATError
from ..records import Record
from ..transport import Transport
from .delivery import Fetched
from .download import fetch
from .progress import Progress

__all__ = ["fetch_what_comes"]


def fetch_what_comes(
    transport: Transport,
    records: Sequence[Record],
    cache: Cache,
    *,
    connections: int = 8,
    progress: Callable[[Progress], object] | None = None,
    listed: bool = False,
) -> tuple[list[Fetched], list[tuple[Record, XNATError]]]:
    """Bring files into the cache; one that does not come keeps no other one back.

    Parameters
    ----------
    transport, records, cache, connections, progress, listed
        See :func:`nipype_xnat.transfer.fetch`.

    Returns
    -------
    list of Fetched, list of (Record, XNATError)
        What came, and what did not.

    Raises
    ------
    NotLoggedIn, CannotReachServer, CacheError
        Where no other file would come either.
    """
    try:
        fetched = fetch(
            transport, records, cache, connections=connections, progress=progress, listed=listed
        )
        return fetched, []
    except (AnswerError, TransferError) as error:
        if isinstance(error, NotLoggedIn):
            raise
        if len(records) == 1:
            return [], [(records[0], error)]
    # what came is in the cache, so the others are all that is asked for again
    came: list[Fetched] = []
    failed: list[tuple[Record, XNATError]] = []
    middle = len(records) // 2
    for half in (records[:middle], records[middle:]):
        more, lost = fetch_what_comes(
            transport, half, cache, connections=connections, progress=progress, listed=listed
        )
        came += more
        failed += lost
    return came, failed
