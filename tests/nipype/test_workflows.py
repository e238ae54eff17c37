"""Whole workflows on Nipype's engine: what runs again, who logs in, where no secret may be."""

import gzip
import multiprocessing
import os
import pickle
import shutil
from collections import Counter
from pathlib import Path

import pytest
from nipype import JoinNode, MapNode, Node, Workflow
from nipype import config as nipype_config
from nipype.interfaces.utility import IdentityInterface

from nipype_xnat import Interface, XNATQuery, XNATSink, XNATSource
from support.log_ins import opened
from support.nodes import Shout, run_and_name
from support.workflows import ALL_T1, build, resolve, run_apart

PASSWORD = "pass-word-7f3a"


@pytest.fixture(autouse=True)
def _nipype_settings(tmp_path):
    before = {name: nipype_config.get("execution", name) for name in ("crashdump_dir",)}
    nipype_config.set("execution", "crashdump_dir", str(tmp_path / "cwd"))
    nipype_config.set("execution", "poll_sleep_duration", "0.1")
    yield
    for name, value in before.items():
        if value is not None:
            nipype_config.set("execution", name, value)


def runs(work):
    return {
        path.parent.name: path.read_text().count("run")
        for path in sorted(Path(work).glob("cohort/*/runs.log"))
    }


def stored(fill, number):
    base = f"/data/projects/P/subjects/sub{number}/experiments/sub{number}_MR1"
    return fill.call("GET", f"{base}/resources/shout/files/shout.txt").content


@pytest.mark.parametrize("plugin", ["Linear", "MultiProc"])
def test_a_cohort_there_and_back_and_again(cohort, config, fill, tmp_path, xnat_archive, plugin):
    work = tmp_path / "work"
    run_apart(config, work, plugin)
    assert [stored(fill, n) for n in range(3)] == [b"T1 OF SUB%d!" % n for n in range(3)]
    assert runs(work) == {f"sub{n}_MR1": 1 for n in range(3)}

    # once more: nothing downloaded, computed or uploaded
    xnat_archive.requests.clear()
    run_apart(config, work, plugin)
    assert runs(work) == {f"sub{n}_MR1": 1 for n in range(3)}
    assert {r.method for r in xnat_archive.requests if "JSESSION" not in r.path} == {"GET"}
    assert not [r for r in xnat_archive.requests if r.path.endswith((".nii", ".json", ".txt"))]

    # one image replaced, one subject gone, one new: only these are touched
    base = "/data/projects/P/subjects/{0}/experiments/{0}_MR1"
    fill.file(
        base.format("sub1") + "/scans/1/resources/NIFTI/files/t1.nii",
        b"T1 of sub1".swapcase().swapcase() + b" v2",
        overwrite="true",
    )
    fill.call("DELETE", "/data/projects/P/subjects/sub0")
    fill.session("P", "aaa", "aaa_MR1", {"1": ("T1w", {"NIFTI": {"t1.nii": b"T1 of aaa"}})})
    xnat_archive.requests.clear()
    run_apart(config, work, plugin)
    assert runs(work) == {"aaa_MR1": 1, "sub0_MR1": 1, "sub1_MR1": 2, "sub2_MR1": 1}
    files = Counter(
        (r.method, r.path.rpartition("/")[2])
        for r in xnat_archive.requests
        if r.path.endswith((".nii", ".txt"))
    )
    assert files == {("GET", "t1.nii"): 2, ("PUT", "shout.txt"): 2}
    assert stored(fill, 1) == b"T1 OF SUB1 V2!"


def test_a_replaced_image_of_equal_size_is_noticed(cohort, config, fill, tmp_path):
    """Nipype compares size and time of a file: equal ones must not hide another content."""
    work = tmp_path / "work"
    build(config, work, resolve(config)).run()
    for letter in b"XYZ":
        base = "/data/projects/P/subjects/sub1/experiments/sub1_MR1"
        data = b"T1 of sub%c" % letter
        fill.file(f"{base}/scans/1/resources/NIFTI/files/t1.nii", data, overwrite="true")
        build(config, work, resolve(config)).run()
        assert stored(fill, 1) == data.upper() + b"!"
    assert runs(work)["sub1_MR1"] == 4


def test_two_images_of_equal_size_have_their_own_times(cohort, config):
    """A node pointed from one subject to another must not be taken for unchanged."""
    records = list(resolve(config))
    stats = set()
    for record in records:
        path = XNATSource(outfields=["t1"], config=str(config), record=record).run().outputs.t1
        stats.add((os.stat(path).st_size, os.stat(path).st_mtime))
    assert len(stats) == 3


