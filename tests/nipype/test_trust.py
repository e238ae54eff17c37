"""A sink refuses what was not made of the inputs that are named now, and nothing else."""

import json
import shutil
from pathlib import Path

import pytest
from nipype import Function, IdentityInterface, JoinNode, MapNode, Merge, Node, Workflow
from nipype import config as nipype_config
from nipype.pipeline.engine.nodes import NodeExecutionError

from nipype_xnat import Cohort, Interface, XNATSink, XNATSource, cohort_workflow
from nipype_xnat.archive import Archive, Site
from nipype_xnat.errors import StaleResult
from nipype_xnat.interfaces.delivered import Delivered
from nipype_xnat.interfaces.results import drop_broken
from nipype_xnat.interfaces.stored import Stored
from nipype_xnat.mirror import Wanted, pull
from support.cancelled import CancelledPlugin
from support.filler import Filler
from support.nodes import Shout
from support.workflows import ALL_T1, resolve, run_apart

T1 = "/data/projects/P/subjects/sub1/experiments/sub1_MR1/scans/1/resources/NIFTI/files/t1.nii"
RESULTS = "/data/projects/P/subjects/sub1/experiments/sub1_MR1/resources/shout/files"
NAMES = ["project_id", "subject_id", "experiment_id"]


@pytest.fixture(autouse=True)
def _nipype_settings(tmp_path):
    settings = {"crashdump_dir": str(tmp_path / "cwd"), "job_finished_timeout": "0.3"}
    before = {name: nipype_config.get("execution", name) for name in settings}
    for name, value in settings.items():
        nipype_config.set("execution", name, value)
    yield
    for name, value in before.items():
        if value is not None:
            nipype_config.set("execution", name, value)


def replace(fill, content=b"another T1 of sub1"):
    fill.file(T1, content, overwrite="true")


def changes(xnat_archive):
    kept = [r for r in xnat_archive.requests if r.method != "GET"]
    return [(r.method, r.path) for r in kept if "JSESSION" not in r.path]


def first(files):
    return files[0] if isinstance(files, list) else files


def times(value, factor, in_file):
    """Compute something that is no file."""
    return value * factor * len(open(in_file).read())


def write(size, in_file):
    """Write a file named by a number."""
    from pathlib import Path

    target = Path.cwd() / "shout.txt"
    target.write_text(f"{size} {Path(in_file).read_text()}")
    return str(target)


class AlwaysShout(Shout):
    """One that Nipype runs each time."""

    _always_run = True


# -- shapes of what lies between a source and a sink


def plain(part, source, sink):
    shout = Node(Shout(), "shout")
    part.connect([(source, shout, [("t1", "in_file")]), (shout, sink, [("out_file", "shout")])])


def several_steps(part, source, sink):
    one, two = Node(Shout(), "shout"), Node(Shout(), "louder")
    part.connect([(source, one, [("t1", "in_file")]), (one, two, [("out_file", "in_file")])])
    part.connect([(two, sink, [("out_file", "shout")])])


def through_functions(part, source, sink):
    shout = Node(Shout(), "shout")
    part.connect([(source, shout, [(("t1", first), "in_file")])])
    part.connect([(shout, sink, [(("out_file", first), "shout")])])


def map_node(part, source, sink):
    source.inputs.force_lists = True
    shout = MapNode(Shout(), ["in_file"], name="shout")
    part.connect([(source, shout, [("t1", "in_file")]), (shout, sink, [("out_file", "shout")])])


def nested_map_node(part, source, sink):
    source.inputs.force_lists = True
    merge = Node(Merge(1, no_flatten=True), "merge")
    shout = MapNode(Shout(), ["in_file"], name="shout", nested=True)
    part.connect([(source, merge, [("t1", "in1")]), (merge, shout, [("out", "in_file")])])
    part.connect([(shout, sink, [("out_file", "shout")])])


