"""XNATQuery: resolve a cohort once, and hand each element a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nipype.interfaces.base import (
    LibraryBaseInterface,
    SimpleInterface,
    Str,
    TraitedSpec,
    isdefined,
    traits,
)

from ..errors import NothingMatched
from .connection import CriteriaInputSpec, connect, refuse_secrets

if TYPE_CHECKING:
    from ..client import Interface
    from ..cohort import Cohort

__all__ = ["XNATQuery", "outputs_of"]


class XNATQueryInputSpec(CriteriaInputSpec):
    """Inputs of XNATQuery."""

    templates = traits.Dict(
        Str,
        Str,
        mandatory=True,
        hash_files=False,
        desc="for each output of the sources to come, a select path down to files or to a resource",
    )
    raise_on_empty = traits.Bool(
        True, usedefault=True, desc="an empty cohort is an error (incomplete sessions are not)"
    )


class XNATQueryOutputSpec(TraitedSpec):  # type: ignore[misc]
    """Outputs of XNATQuery."""

    records = traits.List(
        traits.Dict(), desc="one for each complete session, for the record input of XNATSource"
    )
    names = traits.List(Str(), desc="what each session is called in the cohort")
    project_ids = traits.List(Str(), desc="project in which each session was found")
    subject_ids = traits.List(Str(), desc="id of each session's subject")
    subject_labels = traits.List(Str(), desc="label of each session's subject")
    experiment_ids = traits.List(Str(), desc="id of each session")
    experiment_labels = traits.List(Str(), desc="label of each session")
    missing = traits.List(Str(), desc="what the other selected sessions lack, in words")


class XNATQuery(LibraryBaseInterface, SimpleInterface):  # type: ignore[misc]
    """Ask an archive once for a cohort, however many nodes will work on it.

    Examples
    --------
    >>> from nipype_xnat import XNATQuery
    >>> query = XNATQuery(criteria="xnat:mrSessionData/AGE > 80", templates={
    ...     "t1": "/projects/OASIS/experiments/*/scans/*[type=T1w]/resources/NIFTI/files/*.nii.gz"})
    >>> records = query.run().outputs.records  # doctest: +SKIP

    Notes
    -----
    A MapNode over ``records`` names its elements by their position, so one subject more recomputes
    all after it; :func:`nipype_xnat.interfaces.cohort_workflow` names them by what they are.
    """

    input_spec = XNATQueryInputSpec
    output_spec = XNATQueryOutputSpec
    _pkg = "nipype_xnat"
    _always_run = True

    def __init__(self, **inputs: Any) -> None:
        refuse_secrets(inputs)
        super().__init__(**inputs)

    def resolve(self, archive: Interface) -> Cohort:
        """Resolve the cohort that the inputs ask for.

        Parameters
        ----------
        archive : Interface
            The archive to ask.

        Raises
        ------
        NothingMatched
            As a run would.
        """
        criteria = self._checked()
        cohort = archive.cohort(self.inputs.templates, criteria, level=self.inputs.criteria_level)
        if self.inputs.raise_on_empty and not cohort:
            raise NothingMatched(
                "no session has all that was asked for"
                + "".join(f"\n  {entry}" for entry in cohort.missing[:20]),
                server=archive.server,
                asked=_in_words(self.inputs.templates, criteria),
                advice="check the template's names and case, and the criteria",
            )
        return cohort

    def _checked(self) -> Any:
        """Return the criteria; what cannot be asked is told before any request."""
        from .. import search
        from ..cohort import parse_template

        for template in self.inputs.templates.values():
            parse_template(template)
        criteria = self.inputs.criteria if isdefined(self.inputs.criteria) else None
        if criteria is not None:
            search.parse(criteria)
        return criteria

    def _run_interface(self, runtime: Any) -> Any:
        self._checked()
        self._results.update(outputs_of(self.resolve(connect(self.inputs))))
        return runtime


def outputs_of(cohort: Cohort) -> dict[str, Any]:
    """Return a cohort as the outputs of XNATQuery."""

    def column(key: str) -> list[str]:
        return [str(record.get(key, "")) for record in cohort]

    return {
        "records": list(cohort),
        "names": column("name"),
        "project_ids": column("project"),
        "subject_ids": column("subject_id"),
        "subject_labels": column("subject_label"),
        "experiment_ids": column("experiment_id"),
        "experiment_labels": column("experiment_label"),
        "missing": [str(entry) for entry in cohort.missing],
    }


def _in_words(templates: Mapping[str, str], criteria: Any) -> str:
    text = "; ".join(f"{name}: {template}" for name, template in templates.items())
    return f"{text} where {criteria}" if criteria is not None else text
