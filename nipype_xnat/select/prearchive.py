"""The prearchive: sessions that arrived and wait to be archived."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

from ..address import Address
from ..errors import NotFound, UsageError
from ..search import Table
from ..tables import rows
from ..transport import Answer, Body, Request

if TYPE_CHECKING:
    from .element import Archive

__all__ = ["PreArchive"]

_COLUMNS = ("project", "timestamp", "folderName", "name", "subject", "status", "url")
_FORM = "application/x-www-form-urlencoded"

_ARCHIVED = "/data/archive/"

Triple = Sequence[str]


class PreArchive:
    """``interface.manage.prearchive``: sessions are named by project, time stamp and folder.

    XNAT works on them in the background: a listing may lag behind by seconds.

    Parameters
    ----------
    archive : Interface
    """

    def __init__(self, archive: Archive) -> None:
        self._archive = archive

    # -- looking

    def table(self, project: str | None = None) -> Table:
        """Return all that waits, or what waits in one project (``Unassigned`` for none).

        A project of which XNAT knows nothing has nothing that waits, for those who may see all.

        Raises
        ------
        NotAllowed
            If the account may not see the project.
        """
        address = Address.of("data", "prearchive")
        if not project:
            return self._table(address, _COLUMNS)
        # to administrators XNAT also lists what is assigned to no project
        return self._table(address / ["projects", project], _COLUMNS).where(project=project)

    def get(self, project: str | None = None) -> list[list[str]]:
        """Return project, time stamp and folder of each session that waits."""
        return self.table(project).select(["project", "timestamp", "folderName"]).as_list()[1:]

    def row(self, triple: Triple) -> dict[str, str]:
        """Return all that the table says of one session.

        Raises
        ------
        NotFound
            If no such session waits.
        """
        address = self._address(triple)
        project, timestamp, folder = triple
        found = self.table(project).where(timestamp=timestamp, folderName=folder)
        if not found:
            raise NotFound(
                "no such session waits in the prearchive",
                server=self._archive.transport.server,
                asked=str(address),
                advice="get() lists them; it may have been archived meanwhile",
            )
        return found[0]

    def status(self, triple: Triple) -> str:
        """Return what a session waits for: ``READY``, ``CONFLICT``, ``RECEIVING``, ...

        Raises
        ------
        NotFound
        """
        return self.row(triple)["status"]

    def get_uri(self, triple: Triple) -> str:
        """Return the address by which services name a session."""
        return self.row(triple)["url"]

    def get_scans(self, triple: Triple) -> list[str]:
        """Return the IDs of the scans of a session."""
        return self._table(self._address(triple) / "scans", ("ID",)).column("ID")

    def get_resources(self, triple: Triple, scan_id: str) -> list[str]:
        """Return the labels of the resources of a scan."""
        address = self._address(triple) / ["scans", scan_id, "resources"]
        return self._table(address, ("label",)).column("label")

    def get_files(self, triple: Triple, scan_id: str, resource_id: str) -> list[str]:
        """Return the names of the files of a resource."""
        address = self._address(triple) / ["scans", scan_id, "resources", resource_id, "files"]
        return self._table(address, ("Name",)).column("Name")

    # -- doing

    def archive(
        self, uris: str | Sequence[str], *, overwrite: str = "", project: str = ""
    ) -> list[str]:
        """Archive sessions.

        Parameters
        ----------
        uris : str or sequence of str
            See :meth:`get_uri`.
        overwrite : str
            What to do with a session that the archive has: nothing (a conflict), ``append`` or
            ``delete``.
        project : str
            Where to, if not where they wait.

        Returns
        -------
        list of str
            Addresses in the archive; empty where XNAT does it later, as it does for several.
        """
        if overwrite not in ("", "append", "delete"):
            raise UsageError(f"{overwrite!r} is no way to overwrite", advice="append or delete")
        more = {"overwrite": overwrite, "project": project}
        answer = self._service("archive", uris, {k: v for k, v in more.items() if v})
        # where the project archives by itself, XNAT sends on to the new session (its Archiver)
        moved = urlsplit(answer.headers.get("location", "")).path
        lines = [moved, *answer.text().splitlines()]
        found = [line[line.index(_ARCHIVED) :].strip() for line in lines if _ARCHIVED in line]
        return list(dict.fromkeys(found))

    def move(self, uris: str | Sequence[str], new_project: str) -> None:
        """Move sessions to another project of the prearchive."""
        self._service("prearchive/move", uris, {"newProject": new_project}).close()

    def delete(self, uris: str | Sequence[str]) -> None:
        """Remove sessions with their files."""
        self._service("prearchive/delete", uris, {}).close()

    def rebuild(self, uris: str | Sequence[str]) -> None:
        """Let XNAT read the files of sessions again."""
        self._service("prearchive/rebuild", uris, {}).close()

    def reset(self, triple: Triple) -> None:
        """Let XNAT read the files of one session again, whatever it waits for."""
        body = _form([("action", "build")])
        request = Request("POST", self._address(triple).ask(format="single"), body)
        self._archive.transport.send(request).close()

    def import_zip(
        self,
        path: str | Path,
        project: str = "",
        subject: str = "",
        session: str = "",
        *,
        dest: str = "/prearchive",
        overwrite: str = "none",
    ) -> list[str]:
        """Send an archive of DICOM files.

        Parameters
        ----------
        path : path
            A zip.
        project, subject, session : str
            Where it belongs, if its headers are not to say so.
        dest : str
            ``/prearchive``, or ``/archive`` to skip waiting.
        overwrite : str
            ``none``, ``append`` or ``delete``.

        Returns
        -------
        list of str
            Addresses of the sessions.
        """
        source = Path(path)
        if not source.is_file():
            raise UsageError(f"there is no file {source}")
        address = Address.of("data", "services", "import").ask(
            {
                "import-handler": "DICOM-zip",
                "inbody": True,
                "dest": dest,
                "overwrite": overwrite,
                "PROJECT_ID": project or None,
                "SUBJECT_ID": subject or None,
                "EXPT_LABEL": session or None,
            }
        )
        request = Request("POST", address, Body.of_file(source, "application/zip"))
        return self._archive.transport.send(request).text().split()

    # -- how

    def _table(self, address: Address, columns: Sequence[str]) -> Table:
        # sessions change by themselves: what was answered a moment ago proves nothing
        request = Request("GET", address.ask(format="json"), expect="json", fresh=True)
        return Table(rows(self._archive.transport.send(request)), columns)

    def _address(self, triple: Triple) -> Address:
        if isinstance(triple, str) or len(triple) != 3:
            raise UsageError(
                f"{triple!r} names no session of the prearchive",
                advice="give project, time stamp and folder, as get() lists them",
            )
        return Address.of("data", "prearchive", "projects", *triple)

    def _service(self, name: str, uris: str | Sequence[str], more: dict[str, str]) -> Answer:
        sources = [uris] if isinstance(uris, str) else list(uris)
        if not sources:
            raise UsageError("no session was named", advice="get_uri() tells a session's address")
        pairs = [("src", source) for source in sources] + list(more.items())
        if name != "archive":
            pairs.append(("async", str(len(sources) > 1).lower()))
        address = Address.of("data", "services", *name.split("/"))
        request = Request("POST", address, _form(pairs), accept=frozenset({303}))
        return self._archive.transport.send(request)

    def __repr__(self) -> str:
        return f"<PreArchive {self._archive.transport.server}>"


def _form(pairs: Sequence[tuple[str, str]]) -> Body:
    return Body.of_bytes(urlencode(pairs).encode(), _FORM)
