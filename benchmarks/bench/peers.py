"""The other clients at work: in the way that their documentation recommends, and as scripts do.

pyxnat: a table of all scans at once (``array.mrscans``), then the files of each scan; or one loop
in another, as its tutorial walks through an archive. xnatpy: the objects of a project, whose
listings it asks for as they are looked into. What a person can do with addresses of his own through
the log-in of either (``get``, ``get_json``) is measured too, and named so.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from unittest import mock

from .site import PASSWORD, USER

warnings.simplefilter("ignore")
logging.getLogger("xnat").setLevel(logging.ERROR)

THREADS = 8


@contextmanager
def pyxnat(url: str) -> Iterator[Any]:
    """Connect with pyxnat."""
    import pyxnat as client

    found = client.Interface(url, USER, PASSWORD)
    # a loop over this dict fails when another thread adds to it
    found._struct = _Steady(found._struct)
    try:
        yield found
    finally:
        found.disconnect()


class _Steady(dict[str, Any]):
    """A dict whose keys may be read while threads add to it."""

    def keys(self) -> Any:
        """Return those of this moment."""
        return list(super().keys())


@contextmanager
def xnatpy(url: str) -> Iterator[Any]:
    """Connect with xnatpy."""
    import xnat as client

    with (
        _without_bars(),
        contextlib.redirect_stderr(io.StringIO()),
        client.connect(url, user=USER, password=PASSWORD, loglevel="ERROR") as found,
    ):
        yield found


@contextmanager
def _without_bars() -> Iterator[None]:
    """Keep bars of progress from the terminal; they go to the descriptor itself."""
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nothing, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nothing)
        os.close(kept)


def connect_pyxnat(url: str) -> None:
    """Log in and out with pyxnat."""
    with pyxnat(url):
        pass


def connect_xnatpy(url: str) -> None:
    """Log in and out with xnatpy."""
    with xnatpy(url):
        pass


@contextmanager
def downloads_in(home: str) -> Iterator[None]:
    """Let what goes to the person's own folder of downloads go elsewhere."""
    with mock.patch.dict(os.environ, {"HOME": home}):
        yield


def spread(call: Callable[[Any], list[Any]], items: Sequence[Any], threads: int) -> list[Any]:
    """Call with each item, one after the other or on several threads, and join the answers."""
    if threads == 1:
        return [found for item in items for found in call(item)]
    with ThreadPoolExecutor(threads) as pool:
        return [found for part in pool.map(call, items) for found in part]


# ---- selecting: the T1w NIfTI files of the sessions of a project


def pyxnat_walk(url: str, project: str, threads: int = 1) -> list[Any]:
    """Select by loops, with pyxnat."""
    with pyxnat(url) as archive:

        def of_subject(subject: Any) -> list[Any]:
            return [
                file
                for session in subject.experiments()
                for scan in session.scans()
                if scan.attrs.get("type") == "T1w"
                for file in scan.resource("NIFTI").files("*.nii.gz")
            ]

        return spread(of_subject, list(archive.select.project(project).subjects()), threads)


def pyxnat_table(url: str, project: str, threads: int = 1) -> list[Any]:
    """Select by a table of all scans, then the files of each, with pyxnat."""
    with pyxnat(url) as archive:

        def files(row: dict[str, str]) -> list[Any]:
            path = f"/project/{project}/subject/{{subject}}/experiment/{{session}}/scan/{{scan}}"
            scan = archive.select(path.format(**row))
            return list(scan.resource("NIFTI").files("*.nii.gz"))

        return spread(files, pyxnat_scans(archive, project), threads)


def pyxnat_scans(archive: Any, project: str) -> list[dict[str, str]]:
    """Return subject, session and scan of the T1w scans of a project, asking once."""
    table = archive.array.mrscans(project_id=project, columns=["label", "xnat:mrScanData/type"])
    return [
        {
            "subject": row["xnat:mrsessiondata/subject_id"],
            "session": row["ID"],
            "scan": row["xnat:mrscandata/id"],
        }
        for row in table.data
        if row["xnat:mrscandata/type"] == "T1w"
    ]


def xnatpy_walk(url: str, project: str, threads: int = 1) -> list[Any]:
    """Select by the objects of a project, with xnatpy."""
    with xnatpy(url) as archive:

        def of_session(session: Any) -> list[Any]:
            return [
                file
                for scan in session.scans.values()
                if scan.type == "T1w"
                for name, file in scan.resources["NIFTI"].files.items()
                if name.endswith(".nii.gz")
            ]

        sessions = list(archive.projects[project].experiments.values())
        return spread(of_session, sessions, threads)


def xnatpy_hand(url: str, project: str, threads: int = 1) -> list[Any]:
    """Select by a table of all sessions with their scans, then the files of each, with xnatpy."""
    with xnatpy(url) as archive:
        return spread(xnatpy_files(archive), xnatpy_scans(archive, project), threads)


def xnatpy_scans(archive: Any, project: str) -> list[str]:
    """Return the addresses of the NIFTI files of the T1w scans of a project, asking once.

    The table of its own, ``tabulate``, leaves out the columns of scans.
    """
    rows = archive.get_json(
        f"/data/projects/{project}/experiments",
        query={
            "xsiType": "xnat:mrSessionData",
            "columns": "ID,xnat:mrScanData/ID,xnat:mrScanData/type",
        },
    )["ResultSet"]["Result"]
    return [
        f"/data/experiments/{row['ID']}/scans/{row['xnat:mrscandata/id']}/resources/NIFTI/files"
        for row in rows
        if row["xnat:mrscandata/type"] == "T1w"
    ]


def xnatpy_files(archive: Any) -> Callable[[str], list[Any]]:
    """Return a function that lists the files of a resource, given its address."""

    def files(address: str) -> list[Any]:
        rows = archive.get_json(address)["ResultSet"]["Result"]
        return [row for row in rows if row["Name"].endswith(".nii.gz")]

    return files


def pyxnat_hand(url: str, project: str, threads: int = 1) -> list[Any]:
    """Select by a table of all scans, then the files of each by a request written by hand."""
    with pyxnat(url) as archive:

        def files(row: dict[str, str]) -> list[Any]:
            address = "/data/experiments/{session}/scans/{scan}/resources/NIFTI/files"
            answer = archive.get(address.format(**row), params={"format": "json"})
            rows = answer.json()["ResultSet"]["Result"]
            return [row for row in rows if row["Name"].endswith(".nii.gz")]

        return spread(files, pyxnat_scans(archive, project), threads)


SELECTING: dict[str, Callable[..., list[Any]]] = {
    "pyxnat, a table and the files of each": pyxnat_table,
    "pyxnat, loops": pyxnat_walk,
    "xnatpy, objects": xnatpy_walk,
}
"""Ways to select; each gets an address, a project, and a number of threads."""

BY_HAND: dict[str, Callable[..., list[Any]]] = {
    "pyxnat, a table and requests by hand": pyxnat_hand,
    "xnatpy, requests by hand": xnatpy_hand,
}
"""The same with addresses and answers of one's own, the clients being used for their log-in."""
