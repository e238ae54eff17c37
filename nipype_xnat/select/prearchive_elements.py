"""Elements of the prearchive: sessions that wait to be archived, and what is in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn
from xml.etree import ElementTree as ET

from ..address import Address
from ..errors import BadRequest, NotFound, UsageError
from ..records import Record
from .element import Element, WithResources
from .files import File
from .grammar import Filter, Path, Pattern, Step
from .prearchive import PreArchive
from .prearchive_plan import described_scans
from .resource import Resource
from .selection import Selection

if TYPE_CHECKING:
    from .elements import Experiment

__all__ = [
    "WAITING",
    "PrearchiveAttributes",
    "PrearchiveFile",
    "PrearchiveResource",
    "PrearchiveScan",
    "PrearchiveSession",
]


class PrearchiveAttributes:
    """What the prearchive says of a session or of a scan, to read only.

    Parameters
    ----------
    read : callable
        Returns the values by name.
    """

    def __init__(self, read: Callable[[], Mapping[str, str]]) -> None:
        self._read = read

    def __call__(self) -> list[str]:
        """Return the names of what it says."""
        return list(self._read())

    def get(self, name: str) -> str:
        """Return one value.

        Raises
        ------
        BadRequest
            If there is none of that name.
        """
        return self.mget([name])[0]

    def mget(self, names: Sequence[str]) -> list[str]:
        """Return several values, in one request."""
        values = self._read()
        for name in names:
            if name not in values:
                raise BadRequest(
                    f"the prearchive says nothing of {name!r}",
                    advice=f"it knows {', '.join(values)}",
                )
        return [values[name] for name in names]


class _Waiting(Element):
    """What all elements of the prearchive have."""

    @property
    def path(self) -> Path:
        """The select path that names this element and no other."""
        stamp = self._record.prearchive.partition("/")[0]
        when = (Filter("timestamp", "=", (Pattern(stamp, literal=True),)),)
        steps = [
            Step(step.level, step.pattern, when) if step.level == "experiment" else step
            for step in super().path.steps
        ]
        return Path(tuple(steps), prearchive=True)

    def create(self, xsi_type: str | None = None, **params: Any) -> NoReturn:
        """Refuse: sessions arrive, see :meth:`PreArchive.import_zip`."""
        raise UsageError(
            "nothing is made in the prearchive: sessions arrive there",
            asked=str(self.path),
            advice="send DICOM files: manage.prearchive.import_zip(...)",
        )

    insert = create


class PrearchiveSession(_Waiting, WithResources):
    """A session that waits in the prearchive.

    What XNAT does with it may lag behind by seconds.
    """

    level = "experiment"

    def id(self) -> str:
        """Return the address by which XNAT's services name the session; nothing is asked."""
        return self._record.owner.path.removeprefix("/data")

    def label(self) -> str:
        """Return what the session will be called in the archive."""
        return self._values()["name"]

    def _name_of(self, record: Record) -> tuple[str, str]:
        return self.id(), record.field("name")

    def _triple(self) -> tuple[str, str, str]:
        stamp, _, folder = self._record.prearchive.partition("/")
        return self._record.project, stamp, folder

    def _look_up(self) -> None:
        row = PreArchive(self._archive).row(self._triple())
        self._record = self._record.with_values(fields=tuple(row.items()))

    def _values(self) -> dict[str, str]:
        if not self._record.fields:
            self._look_up()
        return dict(self._record.fields)

    def status(self) -> str:
        """Return what the session waits for now: ``READY``, ``CONFLICT``, ``RECEIVING``, ...

        Raises
        ------
        NotFound
            If it waits no longer.
        """
        self._look_up()
        return self._record.field("status")

    def subject(self) -> str:
        """Return the label of the subject that the session will be of."""
        return self._values()["subject"]

    @property
    def attrs(self) -> PrearchiveAttributes:  # type: ignore[override]
        """The session's columns: ``status``, ``subject``, ``timestamp``, ``scan_date``, ..."""
        return PrearchiveAttributes(self._values)

    def details(self) -> dict[str, str]:
        """Return the session's columns by name."""
        return self._values()

    def datatype(self) -> str:
        """Return the name of the session's document, e.g. ``xnat:MRSession``."""
        root = ET.fromstring(self.get())  # noqa: S314 - expat limits expansion
        return "xnat:" + root.tag.rpartition("}")[2]

    def scans(self, id_filter: str = "*") -> Selection[PrearchiveScan]:
        """Return the session's scans; wildcards match their IDs."""
        return self._select("scan", id_filter)

    def scan(self, name: str) -> PrearchiveScan:
        """Return one scan, by its ID; nothing is asked."""
        return self._element("scan", scan_id=name, scan_type="")  # type: ignore[no-any-return]

    def files(self, id_filter: str = "*") -> Selection[PrearchiveFile]:
        """Return the files of all scans and resources; wildcards match names."""
        scans = self.path.down("scan").down("resource").down("file", id_filter)
        others = self.path.down("resource").down("file", id_filter)
        return Selection(self._archive, [scans, others])

    # -- what becomes of it

    def to_archive(self, overwrite: str = "", project: str = "") -> Experiment | None:
        """Archive the session; see :meth:`PreArchive.archive`.

        Returns
        -------
        Experiment or None
            The session in the archive, None where XNAT does it later.
        """
        found = PreArchive(self._archive).archive(self.id(), overwrite=overwrite, project=project)
        if not found:
            return None
        parts = Address.parse(found[0]).segments
        names = dict(zip(parts[2::2], parts[3::2], strict=False))
        record = Record(
            project=names.get("projects", ""),
            subject_label=names.get("subjects", ""),
            experiment_label=names.get("experiments", ""),
        )
        return self._made("experiment", record)  # type: ignore[no-any-return]

    def move(self, new_project: str) -> PrearchiveSession:
        """Move the session to another project of the prearchive, and return it there."""
        PreArchive(self._archive).move(self.id(), new_project)
        record = self._record.with_values(project=new_project, fields=())
        return self._made("experiment", record)  # type: ignore[no-any-return]

    def delete(self, delete_files: bool = True) -> None:
        """Remove the session with its files."""
        PreArchive(self._archive).delete(self.id())

    def rebuild(self) -> None:
        """Let XNAT read the files of the session again."""
        PreArchive(self._archive).rebuild(self.id())
        self._record = self._record.with_values(fields=())


