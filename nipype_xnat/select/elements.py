"""Elements: one project, subject, ... file of an archive, and what can be done with it.

Making one sends nothing. An element that came out of a listing knows its id and label already;
others ask once, and remember. The classes are written out, level by level, so that a reader, an
editor and a search find each method by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import UsageError
from ..levels import LEVELS
from ..records import Record
from ..tables import rows
from ..transport import Request
from .element import Archive, Element, WithResources
from .files import File
from .identity import label_in
from .pipelines import Pipelines
from .prearchive_elements import WAITING
from .project_settings import ProjectSettings
from .provenance import Provenance
from .resource import InResource, OutResource, Resource
from .selection import Selection
from .sharing import Shareable
from .variables import WithDefinitions, WithParameters, WithVariables

__all__ = [
    "Archive",
    "Assessor",
    "Element",
    "Experiment",
    "File",
    "InResource",
    "OutResource",
    "Project",
    "Reconstruction",
    "Resource",
    "Scan",
    "Subject",
    "element_of",
]


class Project(ProjectSettings, WithDefinitions, WithResources):
    """A project."""

    level = "project"

    def subjects(self, id_filter: str = "*") -> Selection[Subject]:
        """Return the project's subjects; wildcards match ids and labels."""
        return self._select("subject", id_filter)

    def subject(self, name: str | int) -> Subject:
        """Return one subject, by its label or id; nothing is asked."""
        return self._element("subject", subject_label=name)  # type: ignore[no-any-return]

    def experiments(self, id_filter: str = "*") -> Selection[Experiment]:
        """Return the experiments of all subjects of the project."""
        return self._select("experiment", id_filter)

    def experiment(self, name: str | int) -> Experiment:
        """Return one experiment, by its label or id; nothing is asked."""
        return self._element("experiment", experiment_label=name)  # type: ignore[no-any-return]

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.project, record.project

    def _values_of(self, item: Mapping[str, Any]) -> dict[str, str]:
        return {"project": str(item["data_fields"].get("ID", self._record.project))}

    def datatype(self) -> str:
        """Return the data type of projects."""
        return LEVELS["project"].xsi_type

    @property
    def pipelines(self) -> Pipelines:
        """What XNAT's pipeline engine may run on the project's experiments."""
        return Pipelines(self)

    def last_modified(self) -> dict[str, str]:
        """Return when each subject, or anything of it, was changed last, by the subjects' ids."""
        address = (self.address / "subjects").ask(format="csv", columns="ID,last_modified")
        answer = self._archive.transport.send(Request("GET", address, expect="csv"))
        return {row["ID"]: row.get("last_modified", "") for row in rows(answer)}


class Subject(Shareable, WithVariables, WithResources):
    """A subject, within a project."""

    level = "subject"

    def experiments(self, id_filter: str = "*") -> Selection[Experiment]:
        """Return the subject's experiments; wildcards match ids and labels."""
        return self._select("experiment", id_filter)

    def experiment(self, name: str | int) -> Experiment:
        """Return one experiment, by its label or id; nothing is asked."""
        return self._element("experiment", experiment_label=name)  # type: ignore[no-any-return]

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.subject_id, record.subject_label

    def _values_of(self, item: Mapping[str, Any]) -> dict[str, str]:
        return {
            "subject_id": str(item["data_fields"]["ID"]),
            "subject_label": label_in(item, self._record.project),
        }

    def datatype(self) -> str:
        """Return the data type of subjects."""
        return LEVELS["subject"].xsi_type

    def last_modified(self) -> str:
        """Return when the subject was changed last."""
        return self.attrs.get("last_modified")


