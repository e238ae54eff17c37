"""XNATSource: from path templates and search criteria to local files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path as LocalPath
from typing import TYPE_CHECKING, Any

from nipype.interfaces.base import (
    DynamicTraitedSpec,
    LibraryBaseInterface,
    Str,
    Undefined,
    isdefined,
    traits,
)
from nipype.interfaces.io import IOBase, add_traits

from ..errors import ConfigurationError, SelectSyntaxError
from .connection import CriteriaInputSpec, connect, refuse_secrets
from .templates import fields_of, fill_named, fill_positional

if TYPE_CHECKING:
    from ..client import Interface
    from .delivered import Delivered
    from .sourcing import LookedUp, Sourcing

__all__ = ["XNATSource"]

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
        return self._sourcing().look_up(archive)

    def _run_interface(self, runtime: Any) -> Any:
        work = self._sourcing()  # what cannot be asked is told before any request
        self._delivered = work.deliver(connect(self.inputs), runtime.cwd)
        self._delivered.write(LocalPath(runtime.cwd))
        return runtime

    def _sourcing(self) -> Sourcing:
        # with the core behind it, which a process needs that runs a source, and no other
        from .sourcing import Sourcing

        if isdefined(self.inputs.record) and self.inputs.record:
            self._check_record()
            return Sourcing(self.inputs, self._names_of_outputs(), None)
        return Sourcing(self.inputs, self._names_of_outputs(), self._paths())

    def _check_record(self) -> None:
        """Check that the record has what outfields name."""
        lacking = set(self._out) - set(self.inputs.record.get("files", {}))
        if lacking:
            raise ConfigurationError(
                f"the record has no {', '.join(sorted(lacking))}, which outfields name",
                asked=f"record {self.inputs.record.get('name', '')!r}",
                advice="give the cohort a template of that name",
            )

    def _paths(self) -> dict[str, list[str]]:
        """Return the select paths for each outfield."""
        values = self._infield_values()
        paths: dict[str, list[str]] = {}
        for name in self._names_of_outputs():
            if isdefined(self.inputs.templates) and name in self.inputs.templates:
                paths[name] = list(fill_named(self.inputs.templates[name], values))
                continue
            template = self._template_of(name)
            rows = self.inputs.query_template_args.get(name) or [[]]
            paths[name] = [text for row in rows for text in fill_positional(template, row, values)]
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

    # -- results

    def _list_outputs(self) -> dict[str, Any]:
        if self._delivered is None:
            # the engine gathers outputs again without a run: no network, what was delivered then
            from .delivered import Delivered

            self._delivered = Delivered.read(LocalPath.cwd())
        outputs = dict.fromkeys([*self._names_of_outputs(), *IDENTITY], Undefined)
        if self._delivered is not None:
            outputs.update(self._delivered.outputs)
            outputs["manifest"] = self._delivered.manifest
        return outputs

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