def test_200_sources_under_multiproc_list_nothing_and_log_in_once_a_worker(
    config, tmp_path, xnat_archive
):
    subjects = {}
    for n in range(200):
        scan = {"fields": {"type": "T1w"}, "resources": {"NIFTI": {"files": {"t.nii": str(n)}}}}
        subjects[f"s{n}"] = {"experiments": {f"s{n}_MR1": {"scans": {"1": scan}}}}
    xnat_archive.archive.seed({"projects": {"P": {"subjects": subjects}}})
    xnat_archive.requests.clear()
    before = xnat_archive.archive.open_sessions
    run_apart(config, tmp_path / "work", "MultiProc", "sources")
    requests = list(xnat_archive.requests)
    # what the submitting process asked to resolve the cohort ends with its log-out
    ended = next(n for n, r in enumerate(requests) if r.method == "DELETE")
    xnat_archive.requests.clear()
    xnat_archive.requests.extend(requests[ended + 1 :])
    asked = Counter(
        r.method + " " + (r.path.rpartition("/")[2] if "JSESSION" in r.path else r.path)
        for r in xnat_archive.requests
    )
    logins, logouts = asked.pop("POST JSESSION"), asked.pop("DELETE JSESSION")
    assert 1 <= logins <= 2 and logouts == logins
    assert len(asked) == 200 and set(asked.values()) == {1}
    assert all(name.endswith("/files/t.nii") for name in asked)
    assert xnat_archive.archive.open_sessions == before


def test_map_nodes_join_nodes_and_iterables(cohort, config, fill, tmp_path):
    records = list(resolve(config))
    whole = Workflow(name="mapped", base_dir=str(tmp_path / "work"))
    query = Node(XNATQuery(templates={"t1": ALL_T1}, config=str(config)), "query")
    source = MapNode(XNATSource(outfields=["t1"], config=str(config)), ["record"], name="source")
    shout = MapNode(Shout(), ["in_file"], name="shout")
    sink = MapNode(
        XNATSink(infields=["shout"], config=str(config)),
        ["project_id", "subject_id", "experiment_id", "shout"],
        name="sink",
    )
    whole.connect(query, "records", source, "record")
    whole.connect(source, "t1", shout, "in_file")
    for name in ("project_id", "subject_id", "experiment_id"):
        whole.connect(source, name, sink, name)
    whole.connect(shout, "out_file", sink, "shout")
    whole.run()
    # MapNodes run in folders like _shout0, which are no part of a resource's paths
    rows = fill.call(
        "GET", "/data/projects/P/subjects/sub2/experiments/sub2_MR1/files?format=json"
    ).json()["ResultSet"]["Result"]
    assert [row["URI"].partition("/files/")[2] for row in rows] == ["shout.txt"]
    assert stored(fill, 2) == b"T1 OF SUB2!"

    whole = Workflow(name="iterated", base_dir=str(tmp_path / "work"))
    sessions = Node(IdentityInterface(["session"]), "sessions")
    sessions.iterables = ("session", [record["name"] for record in records])
    template = ALL_T1.replace("experiments/*", "experiments/{session}")
    source = Node(XNATSource(templates={"t1": template}, config=str(config)), "source")
    joined = JoinNode(IdentityInterface(["all"]), joinsource="sessions", joinfield="all", name="j")
    whole.connect(sessions, "session", source, "session")
    whole.connect(source, "t1", joined, "all")
    graph = whole.run()
    (found,) = [node.result.outputs.all for node in graph.nodes() if node.name == "j"]
    assert [Path(path).read_bytes() for path in found] == [b"T1 of sub%d" % n for n in range(3)]


def test_results_come_without_the_network_when_outputs_are_gathered_again(
    cohort, config, tmp_path, xnat_archive
):
    record = resolve(config)[0]
    source = XNATSource(outfields=["t1"], config=str(config), record=record)
    node = Node(source, "source", base_dir=str(tmp_path))
    first = node.run().outputs
    xnat_archive.requests.clear()
    os.chdir(tmp_path / "source")
    again = XNATSource(outfields=["t1"], config=str(config), record=record).aggregate_outputs()
    assert again.t1 == first.t1 and again.subject_label == "sub0"
    assert not xnat_archive.requests


