"""Elements: one project, subject, ... file of an archive, and what can be done with it.

Making one sends nothing. An element that came out of a listing knows its id and label already;
others ask once, and remember. The classes are written out, level by level, so that a reader, an
editor and a search find each method by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path as LocalPath
from typing import Any, ClassVar, Protocol
from xml.sax.saxutils import escape, quoteattr

from .. import transfer
from ..address import Address, is_plain_label
from ..cache import Cache
from ..errors import NotFound, UsageError
from ..levels import LEVELS
from ..records import Record
from ..tables import rows
from ..transport import Body, Request, Transport
from .attributes import Attributes
from .grammar import Path, Pattern, Step
from .listings import Listings
from .selection import Selection

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


class Archive(Protocol):
    """What elements need of the connection that made them."""

    @property
    def transport(self) -> Transport:
        """The seam to the archive."""

    @property
    def cache(self) -> Cache:
        """Where files are kept."""

    @property
    def event_reason(self) -> str:
        """Why things are changed, for sites that want to know; may be empty."""


class Element:
    """One element of an archive.

    Parameters
    ----------
    archive : Archive
        The connection (an :class:`nipype_xnat.Interface`).
    record : Record
        What is known of it.
    """

    level: ClassVar[str] = ""

    def __init__(self, archive: Archive, record: Record) -> None:
        self._archive = archive
        self._record = record

    # -- what it is

    @property
    def record(self) -> Record:
        """What is known of the element, as plain values."""
        return self._record

    @property
    def address(self) -> Address:
        """REST address of the element."""
        return self._record.owner

    @property
    def attrs(self) -> Attributes:
        """The element's fields, to read and to write."""
        return Attributes(
            self._archive.transport, self.level, self._identified, self._event(), self._address_now
        )

    def id(self) -> str:
        """Return the archive's own id of the element.

        Raises
        ------
        NotFound
            If there is no such element.
        """
        return self._name_of(self._identified())[0]

    def label(self) -> str:
        """Return what people call the element, within its project."""
        return self._name_of(self._identified())[1]

    def exists(self) -> bool:
        """Tell whether the archive holds the element and this account may see it.

        Raises
        ------
        AnswerError, CannotReachServer
            If the archive does not say: only "there is none" is False.
        """
        try:
            self._look_up()
        except NotFound:
            return False
        return True

    def datatype(self) -> str:
        """Return the element's data type, e.g. ``xnat:mrSessionData``."""
        return self._record_after_look_up().xsi_type or LEVELS[self.level].xsi_type

    def parent(self) -> Element | None:
        """Return the element above, None for a project."""
        steps = self.path.steps[:-1]
        if not steps:
            return None
        level = steps[-1].level
        return element_of(self._archive, level, _record_of(self._record, level))

    def children(self) -> list[str]:
        """Return the names of the levels below."""
        return [LEVELS[name].plural for name in LEVELS[self.level].children]

    def xml(self) -> str:
        """Return the archive's XML document of the element."""
        request = Request("GET", self._address_now().ask(format="xml"), expect="xml")
        return self._archive.transport.send(request).text()

    @property
    def path(self) -> Path:
        """The select path that names this element and no other."""
        record = self._record
        steps: list[Step] = []
        for level in _chain(self.level, record):
            name = _name_for_path(level, record)
            steps.append(Step(level, Pattern(name, literal=True)))
        return Path(tuple(steps))

    # -- making and removing

    def create(self, xsi_type: str | None = None, **params: Any) -> Element:
        """Make the element, and each one above it that does not exist yet.

        Parameters
        ----------
        xsi_type : str, optional
            Data type; by default the level's usual one (``xnat:mrSessionData``, ...).
        **params
            Fields of the element, by XNAT's short names or xpaths (``date="2024-05-07"``);
            ``projects=``, ``subjects=``, ``experiments=``, ``scans=``, ``assessors=``,
            ``reconstructions=`` give the data type of that level, where it has to be made;
            ``use_label=True`` makes the label the id too.

        Returns
        -------
        Element
            This element.

        Raises
        ------
        Conflict, NotAllowed, BadRequest
        """
        types = {LEVELS[name].plural: params.pop(LEVELS[name].plural, None) for name in LEVELS}
        use_label = bool(params.pop("use_label", False))
        if xsi_type is not None:
            types[LEVELS[self.level].plural] = xsi_type
        above = self.parent()
        if above is not None and not above.exists():
            above.create(**{name: value for name, value in types.items() if value})
        return self._create_here(types[LEVELS[self.level].plural], use_label, params)

    insert = create

    def _create_here(
        self, xsi_type: str | None, use_label: bool, fields: Mapping[str, Any]
    ) -> Element:
        datatype = xsi_type or LEVELS[self.level].xsi_type
        query: dict[str, Any] = {} if self.level == "project" else {"xsiType": datatype}
        if use_label and self.level in ("subject", "experiment", "assessor"):
            query[f"{datatype}/ID"] = self._name_of(self._record)[1]
        query.update(fields)
        address = self._typed_address().ask(query).ask(self._event())
        answer = self._archive.transport.send(Request("PUT", address))
        said = answer.text().strip()
        if self.level in ("subject", "experiment", "assessor") and said:
            self._record = self._record.with_values(
                **{f"{self.level}_id": said.rpartition("/")[2], "fields": ()}
            )
        return self

    def delete(self, delete_files: bool = True) -> None:
        """Remove the element and all below it.

        Parameters
        ----------
        delete_files : bool
            Also remove the files from the archive's disk.
        """
        address = self._address_now().ask(self._event())
        if delete_files:
            address = address.ask(removeFiles=True)
        self._archive.transport.send(Request("DELETE", address)).close()

    # -- how

    def _event(self) -> dict[str, str]:
        reason = self._archive.event_reason
        return {"event_reason": reason} if reason else {}

    def _typed_address(self) -> Address:
        """Address by the name that the element was given, under its parent."""
        return self.address

    def _name_of(self, record: Record) -> tuple[str, str]:
        """Return id and label of a record at this level."""
        raise NotImplementedError

    def _identified(self) -> Record:
        """Return a record with id and label, asking for them where they are not known."""
        if not all(self._name_of(self._record)):
            self._look_up()
        return self._record

    def _record_after_look_up(self) -> Record:
        if not self._record.xsi_type:
            self._look_up()
        return self._record

    def _address_now(self) -> Address:
        """Address with which everything works; asks for the experiment's id where XNAT needs it."""
        record = self._record
        if (
            self.level not in ("project", "subject", "experiment")
            and record.experiment_label
            and not record.experiment_id
            and not (record.subject_id or record.subject_label)
        ):
            above = Experiment(self._archive, _record_of(record, "experiment"))
            self._record = record.with_values(experiment_id=above.id())
        return self.address

    def _look_up(self) -> None:
        """Ask the archive for id and label.

        Raises
        ------
        NotFound
        """
        item = self._item()
        self._record = self._record.with_values(**self._values_of(item))

    def _item(self) -> dict[str, Any]:
        request = Request("GET", self._address_now().ask(format="json"), expect="json")
        document = self._archive.transport.send(request).json()
        entry: dict[str, Any] = document["items"][0]
        return entry

    def _values_of(self, item: Mapping[str, Any]) -> dict[str, str]:
        raise NotImplementedError

    def _select(self, level: str, pattern: str) -> Selection[Any]:
        return Selection(self._archive, [self.path.down(level, pattern)])

    def _element(self, level: str, **names: str) -> Any:
        return element_of(self._archive, level, self._record.with_values(fields=(), **names))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Element)
            and type(self) is type(other)
            and self.path == other.path
            and self._archive.transport.server == other._archive.transport.server
        )

    def __hash__(self) -> int:
        return hash((type(self).__name__, str(self.path)))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} Object> {self._shown()}"

    def _shown(self) -> str:
        names = self._name_of(self._record)
        return names[0] or names[1]


