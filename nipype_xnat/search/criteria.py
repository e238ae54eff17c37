"""Search criteria as a tree, read from nested tuples or from a text, without any traffic.

Three spellings give the same tree::

    [("xnat:mrSessionData/AGE", ">", "80"), [("xnat:subjectData/HANDEDNESS", "=", "left"),
     ("xnat:subjectData/HANDEDNESS", "=", "ambidextrous"), "OR"], "AND"]

    "xnat:mrSessionData/AGE > 80 and (xnat:subjectData/HANDEDNESS = left or "
    "xnat:subjectData/HANDEDNESS = ambidextrous)"

    (F("xnat:mrSessionData/AGE") > 80) & (
        (F("xnat:subjectData/HANDEDNESS") == "left")
        | (F("xnat:subjectData/HANDEDNESS") == "ambidextrous"))

The first is pyxnat's: a list of constraints, ended by the word that joins them. A text may also be
in pyxnat's reversed order, with AND or OR at its end. Values with blanks stand in quotes; a quote
inside quotes is doubled. The third is made by :class:`nipype_xnat.search.F`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from ..errors import CriteriaError

__all__ = ["OPERATORS", "Criteria", "Criterion", "criterion", "parse"]

_NEGATED = {
    "=": "!=",
    "<": ">=",
    ">": "<=",
    "LIKE": "NOT LIKE",
    "IS NULL": "IS NOT NULL",
}
_NEGATED |= {there: here for here, there in _NEGATED.items()}

OPERATORS = (
    "=",
    "!=",
    "<",
    ">",
    "<=",
    ">=",
    "LIKE",
    "NOT LIKE",
    "IN",
    "BETWEEN",
    "IS NULL",
    "IS NOT NULL",
)
"""The comparisons of XNAT's search engine."""

_WITHOUT_VALUE = ("IS NULL", "IS NOT NULL")
_FIELD = re.compile(r"[A-Za-z_][\w.-]*:[A-Za-z_][\w.-]*[/.][^\s()]+")


class _Joinable:
    """What ``&``, ``|`` and ``~`` make of comparisons and of what they join."""

    def __and__(self, other: Criterion | Criteria) -> Criteria:
        return _joined("AND", self, other)

    def __or__(self, other: Criterion | Criteria) -> Criteria:
        return _joined("OR", self, other)

    def __rand__(self, other: object) -> Criteria:
        # 80 & F(...): Python joins what stands beside & before it compares
        raise CriteriaError(
            f"{other!r} is no comparison",
            asked=str(self),
            advice="put each comparison in parentheses: (F(...) > 80) & (F(...) == 'F')",
        )

    __ror__ = __rand__

    def __bool__(self) -> bool:
        raise CriteriaError(
            "criteria are neither true nor false before the archive was asked",
            asked=str(self),
            advice="join them with & and | (not with 'and' and 'or'), put each comparison in "
            "parentheses, and write a < F(...) < b as F(...).between(a, b)",
        )


@dataclass(frozen=True)
class Criterion(_Joinable):
    """One comparison.

    Parameters
    ----------
    field : str
        Data type and field, e.g. ``xnat:mrSessionData/AGE``.
    operator : str
        One of :data:`OPERATORS`.
    value : str
        Empty for the null tests; for LIKE, ``%`` (or ``*``) stands for any characters.
    """

    field: str
    operator: str
    value: str = ""

    @property
    def datatype(self) -> str:
        """The data type before the field, e.g. ``xnat:mrSessionData``."""
        return re.split(r"[/.]", self.field, maxsplit=1)[0]

    def __str__(self) -> str:
        field = _spelled(self.field)
        if self.operator in _WITHOUT_VALUE:
            return f"{field} {self.operator}"
        return f"{field} {self.operator} {_spelled(self.value)}"

    def __invert__(self) -> Criterion | Criteria:
        """Return what holds where this does not; a missing value fulfils neither."""
        if self.operator in _NEGATED:
            return Criterion(self.field, _NEGATED[self.operator], self.value)
        if self.operator == "BETWEEN":
            low, high = re.split(r"\s+and\s+", self.value, maxsplit=1, flags=re.IGNORECASE)
            return Criterion(self.field, "<", low) | Criterion(self.field, ">", high)
        parts = [part.strip() for part in self.value.split(",")]
        return Criteria("AND", tuple(Criterion(self.field, "!=", part) for part in parts))


