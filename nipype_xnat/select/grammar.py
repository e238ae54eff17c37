"""The language of select paths: from text to Path values, without any traffic.

::

    /projects/P/subjects/*01/experiments         wildcards * and ? match ids and labels
    /project/P/subject/S1                        singular names, exact names: one element
    /projects/subjects                           missing stars are filled in
    //experiments                                any way down to that level
    /projects/P//scans/*/resources/NIFTI/files   ... also in the middle
    /projects/P/experiments/*/scans/*[type=T1w*][quality!=unusable]
    /projects/P/experiments/*/scans/*/resources/*/files/*[name=*.nii.gz,*.img]

    /prearchive/projects/P/experiments/*[status=READY]    sessions that wait to be archived
    /prearchive/projects/P/TIMESTAMP/FOLDER/scans         one of them, as XNAT names it

A filter compares a field of the element: ``=`` and ``!=`` with alternatives separated by commas,
``<``, ``>``, ``<=`` and ``>=`` with one value (numbers as numbers, all else as text, which is right
for dates). Wildcards work in all alternatives; quotes make a name or a value literal, as in
``[type="T1w/MPRAGE, sag"]`` or ``resources/"NIFTI data"``; a quote inside such quotes is doubled.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import lru_cache
from typing import NoReturn

from ..errors import SelectSyntaxError
from ..levels import LEVELS, PREARCHIVE_PATH, Level, by_name, paths_down

__all__ = ["ANY", "Filter", "Path", "Pattern", "Step", "parse"]


@dataclass(frozen=True)
class Pattern:
    """A name, or a name with wildcards.

    Parameters
    ----------
    text : str
        What to look for; ``*`` stands for any characters, ``?`` for one, unless ``literal``.
    literal : bool
    """

    text: str
    literal: bool = False

    def __post_init__(self) -> None:
        # a name without wildcards is the same pattern, quoted or not
        object.__setattr__(self, "literal", self.literal or not set("*?") & set(self.text))

    @property
    def exact(self) -> bool:
        """Whether only one name fits."""
        return self.literal

    @property
    def anything(self) -> bool:
        """Whether every name fits."""
        return not self.literal and self.text == "*"

    def matches(self, *names: str) -> bool:
        """Tell whether one of an element's names fits; case matters, as in XNAT."""
        if self.literal:
            return self.text in names
        if self.text == "*":
            return True
        expression = _expression(self.text)
        return any(map(expression.fullmatch, names))

    def __str__(self) -> str:
        # a name that is the word of a level would be read as that level
        word = self.text in ("in", "out") or by_name(self.text) is not None
        return self._quoted() if word else self.spelt("[]\"'/")

    def spelt(self, special: str) -> str:
        """Spell the pattern so that it reads back, quoted where it holds a special character."""
        wild = not self.literal
        plain = not set(special) & set(self.text) and self.text.strip() == self.text
        if wild or (plain and not set("*?") & set(self.text)):
            return self.text
        return self._quoted()

    def _quoted(self) -> str:
        quote = "'" if '"' in self.text and "'" not in self.text else '"'
        return quote + self.text.replace(quote, 2 * quote) + quote


@lru_cache(maxsize=512)
def _expression(text: str) -> re.Pattern[str]:
    # one pattern is held against every row of a listing
    return re.compile(
        "".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in text), re.DOTALL
    )


ANY = Pattern("*")


@dataclass(frozen=True)
class Filter:
    """A condition on one field of an element.

    Parameters
    ----------
    field : str
        A column's name, e.g. ``type``, ``date``, or an xpath.
    operator : str
        One of ``= != < > <= >=``.
    values : tuple of Pattern
        Alternatives.
    """

    field: str
    operator: str
    values: tuple[Pattern, ...]

    def accepts(self, value: str) -> bool:
        """Tell whether a field's value fits."""
        if self.operator in ("=", "!="):
            # one filter is held against every row of a listing
            for pattern in self.values:
                if pattern.matches(value):
                    return self.operator == "="
            return self.operator == "!="
        wanted = self.values[0].text
        if not value:
            return False
        left: float | str = value
        right: float | str = wanted
        try:
            left, right = float(value), float(wanted)
        except ValueError:
            left, right = value, wanted
        return bool(
            {
                "<": left < right,  # type: ignore[operator]
                ">": left > right,  # type: ignore[operator]
                "<=": left <= right,  # type: ignore[operator]
                ">=": left >= right,  # type: ignore[operator]
            }[self.operator]
        )

    def __str__(self) -> str:
        # "<" and a value that begins with "=" would be read as "<="
        values = ",".join(value.spelt("[]\"',=") for value in self.values)
        return f"[{self.field}{self.operator}{values}]"


