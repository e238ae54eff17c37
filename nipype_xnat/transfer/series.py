"""Many small files of one resource (a DICOM series): out of its zip, where that is faster."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field

from ..errors import XNATError
from ..records import Record
from ..transport.waiting import while_waiting
from .delivery import Fetched
from .failures import Failure
from .names import name_of_resource
from .patience import Patience
from .speeds import LARGEST, MOST, speeds_of
from .work import Work, zip_key
from .zipped import TooMuch

__all__ = ["Outcome", "fetch_series", "series_of"]

log = logging.getLogger("nipype_xnat.transfer")

_FEW = 4  # files of which nobody makes a zip
_UNPACKING = 4  # threads: hashing, inflating and the disk leave the interpreter to each other
_TRIES = 2  # a zip cannot be resumed, single files can
_OVERHEAD = 1024  # bytes of a zip for each file, whatever the names


@dataclass
class Outcome:
    """What became of some files, by their places in the list.

    Parameters
    ----------
    fetched : dict of int to Fetched
    failures : list of Failure
    left : list of int
        Files that are to be fetched in another way.
    """

    fetched: dict[int, Fetched] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    left: list[int] = field(default_factory=list)


def series_of(
    work: Work, records: Sequence[Record], missing: Sequence[int], connections: int
) -> list[list[int]]:
    """Choose which files are to come as zips.

    Parameters
    ----------
    work : Work
    records : sequence of Record
    missing : sequence of int
        Places in it of those that have to be brought.
    connections : int
        Most requests at once.

    Returns
    -------
    list of list of int
        Places of the files of one zip each; empty where files one by one are likely to be faster.
    """
    by_resource: dict[str, list[int]] = {}
    for index in missing:
        if work.may_be_zipped(records[index]):
            by_resource.setdefault(name_of_resource(records[index]), []).append(index)
    sizes = {
        name: sum(records[index].size or 0 for index in indices)
        for name, indices in by_resource.items()
        if len(indices) >= _FEW
    }
    chosen = [
        name
        for name, size in sizes.items()
        if size <= MOST and size <= LARGEST * len(by_resource[name])
    ]
    if not chosen:
        return []
    files = sum(len(by_resource[name]) for name in chosen)
    size = sum(sizes[name] for name in chosen)
    pays = speeds_of(work.transport.server).choose_zip(files, size, len(chosen), connections)
    log.debug("%d files of %d resources come %s", files, len(chosen), "zipped" if pays else "alone")
    return [by_resource[name] for name in chosen] if pays else []


def fetch_series(
    work: Work, records: Sequence[Record], indices: Sequence[int], zips: int, connections: int
) -> Outcome:
    """Bring files of one resource into the cache by its zip.

    What the zip does not have as it was listed is left to be fetched by itself, and so is
    everything if it holds much besides, or does not come.

    Parameters
    ----------
    work : Work
    records : sequence of Record
    indices : sequence of int
        Places of the files.
    zips : int
        How many are fetched in this call.
    connections : int
        Most requests at once.
    """
    first = records[indices[0]]
    with work.locked(zip_key(first)):
        found = Outcome()
        missing = []
        for index in indices:
            # another process may have fetched it while this one waited
            here = work.at_hand(records[index])
            if here is None:
                missing.append(index)
            else:
                found.fetched[index] = here
        if len(missing) < _FEW:
            found.left = missing
            return found
        wanted = {index: records[index] for index in missing}
        threads = max(1, min(_UNPACKING, connections // zips))
        try:
            _unzip(work, wanted, threads, found)
        except TooMuch:
            log.info("the resource of %s holds more than is wanted: one by one", first.place)
        except (XNATError, OSError) as error:
            # no zip, or no room for it beside the files; what befalls single files too is told then
            log.info("no zip for %s, one by one: %s", first.place, error)
        found.left = [index for index in missing if index not in found.fetched]
        return found


def _unzip(work: Work, wanted: Mapping[int, Record], threads: int, found: Outcome) -> None:
    first = next(iter(wanted.values()))
    size = sum(record.size or 0 for record in wanted.values())
    key = zip_key(first)
    began = time.monotonic()
    with closing(
        work.bundle_of(
            first,
            patience=Patience(_TRIES, work.patience.pause),
            most=size + size // 10 + _OVERHEAD * (len(wanted) + 64),
        )
    ) as bundle:
        with while_waiting(work.stop.check):
            came = bundle.receive(first)
        bytes_of = dict.fromkeys(wanted, 0)
        bytes_of[next(iter(wanted))] = came

        def unpack(index: int) -> Fetched | XNATError:
            try:
                return work.unpack(wanted[index], bundle, key, bytes_of[index])
            except XNATError as error:
                return error

        with ThreadPoolExecutor(threads, "nipype_xnat-unpacking") as pool:
            for index, result in zip(wanted, pool.map(unpack, wanted), strict=True):
                if isinstance(result, Fetched):
                    found.fetched[index] = result
                else:
                    log.info("%s: %s", wanted[index].place, result.message)
    speeds_of(work.transport.server).zip_took(time.monotonic() - began, size)
