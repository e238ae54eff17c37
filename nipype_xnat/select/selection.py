"""Selections: lazy collections of elements.

Making one sends nothing. Iterating asks, batch by batch, as elements are taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from .. import search
from ..errors import UsageError
from ..records import Record
from ..search import Criteria
from .bulk import Bulk
from .grammar import ANY, Path, Pattern
from .matching import criteria_level
from .plan import Allowed, Plan
from .prearchive_plan import PrearchivePlan
from .window import Counted, Window

if TYPE_CHECKING:
    from .elements import (
        Archive,
        Assessor,
        Element,
        Experiment,
        File,
        InResource,
        OutResource,
        Reconstruction,
        Resource,
        Scan,
        Subject,
    )

__all__ = ["Selection"]

E = TypeVar("E", bound="Element")


class Selection(Bulk, Generic[E]):
    """The elements that one or more paths name, as a cursor that asks when it is read.

    Parameters
    ----------
    archive : Archive
        Whom to ask.
    paths : sequence of Path
        More than one where ``//`` goes down in several ways.
    criteria : Criteria, optional
        Only what fulfils them.
    criteria_level : str
        ``subject`` or ``experiment``, see :meth:`where`.
    known : Record, optional
        What is known of the element that the paths begin with, so that it is not looked up.

    Examples
    --------
    >>> for subject in archive.select("/projects/*/subjects"):  # doctest: +SKIP
    ...     print(subject.label())
    """

    def __init__(
        self,
        archive: Archive,
        paths: Sequence[Path],
        criteria: Criteria | None = None,
        criteria_level: str = "subject",
        known: Record | None = None,
    ) -> None:
        self._archive = archive
        self.paths = tuple(paths)
        self.criteria = criteria
        self.criteria_level = criteria_level
        self._known = known
        self._counted: Counted[E] = Counted()

    # -- reading

    def records(self) -> Iterator[Record]:
        """Yield what is known of each element as plain values, without making elements."""
        return (record for _, record in self._levelled())

    @property
    def level(self) -> str:
        """Level of the elements; of the first ones, where the paths lead to several."""
        return self.paths[0].level

    def _levelled(self, few: bool = False) -> Iterator[tuple[str, Record]]:
        allowed: dict[str, Allowed] = {}
        for path in self.paths:
            found = None
            if self.criteria is not None:
                level = criteria_level(path, self.criteria_level)
                if level not in allowed:
                    allowed[level] = search.matching_ids(
                        self._archive.transport, self.criteria, level
                    )
                found = allowed[level]
            for record in self._plan(path, found, few).records():
                yield path.level, record

    def _plan(
        self, path: Path, allowed: Allowed | None = None, few: bool = False
    ) -> Plan | PrearchivePlan:
        if path.prearchive:
            return PrearchivePlan(path, self._archive)
        return Plan(path, self._archive.transport, allowed=allowed, known=self._known, few=few)

    def _only(self, levels: Sequence[str], what: str) -> None:
        if any(path.prearchive for path in self.paths):
            raise UsageError(f"what waits in the prearchive cannot be {what}", asked=repr(self))
        super()._only(levels, what)

    def __iter__(self) -> Iterator[E]:
        return self._read()

    def _read(self, few: bool = False) -> Iterator[E]:
        # runs at the first element: list() asks for the length between making an iterator and that
        tell = self._archive.callback
        counted = self._counted.take()
        for element in self._found(few) if counted is None else counted:
            if tell is not None:
                tell(self, element)
            yield element

    def _found(self, few: bool = False) -> Iterator[E]:
        from .elements import element_of

        for level, record in self._levelled(few):
            yield cast("E", element_of(self._archive, level, record))

    def __len__(self) -> int:
        return self._counted.keep(list(self._found()))

    def get(self, *what: str) -> list[Any]:
        """Read all, and return what is asked for of each.

        Parameters
        ----------
        *what : str
            ``id`` (the default), ``label`` or ``obj``; several give tuples.
        """
        for word in what:
            if word not in ("id", "label", "obj"):
                raise UsageError(
                    f"{word!r} cannot be got of an element", advice="ask for id, label or obj"
                )
        words = what or ("id",)
        rows = [
            tuple(element if word == "obj" else getattr(element, word)() for word in words)
            for element in self
        ]
        return [row[0] for row in rows] if len(words) == 1 else rows

    def first(self) -> E | None:
        """Return the first element, None where there is none."""
        return next(self._read(few=True), None)

    def fetchone(self) -> E | None:
        """Return the first element, as a cursor of Python's database interface does."""
        return self.first()

    def fetchmany(self, size: int = 10) -> list[E]:
        """Return the first elements, at most ``size``."""
        return list(islice(self._read(few=True), size))

    fetchall = get

    def __bool__(self) -> bool:
        return next(self._found(few=True), None) is not None

    @overload
    def __getitem__(self, index: int) -> E: ...
    @overload
    def __getitem__(self, index: slice) -> Window[E]: ...
    def __getitem__(self, index: int | slice) -> E | Window[E]:
        if isinstance(index, slice):
            return Window(self, index)
        if not isinstance(index, int):
            raise TypeError(f"elements are taken by position or slice, not by {index!r}")
        if index < 0:
            return list(self)[index]
        try:
            return next(islice(self._read(few=True), index, None))
        except StopIteration:
            raise IndexError(f"{self!r} has no element {index}") from None

    def explain(self) -> str:
        """Describe the requests that reading sends; nothing is sent now."""
        lines = []
        if self.criteria is not None:
            lines.append(f"where {self.criteria}\n  1 request: the {self.criteria_level}s of these")
        lines += [self._plan(path).explain() for path in self.paths]
        return "\n".join(lines)

    # -- narrowing

    def where(
        self,
        constraints: Any = None,
        template: tuple[str, Mapping[str, object]] | None = None,
        query: str | None = None,
        *,
        level: str = "subject",
    ) -> Selection[E]:
        """Keep what fulfils search criteria, found by the archive's search engine.

        Parameters
        ----------
        constraints : str or list or Criteria
            See :mod:`nipype_xnat.search.criteria`.
        template : (str, mapping), optional
            Instead of criteria: a template that the server keeps, and a value for each key of it.
        query : str, optional
            Instead of criteria: the name of a search that the server keeps; its criteria are used.
        level : str
            ``subject`` (as in pyxnat): all elements of the subjects of which something fulfils the
            criteria; a subject that was once over 80 brings all its sessions. ``experiment``: only
            the experiments that fulfil them, and what is below these.

        Returns
        -------
        Selection
            A new one; this one is unchanged.

        Raises
        ------
        CriteriaError
            At once, before any request.
        NotFound
            At once, if the server keeps no such template or search.
        """
        for path in self.paths:
            criteria_level(path, level)
        if sum(given is not None for given in (constraints, template, query)) != 1:
            raise UsageError(
                "where() takes one of criteria, a template or a saved search", asked=repr(self)
            )
        if constraints is not None:
            criteria = search.parse(constraints)
        else:
            criteria = search.KeptSearches(self._archive.transport).criteria(template, query)
        return Selection(self._archive, self.paths, criteria, level, self._known)

    def _down(self, level: str, pattern: str) -> Selection[Any]:
        paths = [path.down(level, pattern) for path in self.paths]
        return Selection(self._archive, paths, self.criteria, self.criteria_level, self._known)

    def _exactly(self, level: str, name: str) -> Selection[Any]:
        paths = [path.down(level, Pattern(name, literal=True)) for path in self.paths]
        return Selection(self._archive, paths, self.criteria, self.criteria_level, self._known)

    def subjects(self, id_filter: str = ANY.text) -> Selection[Subject]:
        """Return the subjects below; wildcards match ids and labels."""
        return self._down("subject", id_filter)

    def subject(self, name: str) -> Selection[Subject]:
        """Return the subject of one name below each."""
        return self._exactly("subject", name)

    def experiments(self, id_filter: str = ANY.text) -> Selection[Experiment]:
        """Return the experiments below."""
        return self._down("experiment", id_filter)

    def experiment(self, name: str) -> Selection[Experiment]:
        """Return the experiment of one name below each."""
        return self._exactly("experiment", name)

    def scans(self, id_filter: str = ANY.text) -> Selection[Scan]:
        """Return the scans below."""
        return self._down("scan", id_filter)

    def scan(self, name: str) -> Selection[Scan]:
        """Return the scan of one ID below each."""
        return self._exactly("scan", name)

    def assessors(self, id_filter: str = ANY.text) -> Selection[Assessor]:
        """Return the assessors below."""
        return self._down("assessor", id_filter)

    def assessor(self, name: str) -> Selection[Assessor]:
        """Return the assessor of one name below each."""
        return self._exactly("assessor", name)

    def reconstructions(self, id_filter: str = ANY.text) -> Selection[Reconstruction]:
        """Return the reconstructions below."""
        return self._down("reconstruction", id_filter)

    def reconstruction(self, name: str) -> Selection[Reconstruction]:
        """Return the reconstruction of one ID below each."""
        return self._exactly("reconstruction", name)

    def resources(self, id_filter: str = ANY.text) -> Selection[Resource]:
        """Return the resources below."""
        return self._down("resource", id_filter)

    def resource(self, name: str) -> Selection[Resource]:
        """Return the resource of one label below each."""
        return self._exactly("resource", name)

    def in_resources(self, id_filter: str = ANY.text) -> Selection[InResource]:
        """Return the input resources below."""
        return self._down("in_resource", id_filter)

    def in_resource(self, name: str) -> Selection[InResource]:
        """Return the input resource of one label below each."""
        return self._exactly("in_resource", name)

    def out_resources(self, id_filter: str = ANY.text) -> Selection[OutResource]:
        """Return the output resources below."""
        return self._down("out_resource", id_filter)

    def out_resource(self, name: str) -> Selection[OutResource]:
        """Return the output resource of one label below each."""
        return self._exactly("out_resource", name)

    def files(self, id_filter: str = ANY.text) -> Selection[File]:
        """Return the files below."""
        return self._down("file", id_filter)

    def file(self, name: str) -> Selection[File]:
        """Return the file of one path below each."""
        return self._exactly("file", name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Selection):
            return NotImplemented
        return (self.paths, self.criteria, self.criteria_level) == (
            other.paths,
            other.criteria,
            other.criteria_level,
        ) and self._archive.transport.server == other._archive.transport.server

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        text = " and ".join(map(str, self.paths))
        return f"<Selection {text}{f' where {self.criteria}' if self.criteria is not None else ''}>"