def iterables(part, source, sink):
    shout, number = Node(Shout(), "shout"), Node(IdentityInterface(["size"]), "number")
    number.iterables = ("size", [1, 2])
    written = Node(Function(["size", "in_file"], ["out"], write), "written")
    part.connect([(source, shout, [("t1", "in_file")]), (number, written, [("size", "size")])])
    part.connect([(shout, written, [("out_file", "in_file")]), (written, sink, [("out", "shout")])])


def join_node(part, source, sink):
    shout, number = Node(Shout(), "shout"), Node(IdentityInterface(["size"]), "number")
    number.iterables = ("size", [1, 2])
    written = Node(Function(["size", "in_file"], ["out"], write), "written")
    join = JoinNode(IdentityInterface(["out"]), joinsource="number", joinfield="out", name="join")
    part.connect([(source, shout, [("t1", "in_file")]), (number, written, [("size", "size")])])
    part.connect([(shout, written, [("out_file", "in_file")]), (written, join, [("out", "out")])])
    part.connect([(join, sink, [(("out", first), "shout")])])


def a_number(part, source, sink):
    shout = Node(Function(["value", "factor", "in_file"], ["out"], times), "shout")
    shout.inputs.value, shout.inputs.factor = 2, 3
    written = Node(Function(["size", "in_file"], ["out"], write), "written")
    written.inputs.in_file = str(Path(__file__))
    part.connect([(source, shout, [("t1", "in_file")]), (shout, written, [("out", "size")])])
    part.connect([(written, sink, [("out", "shout")])])


def always_run(part, source, sink):
    shout, louder = Node(AlwaysShout(), "quiet"), Node(Shout(), "shout")
    part.connect([(source, shout, [("t1", "in_file")]), (shout, louder, [("out_file", "in_file")])])
    part.connect([(louder, sink, [("out_file", "shout")])])


SHAPES = [
    plain,
    several_steps,
    through_functions,
    map_node,
    nested_map_node,
    iterables,
    join_node,
    a_number,
    always_run,
]


def workflow(config, work, cohort, shape=plain, **execution):
    def one(record):
        part = Workflow(name=record["name"])
        source = Node(XNATSource(outfields=["t1"], config=str(config), record=record), "source")
        sink = Node(XNATSink(config=str(config)), "sink")
        part.connect([(source, sink, [(name, name) for name in NAMES])])
        shape(part, source, sink)
        return part

    whole = cohort_workflow("cohort", cohort, one, base_dir=work)
    whole.config["execution"] = execution
    return whole


def sinks(work):
    return [Stored.read(path.parent.parent) for path in Path(work).rglob("_nipype/xnat_sink.json")]


@pytest.fixture
def sub1(cohort, config):
    """Resolve the cohort of one session, as often as it is called."""
    return lambda: resolve(config).only("sub1_MR1")


# -- what is refused


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_result_of_an_earlier_input_is_refused_and_a_right_one_is_not(
    sub1, config, fill, tmp_path, xnat_archive, shape
):
    work = tmp_path / "work"
    for _ in range(2):  # the second time all is cached
        workflow(config, work, sub1(), shape).run("Linear")
        assert [stored.unchecked for stored in sinks(work)] == [()] * len(sinks(work))
    held = fill.call("GET", f"{RESULTS}?format=json").json()["ResultSet"]["Result"]
    assert held

    replace(fill)
    xnat_archive.requests.clear()
    with pytest.raises(NodeExecutionError, match=r"StaleResult: the result of \S*shout\S* is not"):
        workflow(config, work, sub1(), shape).run(plugin=CancelledPlugin("shout"))
    assert changes(xnat_archive) == []

    workflow(config, work, sub1(), shape).run("Linear")
    assert [stored.unchecked for stored in sinks(work)] == [()] * len(sinks(work))
    again = fill.call("GET", f"{RESULTS}?format=json").json()["ResultSet"]["Result"]
    assert {row["digest"] for row in again}.isdisjoint(row["digest"] for row in held)


