"""A limit of connections divided among the jobs of a run."""

import logging

import pytest
from nipype import IdentityInterface, JoinNode, MapNode, Node, Workflow
from nipype.pipeline.engine.utils import generate_expanded_graph

from nipype_xnat import XNATQuery, XNATSink, XNATSource, share_connections

SERVER = "https://xnat.test"


def made(sessions=3, **values):
    """Make a workflow with a source for each session, in a workflow of its own."""
    whole = Workflow(name="whole")
    for number in range(sessions):
        one = Workflow(name=f"s{number}")
        source = Node(XNATSource(outfields=["t1"], server=SERVER, **values), name="source")
        sink = Node(XNATSink(server=SERVER), name="sink")
        one.connect(source, "t1", sink, "T1")
        whole.add_nodes([one])
    return whole


def shares(workflow):
    """Return what the nodes would be run with."""
    graph = generate_expanded_graph(workflow._create_flat_graph())
    return sorted(
        node.interface.inputs.connections
        for node in graph
        if hasattr(node.interface.inputs, "connections")
    )


@pytest.mark.parametrize(
    ("jobs", "limit", "share"), [(2, None, 8), (3, None, 5), (30, None, 2), (30, 3, 1), (4, 4, 1)]
)
def test_each_job_gets_its_share(jobs, limit, share):
    workflow = made()
    assert share_connections(workflow, jobs, limit) == share
    assert shares(workflow) == [share] * 6


def test_nothing_is_raised_and_nothing_changed_without_a_limit(monkeypatch):
    workflow = made(connections=3)
    assert share_connections(workflow, 1) == 16
    assert shares(workflow) == [3] * 3 + [8] * 3
    monkeypatch.setenv("NIPYPE_XNAT_CONNECTIONS", "0")
    assert share_connections(workflow, 30) == 0
    assert shares(workflow) == [3] * 3 + [8] * 3
    monkeypatch.setenv("NIPYPE_XNAT_CONNECTIONS", "12")
    assert share_connections(workflow, 30) == 2
    assert shares(workflow) == [2] * 6


def test_nodes_of_every_kind(caplog):
    workflow = Workflow(name="mixed")
    query = Node(XNATQuery(server=SERVER), name="query")
    source = MapNode(XNATSource(["p"], outfields=["t1"], server=SERVER), ["p"], name="source")
    source.inputs.p = ["a", "b"]
    sink = JoinNode(
        XNATSink(["t1"], server=SERVER), joinsource="over", joinfield=["t1"], name="sink"
    )
    over = Node(IdentityInterface(["n"]), name="over", iterables=("n", [1, 2]))
    workflow.add_nodes([query, source])
    workflow.connect(over, "n", sink, "t1")
    assert share_connections(workflow, 8) == 2
    assert query.inputs.connections == source.interface.inputs.connections == 2
    assert sink.inputs.connections == 2


def test_more_jobs_than_connections_are_told(caplog, monkeypatch):
    logger = logging.getLogger("nipype.workflow")
    monkeypatch.setattr(logger, "propagate", True)
    with caplog.at_level(logging.WARNING, "nipype.workflow"):
        assert share_connections(made(10), 100) == 1
    assert "20 jobs may ask the archive at once" in caplog.text
    assert "give the plugin max_jobs" in caplog.text
