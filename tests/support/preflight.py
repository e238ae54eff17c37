"""What tests of the check before a run share: small workflows, and folders that are mounts."""

import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from nipype import Node, Workflow

from nipype_xnat import XNATSink, XNATSource
from support.nodes import Shout

ONE = "/projects/P/experiments/{session}/scans/{scan}/resources/NIFTI/files/*.nii"


def small(config, work, *, name="small", session="sub0_MR1", interface=None, **how):
    """Make a workflow of source, some interface and sink for one session."""
    whole = Workflow(name=name, base_dir=str(work) if work else None)
    if config is not None:
        how["config"] = str(config)
    source = Node(
        XNATSource(templates={"t1": ONE}, companions=False, session=session, scan="1", **how),
        "source",
    )
    middle = Node(interface or Shout(), "middle")
    sink = Node(XNATSink(project_id="P", subject_id="sub0", experiment_id=session, **how), "sink")
    whole.connect(source, "t1", middle, "in_file")
    whole.connect(middle, "out_file", sink, "shout")
    return whole


def facts(findings, check, level=None):
    """Return the facts of one check, of one level."""
    return [one.fact for one in findings.of(check) if level in (None, one.level)]


def levels(findings, check):
    """Return the levels of one check."""
    return [one.level for one in findings.of(check)]


@contextmanager
def mounted(folder: Path, options: str = "size=1m"):
    """Mount a file system of its own, in memory."""
    folder.mkdir(parents=True, exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", options, "preflight", str(folder)]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this user cannot mount: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)
