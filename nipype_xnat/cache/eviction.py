"""What to remove from a cache, decided without a file system."""

from __future__ import annotations

from collections.abc import Iterable, Set
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Item", "Plan", "plan"]


@dataclass(frozen=True, slots=True)
class Item:
    """Bytes that lie on the disk once, under all the names that they have in a cache.

    Parameters
    ----------
    size : int
    used : float
        When they were handed out last, in seconds since 1970.
    digest : str
        Empty for what has no name among the objects: a copy in a view, or a link into a layer.
    path : pathlib.Path or None
        The object.
    views : frozenset of str
        Names of the views that hold it.
    elsewhere : bool
        Whether names outside the cache keep the bytes.
    """

    size: int
    used: float
    digest: str = ""
    path: Path | None = None
    views: frozenset[str] = frozenset()
    elsewhere: bool = False

    @property
    def counted(self) -> int:
        """Bytes that the cache takes for it: none for a link into a layer."""
        return 0 if self.elsewhere and not self.digest else self.size


@dataclass(frozen=True)
class Plan:
    """What is removed, and what that brings.

    Parameters
    ----------
    evict : tuple of Item
        Oldest use first.
    views : frozenset of str
        Views that go with them.
    freed, left : int
        Bytes: what the disk gains, and what the cache still takes.
    leased : int
        Bytes that leases keep although a limit asked for them.
    """

    evict: tuple[Item, ...]
    views: frozenset[str]
    freed: int
    left: int
    leased: int


def plan(
    items: Iterable[Item],
    *,
    digests: Set[str] = frozenset(),
    views: Set[str] = frozenset(),
    size: int | None = None,
    age: float | None = None,
    now: float = 0.0,
) -> Plan:
    """Choose what was not used for longest.

    Parameters
    ----------
    items : iterable of Item
    digests, views : set of str
        What leases protect.
    size : int, optional
        Bytes that may stay.
    age : float, optional
        Seconds without use after which bytes go.
    now : float
        The time. A use that lies in the future, by a clock that was wrong, counts as now.
    """
    ordered = sorted(items, key=lambda item: (item.used, item.digest))
    left = sum(item.counted for item in ordered)
    freed = leased = 0
    evicted: dict[int, Item] = {}
    gone: set[str] = set()
    # copies in views have no other name: they go with their view
    only_in: dict[str, list[Item]] = {}
    for item in ordered:
        if item.path is None:
            for view in item.views:
                only_in.setdefault(view, []).append(item)

    def leave(item: Item) -> None:
        nonlocal freed, left
        if id(item) in evicted:
            return
        evicted[id(item)] = item
        left -= item.counted
        freed += 0 if item.elsewhere else item.size
        for view in item.views - gone:
            gone.add(view)
            for other in only_in.get(view, ()):
                if other.views <= gone:
                    leave(other)

    for item in ordered:
        too_old = age is not None and max(0.0, now - item.used) >= age
        too_much = size is not None and left > size and not item.elsewhere
        if not (too_old or too_much) or id(item) in evicted:
            continue
        if item.digest in digests or not views.isdisjoint(item.views):
            leased += item.counted
        else:
            leave(item)
    return Plan(tuple(evicted.values()), frozenset(gone), freed, left, leased)
