"""What a benchmark hands to the report: goals, tables, bars."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Goal:
    """A figure that was asked for, and the one that was measured.

    Parameters
    ----------
    what : str
    value : float
    bound : float
    at_most : bool
        Whether the value may not exceed the bound; else it may not fall below.
    unit : str
        Behind both.
    """

    what: str
    value: float
    bound: float
    at_most: bool = True
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether it is as it should be."""
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def line(self) -> str:
        """Return the row of the table of goals."""
        sign = "≤" if self.at_most else "≥"
        verdict = "reached" if self.reached else "**missed**"
        unit = f" {self.unit}" if self.unit else ""
        return (
            f"| {self.what} | {sign} {number(self.bound)}{unit} "
            f"| {number(self.value)}{unit} | {verdict} |"
        )


@dataclass(frozen=True)
class Bars:
    """A plot: seconds of several ways to do the same.

    Parameters
    ----------
    name : str
        Of the file.
    title : str
    values : dict of str to float
    computed : frozenset of str
        Those that were not measured but computed.
    """

    name: str
    title: str
    values: dict[str, float]
    computed: frozenset[str] = frozenset()


@dataclass
class Subject:
    """What a benchmark found.

    Parameters
    ----------
    title : str
    text : list of str
        Paragraphs and tables of Markdown.
    goals : list of Goal
    bars : list of Bars
    """

    title: str
    text: list[str] = field(default_factory=list)
    goals: list[Goal] = field(default_factory=list)
    bars: list[Bars] = field(default_factory=list)

    def say(self, paragraph: str) -> None:
        """Add a paragraph."""
        self.text.append(paragraph)

    def table(self, head: list[str], rows: list[list[object]]) -> None:
        """Add a table; all but the first column to the right."""
        lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(head) - 1)]
        lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
        self.text.append("\n".join(lines))
        print("\n".join(lines), flush=True)

    def goal(
        self, what: str, value: float, bound: float, *, at_most: bool = True, unit: str = ""
    ) -> None:
        """Add a goal."""
        self.goals.append(Goal(what, value, bound, at_most, unit))
        print(self.goals[-1].line(), flush=True)


@dataclass(frozen=True)
class Setting:
    """How a run is done.

    Parameters
    ----------
    folder : Path
        Where archives are kept, and what is fetched for a while.
    rounds : int
        How often each thing is measured.
    quick : bool
        Less of everything: it shows that all works, and the figures are not for comparison.
    """

    folder: Path
    rounds: int
    quick: bool

    def few(self, usual: T, quick: T) -> T:
        """Return what is done, or less of it for a quick run."""
        return quick if self.quick else usual


def number(value: float) -> str:
    """Write a number with three digits that count."""
    if value == int(value) or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def seconds(value: float) -> str:
    """Write a time."""
    return f"{value:.2f} s" if value >= 1 else f"{1000 * value:.3g} ms"
