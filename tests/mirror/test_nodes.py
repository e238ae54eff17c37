"""Nodes offline: pull, run without the server, push; it ends as online."""

import os
import subprocess
import sys

import pytest
from nipype import Node

from nipype_xnat import Archive, Interface, XNATQuery, XNATSink, XNATSource, errors, prefetch
from nipype_xnat.archive import Site
from nipype_xnat.mirror import Outbox, Wanted, pull, push
from support.filler import Filler
from support.workflows import ALL_T1, query, resolve, run_apart

LISTINGS = (
    "/projects/P/subjects",
    "/projects/P/experiments",
    "/projects/P/experiments/*/scans",
    "/projects/P/experiments/*/assessors",
)
FILES = (
    "/projects/P/experiments/*/scans/*/resources/*/files/*",
    "/projects/P/experiments/*/resources/*/files/*",
    "/projects/P/experiments/*/assessors/*/out_resources/*/files/*",
)


def fill_cohort(fill):
    """Make three sessions with a T1w each."""
    fill.put("/data/projects/P")
    for number in range(3):
        nifti = {"t1.nii": b"T1 of sub%d" % number, "t1.json": b'{"sub": %d}' % number}
        scans = {"1": ("T1w", {"NIFTI": nifti}), "2": ("T2w", {"NIFTI": {"t2.nii": b"T2"}})}
        fill.session("P", f"sub{number}", f"sub{number}_MR1", scans, date="2020-05-01")


def state(archive):
    """All that a server holds of P: elements with their fields, files with their bytes."""
    found = {}
    for path in LISTINGS:
        for element in archive.select(path):
            values = element.details()
            kept = {k: v for k, v in values.items() if "ID" not in k.upper() and "date" not in k}
            found[f"{path} {element.record.experiment_label} {element.label()}"] = kept
    for path in FILES:
        for file in archive.select(path):
            r = file.record
            place = (r.experiment_label, r.scan_id, r.assessor_label, r.resource_label, r.path)
            with open(file.get(), "rb") as stream:
                found[place] = (stream.read(), r.digest, r.format, r.content, r.tags)
    return found


@pytest.fixture
def filled(hold, xnat_archive):
    """A server that holds the cohort."""
    hold(fill_cohort)
    return xnat_archive


@pytest.fixture(autouse=True)
def _in_tmp(tmp_path, monkeypatch):
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def run_online(tmp_path, plugin, kind):
    """Run a workflow against another server that holds the same; return its state afterwards."""
    with Archive(tmp_path / "other", Site(durable=False)) as other, other.running() as url:
        fill_cohort(Filler(url))
        with Interface(url, "admin", "admin", cache=tmp_path / "c2") as online:
            online.save_config(tmp_path / "other.json")
            run_apart(tmp_path / "other.json", tmp_path / "work_online", plugin, kind)
            return state(online)


def without_route():
    """Return a command that runs another one in a network namespace of its own."""
    for command in (["unshare", "-n"], ["unshare", "-rn"]):
        try:
            if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
                return command
        except OSError:
            break
    return None


@pytest.mark.parametrize(("plugin", "kind"), [("Linear", "query"), ("MultiProc", "build")])
def test_offline_and_a_push_end_as_online(filled, client, config, tmp_path, plugin, kind):
    pull(client.transport, tmp_path / "mirror", [Wanted("P")])
    before = state(client)
    filled.requests.clear()
    run_apart(
        config,
        tmp_path / "work",
        plugin,
        kind,
        NIPYPE_XNAT_OFFLINE="1",
        NIPYPE_XNAT_MIRROR=str(tmp_path / "mirror"),
    )
    assert not filled.requests
    assert state(client) == before
    result = push(client.transport, tmp_path / "mirror.outbox")
    assert (result.conflicts, result.failed) == ([], [])
    assert len(result.sent) >= 3
    after = state(client)
    assert len(after) > len(before)
    assert after == run_online(tmp_path, plugin, kind)


def test_no_request_leaves_the_machine(filled, client, config, tmp_path):
    """Fetched before, run without a route, an account and the server, pushed afterwards."""
    within = without_route()
    if within is None:
        pytest.skip("this machine does not let its users make network namespaces")
    fetched = prefetch(query(config, tmp_path / "work"), mirror=tmp_path / "mirror")
    assert fetched.complete and fetched.fetched == 6, str(fetched)
    ask = [sys.executable, "-c", f"import urllib.request as u; u.urlopen({filled.url!r})"]
    assert subprocess.run([*within, *ask], capture_output=True).returncode != 0
    run_apart(
        tmp_path / "no.json",
        tmp_path / "work",
        "MultiProc",
        "query",
        within,
        NIPYPE_XNAT_OFFLINE="1",
        NIPYPE_XNAT_MIRROR=str(tmp_path / "mirror"),
    )
    result = push(client.transport, tmp_path / "mirror.outbox")
    assert (result.conflicts, result.failed) == ([], [])
    assert {key[0] for key in state(client) if key[3:4] == ("shout",)} == {
        "sub0_MR1",
        "sub1_MR1",
        "sub2_MR1",
    }


def test_inputs_say_it_too(filled, client, config, tmp_path):
    pull(client.transport, tmp_path / "mirror", [Wanted("P")])
    record = resolve(config)[0]
    filled.requests.clear()
    how = {"offline": True, "mirror": str(tmp_path / "mirror"), "outbox": str(tmp_path / "box")}
    found = Node(XNATQuery(templates={"t1": ALL_T1}, **how), "q", base_dir=str(tmp_path)).run()
    assert found.outputs.records[0] == record
    node = Node(XNATSource(outfields=["t1"], record=record, **how), "s", base_dir=str(tmp_path))
    source = node.run().outputs
    with open(source.t1, "rb") as stream:
        assert stream.read() == b"T1 of sub0"
    sink = XNATSink(project_id="P", subject_id="sub0", experiment_id="sub0_MR1", **how)
    sink.inputs.copied = source.t1
    stored = Node(sink, "k", base_dir=str(tmp_path)).run().outputs.stored
    assert stored[0]["archive"] == filled.url
    assert not filled.requests
    assert len(Outbox(tmp_path / "box").waiting()) == 1


def test_an_outbox_that_cannot_be_written_is_a_clear_error(filled, client, tmp_path):
    pull(client.transport, tmp_path / "mirror", [Wanted("P")])
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "result.txt").write_text("result")
    sink = XNATSink(
        project_id="P",
        subject_id="sub0",
        experiment_id="sub0_MR1",
        offline=True,
        mirror=str(tmp_path / "mirror"),
        outbox=str(tmp_path / "file" / "box"),
    )
    sink.inputs.result = str(tmp_path / "result.txt")
    with pytest.raises(
        errors.MirrorError, match=r"outbox .*file/box cannot be written.*\n?.*OUTBOX"
    ):
        sink.run()


def test_what_is_not_held_is_told_by_the_node(filled, client, fill, tmp_path):
    pull(client.transport, tmp_path / "mirror", [Wanted("P", bytes=False)])
    source = XNATSource(templates={"t1": ALL_T1}, offline=True, mirror=str(tmp_path / "mirror"))
    with pytest.raises(errors.XNATError, match="nipype-xnat"):
        source.run()
    assert os.listdir(tmp_path / "cwd") == []
