"""The working folder of a run: one run at a time, and room to write."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from nipype_xnat.errors import XNATError

START = 8 << 20
"""Bytes that must be free before a run."""
LEAST = 1 << 20
"""Bytes below which a run is stopped."""


@contextmanager
def claimed(work: Path) -> Iterator[Path]:
    """Keep a working folder for one run.

    Parameters
    ----------
    work : Path
        The folder; it is made if it is not there.

    Yields
    ------
    Path
        The folder, absolute.

    Raises
    ------
    XNATError
        If another run uses it, or nothing can be written there.
    """
    work = work.expanduser().resolve()
    try:
        work.mkdir(parents=True, exist_ok=True)
        check_room(work, START)
        # the lock is emptied by whoever tries it, so who holds it stands beside it
        lock, holder = FileLock(str(work / ".lock")), work / ".lock-holder"
        try:
            lock.acquire(timeout=0)
        except Timeout:
            who = "another process"
            with suppress(OSError):
                who = holder.read_text("utf-8").strip() or who
            raise XNATError(
                f"another run uses {work} ({who})",
                advice="wait for it, or give another folder with --work",
            ) from None
        except NotImplementedError:
            pass  # a file system without locks
        except OSError as error:
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        holder.write_text(f"pid {os.getpid()} on {socket.gethostname()}\n", "utf-8")
    except OSError as error:
        if isinstance(error, XNATError):
            raise
        raise explained(error, work) from error
    # whoever is started from here must not keep the lock when this process is gone
    _held.append(lock)
    try:
        yield work
    except OSError as error:
        if error.errno in _FULL:
            raise explained(error, work) from error
        raise
    finally:
        _held.remove(lock)
        with suppress(OSError):
            holder.unlink()
        lock.release(force=True)


_FULL = (errno.ENOSPC, errno.EDQUOT)
_held: list[FileLock] = []


def _in_child() -> None:
    for lock in _held:
        # not released, which would take it from the parent: only this process's handle is closed
        handle = getattr(getattr(lock, "_context", None), "lock_file_fd", None)
        if isinstance(handle, int):
            with suppress(OSError):
                os.close(handle)
            lock._context.lock_file_fd = None
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)


def check_room(work: Path, wanted: int = LEAST) -> None:
    """Raise if too little can be written to a folder.

    Raises
    ------
    XNATError
        If fewer bytes are free.
    """
    free = shutil.disk_usage(work).free
    if free < wanted:
        raise _no_space(work, f"{free / (1 << 20):.1f} MB free, {wanted / (1 << 20):.0f} wanted")


def is_full(text: str) -> bool:
    """Whether a failure's words are those of a full disk."""
    return any(os.strerror(number) in text for number in _FULL)


def explained(error: OSError, work: Path) -> XNATError:
    """Say what an error of the file system means for a working folder."""
    if error.errno in _FULL:
        return _no_space(work, os.strerror(error.errno or 0))
    return XNATError(f"{work} cannot be used: {error}", advice="give another folder with --work")


def _no_space(work: Path, detail: str) -> XNATError:
    return XNATError(
        f"no space left on {work} ({detail})",
        advice="free some there, or give --work on another disk; "
        "what is finished is kept, and the next run goes on from it",
    )
