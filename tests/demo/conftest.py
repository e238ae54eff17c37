"""What several tests of the demo need."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from filelock import FileLock

from nipype_xnat import Interface
from nipype_xnat.archive import Archive
from nipype_xnat.cli.demo import example
from nipype_xnat.demo import bet
from nipype_xnat.demo.cohort import demo_cohort
from nipype_xnat.demo.seed import seed

# A program with bet's command line that takes no time, and fails on demand. No library: importing
# one takes longer than all the rest.
QUICK_BET = f"""#!{sys.executable} -IS
import array, gzip, os, struct, sys
source, target = sys.argv[1:3]
name = os.path.basename(source)
if name.startswith(os.environ.get("QUICK_BET_REFUSES", "?")):
    sys.exit("bet: this head is not liked")
if name.endswith(".img"):
    header = bytearray(open(source[:-4] + ".hdr", "rb").read()[:348])
    voxels = open(source, "rb").read()
else:
    whole = gzip.open(source).read()
    header, voxels = bytearray(whole[:348]), whole[352:]
header[108:112] = struct.pack("<f", 352)
header[344:348] = b"n+1" + bytes(1)
data = array.array("h", voxels)
stem = target.removesuffix(".nii.gz")
for ending, kept in (("", [v * (v > 400) for v in data]), ("_mask", [v > 400 for v in data])):
    with open(stem + ending + ".nii.gz", "wb") as stream:
        image = bytes(header) + bytes(4) + array.array("h", kept).tobytes()
        stream.write(gzip.compress(image, mtime=0))
with open(os.environ["QUICK_BET_LOG"], "a") as log:
    log.write(name + chr(10))
"""


def _put_program(folder: Path, name: str, text: str) -> Path:
    """Write an executable."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def load_example():
    """Import an example workflow from where it lies."""

    def load(name: str) -> ModuleType:
        spec = importlib.util.spec_from_file_location(name, example(name))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def once(tmp_path_factory, worker_id) -> Callable[[str, Callable[[Path], object]], Path]:
    """Make a folder once for all processes of this test run."""
    root = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        root = root.parent

    def once(name: str, make: Callable[[Path], object]) -> Path:
        made, mark = root / f"once-{name}", root / f"once-{name}.made"
        with FileLock(root / f"once-{name}.lock"):
            if not mark.exists():
                shutil.rmtree(made, ignore_errors=True)
                make(made)
                mark.touch()
        return made

    return once


def _fill(folder: Path) -> None:
    with Archive(folder) as archive, archive.running() as url:
        seed(url, "admin", "admin", cohort=demo_cohort(resolution=8.0))


@pytest.fixture(scope="session")
def filled(once) -> Path:
    """The folder of an archive that was seeded, to be copied."""
    return once("filled", _fill)


@pytest.fixture(scope="session")
def template(once) -> Path:
    """The folder of the stand-in's template, to be copied."""
    return once("template", bet.prepare)


@pytest.fixture
def site(filled, tmp_path, monkeypatch) -> Iterator[SimpleNamespace]:
    """A seeded archive, its configuration file, and a quick bet on the PATH."""
    monkeypatch.setenv("NIPYPE_NO_ET", "1")
    monkeypatch.delenv("FSLOUTPUTTYPE", raising=False)
    _put_program(tmp_path / "bin", "bet", QUICK_BET)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    log = tmp_path / "bet.log"
    monkeypatch.setenv("QUICK_BET_LOG", str(log))
    shutil.copytree(filled, tmp_path / "archive")
    with Archive(tmp_path / "archive") as archive, archive.running() as url:
        config = tmp_path / "xnat.json"
        Interface(url, "admin", "admin").save_config(config)

        def computed() -> list[str]:
            """Heads that bet was given since this was asked last, in order of their names."""
            names = log.read_text().split() if log.exists() else []
            log.unlink(missing_ok=True)
            return sorted(names)

        yield SimpleNamespace(
            archive=archive,
            url=url,
            config=config,
            folder=tmp_path,
            computed=computed,
            put_program=partial(_put_program, tmp_path / "bin"),
        )
