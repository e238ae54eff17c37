"""One HTML page of what a run gave, in one file that needs no other and no network.

Whatever comes from an archive is somebody else's text: every value is escaped, and the page
forbids itself scripts and anything from outside.
"""

from __future__ import annotations

import base64
import os
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from nipype_xnat.demo.pictures import FOUND, TRUE, dice, picture, volume_ml


@dataclass(frozen=True)
class Row:
    """One session of the cohort, delivered or not.

    Parameters
    ----------
    subject, session : str
        Labels.
    sex : str
        As the archive has it; may be blank.
    age : int or float or None
        Years at the session.
    head, mask : Path or None
        The image, and the brain found in it. Without them the row stands among the missing.
    truth : Path or None
        The brain that is in it, where that is known.
    volume : float or None
        Millilitres; counted from the mask where it is not given.
    stored : str
        Where in the archive the result is.
    problems : tuple of str
        What went wrong, in words.
    """

    subject: str
    session: str
    sex: str = ""
    age: float | None = None
    head: Path | None = None
    mask: Path | None = None
    truth: Path | None = None
    volume: float | None = None
    stored: str = ""
    problems: tuple[str, ...] = ()

    @property
    def delivered(self) -> bool:
        """Whether there is a brain to show."""
        return self.head is not None and self.mask is not None


def write(
    path: str | os.PathLike[str],
    rows: Sequence[Row],
    *,
    title: str,
    tool: str,
    facts: Mapping[str, str] | None = None,
) -> Path:
    """Write the report.

    Parameters
    ----------
    path : path
        The HTML file; it appears whole or not at all.
    rows : sequence of Row
        In the order in which they are shown.
    title : str
        Heading of the page.
    tool : str
        One sentence: which ``bet`` ran.
    facts : mapping, optional
        Further things to tell about the run, name to value.

    Returns
    -------
    Path
        The file, absolute.
    """
    measured = [_measure(row) for row in rows]
    text = _page(measured, title, tool, facts or {})
    target = Path(path).resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".", suffix=".html", dir=target.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    Path(name).chmod(0o644)
    Path(name).replace(target)
    return target


@dataclass(frozen=True)
class _Measured:
    row: Row
    volume: float | None
    dice: float | None
    problems: tuple[str, ...]


def _measure(row: Row) -> _Measured:
    volume, overlap, problems = row.volume, None, row.problems
    if row.mask is not None:
        volume = volume_ml(row.mask) if volume is None else volume
        if row.truth is not None:
            try:
                overlap = dice(row.mask, row.truth)
            except ValueError as error:
                problems = (*problems, str(error))
    return _Measured(row, volume, overlap, problems)


def _page(rows: list[_Measured], title: str, tool: str, facts: Mapping[str, str]) -> str:
    there = [item for item in rows if item.row.delivered]
    missing = [item for item in rows if not item.row.delivered]
    parts = [
        "<header>",
        f"<h1>{escape(title)}</h1>",
        f'<p class="tool">{escape(tool)}</p>',
        "</header>",
        _summary(rows, there, missing),
        _missing(missing),
        _table(there),
        _gallery(there),
        _facts(facts),
    ]
    return (
        "<!doctype html>\n"
        '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" '
        "content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\n"
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n"
        "<body>\n<main>\n" + "\n".join(part for part in parts if part) + "\n</main>\n</body>\n"
        "</html>\n"
    )


def _summary(rows: list[_Measured], there: list[_Measured], missing: list[_Measured]) -> str:
    volumes = [item.volume for item in there if item.volume is not None]
    overlaps = [item.dice for item in there if item.dice is not None]
    numbers = [
        ("sessions selected", str(len(rows)), ""),
        ("brains extracted", str(len(there)), ""),
        ("not delivered", str(len(missing)), "warn" if missing else ""),
    ]
    if volumes:
        numbers.append(("median volume", f"{statistics.median(volumes):,.0f}&#8239;ml", ""))
    if overlaps:
        numbers.append(("median Dice", f"{statistics.median(overlaps):.3f}", ""))
        numbers.append(("least Dice", f"{min(overlaps):.3f}", ""))
    items = "".join(
        f'<div class="{kind}"><dt>{name}</dt><dd>{value}</dd></div>'
        for name, value, kind in numbers
    )
    return f'<dl class="strip">{items}</dl>'