@pytest.mark.parametrize(
    "execution",
    [
        {"hash_method": "content"},
        {"keep_inputs": "true", "remove_unnecessary_outputs": "false"},
        {"use_relative_paths": "true"},
        {"local_hash_check": "false", "create_report": "false", "parameterize_dirs": "false"},
    ],
    ids=str,
)
def test_settings_of_nipype_change_nothing(sub1, config, fill, tmp_path, execution):
    work = tmp_path / "work"
    for _ in range(2):
        workflow(config, work, sub1(), iterables, **execution).run("Linear")
        assert [stored.unchecked for stored in sinks(work)] == [(), ()]
    replace(fill)
    with pytest.raises(NodeExecutionError, match="in_file was"):
        workflow(config, work, sub1(), iterables, **execution).run(plugin=CancelledPlugin("shout"))


def test_a_refusal_names_node_file_and_hashes_and_pickles(sub1, config, fill, tmp_path):
    work = tmp_path / "work"
    workflow(config, work, sub1()).run("Linear")
    replace(fill)
    whole = workflow(config, work, sub1())
    with pytest.raises(NodeExecutionError) as caught:
        whole.run(plugin=CancelledPlugin("shout"))
    text = str(caught.value)
    assert "cohort.sub1_MR1.shout" in text and "t1.nii (hash" in text
    assert f"remove {work}/cohort/sub1_MR1/shout" in text and "What to do" in text
    # as it says: without the folder there is nothing to hand on
    shutil.rmtree(work / "cohort" / "sub1_MR1" / "shout")
    workflow(config, work, sub1()).run("Linear")


def test_other_parameters_of_a_node_are_other_inputs(sub1, config, tmp_path):
    work = tmp_path / "work"
    workflow(config, work, sub1(), a_number).run("Linear")

    def other(part, source, sink):
        a_number(part, source, sink)
        part.get_node("shout").inputs.factor = 4

    with pytest.raises(NodeExecutionError, match="StaleResult(.|\n)*factor=3, and the workflow"):
        workflow(config, work, sub1(), other).run(plugin=CancelledPlugin("shout"))
    workflow(config, work, sub1(), other).run("Linear")


def test_a_source_that_did_not_run_again_is_refused(sub1, config, fill, tmp_path):
    """Both its own record and the archive tell it."""
    work = tmp_path / "work"
    workflow(config, work, sub1()).run("Linear")
    replace(fill)
    with pytest.raises(NodeExecutionError, match="StaleResult: the result of cohort.sub1_MR1.sour"):
        workflow(config, work, sub1()).run(plugin=CancelledPlugin("source", "shout"))


@pytest.mark.parametrize("what", ["replaced", "deleted"])
def test_a_file_that_changed_in_the_archive_meanwhile(sub1, config, fill, tmp_path, what):
    """The workflow names it as it was."""
    before = sub1()
    workflow(config, tmp_path / "work", before).run("Linear")
    if what == "replaced":
        replace(fill)
        words = "had the digest [0-9a-f]{32} and has [0-9a-f]{32} in http"
    else:
        fill.call("DELETE", T1)
        words = "is not in http://.* any more"
    whole = workflow(config, tmp_path / "work", before)
    with pytest.raises(NodeExecutionError, match=f"StaleResult: .*source delivered.*{words}"):
        whole.run(plugin=CancelledPlugin("source", "shout"))


def test_what_no_run_record_tells_the_archive_does(cohort, config, fill, tmp_path, xnat_archive):
    """A plain workflow of Nipype's, with a template."""

    def build():
        whole = Workflow(name="mine", base_dir=str(tmp_path / "work"))
        template = "/projects/P/experiments/{session}/scans/1/resources/NIFTI/files/*.nii"
        source = Node(XNATSource(templates={"t1": template}, config=str(config)), "source")
        source.inputs.session = "sub1_MR1"
        sink = Node(XNATSink(config=str(config)), "sink")
        whole.connect([(source, sink, [(name, name) for name in NAMES])])
        plain(whole, source, sink)
        return whole

    build().run("Linear")
    replace(fill)
    for cancelled in (["shout"], ["source", "shout"]):
        with pytest.raises(NodeExecutionError, match="StaleResult"):
            build().run(plugin=CancelledPlugin(*cancelled))
    build().run("Linear")
    assert [stored.unchecked for stored in sinks(tmp_path / "work")] == [()]


