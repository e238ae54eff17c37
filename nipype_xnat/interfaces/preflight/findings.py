"""What a check says: one finding for each thing that was looked at."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass

__all__ = ["LEVELS", "Finding", "Findings", "error", "note", "ok", "several", "warning"]

LEVELS = ("ok", "note", "warning", "error")
"""How much a finding matters, the least first."""

_SHOWN = 3  # names of nodes and the like in one sentence


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    check : str
        What was looked at, as ``subject.aspect``; see docs/preflight.md.
    level : str
        ``ok``; ``note``: works, and is good to know; ``warning``: works, but may go wrong;
        ``error``: goes wrong.
    fact : str
        What was seen.
    advice : str
        What to do.
    host : str
        The host where a job saw it; empty for this process.
    """

    check: str
    level: str
    fact: str
    advice: str = ""
    host: str = ""

    def __str__(self) -> str:
        where = f"on {self.host}: " if self.host else ""
        advice = f" What to do: {self.advice}." if self.advice else ""
        return f"{self.level}: {self.check}: {where}{self.fact}.{advice}"


class Findings(list[Finding]):
    """The findings of a check, in the order in which they were made."""

    def of(self, check: str) -> Findings:
        """Return the findings of one check, or of one subject."""
        return Findings(
            one for one in self if one.check == check or one.check.startswith(f"{check}.")
        )

    def at(self, level: str) -> Findings:
        """Return the findings of one level."""
        return Findings(one for one in self if one.level == level)

    @property
    def exit_code(self) -> int:
        """What a program ends with: 0, or 1 where there is an error."""
        return 1 if self.at("error") else 0

    def to_json(self) -> str:
        """Return all of them as a JSON text: a list of objects."""
        return json.dumps([asdict(one) for one in self], indent=1, ensure_ascii=False)

    def table(self, width: int = 100) -> str:
        """Return a table for people: what matters most stands last, where it is seen.

        Parameters
        ----------
        width : int
            Columns of the terminal.
        """
        checks = max((len(one.check) for one in self), default=0)
        indent = " " * (checks + 11)
        lines = []
        for one in sorted(self, key=lambda one: LEVELS.index(one.level)):
            where = f"on {one.host}: " if one.host else ""
            text = f"{one.level:<7}  {one.check:<{checks}}  {where}{one.fact}"
            lines.append(_wrapped(text, width, indent))
            if one.advice:
                lines.append(_wrapped(f"{indent}-> {one.advice}", width, f"{indent}   "))
        counted = (f"{len(self.at(level))} {level}" for level in reversed(LEVELS))
        return "\n".join([*lines, ", ".join(counted)])

    def __str__(self) -> str:
        return self.table()


def _wrapped(text: str, width: int, indent: str) -> str:
    return textwrap.fill(
        text,
        max(width, len(indent) + 30),
        subsequent_indent=indent,
        drop_whitespace=True,
        break_long_words=False,
        break_on_hyphens=False,
    )


def ok(check: str, fact: str, *, host: str = "") -> Finding:
    """Return a finding that all is well."""
    return Finding(check, "ok", fact, host=host)


def note(check: str, fact: str, advice: str = "", *, host: str = "") -> Finding:
    """Return a finding that is good to know."""
    return Finding(check, "note", fact, advice, host)


def warning(check: str, fact: str, advice: str, *, host: str = "") -> Finding:
    """Return a finding of what may go wrong."""
    return Finding(check, "warning", fact, advice, host)


def error(check: str, fact: str, advice: str, *, host: str = "") -> Finding:
    """Return a finding of what goes wrong."""
    return Finding(check, "error", fact, advice, host)


def several(names: Sequence[str], shown: int = _SHOWN) -> str:
    """Return names for a sentence; of many, the first ones and how many more."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more
