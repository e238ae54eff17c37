"""The root of the tree: what ``interface.select`` is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..search import Search
from . import grammar
from .elements import Element, Experiment, Project, element_of
from .grammar import Path
from .identity import name_given
from .matching import named
from .prearchive_elements import PrearchiveSession
from .selection import Selection
from .tags import Tag, Tags

if TYPE_CHECKING:
    from .element import Archive

__all__ = ["Select"]


class Select:
    """The root of the tree: ``interface.select``.

    Called with a path it selects elements, called with a data type and columns it searches; its
    methods start chains.
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def __call__(self, datatype_or_path: str, columns: str | Sequence[str] = ()) -> Any:
        """Select elements by path, or rows of a data type.

        Parameters
        ----------
        datatype_or_path : str
            A path (see :mod:`nipype_xnat.select.grammar`) or a data type such as
            ``xnat:subjectData``.
        columns : str or sequence of str
            For a data type: fields, each with its data type; by default all that can be searched.

        Returns
        -------
        Element, Selection or Search
            An element where the path names one by exact names; for ``/`` this root itself.

        Raises
        ------
        SelectSyntaxError
            Before any request.
        """
        text = datatype_or_path
        if not isinstance(text, str):
            raise UsageError(
                f"{text!r} is neither a path nor a data type",
                advice="give one text, such as '/projects' or 'xnat:subjectData'",
            )
        for entry in ("/data", "/REST"):
            if text == entry or text.startswith(f"{entry}/"):
                text = text[len(entry) :]
        if not text.strip("/"):
            return self
        if not text.startswith("/") and ":" in text.split("/")[0].split("[")[0]:
            names = (columns,) if isinstance(columns, str) else columns
            return Search(self._archive, text, names)
        words = text.strip("/").split("/")
        if words[0] in ("tag", "tags"):
            return self.tag(words[1]) if len(words) > 1 else self.tags()
        paths = grammar.parse(text)
        if len(paths) == 1 and paths[0].exact:
            return self._element(paths[0])
        return Selection[Element](self._archive, paths)

    def _element(self, path: Path) -> Element:
        return element_of(self._archive, path.level, named(path.steps))

    def prearchive(self, project: str = "*", id_filter: str = "*") -> Selection[PrearchiveSession]:
        """Return the sessions that wait in the prearchive.

        Parameters
        ----------
        project : str
            Where they wait; wildcards match, and ``Unassigned`` are those without a project.
        id_filter : str
            Their labels or folders.
        """
        steps = (
            grammar.Step("project", grammar.Pattern(project)),
            grammar.Step("experiment", grammar.Pattern(id_filter)),
        )
        return Selection(self._archive, [Path(steps, prearchive=True)])

    def projects(self, id_filter: str = "*") -> Selection[Project]:
        """Return the projects that the account may see; wildcards match their IDs."""
        return Selection(self._archive, [Path().down("project", id_filter)])

    def project(self, name: str | int) -> Project:
        """Return one project; nothing is asked."""
        pattern = grammar.Pattern(name_given("project", name), literal=True)
        element = self._element(Path().down("project", pattern))
        assert isinstance(element, Project)
        return element

    def experiments(self, id_filter: str = "*") -> Selection[Experiment]:
        """Return the imaging sessions of all projects; wildcards match ids and labels."""
        return Selection(self._archive, [Path().down("experiment", id_filter)])

    def experiment(self, name: str | int) -> Experiment:
        """Return one experiment by its id (labels are not unique in an archive)."""
        pattern = grammar.Pattern(name_given("experiment", name), literal=True)
        element = self._element(Path().down("experiment", pattern))
        assert isinstance(element, Experiment)
        return element

    def tag(self, name: str) -> Tag:
        """Return one of the account's tags."""
        return Tags(self._archive).get(name)

    def tags(self) -> list[str]:
        """Return the names of the account's tags."""
        return Tags(self._archive)()

    def __repr__(self) -> str:
        return f"<Select {self._archive.transport.server}>"