def test_parameters_of_a_plain_workflow_as_they_were_submitted(cohort, config, tmp_path):
    """Nipype pickles a node for its job: that tells what the workflow names, ran or not."""

    def build(factor):
        whole = Workflow(name="mine", base_dir=str(tmp_path / "work"))
        template = "/projects/P/experiments/sub1_MR1/scans/1/resources/NIFTI/files/*.nii"
        source = Node(XNATSource(templates={"t1": template}, config=str(config)), "source")
        sink = Node(XNATSink(config=str(config)), "sink")
        whole.connect([(source, sink, [(name, name) for name in NAMES])])
        a_number(whole, source, sink)
        whole.get_node("shout").inputs.factor = factor
        return whole

    build(3).run("Linear")
    with pytest.raises(NodeExecutionError, match="StaleResult(.|\n)*factor=3, and the workflow"):
        build(4).run(plugin=CancelledPlugin("shout"))
    # what was submitted once and is not meant any more says nothing
    build(3).run("Linear")
    build(4).run("Linear")
    build(4).run(plugin=CancelledPlugin("shout"))
    assert [stored.unchecked for stored in sinks(tmp_path / "work")] == [()]


def test_other_files_of_a_source_do_not_matter(sub1, config, fill, tmp_path):
    """Only what was used is compared."""
    work = tmp_path / "work"
    t2 = T1.replace("/scans/1/", "/scans/2/").replace("t1.nii", "t2.nii")

    def build(cohort):
        whole = workflow(config, work, cohort)
        source = whole.get_node("sub1_MR1.source")
        source.interface._out.append("t2")
        return whole

    with Interface(config=config) as archive:
        templates = {"t1": ALL_T1, "t2": ALL_T1.replace("T1w", "T2w")}
        both = archive.cohort(templates).only("sub1_MR1")
    build(both).run("Linear")
    fill.file(t2, b"another T2", overwrite="true")
    build(both).run(plugin=CancelledPlugin("source", "shout"))
    assert [stored.unchecked for stored in sinks(work)] == [()]


def test_the_record_of_a_sink_counts_where_the_source_has_another_one(sub1, config, fill, tmp_path):
    cohort = sub1()
    source = Node(
        XNATSource(outfields=["t1"], config=str(config), record=cohort[0]),
        "source",
        base_dir=str(tmp_path / "work"),
    )
    source.run()
    replace(fill)
    whole = Workflow(name="w", base_dir=str(tmp_path / "work"))
    sink = Node(XNATSink(config=str(config), record=sub1()[0]), "sink")
    source = Node(XNATSource(outfields=["t1"], config=str(config), record=cohort[0]), "source")
    whole.connect([(source, sink, [*((name, name) for name in NAMES), ("t1", "shout")])])
    with pytest.raises(NodeExecutionError, match="not what the record of sub1_MR1 names"):
        whole.run("Linear")


def test_a_killed_map_node_s_earlier_result_is_refused(sub1, config, tmp_path):
    """Nipype leaves the result of a MapNode in place when it begins anew."""
    work = tmp_path / "work"
    workflow(config, work, sub1(), map_node).run("Linear")
    (done,) = (work / "cohort" / "sub1_MR1" / "shout").glob("_0x*.json")
    done.rename(str(done).replace(".json", "_unfinished.json"))
    with pytest.raises(NodeExecutionError, match="ended in mid-run"):
        workflow(config, work, sub1(), map_node).run(plugin=CancelledPlugin("shout"))


# -- what is not


