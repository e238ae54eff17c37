"""Who is in the demo archive, as plain data.

:func:`demo_cohort` is the whole cohort; :func:`contents` makes the bytes of one resource. Writing
it into an archive is the business of :mod:`nipype_xnat.demo.seed`.

Whoever asks for ``AGE > 80`` meets most of what makes real archives hard: see ``TRAPS``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from nipype_xnat.demo.heads import Contrast

PROJECT = "DEMO"
GUEST_PROJECT = "DEMO_GUESTS"
#: Session resource with the true brain mask.
TRUTH = "TRUTH"

#: What each subject is there for, beside being a subject.
TRAPS = {
    "DEMO002": "over 80, no T1w: to be reported by name",
    "DEMO003": "over 80, a slash and a comma in the type of the wanted scan",
    "DEMO004": "over 80, a blank in the label of the wanted resource",
    "DEMO005": "over 80, a file name with letters beyond ASCII",
    "DEMO006": "over 80, an image as a pair of .img and .hdr",
    "DEMO007": "two sessions, one before and one after 80",
    "DEMO008": "over 80, another scan whose type holds the wanted one as a part",
    "DEMO009": "80 on the day of the session: not over 80",
    "DEMO016": "over 80, shared in from another project under another label",
}


@dataclass(frozen=True)
class File:
    """One file: its name, what it shows, and whether it is the whole image or half of a pair."""

    name: str
    contrast: Contrast
    part: Literal["whole", "img", "hdr"] = "whole"
    resolution: float = 2.0


@dataclass(frozen=True)
class Resource:
    """A labelled set of files; ``zipped`` where their names must not stand in a URL."""

    label: str
    files: tuple[File, ...]
    zipped: bool = False


@dataclass(frozen=True)
class Scan:
    """One scan of a session."""

    id: str
    type: str
    resources: tuple[Resource, ...]


@dataclass(frozen=True)
class Session:
    """One MR session: its scans and the resources of the session itself."""

    label: str
    date: date
    scans: tuple[Scan, ...]
    resources: tuple[Resource, ...] = ()


@dataclass(frozen=True)
class Subject:
    """One subject with all sessions."""

    label: str
    sex: Literal["M", "F"]
    born: date
    sessions: tuple[Session, ...]


@dataclass(frozen=True)
class Share:
    """A session, with its subject, that another project sees under labels of its own."""

    session: str
    project: str
    subject_label: str
    session_label: str


@dataclass(frozen=True)
class Project:
    """A project: what it owns, and what of it is shared elsewhere."""

    id: str
    title: str
    subjects: tuple[Subject, ...]
    shares: tuple[Share, ...] = ()


@dataclass(frozen=True)
class Cohort:
    """Everything that belongs into the archive."""

    projects: tuple[Project, ...]
    seed: int = 2012

    def sessions(self) -> Iterator[tuple[Project, Subject, Session]]:
        """Each session with what it belongs to, in the order of the cohort."""
        for project in self.projects:
            for subject in project.subjects:
                for session in subject.sessions:
                    yield project, subject, session


def age(born: date, on: date) -> int:
    """Completed years."""
    return on.year - born.year - ((on.month, on.day) < (born.month, born.day))


def contents(
    cohort: Cohort, subject: Subject, session: Session, resource: Resource
) -> dict[str, bytes]:
    """Make the files of one resource: name to bytes, the same at each call."""
    from nipype_xnat.demo import heads

    person = heads.Person(
        subject=subject.label,
        session=session.label,
        sex=subject.sex,
        age=(session.date - subject.born).days / 365.25,
    )
    made: dict[str, bytes] = {}
    pairs: dict[tuple[Contrast, float], tuple[bytes, bytes]] = {}
    for file in resource.files:
        key = file.contrast, file.resolution
        if file.part == "whole":
            picture = heads.image(person, key[0], resolution=key[1], seed=cohort.seed)
            made[file.name] = heads.nifti_gz(picture)
            continue
        if key not in pairs:
            picture = heads.image(person, key[0], resolution=key[1], seed=cohort.seed)
            pairs[key] = heads.nifti_pair(picture)
        made[file.name] = pairs[key][file.part == "hdr"]
    return made


def demo_cohort(*, resolution: float = 2.0, seed: int = 2012) -> Cohort:
    """Describe the demo's cohort.

    Parameters
    ----------
    resolution : float, default 2.0
        Size of the voxels in mm; the scans beside the wanted one are twice as coarse.
    seed : int
        Another number gives other heads to the same people.
    """

    def whole(name: str, contrast: Contrast, size: float = resolution) -> tuple[File, ...]:
        return (File(name, contrast, resolution=size),)

    def t1w(label: str) -> Scan:
        return Scan("1", "T1w", (Resource("NIFTI", whole(f"{label}_T1w.nii.gz", "T1w")),))

    def other(label: str, kind: str = "T2w") -> Scan:
        files = whole(f"{label}_T2w.nii.gz", "T2w", 2 * resolution)
        return Scan("2", kind, (Resource("NIFTI", files),))

    def session(label: str, on: str, *scans: Scan) -> Session:
        truth = Resource(TRUTH, whole("brain_mask.nii.gz", "brain"))
        return Session(label, date.fromisoformat(on), scans or (t1w(label), other(label)), (truth,))

    def subject(number: int, sex: Literal["M", "F"], born: str, *sessions: Session) -> Subject:
        return Subject(f"DEMO{number:03d}", sex, date.fromisoformat(born), sessions)

    def first(number: int) -> str:
        return f"DEMO{number:03d}_MR1"

    three, four, five, six, eight = (t1w(first(number)) for number in (3, 4, 5, 6, 8))
    three = replace(three, type="T1w/MPRAGE, sag")
    four = replace(four, resources=(replace(four.resources[0], label="NIFTI data"),))
    five = replace(
        five, resources=(Resource("NIFTI", whole("tête_Größe_T1w.nii.gz", "T1w"), zipped=True),)
    )
    halves = (
        File(f"{first(6)}_T1w.img", "T1w", "img", resolution),
        File(f"{first(6)}_T1w.hdr", "T1w", "hdr", resolution),
    )
    six = replace(six, resources=(Resource("NIFTI", halves),))

    people = (
        subject(1, "F", "1938-03-11", session(first(1), "2024-02-06")),
        subject(2, "M", "1936-07-29", session(first(2), "2024-02-13", other(first(2)))),
        subject(3, "F", "1940-11-02", session(first(3), "2024-02-20", three, other(first(3)))),
        subject(4, "M", "1939-01-17", session(first(4), "2024-03-05", four, other(first(4)))),
        subject(5, "F", "1934-05-23", session(first(5), "2024-03-12", five, other(first(5)))),
        subject(6, "M", "1941-09-08", session(first(6), "2024-03-19", six, other(first(6)))),
        subject(
            7,
            "F",
            "1941-06-14",
            session(first(7), "2021-04-20"),
            session("DEMO007_MR2", "2024-04-16"),
        ),
        subject(
            8,
            "M",
            "1931-12-30",
            session(first(8), "2024-04-23", eight, other(first(8), "localizer for T1w")),
        ),
        subject(9, "F", "1944-05-07", session(first(9), "2024-05-07")),
        subject(10, "M", "1956-10-03", session(first(10), "2024-05-14")),
        subject(11, "F", "1951-08-19", session(first(11), "2024-05-21")),
        subject(12, "M", "1978-02-25", session(first(12), "2024-06-04")),
        subject(13, "F", "1945-01-09", session(first(13), "2024-06-11")),
        subject(14, "M", "1960-04-28", session(first(14), "2024-06-18")),
        subject(15, "F", "1999-07-06", session(first(15), "2024-06-25")),
    )
    guest = Subject("GUEST01", "M", date(1937, 10, 21), (session("GUEST01_A", "2024-05-28"),))
    share = Share("GUEST01_A", PROJECT, "DEMO016", "DEMO016_MR1")
    return Cohort(
        (
            Project(PROJECT, "Made from one real head", people),
            Project(GUEST_PROJECT, "Shares a session with the demo", (guest,), (share,)),
        ),
        seed,
    )
