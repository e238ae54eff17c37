"""What all elements have: identity, existence, making and removing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ..address import Address
from ..cache import Cache
from ..errors import NotFound
from ..levels import LEVELS
from ..records import Record
from ..tables import rows
from ..transport import Request, Transport
from .attributes import Attributes
from .grammar import Path, Pattern, Step
from .identity import ancestor, levels_of, name_in_path
from .selection import Selection

if TYPE_CHECKING:
    from .files import Resource

__all__ = ["Archive", "Element", "Shareable", "WithResources"]


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
        above: Element = self._made(level, ancestor(self._record, level))
        return above

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
        for level in levels_of(self.level, record):
            name = name_in_path(level, record)
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
        return self._made(level, self._record.with_values(fields=(), **names))

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


class Shareable(Element):
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
