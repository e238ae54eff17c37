"""What can be done to all elements of a selection at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path as LocalPath
from typing import TYPE_CHECKING, Any

from ..errors import NothingMatched, UsageError

if TYPE_CHECKING:
    from .chosen import Chosen
    from .element import Archive
    from .tags import Tag

__all__ = ["Bulk"]

_SHAREABLE = ("subject", "experiment", "assessor")
_PACKED = ("scan", "assessor", "reconstruction")


class Bulk:
    """The methods that a selection shares with its elements."""

    _archive: Archive

    @property
    def level(self) -> str:
        """Level of the elements."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError

    def share(self, project: str) -> None:
        """Show all elements in another project too."""
        self._only(_SHAREABLE, "shared")
        for element in self:
            element.share(project)

    def unshare(self, project: str) -> None:
        """Stop showing all elements in another project."""
        self._only(_SHAREABLE, "shared")
        for element in self:
            element.unshare(project)

    def sharing(self, projects: Sequence[str] = ()) -> Chosen[Any]:
        """Return the elements that all of some projects show; one request an element."""
        from .chosen import Chosen

        self._only(_SHAREABLE, "shared")
        wanted = {projects} if isinstance(projects, str) else set(projects)
        return Chosen(self._archive, self.level, partial(self._shown_in, wanted))

    def _shown_in(self, projects: set[str]) -> Iterator[Any]:
        return (element for element in self if projects <= set(element.shares().get()))

    def tag(self, name: str) -> Tag:
        """Give all elements one of the account's tags."""
        from .tags import Tags

        tag = Tags(self._archive).get(name)
        tag.reference(*self)
        return tag

    def untag(self, name: str) -> None:
        """Take a tag off all elements."""
        from .tags import Tags

        Tags(self._archive).get(name).dereference(*self)

    def download(
        self,
        dest_dir: str | LocalPath,
        type: str = "ALL",
        name: str | None = None,
        extract: bool = False,
        safe: bool = False,
        removeZip: bool = False,  # noqa: N803 (pyxnat's name)
    ) -> str | list[str]:
        """Fetch the files of all scans, assessors or reconstructions of one session.

        Parameters
        ----------
        dest_dir : path
        type : str
            Scan types (or ids) with commas between them; ``ALL`` for all.
        name : str, optional
            Name of the zip, without ``.zip``; by default of project, subject, session, level and
            types.
        extract : bool
            Unpack the zip in ``dest_dir``.
        safe : bool
            Replace nothing that is there: a file in the way is an error before anything is written.
        removeZip : bool
            Remove the zip after unpacking it.

        Returns
        -------
        str or list of str
            Place of the zip, or with ``extract`` those of the files.

        Raises
        ------
        UsageError, NothingMatched
        """
        from .packages import download

        self._only(_PACKED, "downloaded as one zip")
        types = list(dict.fromkeys(word.strip() for word in type.split(",") if word.strip()))
        if "ALL" in types and len(types) > 1:
            raise UsageError(f"{type!r}: ALL stands alone", advice="type='T1,T2', or type='ALL'")
        elements = list(self)
        sessions = {element.record.experiment_id for element in elements}
        if len(sessions) > 1:
            raise UsageError(
                f"a download is of one session, and the selection has {len(sessions)}",
                advice="take the sessions one by one, or fetch select('.../files')",
            )
        if types != ["ALL"]:
            elements = [e for e in elements if {e.record.scan_type, e.id(), e.label()} & set(types)]
        if not elements:
            raise NothingMatched(f"there are no {self.level}s to download", asked=repr(self))
        return download(
            elements, LocalPath(dest_dir).expanduser(), types, name, extract, safe, removeZip
        )

    def _only(self, levels: Sequence[str], what: str) -> None:
        if self.level not in levels:
            raise UsageError(f"{self.level}s cannot be {what}")
