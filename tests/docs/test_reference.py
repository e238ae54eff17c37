"""docs/reference.md names each public class with its methods, as the code has them.

``python tests/docs/test_reference.py`` writes the page.
"""

import importlib
import inspect
import pkgutil
import re
import sys
from dataclasses import fields, is_dataclass
from functools import cached_property
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference.md"
HEAD = """# Reference

Every public class, and its methods in one line each; `help(...)` in Python says more. Methods that
several classes share stand with the class after "has all of". The page is made of the code, by
`python tests/docs/test_reference.py`.
"""
# a heading, and the modules or packages whose classes stand below it
ROOMS = {
    "The client": ["client", "select.root", "raw", "transport.trace"],
    "Selections": ["select.selection", "select.chosen", "select.bulk", "select.window"],
    "Elements": [
        "select.element",
        "select.elements",
        "select.resource",
        "select.files",
        "select.prearchive_elements",
        "select.attributes",
        "select.provenance",
        "select.tags",
    ],
    "Searches": ["search.*"],
    "Introspection": ["inspection.*"],
    "Administration": ["manage.*", "select.prearchive"],
    "Several archives": ["federation"],
    "Cohorts and nodes": ["cohort", "records", "interfaces.*"],
    "A mirror": ["mirror"],
    "The local archive": ["archive"],
    "The cache": ["cache.store"],
    "Errors": ["errors"],
}
# functions that people call, by the room of their module
FUNCTIONS = {
    "Cohorts and nodes": [
        "interfaces.cohort_workflow",
        "interfaces.prefetch",
        "interfaces.check",
        "interfaces.verify",
    ],
    "A mirror": ["mirror.pull", "mirror.push", "mirror.copy", "mirror.read_labels"],
}
# what the rooms are made of, and nobody is handed
INSIDE = {
    ("nipype_xnat.select.element", "Archive"),
    ("nipype_xnat.select.bulk", "Bulk"),
    ("nipype_xnat.interfaces.needs", "Needs"),
}
INSIDE_MODULES = (
    "interfaces.graph_file",
    "interfaces.lineage",
    "interfaces.named_now",
    "interfaces.node_folder",
    "interfaces.notes",
    "interfaces.places",
    "interfaces.run_record",
    "interfaces.submitted",
    "interfaces.templates",
    "interfaces.trust",
)


def modules(room):
    name = room.removesuffix(".*")
    home = importlib.import_module(f"nipype_xnat.{name}")
    yield home
    if name != room:
        for found in pkgutil.iter_modules(home.__path__):
            if f"{name}.{found.name}" not in INSIDE_MODULES:
                yield importlib.import_module(f"nipype_xnat.{name}.{found.name}")


def classes(rooms):
    """Return the public classes of modules."""
    found = {}
    for room in rooms:
        for module in modules(room):
            for word in module.__all__:
                value = getattr(module, word)
                mine = inspect.isclass(value) and value.__module__.startswith(module.__name__)
                inside = (module.__name__, word) in INSIDE or word.endswith("Spec")
                if mine and not inside:
                    found.setdefault(value, None)
    return list(found)


ALL = {room: classes(names) for room, names in ROOMS.items()}
SHOWN = {one for found in ALL.values() for one in found}


def home_of(one, name):
    return next((base for base in one.__mro__ if name in vars(base)), None)


def members(one):
    """Return names and values of what a class has that no class above it on the page has."""
    for base in one.__mro__:
        if not base.__module__.startswith("nipype_xnat") or (base in SHOWN and base is not one):
            continue
        for name, value in vars(base).items():
            plain = inspect.isfunction(value) or isinstance(
                value, (property, cached_property, classmethod, staticmethod)
            )
            told = any(getattr(up, name, None) is value for up in one.__mro__[1:] if up in SHOWN)
            if plain and not name.startswith("_") and home_of(one, name) is base and not told:
                yield name, value


def arguments(function):
    words = []
    parameters = list(inspect.signature(function).parameters.values())
    for place, parameter in enumerate(parameters):
        if place == 0 and parameter.name in ("self", "cls"):
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not any("*" in word for word in words):
            words.append("*")
        star = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}"
        default = "=..." if callable(parameter.default) and default else default
        words.append(f"{star}{parameter.name}{default}")
    return ", ".join(words)


def summary(thing):
    text = (inspect.getdoc(thing) or "").split("\n\n")[0]
    text = re.sub(r":\w+:`~?\.?([^`]*)`", r"`\1`", " ".join(text.split()))
    return text.replace("``", "`")


def line(name, value):
    if isinstance(value, (property, cached_property)):
        return f"- `{name}`: {summary(value)}"
    function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
    if function.__name__ != name:
        return f"- `{name}`: the same as `{function.__name__}`"
    return f"- `{name}({arguments(function)})`: {summary(function)}"


def function(name):
    module, _, word = name.rpartition(".")
    return getattr(importlib.import_module(f"nipype_xnat.{module}"), word)


def error_line(one):
    above = [base.__name__ for base in one.__bases__]
    return f"- `{one.__name__}` ({', '.join(f'`{name}`' for name in above)}): {summary(one)}"


def page():
    parts = [HEAD]
    for room, found in ALL.items():
        parts.append(f"## {room}\n")
        if room == "Errors":
            parts += ["\n".join(map(error_line, found)) + "\n"]
            continue
        functions = [function(name) for name in FUNCTIONS.get(room, ())]
        if functions:
            parts.append("\n".join(line(one.__name__, one) for one in functions) + "\n")
        for one in found:
            above = [base.__name__ for base in one.__mro__[1:] if base in SHOWN]
            more = f" Has all of {', '.join(f'`{name}`' for name in above)}." if above else ""
            parts.append(f"### {one.__name__}\n\n{summary(one)}{more}\n")
            lines = []
            if is_dataclass(one):
                words = ", ".join(f"`{field.name}`" for field in fields(one) if field.repr)
                lines.append(f"- Fields: {words}")
            lines += [line(name, value) for name, value in members(one)]
            if lines:
                parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def named(text):
    """Return the headings of a page, each with the names in the list below it."""
    parts = re.split(r"^#{2,3} (.*)$", text, flags=re.M)
    lists = [re.findall(r"^- `(\w+)", part, re.M) for part in parts[2::2]]
    return dict(zip(parts[1::2], lists, strict=True))


def test_the_page_names_what_the_code_has():
    there = named(PAGE.read_text(encoding="utf-8"))
    here = named(page())
    advice = "run python tests/docs/test_reference.py"
    assert list(there) == list(here), advice
    for heading, names in here.items():
        assert there[heading] == names, f"{heading}: {advice}"


@pytest.mark.parametrize("one", sorted(SHOWN, key=lambda one: one.__name__))
def test_each_public_method_says_what_it_does(one):
    assert summary(one), one
    for name, value in members(one):
        assert re.match(r"^\W*[A-Z].*[.:;)]", summary(value)), f"{one.__name__}.{name}"


def test_an_editor_can_complete_what_stands_on_the_page():
    # a class tells its methods only where they are real attributes, not answered by __getattr__
    for one in SHOWN:
        assert "__getattr__" not in vars(one), one
        assert {name for name, _ in members(one)} <= set(dir(one))


if __name__ == "__main__":
    sys.stdout.write(f"{PAGE}\n")
    PAGE.write_text(page(), encoding="utf-8")
