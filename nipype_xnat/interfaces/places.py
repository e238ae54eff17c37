"""Where a sink stores: finding, making and sharing the element that holds a resource."""

from __future__ import annotations

from dataclasses import dataclass

from ..address import Address
from ..client import Interface
from ..errors import NotFound
from ..records import Record
from ..select.elements import Element, Experiment, Project, Subject
from ..tables import rows
from ..transport import Request

__all__ = ["Place", "container"]


@dataclass(frozen=True)
class Place:
    """The element to store at, as a sink's inputs name it."""

    project: str
    subject: str
    experiment: str
    scan: str = ""
    assessor: str = ""
    reconstruction: str = ""
    experiment_type: str = "xnat:mrSessionData"
    assessor_type: str = "xnat:qcAssessmentData"


def container(archive: Interface, place: Place, *, share: bool, create: bool) -> Record:
    """Return the record of the element, made where it was missing.

    Parameters
    ----------
    archive : Interface
    place : Place
    share : bool
        Share a subject of another project into this one rather than make a new one, and the
        experiment back into that project.
    create : bool
        Whether missing elements are made.

    Raises
    ------
    NotFound
        If something is missing and must not be made.
    """
    home = _share_subject(archive, place) if share else ""
    experiment = _experiment(archive, place, create)
    if home and home not in experiment.shares().get():
        experiment.share(home)
    record = experiment.record.with_values(fields=())
    element: Element | None = None
    if place.assessor:
        element = experiment.assessor(place.assessor)
        record = record.with_values(assessor_label=place.assessor, direction="out")
    elif place.reconstruction:
        element = experiment.reconstruction(place.reconstruction)
        record = record.with_values(reconstruction_id=place.reconstruction, direction="out")
    elif place.scan:
        element = experiment.scan(place.scan)
        record = record.with_values(scan_id=place.scan)
    if element is not None and not element.exists():
        if not create or place.scan:
            raise NotFound(
                f"there is no {element.level} to store at",
                server=archive.server,
                asked=str(element.path),
                advice="scans are made by who acquires them; for results use an assessor, a "
                "reconstruction or the session itself",
            )
        element.create(place.assessor_type if place.assessor else None)
    if place.assessor and element is not None:
        record = record.with_values(assessor_id=element.id())
    return record


def _experiment(archive: Interface, place: Place, create: bool) -> Experiment:
    project = archive.select.project(place.project)
    # an id or a label: below the project both are found, shared experiments too
    subject = project.subject(place.subject)
    experiment = subject.experiment(place.experiment)
    if experiment.exists():
        # XNAT finds an experiment of the project below any of its subjects
        owner = experiment.record.subject_id
        if place.subject != owner and (not subject.exists() or subject.id() != owner):
            raise NotFound(
                f"the experiment {place.experiment!r} belongs to another subject than "
                f"{place.subject!r}",
                server=archive.server,
                asked=str(experiment.path),
                advice="take subject_id and experiment_id from the same XNATSource",
            )
        return experiment
    if not create:
        raise NotFound(
            "there is no such experiment", server=archive.server, asked=str(experiment.path)
        )
    if not project.exists():
        raise NotFound(
            f"there is no project {place.project!r}, or this account may not see it",
            server=archive.server,
            advice="an owner or an administrator makes projects",
        )
    experiment.create(place.experiment_type)
    return experiment


def _share_subject(archive: Interface, place: Place) -> str:
    """Share a subject into the place's project; return the project that it belongs to.

    Empty where the subject is not known anywhere, or belongs to this project.
    """
    subject = archive.select.project(place.project).subject(place.subject)
    if subject.exists():
        owner = str(subject.shares().get()[0])
        return "" if owner == place.project else owner
    found = None
    for column in ("ID", "label"):
        address = Address.of("data", "subjects").ask(
            {"format": "json", "columns": "ID,label,project", column: place.subject}
        )
        answer = archive.transport.send(Request("GET", address, expect="json"))
        found = next((row for row in rows(answer) if row.get(column) == place.subject), None)
        if found:
            break
    if not found:
        return ""
    project = Project(archive, Record(project=place.project))
    if not project.exists():
        project.create()
    home = str(found["project"])
    known = Record(project=home, subject_id=found["ID"], subject_label=found["label"])
    Subject(archive, known).share(place.project)
    return home
