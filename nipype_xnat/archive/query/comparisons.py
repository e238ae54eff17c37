"""What a comparison of the search engine means.

XNAT compares display fields and schema fields by different code, which differs in what
LIKE, BETWEEN, ``!=`` and a blank value do. Where its SQL would not be accepted by
PostgreSQL the answer is an error, and so it is here.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import sqlalchemy as sa

from nipype_xnat.archive import values
from nipype_xnat.archive.errors import Broken

_NUMBERS = {"integer", "float", "double", "decimal", "long"}
_TEXTS = {"string", "unknown"}
_ORDERED = {"<", ">", "<=", ">=", "<>", "!=", "="}
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*", re.I)
_TIMES = ("%H:%M:%S", "%H:%M:%S.%f", "%H:%M", "%H%M%S")
_AND = re.compile(" AND ", re.I)
_NOT_FROM = {"IS NOT", "IS NOT NULL"}
_PLAIN = re.compile(r"[a-zA-z0-9 _.]*[^\\]")
_WORDS = ("SELECT", "INSERT", "UPDATE", "DELETE", "DROP", "ALTER", "CREATE")
_BEFORE_WORD = (" ", "(", "[", "'", "\n", "\t")
#: longer patterns match nothing that can be stored, and SQLite refuses them
_PATTERN_LIMIT = 40_000

Condition = sa.ColumnElement[bool]


def suspicious(value: str) -> bool:
    """Tell whether XNAT takes a value for an attempt to smuggle in SQL."""
    if _PLAIN.fullmatch(value):
        return False
    if value.endswith("\\") or re.fullmatch("<*SCRIPT", value.upper()):
        return True
    return any(
        value.startswith(word + " ") or any(mark + word + " " in value for mark in _BEFORE_WORD)
        for word in _WORDS
    )


def is_null_test(comparison: str) -> bool:
    """Tell whether a comparison asks for null, whatever its value."""
    trimmed = comparison.strip()
    return trimmed.startswith("IS") and "FROM" not in trimmed


def null_test(expression: Any, declared: str, comparison: str, value: str | None) -> Condition:
    """Compare with null; a blank text is null too."""
    kind = comparison.strip()
    if kind == "IS":
        wanted = (value or "").strip() != "NOT NULL"
    elif kind in _NOT_FROM:
        wanted = False
    elif kind == "IS NULL":
        wanted = True
    else:
        raise Broken(f"Unknown comparison: {comparison}")
    missing = _missing(expression, declared)
    return missing if wanted else sa.not_(missing)


def _missing(expression: Any, declared: str) -> Condition:
    nothing: Condition = expression.is_(None)
    return sa.or_(nothing, expression == "") if declared in _TEXTS else nothing


def typed(expression: Any, declared: str) -> Any:
    """Give an expression whose values compare as its datatype demands."""
    return sa.cast(expression, sa.Float) if declared in _NUMBERS else expression


def literal(text: str, declared: str) -> Any:
    """Read a value as its datatype demands.

    Raises
    ------
    Broken
        When it is no such value.
    """
    trimmed = text.strip()
    if declared in _NUMBERS:
        if _NUMBER.fullmatch(trimmed):
            return float(trimmed)
        named = trimmed.lower().strip("'")
        if named in {"inf", "infinity", "-inf", "-infinity"}:
            return float(named)
        raise Broken(f"'{text}' is not a number")
    if declared == "boolean":
        return "1" if trimmed.lower() in {"true", "1"} else "0"
    if declared == "date":
        found = values.parse_date(trimmed) or _moment(trimmed)[:10]
    elif declared == "time":
        found = _time(trimmed)
    elif declared in {"datetime", "timestamp"}:
        found = _moment(trimmed)
    else:
        return text
    if not found:
        raise Broken(f"'{text}' is not a {declared}")
    return found


def _time(text: str) -> str:
    for form in _TIMES:
        try:
            moment = dt.datetime.strptime(text.rstrip("Z"), form)
        except ValueError:
            continue
        fraction = f"{moment.microsecond:06}".rstrip("0")
        return f"{moment:%H:%M:%S}" + (f".{fraction}" if fraction else "")
    return ""


def _moment(text: str) -> str:
    day, _, clock = text.rstrip("Z").replace("T", " ").partition(" ")
    date, time = values.parse_date(day), _time(clock.strip()) if clock else "00:00:00"
    if date is None or not time:
        return ""
    return f"{date} {time}" + ("" if "." in time else ".0")


def like(expression: Any, pattern: str, declared: str, fold: bool = True) -> Condition:
    """Compare with a pattern of ``%`` and ``_``; a backslash takes their meaning away."""
    if declared not in _TEXTS:
        raise Broken(f"LIKE cannot be asked of a {declared}")
    glob = _glob(pattern.lower() if fold else pattern)
    if len(glob) > _PATTERN_LIMIT:
        return sa.false()
    text = sa.cast(expression, sa.Text)
    found: Condition = (sa.func.lower(text) if fold else text).op("GLOB", is_comparison=True)(glob)
    return found


def _glob(pattern: str) -> str:
    out = []
    literally = False
    for mark in pattern:
        if literally or mark not in "%_\\":
            out.append(f"[{mark}]" if mark in "*?[" else mark)
            literally = False
        elif mark == "\\":
            literally = True
        else:
            out.append("*" if mark == "%" else "?")
    return "".join(out)


def display(expression: Any, declared: str, comparison: str, value: str | None) -> Condition:
    """Compare a display field with a value.

    Raises
    ------
    Broken
        When XNAT could not: an unknown comparison, a value that does not fit.
    """
    given = value or ""
    if "LIKE" in comparison:
        return _liking(expression, declared, comparison.strip(), given, given)
    kind = comparison.strip()
    if not given.strip() and kind == "=":
        return _missing(expression, declared)
    subject = typed(expression, declared)
    if kind == "!=":
        return sa.or_(subject != literal(given, declared), subject.is_(None))
    if given.strip() == "*":
        return sa.not_(_missing(expression, declared))
    if kind == "IN":
        # blanks after the commas count where values are texts
        parts = [literal(part, declared) for part in given.split(",")]
        return subject.in_(parts)  # type: ignore[no-any-return]
    if kind == "BETWEEN":
        return _between(subject, declared, given)
    return _plain(subject, declared, kind, given)


def schema(expression: Any, declared: str, comparison: str, value: str | None) -> Condition:
    """Compare a schema field with a value.

    Raises
    ------
    Broken
        When XNAT could not: an unknown comparison, a value that does not fit.
    """
    given = value or ""
    kind = comparison.strip()
    if "like" in kind.lower():
        pattern = "%" + given.replace("*", "%").strip("'%") + "%"
        return _liking(expression, declared, kind.upper(), given, pattern)
    subject = typed(expression, declared)
    if value is None and kind == "=":
        if declared not in _TEXTS:
            raise Broken(f"a {declared} cannot be compared with nothing")
        return _missing(expression, declared)
    if given.upper() == "NULL":
        return sa.false()  # nothing compares with null
    if declared in _NUMBERS and given.strip() == "*":
        return sa.not_(_missing(expression, declared))
    if declared in _NUMBERS and kind == "BETWEEN":
        return _between(subject, declared, given)
    if declared in _NUMBERS and kind == "IN" and given.strip()[:1] == "(":
        parts = given.strip().strip("()").split(",")
        return subject.in_([literal(part, declared) for part in parts])  # type: ignore[no-any-return]
    return _plain(subject, declared, kind, given)


def _liking(expression: Any, declared: str, kind: str, given: str, pattern: str) -> Condition:
    if kind in {"LIKE", "ILIKE"}:
        return like(expression, pattern, declared)
    if kind in {"NOT LIKE", "NOT ILIKE"}:
        return sa.not_(like(expression, pattern, declared))
    raise Broken(f"Unknown comparison: {kind} {given}")


def _between(subject: Any, declared: str, given: str) -> Condition:
    parts = _AND.split(given, maxsplit=1)
    if len(parts) != 2:
        raise Broken("BETWEEN clauses require an AND to separate values")
    low, high = (literal(part.strip("'\""), declared) for part in parts)
    return subject.between(low, high)  # type: ignore[no-any-return]


def _plain(subject: Any, declared: str, kind: str, given: str) -> Condition:
    if kind == "like":
        return like(subject, given, declared, fold=False)
    if kind == "not like":
        return sa.not_(like(subject, given, declared, fold=False))
    wanted = literal(given, declared)
    if kind.upper() == "IS DISTINCT FROM":
        return subject.is_distinct_from(wanted)  # type: ignore[no-any-return]
    if kind.upper() == "IS NOT DISTINCT FROM":
        return subject.is_not_distinct_from(wanted)  # type: ignore[no-any-return]
    if kind not in _ORDERED:
        raise Broken(f"Unknown comparison: {kind}")
    return subject.op(kind, is_comparison=True)(wanted)  # type: ignore[no-any-return]
