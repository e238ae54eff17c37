"""Archive to archive: a mirror of one server is stored on another one."""

import csv
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from types import SimpleNamespace

import pytest
from mirror.conftest import fill_archive

from nipype_xnat import Archive, Interface, errors
from nipype_xnat.archive import Site
from nipype_xnat.mirror import Folder, Wanted, copy, pull, read_labels
from support.filler import Filler

LISTINGS = (
    "/projects/{}/subjects",
    "/projects/{}/experiments",
    "/projects/{}/experiments/*/scans",
    "/projects/{}/experiments/*/assessors",
    "/projects/{}/experiments/*/reconstructions",
)
FILES = (
    "/projects/{}/resources/*/files/*",
    "/projects/{}/subjects/*/resources/*/files/*",
    "/projects/{}/experiments/*/resources/*/files/*",
    "/projects/{}/experiments/*/scans/*/resources/*/files/*",
    "/projects/{}/experiments/*/assessors/*/out_resources/*/files/*",
    "/projects/{}/experiments/*/reconstructions/*/out_resources/*/files/*",
)
# what an archive gives itself
_OWN = (
    "id",
    "insert_date",
    "insert_user",
    "last_modified",
    "uri",
    "subject_id",
    "session_id",
    "imagesession_id",
    "image_session_id",
)


def state(archive, project="P"):
    """All that a server holds of a project, by labels: fields, variables, shares, files."""
    found = {}
    for template in LISTINGS:
        for element in archive.select(template.format(project)):
            values = {
                name: value
                for name, value in element.details().items()
                if name.lower() not in _OWN and not name.lower().endswith("data_id")
            }
            record = element.record
            key = (template, record.experiment_label, element.label())
            variables = {}
            if element.level in ("subject", "experiment", "assessor"):
                variables = element.get_custom_variables()
            shares = []
            if element.level in ("subject", "experiment"):
                shares = element.shares().get()
            found[key] = (values, element.datatype(), variables, shares)
    for template in FILES:
        for file in archive.select(template.format(project)):
            r = file.record
            place = r.with_values(project="P", subject_id="", experiment_id="", assessor_id="")
            found[place.place] = (r.size, r.digest, r.format, r.content, r.tags)
    return found


def fill_source(fill):
    """Make P and Q, with long and odd values."""
    fill_archive(fill)
    fill.put(
        "/data/projects/P/subjects/S3",
        **{"xnat:subjectData/demographics/education": "7", "src": "a & b, ü; 'c' #d?"},
    )
    base = "/data/projects/P/subjects/S1/experiments"
    for name in ("one", "two", "three", "four"):
        # together more than one address can hold
        field = f"xnat:mrSessionData/fields/field[name={name}]/field"
        fill.put(f"{base}/MR1", **{field: name * 500})
    fill.put(f"{base}/MR1", **{"xnat:mrSessionData/note": "long note " * 240})
    fill.put(f"{base}/PET1", xsiType="xnat:petSessionData", date="2022-02-02")
    fill.put(f"{base}/MR1/scans/7", xsiType="xnat:mrScanData", type="a/b, c", quality="unusable")
    fill.file(f"{base}/MR1/scans/7/resources/NIFTI/files/x.nii", b"x", format="F", content="C")
    fill.put("/data/projects/P/subjects/S3/resources/EMPTY", format="NOTHING")
    with (
        tempfile.TemporaryDirectory() as cache,
        Interface(fill.url, "admin", "admin", cache=cache) as client,
    ):
        scan = client.select.project("P").subject("S1").experiment("MR1").scan("1")
        scan.resource("NIFTI data").file("a b & ü.nii").put(b"odd", format="A & B", tags="t1,t2")
        scan.resource("123").file("x/y+z.txt").put(b"digits")


@pytest.fixture(scope="module")
def origin(tmp_path_factory, snapshots):
    """A server of P and Q for all tests, which none of them changes; its state; a mirror of it."""
    folder = tmp_path_factory.mktemp("origin")
    with Archive(folder / "archive", Site(durable=False)) as archive, archive.running() as url:
        snapshots(fill_source).put_into(archive)
        with Interface(url, "admin", "admin", cache=folder / "cache") as client:
            pull(client.transport, folder / "mirror", [Wanted("P"), Wanted("Q")])
            states = {project: state(client, project) for project in "PQ"}
            yield SimpleNamespace(client=client, states=states, mirror=folder / "mirror")


@pytest.fixture
def source(origin, tmp_path):
    """The test's own copy of the mirror."""
    return shutil.copytree(origin.mirror, tmp_path / "source", symlinks=True)


