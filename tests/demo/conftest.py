"""What several tests of the demo need."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from nipype_xnat.cli.demo import example
from nipype_xnat.demo import bet
from support.demo_site import fill_archive, open_site


@pytest.fixture(scope="session")
def load_example():
    """Import an example workflow from where it lies."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, example(name))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def filled(once) -> Path:
    """The folder of an archive that was seeded, to be copied."""
    return once("filled", fill_archive)


@pytest.fixture(scope="session")
def template(once) -> Path:
    """The folder of the stand-in's template, to be copied."""
    return once("template", bet.prepare)


@pytest.fixture
def site(filled, tmp_path, monkeypatch) -> Iterator[SimpleNamespace]:
    """A seeded archive, its configuration file, and a quick bet on the PATH."""
    with open_site(filled, tmp_path, monkeypatch) as found:
        yield found
