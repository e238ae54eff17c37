"""The files of many sessions in few requests, each row given to its owner."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from ..address import Address, is_plain_label
from ..errors import AnswerError, BadRequest, CannotReachServer, NotAllowed
from ..records import Record, scan_segment
from .batches import Batches, Problem, lists_of
from .grammar import Step
from .listings import Listings, file_record, owner_of
from .matching import accepts, order
from .parallel import in_parallel

__all__ = ["ALL", "FileBatches", "Holder", "bare", "is_named"]

T = TypeVar("T")

ALL = "ALL"
"""Stands in an address for all scans, or all assessors, of the sessions before it."""


@dataclass(frozen=True)
class Holder:
    """An element that holds resources, and what is known of their labels (None: nothing)."""

    record: Record
    labels: tuple[str, ...] | None = None


class FileBatches:
    """Ask for the files of holders, many sessions at once.

    Parameters
    ----------
    ask : Listings
    files_of : callable
        Gets the record of a holder and the step of its resources, returns the files of these: the
        way to ask for one holder alone.
    on_empty, on_problem : callable
    few : bool
        See :class:`nipype_xnat.select.plan.Plan`.
    """

    def __init__(
        self,
        ask: Listings,
        files_of: Callable[[Record, Step], list[Record]],
        on_empty: Callable[[Record, str], None],
        on_problem: Callable[[Record, AnswerError | CannotReachServer], None] | None,
        few: bool = False,
    ) -> None:
        self._few = few
        self._ask = ask
        self._files_of = files_of
        self._on_empty = on_empty
        self._on_problem = on_problem

    def files(
        self,
        sessions: Iterable[list[Holder]],
        inside: Callable[[Sequence[Sequence[Holder]]], Sequence[str]],
        resource: Step,
        step: Step,
    ) -> Iterator[Record]:
        """Yield the files of holders, which come grouped by session."""

        lists = lists_of(self._ask.transport)

        def address(batch: Sequence[Sequence[Holder]]) -> Address:
            ids = [session[0].record.experiment_id for session in batch]
            labels = _labels(batch, resource)
            if lists.refused and len(labels) > 1:
                labels = []
            return self._ask.batch_address(ids, inside(batch), labels)

        def ask(batch: Sequence[Sequence[Holder]]) -> list[Record]:
            # where lists of sessions are refused, lists of scans are too
            one_by_one = lists.refused and "," in str(address(batch))
            if not one_by_one:
                try:
                    found = self._attributed(batch, address, ask_owner)
                except (BadRequest, NotAllowed):
                    if len(batch) > 1 or "," not in str(address(batch)):
                        raise
                    one_by_one = True
            if one_by_one:
                found = [record for holder in batch[0] for record in ask_owner(holder)]
            return found

        def ask_owner(holder: Holder) -> list[Record]:
            return self._files_of(holder.record, resource)

        def problem(found: Problem[Sequence[Holder]]) -> None:
            if self._on_problem is None:
                raise found.error
            self._on_problem(bare(found.member[0].record), found.error)

        batches: Batches[Sequence[Holder], Record] = Batches(
            ask, lambda batch: len(str(address(batch))), problem, lists
        )
        unmatched: dict[str, Record] = {}
        awkward: list[Holder] = []
        anything = resource.pattern.anything or resource.pattern.text.isdigit()

        def promising() -> Iterator[Sequence[Holder]]:
            for session in sessions:
                record = session[0].record
                unmatched[record.experiment_id] = record
                # where the join told the labels, a session without the wanted one is not asked
                kept = [
                    holder
                    for holder in session
                    if holder.labels is None or anything or _wanted(holder, resource)
                ]
                # a label that cannot stand in an address would make a whole batch list everything
                if any(not is_plain_label(label) for h in kept for label in _wanted(h, resource)):
                    awkward.extend(kept)
                elif kept:
                    yield kept

        answers = chain(
            batches.rows(promising(), self._few),
            (record for found in in_parallel(ask_owner, _later(awkward)) for record in found),
        )
        for record in answers:
            if resource.pattern.matches(record.resource_label, record.resource_id) and accepts(
                step, record
            ):
                unmatched.pop(record.experiment_id, None)
                yield record
        for record in unmatched.values():
            wanted = f"{resource}{step}"
            self._on_empty(bare(record), f"nothing matches {wanted} in what it has")

    def _attributed(
        self,
        batch: Sequence[Sequence[Holder]],
        address: Callable[[Sequence[Sequence[Holder]]], Address],
        ask_owner: Callable[[Holder], list[Record]],
    ) -> list[Record]:
        """Ask for the files of a batch, and give each row its owner.

        Where exactly one resource matches, XNAT builds the URI of its files from the lists of the
        request instead of the ids of the owner (FileList.handleSingleCatalog). Mostly the labels
        leave only one holder that may own it; else the batch is halved until one is left.
        """
        rows = self._ask.file_rows(address(batch), many=len(batch) > 1)
        holders = {_key(holder.record): holder for session in batch for holder in session}
        found: list[Record] = []
        strays: list[list[Holder]] = []
        for row in rows:
            owner = owner_of(row.get("URI", ""))
            path = owner["path"]
            key = (
                owner.get("experiment_id", ""),
                owner.get("scan_id", "") or owner.get("assessor_id", ""),
            )
            holder = holders.get(key)
            if holder is not None and owner.get("direction", "") == holder.record.direction:
                found.append(file_record(holder.record, row, path))
                continue
            likely = [
                holder
                for holder in holders.values()
                if _in_lists(key, holder.record)
                and (holder.labels is None or row.get("collection", "") in holder.labels)
            ]
            if likely:
                strays.append(likely)
        if strays and not found:
            if len(strays[0]) == 1:
                found = [
                    file_record(strays[0][0].record, row, owner_of(row["URI"])["path"])
                    for row in rows
                ]
            elif len(batch) > 1:
                middle = len(batch) // 2
                found = self._attributed(batch[:middle], address, ask_owner)
                found = found or self._attributed(batch[middle:], address, ask_owner)
            else:
                for records in in_parallel(ask_owner, strays[0]):
                    found.extend(records)
        return sorted(found, key=order)


def is_named(resource: Step) -> bool:
    """Tell whether a resource can be asked for by the name that the step gives.

    XNAT does not decode labels in a path, refuses quotes, and reads a comma as two labels.
    """
    text = resource.pattern.text
    return resource.exact and is_plain_label(text)


def _labels(batch: Sequence[Sequence[Holder]], resource: Step) -> list[str]:
    """Return the labels to name in a batch's address; none where they cannot be named."""
    if is_named(resource):
        return [resource.pattern.text]
    known: set[str] = set()
    for session in batch:
        for holder in session:
            if holder.labels is None:
                return []
            known.update(_wanted(holder, resource))
    return sorted(known) if all(map(is_plain_label, known)) else []


def _wanted(holder: Holder, resource: Step) -> list[str]:
    return [label for label in holder.labels or () if resource.pattern.matches(label)]


def _later(items: list[T]) -> Iterator[T]:
    """Yield what a list holds when it is asked, not when it was handed over."""
    yield from items


def _key(record: Record) -> tuple[str, str]:
    return record.experiment_id, record.scan_id or record.assessor_id


def _in_lists(key: tuple[str, str], record: Record) -> bool:
    """Tell whether an owner is among those that a URI made of a request's lists names."""
    sessions, inside = (part.split(",") for part in key)
    names = (record.scan_id, scan_segment(record.scan_id), scan_segment(record.scan_type))
    own = (record.assessor_id,) if record.assessor_id else names if record.scan_id else ("",)
    return record.experiment_id in sessions and any(name in inside for name in (*own, ALL))


def bare(record: Record) -> Record:
    """Return the record of the experiment alone."""
    return record.with_values(
        scan_id="", scan_type="", assessor_id="", assessor_label="", resource_label="", direction=""
    )