def test_what_cannot_be_checked_is_stored_and_told(sub1, config, tmp_path):
    work = tmp_path / "work"
    workflow(config, work, sub1()).run("Linear")
    shutil.rmtree(work / "cohort" / "sub1_MR1" / "source")
    whole = workflow(config, work, sub1())
    whole.get_node("sub1_MR1").disconnect(
        [
            (
                whole.get_node("sub1_MR1.source"),
                whole.get_node("sub1_MR1.sink"),
                [(n, n) for n in NAMES],
            )
        ]
    )
    for name, value in zip(NAMES, ("P", "sub1", "sub1_MR1"), strict=True):
        setattr(whole.get_node("sub1_MR1.sink").inputs, name, value)
    whole.run(plugin=CancelledPlugin("source", "shout"))
    ((stored,),) = [sinks(work)]
    assert any("source" in reason for reason in stored.unchecked)

    plain_file = tmp_path / "mine.txt"
    plain_file.write_text("mine")
    sink = XNATSink(config=str(config), project_id="P", subject_id="sub1", experiment_id="sub1_MR1")
    sink.inputs.mine = str(plain_file)
    (entry,) = sink.run().outputs.stored
    assert entry["unchecked"] == [f"{plain_file} was made by no node that is known"]


def test_a_file_of_a_node_is_followed_without_a_connection(sub1, config, fill, tmp_path):
    work = tmp_path / "work"
    workflow(config, work, sub1()).run("Linear")
    sink = XNATSink(config=str(config), project_id="P", subject_id="sub1", experiment_id="sub1_MR1")
    sink.inputs.again = str(work / "cohort" / "sub1_MR1" / "shout" / "shout.txt")
    assert sink.run().outputs.stored[0]["unchecked"] == []
    replace(fill)
    with pytest.raises(StaleResult, match="t1.nii had the digest"):
        sink.run()
    sink.inputs.check_inputs = False
    assert sink.run().outputs.stored[0]["unchecked"] == ["check_inputs is switched off"]


def test_renamed_nodes(sub1, config, fill, tmp_path):
    """The folder of the old name stays, with what was delivered then."""
    work = tmp_path / "work"

    def build(name):
        part = Workflow(name="sub1_MR1")
        record = sub1()[0]
        source = Node(XNATSource(outfields=["t1"], config=str(config), record=record), name)
        sink = Node(XNATSink(config=str(config)), "sink")
        part.connect([(source, sink, [(name, name) for name in NAMES])])
        plain(part, source, sink)
        return cohort_workflow("cohort", sub1(), lambda record: part, base_dir=work)

    build("source").run("Linear")
    build("renamed").run("Linear")
    assert len((work / "cohort" / "sub1_MR1" / "runs.log").read_text().split()) == 1
    replace(fill)
    build("renamed").run("Linear")
    build("again").run("Linear")
    assert [stored.unchecked for stored in sinks(work)] == [()]
    assert len((work / "cohort" / "sub1_MR1" / "runs.log").read_text().split()) == 2


def test_a_sink_costs_one_listing_more(sub1, config, tmp_path, xnat_archive):
    counts = []
    for check in (False, True):
        whole = workflow(config, tmp_path / "work", sub1())
        whole.get_node("sub1_MR1.sink").inputs.check_inputs = check
        whole.run("Linear")
        cohort = sub1()
        whole = workflow(config, tmp_path / "work", cohort)
        whole.get_node("sub1_MR1.sink").inputs.check_inputs = check
        xnat_archive.requests.clear()
        whole.run("Linear")
        counts.append(len([r for r in xnat_archive.requests if "JSESSION" not in r.path]))
    assert counts[1] <= counts[0] + 1


def test_map_nodes_of_sources_and_sinks_in_workers(cohort, config, fill, tmp_path):
    run_apart(config, tmp_path / "work", "MultiProc", "query")
    run_apart(config, tmp_path / "work", "MultiProc", "query")
    elements = sinks(tmp_path / "work")
    assert len(elements) == 3
    assert [stored.unchecked for stored in elements] == [()] * 3