@pytest.fixture
def target(tmp_path):
    """An empty server, as (archive, client)."""
    with Archive(tmp_path / "target", Site(durable=False)) as archive, archive.running() as url:
        # other ids than those of the source
        Filler(url).put("/data/projects/BEFORE")
        Filler(url).put("/data/projects/BEFORE/subjects/X")
        with Interface(url, "admin", "admin", cache=tmp_path / "c2", metadata_age=0) as client:
            yield archive, client


def writes(archive):
    return [
        r
        for r in archive.requests
        if r.method in ("PUT", "POST", "DELETE") and "JSESS" not in r.path
    ]


def test_the_other_server_holds_the_same(source, target, origin):
    archive, there = target
    result = copy(there.transport, source)
    assert result.complete, str(result)
    for project, wanted in origin.states.items():
        assert state(there, project) == wanted
    made = {(one.kind, one.old_label): one for one in result.elements}
    for label in ("S1", "S3"):
        assert made["subject", label].new_id == there.select.project("P").subject(label).id()
        assert (
            made["subject", label].old_id == origin.client.select.project("P").subject(label).id()
        )
    assert made["subject", "S1"].new_id != made["subject", "S1"].old_id
    # a second time there is nothing to do, and the number of questions does not grow
    archive.requests.clear()
    again = copy(there.transport, source)
    assert again.complete and again.files_sent == 0
    assert again.files_there == result.files_sent > 10
    assert writes(archive) == []
    assert {one.outcome for one in again.elements} == {"there"}


def test_the_number_of_questions_does_not_grow_with_the_elements(
    target, client, fill, hold, tmp_path
):
    archive, there = target
    hold(fill_source)
    source = tmp_path / "source"
    pull(client.transport, source, [Wanted("P"), Wanted("Q")])
    copy(there.transport, source)
    archive.requests.clear()
    copy(there.transport, source)
    few = len(archive.requests)
    for number in range(8):
        nifti = {"NIFTI": {"a.nii": b"%d" % number}}
        fill.session("P", f"N{number}", f"N{number}_MR", {"1": ("T1w", nifti)})
    pull(client.transport, source)
    copy(there.transport, source)
    archive.requests.clear()
    copy(there.transport, source)
    assert len(archive.requests) <= few + 3


def test_a_dry_run_says_it_and_sends_nothing(source, target):
    archive, there = target
    archive.requests.clear()
    said = copy(there.transport, source, dry_run=True)
    assert writes(archive) == []
    done = copy(there.transport, source)
    assert said.files_sent == done.files_sent and said.bytes_sent == done.bytes_sent

    def seen(result):
        return Counter((one.kind, one.old_label, one.outcome) for one in result.elements)

    assert seen(said) == seen(done)
    assert "would be sent" in str(said)


def test_a_server_that_demands_reasons_is_given_one(source, origin, tmp_path):
    site = Site(durable=False, require_change_reason=True)
    with Archive(tmp_path / "strict", site) as archive, archive.running() as url:
        with Interface(url, "admin", "admin", cache=tmp_path / "c3", metadata_age=0) as there:
            refused = copy(there.transport, source)
            assert not refused.complete and "reason" in str(refused)
            assert copy(there.transport, source, reason="moved here").complete
            assert state(there) == origin.states["P"]


class Cut:
    """Cuts the connection to a server after a number of requests that change something."""

    def __init__(self, inner, after):
        self.inner, self.left = inner, after
        self.server, self.account = inner.server, inner.account

    def send(self, request):
        if request.method in ("GET", "HEAD"):
            return self.inner.send(request)
        if self.left == 0:
            raise errors.CannotReachServer("cut off")
        self.left -= 1
        answer = self.inner.send(request)
        if self.left == 0:
            # the server did it, and the answer is lost
            answer.close()
            raise errors.CannotReachServer("cut off")
        return answer

    def close(self):
        self.inner.close()


@pytest.mark.parametrize("after", [1, 17])
def test_a_copy_may_be_interrupted(source, target, origin, after):
    archive, there = target
    with pytest.raises(errors.CannotReachServer):
        copy(Cut(there.transport, after), source, connections=1)
    archive.requests.clear()
    result = copy(there.transport, source)
    assert result.complete, str(result)
    for project, wanted in origin.states.items():
        assert state(there, project) == wanted
    archive.requests.clear()
    copy(there.transport, source)
    assert writes(archive) == []


def test_a_copy_that_is_cut_again_and_again_ends(source, target, origin):
    archive, there = target
    archive.requests.clear()
    cuts = 0
    while cuts < 40:
        try:
            copy(Cut(there.transport, 6), source, connections=1)
            break
        except errors.CannotReachServer:
            cuts += 1
    for project, wanted in origin.states.items():
        assert state(there, project) == wanted
    # what was answered is not sent again, and of what was cut off nothing twice
    sent = Counter(r.path for r in writes(archive) if "/files" in r.path)
    assert set(sent.values()) == {1}
    assert 3 < cuts < 20


