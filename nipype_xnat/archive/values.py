"""What a value must look like to be kept in a field, and how it is written down."""

from __future__ import annotations

import datetime as dt
import re

from nipype_xnat.archive.datatypes import Field
from nipype_xnat.archive.errors import Invalid

IDENTIFIER = re.compile(r"[A-Za-z0-9_-]+")
_DATE_FORMS = ("%Y-%m-%d", "%m/%d/%Y", "%Y%m%d", "%m-%d-%Y")
_TIME_FORMS = ("%H:%M:%S", "%H:%M:%S.%f", "%H:%M", "%H%M%S")
_INTEGER = re.compile(r"[+-]?[0-9]{1,300}")
_FLOAT = re.compile(r"[+-]?([0-9]{1,300}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
#: numbers that are none, as XNAT takes them
_UNUSUAL = {"NAN": "NaN", "INF": "INF", "-INF": "-INF"}


def whole(digits: str) -> int:
    """Read a whole number; one too large for any count or name is only very large.

    Python refuses to read thousands of digits, and SQLite to hold more than 64 bits.
    """
    significant = digits.lstrip("0")
    return int(significant or "0") if len(significant) < 19 else 2**62


def now() -> str:
    """Say what time it is, as tables show it."""
    stamp = dt.datetime.now()
    return f"{stamp:%Y-%m-%d %H:%M:%S}.{stamp.microsecond // 1000}"


def _date(text: str) -> str:
    for form in _DATE_FORMS:
        try:
            return dt.datetime.strptime(text.strip(), form).date().isoformat()
        except ValueError:
            continue
    raise Invalid(f"'{text}' is not a date")


def _time(text: str) -> str:
    for form in _TIME_FORMS:
        try:
            moment = dt.datetime.strptime(text.strip().rstrip("Z"), form).time()
        except ValueError:
            continue
        return moment.strftime("%H:%M:%S")
    raise Invalid(f"'{text}' is not a time")


def _datetime(text: str) -> str:
    cleaned = text.strip().rstrip("Z").replace("T", " ")
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M", "%Y-%m-%d"):
        try:
            return dt.datetime.strptime(cleaned, form).strftime("%Y-%m-%d %H:%M:%S.0")
        except ValueError:
            continue
    raise Invalid(f"'{text}' is not a date and time")


def parse_date(text: str) -> str | None:
    """Read a date in any of the usual forms; None when it is none."""
    try:
        return _date(text)
    except Invalid:
        return None


def canonical(field: Field, text: str, choices: bool = True) -> str:
    """Check a value against its field, and write it in the one way it is kept.

    Parameters
    ----------
    field : Field
    text : str
    choices : bool
        Whether only the values that the field names are taken.

    Raises
    ------
    Invalid
        When the field does not take such a value.
    """
    if text == "" or text.upper() == "NULL":
        return text
    if field.choices and choices:
        return _choice(field, text)
    if field.datatype in {"integer", "float"}:
        return _number(field, text.strip())
    if field.datatype == "date":
        return _date(text)
    if field.datatype == "time":
        return _time(text)
    if field.datatype == "datetime":
        return _datetime(text)
    if field.datatype == "boolean":
        if text.lower() not in {"true", "false", "0", "1"}:
            raise Invalid(f"'{text}' is neither true nor false")
        return "1" if text.lower() in {"true", "1"} else "0"
    if field.limit is not None and len(text) > field.limit:
        raise Invalid(f"the value of {field.path} is longer than {field.limit} characters")
    return text


def _choice(field: Field, text: str) -> str:
    for choice in field.choices:
        if choice.lower() == text.strip().lower():
            return text
    allowed = ", ".join(field.choices)
    raise Invalid(f"'{text}' is not a value of {field.path}; it takes: {allowed}")


def _number(field: Field, text: str) -> str:
    if field.datatype == "float" and text.upper() in _UNUSUAL:
        return _UNUSUAL[text.upper()]
    kind = _INTEGER if field.datatype == "integer" else _FLOAT
    # Python reads more as numbers than XNAT does, such as 1_000
    if not kind.fullmatch(text):
        raise Invalid(f"'{text}' is not a number, as {field.path} demands")
    number = int(text) if field.datatype == "integer" else float(text)
    low, high = field.lowest, field.highest
    if (low is not None and number < low) or (high is not None and number > high):
        raise Invalid(f"{text} is out of the bounds of {field.path}: {low} to {high}")
    return repr(number)
