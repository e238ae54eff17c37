"""A search for what must not be found: passwords, tokens and the ids of log-in sessions."""

from __future__ import annotations

import base64
import contextlib
import gzip
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote


def forms(word: str, user: str = "") -> set[bytes]:
    """Return how a secret may be written."""
    found = {word, quote(word), base64.b64encode(word.encode()).decode()}
    if user:
        found.add(base64.b64encode(f"{user}:{word}".encode()).decode())
    return {form.encode() for form in found}


def unpacked(path: Path) -> bytes:
    """Return the name and the bytes of a file, and what they unpack to."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        with contextlib.suppress(OSError, EOFError):
            data += gzip.decompress(data)
    return bytes(path) + b"\0" + data


def files_with(secrets: Iterable[bytes], roots: Iterable[Path], but: Iterable[Path]) -> list[Path]:
    """Return the files below some folders that hold one of the secrets."""
    wanted, left_out = list(secrets), set(but)
    found = []
    for root in roots:
        for path in root.rglob("*"):
            if path.is_file() and not left_out.intersection([path, *path.parents]):
                with contextlib.suppress(FileNotFoundError):
                    data = unpacked(path)
                    found += [path for secret in wanted if secret in data]
    return found


class Watch:
    """Reads, again and again, what anybody on the machine can read of a run.

    Parameters
    ----------
    tells : callable
        What the scheduler says of its jobs.
    """

    def __init__(self, tells: Callable[[], str]) -> None:
        self._tells = tells
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._read: Counter[str] = Counter()
        self.seen: set[bytes] = set()
        self.failed: list[str] = []

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        last = 0.0
        while not self._ended.wait(0.25):
            self._processes()
            if time.monotonic() - last > 2:
                self._look()
                last = time.monotonic()

    def _look(self) -> None:
        try:
            self.seen.add(self._tells().encode())
        except Exception as error:
            self.failed.append(str(error))

    def _processes(self) -> None:
        for entry in Path("/proc").iterdir():
            # a process begins as a copy of its parent, and soon has words of its own
            if entry.name.isdigit() and self._read[entry.name] < 4:
                self._read[entry.name] += 1
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        self.seen.add((entry / name).read_bytes())

    def shown(self, secrets: Iterable[bytes]) -> list[bytes]:
        """Return what was seen that holds one of the secrets."""
        return [text for secret in secrets for text in list(self.seen) if secret in text]