def _missing(rows: list[_Measured]) -> str:
    if not rows:
        return ""
    lines = "".join(
        f'<tr><th scope="row">{escape(item.row.subject)}</th><td>{escape(item.row.session)}</td>'
        f'<td class="number">{_years(item.row.age)}</td>'
        f"<td>{escape('; '.join(item.problems) or 'no image')}</td></tr>"
        for item in rows
    )
    return (
        '<section class="missing"><h2>Selected, but not delivered</h2>'
        + _scrolling("Not delivered")
        + "<table>"
        '<thead><tr><th scope="col">Subject</th><th scope="col">Session</th>'
        '<th scope="col" class="number">Age</th><th scope="col">Reason</th></tr></thead>'
        f"<tbody>{lines}</tbody></table></div></section>"
    )


def _table(rows: list[_Measured]) -> str:
    if not rows:
        return ""
    most = max((item.volume or 0.0 for item in rows), default=0.0) or 1.0
    known = any(item.dice is not None for item in rows)
    lines = []
    for index, item in enumerate(rows, 1):
        row, volume = item.row, item.volume
        bar = f'<span class="bar" style="width:{100 * (volume or 0.0) / most:.1f}%"></span>'
        amount = "" if volume is None else f"{volume:,.0f}"
        overlap = "" if item.dice is None else f"{item.dice:.3f}"
        lines.append(
            f'<tr><th scope="row"><a href="#picture-{index}">{escape(row.subject)}</a></th>'
            f"<td>{escape(row.session)}</td><td>{escape(row.sex)}</td>"
            f'<td class="number">{_years(row.age)}</td>'
            f'<td class="number volume">{bar}<span>{amount}</span></td>'
            + (f'<td class="number">{overlap}</td>' if known else "")
            + f'<td class="path">{escape(row.stored)}{_notes(item)}</td></tr>'
        )
    return (
        "<section><h2>Brains</h2>" + _scrolling("Brains") + "<table><thead><tr>"
        '<th scope="col">Subject</th><th scope="col">Session</th><th scope="col">Sex</th>'
        '<th scope="col" class="number">Age</th><th scope="col" class="number">Volume, ml</th>'
        + ('<th scope="col" class="number">Dice</th>' if known else "")
        + '<th scope="col">Stored in the archive at</th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table></div></section>"
    )


def _gallery(rows: list[_Measured]) -> str:
    if not rows:
        return ""
    figures = "".join(_figure(index, item) for index, item in enumerate(rows, 1))
    legend = f'<span class="key" style="background:{FOUND}"></span>brain found'
    if any(item.row.truth is not None for item in rows):
        legend += f' <span class="key" style="background:{TRUE}"></span>true brain'
    legend += ' <span class="side">left in a picture is left in the head</span>'
    return (
        f'<section><h2>Heads</h2><p class="legend">{legend}</p>'
        f'<div class="gallery">{figures}</div></section>'
    )


def _figure(index: int, item: _Measured) -> str:
    row = item.row
    if row.head is None or row.mask is None:
        return ""
    # a truth on another grid cannot be drawn; the table names it among the problems
    data, width, height = picture(row.head, row.mask, row.truth if item.dice is not None else None)
    source = base64.b64encode(data).decode("ascii")
    words = [f"{_years(row.age)} years" if row.age is not None else "", row.sex]
    if item.volume is not None:
        words.append(f"{item.volume:,.0f} ml")
    if item.dice is not None:
        words.append(f"Dice {item.dice:.3f}")
    about = ", ".join(word for word in words if word)
    alt = (
        f"Axial, coronal and sagittal slice of {row.subject}, session {row.session}, "
        "with the outline of the brain"
    )
    return (
        f'<figure id="picture-{index}"><img src="data:image/png;base64,{source}" '
        f'width="{width}" height="{height}" alt="{escape(alt)}">'
        f"<figcaption><strong>{escape(row.subject)}</strong> {escape(row.session)}"
        f"<span>{escape(about)}</span></figcaption></figure>"
    )


