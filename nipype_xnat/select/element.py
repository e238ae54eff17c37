"""What all elements have: identity, existence, documents, making and removing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path as LocalPath
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, overload

from ..address import Address, is_identifier, is_plain_label
from ..cache import Cache
from ..errors import NotFound, UsageError
from ..levels import LEVELS
from ..records import Record
from ..transport import Body, Request, Transport
from .attributes import Attributes
from .documents import namespaces_of, with_label
from .fields import by_level
from .grammar import Path, Pattern, Step
from .identity import ancestor, children_of, levels_of, name_given, name_in_path
from .selection import Selection

if TYPE_CHECKING:
    from .resource import Resource
    from .tags import Tag

__all__ = ["Archive", "Element", "WithResources"]


class Archive(Protocol):
    """What elements need of the connection that made them."""

    callback: Callable[[Any, Any], object] | None
    """What is told of each element that a selection gives."""

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
        if not name_in_path(self.level, record).strip():
            # without it the address would be that of the element above
            raise UsageError(
                f"a {self.level} needs a name",
                asked=record.place or None,
                advice="check where the name comes from: it is empty",
            )

    # -- what it is

    @property
    def record(self) -> Record:
        """What is known of the element, as plain values."""
        return self._record

    @property
    def archive(self) -> Archive:
        """The connection to the archive that the element is of."""
        return self._archive

    @property
    def address(self) -> Address:
        """REST address of the element."""
        return self._record.owner

    @property
    def attrs(self) -> Attributes:
        """The element's fields, to read and to write."""
        return Attributes(
            self._archive.transport,
            self.level,
            lambda: self._record,
            self._identified,
            self._event(),
            self._address_now,
            self.datatype,
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
        above: Element = self._made(level, ancestor(self._record, level))
        return above

    @overload
    def children(self, show_names: Literal[True] = True) -> list[str]: ...
    @overload
    def children(self, show_names: Literal[False]) -> Selection[Any]: ...
    def children(self, show_names: bool = True) -> list[str] | Selection[Any]:
        """Return the names of the levels below, or what is there.

        Parameters
        ----------
        show_names : bool
            False gives a selection of all elements on these levels.
        """
        below = children_of(self.level)
        if show_names:
            return [LEVELS[name].plural for name in below]
        return Selection(
            self._archive, [self.path.down(name) for name in below], known=self._record
        )

    def xml(self) -> str:
        """Return the archive's XML document of the element."""
        request = Request("GET", self._address_now().ask(format="xml"), expect="xml")
        return self._archive.transport.send(request).text()

    def get(self) -> Any:
        """Return the archive's XML document of the element as bytes, ready for an XML parser."""
        request = Request("GET", self._address_now().ask(format="xml"), expect="xml")
        return self._archive.transport.send(request).read()

    def xpath(self, xpath: str) -> Any:
        """Return what an XPath expression finds in the element's document (with lxml)."""
        try:
            from lxml import etree
        except ImportError:
            raise UsageError("xpath() needs lxml", advice="pip install lxml") from None
        root = etree.fromstring(self.xml().encode())
        return root.xpath(xpath, namespaces=root.nsmap)

    def namespaces(self) -> dict[str, str]:
        """Return the namespaces of the element's document by their prefixes."""
        return namespaces_of(self.xml())

    def details(self) -> dict[str, str]:
        """Return all plain values of the element's document by field, in one request."""
        fields = self._item()["data_fields"]
        return {name: str(value) for name, value in fields.items()}

    @property
    def _uri(self) -> str:
        """What pyxnat calls the path of an address."""
        return self.address.path

    @property
    def path(self) -> Path:
        """The select path that names this element and no other."""
        record = self._record
        steps: list[Step] = []
        for level in levels_of(self.level, record):
            name = name_in_path(level, record)
            steps.append(Step(level, Pattern(name, literal=True)))
        return Path(tuple(steps))

    # -- making and removing

    def create(
        self,
        xsi_type: str | None = None,
        *,
        xml: str | LocalPath | None = None,
        use_label: bool = False,
        **params: Any,
    ) -> Element:
        """Make the element, and each one above it that does not exist yet.

        Parameters
        ----------
        xsi_type : str, optional
            Data type; by default the level's usual one (``xnat:mrSessionData``, ...).
        xml : path, optional
            A local document of the element, whose label becomes the element's.
            ``allowDataDeletion=False`` keeps what an existing element has and the document has not.
        use_label : bool
            Make the label the id too.
        **params
            Data types of levels: ``projects=``, ``subjects=``, ``experiments=``, ``scans=``,
            ``assessors=``, ``reconstructions=``. All others are fields, by XNAT's short names
            (``ID="S1"``, ``date="2024-05-07"``) or xpaths; an xpath of another level's data type
            (``**{"xnat:subjectData/investigator/lastname": "Doe"}``) is a field of that level.

        Returns
        -------
        Element
            This element.

        Raises
        ------
        UsageError
            If the document cannot be read, a field belongs to no level here, or XNAT makes no
            element under this name; before any request.
        Conflict, NotAllowed, BadRequest
        """
        if xml is not None:
            return self._create_of_document(xml, params)
        types = {LEVELS[name].plural: params.pop(LEVELS[name].plural, None) for name in LEVELS}
        for name in LEVELS:
            types[LEVELS[name].plural] = params.pop(name, None) or types[LEVELS[name].plural]
        if xsi_type is not None:
            types[LEVELS[self.level].plural] = xsi_type
        levels = [step.level for step in self.path.steps]
        known = {name: types[LEVELS[name].plural] or LEVELS[name].xsi_type for name in levels}
        fields = by_level(params, known)
        self._check_name()
        self._create_above(types, fields, use_label)
        return self._create_here(types[LEVELS[self.level].plural], use_label, fields[self.level])

    insert = create

    def _create_above(
        self, types: Mapping[str, Any], fields: Mapping[str, Mapping[str, Any]], use_label: bool
    ) -> None:
        """Make what is missing above, and write the fields that are meant for what is there."""
        above = self.parent()
        if above is None:
            return
        values = fields[above.level]
        if not above.exists():
            above._check_name()
            above._create_above(types, fields, use_label)
            above._create_here(types[LEVELS[above.level].plural], use_label, values)
        elif values:
            above.attrs.mset(values)

    def _check_name(self) -> None:
        """Raise for a name that no element can be made under, before one above it is made."""
        name = name_in_path(self.level, self._record)
        if self.level in ("project", "subject", "experiment", "assessor"):
            if not is_identifier(name):
                raise UsageError(
                    f"XNAT makes no {self.level} called {name!r}",
                    server=self._archive.transport.server,
                    advice="use letters, digits, _ and -",
                )
        elif self.level in ("scan", "reconstruction"):
            if {"/", ","} & set(name):
                # they are spelt as words in an address, which XNAT would keep
                raise UsageError(
                    f"XNAT makes no {self.level} called {name!r}, with / or , in its ID",
                    server=self._archive.transport.server,
                    advice="its type may have them: create(type=...)",
                )
            self._typed_address()  # tells what cannot be part of an address

    def _create_here(
        self, xsi_type: str | None, use_label: bool, fields: Mapping[str, Any]
    ) -> Element:
        datatype = xsi_type or LEVELS[self.level].xsi_type
        query: dict[str, Any] = {} if self.level == "project" else {"xsiType": datatype}
        given = any(name in ("ID", f"{datatype}/ID") for name in fields)
        if use_label and not given and self.level in ("subject", "experiment", "assessor"):
            query[f"{datatype}/ID"] = name_in_path(self.level, self._record)
        query.update(fields)
        address = self._typed_address().ask(query).ask(self._event())
        answer = self._archive.transport.send(Request("PUT", address))
        self._note_id(answer.text())
        return self

    def _create_of_document(self, source: str | LocalPath, params: Mapping[str, Any]) -> Element:
        file = LocalPath(source).expanduser()
        if not file.is_file():
            raise UsageError(f"{file} is not a file")
        unknown = sorted(set(params) - {"allowDataDeletion"})
        if unknown:
            raise UsageError(
                f"a document says all there is to say; {', '.join(unknown)} cannot be given too"
            )
        document = with_label(file.read_text(encoding="utf-8"), self._name_of(self._record)[1])
        above = self.parent()
        # the archive makes the subject of an experiment itself
        if above is not None and above.level not in ("project", "subject") and not above.exists():
            above.create()
        self._store_document(document, bool(params.get("allowDataDeletion", True)))
        return self

    def _store_document(self, document: str, allow_deletion: bool) -> None:
        address = self._typed_address().ask(allowDataDeletion=allow_deletion).ask(self._event())
        request = Request("PUT", address, Body.of_text(document))
        self._note_id(self._archive.transport.send(request).text())

    def _note_id(self, answer: str) -> None:
        """Take the id out of what the archive says of an element that was made."""
        said = answer.strip()
        if self.level not in ("subject", "experiment", "assessor") or not said:
            return
        name = said.rpartition("/")[2]
        if is_plain_label(name):
            self._record = self._record.with_values(**{f"{self.level}_id": name, "fields": ()})

    def delete(self, delete_files: bool = True) -> None:
        """Remove the element and all below it.

        Parameters
        ----------
        delete_files : bool
            Also remove the files from the archive's disk.
        """
        self._check_subject()
        address = self._address_now().ask(self._event())
        if delete_files:
            address = address.ask(removeFiles=True)
        self._archive.transport.send(Request("DELETE", address)).close()

    # -- tags

    def tag(self, name: str) -> Tag:
        """Give the element one of the account's tags, see :class:`nipype_xnat.select.tags.Tags`."""
        from .tags import Tags

        tag = Tags(self._archive).get(name)
        tag.reference(self)
        return tag

    def untag(self, name: str) -> None:
        """Take a tag off the element; a tag of nothing goes."""
        from .tags import Tags

        Tags(self._archive).get(name).dereference(self)

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
            above = self._made("experiment", ancestor(record, "experiment"))
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

    def _check_subject(self) -> None:
        """Make sure that a named experiment belongs to the named subject.

        XNAT finds an experiment of a project below any of its subjects.

        Raises
        ------
        NotFound
            If it belongs to another one.
        """
        record = self._record
        if record.experiment_id or not (record.experiment_label and record.subject_label):
            return
        experiment = self._made("experiment", ancestor(record, "experiment"))
        names = ["subject_ID", "subject_label", "subject_project"]
        owner, label, home = experiment.attrs.mget(names)
        # the label is the one in the subject's own project, whatever a project that shows it says
        if record.subject_label == owner or (record.subject_label, record.project) == (label, home):
            return
        subject = self._made("subject", ancestor(record, "subject"))
        if subject.id() != owner:
            raise NotFound(
                f"the experiment {record.experiment_label!r} belongs to another subject than "
                f"{record.subject_label!r}",
                server=self._archive.transport.server,
                asked=str(self.path),
            )

    def _item(self) -> dict[str, Any]:
        request = Request("GET", self._address_now().ask(format="json"), expect="json")
        document = self._archive.transport.send(request).json()
        entry: dict[str, Any] = document["items"][0]
        return entry

    def _values_of(self, item: Mapping[str, Any]) -> dict[str, str]:
        raise NotImplementedError

    def _select(self, level: str, pattern: str) -> Selection[Any]:
        return Selection(self._archive, [self.path.down(level, pattern)], known=self._record)

    def _element(self, level: str, **names: str | int) -> Any:
        spelt = {key: name_given(level, value) for key, value in names.items()}
        return self._made(level, self._record.with_values(fields=(), **spelt))

    def _made(self, level: str, record: Record) -> Any:
        from .elements import element_of  # the classes of all levels, which are made of this one

        return element_of(self._archive, level, record)

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


class WithResources(Element):
    """An element that holds resources."""

    def resources(self, id_filter: str = "*") -> Selection[Resource]:
        """Return the element's resources; wildcards match labels."""
        return self._select("resource", id_filter)

    def resource(self, label: str) -> Resource:
        """Return one resource, by its label or its number; nothing is asked."""
        return self._element("resource", resource_label=label, resource_id="")  # type: ignore[no-any-return]
