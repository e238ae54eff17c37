"""What a change is about, as an archive has it: compared before the change is sent.

XNAT has neither versions nor conditional writes, so whether somebody else changed the same thing
is found by asking for its values where the change was made, and again where it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..address import Address
from ..errors import NotFound
from ..tables import rows
from ..transfer.listing import list_files
from ..transport import Request, Transport
from .columns import named

__all__ = ["Facts", "agrees", "facts_of", "files_of", "is_share", "wanted_by"]

_PROJECT_CHANGED = "xnat:projectData/meta/last_modified"

Facts = dict[str, str]
"""Values by the names of fields, or digests by the paths of files."""

_LISTS = {"projects", "subjects", "experiments", "scans", "assessors", "reconstructions"}
# parameters of a change that are no fields of what is changed
_NO_FIELDS = {
    "xsiType",
    "allowDataDeletion",
    "removeFiles",
    "format",
    "req_format",
    "inbody",
    "overwrite",
    "extract",
    "primary",
    "label",
    "content",
    "tags",
    "description",
}


def is_share(request: Request) -> bool:
    """Tell whether a request is about the projects that see an element."""
    segments = request.address.segments
    return "projects" in segments[2:] and segments[-2:-1] == ("projects",)


def wanted_by(request: Request) -> Facts:
    """Return the values that a request sets by its parameters."""
    return {
        name: value
        for name, value in request.address.query
        if name not in _NO_FIELDS and not name.startswith("event_") and not name.endswith("/ID")
    }


def facts_of(transport: Transport, request: Request) -> Facts | None:
    """Return what an archive has of that which a request is about; None where there is nothing.

    Parameters
    ----------
    transport : Transport
        The archive.
    request : Request
        A change.

    Returns
    -------
    dict of str to str, or None
        Of files and resources digests by paths, of elements the values of the fields that are set,
        or when they changed last where they are deleted or replaced as a whole.
    """
    segments = request.address.segments
    if "resources" in segments:
        at = segments.index("resources") + 2
        found = files_of(transport, Address(segments[:at]))
        if found is None or segments[at : at + 1] != ("files",):
            return found
        path = "/".join(segments[at + 1 :])
        return {path: found[path]} if path in found else None
    if is_share(request):
        return {}
    names = list(wanted_by(request))
    if request.method == "DELETE" or request.body is not None or not names:
        names = ["last_modified"]
    return _values(transport, Address(segments), names)


def files_of(transport: Transport, resource: Address) -> Facts | None:
    """Return the digests of a resource's files by their paths, None where there is no resource."""
    try:
        return list_files(transport, resource).by_path()
    except NotFound:
        return None


def agrees(wanted: Mapping[str, str], found: Mapping[str, str]) -> bool:
    """Tell whether all wanted values are there, however an archive writes them."""
    return all(_same(value, found.get(name, "")) for name, value in wanted.items())


def _same(one: str, other: str) -> bool:
    if one == other:
        return True
    truths = {"true": "1", "false": "0"}
    if truths.get(one.lower(), one) == truths.get(other.lower(), other):
        return True
    try:
        return float(one) == float(other)
    except ValueError:
        return False


def _values(transport: Transport, element: Address, names: list[str]) -> Facts | None:
    """Return fields of an element from the listing that it stands in."""
    *above, level, key = element.segments
    if level not in _LISTS:
        return {}
    request = Request("GET", element.ask(format="json"), expect="json", fresh=True)
    try:
        item = transport.send(request).json()["items"][0]
    except NotFound:
        return None
    found, xsi_type = item["data_fields"], item["meta"].get("xsi:type")
    if level == "projects":
        listing = Address.of("data", "projects").ask(ID=found["ID"])
        names = [
            "xnat:projectData/meta/last_modified" if n == "last_modified" else n for n in names
        ]
    elif level in ("subjects", "experiments", "assessors"):
        route = "subjects" if level == "subjects" else "experiments"
        listing = Address.of("data", route).ask(ID=found["ID"])
        if route == "experiments":
            listing = listing.ask(xsiType=xsi_type)
    else:
        listing = Address((*above, level)).ask(xsiType=xsi_type)
    asked = listing.ask(columns=",".join(["ID", *names]), format="json")
    answer = transport.send(Request("GET", asked, expect="json", fresh=True))
    for row in rows(answer):
        if row.get("ID") in (found["ID"], key):
            values = dict(named(row, names, listing.segments[-1]))
            return {name: values.get(name, "") for name in names}
    return {}
