"""A mirror's folder: what it holds, of which server, and since when.

::

    MIRROR/mirror.json        server, account, what was pulled and when; names the current state
    MIRROR/states/NAME/       an archive without its bytes: archive.sqlite, and files -> the bytes
    MIRROR/bytes/             the bytes, laid out as a cache, so that they can serve as one

A pull writes a new state beside the current one and then replaces ``mirror.json`` in one step, so a
reader sees the old state or the new one, never something between. Nothing is written by reading.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy.exc import DatabaseError

from ..cache import Cache
from ..cache.writing import write_whole
from ..errors import MirrorError, XNATError

__all__ = ["Contents", "Folder", "Wanted", "written"]

_LAYOUT = 1
_DESCRIPTION = "mirror.json"


@contextmanager
def written(what: str, advice: str) -> Iterator[None]:
    """Tell of a disk that is full or cannot be written, whoever wrote to it.

    Raises
    ------
    MirrorError
    """
    try:
        yield
    except (OSError, DatabaseError, sqlite3.Error) as error:
        if isinstance(error, XNATError):
            raise
        reason = getattr(error, "orig", None) or getattr(error, "strerror", None) or error
        raise MirrorError(f"{what} cannot be written: {reason}", advice=advice) from error


@dataclass(frozen=True)
class Wanted:
    """What a mirror holds of one project.

    Parameters
    ----------
    project : str
        Its ID.
    criteria : str
        Only the sessions that fulfil them, see :mod:`nipype_xnat.search.criteria`; empty for all.
    files : tuple of str
        Templates of the files whose bytes are held; empty for all files.
    bytes : bool
        Whether any bytes are held; the listings are held in any case.
    """

    project: str
    criteria: str = ""
    files: tuple[str, ...] = ()
    bytes: bool = True

    def __str__(self) -> str:
        which = f", sessions with {self.criteria}" if self.criteria else ""
        files = " and ".join(self.files) if self.files else "all files"
        return f"{self.project}{which}: {files if self.bytes else 'listings only'}"


@dataclass(frozen=True)
class Contents:
    """What ``mirror.json`` says.

    Parameters
    ----------
    server, account : str
        Who was asked, and by whom.
    projects : tuple of Wanted
    state : str
        Name of the current state; empty before the first pull was finished.
    pulled : str
        When that was, in UTC.
    kept : dict of str to str
        Answers that are kept as they came, by their path and query.
    """

    server: str
    account: str = ""
    projects: tuple[Wanted, ...] = ()
    state: str = ""
    pulled: str = ""
    kept: dict[str, str] = field(default_factory=dict)

    def wanted(self, project: str) -> Wanted | None:
        """Return what is held of a project, None where it is nothing."""
        return next((one for one in self.projects if one.project == project), None)

    def with_projects(self, more: Iterable[Wanted], without: Iterable[str] = ()) -> Contents:
        """Return the same with some projects added or replaced, and some taken out."""
        known = {one.project: one for one in self.projects}
        for name in without:
            known.pop(name, None)
        known.update({one.project: one for one in more})
        return replace(self, projects=tuple(known[name] for name in sorted(known)))


class Folder:
    """The folder of a mirror.

    Parameters
    ----------
    root : path
        Need not exist yet.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root).expanduser().absolute()

    @property
    def bytes(self) -> Cache:
        """The bytes, as a cache."""
        return Cache(self.root / "bytes")

    def state(self, name: str) -> Path:
        """Return the folder of a state."""
        return self.root / "states" / name

    def read(self) -> Contents | None:
        """Return what the mirror holds; None where there is no mirror yet.

        Raises
        ------
        MirrorError
            If the folder is something else, or of another layout.
        """
        path = self.root / _DESCRIPTION
        try:
            values = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise MirrorError(f"{path} cannot be read: {error}") from error
        try:
            layout = values.pop("layout")
            projects = tuple(
                Wanted(**{**one, "files": tuple(one["files"])}) for one in values.pop("projects")
            )
            found = Contents(projects=projects, **values)
        except (KeyError, TypeError, AttributeError) as error:
            raise MirrorError(f"{path} does not describe a mirror") from error
        if layout != _LAYOUT:
            raise MirrorError(
                f"the mirror {self.root} has layout {layout!r}, this version knows {_LAYOUT}",
                advice="pull it again into a new folder",
            )
        return found

    def require(self) -> Contents:
        """Return what the mirror holds.

        Raises
        ------
        MirrorError
            If nothing was pulled yet.
        """
        found = self.read()
        if found is None or not found.state:
            what = "is no mirror" if found is None else "was never pulled to its end"
            raise MirrorError(
                f"{self.root} {what}",
                advice=f"nipype-xnat mirror pull SERVER --project P {self.root}",
            )
        return found

    @contextmanager
    def pulling(self) -> Iterator[None]:
        """Keep others from pulling into the same folder.

        Raises
        ------
        MirrorError
            If somebody does.
        """
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = FileLock(str(self.root / "pull.lock"))
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            raise MirrorError(
                f"somebody else pulls into {self.root}", advice="wait for the other pull to end"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def new_state(self) -> tuple[str, Path]:
        """Make the folder of a new state, and return its name and place."""
        name = f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
        place = self.state(name)
        place.mkdir(parents=True)
        (self.root / "bytes" / "objects").mkdir(parents=True, exist_ok=True)
        # relative, so that the mirror can be moved, and mounted elsewhere
        (place / "files").symlink_to(Path("..", "..", "bytes", "objects"))
        return name, place

    def publish(self, contents: Contents) -> Contents:
        """Make a state the current one."""
        stamped = replace(contents, pulled=f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}")
        self.write(stamped)
        return stamped

    def write(self, contents: Contents) -> None:
        """Replace ``mirror.json`` in one step."""
        values: dict[str, Any] = {"layout": _LAYOUT, **asdict(contents)}
        text = json.dumps(values, indent=1, ensure_ascii=False)
        write_whole(self.root / _DESCRIPTION, text)

    def states(self) -> list[str]:
        """Return the names of all states, the oldest first."""
        folder = self.root / "states"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def drop_state(self, name: str) -> None:
        """Remove a state."""
        shutil.rmtree(self.state(name), ignore_errors=True)

    def __repr__(self) -> str:
        return f"Folder({str(self.root)!r})"