def _spelled(text: str) -> str:
    """Return a text as it stands in criteria, quoted where it has to be."""
    if re.fullmatch(r"[^\s()\[\]\"'<>=!]+", text) and text.upper() not in ("AND", "OR"):
        return text
    quote = "'" if '"' in text and "'" not in text else '"'
    return quote + text.replace(quote, 2 * quote) + quote


@dataclass(frozen=True)
class Criteria(_Joinable):
    """Comparisons (or further criteria) joined by one word.

    Parameters
    ----------
    method : str
        ``AND`` or ``OR``.
    members : tuple of Criterion or Criteria
    """

    method: str
    members: tuple[Criterion | Criteria, ...]

    def __iter__(self) -> Iterator[Criterion]:
        """Yield all comparisons, at every depth."""
        for member in self.members:
            if isinstance(member, Criterion):
                yield member
            else:
                yield from member

    @property
    def datatypes(self) -> tuple[str, ...]:
        """The data types that occur, in order, each once."""
        return tuple(dict.fromkeys(criterion.datatype for criterion in self))

    def __invert__(self) -> Criteria:
        """Return what holds where these do not: XNAT has no NOT, so each comparison is turned."""
        return Criteria(
            "OR" if self.method == "AND" else "AND", tuple(~member for member in self.members)
        )

    def simplified(self) -> Criteria:
        """Return the same without joints of one member: what a text of these reads back as."""
        members = tuple(_simple(member) for member in self.members)
        if len(members) == 1:
            only = members[0]
            return only if isinstance(only, Criteria) else Criteria("AND", members)
        return Criteria(self.method, members)

    def to_tuples(self) -> list[Any]:
        """Return pyxnat's nested form."""
        members: list[Any] = [
            (member.field, member.operator, member.value)
            if isinstance(member, Criterion)
            else member.to_tuples()
            for member in self.members
        ]
        return [*members, self.method]

    def __str__(self) -> str:
        return f" {self.method.lower()} ".join(
            str(member) if isinstance(member, Criterion) else f"({member})"
            for member in self.members
        )


def _simple(member: Criterion | Criteria) -> Criterion | Criteria:
    if isinstance(member, Criterion):
        return member
    found = member.simplified()
    return found.members[0] if len(found.members) == 1 else found


def _joined(word: str, *parts: object) -> Criteria:
    members: list[Criterion | Criteria] = []
    for part in parts:
        if isinstance(part, Criteria) and part.method == word:
            members += part.members
        elif isinstance(part, (Criteria, Criterion)):
            members.append(part)
        else:
            raise CriteriaError(
                f"{part!r} is no comparison",
                advice='put each one in parentheses: (F("xnat:mrSessionData/AGE") > 80) & (...)',
            )
    return Criteria(word, tuple(members))


def parse(criteria: str | Sequence[Any] | Criterion | Criteria) -> Criteria:
    """Read criteria.

    Parameters
    ----------
    criteria : str or list or Criterion or Criteria
        See the module's description.

    Raises
    ------
    CriteriaError
        Before any request is sent.
    """
    if isinstance(criteria, Criteria):
        return criteria
    if isinstance(criteria, Criterion):
        return Criteria("AND", (criteria,))
    try:
        if isinstance(criteria, str):
            return _of_text(criteria)
        if isinstance(criteria, tuple) and len(criteria) == 3 and _are_texts(criteria):
            criteria = [criteria]  # one comparison, without the list around it
        if isinstance(criteria, Sequence):
            return _of_list(criteria, criteria)
    except RecursionError:
        raise CriteriaError("the criteria are nested too deeply") from None
    raise CriteriaError(
        f"criteria are a text or a list of tuples, not {type(criteria).__name__}",
        advice='for example "xnat:mrSessionData/AGE > 80"',
    )


