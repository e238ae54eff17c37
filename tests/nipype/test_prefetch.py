"""Prefetch: what a workflow will ask for is here before it runs."""

import subprocess
import sys
import textwrap

import pytest
from nipype import Function, JoinNode, MapNode, Node, Workflow
from nipype.interfaces.utility import CSVReader, IdentityInterface, Merge

from nipype_xnat import Interface, XNATQuery, XNATSink, XNATSource, prefetch
from nipype_xnat.cli.main import main
from nipype_xnat.mirror import Folder, pull
from support.nodes import Shout
from support.workflows import ALL_T1, build, resolve

ONE = "/projects/P/experiments/{session}/scans/{scan}/resources/NIFTI/files/*.nii"
SESSIONS = [f"sub{n}_MR1" for n in range(3)]


def downloads(archive):
    """Names of files whose bytes the server sent."""
    asked = [r for r in archive.requests if r.method == "GET" and "/files/" in r.path]
    return sorted(r.path.rpartition("/")[2] for r in asked)


def computed(name="compute"):
    """A node whose result is known after it ran."""
    return Node(Function([], ["out"], function=_session), name)


def _session():
    return "sub0_MR1"


@pytest.fixture
def held(cohort, xnat_archive):
    """The cohort on a server that counts from here on."""
    xnat_archive.requests.clear()
    return xnat_archive


def run_without_downloads(archive, workflow):
    """Run a workflow from the cache, and see that no bytes are sent."""
    archive.requests.clear()
    graph = workflow.run()
    assert downloads(archive) == []
    return graph


def iterated(config, **how):
    """Sources behind iterables of another node and of their own, joined at the end."""
    whole = Workflow("iterated", base_dir="work")
    sessions = Node(IdentityInterface(["session"]), "sessions")
    sessions.iterables = ("session", SESSIONS)
    source = Node(
        XNATSource(templates={"t1": ONE}, companions=False, config=str(config), **how), "source"
    )
    source.inputs.scan = "1"
    joined = JoinNode(IdentityInterface(["all"]), joinsource="sessions", joinfield="all", name="j")
    whole.connect(sessions, "session", source, "session")
    whole.connect(source, "t1", joined, "all")
    return whole


def test_iterables(held, config):
    with pytest.raises(RuntimeError, match="3 raised"):
        iterated(config, cache_mode="offline").run()
    whole = iterated(config, cache_mode="prefer-cached")
    # sub3 has no T1w, and no session is named after it
    result = prefetch(iterated(config))
    assert result.complete and result.exit_code == 0, str(result)
    assert (result.fetched, len(result.nodes)) == (3, 3)
    assert downloads(held) == ["t1.nii"] * 3
    run_without_downloads(held, whole)
    again = prefetch(iterated(config))
    assert (again.fetched, again.already_here, again.bytes) == (0, 3, 0)


def test_synchronized_iterables_of_a_source_and_nested_workflows(held, config):
    inner = Workflow("inner")
    source = Node(
        XNATSource(templates={"image": ONE}, companions=False, config=str(config)), "source"
    )
    source.iterables = [("session", SESSIONS[:2]), ("scan", ["1", "2"])]
    source.synchronize = True
    inner.add_nodes([source])
    whole = Workflow("outer", base_dir="work")
    whole.add_nodes([inner])
    assert prefetch(whole).complete
    assert downloads(held) == ["t1.nii", "t2.nii"]
    run_without_downloads(held, whole)
    source.synchronize = False
    assert prefetch(whole).fetched == 2


def test_a_query_and_a_map_node(held, config):
    whole = Workflow("mapped", base_dir="work")
    query = Node(XNATQuery(templates={"t1": ALL_T1}, config=str(config)), "query")
    source = MapNode(XNATSource(outfields=["t1"], config=str(config)), ["record"], name="source")
    whole.connect(query, "records", source, "record")
    # what the source finds leads to further files of the same sessions
    more = MapNode(
        XNATSource(templates={"t2": ONE.replace("{scan}", "2")}, config=str(config)),
        ["session"],
        name="more",
    )
    whole.connect(source, "experiment_label", more, "session")
    result = prefetch(whole)
    assert result.complete, str(result)
    # an image and the .json beside it
    assert (result.nodes["mapped.source"][0], result.nodes["mapped.more"][0]) == (6, 3)
    assert [n for n in downloads(held) if n.startswith("t2")] == ["t2.nii"] * 3
    run_without_downloads(held, whole)