class _WithResources(Element):
    """An element that holds resources."""

    def resources(self, id_filter: str = "*") -> Selection[Resource]:
        """Return the element's resources; wildcards match labels."""
        return self._select("resource", id_filter)

    def resource(self, label: str) -> Resource:
        """Return one resource, by its label or its number; nothing is asked."""
        return self._element("resource", resource_label=label, resource_id="")  # type: ignore[no-any-return]


class _Shareable(Element):
    """An element that several projects may show."""

    def share(self, project: str, label: str | None = None) -> None:
        """Show the element in another project too.

        Parameters
        ----------
        project : str
        label : str, optional
            What it is called there; by default as here.
        """
        address = (self._address_now() / ["projects", project]).ask(label=label)
        self._archive.transport.send(Request("PUT", address.ask(self._event()))).close()

    def unshare(self, project: str) -> None:
        """Stop showing the element in another project."""
        address = (self._address_now() / ["projects", project]).ask(self._event())
        self._archive.transport.send(Request("DELETE", address)).close()

    def shares(self) -> list[str]:
        """Return the ids of the projects that show the element, the owner first."""
        address = (self._address_now() / "projects").ask(format="json")
        answer = self._archive.transport.send(Request("GET", address, expect="json"))
        return [row["ID"] for row in rows(answer)]