def test_offline_with_a_mirror(sub1, config, client, tmp_path, monkeypatch):
    pull(client.transport, tmp_path / "mirror", [Wanted("P")])
    monkeypatch.setenv("NIPYPE_XNAT_OFFLINE", "1")
    monkeypatch.setenv("NIPYPE_XNAT_MIRROR", str(tmp_path / "mirror"))
    for _ in range(2):
        workflow(config, tmp_path / "work", sub1()).run("Linear")
        assert [stored.unchecked for stored in sinks(tmp_path / "work")] == [()]


# -- what is recorded


def test_a_source_records_what_it_delivered(cohort, config, tmp_path):
    template = "/projects/P/experiments/{session}/scans/1/resources/NIFTI/files/*.nii"
    source = Node(
        XNATSource(templates={"t1": template}, config=str(config)),
        "source",
        base_dir=str(tmp_path),
    )
    source.inputs.session = "sub1_MR1"
    source.run()
    text = (tmp_path / "source" / "_nipype" / "xnat_source.json").read_text()
    values = json.loads(text)
    assert (values["format"], values["version"]) == ("nipype_xnat.source", 1)
    assert values["paths"] == {"t1": [template.format(session="sub1_MR1")]}
    found = Delivered.read(tmp_path / "source")
    assert [(file.record.path, file.outputs) for file in found.files] == [
        ("t1.nii", ("t1",)),
        ("t1.json", ("t1",)),
    ]
    one = found.files[0]
    assert len(one.record.digest) == 32 and one.record.resource_id
    assert Path(one.local).read_bytes() == b"T1 of sub1"
    assert "admin" not in text


def test_a_later_version_of_a_record_is_not_guessed_at(cohort, config, tmp_path):
    place = tmp_path / "_nipype" / "xnat_source.json"
    place.parent.mkdir()
    place.write_text(json.dumps({"format": "nipype_xnat.source", "version": 99}))
    assert Delivered.read(tmp_path) is None


def test_a_run_of_some_sessions_leaves_the_record_of_the_others(cohort, config, tmp_path):
    whole = resolve(config)
    place = tmp_path / "work" / "cohort" / "nipype_xnat.run" / "sessions"
    workflow(config, tmp_path / "work", whole).run("Linear")
    names = {path.stem for path in place.iterdir()}
    assert names == {"sub0_MR1", "sub1_MR1", "sub2_MR1", "sub3_MR1"}
    before = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    workflow(config, tmp_path / "work", whole.only("sub1_MR1")).run("Linear")
    after = {path: path.stat().st_mtime_ns for path in place.iterdir()}
    assert {path.stem for path in place.iterdir() if after[path] != before[path]} == {"sub1_MR1"}
    workflow(config, tmp_path / "work", Cohort(whole.records[:1])).run("Linear")
    assert [path.stem for path in place.iterdir()] == ["sub0_MR1"]


def test_as_part_of_another_workflow_and_cloned(sub1, config, fill, tmp_path):
    work = tmp_path / "work"

    def build():
        outer = Workflow(name="outer", base_dir=str(work))
        outer.add_nodes([workflow(config, None, sub1()).clone("inner")])
        return outer

    build().run("Linear")
    assert [stored.unchecked for stored in sinks(work)] == [()]
    replace(fill)
    with pytest.raises(NodeExecutionError, match="StaleResult"):
        build().run(plugin=CancelledPlugin("shout"))


