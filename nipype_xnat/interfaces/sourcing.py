"""What a source does when it runs: finding, fetching and handing on files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as LocalPath
from typing import Any

from nipype.interfaces.base import Undefined, isdefined

from .. import search, transfer
from ..client import Interface
from ..cohort import Found, find_files, found_of, parse_template
from ..errors import NotFound, NothingMatched
from ..records import Record
from ..select.grammar import Path
from ..select.identity import view_name
from ..select.matching import criteria_level
from .delivered import Delivered, DeliveredFile, digest_of

__all__ = ["LookedUp", "Sourcing"]

_RECORD_KEYS = {
    "project_id": "project",
    "subject_id": "subject_id",
    "subject_label": "subject_label",
    "experiment_id": "experiment_id",
    "experiment_label": "experiment_label",
    "scan_id": "scan_id",
    "scan_type": "scan_type",
}


@dataclass(frozen=True)
class LookedUp:
    """What a source will fetch.

    Parameters
    ----------
    found : dict of str to list of (list of Found)
        For each outfield, and each of its paths, the files.
    records : list of Record
        All files, companions too.
    paths : list of str
        The select paths, filled in; none where a record says it all.
    listed : bool
        Whether the archive was asked, or a record said it.
    identity : dict
        The outputs that say where the files are.
    """

    found: dict[str, list[list[Found]]]
    records: list[Record]
    paths: list[str]
    listed: bool
    identity: dict[str, Any]


class Sourcing:
    """The work of a source, once.

    Parameters
    ----------
    inputs : XNATSourceInputSpec
    names : sequence of str
        Outfields.
    paths : dict of str to list of str, or None
        The select paths for each of them; None where a record names the files.

    Raises
    ------
    SelectSyntaxError, CriteriaError
        Before any request.
    """

    def __init__(
        self, inputs: Any, names: Sequence[str], paths: dict[str, list[str]] | None
    ) -> None:
        self._inputs = inputs
        self._names = names
        self._paths = paths
        self._reasons: dict[str, str] = {}
        self._criteria = inputs.criteria if isdefined(inputs.criteria) else None
        self._record = inputs.record if isdefined(inputs.record) else {}
        texts = [text for group in (paths or {}).values() for text in group]
        self._parsed = {text: parse_template(text) for text in texts}
        if self._criteria and paths is not None:
            search.parse(self._criteria)
            for path in (path for found in self._parsed.values() for path in found):
                criteria_level(path, inputs.criteria_level)

    def look_up(self, archive: Interface) -> LookedUp:
        """Find what is asked for, and fetch nothing.

        Raises
        ------
        NothingMatched
        """
        found = self._find(archive)
        self._check_found(found, archive)
        every = [each.record for groups in found.values() for group in groups for each in group]
        return LookedUp(
            found,
            self._records(found),
            list(self._parsed),
            self._paths is not None,
            _identity(every),
        )

    def deliver(self, archive: Interface, run: str) -> Delivered:
        """Find what is asked for, fetch it, and hand it on.

        Parameters
        ----------
        archive : Interface
        run : str
            The folder of the node: what it was handed is kept for it.
        """
        looked_up = self.look_up(archive)
        found, records = looked_up.found, looked_up.records
        cache = archive.cache
        # before they are looked up, so that nobody removes them in between
        cache.lease(run, [record.digest.lower() for record in records if record.digest])
        fetched = transfer.fetch(
            archive.transport,
            records,
            cache,
            connections=self._inputs.connections,
            # a record may come from another account's cohort
            listed=looked_up.listed,
        )
        paths = _deliver_by_resource(records, fetched, cache)
        digests = [got.record.digest for got in fetched]
        cache.lease(run, digests, paths.values())
        outputs: dict[str, Any] = {}
        for name, groups in found.items():
            folder = self._is_folder(name)
            values = [
                self._shaped(name, _folders(group, paths) if folder else _files(group, paths))
                for group in groups
            ]
            if len(values) > 1:
                values = [None if value is Undefined else value for value in values]
            outputs[name] = values[0] if len(values) == 1 else values or None
        outputs.update(looked_up.identity)
        belongs = self._outputs_by_file(found)
        return Delivered(
            archive.server,
            self._paths or {},
            str(self._record.get("name", "")),
            digest_of(self._record) if self._record else "",
            tuple(
                DeliveredFile(got.record, str(paths[asked]), tuple(belongs[asked]))
                for asked, got in zip(records, fetched, strict=True)
            ),
            {name: value for name, value in outputs.items() if isdefined(value)},
        )

    def _find(self, archive: Interface) -> dict[str, list[list[Found]]]:
        """Return for each outfield, and each of its paths, the files."""
        if self._paths is None:
            return {name: [found_of(self._record, name)] for name in self._names}
        allowed: dict[str, Any] = {}
        reasons: list[str] = []

        def note(record: Record, reason: str) -> None:
            reasons.append(f"{record.place}: {reason}")

        def find(path: Path) -> Iterator[Found]:
            found = None
            if self._criteria:
                level = criteria_level(path, self._inputs.criteria_level)
                if level not in allowed:
                    tree = search.parse(self._criteria)
                    allowed[level] = search.matching_ids(archive.transport, tree, level)
                found = allowed[level]
            return find_files(archive.transport, [path], found, on_empty=note)

        def all_of(text: str) -> list[Found]:
            reasons.clear()
            try:
                found = self._ordered(each for path in self._parsed[text] for each in find(path))
                if not found and reasons:
                    self._reasons[text] = "; ".join(dict.fromkeys(reasons[:3]))
                return found
            except NotFound as error:
                # an element that the template names: whether that matters raise_on_empty says
                self._reasons[text] = error.message
                return []

        return {name: [all_of(text) for text in texts] for name, texts in self._paths.items()}

    def _ordered(self, found: Iterable[Found]) -> list[Found]:
        if not self._inputs.sort_filelist:
            return list(found)
        return sorted(found, key=lambda each: (each.record.place, each.record.resource_id))

    def _check_found(
        self, found: Mapping[str, Sequence[Sequence[Found]]], archive: Interface
    ) -> None:
        if not self._inputs.raise_on_empty:
            return
        empty = []
        for name, groups in found.items():
            texts = (self._paths or {}).get(name, [])
            for number, group in enumerate(groups):
                if not group:
                    text = texts[number] if texts else "its record is empty"
                    reason = self._reasons.get(text)
                    empty.append(f"{name}: {text}" + (f" ({reason})" if reason else ""))
        if empty:
            where = ""
            if self._criteria:
                where = f", where {search.parse(self._criteria)}"
            raise NothingMatched(
                "no files for " + "; ".join(empty) + where,
                server=archive.server,
                advice="check names and case"
                + (" and the criteria" if where else "")
                + ", or try the path with archive.select(...); raise_on_empty=False lets the node "
                "go on without",
            )

    def _outputs_by_file(
        self, found: Mapping[str, Sequence[Sequence[Found]]]
    ) -> dict[Record, dict[str, None]]:
        """Return the outfields that each file belongs to, companions too."""
        names: dict[Record, dict[str, None]] = {}
        for name, groups in found.items():
            for each in (each for group in groups for each in group):
                for record in (each.record, *each.companions):
                    names.setdefault(record, {})[name] = None
        return names

    def _records(self, found: Mapping[str, Sequence[Sequence[Found]]]) -> list[Record]:
        """Return the files to fetch, each once, companions too where they are wanted."""
        records: dict[Record, None] = {}
        for groups in found.values():
            for each in (each for group in groups for each in group):
                records[each.record] = None
                if self._inputs.companions:
                    records.update(dict.fromkeys(each.companions))
        return list(records)

    def _is_folder(self, name: str) -> bool:
        if self._paths is None:
            return name in self._record.get("folders", ())
        texts = self._paths.get(name, [])
        return any(path.level != "file" for text in texts for path in self._parsed[text])

    def _shaped(self, name: str, paths: list[str]) -> Any:
        force = self._inputs.force_lists
        if force is True or (isinstance(force, list) and name in force):
            return paths
        if not paths:
            return Undefined
        return paths[0] if len(paths) == 1 else paths


def _deliver_by_resource(
    records: Sequence[Record], fetched: Sequence[transfer.Fetched], cache: Any
) -> dict[Record, LocalPath]:
    """Hand out each resource's files in a folder of their own."""
    groups: dict[tuple[str, str], list[tuple[Record, transfer.Fetched]]] = {}
    for record, got in zip(records, fetched, strict=True):
        groups.setdefault((record.experiment_id, record.resource_id), []).append((record, got))
    paths: dict[Record, LocalPath] = {}
    for group in groups.values():
        views = transfer.deliver([got for _, got in group], cache, view_name(group[0][0]))
        for record, got in group:
            paths[record] = views[got.record]
    return paths


def _files(group: Sequence[Found], paths: Mapping[Record, LocalPath]) -> list[str]:
    return [str(paths[each.record]) for each in group]


def _folders(group: Sequence[Found], paths: Mapping[Record, LocalPath]) -> list[str]:
    found: dict[str, None] = {}
    for each in group:
        depth = len(LocalPath(each.record.path).parts)
        found[str(paths[each.record].parents[depth - 1])] = None
    return list(found)


def _identity(records: Sequence[Record]) -> dict[str, Any]:
    """Return ids and labels: one where all files share it, else a list."""
    outputs: dict[str, Any] = {}
    for name, key in _RECORD_KEYS.items():
        values = list(dict.fromkeys(getattr(record, key) for record in records))
        outputs[name] = Undefined if not values else values[0] if len(values) == 1 else values
    return outputs
