"""On which file system a path lies, and whether other hosts can see that one."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["TABLE", "Mount", "existing", "mount_of", "mounts", "own_place"]

TABLE = Path("/proc/self/mountinfo")
"""Where Linux tells what is mounted."""

_SHARED = re.compile(
    r"nfs\d?|cifs|smb\d?|smbfs|lustre|gpfs|mmfs|beegfs|fhgfs|ceph|afs|9p|virtiofs|panfs|pvfs2|"
    r"orangefs|ocfs2|gfs2|wekafs|glusterfs|"
    r"fuse\.(sshfs|glusterfs|ceph|ceph-fuse|beegfs|mfs|moosefs|juicefs|lustre|cvmfs2|s3fs|weka)"
)
_MEMORY = ("tmpfs", "ramfs", "devtmpfs")
_OWN_PLACES = ("/tmp", "/var/tmp", "/dev/shm", "/run")  # noqa: S108  (named, not used)


@dataclass(frozen=True)
class Mount:
    """A mounted file system.

    Parameters
    ----------
    point, kind, source : str
        Where it is mounted, its type, and what is mounted there.
    """

    point: str
    kind: str
    source: str

    @property
    def shared(self) -> bool:
        """Whether its type is one of a network."""
        return _SHARED.fullmatch(self.kind) is not None

    @property
    def in_memory(self) -> bool:
        """Whether it lies in this host's memory, so that no other host has it."""
        return self.kind in _MEMORY

    def __str__(self) -> str:
        return f"{self.kind} ({self.source} at {self.point})"


def mounts() -> list[Mount]:
    """Return what is mounted for this process, in the order of mounting."""
    found = []
    try:
        lines = TABLE.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:  # another system than Linux
        return []
    for line in lines:
        before, _, after = line.partition(" - ")
        kind, source = after.split(" ")[:2]
        found.append(Mount(_plain(before.split(" ")[4]), kind, _plain(source)))
    return found


def mount_of(path: Path) -> Mount | None:
    """Return the file system that a path lies on, or would lie on; None where that is not told."""
    real = os.path.realpath(existing(path))
    best = None
    for mount in mounts():
        inside = mount.point in ("/", real) or real.startswith(f"{mount.point}/")
        # of two at one point the later one is seen
        if inside and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def existing(path: Path) -> Path:
    """Return the nearest folder above a path that is there, or the path itself."""
    path = path.absolute()
    while not os.path.lexists(path) and path != path.parent:
        path = path.parent
    return path


def own_place(path: Path) -> str:
    """Return the folder above a path that by custom each host has of its own; empty for none."""
    real = os.path.realpath(existing(path))
    return next((one for one in _OWN_PLACES if real == one or real.startswith(f"{one}/")), "")


def _plain(text: str) -> str:
    """Return a field of the table with its escapes (``\\040``) undone."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