@pytest.mark.parametrize("shape", [plain, map_node], ids=lambda shape: shape.__name__)
def test_a_copied_working_directory_hands_on_nothing_of_the_other(
    sub1, config, fill, tmp_path, xnat_archive, shape
):
    """Nipype's results name files of the folder that they were made in."""
    work, copy = tmp_path / "work", tmp_path / "copy"
    workflow(config, work, sub1(), shape).run("Linear")
    shutil.copytree(work, copy, symlinks=True)
    replace(fill)
    workflow(config, work, sub1(), shape).run("Linear")
    replace(fill, b"T1 of sub1")
    xnat_archive.requests.clear()
    with pytest.raises(NodeExecutionError, match=f"StaleResult(.|\n)*made in {work}"):
        workflow(config, copy, sub1(), shape).run("Linear")
    assert changes(xnat_archive) == []

    # the plugins and the examples of this package take it away themselves
    assert drop_broken((copy / "cohort" / "sub1_MR1").iterdir())
    workflow(config, copy, sub1(), shape).run("Linear")
    held = fill.call("GET", f"{RESULTS}?format=json").json()["ResultSet"]["Result"]
    assert fill.call("GET", f"{RESULTS}/{held[0]['Name']}").content == b"T1 OF SUB1!"


def test_a_moved_working_directory_is_done_anew(sub1, config, tmp_path):
    work, moved = tmp_path / "work", tmp_path / "moved"
    workflow(config, work, sub1()).run("Linear")
    work.rename(moved)
    assert drop_broken((moved / "cohort" / "sub1_MR1").iterdir())
    workflow(config, moved, sub1()).run("Linear")
    assert [stored.unchecked for stored in sinks(moved)] == [()]


def test_a_working_directory_of_two_names(sub1, config, fill, tmp_path):
    work, link = tmp_path / "work", tmp_path / "link"
    work.mkdir()
    link.symlink_to(work)
    for base in (link, work, link):
        workflow(config, base, sub1()).run("Linear")
        assert not drop_broken((base / "cohort" / "sub1_MR1").iterdir())
        assert [stored.unchecked for stored in sinks(work)] == [()]
    assert len((work / "cohort" / "sub1_MR1" / "runs.log").read_text().split()) == 1
    replace(fill)
    with pytest.raises(NodeExecutionError, match="StaleResult"):
        workflow(config, link, sub1()).run(plugin=CancelledPlugin("shout"))


def test_an_archive_without_digests(tmp_path):
    """The source knows the digest of what it fetched, the record of the cohort does not."""
    work, config = tmp_path / "work", tmp_path / "xnat.json"
    with Archive(tmp_path / "archive", Site(checksums=False)) as archive, archive.running() as url:
        fill = Filler(url)
        fill.put("/data/projects/P")
        scans = {"1": ("T1w", {"NIFTI": {"t1.nii": b"T1 of sub1"}})}
        fill.session("P", "sub1", "sub1_MR1", scans)
        Interface(url, "admin", "admin").save_config(config)
        for content in (b"T1 of sub1", b"a longer T1 of sub1"):
            replace(fill, content)
            before = resolve(config)
            workflow(config, work, before).run("Linear")
            assert fill.call("GET", f"{RESULTS}/shout.txt").content == content.upper() + b"!"
            assert "names no digest" in sinks(work)[0].unchecked[0]
        # what sizes tell is refused all the same
        replace(fill, b"short")
        for cohort in (before, resolve(config)):
            with pytest.raises(NodeExecutionError, match="StaleResult"):
                workflow(config, work, cohort).run(plugin=CancelledPlugin("source", "shout"))


def test_an_earlier_submission_says_nothing_where_a_run_writes_no_graph(cohort, config, tmp_path):
    """Without create_report Nipype leaves the graph of the run before."""

    def build(factor, report):
        whole = Workflow(name="mine", base_dir=str(tmp_path / "work"))
        whole.config["execution"] = {"create_report": report}
        template = "/projects/P/experiments/sub1_MR1/scans/1/resources/NIFTI/files/*.nii"
        source = Node(XNATSource(templates={"t1": template}, config=str(config)), "source")
        sink = Node(XNATSink(config=str(config)), "sink")
        whole.connect([(source, sink, [(name, name) for name in NAMES])])
        a_number(whole, source, sink)
        whole.get_node("shout").inputs.factor = factor
        return whole

    build(3, "true").run(plugin=CancelledPlugin())
    build(4, "false").run("Linear")
    assert [stored.unchecked for stored in sinks(tmp_path / "work")] == [()]
