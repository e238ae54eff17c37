"""The administration of one project: who may do what, and what happens to arriving data."""

from __future__ import annotations

from ..records import Record
from ..select.element import Archive
from ..select.elements import Project

__all__ = ["ProjectManager"]


class ProjectManager(Project):
    """``interface.manage.project("P")``: the project itself, which all its settings belong to.

    Parameters
    ----------
    project : str
    archive : Interface

    Examples
    --------
    >>> project = interface.manage.project("P")  # doctest: +SKIP
    >>> project.set_accessibility("private")  # doctest: +SKIP
    >>> project.add_user("jane", "collaborator")  # doctest: +SKIP
    """

    def __init__(self, project: str, archive: Archive) -> None:
        super().__init__(archive, Record(project=project))