@dataclass(frozen=True)
class Step:
    """One level of a path: which of its elements are meant.

    Parameters
    ----------
    level : str
        Name of the level.
    pattern : Pattern
    filters : tuple of Filter
        All of them must accept.
    """

    level: str
    pattern: Pattern = ANY
    filters: tuple[Filter, ...] = ()

    def __post_init__(self) -> None:
        # XNAT reads an address that lacks a name as that of the element above
        if not self.pattern.text.strip():
            raise SelectSyntaxError(f"an empty name for a {self.level}")

    @property
    def exact(self) -> bool:
        """Whether the step names one element and nothing has to be asked to know which."""
        return self.pattern.exact and not self.filters

    @property
    def anything(self) -> bool:
        """Whether the step selects every element of its level."""
        return self.pattern.anything and not self.filters

    @property
    def timestamp(self) -> str:
        """The one time stamp that a session of the prearchive is named with; empty for none."""
        if len(self.filters) != 1 or not self.pattern.exact:
            return ""
        (only,) = self.filters
        one = (only.field, only.operator, len(only.values)) == ("timestamp", "=", 1)
        return only.values[0].text if one and only.values[0].exact else ""

    def __str__(self) -> str:
        level = LEVELS[self.level]
        name = level.name if self.exact else level.plural
        return f"/{name}/{self.pattern}{''.join(map(str, self.filters))}"


@dataclass(frozen=True)
class Path:
    """A way down the tree, one step a level.

    Parameters
    ----------
    steps : tuple of Step
    prearchive : bool
        Whether it leads through the prearchive, whose experiments are the sessions that wait.
    """

    steps: tuple[Step, ...] = field(default=())
    prearchive: bool = False

    @property
    def level(self) -> str:
        """Level of the elements that the path names."""
        return self.steps[-1].level if self.steps else "root"

    @property
    def exact(self) -> bool:
        """Whether the path names one element by its exact names."""
        if self.prearchive:
            return self.steps[0].level == "project" and all(
                step.timestamp if step.level == "experiment" else step.exact for step in self.steps
            )
        return bool(self.steps) and all(step.exact for step in self.steps)

    def step(self, *levels: str) -> Step | None:
        """Return the step of one of these levels, None where the path has none."""
        return next((step for step in self.steps if step.level in levels), None)

    def down(self, level: str, pattern: str | Pattern = ANY) -> Path:
        """Return the path with one more step.

        Raises
        ------
        SelectSyntaxError
            If the level is not below this one.
        """
        _check_child(self.level, level, str(self))
        if isinstance(pattern, str):
            pattern = Pattern(pattern)
        path = replace(self, steps=(*self.steps, Step(level, pattern)))
        if self.prearchive:
            _check_prearchive(path, str(path))
        return path

    def __str__(self) -> str:
        return ("/prearchive" if self.prearchive else "") + "".join(map(str, self.steps)) or "/"


def _check_child(parent: str, child: str, text: str) -> None:
    if parent == "root":
        if child not in ("project", "experiment"):
            raise SelectSyntaxError(
                f"a path cannot start with {LEVELS[child].plural!r}",
                asked=text,
                advice=f"write //{LEVELS[child].plural}, or start with /projects or /experiments",
            )
        return
    if child not in LEVELS[parent].children:
        below = ", ".join(LEVELS[name].plural for name in LEVELS[parent].children) or "nothing"
        article = "an" if parent[0] in "aeiou" else "a"
        deep = f"; //{LEVELS[child].plural} finds them at any depth"
        raise SelectSyntaxError(
            f"{LEVELS[child].plural} are not directly below {article} {parent}",
            asked=text,
            advice=f"below {article} {parent}: {below}{deep if paths_down(parent, child) else ''}",
        )


def _check_prearchive(path: Path, text: str) -> None:
    if PREARCHIVE_PATH.fullmatch(" ".join(step.level for step in path.steps)) is None:
        raise SelectSyntaxError(
            "the prearchive has sessions, their scans, and resources and files of both",
            asked=text,
            advice="for example /prearchive/projects/P/experiments/*/scans",
        )


_OPERATOR = re.compile(r"!=|<=|>=|=|<|>")
_QUOTES = "\"'"
_QUOTED = re.compile(r""" "(?:[^"]|"")*" | '(?:[^']|'')*' """, re.VERBOSE)


def _unquoted(text: str) -> str:
    """Return what stands between quotes, in which the quote itself is doubled."""
    return text[1:-1].replace(2 * text[0], text[0])


@dataclass
class _Token:
    """One segment of the text, not yet known to be a level or a name."""

    text: str
    quoted: bool
    filters: tuple[Filter, ...]
    deep: bool  # preceded by //