def test_a_query_that_one_source_takes_whole(held, config):
    """Lists of infields fill a template once each; an inline function is evaluated."""
    whole = Workflow("listed", base_dir="work")
    query = Node(XNATQuery(templates={"t1": ALL_T1}, config=str(config)), "query")
    merged = Node(Merge(1), "merged")
    source = Node(
        XNATSource(templates={"image": ONE}, companions=False, config=str(config), scan="1"),
        "source",
    )
    whole.connect(query, ("experiment_labels", _but_the_first), merged, "in1")
    whole.connect(merged, "out", source, "session")
    result = prefetch(whole)
    assert result.complete, str(result)
    assert result.fetched == 2
    run_without_downloads(held, whole)


def _but_the_first(names):
    return names[1:]


def test_a_join_node_that_fetches(held, config):
    whole = Workflow("joined", base_dir="work")
    sessions = Node(IdentityInterface(["session"]), "sessions")
    sessions.iterables = ("session", SESSIONS)
    source = JoinNode(
        XNATSource(templates={"image": ONE}, companions=False, config=str(config), scan="1"),
        joinsource="sessions",
        joinfield="session",
        name="source",
    )
    whole.connect(sessions, "session", source, "session")
    result = prefetch(whole)
    assert result.complete, str(result)
    assert result.fetched == 3


def test_nested_map_nodes_and_what_a_table_names(held, config, tmp_path):
    (tmp_path / "sessions.csv").write_text("\n".join(["session", *SESSIONS]) + "\n")
    whole = Workflow("nested", base_dir="work")
    table = Node(CSVReader(in_file=str(tmp_path / "sessions.csv"), header=True), "table")
    source = MapNode(
        XNATSource(templates={"t1": ONE}, companions=False, config=str(config)),
        ["session", "scan"],
        nested=True,
        name="source",
    )
    whole.connect(table, ("session", _in_pairs), source, "session")
    source.inputs.scan = [["1", "1"], ["2"]]
    result = prefetch(whole)
    assert result.complete, str(result)
    assert downloads(held) == ["t1.nii", "t1.nii", "t2.nii"]
    run_without_downloads(held, whole)


def _in_pairs(names):
    return [names[:2], names[2:]]


def test_a_cohort(held, config):
    cohort = resolve(config)
    whole = build(config, "work", cohort)
    held.requests.clear()
    result = prefetch(whole)
    assert result.complete and result.fetched == 6  # each image with the .json beside it
    assert sorted(result.nodes) == [f"cohort.{name}.source" for name in SESSIONS]
    run_without_downloads(held, whole)


def test_what_is_not_known_and_what_is_not_there_is_told(held, config):
    whole = Workflow("unknown", base_dir="work")
    compute = computed()
    source = Node(
        XNATSource(templates={"t1": ONE}, companions=False, config=str(config), scan="1"), "source"
    )
    whole.connect(compute, "out", source, "session")
    absent = Node(XNATSource(templates={"t1": ONE}, companions=False, config=str(config)), "absent")
    absent.inputs.trait_set(session="NOBODY", scan="1")
    there = Node(XNATSource(templates={"t1": ONE}, companions=False, config=str(config)), "there")
    there.inputs.trait_set(session=SESSIONS[0], scan="1")
    unset = Node(XNATSource(templates={"t1": ONE}, companions=False, config=str(config)), "unset")
    whole.add_nodes([absent, there, unset])
    fails = Node(XNATSource(templates={"t1": ONE}, config=str(config), scan="1"), "fails")
    whole.connect(there, ("experiment_label", _fails), fails, "session")
    uneven = MapNode(XNATSource(templates={"t1": ONE}), ["session", "scan"], name="uneven")
    uneven.inputs.trait_set(session=["a", "b"], scan=["1"])
    whole.add_nodes([uneven])
    result = prefetch(whole)
    assert not result.complete and result.exit_code == 1
    reasons = {one.node: one for one in result.lacking}
    assert sorted(reasons) == [
        f"unknown.{name}" for name in ("absent", "fails", "source", "uneven", "unset")
    ]
    assert "no such luck" in reasons["unknown.fails"].reason
    assert "unknown.compute" in reasons["unknown.source"].reason
    assert "session" in reasons["unknown.source"].asked
    assert "NOBODY" in reasons["unknown.absent"].asked
    assert result.fetched == 1
    # the table says it too
    assert "missing: unknown.absent" in str(result) and "unknown.there" in str(result)


