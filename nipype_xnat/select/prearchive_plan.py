"""From a path below ``/prearchive`` to the requests that answer it.

Its listings are small and lag behind anyway: one request for the sessions, then one for what each
has, several sessions at once. Facts about the answers come from the server's classes
PrearcSessionListResource, PrearcScansListResource, PrearcSessionResourcesList,
PrearcScanResourceList and PrearcSessionResourceFiles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from ..errors import NotFound
from ..records import Record
from ..transport import Request, Transport
from .grammar import ANY, Path, Step
from .listings import Listings
from .matching import accepts, matching, named, order
from .parallel import in_parallel
from .prearchive import PreArchive

if TYPE_CHECKING:
    from .element import Archive

__all__ = ["PrearchivePlan", "described_scans"]

_XNAT = "{http://nrg.wustl.edu/xnat}"
_XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
#: what the listing of a session's scans says of them
_LISTED = frozenset({"ID", "xsiType", "series_description"})


class PrearchivePlan:
    """The requests that answer one path through the prearchive.

    Parameters
    ----------
    path : Path
    archive : Archive
    """

    def __init__(self, path: Path, archive: Archive) -> None:
        self.path = path
        self._archive = archive
        self._ask = Listings(archive.transport)
        levels = [step.level for step in path.steps]
        self._at = levels.index("experiment")

    def records(self) -> Iterator[Record]:
        """Yield a record for each element that the path names, asking as they are taken."""
        steps = self.path.steps[self._at + 1 :]
        head = Path(self.path.steps[: self._at + 1], prearchive=True)
        if steps and head.exact:
            yield from self._below(named(head.steps), steps)
        elif not steps:
            yield from self._sessions()
        else:
            for found in in_parallel(lambda one: self._inside(one, steps), self._sessions()):
                yield from found

    def _sessions(self) -> Iterator[Record]:
        *above, session = self.path.steps[: self._at + 1]
        levels = {step.level: step for step in above}
        project = levels.get("project", Step("project"))
        subject = levels.get("subject", Step("subject"))
        name = project.pattern.text if project.exact else None
        found = []
        for row in PreArchive(self._archive).table(name):
            record = Record(
                project=row["project"],
                prearchive=f"{row['timestamp']}/{row['folderName']}",
                fields=tuple(row.items()),
            )
            if (
                accepts(project, record)
                and session.pattern.matches(row["folderName"], row.get("name", ""))
                and accepts(Step("experiment", ANY, session.filters), record)
                and subject.pattern.matches(row.get("subject", ""))
            ):
                found.append(record)
        return iter(sorted(found, key=lambda record: (record.project, record.prearchive)))

    def _inside(self, session: Record, steps: Sequence[Step]) -> list[Record]:
        try:
            return list(self._below(session, steps))
        except NotFound:
            return []  # still on its way, or gone meanwhile, or without that scan or resource

    def _below(self, owner: Record, steps: Sequence[Step]) -> Iterator[Record]:
        step, *deeper = steps
        if not deeper:
            yield from self._matching(owner, step)
            return
        found = [_named(owner, step)] if step.exact else self._matching(owner, step)
        for record in found:
            if len(found) == 1:
                yield from self._below(record, deeper)
            else:
                yield from self._inside(record, deeper)

    def _matching(self, owner: Record, step: Step) -> list[Record]:
        owner = owner.with_values(fields=())
        found: Iterable[Record]
        if step.level == "scan":
            listed = {condition.field for condition in step.filters} <= _LISTED
            ask = self._ask.scans if listed else self._described_scans
            found = ask(owner)
        elif step.level == "resource":
            found = self._ask.resources(owner)
        else:
            found = self._ask.files(owner)
        return sorted(matching(found, step), key=order)

    def _described_scans(self, session: Record) -> Iterator[Record]:
        return described_scans(self._ask.transport, session)

    def explain(self) -> str:
        """Describe the requests, without sending any."""
        lines = [str(self.path)]
        steps = self.path.steps[self._at :]
        if not (len(steps) > 1 and self.path.exact):
            lines.append("  1 request: the sessions that wait")
        owner = "session"
        for step in steps[1:]:
            if step is steps[-1] or not step.exact:
                lines.append(f"  1 request a {owner}: its {step.level}s")
            owner = step.level
        return "\n".join(lines)


def _named(owner: Record, step: Step) -> Record:
    name = "scan_id" if step.level == "scan" else "resource_label"
    return owner.with_values(**{name: step.pattern.text}, fields=())


def described_scans(transport: Transport, session: Record) -> Iterator[Record]:
    """Yield the scans of a session with all their plain fields, out of its document."""
    request = Request("GET", session.owner.ask(format="xml"), expect="xml")
    root = ET.fromstring(transport.send(request).read())  # noqa: S314 - expat limits expansion
    for scan in root.iterfind(f"{_XNAT}scans/{_XNAT}scan"):
        fields = {name: text for name, text in scan.attrib.items() if not name.startswith("{")}
        fields["xsiType"] = scan.get(_XSI_TYPE, "")
        for child in scan:
            if len(child) == 0 and child.text:
                fields.setdefault(child.tag.rpartition("}")[2], child.text)
        for name in ("quality", "series_description", "note"):
            fields.setdefault(name, "")  # a document leaves out what is empty
        yield session.with_values(
            scan_id=fields.get("ID", ""),
            scan_type=fields.get("type", ""),
            fields=tuple(fields.items()),
        )
