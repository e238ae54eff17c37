"""Filling infields into path templates: ``{subject}`` as in SelectFiles, ``%s`` as in XNATSource.

Both give a select path whose text is checked before any request.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import SelectSyntaxError

__all__ = ["fields_of", "fill_named", "fill_positional"]

_FIELD = re.compile(r"[A-Za-z_]\w*")
_PERCENT = re.compile(r"%[-+ 0#]*\d*(?:\.\d+)?[A-Za-z]")


def fields_of(template: str) -> list[str]:
    """Return the names in braces of a template, in order, each once.

    Raises
    ------
    SelectSyntaxError
        If what stands in braces is no name.
    """
    names: dict[str, None] = {}
    try:
        parts = list(string.Formatter().parse(template))
    except ValueError as error:
        raise SelectSyntaxError(f"cannot read the template: {error}", asked=template) from None
    for _, name, specification, _ in parts:
        if name is None:
            continue
        plain = re.split(r"[.\[!]", name)[0]
        if specification or not _FIELD.fullmatch(name):
            raise SelectSyntaxError(
                f"{{{name}}} is not the name of an infield",
                asked=template,
                advice="write {subject}; double a brace that is meant literally",
            )
        names[plain] = None
    return list(names)


def fill_named(template: str, values: Mapping[str, Any]) -> Iterator[str]:
    """Yield the template with its names replaced, once for each element of lists.

    Raises
    ------
    SelectSyntaxError
        If lists are of different lengths.
    """
    names = fields_of(template)
    for row in _rows([values[name] for name in names], template):
        yield template.format(**dict(zip(names, map(_spelt, row), strict=True)))


def fill_positional(
    template: str, arguments: Sequence[Any], values: Mapping[str, Any]
) -> Iterator[str]:
    """Yield the template with its ``%s`` replaced, once for each element of lists.

    Parameters
    ----------
    template : str
    arguments : sequence
        Names of infields, or values themselves.
    values : mapping
        The infields.

    Raises
    ------
    SelectSyntaxError
        If their number is wrong, or lists are of different lengths.
    """
    found = [
        values[argument] if isinstance(argument, str) and argument in values else argument
        for argument in arguments
    ]
    wanted = len(_PERCENT.findall(template.replace("%%", "")))
    if wanted != len(found):
        raise SelectSyntaxError(
            f"the template has {wanted} places for arguments and gets {len(found)}",
            asked=template,
            advice="one argument in query_template_args for each %s, a literal % is written %%; in "
            "a MapNode assign the whole dict: node.inputs.query_template_args = {...}",
        )
    for row in _rows(found, template):
        # numbers stay numbers, for %04d
        values_in_row = tuple(
            value if isinstance(value, (int, float)) else _spelt(value) for value in row
        )
        try:
            yield template % values_in_row
        except (TypeError, ValueError) as error:
            raise SelectSyntaxError(
                f"the template does not fit its arguments: {error}",
                asked=template,
                advice="%s takes anything, %d and %04d take numbers; a literal % is written %%",
            ) from None


def _rows(values: Sequence[Any], template: str) -> Iterator[list[Any]]:
    lengths = {len(value) for value in values if isinstance(value, (list, tuple))}
    if len(lengths) > 1:
        raise SelectSyntaxError(
            f"lists of {' and '.join(map(str, sorted(lengths)))} values in one template",
            asked=template,
            advice="give lists of one length; a single value goes with each of them",
        )
    for number in range(next(iter(lengths), 1)):
        yield [value[number] if isinstance(value, (list, tuple)) else value for value in values]


def _spelt(value: Any) -> str:
    """Spell a value so that the grammar reads it as one name; wildcards keep their meaning."""
    text = "" if value is None else str(value)
    if not text.strip():
        raise SelectSyntaxError(
            f"{value!r} cannot stand for a name in a template",
            advice="an empty name would select what it should narrow; give a name, or * for all",
        )
    if re.search(r"[/\[\]\"']", text) and not re.search(r"[*?]", text):
        quote = "'" if '"' in text else '"'
        if quote in text:
            raise SelectSyntaxError(f"{text!r} holds both kinds of quotes")
        return f"{quote}{text}{quote}"
    return text
