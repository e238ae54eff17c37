"""Why a node failed: read from Nipype's crash files, told to a person."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nipype_xnat import errors

_WIDTH = 60
_ERROR = re.compile(
    rf"(?:[\w.]+\.)?(?P<kind>{'|'.join(sorted(errors.__all__, key=len, reverse=True))}"
    r"|\w*(?:Error|Exception|Pool|Exit|Interrupt))(?:: (?P<words>.*))?$"
)
_NEXT = ("Traceback (", "During handling of", "The above exception", "When creating this crash")
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


def error_of(text: str) -> str:
    """Pick the error out of a crash: standard error if a program failed, else the last one raised.

    An error's further lines, such as its advice, are part of it.
    """
    said = re.search(
        r"\n\s*(?:Standard error|Stderr):\n(.*?)(?:\n\s*(?:Return code|Traceback):|\Z)", text, re.S
    )
    lines = [line.strip() for line in (said[1] if said else "").splitlines() if line.strip()]
    if lines:
        return "\n".join(lines[-1:] if lines[0].startswith(_NEXT) else lines)[:2000]
    lines = text.splitlines()
    last = max((i for i, line in enumerate(lines) if _ERROR.match(line.strip())), default=None)
    if last is None:
        return ""
    first = lines[last].strip()
    depth = len(lines[last]) - len(lines[last].lstrip())
    more = []
    for line in lines[last + 1 :]:
        if line.strip().startswith(_NEXT):
            break
        more.append(line[depth:].rstrip())
    found = _ERROR.match(first)
    kind = f"{found['kind']}: {found['words'] or ''}" if found else first
    return "\n".join([kind, *more]).strip()[:2000]