def test_elements_of_a_map_node_that_find_nothing_keep_no_other_one_back(held, config):
    whole = Workflow("mapped", base_dir="work")
    source = XNATSource(templates={"t1": ONE}, companions=False, config=str(config), scan="1")
    node = MapNode(source, ["session"], name="source")
    node.inputs.session = [SESSIONS[0], "NOBODY", SESSIONS[2]]
    whole.add_nodes([node])
    result = prefetch(whole)
    assert (result.fetched, len(result.lacking)) == (2, 1)
    assert "NOBODY" in result.lacking[0].asked


def _fails(label):
    raise KeyError("no such luck")


def test_a_dry_run_says_how_many_bytes(held, config):
    said = prefetch(iterated(config), dry_run=True)
    assert downloads(held) == []
    done = prefetch(iterated(config))
    assert (said.fetched, said.bytes) == (done.fetched, done.bytes) == (3, 3 * len(b"T1 of sub0"))
    after = prefetch(iterated(config), dry_run=True)
    assert (after.fetched, after.already_here) == (0, 3)


def test_a_mirror_for_a_machine_without_the_server(held, config, fill, tmp_path):
    fill.put("/data/projects/RESULTS")
    fill.put("/data/projects/OTHER")
    mirror = tmp_path / "mirror"
    whole = iterated(config, offline=True, mirror=str(mirror))
    whole.remove_nodes([whole.get_node("j")])
    sink = Node(XNATSink(project_id="RESULTS", config=str(config), offline=True), "sink")
    sink.inputs.trait_set(mirror=str(mirror), outbox=str(tmp_path / "box"))
    shout = Node(Shout(), "shout")
    source = whole.get_node("source")
    whole.connect(source, "t1", shout, "in_file")
    whole.connect(shout, "out_file", sink, "shout")
    whole.connect(source, "subject_label", sink, "subject_id")
    whole.connect(source, "experiment_label", sink, "experiment_id")
    said = prefetch(whole, mirror=mirror, dry_run=True)
    assert (said.fetched, Folder(mirror).read()) == (3, None)
    result = prefetch(whole, mirror=mirror)
    assert result.complete and result.fetched == 3, str(result)
    assert [one.project for one in Folder(mirror).require().projects] == ["P", "RESULTS"]
    assert len(list((mirror / "bytes" / "objects").glob("*/*"))) == 3
    again = prefetch(whole, mirror=mirror)
    assert (again.fetched, again.already_here) == (0, 3)
    # a plain pull keeps them
    with Interface(config=config, cache=tmp_path / "c") as archive:
        pull(archive.transport, mirror)
    held.requests.clear()
    whole.run()
    assert not held.requests
    assert len(list((tmp_path / "box" / "waiting").glob("*/files/shout.txt"))) == 3


def test_a_project_that_is_not_there_is_told(held, config, tmp_path):
    whole = iterated(config)
    sink = Node(XNATSink(project_id="NOPE", config=str(config)), "sink")
    whole.connect(whole.get_node("source"), "t1", sink, "t1")
    result = prefetch(whole, mirror=tmp_path / "mirror")
    assert [one.asked for one in result.lacking] == ["project NOPE"]
    assert result.fetched == 3
    assert [one.project for one in Folder(tmp_path / "mirror").require().projects] == ["P"]


SCRIPT = """
    import sys
    from nipype import Node, Workflow
    from nipype_xnat import XNATSource

    TEMPLATE = "/projects/P/experiments/{session}/scans/1/resources/NIFTI/files/*.nii"

    def make(config, session):
        whole = Workflow("scripted")
        source = XNATSource(templates={"t1": TEMPLATE}, companions=False, config=config)
        source = Node(source, "source")
        source.inputs.session = session
        whole.add_nodes([source])
        return whole

    if __name__ == "__main__":
        graph = make(*sys.argv[1:3]).run()
        (node,) = graph.nodes()
"""


def test_the_command(held, config, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))

    def run(*arguments):
        command = [sys.executable, "-m", "nipype_xnat", "prefetch", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    said = run("--dry-run", f"{script}:make", config, SESSIONS[0])
    assert said.returncode == 0, said.stderr
    assert "1 files would be fetched (10 bytes)" in said.stdout
    done = run("--cache", tmp_path / "cache", script, config, SESSIONS[1])
    assert done.returncode == 0, done.stderr
    assert "scripted.source" in done.stdout and "1 files fetched" in done.stdout
    assert downloads(held) == ["t1.nii"]
    assert not (tmp_path / "cwd" / "scripted").exists()
    assert run(script, config, "NOBODY").returncode == 1
    assert main(["prefetch", f"{script}:nothing", str(config)]) == 2
    assert main(["prefetch", str(tmp_path / "absent.py")]) == 2