def parse(text: str) -> list[Path]:
    """Read a select path.

    Parameters
    ----------
    text : str
        See the module's description.

    Returns
    -------
    list of Path
        More than one where ``//`` can go down in several ways.

    Raises
    ------
    SelectSyntaxError
        Before any request is sent.
    """
    if not isinstance(text, str) or not text.strip():
        raise SelectSyntaxError("an empty select path", advice="for example /projects/P/subjects")
    tokens = list(_tokens(text.strip()))
    head = tokens[0] if tokens else None
    if head is not None and head.text == "prearchive" and not (head.quoted or head.deep):
        return _in_prearchive(tokens[1:], text)
    return [Path(tuple(steps)) for steps in _steps(tokens, "root", text)]


def _in_prearchive(tokens: list[_Token], text: str) -> list[Path]:
    """Read what follows ``/prearchive``."""
    place = tokens[2:4]
    named = tokens[:1] and by_name(tokens[0].text) is LEVELS["project"]
    if named and place and not any(t.deep for t in place) and not _is_level(place[0]):
        # XNAT's own address of a session: time stamp and folder
        if len(place) == 1 or place[0].filters:
            raise SelectSyntaxError(
                "a session of the prearchive is named by its time stamp and its folder", asked=text
            )
        stamp, folder = place
        when = Filter("timestamp", "=", (Pattern(stamp.text, literal=stamp.quoted),))
        tokens = [
            *tokens[:2],
            _Token(LEVELS["experiment"].plural, False, (), False),
            _Token(folder.text, folder.quoted, (when, *folder.filters), False),
            *tokens[4:],
        ]
    found: dict[Path, None] = {}
    problem: SelectSyntaxError | None = None
    for way in _steps(tokens, "root", text):
        # // goes through all subjects, of which the prearchive has no listing
        steps = [step for step in way if step != Step("subject")]
        if not any(step.level not in ("project", "subject") for step in steps):
            steps.append(Step("experiment"))
        path = Path(tuple(steps), prearchive=True)
        try:
            _check_prearchive(path, text)
        except SelectSyntaxError as error:
            problem = error
        else:
            found[path] = None
    if problem is not None and not found:
        raise problem
    return list(found)


def _is_level(token: _Token) -> bool:
    return not token.quoted and by_name(token.text) is not None


def _tokens(text: str) -> Iterator[_Token]:
    scanner = _Scanner(text if text.startswith("/") else "/" + text)
    in_files = False
    while not scanner.done:
        deep = scanner.slashes()
        if scanner.done:
            if deep:
                raise SelectSyntaxError("a path cannot end with //", asked=text)
            return  # a trailing slash says nothing
        # what follows files/ is a path of its own, whose slashes are folders
        name, quoted = scanner.name(through_slashes=in_files)
        filters = tuple(scanner.filters())
        if not name and not quoted and not filters:
            scanner.complain()
        yield _Token(name, quoted, filters, deep)
        level = None if quoted else by_name(name)
        in_files = level is not None and level.name == "file"