class Project(_WithResources):
    """A project."""

    level = "project"

    def subjects(self, id_filter: str = "*") -> Selection[Subject]:
        """Return the project's subjects; wildcards match ids and labels."""
        return self._select("subject", id_filter)

    def subject(self, name: str) -> Subject:
        """Return one subject, by its label or id; nothing is asked."""
        return self._element("subject", subject_label=name)  # type: ignore[no-any-return]

    def experiments(self, id_filter: str = "*") -> Selection[Experiment]:
        """Return the experiments of all subjects of the project."""
        return self._select("experiment", id_filter)

    def experiment(self, name: str) -> Experiment:
        """Return one experiment, by its label or id; nothing is asked."""
        return self._element("experiment", experiment_label=name)  # type: ignore[no-any-return]

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.project, record.project

    def _values_of(self, item: Mapping[str, Any]) -> dict[str, str]:
        return {"project": str(item["data_fields"].get("ID", self._record.project))}

    def datatype(self) -> str:
        """Return the data type of projects."""
        return LEVELS["project"].xsi_type


class Subject(_WithResources, _Shareable):
    """A subject, within a project."""

    level = "subject"

    def experiments(self, id_filter: str = "*") -> Selection[Experiment]:
        """Return the subject's experiments; wildcards match ids and labels."""
        return self._select("experiment", id_filter)

    def experiment(self, name: str) -> Experiment:
        """Return one experiment, by its label or id; nothing is asked."""
        return self._element("experiment", experiment_label=name)  # type: ignore[no-any-return]

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.subject_id, record.subject_label

    def _values_of(self, item: Mapping[str, Any]) -> dict[str, str]:
        return {
            "subject_id": str(item["data_fields"]["ID"]),
            "subject_label": _label_in(item, self._record.project),
        }

    def datatype(self) -> str:
        """Return the data type of subjects."""
        return LEVELS["subject"].xsi_type


class Experiment(_WithResources, _Shareable):
    """An experiment of a subject: an imaging session, or any other subject assessor."""

    level = "experiment"

    def scans(self, id_filter: str = "*") -> Selection[Scan]:
        """Return the session's scans; wildcards match their IDs."""
        return self._select("scan", id_filter)

    def scan(self, name: str) -> Scan:
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
            "experiment_label": _label_in(item, self._record.project),
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


class Scan(_WithResources):
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


class _WithInAndOut(Element):
    """An element whose resources are inputs and outputs of a processing."""

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


class Assessor(_WithInAndOut, _WithResources, _Shareable):
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
            "assessor_label": _label_in(item, self._record.project),
        }


class Reconstruction(_WithInAndOut):
    """A reconstruction of an imaging session."""

    level = "reconstruction"

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.reconstruction_id, record.reconstruction_id

    def datatype(self) -> str:
        """Return the data type of reconstructions."""
        return LEVELS["reconstruction"].xsi_type

    def _values_of(self, item: Mapping[str, Any]) -> dict[str, str]:
        return {}


