"""Filling an archive from a description or from a folder, through its own interface.

Everything goes the way of requests, so what XNAT would refuse is refused here too.
"""

from __future__ import annotations

import json
import random
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode

import sqlalchemy as sa
from werkzeug.test import Client, TestResponse

from nipype_xnat.archive import people
from nipype_xnat.archive.archive import Archive
from nipype_xnat.archive.datatypes import DataType, shortcuts
from nipype_xnat.archive.errors import Invalid
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server.app import Application
from nipype_xnat.server.layout import described
from nipype_xnat.server.sessions import Sessions

#: what each level of a description may hold
_KEYS = {
    "the description": {"users", "projects"},
    "project": {"fields", "variables", "accessibility", "members", "resources", "subjects"},
    "subject": {"fields", "variables", "shares", "resources", "experiments"},
    "experiment": {
        "type",
        "fields",
        "variables",
        "shares",
        "resources",
        "scans",
        "reconstructions",
        "assessors",
    },
    "scan": {"type", "fields", "resources"},
    "reconstruction": {"type", "fields", "resources"},
    "assessor": {"type", "fields", "variables", "resources"},
    "resource": {"format", "content", "description", "tags", "files"},
    "user": {"login", "password", "admin", "firstname", "lastname", "email"},
}
_CHUNK = 1 << 20
_MESSAGE = re.compile(r"<h3>(.*?)</h3>", re.S)


def seed(archive: Archive, source: Path | str | Mapping[str, Any]) -> None:
    """Fill an archive.

    Parameters
    ----------
    archive : Archive
        It may be serving meanwhile.
    source : Path, str or mapping
        A JSON file with a description, a folder of files, or a description itself.

    Raises
    ------
    Invalid
        When the source is not understood, or the archive refuses a part of it.
    """
    folder = Path()
    if isinstance(source, Mapping):
        description: Any = source
    else:
        path = Path(source)
        folder = path.parent
        description = described(path) if path.is_dir() else _read(path)
    _Seeder(archive, folder).sow(_table(description, "the description"))


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise Invalid(f"{path} is neither a folder nor a JSON description: {error}") from error


def _table(found: Any, kind: str, name: str = "") -> Mapping[str, Any]:
    """Insist on a table with keys of its kind only."""
    what = f"{kind} {name}".strip()
    if not isinstance(found, Mapping):
        raise Invalid(f"{what} must be a table, not {type(found).__name__}")
    unknown = sorted(set(found) - _KEYS[kind])
    if unknown:
        raise Invalid(f"{what} has '{unknown[0]}'; it takes {', '.join(sorted(_KEYS[kind]))}")
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _generated(name: str, size: int) -> Iterator[bytes]:
    """Make bytes that look like nothing, but are the same each time."""
    source = random.Random(name)
    for start in range(0, size, _CHUNK):
        yield source.randbytes(min(_CHUNK, size - start))


