"""Write the demo cohort into a running archive, over its REST interface.

Only what is missing or differs is sent: the archive's own listing tells which files it holds, by
digest. What is complete is marked in the archive, and from then on left alone, so that a demo can
be run again after somebody changed, added or removed data.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

import requests

from nipype_xnat.demo.cohort import (
    PROJECT,
    Cohort,
    Project,
    Resource,
    Session,
    Share,
    Subject,
    age,
    contents,
    demo_cohort,
)
from nipype_xnat.errors import AnswerError, CannotReachServer, NotLoggedIn, UploadIncomplete

_MARKER = "SEED"
_NAMESPACE = "http://nrg.wustl.edu/xnat"
# scan id ("" for a resource of the session), resource label, file name
_Key = tuple[str, str, str]


@dataclass(frozen=True)
class Step:
    """How far seeding is."""

    done: int
    total: int
    what: str


@dataclass(frozen=True)
class Seeded:
    """What seeding did: files sent, and files that were there already.

    ``before`` is true where an earlier call had completed, and nothing was looked at.
    """

    sent: int = 0
    present: int = 0
    before: bool = False


def seed(
    url: str,
    user: str,
    password: str,
    progress: Callable[[Step], None] | None = None,
    *,
    cohort: Cohort | None = None,
    restore: bool = False,
) -> Seeded:
    """Write the demo cohort into a running archive.

    Parameters
    ----------
    url : str
        Address of the archive.
    user, password : str
        An account that may create projects. They are used once, to log in.
    progress : callable, optional
        Is given a :class:`Step` after each session.
    cohort : Cohort, optional
        By default :func:`~nipype_xnat.demo.cohort.demo_cohort`.
    restore : bool, default False
        Also look into an archive that was seeded to the end before, and put back what has been
        changed or removed since.

    Returns
    -------
    Seeded
        What was sent.

    Raises
    ------
    AnswerError
        If the archive refuses a request.
    UploadIncomplete
        If the archive does not list what it took.
    """
    cohort = cohort or demo_cohort()
    with _connected(url, user, password) as archive:
        if not restore and archive.marked():
            return Seeded(before=True)
        sent = present = 0
        work = list(cohort.sessions())
        known = {
            project.id: archive.holdings(project.id) if archive.has_project(project.id) else {}
            for project in cohort.projects
        }
        for project in cohort.projects:
            archive.create_project(project)
        # two sessions are made while a third is sent: the making takes the time
        with ThreadPoolExecutor(2) as pool:
            images = pool.map(lambda item: _images(cohort, item[1], item[2]), work)
            try:
                for done, (item, files) in enumerate(zip(work, images, strict=True), 1):
                    project, subject, session = item
                    new = _write(archive, item, files, known[project.id].get(session.label, {}))
                    sent += new
                    present += len(files) - new
                    if progress:
                        progress(Step(done, len(work), f"{subject.label} {session.label}"))
            except BaseException:
                # who stops this does not wait for the images of all the others
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        for project in cohort.projects:
            for share in project.shares:
                archive.share(project, share)
        archive.mark(cohort)
    return Seeded(sent, present)


def _images(cohort: Cohort, subject: Subject, session: Session) -> dict[_Key, bytes]:
    return {
        (scan, resource.label, name): data
        for scan, resource in _resources(session)
        for name, data in contents(cohort, subject, session, resource).items()
    }


def _resources(session: Session) -> Iterator[tuple[str, Resource]]:
    for scan in session.scans:
        for resource in scan.resources:
            yield scan.id, resource
    for resource in session.resources:
        yield "", resource


def _write(
    archive: _Archive,
    whose: tuple[Project, Subject, Session],
    files: Mapping[_Key, bytes],
    held: Mapping[_Key, str],
) -> int:
    """Bring one session to the state it should have; say how many files that took."""
    project, subject, session = whose
    digests = {key: _md5(data) for key, data in files.items()}
    missing = {key for key, digest in digests.items() if held.get(key) != digest}
    if not missing:
        return 0
    path = archive.create_session(project, subject, session)
    for scan, resource in _resources(session):
        wanted = {key[2]: files[key] for key in missing if key[:2] == (scan, resource.label)}
        if wanted:
            owner = f"{path}/scans/{scan}" if scan else path
            archive.put_files(owner, resource, wanted)
    after = archive.holdings(project.id)[session.label]
    lost = [key for key, digest in digests.items() if after.get(key) != digest]
    if lost:
        raise UploadIncomplete(
            f"after the upload the archive does not list {', '.join(key[2] for key in lost)}",
            asked=path,
            server=archive.url,
        )
    return len(missing)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@contextmanager
def _connected(url: str, user: str, password: str) -> Iterator[_Archive]:
    with requests.Session() as http:
        # neither a proxy nor a netrc of the machine has a say about this one archive
        http.trust_env = False
        archive = _Archive(http, url)
        archive.send("POST", "/data/JSESSION", auth=(user, password))
        try:
            yield archive
        finally:
            archive.send("DELETE", "/data/JSESSION")


class _Archive:
    """The few calls that seeding needs."""

    def __init__(self, http: requests.Session, url: str) -> None:
        self.http = http
        self.url = url.rstrip("/")

    def send(self, method: str, path: str, *, missing: bool = False, **kwargs: Any) -> Any:
        """Send a request; give the answer's JSON, its text, or None where it is 404."""
        try:
            answer = self.http.request(method, self.url + path, timeout=300, **kwargs)
        except requests.ConnectionError as error:
            raise CannotReachServer(
                "no connection to the archive", server=self.url, asked=f"{method} {path}"
            ) from error
        if missing and answer.status_code == 404:
            return None
        if answer.status_code >= 400:
            kind = NotLoggedIn if answer.status_code == 401 else AnswerError
            raise kind(
                f"the archive refused: {answer.status_code} {answer.text[:300].strip()}",
                server=self.url,
                asked=f"{method} {path}",
                status=answer.status_code,
            )
        if "json" in answer.headers.get("Content-Type", ""):
            return answer.json()
        return answer.text

    def rows(self, path: str, **query: str) -> list[dict[str, str]]:
        """Ask for a listing."""
        answer = self.send("GET", path, missing=True, params={**query, "format": "json"})
        if not isinstance(answer, dict):
            return []
        rows: list[dict[str, str]] = answer["ResultSet"]["Result"]
        return rows

    def has_project(self, project: str) -> bool:
        return any(row["ID"] == project for row in self.rows("/data/projects"))

    def create_project(self, project: Project) -> None:
        if not self.has_project(project.id):
            self.send("PUT", f"/data/projects/{project.id}", params={"name": project.title})

    def create_session(self, project: Project, subject: Subject, session: Session) -> str:
        """Create the subject, the session and its scans, as far as they are not there."""
        path = f"/data/projects/{project.id}/subjects/{subject.label}"
        gender = {"M": "male", "F": "female"}[subject.sex]
        self.send("PUT", path, params={"gender": gender, "dob": subject.born.isoformat()})
        path += f"/experiments/{session.label}"
        kind = {"xsiType": "xnat:mrSessionData", "date": session.date.isoformat()}
        self.send("PUT", path, params=kind)
        for scan in session.scans:
            query = {"xsiType": "xnat:mrScanData", "type": scan.type, "quality": "usable"}
            self.send("PUT", f"{path}/scans/{scan.id}", params=query)
        return path

    def put_files(self, owner: str, resource: Resource, files: Mapping[str, bytes]) -> None:
        base = f"{owner}/resources/{self._resource(owner, resource.label)}/files"
        query = {"format": "NIFTI", "overwrite": "true", "inbody": "true"}
        if resource.zipped:
            # a path with letters beyond ASCII is refused; inside an archive any name passes
            self.send(
                "PUT",
                f"{base}/files.zip",
                params={**query, "extract": "true"},
                data=_zip(files),
                headers={"Content-Type": "application/zip"},
            )
            return
        for name, data in files.items():
            self.send(
                "PUT",
                f"{base}/{quote(name)}",
                params=query,
                data=data,
                headers={"Content-Type": "application/octet-stream"},
            )

    def _resource(self, owner: str, label: str) -> str:
        """What stands for a resource in a path: its label, or its number where that cannot."""
        if " " not in label:
            return label
        found = self._number(owner, label)
        if found is None:
            xml = (
                f'<xnat:ResourceCatalog xmlns:xnat="{_NAMESPACE}" label={quoteattr(label)}'
                ' format="NIFTI" content="RAW"/>'
            )
            self.send("POST", f"{owner}/resources", data=xml, headers={"Content-Type": "text/xml"})
            found = self._number(owner, label)
        if found is None:
            raise UploadIncomplete(
                f"the archive does not list the resource {label!r} that was made",
                asked=f"{owner}/resources",
                server=self.url,
            )
        return found

    def _number(self, owner: str, label: str) -> str | None:
        for row in self.rows(f"{owner}/resources"):
            if row["label"] == label:
                return row["xnat_abstractresource_id"]
        return None

    def holdings(self, project: str) -> dict[str, dict[_Key, str]]:
        """Digest of each file that a project's own sessions hold, by the session's label."""
        listed = self.rows(f"/data/projects/{project}/experiments", columns="ID,label")
        labels = {row["ID"]: row["label"] for row in listed}
        held: dict[str, dict[_Key, str]] = {label: {} for label in labels.values()}
        if not labels:
            return held
        # one session a request: with several, a single match is named in another way
        for identity, label in labels.items():
            for row in self.rows(f"/data/experiments/{identity}/files", all="true"):
                parts = urlsplit(row["URI"]).path.split("/")
                scan = parts[parts.index("scans") + 1] if "scans" in parts else ""
                name = unquote(row["URI"].split("/files/", 1)[1])
                held[label][scan, row["collection"], name] = row["digest"]
        return held

    def share(self, project: Project, share: Share) -> None:
        owner = next(
            subject
            for subject in project.subjects
            if any(session.label == share.session for session in subject.sessions)
        )
        subject = f"/data/projects/{project.id}/subjects/{owner.label}"
        session = f"{subject}/experiments/{share.session}"
        for path, label in ((subject, share.subject_label), (session, share.session_label)):
            shared = self.rows(f"{path}/projects")
            if not any(row["ID"] == share.project for row in shared):
                self.send("PUT", f"{path}/projects/{share.project}", params={"label": label})

    def marked(self) -> bool:
        path = f"/data/projects/{PROJECT}/resources/{_MARKER}/files"
        return self.has_project(PROJECT) and bool(self.rows(path))

    def mark(self, cohort: Cohort) -> None:
        shared = {share.session: share for item in cohort.projects for share in item.shares}
        people = [
            {
                "project": project.id,
                "subject": subject.label,
                "sex": subject.sex,
                "born": subject.born.isoformat(),
                "session": session.label,
                "date": session.date.isoformat(),
                "age": age(subject.born, session.date),
                "shared_as": shared[session.label].session_label
                if session.label in shared
                else None,
            }
            for project, subject, session in cohort.sessions()
        ]
        text = json.dumps({"seed": cohort.seed, "sessions": people}, indent=1).encode()
        files = f"/data/projects/{PROJECT}/resources/{_MARKER}/files"
        if any(row["digest"] == _md5(text) for row in self.rows(files)):
            return
        self.send(
            "PUT",
            f"{files}/cohort.json",
            params={"format": "JSON", "overwrite": "true", "inbody": "true"},
            data=text,
            headers={"Content-Type": "application/octet-stream"},
        )


def _zip(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as packed:
        for name, data in files.items():
            # a ZipInfo made by hand holds no time of day
            packed.writestr(zipfile.ZipInfo(name), data)
    return buffer.getvalue()
