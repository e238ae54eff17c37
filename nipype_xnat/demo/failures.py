"""Why a node failed: read from Nipype's crash files, told to a person."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nipype_xnat.interfaces.last_error import error_of

_WIDTH = 60
_NAMES = ("name", "subject_label", "subject_id", "experiment_label", "experiment_id")


@dataclass(frozen=True)
class Failure:
    """Why a session has no result.

    Parameters
    ----------
    node : str
        The node that failed; empty if none was reached.
    text : str
        The error's own words, with its advice.
    """

    node: str
    text: str

    def __str__(self) -> str:
        return self.text

    @property
    def short(self) -> str:
        """The reason in a few words, for a table."""
        words = re.sub(r" \[[A-Z]+ /.*\]$", "", self.text.partition("\n")[0].strip())
        return textwrap.shorten(words, _WIDTH, placeholder=" ...")


def listed(failed: Iterable[tuple[Mapping[str, Any], Failure]]) -> str:
    """Tell each distinct reason once, in full, with the sessions that it befell.

    Parameters
    ----------
    failed : iterable of (record, Failure)
    """
    groups: dict[tuple[str, str], list[tuple[str, Failure]]] = {}
    for record, failure in failed:
        alike = failure.text
        # the same reason speaks of another session each time
        for name in sorted({str(record.get(key) or "") for key in _NAMES} - {""}, key=len)[::-1]:
            alike = alike.replace(name, "*")
        groups.setdefault((failure.node, alike), []).append((str(record["name"]), failure))
    lines = []
    for (node, _), members in groups.items():
        names = ", ".join(name for name, _ in members)
        at = f", at {node}" if node else ""
        lines.append(textwrap.fill(f"{names}{at}:", 98, subsequent_indent="  "))
        lines.append(textwrap.indent(members[0][1].text, "    "))
    return "\n".join(lines)


def reasons(crashes: Path, since: float) -> dict[tuple[str, str], str]:
    """Read the crash files of a run: session and node to the error's own words."""
    found: dict[tuple[str, str], str] = {}
    for path in sorted(crashes.glob("crash-*.txt")):
        if path.stat().st_mtime < since - 1:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        named = re.match(r"Node: [^.\n]+\.([^.\n]+)\.(\S+)", text)
        if named:
            found[named[1], named[2]] = error_of(text) or f"see {path}"
    return found