class _Scanner:
    """Reads a select path from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    @property
    def done(self) -> bool:
        return self.position >= len(self.text)

    def complain(self) -> NoReturn:
        rest = self.text[self.position : self.position + 20]
        raise SelectSyntaxError(
            f"cannot read the path at {rest!r} (character {self.position + 1})",
            asked=self.text,
            advice='quote names that hold / [ ] or quotes: resources/"a[b]"',
        )

    def slashes(self) -> bool:
        """Take one slash or two, and tell whether it was two."""
        if self.text[self.position] != "/":
            self.complain()
        deep = self.text.startswith("//", self.position)
        self.position += 2 if deep else 1
        return deep

    def name(self, through_slashes: bool) -> tuple[str, bool]:
        """Take a name; the second value tells whether it was quoted."""
        start = self.position
        quote = self.text[start]
        if quote in _QUOTES:
            whole = _QUOTED.match(self.text, start)
            if whole is None:
                self.complain()
            self.position = whole.end()
            if not self.done and self.text[self.position] not in "/[":
                self.complain()
            return _unquoted(whole.group()), True
        stops = "[" if through_slashes else "[]/"
        while not self.done and self.text[self.position] not in stops:
            self.position += 1
        return self.text[start : self.position].strip(), False

    def filters(self) -> Iterator[Filter]:
        """Take all filters that stand here."""
        while not self.done and self.text[self.position] == "[":
            start = self.position
            self._skip_bracket()
            yield _filter(self.text[start + 1 : self.position - 1], self.text)

    def _skip_bracket(self) -> None:
        start = self.position
        depth = 0
        for position, char in _outside_quotes(self.text, start):
            depth += (char == "[") - (char == "]")
            if depth == 0:
                self.position = position + 1
                return
        self.complain()


def _outside_quotes(text: str, start: int = 0) -> Iterator[tuple[int, str]]:
    """Yield the characters of a text that are in no quotes, with their places."""
    quote = ""
    for position in range(start, len(text)):
        char = text[position]
        if quote:
            quote = "" if char == quote else quote
        elif char in _QUOTES:
            quote = char
        else:
            yield position, char


def _filter(text: str, whole: str) -> Filter:
    """Read what stands between the brackets of a filter."""
    depth = 0
    for position, char in _outside_quotes(text):
        # an xpath may have brackets of its own: fields/field[name=iq]/field
        depth += (char == "[") - (char == "]")
        found = _OPERATOR.match(text, position) if depth == 0 else None
        if found is None:
            continue
        name, operator = text[:position].strip(), found.group(0)
        values = tuple(_values(text[found.end() :]))
        if not name:
            break
        if operator not in ("=", "!=") and len(values) != 1:
            raise SelectSyntaxError(f"{operator} takes one value, not {len(values)}", asked=whole)
        return Filter(name, operator, values)
    raise SelectSyntaxError(
        f"cannot read the filter [{text}]",
        asked=whole,
        advice="write [field=value], for example [type=T1w] or [date>=2020-01-01]",
    )


def _values(text: str) -> Iterator[Pattern]:
    """Yield the alternatives of a filter: separated by commas, quoted where literal."""
    cuts = [position for position, char in _outside_quotes(text) if char == ","]
    for start, end in zip([0, *(cut + 1 for cut in cuts)], [*cuts, len(text)], strict=True):
        value = text[start:end].strip()
        if _QUOTED.fullmatch(value):
            yield Pattern(_unquoted(value), literal=True)
        else:
            yield Pattern(value)


def _steps(tokens: list[_Token], parent: str, text: str) -> Iterator[list[Step]]:
    """Yield the ways to read a list of tokens below a level."""
    if not tokens:
        yield []
        return
    head, rest = tokens[0], tokens[1:]
    level, rest = _level_of(head, rest, parent, text)
    pattern, filters, rest = _identifier(level, head, rest)
    step = Step(level.name, pattern, filters)
    if not head.deep:
        _check_child(parent, level.name, text)
        for more in _steps(rest, level.name, text):
            yield [step, *more]
        return
    ways = [way for way in paths_down(parent, level.name) if len(way) > 1]
    if not ways:
        raise SelectSyntaxError(f"there is no way down from {parent} to {level.name}", asked=text)
    for way in ways:
        between = [Step(name) for name in way[1:-1]]
        for more in _steps(rest, level.name, text):
            yield [*between, step, *more]


def _level_of(
    head: _Token, rest: list[_Token], parent: str, text: str
) -> tuple[Level, list[_Token]]:
    level = None if head.quoted else by_name(head.text)
    if level is None and head.text in ("in", "out") and rest:
        below = by_name(rest[0].text)
        if below is not None and below.name == "resource":  # XNAT's own spelling: in/resources
            return LEVELS[f"{head.text}_resource"], rest[1:]
    if level is None:
        words = [entry.plural for entry in LEVELS.values()]
        near = get_close_matches(head.text.lower(), words, 1)
        raise SelectSyntaxError(
            f"{head.text!r} is not a level of XNAT's tree",
            asked=text,
            advice=f"did you mean {near[0]!r}?" if near else f"the levels are {', '.join(words)}",
        )
    if head.filters and rest and not rest[0].deep and by_name(rest[0].text) is None:
        raise SelectSyntaxError(
            "filters follow the name, not the level", asked=text, advice="scans/*[type=T1w]"
        )
    return level, rest


def _identifier(
    level: Level, head: _Token, rest: list[_Token]
) -> tuple[Pattern, tuple[Filter, ...], list[_Token]]:
    """Take the name that follows a level; a missing one is a star."""
    if rest and not rest[0].deep:
        following = rest[0]
        word = None if following.quoted else by_name(following.text)
        is_level = word is not None and (
            word.name in level.children or (word.name == "resource" and not level.children)
        )
        is_direction = (
            not following.quoted
            and following.text in ("in", "out")
            and f"{following.text}_resource" in level.children
            and len(rest) > 1
            and getattr(by_name(rest[1].text), "name", "") == "resource"
        )
        if level.name == "file" or not (is_level or is_direction):
            return (
                Pattern(
                    following.text if following.quoted else following.text or "*",
                    literal=following.quoted,
                ),
                head.filters + following.filters,
                rest[1:],
            )
    return ANY, head.filters, rest
