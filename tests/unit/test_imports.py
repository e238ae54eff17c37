"""What an import brings along: each process that runs a node pays for it."""

import subprocess
import sys

import pytest


def brought_by(statement: str) -> set[str]:
    """Return the modules that a new interpreter has after a statement."""
    text = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["from nipype_xnat import Interface", "from nipype_xnat.cli.main import parser; parser()"],
)
def test_the_client_and_the_command_line_bring_neither_nipype_nor_the_archive(statement):
    brought = brought_by(statement)
    heavy = {"nipype", "networkx", "traits", "numpy", "pandas", "sqlalchemy", "lxml"}
    assert not brought & heavy
    assert not brought & {"nipype_xnat.select", "multiprocessing", "html"}


def test_help_brings_no_client():
    brought = brought_by("from nipype_xnat.cli.main import parser; parser().format_help()")
    assert not brought & {"requests", "nipype_xnat.transport", "nipype_xnat.cache"}


def test_the_interfaces_bring_no_more_of_nipype_than_they_are_made_of():
    brought = brought_by("from nipype_xnat import XNATQuery, XNATSink, XNATSource")
    brought -= brought_by("import nipype.interfaces.io")
    assert not {name for name in brought if name.startswith(("nipype.", "networkx"))}
    own = {name for name in brought if name.startswith("nipype_xnat.")}
    places = {"connection", "query", "sink", "source", "templates"}
    assert own == {
        "nipype_xnat._version",
        "nipype_xnat.errors",
        "nipype_xnat.lazily",
        "nipype_xnat.interfaces",
        *(f"nipype_xnat.interfaces.{name}" for name in places),
    }


def test_a_room_comes_when_it_is_entered():
    text = "from nipype_xnat import Interface; Interface('http://localhost', anonymous=True)"
    assert "nipype_xnat.manage" not in brought_by(text)
    assert "nipype_xnat.manage" in brought_by(f"{text}.manage")
