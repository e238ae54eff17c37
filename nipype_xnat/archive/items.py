"""Items within an element: what its lists hold, how addresses reach them, how they merge.

An item is a mapping of addresses to values, as it is kept: beside its plain fields,
``#type`` names its type where that differs from the declared one, and ``#lists`` holds
the lists of the item itself. The type of a single item stands beside its fields, as
``validation/#type``.
"""

from __future__ import annotations

import re
from typing import Any

from nipype_xnat.archive import values
from nipype_xnat.archive.datatypes import DataType, Dictionary
from nipype_xnat.archive.errors import Invalid

LISTS, TYPE = "#lists", "#type"
#: how a request named an item of a list; it never is kept
_AT = "#at"
Item = dict[str, Any]
Lists = dict[str, list[Item]]

_SEGMENT = re.compile(r"/?([^/\[\]]+)((?:\[[^\]]*\])*)")
_PREDICATE = re.compile(r"\[([^\]]*)\]")


def _segments(address: str) -> list[tuple[str, list[str]]]:
    return [
        (match.group(1), _PREDICATE.findall(match.group(2))) for match in _SEGMENT.finditer(address)
    ]


def _split(predicate: str) -> tuple[str, str]:
    name, mark, value = predicate.partition("=")
    if not mark:
        return "", predicate.strip()
    return name.strip().lstrip("@"), value.strip().strip("'\"")


def _pick(entries: list[Item], predicates: list[str]) -> Item:
    """Find, or make, the item that a request means; one without a predicate is the first."""
    named = dict(_split(text) for text in predicates)
    kind = named.pop("xsi:type", "")
    at = ",".join(f"{name}={value}" for name, value in sorted(named.items())) or "=0"
    for item in entries:
        if item[_AT] == at:
            break
    else:
        said = {name: value for name, value in named.items() if name and name[0] != "#"}
        item = {_AT: at, **said}
        entries.append(item)
    if kind:
        item[TYPE] = kind
    return item


def assign(
    dictionary: Dictionary, datatype: DataType, lists: Lists, address: str, value: str
) -> bool:
    """Put a value into an item of a list, by its address.

    Parameters
    ----------
    dictionary : Dictionary
        The types.
    datatype : DataType
        The type that the address begins in.
    lists : dict
        The lists that are filled.
    address : str
        Such as ``parameters/addParam[name=x]/addField`` or ``addID[0]/name``.
    value : str
        What is put there.

    Returns
    -------
    bool
        Whether the address leads into a list of the type.
    """
    known = {path.lower(): many for path, many in datatype.repeated.items()}
    steps = _segments(address)
    path = ""
    for count, (name, predicates) in enumerate(steps, 1):
        path = f"{path}/{name.lower()}" if path else name.lower()
        many = known.get(path)
        if many is None:
            continue
        item = _pick(lists.setdefault(many.path, []), predicates)
        held = dictionary.get(item.get(TYPE, many.holds))
        if held is None:
            return True
        rest = "/".join(n + "".join(f"[{p}]" for p in ps) for n, ps in steps[count:])
        spec = held.field(rest) if rest else held.text
        if spec is not None:
            item[spec.path] = value
        elif rest:
            inner: Lists = item.setdefault(LISTS, {})
            assign(dictionary, held, inner, rest, value)
        return True
    return False


def checked(dictionary: Dictionary, holds: str, item: Item, choices: bool = True) -> Item:
    """Check an item against its type, and write its values as they are kept.

    Raises
    ------
    Invalid
        When a value is not allowed, or the type is not one that the list holds.
    """
    held = of(dictionary, holds, item)
    kept: Item = {} if held.name == holds else {TYPE: held.name}
    kept.update(singles(dictionary, held, item))
    for path, spec in held.fields.items():
        if path in item:
            value = values.canonical(spec, item[path], choices)
            if value and value.upper() != "NULL":
                kept[path] = value
    lists = checked_lists(dictionary, held, item.get(LISTS, {}), choices)
    if lists:
        kept[LISTS] = lists
    return kept


def checked_lists(
    dictionary: Dictionary, datatype: DataType, lists: Lists, choices: bool = True
) -> Lists:
    """Check all items of an element's lists; ``choices`` as for :func:`values.canonical`."""
    found: Lists = {}
    for path, entries in lists.items():
        many = datatype.repeated.get(path)
        if many is not None:
            kept = [checked(dictionary, many.holds, entry, choices) for entry in entries]
            found[path] = [entry for entry in kept if entry]
    return found


def of(dictionary: Dictionary, holds: str, item: Item) -> DataType:
    """Give the type of an item."""
    named = item.get(TYPE, holds)
    held = dictionary.get(named)
    if held is None or not held.is_a(holds):
        raise Invalid(f"'{named}' is not a {holds}")
    return held


def singles(dictionary: Dictionary, datatype: DataType, given: Item) -> Item:
    """Give what is said about the types of an element's single items."""
    found: Item = {}
    for path, single in datatype.singles.items():
        named = given.get(f"{path}/{TYPE}")
        if named is None:
            continue
        held = dictionary.get(named)
        if held is None or not held.is_a(single.holds):
            raise Invalid(f"'{named}' is not a {single.holds}")
        if held.name != single.holds:
            found[f"{path}/{TYPE}"] = held.name
    return found


def merged(dictionary: Dictionary, datatype: DataType, kept: Lists, given: Lists) -> Lists:
    """Merge lists: items with the same unique fields are one, equal ones are not doubled."""
    result = {path: list(entries) for path, entries in kept.items()}
    for path, entries in given.items():
        into = result.setdefault(path, [])
        for entry in entries:
            held = of(dictionary, datatype.repeated[path].holds, entry)
            same = _same(held, into, entry)
            if same is None:
                into.append(entry)
            else:
                old = into[same]
                lists = merged(dictionary, held, old.get(LISTS, {}), entry.get(LISTS, {}))
                into[same] = {**old, **entry, **({LISTS: lists} if lists else {})}
    return {path: entries for path, entries in result.items() if entries}


def _same(held: DataType, entries: list[Item], wanted: Item) -> int | None:
    for position, entry in enumerate(entries):
        if entry == wanted:
            return position
        keys = [(entry.get(name), wanted.get(name)) for name in held.unique]
        if any(new for _, new in keys) and all(old == new for old, new in keys):
            return position
    return None