def _are_texts(parts: Sequence[Any]) -> bool:
    return all(isinstance(part, str) for part in parts) and parts[1].upper() not in ("AND", "OR")


def criterion(field: str, operator: str, value: str = "", whole: object = "") -> Criterion:
    """Make one comparison of its parts, checked and in XNAT's own spelling.

    Raises
    ------
    CriteriaError
    """
    whole = whole or f"{field} {operator} {value}"
    word = " ".join(operator.upper().split())
    word = {"==": "=", "<>": "!=", "IS": "IS"}.get(word, word)
    if word == "IS" and value.upper() in ("NULL", "NOT NULL"):
        word, value = f"IS {value.upper()}", ""
    if word not in OPERATORS:
        raise CriteriaError(
            f"{operator!r} is not a comparison of XNAT",
            asked=str(whole),
            advice=f"use one of {', '.join(OPERATORS)}",
        )
    if not _FIELD.fullmatch(field):
        raise CriteriaError(
            f"{field!r} is not a field: it must name a data type and a field",
            asked=str(whole),
            advice="for example xnat:mrSessionData/AGE",
        )
    if word in _WITHOUT_VALUE:
        value = ""
    if word in ("LIKE", "NOT LIKE"):
        value = value.replace("*", "%")
    if not value.isprintable():
        raise CriteriaError(
            f"the value {value!r} holds characters that the search document cannot",
            asked=str(whole),
        )
    if word == "BETWEEN" and not re.search(r"\S\s+and\s+\S", value, re.IGNORECASE):
        raise CriteriaError(
            f"BETWEEN needs two values, not {value!r}",
            asked=str(whole),
            advice="write BETWEEN 20 AND 30",
        )
    return Criterion(field, word, value)


def _of_list(items: Sequence[Any], whole: object) -> Criteria:
    members: list[Criterion | Criteria] = []
    methods: list[str] = []
    for item in items:
        if isinstance(item, str):
            if item.upper() not in ("AND", "OR"):
                raise CriteriaError(
                    f"{item!r} joins nothing: only AND and OR do",
                    asked=str(whole),
                    advice="a comparison is a tuple of three in a list: "
                    "[('xnat:mrSessionData/AGE', '>', '80'), 'AND']",
                )
            methods.append(item.upper())
        elif isinstance(item, (Criterion, Criteria)):
            members.append(item)
        elif (
            isinstance(item, tuple)
            and len(item) == 3
            and all(not isinstance(part, (list, tuple)) for part in item)
        ):
            members.append(criterion(str(item[0]), str(item[1]), str(item[2]), whole))
        elif isinstance(item, (list, tuple)):
            members.append(_of_list(item, whole))
        else:
            raise CriteriaError(
                f"{item!r} is neither a (field, comparison, value) tuple nor a list of such",
                asked=str(whole),
            )
    if not members:
        raise CriteriaError("empty criteria", asked=str(whole))
    if len(set(methods)) > 1:
        raise CriteriaError(
            "AND and OR in one list", asked=str(whole), advice="nest one of them in a list"
        )
    if not methods and len(members) > 1:
        raise CriteriaError(
            "several comparisons, and no word that joins them",
            asked=str(whole),
            advice="end the list with 'AND' or 'OR'",
        )
    return Criteria(methods[0] if methods else "AND", tuple(members))


_TOKEN = re.compile(
    r"""\s*(?:(?P<paren>[()])
        |(?P<quoted>"(?:[^"]|"")*"|'(?:[^']|'')*')
        |(?P<symbol><=|>=|!=|<>|==|=|<|>)
        |(?P<word>[^\s()"'<>=!](?:\[[^\]]*\]|[^\s()"'<>=!])*))""",
    # a predicate in brackets is part of its field
    re.VERBOSE,
)


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.upper() in words


