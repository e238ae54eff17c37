"""Workflows that tests run in a process of their own, as a user's script does.

The test's process serves the archive with many threads, and a process with threads should not be
forked, which is how Nipype's MultiProc makes its workers.
"""

import gc
import os
import subprocess
import sys
from pathlib import Path

from nipype import MapNode, Node, Workflow

from nipype_xnat import Interface, XNATQuery, XNATSink, XNATSource, cohort_workflow
from support.nodes import Shout

ALL_T1 = "/projects/P/experiments/*/scans/*[type=T1w]/resources/NIFTI/files/*.nii"


def resolve(config):
    """Ask for the cohort, with a connection that ends here."""
    with Interface(config=config) as archive:
        return archive.cohort({"t1": ALL_T1})


def build(config, work, cohort):
    """Make a workflow of source, Shout and sink for each session."""

    def one(record):
        part = Workflow(name="one")
        source = Node(XNATSource(outfields=["t1"], config=str(config), record=record), "source")
        shout = Node(Shout(), "shout")
        sink = Node(XNATSink(config=str(config)), "sink")
        names = ["project_id", "subject_id", "experiment_id"]
        part.connect(source, "t1", shout, "in_file")
        part.connect([(source, sink, [(name, name) for name in names])])
        part.connect(shout, "out_file", sink, "shout")
        return part

    return cohort_workflow("cohort", cohort, one, base_dir=work)


def sources(config, work, cohort):
    """Make a workflow of nothing but sources."""
    whole = Workflow(name="sources", base_dir=str(work))
    for record in cohort:
        source = XNATSource(outfields=["t1"], config=str(config), record=record)
        whole.add_nodes([Node(source, name=record["name"])])
    return whole


def query(config, work):
    """Make a workflow that asks for its cohort itself."""
    whole = Workflow(name="asking", base_dir=str(work))
    query = Node(XNATQuery(templates={"t1": ALL_T1}, config=str(config)), "query")
    source = MapNode(XNATSource(outfields=["t1"], config=str(config)), ["record"], name="source")
    shout = MapNode(Shout(), ["in_file"], name="shout")
    sink = MapNode(
        XNATSink(
            infields=["shout"],
            config=str(config),
            assessor_type="xnat:qcManualAssessorData",
        ),
        ["project_id", "subject_id", "experiment_id", "assessor_id", "shout"],
        name="sink",
    )
    whole.connect(query, "records", source, "record")
    whole.connect(source, "t1", shout, "in_file")
    for name in ("project_id", "subject_id", "experiment_id"):
        whole.connect(source, name, sink, name)
    whole.connect(query, ("names", named_after), sink, "assessor_id")
    whole.connect(shout, "out_file", sink, "shout")
    return whole


def named_after(names):
    """Name an assessor for each session."""
    return [name + "_SHOUTED" for name in names]


def run_apart(config, work, plugin, kind="build", within=(), **environment):
    """Run a workflow in a process of its own.

    ``within`` is a command that runs another one, such as ``unshare -n``.
    """
    here = str(Path(__file__).resolve().parents[1])
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [
            *within,
            sys.executable,
            "-m",
            "support.workflows",
            *map(str, (config, work, plugin, kind)),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def main(config, work, plugin, kind):
    """Resolve, build, run."""
    # Nipype collects garbage before each job: it need not look at all the modules each time
    gc.freeze()
    if kind == "query":
        whole = query(config, work)
    else:
        whole = {"build": build, "sources": sources}[kind](config, work, resolve(config))
    whole.config["execution"] = {"poll_sleep_duration": "0.1"}
    whole.run(plugin=plugin, plugin_args={"n_procs": 2} if plugin == "MultiProc" else {})


if __name__ == "__main__":
    main(*sys.argv[1:])