class PrearchiveScan(_Waiting, WithResources):
    """A scan of a session that waits."""

    level = "scan"

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.scan_id, record.scan_id

    def _look_up(self) -> None:
        session = self._record.with_values(scan_id="", fields=())
        for record in described_scans(self._archive.transport, session):
            if record.scan_id == self._record.scan_id:
                self._record = record
                return
        raise NotFound(
            f"there is no scan {self._record.scan_id!r}",
            server=self._archive.transport.server,
            asked=str(self.path),
        )

    def _values(self) -> dict[str, str]:
        if "type" not in self._record.column_names:
            self._look_up()
        return dict(self._record.fields)

    @property
    def attrs(self) -> PrearchiveAttributes:  # type: ignore[override]
        """The scan's fields: ``type``, ``series_description``, ``frames``, ..."""
        return PrearchiveAttributes(self._values)

    def details(self) -> dict[str, str]:
        """Return the scan's plain fields by name."""
        return self._values()

    def datatype(self) -> str:
        """Return the scan's data type, e.g. ``xnat:mrScanData``."""
        return self._values()["xsiType"]


class PrearchiveResource(_Waiting, Resource):
    """A resource of a session that waits, or of one of its scans."""

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.resource_label, record.resource_label

    def _prepare(self, params: Mapping[str, Any]) -> None:
        self.create()


class PrearchiveFile(_Waiting, File):  # type: ignore[misc]
    """A file of a session that waits."""


WAITING: dict[str, type[Element]] = {
    "experiment": PrearchiveSession,
    "scan": PrearchiveScan,
    "resource": PrearchiveResource,
    "file": PrearchiveFile,
}
"""The classes by their level."""