class _Seeder:
    def __init__(self, archive: Archive, folder: Path):
        self.archive = archive
        self.folder = folder
        application = Application(archive)
        self.client = Client(application)
        with archive.database.read() as connection:
            login = connection.execute(
                sa.select(s.account.c.login).where(s.account.c.admin).order_by(s.account.c.pk)
            ).scalar()
            person = people.person(connection, login or "")
        if person is None:
            raise Invalid("the archive has no administrator on whose behalf it could be filled")
        # nobody logged in: the archive's own count is of its clients
        application.sessions = Sessions(application.sessions.rules, lambda opened: None)
        self.sessions = application.sessions
        self.session = self.sessions.open(person)
        self.client.set_cookie("JSESSIONID", self.session.id, path="/")
        self.shares: list[tuple[str, Any]] = []

    def sow(self, description: Mapping[str, Any]) -> None:
        try:
            for user in description.get("users", ()):
                self._user(_table(user, "user"))
            for name, project in description.get("projects", {}).items():
                self._project(name, _table(project, "project", name))
            # the projects that others are shared into may come later in the description
            for path, share in self.shares:
                self._share(path, share)
        finally:
            self.sessions.end(self.session.id)

    def _send(
        self, path: str, what: Mapping[str, Any] | None = None, there: bool = False, **more: Any
    ) -> TestResponse:
        query = {"event_reason": "seed", **(what or {})}
        url = f"{self.archive.site.context}{path}?{urlencode(query)}"
        answer = self.client.put(url, **more)
        if answer.status_code >= 400 and not (there and answer.status_code == 409):
            found = _MESSAGE.search(answer.get_data(as_text=True))
            message = unescape(found.group(1)) if found else answer.status
            raise Invalid(f"the archive refused {path}: {answer.status_code} {message}")
        return answer

    def _user(self, user: Mapping[str, Any]) -> None:
        if not user.get("login") or not user.get("password"):
            raise Invalid("a user needs a login and a password")
        self.archive.add_user(**user)

    def _field(self, datatype: DataType, name: str) -> str:
        """Insist on a field that exists: XNAT ignores the others without a word."""
        kind = datatype.kind
        prefix, slash, _ = name.partition("/")
        if slash and self.archive.dictionary.get(prefix) is not None:
            return name
        if not slash and name in shortcuts()[kind]["write"]:
            return name
        spec = datatype.field(name)
        if spec is None:
            raise Invalid(f"{datatype.name} has no field '{name}'")
        return f"{datatype.name}/{spec.path}"

    def _element(self, path: str, what: Mapping[str, Any], xsi_type: str, known: bool) -> None:
        """Send an element with its fields and variables, then its resources."""
        datatype = self.archive.dictionary.get(xsi_type)
        if datatype is None or not datatype.stands_alone:
            raise Invalid(f"'{xsi_type}' is not a data type of this archive")
        fields = {
            self._field(datatype, name): _text(value)
            for name, value in what.get("fields", {}).items()
        }
        for name, value in what.get("variables", {}).items():
            fields[f"{xsi_type}/fields/field[name={name}]/field"] = _text(value)
        self._send(path, None if known else {"xsiType": xsi_type}, data=fields)
        for label, resource in what.get("resources", {}).items():
            self._resource(f"{path}/resources/{quote(label)}", label, resource)
        self.shares += [(path, share) for share in what.get("shares", ())]

    def _project(self, name: str, project: Mapping[str, Any]) -> None:
        path = f"/data/projects/{quote(name)}"
        self._element(path, project, "xnat:projectData", True)
        if "accessibility" in project:
            self._send(f"{path}/accessibility/{quote(project['accessibility'])}")
        for login, role in project.get("members", {}).items():
            self._send(f"{path}/users/{quote(role)}/{quote(login)}")
        for label, subject in project.get("subjects", {}).items():
            self._subject(f"{path}/subjects/{quote(label)}", _table(subject, "subject", label))

    def _subject(self, path: str, subject: Mapping[str, Any]) -> None:
        self._element(path, subject, "xnat:subjectData", True)
        for label, found in subject.get("experiments", {}).items():
            experiment = _table(found, "experiment", label)
            self._experiment(f"{path}/experiments/{quote(label)}", experiment)

    def _experiment(self, path: str, experiment: Mapping[str, Any]) -> None:
        xsi_type = str(experiment.get("type", "xnat:mrSessionData"))
        self._element(path, experiment, xsi_type, False)
        for kind, usual in (
            ("scan", self._scan_type(xsi_type)),
            ("reconstruction", "xnat:reconstructedImageData"),
            ("assessor", "xnat:qcManualAssessorData"),
        ):
            for name, found in experiment.get(f"{kind}s", {}).items():
                what = _table(found, kind, name)
                below = f"{path}/{kind}s/{quote(name, safe='')}"
                self._element(below, what, str(what.get("type", usual)), False)

    def _scan_type(self, session: str) -> str:
        wanted = self.archive.dictionary.get(session.replace("SessionData", "ScanData"))
        if wanted is not None and wanted.kind == "scan":
            return wanted.name
        return "xnat:mrScanData" if "petmr" in session else "xnat:otherDicomScanData"

    def _share(self, path: str, share: Any) -> None:
        into = share if isinstance(share, Mapping) else {"project": share}
        label = {"label": into["label"]} if "label" in into else None
        self._send(f"{path}/projects/{quote(str(into['project']))}", label, there=True)

    def _resource(self, path: str, label: str, found: Any) -> None:
        resource = _table(found, "resource", label)
        about = {k: _text(resource[k]) for k in ("format", "content", "tags") if k in resource}
        if "description" in resource:
            about["description"] = str(resource["description"])
        files = resource.get("files", {})
        if not files:
            self._send(path, about, there=True)
            return
        # one archive for each resource: names and empty files are kept as they are
        with tempfile.TemporaryFile() as packed:
            with zipfile.ZipFile(packed, "w") as box:
                for name, file in files.items():
                    self._pack(box, name, file)
            size = packed.tell()
            packed.seek(0)
            self._send(
                f"{path}/files/seed.zip",
                {"extract": "true", "inbody": "true", "overwrite": "true", **about},
                input_stream=packed,
                content_length=size,
                content_type="application/zip",
            )

    def _pack(self, box: zipfile.ZipFile, name: str, file: Any) -> None:
        with box.open(zipfile.ZipInfo(name), "w", force_zip64=True) as into:
            if isinstance(file, str):
                into.write(file.encode())
            elif isinstance(file, Mapping) and isinstance(file.get("bytes"), int):
                for chunk in _generated(name, file["bytes"]):
                    into.write(chunk)
            elif isinstance(file, Mapping) and "path" in file:
                self._copy(self.folder / str(file["path"]), into)
            else:
                raise Invalid(f"file {name} must be a text, or have 'path' or 'bytes'")

    def _copy(self, path: Path, into: IO[bytes]) -> None:
        try:
            with path.open("rb") as source:
                while chunk := source.read(_CHUNK):
                    into.write(chunk)
        except OSError as error:
            raise Invalid(f"{path} cannot be read: {error}") from error
