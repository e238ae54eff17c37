"""The root of introspection: ``interface.inspect``."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from ..address import Address
from ..errors import CriteriaError
from ..search import Field, Fields, key_of, run
from ..select.listings import SCAN, SESSION
from ..tables import Row, rows
from ..transport import Request
from . import abilities, structure
from .abilities import Abilities
from .schemas import Managed, SchemasInspector
from .structure import Structure

__all__ = ["Inspector"]

_RECONSTRUCTION = "xnat:reconstructedImageData"
_ASSESSOR = "xnat:imageAssessorData"


class Inspector:
    """Types, fields and values of an archive, and what its server can do.

    Values are told sorted, each once. The server's types, fields and abilities are asked once and
    kept; values are asked each time.

    Parameters
    ----------
    archive : Interface

    Examples
    --------
    >>> interface.inspect.datatypes()  # doctest: +SKIP
    >>> interface.inspect.datatypes("xnat:mrSessionData")  # doctest: +SKIP
    >>> interface.inspect.field_values("xnat:mrSessionData/AGE")  # doctest: +SKIP
    """

    def __init__(self, archive: Managed) -> None:
        self._archive = archive
        self._abilities: Abilities | None = None

    # -- the server

    def abilities(self) -> Abilities:
        """Return what the server is and can do."""
        if self._abilities is None:
            self._abilities = abilities.ask(self._archive.transport)
        return self._abilities

    def version(self) -> str:
        """Return the version of the server, empty where it does not say."""
        return self.abilities().version

    # -- types and fields

    @property
    def schemas(self) -> SchemasInspector:
        """The fields of all types, from the server's XML schemas."""
        return SchemasInspector(self._archive)

    def set_autolearn(self, auto: bool | None = None, tick: int | None = None) -> None:
        """Change nothing: pyxnat guesses types from what it saw, and here the server is asked."""

    def datatypes(self, pattern: str = "*", fields_pattern: str | None = None) -> list[str]:
        """Return data types, or their fields.

        Parameters
        ----------
        pattern : str
            Wildcards for data types. One exact name gives the fields of this type.
        fields_pattern : str, optional
            Wildcards for fields; one request for each type that matches.

        Returns
        -------
        list of str
            Types, or fields with their types: ``xnat:mrSessionData/AGE``.

        Raises
        ------
        CriteriaError
            If there is no data type of one exact name.
        """
        if fields_pattern is None and not _has_wildcards(pattern):
            return [str(field) for field in self.fields(pattern) if field.is_column]
        known = Fields(self._archive.transport)
        types = [name for name in known.datatypes() if fnmatchcase(name, pattern)]
        if not _has_wildcards(pattern):
            types = [pattern]
        if fields_pattern is None:
            return types
        return [
            str(field)
            for name in types
            for field in known.fields(name)
            if field.is_column and fnmatchcase(field.name, fields_pattern)
        ]

    def fields(self, datatype: str) -> list[Field]:
        """Return the fields of a data type with what the server says of them.

        Raises
        ------
        CriteriaError
            If there is no such type.
        """
        return list(Fields(self._archive.transport).fields(datatype))

    def experiment_types(self, project: str | None = None) -> list[str]:
        """Return the data types of the experiments, of all or of one project."""
        address = Address.of("data", "experiments")
        if project:
            address = Address.of("data", "projects", project, "experiments")
        asked = address.ask(xsiType="xnat:subjectAssessorData", columns="ID,xsiType")
        return _unique(row.get("xsiType", "") for row in self._rows(asked))

    def assessor_types(self, project: str | None = None) -> list[str]:
        """Return the data types of the assessors of imaging sessions."""
        asked = Address.of("data", "experiments").ask(
            xsiType=_ASSESSOR, columns="ID,xsiType", project=project
        )
        return _unique(row.get("xsiType", "") for row in self._rows(asked))

    def scan_types(self, project: str | None = None) -> list[str]:
        """Return the data types of the scans (``xnat:mrScanData``, ...).

        What a site calls its scans (``T1w``) is told by :meth:`scan_type_values`.
        """
        # what the shortcut xsiType of a scan listing stands for
        return self._of_scans(f"{SCAN}/extension_item/element_name", project)

    def reconstruction_types(self, project: str | None = None) -> list[str]:
        """Return the data types of the reconstructions: XNAT knows one."""
        found = self.reconstruction_values(SESSION, project)
        return [_RECONSTRUCTION] if found else []

    # -- values

    def field_values(self, field_name: str) -> list[str]:
        """Return the values that a field takes in the archive.

        Parameters
        ----------
        field_name : str
            Data type and field, e.g. ``xnat:mrSessionData/AGE``.

        Raises
        ------
        CriteriaError
            If the server does not know the field.
        """
        return _unique(self.field_occurrences(field_name))

    def field_occurrences(self, field_name: str) -> Iterator[str]:
        """Yield the value of a field of each element that has one; see :meth:`field_values`."""
        datatype, separator, _ = field_name.partition("/")
        if not separator:
            raise CriteriaError(
                f"{field_name!r} is not a field", advice="for example xnat:mrSessionData/AGE"
            )
        transport = self._archive.transport
        Fields(transport).check(datatype, [field_name], None)
        key = key_of(datatype, field_name)
        found = run(transport, datatype, [field_name], None)
        return (value for row in found if (value := row.get(key, "")))

    def project_values(self) -> list[str]:
        """Return the IDs of the projects."""
        return _unique(row.get("ID", "") for row in self._rows(Address.of("data", "projects")))

    def subject_values(self, project: str | None = None) -> list[str]:
        """Return the ids of the subjects, of all or of one project."""
        address = Address.of("data", "subjects")
        if project:
            address = Address.of("data", "projects", project, "subjects")
        return _unique(row.get("ID", "") for row in self._rows(address.ask(columns="ID")))

    def experiment_values(self, datatype: str, project: str | None = None) -> list[str]:
        """Return the ids of the experiments of a data type.

        Parameters
        ----------
        datatype : str
            One of :meth:`experiment_types`.
        project : str, optional
        """
        return _unique(
            row.get("ID", "") or row.get("session_ID", "")
            for row in self._experiments(datatype, project, "ID")
        )

    def assessor_values(self, experiment_type: str, project: str | None = None) -> list[str]:
        """Return the ids of the assessors of experiments of a data type."""
        sessions = set(self.experiment_values(experiment_type, project))
        asked = Address.of("data", "experiments").ask(xsiType=_ASSESSOR, columns="ID,session_ID")
        return _unique(
            row.get("ID", "") for row in self._rows(asked) if row.get("session_ID", "") in sessions
        )

    def scan_values(self, experiment_type: str, project: str | None = None) -> list[str]:
        """Return the IDs that scans have in experiments of a data type."""
        return self._of_scans(f"{SCAN}/ID", project, experiment_type)

    def scan_type_values(self, project: str | None = None) -> list[str]:
        """Return what the scans are called (``T1w``, ...), of all or of one project."""
        address = Address.of("data", "projects", project) if project else Address.of("data")
        return _unique(row.get("type", "") for row in self._rows(address / "scan_types"))

    def reconstruction_values(self, experiment_type: str, project: str | None = None) -> list[str]:
        """Return the IDs that reconstructions have in experiments of a data type."""
        column = f"{_RECONSTRUCTION}/ID"
        found = self._experiments(experiment_type, project, f"ID,{column}")
        return _unique(row.get(column.lower(), "") for row in found)

    # -- what is where

    def structure(self, project: str | None = None) -> Structure:
        """Return what is where: text, networkx graph and picture.

        Parameters
        ----------
        project : str, optional
            Its subjects, experiments, scans and resources, counted by type: three requests. Without
            it the levels that XNAT has: no request.

        Returns
        -------
        Structure
        """
        if project is None:
            return structure.of_levels()
        return structure.of_project(self._archive.transport, project)

    # -- how

    def _rows(self, address: Address) -> Iterator[Row]:
        request = Request("GET", address.ask(format="csv"), expect="csv")
        return rows(self._archive.transport.send(request))

    def _experiments(self, datatype: str, project: str | None, columns: str) -> Iterator[Row]:
        address = Address.of("data", "experiments")
        if project:
            address = Address.of("data", "projects", project, "experiments")
        return self._rows(address.ask(xsiType=datatype, columns=columns))

    def _of_scans(self, column: str, project: str | None, datatype: str = SESSION) -> list[str]:
        found = self._experiments(datatype, project, f"ID,{column}")
        return _unique(row.get(column.lower(), "") or row.get(column, "") for row in found)

    def __repr__(self) -> str:
        return f"<Inspector {self._archive.transport.server}>"


def _has_wildcards(pattern: str) -> bool:
    return any(sign in pattern for sign in "*?[")


def _unique(values: Iterator[str]) -> list[str]:
    return sorted({value for value in values if value}, key=_natural)


def _natural(value: str) -> tuple[int, float, str]:
    try:
        return (0, float(value), value)
    except ValueError:
        return (1, 0.0, value)
