"""Writing docs/benchmarks.md and its plots."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

from .figures import Bars, Setting, Subject

_TEMPLATE = Path(__file__).with_name("report.md")
_WHY = Path(__file__).with_name("why.md")
_PEERS = ("pyxnat", "xnat", "nipype", "requests")


def write(found: dict[str, Subject], report: Path, setting: Setting) -> None:
    """Write the report and its plots, and say where."""
    pictures = report.with_suffix("")
    pictures.mkdir(exist_ok=True)
    parts = []
    for name, subject in found.items():
        lines = [f"## {subject.title}", f"`{_command(name, setting)}`", *subject.text]
        for bars in subject.bars:
            picture = pictures / f"{bars.name}.svg"
            draw(bars, picture)
            lines.append(f"![{bars.title}]({pictures.name}/{picture.name})")
        parts.append("\n\n".join(lines))
    missed = [g for subject in found.values() for g in subject.goals if not g.reached]
    goals = [goal.line() for subject in found.values() for goal in subject.goals]
    text = _TEMPLATE.read_text("utf-8").format(
        machine=_machine(),
        rounds=setting.rounds,
        quick=" This was a quick run, whose figures are not for comparison." * setting.quick,
        goals="\n".join(["| what | goal | measured | |", "|---|---|---:|---|", *goals]),
        why=_why([goal.what for goal in missed]),
        subjects="\n\n".join(parts),
    )
    report.write_text(text.rstrip() + "\n", encoding="utf-8")
    print(f"written: {report}; {len(goals) - len(missed)} goals reached, {len(missed)} missed")


def _why(missed: list[str]) -> str:
    """Return what is known of why goals are missed, by the beginnings of their names."""
    known = re.split(r"^(?=- )", _WHY.read_text("utf-8"), flags=re.M)
    told = [
        text.strip()
        for text in known
        if (name := re.match(r"- \*\*(.+?)\*\*", text))
        and any(what.startswith(name[1]) for what in missed)
    ]
    return "\n".join(["### Why some are missed\n", *told]) if told else ""


def _command(name: str, setting: Setting) -> str:
    options = f"--only {name}" + (" --quick" if setting.quick else "")
    return f'make bench OPTIONS="{options}"'


def _machine() -> str:
    curl = subprocess.run(["curl", "--version"], capture_output=True, text=True, check=True)  # noqa: S607
    peers = ", ".join(f"{name} {version(name)}" for name in _PEERS)
    return (
        f"{os.cpu_count()} cores ({platform.machine()}), {platform.system()}, "
        f"{platform.python_implementation()} {platform.python_version()}, {peers}, "
        f"{' '.join(curl.stdout.split()[:2])}"
    )


def draw(bars: Bars, target: Path) -> None:
    """Draw horizontal bars on a logarithmic scale; ours stand out."""
    import matplotlib as mpl

    mpl.use("svg")
    from matplotlib import pyplot

    # text as text, and nothing that differs from run to run but the figures
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": bars.name, "font.size": 9})
    names = list(bars.values)[::-1]
    values = [bars.values[name] for name in names]
    figure, axes = pyplot.subplots(figsize=(8, 0.6 + 0.32 * len(names)))
    colours = ["#1f6f8b" if name.startswith("nipype_xnat") else "#b8b8b8" for name in names]
    axes.barh(names, values, color=colours)
    for place, value in enumerate(values):
        axes.text(value, place, f" {value:.3g}", va="center")
    axes.set_xscale("log")
    axes.set_xlim(min(values) / 2, max(values) * 3)
    axes.set_title(bars.title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(target, format="svg", bbox_inches="tight", metadata={"Date": None})
    pyplot.close(figure)
