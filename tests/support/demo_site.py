"""The demo's archive, coarse and so quickly made, and quick programs in place of real ones."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from nipype_xnat import Interface
from nipype_xnat.archive import Archive
from nipype_xnat.demo.cohort import demo_cohort
from nipype_xnat.demo.seed import seed
from support.served import Served

# A program with bet's command line that takes no time, and fails on demand. No library: importing
# one takes longer than all the rest.
QUICK_BET = f"""#!{sys.executable} -IS
import array, gzip, os, struct, sys, time
source, target = sys.argv[1:3]
name = os.path.basename(source)
if name.startswith(os.environ.get("QUICK_BET_REFUSES", "?")):
    sys.exit("bet: this head is not liked")
if name.startswith(os.environ.get("QUICK_BET_VANISHES", "?")):
    os.system(os.environ["QUICK_BET_ENDS"] + "; sleep 60")  # its own job
if name.startswith(os.environ.get("QUICK_BET_DAWDLES", "")):
    time.sleep(float(os.environ.get("QUICK_BET_TAKES", 0)))
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

# Speaks what Nipype's ReconAll says: recon-all -all -i IMAGE -subjid NAME -sd FOLDER, or without an
# image where the folder of the subject is there, whose first stage is then not done again
RECON_ALL = """#!/bin/sh
set -e
while [ $# -gt 0 ]; do
  case "$1" in
    -i) image=$2; shift ;;
    -subjid) name=$2; shift ;;
    -sd) folder=$2; shift ;;
  esac
  shift
done
case "$name" in ${RECON_ALL_REFUSES:-nobody}*) echo "ERROR: no talairach" >&2; exit 1 ;; esac
made=$folder/$name
mkdir -p "$made/mri/orig" "$made/surf" "$made/stats" "$made/scripts"
if [ -n "$image" ]; then
  cp "$image" "$made/mri/orig/001.mgz"
  echo "$name first" >> "$QUICK_BET_LOG.stages"
fi
if [ -n "$RECON_ALL_ENDS" ]; then sh -c "$RECON_ALL_ENDS; sleep 60"; fi
n=0
while [ $n -lt ${RECON_ALL_FILES:-0} ]; do
  part=$made/mri/transforms/part.$((n / 50))
  [ -d "$part" ] || mkdir -p "$part"
  echo "$name $n" > "$part/$n.lta"
  n=$((n + 1))
done
echo "$name" > "$made/surf/lh.white"
echo "$name 1234" > "$made/stats/aseg.stats"
echo "log of $name" > "$made/scripts/recon-all.log"
env > "$made/scripts/recon-all.env"
touch "$made/scripts/recon-all.done"
echo "$name" >> "$QUICK_BET_LOG"
echo "$name last" >> "$QUICK_BET_LOG.stages"
"""


def put_program(folder: Path, name: str, text: str) -> Path:
    """Write an executable."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def fill_archive(folder: Path) -> None:
    """Make an archive that holds the demo's cohort."""
    with Archive(folder) as archive, archive.running() as url:
        seed(url, "admin", "admin", cohort=demo_cohort(resolution=8.0))


@contextmanager
def open_site(
    filled: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimpleNamespace]:
    """Run a copy of an archive, with its configuration file and a quick bet on the PATH."""
    shutil.copytree(filled, folder / "archive")
    with reopened_site(folder, monkeypatch) as found:
        yield found


@contextmanager
def reopened_site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """Run the archive of a site's folder."""
    with Archive(folder / "archive") as archive, archive.running() as url:
        yield _site(folder, url, archive, monkeypatch)


@contextmanager
def open_served_site(
    filled: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[SimpleNamespace]:
    """Do the same with an archive that can be killed: ``archive`` is a :class:`Served`."""
    shutil.copytree(filled, folder / "archive")
    archive = Served(folder / "archive")
    try:
        yield _site(folder, archive.url, archive, monkeypatch)
    finally:
        archive.stop()


def _site(
    folder: Path, url: str, archive: Archive | Served, monkeypatch: pytest.MonkeyPatch
) -> SimpleNamespace:
    monkeypatch.setenv("NIPYPE_NO_ET", "1")
    monkeypatch.delenv("FSLOUTPUTTYPE", raising=False)
    put_program(folder / "bin", "bet", QUICK_BET)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    log = folder / "bet.log"
    monkeypatch.setenv("QUICK_BET_LOG", str(log))
    config = folder / "xnat.json"
    Interface(url, "admin", "admin").save_config(config)

    def computed() -> list[str]:
        """Heads that bet was given since this was asked last, in order of their names."""
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return sorted(names)

    return SimpleNamespace(
        archive=archive,
        url=url,
        config=config,
        folder=folder,
        computed=computed,
        put_program=partial(put_program, folder / "bin"),
    )
