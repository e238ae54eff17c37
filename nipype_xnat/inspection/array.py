"""Experiments and scans as tables, one request each: ``interface.array``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..address import Address
from ..search import Search, Table
from ..select.element import Archive
from ..tables import rows
from ..transport import Request

__all__ = ["ArrayData"]

_EXPERIMENT = "xnat:subjectAssessorData"


class ArrayData:
    """``interface.array``: tables of what the account may see, by exact ids, labels and values.

    Parameters
    ----------
    archive : Interface

    Examples
    --------
    >>> interface.array.mrscans(project_id="P", columns=["label"])  # doctest: +SKIP
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    def experiments(
        self,
        project_id: str | None = None,
        subject_id: str | None = None,
        subject_label: str | None = None,
        experiment_id: str | None = None,
        experiment_label: str | None = None,
        experiment_type: str = _EXPERIMENT,
        columns: Sequence[str] | None = None,
        constraints: Mapping[str, object] | None = None,
    ) -> Table:
        """Return the experiments of a data type.

        Parameters
        ----------
        project_id, subject_id, subject_label, experiment_id, experiment_label : str, optional
            Only what these exact names belong to.
        experiment_type : str
            Data type, e.g. ``xnat:mrSessionData``.
        columns : sequence of str, optional
            Fields to tell besides ids and project: XNAT's short names or xpaths.
        constraints : mapping, optional
            Values that fields must have.
        """
        wanted = ["ID", "project", f"{experiment_type}/subject_id"]
        names = {
            "project": project_id,
            f"{experiment_type}/subject_id": subject_id,
            "xnat:subjectData/label": subject_label,
            "ID": experiment_id,
            "label": experiment_label,
        }
        return self._table(experiment_type, names, wanted, columns, constraints)

    def mrsessions(
        self,
        project_id: str | None = None,
        subject_id: str | None = None,
        subject_label: str | None = None,
        experiment_id: str | None = None,
        experiment_label: str | None = None,
        columns: Sequence[str] | None = None,
        constraints: Mapping[str, object] | None = None,
    ) -> Table:
        """Return the MR sessions; see :meth:`experiments`."""
        return self.experiments(
            project_id,
            subject_id,
            subject_label,
            experiment_id,
            experiment_label,
            "xnat:mrSessionData",
            columns,
            constraints,
        )

    def scans(
        self,
        project_id: str | None = None,
        subject_id: str | None = None,
        subject_label: str | None = None,
        experiment_id: str | None = None,
        experiment_label: str | None = None,
        experiment_type: str = "xnat:imageSessionData",
        scan_type: str = "xnat:imageScanData",
        columns: Sequence[str] | None = None,
        constraints: Mapping[str, object] | None = None,
    ) -> Table:
        """Return the scans of experiments, one row each.

        Parameters
        ----------
        scan_type : str
            Data type of the scans, e.g. ``xnat:mrScanData``; other scans have no row.
        project_id, subject_id, subject_label, experiment_id, experiment_label, experiment_type
        columns, constraints
            See :meth:`experiments`.
        """
        wanted = ["ID", "project", f"{experiment_type}/subject_id", f"{scan_type}/ID"]
        names = {
            "project": project_id,
            f"{experiment_type}/subject_id": subject_id,
            "xnat:subjectData/label": subject_label,
            "ID": experiment_id,
            "label": experiment_label,
        }
        found = self._table(experiment_type, names, wanted, columns, constraints)
        key = f"{scan_type}/ID".lower()
        return found.where(lambda row: bool(row.get(key)))

    def mrscans(
        self,
        project_id: str | None = None,
        subject_id: str | None = None,
        subject_label: str | None = None,
        experiment_id: str | None = None,
        experiment_label: str | None = None,
        columns: Sequence[str] | None = None,
        constraints: Mapping[str, object] | None = None,
    ) -> Table:
        """Return the MR scans of MR sessions; see :meth:`scans`."""
        return self.scans(
            project_id,
            subject_id,
            subject_label,
            experiment_id,
            experiment_label,
            "xnat:mrSessionData",
            "xnat:mrScanData",
            columns,
            constraints,
        )

    def search_experiments(
        self,
        project_id: str | None = None,
        subject_id: str | None = None,
        subject_label: str | None = None,
        experiment_type: str = _EXPERIMENT,
        columns: Sequence[str] | None = None,
        constraints: Sequence[Any] | None = None,
    ) -> Table:
        """Return the rows of a data type, found by the search engine.

        Parameters
        ----------
        project_id, subject_id, subject_label : str, optional
        experiment_type : str
            A data type that can be searched.
        columns : sequence of str, optional
            Fields with their data types; by default all.
        constraints : sequence of tuple, optional
            Further comparisons, which must all hold.
        """
        named = {
            f"{experiment_type}/PROJECT": project_id,
            "xnat:subjectData/SUBJECT_ID": subject_id,
            "xnat:subjectData/SUBJECT_LABEL": subject_label,
        }
        criteria: list[Any] = [(field, "=", name) for field, name in named.items() if name]
        criteria += constraints or ()
        found = Search(self._archive, experiment_type, columns or ())
        return found.where([*criteria, "AND"]) if criteria else found.all()

    def _table(
        self,
        datatype: str,
        names: Mapping[str, str | None],
        wanted: Sequence[str],
        columns: Sequence[str] | None,
        constraints: Mapping[str, object] | None,
    ) -> Table:
        values = dict(constraints or {})
        asked = list(dict.fromkeys([*wanted, *values, *(columns or ())]))
        address = Address.of("data", "experiments").ask(
            {"xsiType": datatype, **names, "columns": ",".join(asked), "format": "csv"}
        )
        answer = self._archive.transport.send(Request("GET", address, expect="csv"))
        found = Table(rows(answer))
        for name, value in values.items() if found else ():
            told = zip(found, found.column(name), strict=True)
            found = Table([row for row, text in told if _same(text, str(value))], found.columns)
        return found

    def __repr__(self) -> str:
        return f"<ArrayData {self._archive.transport.server}>"


def _same(text: str, wanted: str) -> bool:
    """Compare as numbers where both are: XNAT tells an age of 42 as 42.0."""
    try:
        return float(text) == float(wanted)
    except ValueError:
        return text == wanted
