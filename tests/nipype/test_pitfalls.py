"""What Nipype does around an interface, each a way in which others went wrong."""

import os
from pathlib import Path

import pytest
from nipype import Node, Workflow
from nipype import config as nipype_config
from nipype.interfaces.base import BaseInterfaceInputSpec, File, SimpleInterface, TraitedSpec

from nipype_xnat import XNATSink, XNATSource
from support.nodes import Shout
from support.workflows import ALL_T1, resolve


class _EditIn(BaseInterfaceInputSpec):
    in_file = File(exists=True, mandatory=True, copyfile=True)


class _EditOut(TraitedSpec):
    out_file = File(exists=True)


class EditInPlace(SimpleInterface):
    """A tool that changes the file it is given, as some do."""

    input_spec = _EditIn
    output_spec = _EditOut

    def _run_interface(self, runtime):
        path = Path(self.inputs.in_file)
        path.write_bytes(path.read_bytes() + b" edited")
        self._results["out_file"] = str(path)
        return runtime


@pytest.fixture
def record(cohort, config):
    return resolve(config)[0]


def node(config, record, **options):
    source = XNATSource(outfields=["t1"], config=str(config), record=record)
    return Node(source, "source", **options)


@pytest.fixture(params=["hash_method", "remove_unnecessary_outputs", "keep_inputs"])
def setting(request):
    values = {
        "hash_method": "content",
        "remove_unnecessary_outputs": "false",
        "keep_inputs": "true",
    }
    before = nipype_config.get("execution", request.param)
    nipype_config.set("execution", request.param, values[request.param])
    yield request.param
    nipype_config.set("execution", request.param, before)


def test_a_tool_that_edits_in_place_edits_a_copy(config, record, tmp_path, cohort):
    work = Workflow("edits", base_dir=str(tmp_path / "work"))
    source, edit = node(config, record), Node(EditInPlace(), "edit")
    work.connect(source, "t1", edit, "in_file")
    graph = work.run()
    (out,) = [n.result.outputs.out_file for n in graph.nodes() if n.name == "edit"]
    assert Path(out).read_bytes() == b"T1 of sub0 edited"
    again = XNATSource(outfields=["t1"], config=str(config), record=record).run().outputs.t1
    assert Path(again).read_bytes() == b"T1 of sub0"


def test_files_of_the_cache_are_read_only(config, record):
    path = XNATSource(outfields=["t1"], config=str(config), record=record).run().outputs.t1
    assert not os.stat(path).st_mode & 0o222


def test_settings_of_nipype_do_not_matter(config, record, tmp_path, setting, fill):
    for _ in range(2):
        work = Workflow("settings", base_dir=str(tmp_path / "work"))
        source, shout = node(config, record), Node(Shout(), "shout")
        sink = Node(XNATSink(config=str(config)), "sink")
        work.connect(source, "t1", shout, "in_file")
        work.connect(shout, "out_file", sink, "shout")
        for name in ("project_id", "subject_id", "experiment_id"):
            work.connect(source, name, sink, name)
        work.run()
    assert (tmp_path / "work" / "settings" / "runs.log").read_text() == "run\n"
    base = "/data/projects/P/subjects/sub0/experiments/sub0_MR1/resources/shout/files/shout.txt"
    assert fill.call("GET", base).text == "T1 OF SUB0!"


def test_a_node_that_must_not_run_again_keeps_its_result_without_a_request(
    config, record, tmp_path, xnat_archive
):
    """overwrite=False switches the asking of each run off (nodes.py)."""
    first = node(config, record, base_dir=str(tmp_path)).run().outputs.t1
    xnat_archive.requests.clear()
    again = node(config, record, base_dir=str(tmp_path), overwrite=False).run().outputs.t1
    assert again == first and not xnat_archive.requests


def test_a_source_without_a_record_notices_the_archive_at_each_run(cohort, config, fill, tmp_path):
    template = ALL_T1.replace("experiments/*", "experiments/sub1_MR1")

    def run():
        source = XNATSource(templates={"t1": template}, config=str(config))
        return Node(source, "source", base_dir=str(tmp_path)).run().outputs.t1

    assert Path(run()).read_bytes() == b"T1 of sub1"
    base = "/data/projects/P/subjects/sub1/experiments/sub1_MR1/scans/1/resources/NIFTI/files"
    fill.file(f"{base}/t1.nii", b"T1 of XXXX", overwrite="true")
    assert Path(run()).read_bytes() == b"T1 of XXXX"


def test_a_file_edited_in_the_cache_is_noticed_and_fetched_again(config, record, cohort):
    def run():
        return XNATSource(outfields=["t1"], config=str(config), record=record).run().outputs.t1

    path = Path(run())
    path.chmod(0o644)
    path.write_bytes(b"T1 of evil")
    assert Path(run()).read_bytes() == b"T1 of sub0"


def test_provenance_can_be_written(config, record, tmp_path):
    before = nipype_config.get("execution", "write_provenance")
    nipype_config.set("execution", "write_provenance", "true")
    try:
        found = XNATSource(outfields=["t1"], config=str(config), record=record).run().outputs.t1
    finally:
        nipype_config.set("execution", "write_provenance", before or "false")
    assert Path(found).read_bytes() == b"T1 of sub0"