def _facts(facts: Mapping[str, str]) -> str:
    if not facts:
        return ""
    lines = "".join(
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f'<section><h2>This run</h2><dl class="facts">{lines}</dl></section>'


def _scrolling(label: str) -> str:
    # reachable by the keyboard: a wide table scrolls inside its own box
    return f'<div class="scroll" role="region" tabindex="0" aria-label="{label}">'


def _years(age: float | None) -> str:
    return "" if age is None else f"{age:g}"


def _notes(item: _Measured) -> str:
    return "".join(f'<br><em class="problem">{escape(text)}</em>' for text in item.problems)


_STYLE = """
:root { color-scheme: light dark;
  --back: #f7f7f5; --card: #ffffff; --ink: #1d2329; --soft: #5b6670; --line: #dfe2e4;
  --accent: #0b6e99; --bar: #cfe6f1; --warn-back: #fff4dc; --warn: #7a4b00; }
@media (prefers-color-scheme: dark) { :root {
  --back: #14181c; --card: #1d2329; --ink: #e8ebee; --soft: #a3aeb8; --line: #333c45;
  --accent: #6cc5ee; --bar: #1f4a60; --warn-back: #3a2d12; --warn: #ffd48a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
main { max-width: 76rem; margin: 0 auto; padding: 2.5rem 1.5rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; letter-spacing: -.01em; margin: 0 0 .4rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .8rem; }
.tool { margin: 0; color: var(--soft); max-width: 48rem; }
.strip { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr));
  gap: .75rem; margin: 1.8rem 0 0; }
.strip > div { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: .8rem 1rem; display: flex; flex-direction: column-reverse; }
.strip dt { color: var(--soft); font-size: .875rem; }
.strip dd { margin: 0; font-size: 1.7rem; font-weight: 600; line-height: 1.2;
  font-variant-numeric: tabular-nums; }
.strip .warn { background: var(--warn-back); border-color: transparent; }
.strip .warn dt, .strip .warn dd { color: var(--warn); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line);
  border-radius: .6rem; }
table { border-collapse: collapse; width: 100%; font-size: .9375rem; }
th, td { text-align: left; padding: .5rem .9rem; border-bottom: 1px solid var(--line);
  vertical-align: top; }
tbody tr:last-child > * { border-bottom: 0; }
thead th { font-size: .8125rem; font-weight: 600; color: var(--soft); white-space: nowrap; }
tbody th { font-weight: 600; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.volume { position: relative; min-width: 9rem; }
.volume .bar { position: absolute; right: 0; top: .35rem; height: 1.7rem; background: var(--bar);
  border-radius: .25rem 0 0 .25rem; max-width: 100%; }
.volume span:last-child { position: relative; }
.path { font: .8125rem/1.55 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace;
  overflow-wrap: anywhere; color: var(--soft); min-width: 24rem; }
.missing td:last-child { min-width: 16rem; }
.problem { color: var(--warn); }
.missing .scroll { background: var(--warn-back); border-color: transparent; }
.missing th, .missing td { border-bottom-color: transparent; }
a { color: var(--accent); text-underline-offset: .15em; }
a:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
.legend { color: var(--soft); margin: 0 0 .8rem; font-size: .9375rem; }
.key { display: inline-block; width: 1.3rem; height: .3rem; border-radius: .15rem;
  margin: 0 .4rem .2rem 0; }
.legend .key:not(:first-child), .side { margin-left: 1.2rem; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr));
  gap: 1rem; }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  overflow: hidden; scroll-margin-top: 1rem; }
figure:target { border-color: var(--accent); }
figure img { display: block; width: 100%; height: auto; background: #000; }
figcaption { padding: .6rem .9rem .75rem; overflow-wrap: anywhere; }
figcaption span { display: block; color: var(--soft); font-size: .875rem;
  font-variant-numeric: tabular-nums; }
.facts { margin: 0; font-size: .9375rem; }
.facts > div { display: grid; grid-template-columns: 11rem 1fr; gap: 1rem; padding: .3rem 0; }
.facts dt { color: var(--soft); } .facts dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 36rem) { .facts > div { grid-template-columns: 1fr; gap: 0; } }
@media print { body { background: #fff; } figure, tr { break-inside: avoid; } }
"""