def test_labels_and_projects_are_called_otherwise(source, target, tmp_path):
    _, there = target
    table = tmp_path / "labels.csv"
    table.write_text(
        "kind,old,new\nsubject,S1,ANON1\nsubject,S2,ANON2\nsubject,SHARED,ANON9\n"
        "experiment,MR1,ANON1_MR\nexperiment,QC1,ANON1_QC\n"
    )
    result = copy(there.transport, source, {"P": "NEW", "Q": ""}, labels=read_labels(table))
    assert result.complete, str(result)
    assert result.kept_labels["subject"] == ["S3", "T1"]
    assert "labels of subjects that stay as they are: S3, T1" in str(result)
    labels = there.select("/projects/NEW/subjects").get("label")
    assert sorted(labels) == ["ANON1", "ANON2", "ANON9", "S3"]
    project = there.select.project("NEW")
    session = project.subject("ANON1").experiment("ANON1_MR")
    assert session.assessor("ANON1_QC").out_resource("OUT").file("o.txt").exists()
    assert there.select.project("Q").subject("T1").shares().get() == ["Q", "NEW"]
    assert not there.select.project("P").exists()
    assert not there.select.project("NEW").subject("S1").exists()
    again = copy(
        there.transport,
        source,
        {"P": "NEW", "Q": ""},
        labels=lambda kind, label: read_labels(table)[kind].get(label, label),
    )
    assert {one.outcome for one in again.elements} == {"there"}


def test_labels_that_would_fall_together_are_refused(source, target):
    archive, there = target
    archive.requests.clear()
    with pytest.raises(errors.UsageError, match="both be called"):
        copy(
            there.transport,
            source,
            labels=lambda kind, label: "one" if kind == "subject" else label,
        )
    with pytest.raises(errors.UsageError, match="into one"):
        copy(there.transport, source, {"P": "A", "Q": "A"})
    with pytest.raises(errors.UsageError, match="not R"):
        copy(there.transport, source, ["R"])
    assert not archive.requests


def a_conflict(there, source):
    """Change a field and a file on the other server after a copy."""
    copy(there.transport, source)
    subject = there.select.project("P").subject("S1")
    subject.attrs.set("gender", "male")
    notes = subject.experiment("MR1").resource("NOTES").file("n.txt")
    notes.put(b"theirs", overwrite=True)
    return subject, notes


@pytest.mark.parametrize("choice", ["report", "theirs", "ours"])
def test_what_is_there_with_other_values(source, target, choice):
    _, there = target
    subject, notes = a_conflict(there, source)
    result = copy(there.transport, source, conflicts=choice)
    found = {(one.kind, one.old_label) for one in result.with_outcome("conflict")}
    assert found == ({("subject", "S1"), ("file", "n.txt")} if choice == "report" else set())
    assert subject.attrs.get("gender") == ("female" if choice == "ours" else "male")
    with open(there.select(str(notes.path)).get(), "rb") as stream:
        assert stream.read() == (b"note" if choice == "ours" else b"theirs")
    kept = list(source.with_name("source.kept").glob("**/n.txt"))
    assert [path.read_bytes() for path in kept] == ([b"theirs"] if choice == "ours" else [])
    noted = source.with_name("source.kept").glob("*/projects/P/subjects/S1/values.json")
    assert ["male" in path.read_text() for path in noted] == [True] * (choice == "ours")


def test_what_cannot_be_copied_is_told(target, origin, tmp_path):
    _, there = target
    held = Folder(tmp_path / "part")
    listed = ("/projects/P/experiments/*/scans/*/resources/NIFTI/files/*",)
    pull(origin.client.transport, held.root, [Wanted("P", files=listed)])
    result = copy(there.transport, held.root)
    assert not result.complete
    left = {(one.kind, one.old_label) for one in result.with_outcome("left out")}
    assert ("file", "n.txt") in left and ("file", "a.nii") not in left
    text = str(result)
    assert "does not hold its bytes" in text


def test_the_command(source, target, tmp_path):
    _, there = target
    there.save_config(tmp_path / "there.json")
    report = tmp_path / "report.csv"

    def run(*arguments):
        command = [sys.executable, "-m", "nipype_xnat", "push", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    common = ["--to", there.server, source, "--config", tmp_path / "there.json"]
    said = run(*common, "--project", "P=NEW", "--dry-run")
    assert said.returncode == 0, said.stderr
    assert not there.select.project("NEW").exists()
    done = run(*common, "--project", "P=NEW", "--project", "Q", "--report", report)
    assert done.returncode == 0, done.stdout + done.stderr
    with report.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    (row,) = [r for r in rows if (r["kind"], r["old_label"]) == ("experiment", "MR1")]
    assert row["new_id"] == there.select.project("NEW").subject("S1").experiment("MR1").id()
    assert run(*common, "--project", "NOPE").returncode == 2
