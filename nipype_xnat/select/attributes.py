"""Reading and writing the fields of an element."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ..address import Address
from ..errors import BadRequest, NotFound
from ..levels import LEVELS
from ..records import Record
from ..tables import Row, rows
from ..transport import Request, Transport
from .fields import check_written
from .schema_paths import paths_of

__all__ = ["Attributes"]


class Attributes:
    """The fields of one element, by XNAT's short names or by xpath.

    Parameters
    ----------
    transport : Transport
    level : str
    known : callable
        Returns what is known of the element, asking nothing.
    identified : callable
        Returns the element's record with its id.
    event : mapping
        Query parameters of each write.
    address : callable
        Returns the element's address.
    datatype : callable
        Returns the element's data type.
    """

    def __init__(
        self,
        transport: Transport,
        level: str,
        known: Callable[[], Record],
        identified: Callable[[], Record],
        event: Mapping[str, str],
        address: Callable[[], Address],
        datatype: Callable[[], str],
    ) -> None:
        self._transport = transport
        self._level = level
        self._known = known
        self._identified = identified
        self._event = event
        self._address = address
        self._datatype = datatype

    def __call__(self) -> list[str]:
        """Return the paths of all fields that the element may have, from the archive's schema."""
        datatype = self._datatype()
        address = Address.of("xapi", "schemas", datatype.partition(":")[0])
        return paths_of(self._transport.send(Request("GET", address)).text(), datatype)

    def get(self, name: str) -> str:
        """Return the value of one field, empty where it has none.

        Parameters
        ----------
        name : str
            A short name (``type``, ``date``, ``gender``) or an xpath
            (``xnat:mrSessionData/scanner/manufacturer``).

        Raises
        ------
        BadRequest
            If the archive does not know the field.
        """
        return self.mget([name])[0]

    def mget(self, names: Sequence[str]) -> list[str]:
        """Return the values of several fields, in one request."""
        row = self._row_by_label(names) or self._row(names)
        known = {key.lower(): value for key, value in row.items()}
        values = []
        for name in names:
            column = next((word for word in _headers(name) if word in known), None)
            if column is None:
                raise BadRequest(
                    f"the archive knows no field {name!r} of {_a(self._level)}",
                    server=self._transport.server,
                    advice="give an xpath, such as xnat:subjectData/demographics[@xsi:type="
                    "xnat:demographicData]/age",
                )
            values.append(known[column])
        return values

    def set(self, name: str, value: Any) -> None:
        """Write one field."""
        self.mset({name: value})

    def mset(self, values: Mapping[str, Any]) -> None:
        """Write several fields, in one request.

        Raises
        ------
        UsageError
            If a name looks like a misspelt one, which XNAT would drop.
        """
        check_written(self._level, values)
        address = self._address().ask(values).ask(self._event)
        self._transport.send(Request("PUT", address)).close()

    def _row_by_label(self, names: Sequence[str]) -> Row | None:
        """Return the row of an element whose id is not known yet, without asking for that first.

        Only what its project owns is taken: labels of shared elements differ from project to
        project.
        """
        record = self._known()
        label, number = {
            "subject": (record.subject_label, record.subject_id),
            "experiment": (record.experiment_label, record.experiment_id),
            "assessor": (record.assessor_label, record.assessor_id),
        }.get(self._level, ("", ""))
        if number or not (label and record.project):
            return None
        known = ["ID", "label", "project"]
        if self._level == "assessor":
            known += ["session_ID", "session_label"]
            listing = Address.of("data", "experiments").ask(
                xsiType="xnat:imageAssessorData", project=record.project
            )
        else:
            listing = Address.of("data", "projects", record.project, LEVELS[self._level].plural)
        columns = ",".join(dict.fromkeys([*known, *names]))
        address = listing.ask(format="json", columns=columns, label=label)
        answer = self._transport.send(Request("GET", address, expect="json"))
        found = [
            row
            for row in rows(answer)
            if (row.get("label"), row.get("project")) == (label, record.project)
            and (self._level != "assessor" or _is_of_session(row, record))
        ]
        return found[0] if len(found) == 1 else None

    def _row(self, names: Sequence[str]) -> Row:
        record = self._identified()
        if self._level == "project":
            listing, key, wanted = Address.of("data", "projects"), "ID", record.project
        elif self._level == "subject":
            # by its own id the listing of the site finds it, whatever project shows it
            listing, key, wanted = Address.of("data", "subjects"), "ID", record.subject_id
        elif self._level == "experiment":
            listing, key, wanted = Address.of("data", "experiments"), "ID", record.experiment_id
        elif self._level == "assessor":
            listing, key, wanted = Address.of("data", "experiments"), "ID", record.assessor_id
        else:
            plural = LEVELS[self._level].plural
            listing = Address(self._address().segments[:-1])
            key = "ID"
            wanted = record.scan_id if plural == "scans" else record.reconstruction_id
        columns = ",".join(dict.fromkeys(["ID", *names]))
        address = listing.ask(format="json", columns=columns)
        if self._level not in ("scan", "reconstruction"):
            address = address.ask(ID=wanted)
        if self._level == "assessor":
            address = address.ask(xsiType="xnat:imageAssessorData")
        answer = self._transport.send(Request("GET", address, expect="json"))
        for row in rows(answer):
            if row.get(key) == wanted:
                return row
        raise NotFound(
            f"there is no {self._level} {wanted!r}",
            server=self._transport.server,
            asked=str(address),
        )


def _a(level: str) -> str:
    return f"{'an' if level[0] in 'aeiou' else 'a'} {level}"


def _is_of_session(row: Row, record: Record) -> bool:
    """Tell whether an assessor's row is of the session that a record names."""
    if record.experiment_id:
        return row.get("session_ID") == record.experiment_id
    return row.get("session_label") == record.experiment_label


# XNAT's short names that do not end as the path does (its class XMLPathShortcuts)
_SHORT = {
    "imagesessiondata/uid": "studyinstanceuid",
    "imagescandata/starttime": "scantime",
    "petsessiondata/start_time_scan": "scan_start_time",
    "petsessiondata/start_time_injection": "injection_start_time",
    "tracer/specificactivity": "tracer_sa",
    "isotope/half-life": "tracer_isotope",
    "tracer/transmissions_starttime": "tracer_transmissions_start",
    "insert_user/login": "insert_user",
    "extension_item/element_name": "xsitype",
}


def _headers(name: str) -> Iterator[str]:
    """Yield the headers under which a listing may give a column: its own, or XNAT's short name."""
    lowered = re.sub(r"\[[^\]]*\]", "", name.lower())
    yield name.lower()
    *_, above, last = ["", *lowered.split("/")]
    kind = above.rpartition(":")[2]
    if f"{kind}/{last}" in _SHORT:
        yield _SHORT[f"{kind}/{last}"]
    if above in ("investigator", "pi"):
        yield f"pi_{last}"
    if above in ("validation", "tracer"):
        yield f"{above}_{last}"
    if above in ("demographics", "meta") or ":" in above:
        yield last