def test_a_pruned_cache_is_filled_again(cohort, config, fill, tmp_path):
    work = tmp_path / "work"
    build(config, work, resolve(config)).run()
    shutil.rmtree(os.environ["NIPYPE_XNAT_CACHE"])
    build(config, work, resolve(config)).run()
    assert [stored(fill, n) for n in range(3)] == [b"T1 OF SUB%d!" % n for n in range(3)]


def test_interfaces_pickle_with_nothing_open(cohort, config):
    source = XNATSource(outfields=["t1"], config=str(config), record=resolve(config)[0])
    source.run()
    copy = pickle.loads(pickle.dumps(source))
    assert copy.inputs.config == str(config)
    for interface in (XNATSink(config=str(config)), XNATQuery(config=str(config))):
        pickle.dumps(interface)


def test_export_and_version(cohort, config, tmp_path):
    work = Workflow(name="exported", base_dir=str(tmp_path))
    work.add_nodes([Node(XNATSource(infields=["s"], outfields=["t1"]), "source")])
    work.export(str(tmp_path / "script"), format="python")
    (script,) = tmp_path.glob("script*")
    assert "infields=['s']" in script.read_text() and "outfields=['t1']" in script.read_text()
    import nipype_xnat

    assert XNATSource().version == nipype_xnat.__version__


def test_toggling_how_to_connect_does_not_change_the_hash(cohort, config):
    record = resolve(config)[0]
    one = Node(XNATSource(outfields=["t1"], config=str(config), record=record), "n")
    two = Node(
        XNATSource(
            outfields=["t1"], server="http://elsewhere", record=record, connections=2, proxy="p"
        ),
        "n",
    )
    assert one.inputs.get_hashval()[1] == two.inputs.get_hashval()[1]
    three = Node(XNATSource(outfields=["t1"], record={**record, "name": "other"}), "n")
    assert one.inputs.get_hashval()[1] != three.inputs.get_hashval()[1]


def test_a_label_that_is_also_a_file_here_does_not_change_the_hash(cohort, config, tmp_path):
    source = XNATSource(templates={"t1": ALL_T1.replace("P", "{p}", 1)}, p="P")
    before = source.inputs.get_hashval()[1]
    Path("P").write_text("a file called like the project")
    assert source.inputs.get_hashval()[1] == before


def every_byte(folder):
    """Yield each file's content, unpacked where it is a pickle of Nipype's."""
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            yield path, data
            if data[:2] == b"\x1f\x8b":
                yield path, gzip.decompress(data)


def test_no_secret_is_left_anywhere(fill, tmp_path, monkeypatch, xnat_archive):
    """Not in the working directory, crash files, reports, the cache, or an environment dump."""
    fill.put("/data/projects/P")
    fill.session("P", "s", "s_MR1", {"1": ("T1w", {"NIFTI": {"t1.nii": b"data"}})})
    xnat_archive.archive.add_user("jane", PASSWORD, admin=True)
    tokens = opened(monkeypatch)
    keys = tmp_path / "keys"
    keys.mkdir()
    file = keys / "xnat.json"
    with Interface(xnat_archive.url, "jane", PASSWORD) as archive:
        archive.save_config(file)
    monkeypatch.setenv("NIPYPE_XNAT_CACHE", str(tmp_path / "all" / "cache"))
    (tmp_path / "all" / "crash").mkdir(parents=True)
    nipype_config.set("execution", "crashdump_dir", str(tmp_path / "all" / "crash"))
    run_apart(file, tmp_path / "all" / "work", "MultiProc")
    failing = Workflow(name="failing", base_dir=str(tmp_path / "all" / "work"))
    absent = ALL_T1.replace("T1w", "absent")
    failing.add_nodes([Node(XNATSource(templates={"t1": absent}, config=str(file)), "source")])
    with pytest.raises(Exception, match="absent"):
        failing.run()
    # each process logged in
    assert len(tokens) > 2
    read = 0
    for path, data in every_byte(tmp_path / "all"):
        read += 1
        for secret in (PASSWORD, *tokens):
            assert secret.encode() not in data, path
    assert read > 20
    assert list((tmp_path / "all" / "crash").glob("crash-*"))


def test_forkserver_workers_too(cohort, config, tmp_path):
    """From Python 3.14 on pools start their workers afresh instead of forking."""
    record = resolve(config)[0]
    source = XNATSource(outfields=["t1"], config=str(config), record=record)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        path = pool.apply(run_and_name, (source,))
    assert Path(path).read_bytes() == b"T1 of sub0"