class Resource(Element):
    """A resource: a labelled folder of files that belongs to an element."""

    level = "resource"

    @property
    def address(self) -> Address:
        """REST address of the resource, by its number where that is known."""
        return self._record.resource

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.resource_id, record.resource_label

    def _look_up(self) -> None:
        self._address_of_owner()
        wanted = (self._record.resource_label, self._record.resource_id)
        for record in Listings(self._archive.transport).resources(self._record):
            if record.resource_label == wanted[0] or record.resource_id in wanted:
                self._record = record.with_values(fields=())
                return
        raise NotFound(
            f"there is no resource {wanted[0] or wanted[1]!r}",
            server=self._archive.transport.server,
            asked=str(self.path),
        )

    def _address_of_owner(self) -> Address:
        """Make sure that the owner's address works, and return it."""
        owner = self.parent()
        assert owner is not None
        owner._address_now()
        self._record = self._record.with_values(experiment_id=owner.record.experiment_id)
        return self._record.owner

    def _address_now(self) -> Address:
        self._address_of_owner()
        if not self._record.resource_id:
            self._look_up()
        return self.address

    def datatype(self) -> str:
        """Return the data type of resources."""
        return "xnat:resourceCatalog"

    def files(self, id_filter: str = "*") -> Selection[File]:
        """Return the resource's files; wildcards match names and paths within the resource."""
        return self._select("file", id_filter)

    def file(self, path: str) -> File:
        """Return one file, by its path within the resource; nothing is asked."""
        return self._element("file", path=path)  # type: ignore[no-any-return]

    def _create_here(
        self, xsi_type: str | None, use_label: bool, fields: Mapping[str, Any]
    ) -> Element:
        self._address_of_owner()
        if self.exists():
            return self
        label = self._record.resource_label
        owner = self._record.owner / "resources"
        if is_plain_label(label):
            address = (owner / label).ask(fields).ask(self._event())
            self._archive.transport.send(Request("PUT", address)).close()
        else:
            # a label that does not pass through a path can be made by a document
            words = "".join(f" {name}={quoteattr(str(text))}" for name, text in fields.items())
            document = (
                '<xnat:Resource xmlns:xnat="http://nrg.wustl.edu/xnat" '
                'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
                f'xsi:type="xnat:resourceCatalog" label="{escape(label)}"{words}/>'
            )
            body = Body.of_text(document)
            self._archive.transport.send(Request("POST", owner.ask(self._event()), body)).close()
        self._look_up()
        return self

    def put(
        self,
        sources: Iterable[str | LocalPath] | Mapping[str, str | LocalPath],
        *,
        overwrite: bool = False,
        format: str = "",
        content: str = "",
        tags: str = "",
    ) -> transfer.Stored:
        """Store files, as they are or under other names.

        Parameters
        ----------
        sources : iterable of path, or mapping of str to path
            Files to store under their own names, or by path within the resource.
        overwrite : bool
            Replace files that are there with other content. Without it they are a Conflict, found
            before anything is sent.
        format, content, tags : str
            Words for the files.

        Returns
        -------
        Stored
            What was sent, and what the archive had already.

        Raises
        ------
        Conflict, NotAllowed, UploadIncomplete
        """
        if isinstance(sources, Mapping):
            files = {name: LocalPath(path) for name, path in sources.items()}
        else:
            paths = [LocalPath(path) for path in sources]
            files = {path.name: path for path in paths}
            if len(files) != len(paths):
                raise UsageError(
                    "two of the files have the same name",
                    advice="give a mapping of path within the resource to local path",
                )
        self._make_owner()
        return transfer.put(
            self._archive.transport,
            self._record,
            files,
            overwrite=overwrite,
            format=format,
            content=content,
            tags=tags,
            event_reason=self._archive.event_reason,
        )

    def put_dir(self, folder: str | LocalPath, **options: Any) -> transfer.Stored:
        """Store all files of a folder under their paths within it; options as for :meth:`put`."""
        root = LocalPath(folder)
        files = {
            path.relative_to(root).as_posix(): path
            for path in sorted(root.rglob("*"))
            if path.is_file()
        }
        return self.put(files, **options)

    def get(self, dest: str | LocalPath | None = None) -> LocalPath:
        """Fetch all files, and return the folder that holds them under their own names.

        Parameters
        ----------
        dest : path, optional
            Folder to copy them to; without it they stay in the cache, read-only.
        """
        records = [file.record for file in self.files()]
        fetched = transfer.fetch(self._archive.transport, records, self._archive.cache)
        if dest is not None:
            return transfer.copy_to(fetched, LocalPath(dest))
        return transfer.deliver_folder(fetched, self._archive.cache, _view_name(self._record))

    def _make_owner(self) -> None:
        owner = self.parent()
        assert owner is not None
        if not owner.exists():
            owner.create()
        self._address_of_owner()