def _of_text(text: str) -> Criteria:
    tokens: list[_Token] = []
    position = 0
    stripped = text.strip()
    if not stripped:
        raise CriteriaError("empty criteria", advice='for example "xnat:mrSessionData/AGE > 80"')
    while position < len(stripped):
        found = _TOKEN.match(stripped, position)
        if found is None:
            raise CriteriaError(
                f"cannot read the criteria at {stripped[position : position + 20]!r}", asked=text
            )
        kind = found.lastgroup or ""
        value = found.group(kind)
        if kind == "quoted":
            value = value[1:-1].replace(2 * value[0], value[0])
        tokens.append(_Token(kind, value))
        position = found.end()
    reader = _Reader(tokens, text)
    if tokens[-1].is_word("AND", "OR"):
        return reader.reversed_order()
    found_tree = reader.either()
    if not reader.done:
        reader.complain()
    return found_tree if isinstance(found_tree, Criteria) else Criteria("AND", (found_tree,))


class _Reader:
    """Reads a list of tokens: ``or`` binds loosest, then ``and``, then parentheses."""

    def __init__(self, tokens: list[_Token], text: str) -> None:
        self.tokens = tokens
        self.text = text
        self.position = 0

    @property
    def done(self) -> bool:
        return self.position >= len(self.tokens)

    def complain(self, wanted: str = "") -> NoReturn:
        at = "at the end" if self.done else f"at {self.tokens[self.position].text!r}"
        raise CriteriaError(
            f"cannot read the criteria {at}" + (f": {wanted} is missing" if wanted else ""),
            asked=self.text,
            advice='for example "xnat:mrSessionData/AGE > 80 and xnat:subjectData/GENDER_TEXT = F";'
            " values with blanks need quotes",
        )

    def take(self, wanted: str) -> _Token:
        if self.done:
            self.complain(wanted)
        self.position += 1
        return self.tokens[self.position - 1]

    def next_is(self, *words: str) -> bool:
        return not self.done and self.tokens[self.position].is_word(*words)

    def either(self) -> Criterion | Criteria:
        return self._joined("OR", self.both)

    def both(self) -> Criterion | Criteria:
        return self._joined("AND", self.single)

    def _joined(self, word: str, part: Any) -> Criterion | Criteria:
        members = [part()]
        while self.next_is(word):
            self.position += 1
            members.append(part())
        return members[0] if len(members) == 1 else Criteria(word, tuple(members))

    def single(self) -> Criterion | Criteria:
        if not self.done and self.tokens[self.position] == _Token("paren", "("):
            self.position += 1
            inside = self.either()
            if self.done or self.tokens[self.position] != _Token("paren", ")"):
                self.complain(")")
            self.position += 1
            return inside
        return self.comparison()

    def comparison(self) -> Criterion:
        field = self.take("a field").text
        operator = self.take("a comparison").text
        if operator.upper() == "NOT" and self.next_is("LIKE"):
            operator += " " + self.take("LIKE").text
        elif operator.upper() == "IS":
            if self.next_is("NOT"):
                operator += " " + self.take("NOT").text
            operator += " " + self.take("NULL").text
            return criterion(field, operator, "", self.text)
        value = self.take("a value")
        if value.kind in ("paren", "symbol"):
            self.position -= 1
            self.complain("a value")
        text = value.text
        whole = value.kind == "quoted" and " AND " in text.upper()
        if operator.upper() == "BETWEEN" and not whole and self.next_is("AND"):
            self.position += 1
            text = f"{text} AND {self.take('a value').text}"
        return criterion(field, operator, text, self.text)

    def reversed_order(self) -> Criteria:
        """Read pyxnat's reversed order: each AND or OR joins all that stands before it."""
        waiting: list[Criterion | Criteria] = []
        while not self.done:
            if self.next_is("AND", "OR"):
                word = self.take("").text.upper()
                if not waiting:
                    self.complain("a comparison")
                waiting = [Criteria(word, tuple(waiting))]
            else:
                waiting.append(self.comparison())
        tree = waiting[0]
        return tree if isinstance(tree, Criteria) else Criteria("AND", (tree,))
