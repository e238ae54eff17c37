"""What long commands say while they work."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..transfer import Progress

__all__ = ["Speaker"]


class Speaker:
    """Says on standard error how far a command is; on one line where a person watches."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._files = 0
        self._bytes = 0
        self._open = False

    def listed(self, what: str, count: int) -> None:
        """Say how many elements were listed."""
        self._say(f"listed {count} {what}", last=not self._terminal or what != "files")

    def node(self, name: str, count: int) -> None:
        """Say what a node of a workflow needs."""
        self._say(f"{name}: {count} files", last=not self._terminal)

    def file(self, progress: Progress) -> None:
        """Count a file that is here now."""
        if progress.finished:
            self._files += 1
            self._bytes += progress.total or 0
            if self._terminal or self._files % 1000 == 0:
                self._say(f"{self._files} files, {self._bytes / 1e6:.1f} MB", last=False)

    def end(self) -> None:
        """End an open line."""
        if self._open and not self._quiet:
            print(file=sys.stderr)
        self._open = False

    def _say(self, text: str, *, last: bool) -> None:
        if self._quiet:
            return
        if not self._terminal:
            print(text, file=sys.stderr)
            return
        print(f"\r{text:<60}", end="\n" if last else "", file=sys.stderr, flush=True)
        self._open = not last