class InResource(Resource):
    """A resource that went into a processing."""

    level = "in_resource"


class OutResource(Resource):
    """A resource that came out of a processing."""

    level = "out_resource"


class File(Element):
    """A file of a resource."""

    level = "file"

    @property
    def address(self) -> Address:
        """REST address of the file."""
        return self._record.file

    def _name_of(self, record: Record) -> tuple[str, str]:
        return record.path, record.path.rpartition("/")[2]

    def id(self) -> str:
        """Return the file's path within its resource."""
        return self._record.path

    def label(self) -> str:
        """Return the file's name."""
        return self._record.path.rpartition("/")[2]

    def datatype(self) -> str:
        """Files have no data type: empty."""
        return ""

    def _resource(self) -> Resource:
        record = self._record.with_values(path="", size=None, digest="")
        kind = {"in": InResource, "out": OutResource}.get(record.direction, Resource)
        return kind(self._archive, record)

    def _look_up(self) -> None:
        resource = self._resource()
        resource._address_now()
        for record in Listings(self._archive.transport).files(resource.record):
            if record.path == self._record.path:
                self._record = record
                return
        raise NotFound(
            f"there is no file {self._record.path!r}",
            server=self._archive.transport.server,
            asked=str(self.path),
        )

    def _listed(self) -> Record:
        """Return the record with what a listing says of the file."""
        if self._record.size is None and not self._record.digest:
            self._look_up()
        return self._record

    def size(self) -> int | None:
        """Return the file's size in bytes."""
        return self._listed().size

    def digest(self) -> str:
        """Return the MD5 that the archive keeps, empty where it keeps none."""
        return self._listed().digest

    def format(self) -> str:
        """Return the word that says what kind of file it is."""
        return self._listed().format

    def content(self) -> str:
        """Return the word that says what the file is about."""
        return self._listed().content

    def tags(self) -> str:
        """Return the file's tags, separated by commas."""
        return self._listed().tags

    def get(self, dest: str | LocalPath | None = None) -> str:
        """Fetch the file, and return its local path.

        Parameters
        ----------
        dest : path, optional
            Where to put it. Without it the file stays in the cache, read-only, beside nothing else
            and under its own name.

        Raises
        ------
        NotFound, TransferError, CannotReachServer
        """
        record = self._listed()
        if dest is not None:
            target = LocalPath(dest).expanduser()
            transfer.save(self._archive.transport, record, target, cache=self._archive.cache)
            return str(target)
        fetched = transfer.fetch(self._archive.transport, [record], self._archive.cache)
        views = transfer.deliver(fetched, self._archive.cache, _view_name(record))
        return str(views[fetched[0].record])

    get_copy = get

    def put(
        self,
        src: str | LocalPath,
        format: str = "",
        content: str = "",
        tags: str = "",
        overwrite: bool = False,
        **params: Any,
    ) -> File:
        """Store a local file under this name; the resource and all above are made if missing.

        Parameters
        ----------
        src : path
        format, content, tags : str
        overwrite : bool
            Replace a stored file of other content; without it that is a Conflict.
        **params
            Data types of what has to be made, as for :meth:`Element.create`.
        """
        source = LocalPath(src).expanduser()
        if not source.is_file():
            raise UsageError(f"{source} is not a file")
        resource = self._resource()
        if not resource.exists():
            resource.create(**params)
        stored = transfer.put(
            self._archive.transport,
            resource.record,
            {self._record.path: source},
            overwrite=overwrite,
            format=format,
            content=content,
            tags=tags,
            event_reason=self._archive.event_reason,
        )
        self._record = stored.records[0]
        return self

    def create(self, xsi_type: str | None = None, **params: Any) -> Element:
        """Store a local file, the first argument; see :meth:`put`."""
        if xsi_type is None:
            raise UsageError("a file is made of a local one", advice="file.put('/local/path')")
        return self.put(xsi_type, **params)

    insert = create

    def delete(self, delete_files: bool = True) -> None:
        """Remove the file, and no other.

        XNAT deletes all files whose path begins with the given one (CatalogUtils), so where that
        would take a neighbour along nothing is deleted.

        Raises
        ------
        UsageError
            If a neighbour's path begins with this one's.
        """
        self._look_up()
        listed = list(Listings(self._archive.transport).files(self._record))
        longer = [
            record.path
            for record in listed
            if record.path != self._record.path and record.path.startswith(self._record.path)
        ]
        if longer:
            raise UsageError(
                f"XNAT would delete {', '.join(longer)} along with {self._record.path}: it deletes "
                "all files whose path begins so",
                asked=str(self.path),
                advice="delete the whole resource and store what is to be kept again",
            )
        super().delete(delete_files)


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
    return _CLASSES[level](archive, record)