class Experiment(Shareable, WithVariables, WithResources):
    """An experiment of a subject: an imaging session, or any other subject assessor."""

    level = "experiment"

    def scans(self, id_filter: str = "*") -> Selection[Scan]:
        """Return the session's scans; wildcards match their IDs."""
        return self._select("scan", id_filter)

    def scan(self, name: str | int) -> Scan:
        """Return one scan, by its ID; nothing is asked."""
        return self._element("scan", scan_id=name, scan_type="")  # type: ignore[no-any-return]

    def assessors(self, id_filter: str = "*") -> Selection[Assessor]:
        """Return the session's assessors; wildcards match ids and labels."""
        return self._select("assessor", id_filter)

    def assessor(self, name: str) -> Assessor:
        """Return one assessor, by its label or id; nothing is asked."""
        return self._element("assessor", assessor_label=name)  # type: ignore[no-any-return]

    def reconstructions(self, id_filter: str = "*") -> Selection[Reconstruction]:
        """Return the session's reconstructions; wildcards match their IDs."""
        return self._select("reconstruction", id_filter)

    def reconstruction(self, name: str) -> Reconstruction:
        """Return one reconstruction, by its ID; nothing is asked."""
        return self._element("reconstruction", reconstruction_id=name)  # type: ignore[no-any-return]

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.experiment_id, record.experiment_label

    def _values_of(self, item: Mapping[str, Any]) -> dict[str, str]:
        fields = item["data_fields"]
        return {
            "experiment_id": str(fields["ID"]),
            "experiment_label": label_in(item, self._record.project),
            "project": self._record.project or str(fields.get("project", "")),
            "subject_id": self._record.subject_id or str(fields.get("subject_ID", "")),
            "xsi_type": str(item["meta"].get("xsi:type", "")),
            "date": str(fields.get("date", "")),
        }

    def create(self, xsi_type: str | None = None, **params: Any) -> Element:
        """Make the experiment; see :meth:`Element.create`. A missing subject is made too."""
        if not (self._record.subject_id or self._record.subject_label):
            raise UsageError(
                "an experiment is made for a subject, and this one names none",
                asked=str(self.path),
                advice="select.project('P').subject('S').experiment('E').create(...)",
            )
        return super().create(xsi_type, **params)

    insert = create

    def last_modified(self) -> str:
        """Return when the experiment was changed last."""
        return self.attrs.get("last_modified")

    # -- what the archive does with it

    def trigger(
        self, pipelines: bool = True, fix_types: bool = True, scan_headers: bool = True
    ) -> None:
        """Let the archive work on the session, in one request.

        Parameters
        ----------
        pipelines : bool
            Start the pipelines that run on arrival.
        fix_types : bool
            Fill in missing scan types, from how similar scans are called.
        scan_headers : bool
            Read the fields of the session again from its DICOM files.
        """
        flags = {
            "triggerPipelines": pipelines,
            "fixScanTypes": fix_types,
            "pullDataFromHeaders": scan_headers,
        }
        wanted = {name: True for name, on in flags.items() if on}
        if wanted:
            address = self._address_now().ask(wanted).ask(self._event())
            self._archive.transport.send(Request("PUT", address)).close()

    def trigger_pipelines(self) -> None:
        """Start the pipelines that run on arrival."""
        self.trigger(fix_types=False, scan_headers=False)

    def fix_scan_types(self) -> None:
        """Fill in missing scan types, from how similar scans are called."""
        self.trigger(pipelines=False, scan_headers=False)

    def pull_data_from_headers(self) -> None:
        """Read the fields of the session again from its DICOM files."""
        self.trigger(pipelines=False, fix_types=False)


class Scan(WithParameters, WithResources):
    """A scan of an imaging session."""

    level = "scan"

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.scan_id, record.scan_id

    def _record_after_look_up(self) -> Record:
        self._look_up()
        return self._record

    def datatype(self) -> str:
        """Return the scan's data type, e.g. ``xnat:mrScanData``."""
        return str(self._item()["meta"].get("xsi:type", ""))

    def _values_of(self, item: Mapping[str, Any]) -> dict[str, str]:
        return {"scan_type": str(item["data_fields"].get("type", ""))}


class WithInAndOut(Element):
    """An element that a processing made: it has inputs, outputs and provenance."""

    @property
    def provenance(self) -> Provenance:
        """How the element's data were made."""
        account = self._archive.transport.account
        return Provenance(self.xml, self._store_document, account)

    def in_resources(self, id_filter: str = "*") -> Selection[InResource]:
        """Return the resources that went in; wildcards match labels."""
        return self._select("in_resource", id_filter)

    def in_resource(self, label: str) -> InResource:
        """Return one input resource, by its label or its number; nothing is asked."""
        return self._element("in_resource", resource_label=label, resource_id="", direction="in")  # type: ignore[no-any-return]

    def out_resources(self, id_filter: str = "*") -> Selection[OutResource]:
        """Return the resources that came out; wildcards match labels."""
        return self._select("out_resource", id_filter)

    def out_resource(self, label: str) -> OutResource:
        """Return one output resource, by its label or its number; nothing is asked."""
        return self._element("out_resource", resource_label=label, resource_id="", direction="out")  # type: ignore[no-any-return]


class Assessor(WithInAndOut, Shareable, WithParameters, WithVariables, WithResources):
    """An assessor of an imaging session."""

    level = "assessor"

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.assessor_id, record.assessor_label

    def datatype(self) -> str:
        """Return the assessor's data type, e.g. ``xnat:qcManualAssessorData``."""
        return str(self._item()["meta"].get("xsi:type", ""))

    def _values_of(self, item: Mapping[str, Any]) -> dict[str, str]:
        return {
            "assessor_id": str(item["data_fields"]["ID"]),
            "assessor_label": label_in(item, self._record.project),
        }


class Reconstruction(WithInAndOut):
    """A reconstruction of an imaging session."""

    level = "reconstruction"

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.reconstruction_id, record.reconstruction_id

    def datatype(self) -> str:
        """Return the data type of reconstructions."""
        return LEVELS["reconstruction"].xsi_type

    def _values_of(self, item: Mapping[str, Any]) -> dict[str, str]:
        return {}


_CLASSES: dict[str, type[Element]] = {
    kind.level: kind
    for kind in (
        Project,
        Subject,
        Experiment,
        Scan,
        Assessor,
        Reconstruction,
        Resource,
        InResource,
        OutResource,
        File,
    )
}


def element_of(archive: Archive, level: str, record: Record) -> Element:
    """Make the element of a level that a record describes."""
    return (WAITING if record.prearchive else _CLASSES)[level](archive, record)
