"""Tags: names that an account gives to elements, kept in the archive itself.

As in pyxnat, the tags of an account are files of a private project ``metabase_<account>``: a table
of addresses each.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from ..address import Address
from ..errors import UsageError
from ..levels import LEVELS
from ..records import Record
from .chosen import Chosen
from .element import Archive, Element
from .elements import Project
from .files import File
from .grammar import parse
from .matching import named
from .resource import Resource

__all__ = ["Tag", "Tags"]


class Tags:
    """The tags of an account.

    Parameters
    ----------
    archive : Archive
    """

    def __init__(self, archive: Archive) -> None:
        if not archive.transport.account:
            raise UsageError("nobody has no tags: connect with an account")
        self._archive = archive

    def __call__(self) -> list[str]:
        """Return the names of all tags."""
        return [str(path) for path in self._resource().files().get()] if self._there() else []

    def get(self, name: str) -> Tag:
        """Return one tag; nothing is asked."""
        if "/" in name:
            raise UsageError(f"{name!r} cannot be the name of a tag")
        return Tag(self, name)

    def new(self, name: str) -> Tag:
        """Make a tag."""
        return self.get(name).create()

    def delete(self, name: str) -> None:
        """Remove a tag; what it was given to stays."""
        self.get(name).delete()

    def share(self, other_user: str) -> None:
        """Show the account's tags to another account that has tags."""
        self._resource().parent().share(f"metabase_{other_user}")  # type: ignore[union-attr]

    def _project(self) -> Project:
        account = self._archive.transport.account
        return Project(self._archive, Record(project=f"metabase_{account}"))

    def _resource(self) -> Resource:
        return self._project().subject(self._archive.transport.account).resource("tags")

    def _there(self) -> bool:
        return self._resource().exists()

    def _prepare(self) -> None:
        project = self._project()
        if not project.exists():
            project.create(accessibility="private")


class Tag:
    """One tag, and what it is given to.

    Parameters
    ----------
    tags : Tags
    name : str
    """

    def __init__(self, tags: Tags, name: str) -> None:
        self._tags = tags
        self.name = name

    def _file(self) -> File:
        return self._tags._resource().file(self.name)

    def exists(self) -> bool:
        """Tell whether the account has the tag."""
        return self._file().exists()

    def create(self) -> Tag:
        """Make the tag, of nothing yet; one that is there stays as it is."""
        if not self.exists():
            self._write([])
        return self

    def delete(self) -> None:
        """Remove the tag; what it was given to stays."""
        if self.exists():
            self._file().delete()

    def reference(self, *elements: Element | str) -> None:
        """Give the tag to elements, or to what their addresses name."""
        known = self._read()
        self._write([*known, *map(_place, elements)])

    reference_many = reference

    def dereference(self, *elements: Element | str) -> None:
        """Take the tag off elements; a tag of nothing goes."""
        gone = {_place(element) for element in elements}
        left = [place for place in self._read() if place not in gone]
        if left:
            self._write(left)
        else:
            self.delete()

    dereference_many = dereference

    def references(self) -> Chosen[Element]:
        """Return the elements that have the tag."""
        return Chosen(self._tags._archive, "project", self._elements)

    def _elements(self) -> list[Element]:
        from .elements import element_of

        found = []
        for place in self._read():
            path = parse(place)[0]
            found.append(element_of(self._tags._archive, path.level, named(path.steps)))
        return found

    def _read(self) -> list[str]:
        if not self.exists():
            return []
        with open(self._file().get(), encoding="utf-8", newline="") as stream:
            return [_path(row["URI"]) for row in csv.DictReader(stream) if row.get("URI")]

    def _write(self, places: Iterable[str]) -> None:
        text = io.StringIO()
        table = csv.writer(text)
        table.writerow(["URI"])
        table.writerows([f"/data{place}"] for place in dict.fromkeys(places))
        self._tags._prepare()
        self._file().put(text.getvalue().encode(), overwrite=True)

    def __repr__(self) -> str:
        return f"<Tag> {self.name}"


def _place(element: Element | str) -> str:
    if not isinstance(element, Element):
        return _path(element)
    steps = element.path.steps
    return "".join(f"/{LEVELS[step.level].plural}/{step.pattern}" for step in steps)


def _path(uri: str) -> str:
    """Return the select path of an address."""
    segments = Address.parse(uri).segments
    start = 1 if segments and segments[0] in ("data", "REST") else 0
    return "/" + "/".join(segments[start:])