def _chain(level: str, record: Record) -> list[str]:
    """Return the levels from the top down to one, as far as a record names them."""
    levels: list[str] = []
    if record.project:
        levels.append("project")
    if record.subject_id or record.subject_label:
        levels.append("subject")
    if record.experiment_id or record.experiment_label:
        levels.append("experiment")
    if record.scan_id:
        levels.append("scan")
    elif record.assessor_id or record.assessor_label:
        levels.append("assessor")
    elif record.reconstruction_id:
        levels.append("reconstruction")
    if level in levels:
        return levels[: levels.index(level) + 1]
    resource = f"{record.direction}_resource" if record.direction else "resource"
    return [*levels, resource, *(["file"] if level == "file" else [])]


def _name_for_path(level: str, record: Record) -> str:
    if level in ("subject", "experiment", "assessor"):
        return str(getattr(record, f"{level}_id") or getattr(record, f"{level}_label"))
    if level == "project":
        return record.project
    if level == "file":
        return record.path
    if level in ("scan", "reconstruction"):
        return str(getattr(record, f"{level}_id"))
    return record.resource_id or record.resource_label


_BELOW = {
    "project": (
        "subject_id",
        "subject_label",
        "experiment_id",
        "experiment_label",
        "xsi_type",
        "date",
    ),
    "subject": ("experiment_id", "experiment_label", "xsi_type", "date"),
}
_INSIDE = (
    "scan_id",
    "scan_type",
    "assessor_id",
    "assessor_label",
    "reconstruction_id",
    "direction",
    "resource_id",
    "resource_label",
    "path",
    "digest",
    "format",
    "content",
    "tags",
)


def _record_of(record: Record, level: str) -> Record:
    """Return the record of an ancestor."""
    names: list[str] = []
    if level in ("project", "subject", "experiment"):
        names = [*_BELOW.get(level, ()), *_INSIDE]
    elif level in ("scan", "assessor", "reconstruction"):
        names = list(_INSIDE[5:])
    else:
        names = ["path", "digest"]
    return record.with_values(**dict.fromkeys(names, ""), size=None, fields=())


def _label_in(item: Mapping[str, Any], project: str) -> str:
    """Return an item's label in a project: a shared element may have another one there."""
    fields = item["data_fields"]
    for child in item.get("children", ()):
        if child.get("field") == "sharing/share":
            for share in child["items"]:
                values = share["data_fields"]
                if values.get("project") == project and values.get("label"):
                    return str(values["label"])
    return str(fields.get("label", fields.get("ID", "")))


def _view_name(record: Record) -> str:
    parts = (
        record.experiment_label or record.subject_label or record.project,
        record.scan_id or record.assessor_label or record.reconstruction_id,
        record.resource_label,
    )
    return "-".join(part for part in parts if part)
