"""XNATSource: from path templates and search criteria to local files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as LocalPath
from typing import Any

from nipype.interfaces.base import (
    DynamicTraitedSpec,
    LibraryBaseInterface,
    Str,
    Undefined,
    isdefined,
    traits,
)
from nipype.interfaces.io import IOBase, add_traits

from .. import search, transfer
from ..client import Interface
from ..cohort import Found, find_files, found_of, parse_template
from ..errors import ConfigurationError, NotFound, NothingMatched, SelectSyntaxError
from ..records import Record
from ..select.grammar import Path
from ..select.identity import view_name
from ..select.matching import criteria_level
from .connection import CriteriaInputSpec, connect, refuse_secrets
from .delivered import Delivered, DeliveredFile, digest_of
from .templates import fields_of, fill_named, fill_positional

__all__ = ["LookedUp", "XNATSource"]

IDENTITY = (
    "project_id",
    "subject_id",
    "subject_label",
    "experiment_id",
    "experiment_label",
    "scan_id",
    "scan_type",
    "manifest",
)
"""Outputs that say where the files came from; the first ones fit a sink."""

_RECORD_KEYS = {
    "project_id": "project",
    "subject_id": "subject_id",
    "subject_label": "subject_label",
    "experiment_id": "experiment_id",
    "experiment_label": "experiment_label",
    "scan_id": "scan_id",
    "scan_type": "scan_type",
}


class XNATSourceInputSpec(DynamicTraitedSpec, CriteriaInputSpec):  # type: ignore[misc]
    """Inputs of XNATSource."""

    query_template = Str(desc="select path with %s for each argument", hash_files=False)
    query_template_args = traits.Dict(
        Str,
        traits.List(traits.List()),
        value={"outfiles": []},
        usedefault=True,
        hash_files=False,
        desc="for each outfield, lists of infields (or values) that fill the template",
    )
    templates = traits.Dict(
        Str, Str, hash_files=False, desc="for each outfield a select path with {infield} in it"
    )
    record = traits.Dict(
        hash_files=False, desc="a record of XNATQuery: nothing is listed, its files are fetched"
    )
    sort_filelist = traits.Bool(True, usedefault=True, desc="sort the files of an outfield")
    raise_on_empty = traits.Bool(
        True, usedefault=True, desc="an outfield without files is an error"
    )
    force_lists = traits.Either(
        traits.Bool(),
        traits.List(Str()),
        default=False,
        usedefault=True,
        desc="give lists for all outfields (or for these) even where there is one file",
    )
    companions = traits.Bool(
        True,
        usedefault=True,
        desc="put files beside a fetched one that differ from it in their suffix only "
        "(.img and .hdr, .nii.gz and .json, .bval, .bvec)",
    )


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


class XNATSource(LibraryBaseInterface, IOBase):  # type: ignore[misc]
    """Select files of an XNAT archive and hand them to the next node as local files.

    Parameters
    ----------
    infields : list of str, optional
        Inputs that fill templates. With ``templates`` they are found in these.
    outfields : list of str, optional
        Outputs, each a file or a list of files.
    templates : dict, optional
        For each outfield a select path with ``{infield}`` in it.
    **inputs
        Values of inputs.

    Notes
    -----
    Where one file matches, an outfield is its path, else a list of paths; ``force_lists`` makes it
    a list always. A template that ends at a resource (``.../resources/DICOM``) gives the path of a
    folder. Files lie in the cache, read-only, under the names that they have in their resource.

    Credentials are never inputs: the process that runs the node reads them from ``config`` or from
    netrc.

    Examples
    --------
    Named templates, as in SelectFiles:

    >>> from nipype_xnat import XNATSource
    >>> source = XNATSource(templates={
    ...     "t1": "/projects/IXI/experiments/{session}/scans/*[type=T1w]/resources/NIFTI/files/*",
    ...     "dicom": "/projects/IXI/experiments/{session}/scans/1/resources/DICOM"})
    >>> source.inputs.session = "IXI002_MR1"

    Positional ones, as in Nipype's own XNATSource:

    >>> source = XNATSource(infields=["sid"], outfields=["struct", "func"])
    >>> source.inputs.query_template = (
    ...     "/projects/IMAGEN/subjects/%s/experiments/*SessionA*"
    ...     "/assessors/*%s_nii/out_resources/files")
    >>> source.inputs.query_template_args["struct"] = [["sid", "ADNI_MPRAGE"]]
    >>> source.inputs.query_template_args["func"] = [["sid", "EPI_faces"]]
    >>> source.inputs.sid = "IMAGEN_000000001274"
    """

    input_spec = XNATSourceInputSpec
    output_spec = DynamicTraitedSpec
    _pkg = "nipype_xnat"
    # what the archive holds is no input: each run asks again, which costs next to nothing
    _always_run = True

    def __init__(
        self,
        infields: Sequence[str] | None = None,
        outfields: Sequence[str] | None = None,
        templates: Mapping[str, str] | None = None,
        **inputs: Any,
    ) -> None:
        refuse_secrets(inputs)
        self._infields = list(infields) if infields else None
        self._outfields = list(outfields) if outfields else None
        self._templates = dict(templates) if templates else None
        self._delivered: Delivered | None = None
        self._reasons: dict[str, str] = {}
        self._fields = _infields(infields, templates)
        self._out = _outfields(outfields, templates)
        dynamic = {name: inputs.pop(name) for name in self._fields if name in inputs}
        super().__init__(**inputs)
        undefined: dict[str, Any] = {}
        for name in self._fields:
            self.inputs.add_trait(name, traits.Any(hash_files=False))
            undefined[name] = Undefined
        if outfields:
            self.inputs.add_trait(
                "field_template",
                traits.Dict(
                    traits.Enum(list(outfields)),
                    Str,
                    hash_files=False,
                    desc="a template of its own for an outfield",
                ),
            )
            undefined["field_template"] = Undefined
        self.inputs.trait_set(trait_change_notify=False, **undefined)
        if templates:
            self.inputs.templates = dict(templates)
        if not inputs.get("query_template_args"):
            if outfields:
                self.inputs.query_template_args = {name: [] for name in outfields}
            elif infields:
                self.inputs.query_template_args = {"outfiles": [list(infields)]}
        self.inputs.trait_set(**dynamic)

    def _add_output_traits(self, base: Any) -> Any:
        return add_traits(base, [*self._names_of_outputs(), *IDENTITY])

    def _names_of_outputs(self) -> list[str]:
        if self._out:
            return self._out
        if isdefined(self.inputs.record) and self.inputs.record:
            return list(self.inputs.record.get("files", {}))
        return list(self.inputs.query_template_args)

    # -- the run

    def look_up(self, archive: Interface) -> LookedUp:
        """Find what the inputs ask for, and fetch nothing.

        Parameters
        ----------
        archive : Interface
            The archive to ask.

        Returns
        -------
        LookedUp

        Raises
        ------
        NothingMatched
            As a run would.
        """
        wanted = self._wanted()
        found = self._find(archive, wanted)
        self._check_found(found, archive)
        texts = [text for group in (wanted or {}).values() for text in group]
        every = [each.record for groups in found.values() for group in groups for each in group]
        return LookedUp(found, self._records(found), texts, wanted is not None, _identity(every))

    def _run_interface(self, runtime: Any) -> Any:
        self._wanted()  # what cannot be asked is told before any request
        archive = connect(self.inputs)
        found = self.look_up(archive).found
        self._delivered = self._deliver(archive, found, runtime.cwd)
        self._delivered.write(LocalPath(runtime.cwd))
        return runtime

    def _wanted(self) -> dict[str, list[str]] | None:
        """Return the select paths for each outfield, checked, before any request.

        None where a record says it all.
        """
        if isdefined(self.inputs.record) and self.inputs.record:
            lacking = set(self._out) - set(self.inputs.record.get("files", {}))
            if lacking:
                raise ConfigurationError(
                    f"the record has no {', '.join(sorted(lacking))}, which outfields name",
                    asked=f"record {self.inputs.record.get('name', '')!r}",
                    advice="give the cohort a template of that name",
                )
            return None
        values = self._infield_values()
        paths: dict[str, list[str]] = {}
        for name in self._names_of_outputs():
            if isdefined(self.inputs.templates) and name in self.inputs.templates:
                paths[name] = list(fill_named(self.inputs.templates[name], values))
                continue
            template = self._template_of(name)
            rows = self.inputs.query_template_args.get(name) or [[]]
            paths[name] = [text for row in rows for text in fill_positional(template, row, values)]
        parsed = [
            path for texts in paths.values() for text in texts for path in parse_template(text)
        ]
        if isdefined(self.inputs.criteria) and self.inputs.criteria:
            search.parse(self.inputs.criteria)
            for path in parsed:
                criteria_level(path, self.inputs.criteria_level)
        return paths

    def _template_of(self, name: str) -> str:
        own = getattr(self.inputs, "field_template", Undefined)
        if isdefined(own) and name in own:
            return str(own[name])
        if not isdefined(self.inputs.query_template):
            raise SelectSyntaxError(
                f"there is no template for {name!r}",
                advice="set templates, query_template, field_template or record",
            )
        return str(self.inputs.query_template)

    def _infield_values(self) -> dict[str, Any]:
        values = {name: getattr(self.inputs, name) for name in self._fields}
        lacking = [name for name, value in values.items() if not isdefined(value)]
        if lacking:
            raise ValueError(
                f"XNATSource requires a value for input {', '.join(map(repr, lacking))} because it "
                "was listed in 'infields' or stands in a template"
            )
        known = {*self._fields, *XNATSourceInputSpec().copyable_trait_names(), "field_template"}
        unknown = sorted(set(self.inputs.copyable_trait_names()) - known)
        if unknown:
            # connect() accepts any name on a dynamic interface, so a typo shows only here
            raise ValueError(
                f"XNATSource has no input {', '.join(map(repr, unknown))}; its infields are "
                f"{', '.join(self._fields) or 'none'}"
            )
        return values

    def _find(
        self, archive: Interface, wanted: Mapping[str, Sequence[str]] | None
    ) -> dict[str, list[list[Found]]]:
        """Return for each outfield, and each of its paths, the files."""
        if wanted is None:
            record = self.inputs.record
            return {name: [found_of(record, name)] for name in self._names_of_outputs()}
        allowed: dict[str, Any] = {}
        reasons: list[str] = []

        def note(record: Record, reason: str) -> None:
            reasons.append(f"{record.place}: {reason}")

        def find(path: Path) -> Iterator[Found]:
            found = None
            if isdefined(self.inputs.criteria) and self.inputs.criteria:
                level = criteria_level(path, self.inputs.criteria_level)
                if level not in allowed:
                    tree = search.parse(self.inputs.criteria)
                    allowed[level] = search.matching_ids(archive.transport, tree, level)
                found = allowed[level]
            return find_files(archive.transport, [path], found, on_empty=note)

        def all_of(text: str) -> list[Found]:
            reasons.clear()
            try:
                found = self._ordered(each for path in parse_template(text) for each in find(path))
                if not found and reasons:
                    self._reasons[text] = "; ".join(dict.fromkeys(reasons[:3]))
                return found
            except NotFound as error:
                # an element that the template names: whether that matters raise_on_empty says
                self._reasons[text] = error.message
                return []

        return {name: [all_of(text) for text in texts] for name, texts in wanted.items()}

    def _ordered(self, found: Iterable[Found]) -> list[Found]:
        if not self.inputs.sort_filelist:
            return list(found)
        return sorted(found, key=lambda each: (each.record.place, each.record.resource_id))

    def _check_found(
        self, found: Mapping[str, Sequence[Sequence[Found]]], archive: Interface
    ) -> None:
        if not self.inputs.raise_on_empty:
            return
        empty = []
        for name, groups in found.items():
            texts = (self._wanted() or {}).get(name, [])
            for number, group in enumerate(groups):
                if not group:
                    text = texts[number] if texts else "its record is empty"
                    reason = self._reasons.get(text)
                    empty.append(f"{name}: {text}" + (f" ({reason})" if reason else ""))
        if empty:
            where = ""
            if isdefined(self.inputs.criteria) and self.inputs.criteria:
                where = f", where {search.parse(self.inputs.criteria)}"
            raise NothingMatched(
                "no files for " + "; ".join(empty) + where,
                server=archive.server,
                advice="check names and case"
                + (" and the criteria" if where else "")
                + ", or try the path with archive.select(...); raise_on_empty=False lets the node "
                "go on without",
            )

    def _deliver(
        self, archive: Interface, found: Mapping[str, Sequence[Sequence[Found]]], run: str
    ) -> Delivered:
        every = [each for groups in found.values() for group in groups for each in group]
        records = self._records(found)
        cache = archive.cache
        # before they are looked up, so that nobody removes them in between
        cache.lease(run, [record.digest.lower() for record in records if record.digest])
        fetched = transfer.fetch(
            archive.transport,
            records,
            cache,
            connections=self.inputs.connections,
            # a record may come from another account's cohort
            listed=self._wanted() is not None,
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
        outputs.update(_identity([each.record for each in every]))
        record = self.inputs.record if isdefined(self.inputs.record) else {}
        belongs = self._outputs_by_file(found)
        return Delivered(
            archive.server,
            self._wanted() or {},
            str(record.get("name", "")),
            digest_of(record) if record else "",
            tuple(
                DeliveredFile(got.record, str(paths[asked]), tuple(belongs[asked]))
                for asked, got in zip(records, fetched, strict=True)
            ),
            {name: value for name, value in outputs.items() if isdefined(value)},
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
                if self.inputs.companions:
                    records.update(dict.fromkeys(each.companions))
        return list(records)

    def _is_folder(self, name: str) -> bool:
        if isdefined(self.inputs.record) and self.inputs.record:
            return name in self.inputs.record.get("folders", ())
        texts = (self._wanted() or {}).get(name, [])
        return any(path.level != "file" for text in texts for path in parse_template(text))

    def _shaped(self, name: str, paths: list[str]) -> Any:
        force = self.inputs.force_lists
        if force is True or (isinstance(force, list) and name in force):
            return paths
        if not paths:
            return Undefined
        return paths[0] if len(paths) == 1 else paths

    # -- results

    def _list_outputs(self) -> dict[str, Any]:
        if self._delivered is None:
            # the engine gathers outputs again without a run: no network, what was delivered then
            self._delivered = Delivered.read(LocalPath.cwd())
        outputs = self._outputs().get()
        if self._delivered is not None:
            outputs.update(self._delivered.outputs)
            outputs["manifest"] = self._delivered.manifest
        return outputs  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        state["_delivered"] = None
        return state


def _infields(infields: Sequence[str] | None, templates: Mapping[str, str] | None) -> list[str]:
    names = dict.fromkeys(infields or ())
    for template in (templates or {}).values():
        names.update(dict.fromkeys(fields_of(template)))
    refuse_secrets(names)
    return list(names)


def _outfields(outfields: Sequence[str] | None, templates: Mapping[str, str] | None) -> list[str]:
    names = list(dict.fromkeys([*(outfields or ()), *(templates or {})]))
    taken = sorted(set(names) & set(IDENTITY))
    if taken:
        raise ConfigurationError(
            f"{', '.join(taken)} cannot be an outfield: XNATSource has an output of that name"
        )
    return names


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
