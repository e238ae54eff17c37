"""``nipype-xnat demo``, as a user types it: real heads, the real stand-in, real processes."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import pytest
import requests

from nipype_xnat.archive import Archive
from nipype_xnat.demo import bet
from support.waiting import wait_for

COMMAND = [sys.executable, "-m", "nipype_xnat.cli.main", "demo"]


@pytest.fixture
def environment(tmp_path):
    """No bet on the PATH, an empty home."""
    (tmp_path / "home").mkdir()
    return {**os.environ, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home")}


def command(folder):
    # coarse heads, which take less time
    return [*COMMAND, "--folder", folder, "--processes", "2", "--resolution", "4"]


def demo(folder, environment):
    return subprocess.run(
        command(folder),
        check=False,
        env=environment,
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_interrupted_then_killed_then_run_then_run_again(tmp_path, environment, template):
    folder = tmp_path / "demo"
    # Ctrl-C while the archive is filled and the template is made
    first = subprocess.Popen(
        command(folder), env=environment, stdout=-1, stderr=-1, text=True, start_new_session=True
    )
    for line in first.stdout:
        if "[ 3/" in line:
            os.killpg(first.pid, signal.SIGINT)
            break
    said, wrong = first.communicate(timeout=60)
    assert (first.returncode, wrong) == (
        130,
        "Interrupted; run again with the same folder to go on\n",
    )
    assert f"nipype-xnat demo --folder {folder}" in said
    wait_for(lambda: not _working_in(folder))
    shutil.copytree(template, folder / "bin" / "template", dirs_exist_ok=True)

    # the hardest end, while brains are extracted
    first = subprocess.Popen(command(folder), env=environment, stdout=-1, text=True)
    wait_for(lambda: list((folder / "work").rglob("bet/command.txt")))
    first.send_signal(signal.SIGKILL)
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    wait_for(lambda: not _working_in(folder))
    # what a user changes in the archive is left alone; and fewer brains take less time
    _delete(folder / "archive", [f"DEMO{number:03d}" for number in (1, 3, 4, 6, 7, 8)])

    second = demo(folder, environment)
    assert (second.returncode, second.stderr) == (0, "")
    assert "holds the demo's cohort already" in second.stdout
    assert "the demo's stand-in" in second.stdout
    assert "DEMO002_MR1: no t1" in second.stdout
    computed = re.findall(r"/2\] (\w+): computed\n", second.stdout)
    assert sorted(computed) == ["DEMO005_MR1", "DEMO016_MR1"]
    assert "the archive holds what the workflow made" in second.stdout
    assert f"nipype-xnat serve --root {folder / 'archive'}" in second.stdout
    assert f"nipype-xnat demo --folder {folder}" in second.stdout
    assert "least Dice" in (folder / "report.html").read_text("utf-8")
    assert bet.is_stand_in(folder / "bin" / "bet")

    third = demo(folder, environment)
    assert (third.returncode, third.stderr) == (0, "")
    assert "Nothing was downloaded, computed or uploaded" in third.stdout
    assert "(0 files compared byte for byte, 4 by digest)" in third.stdout

    config = folder / "xnat.json"
    assert config.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(config.read_text())) == {"server", "user", "password"}
    # whatever is kept is in the folder that was given
    assert list((tmp_path / "home").rglob("*")) == []


def _delete(folder, subjects):
    """Delete subjects of the demo's project, by the archive's own REST."""
    with Archive(folder) as archive, archive.running() as url:
        for label in subjects:
            path = f"{url}/data/projects/DEMO/subjects/{label}"
            requests.delete(path, auth=("admin", "admin"), timeout=60).raise_for_status()


def _working_in(folder):
    listed = subprocess.run(
        ["ps", "-eo", "pid,stat,args"], check=True, capture_output=True, text=True
    ).stdout
    lines = [line for line in listed.splitlines() if str(folder) in line]
    return [line for line in lines if not line.split()[1].startswith("Z")]


def test_two_demos_in_one_folder_do_not_mix(tmp_path, environment):
    with Archive(tmp_path / "archive"):
        done = demo(tmp_path, environment)
    assert done.returncode == 1
    assert "in use by another" in done.stderr and "Traceback" not in done.stderr


def test_what_is_not_installed_is_named(tmp_path, monkeypatch, capsys):
    from nipype_xnat.cli import demo as command
    from nipype_xnat.cli.main import main

    monkeypatch.setattr(command, "_NEEDS", ("nibabel", "no_such_package"))
    assert main(["demo", "--folder", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert "no_such_package" in said and "pip install 'nipype-xnat[demo]'" in said
    assert list(tmp_path.iterdir()) == []
