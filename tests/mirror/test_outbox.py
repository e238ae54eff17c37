"""What is changed offline waits in an outbox, and a push does it on the server, once."""

import pickle
import shutil
import subprocess
import sys
import time

import pytest
from mirror.conftest import fill_archive

from nipype_xnat import Archive, Interface, errors
from nipype_xnat.archive import Site
from nipype_xnat.mirror import Outbox, Wanted, pull, push
from support.filler import Filler

SESSION = "/projects/P/subjects/S1/experiments/MR1"


@pytest.fixture
def box(mirrored):
    return Outbox(mirrored.with_name(mirrored.name + ".outbox"))


def changes(archive):
    """Requests that changed something on the server."""
    return [
        r for r in archive.requests if r.method not in ("GET", "HEAD", "POST") and r.status < 400
    ]


def a_days_work(archive, folder):
    """Change something of each kind."""
    subject = archive.select.project("P").subject("NEW")
    subject.create(**{"xnat:subjectData/demographics/gender": "male"})
    session = subject.experiment("NEW_MR")
    session.create("xnat:mrSessionData", date="2024-05-07")
    session.scan("1").create("xnat:mrScanData", type="T1w")
    session.scan("1").resource("NIFTI").file("a.nii").put(b"new scan", format="NIFTI")
    session.assessor("NEW_QC").create("xnat:qcManualAssessorData")
    session.assessor("NEW_QC").out_resource("OUT").file("o.txt").put(b"of an assessor")
    old = archive.select(SESSION)
    old.attrs.set("xnat:mrSessionData/scanner/manufacturer", "GE")
    (folder / "bet").mkdir(exist_ok=True)
    for name in ("brain.nii.gz", "mask.nii.gz"):
        (folder / "bet" / name).write_bytes(name.encode() * 100)
    old.resource("BET").put_dir(folder / "bet")
    old.resource("NOTES").file("n.txt").put(b"another note", overwrite=True)
    archive.select("/projects/P/subjects/S2").set_custom_variables({"iq": "90", "eq": "80"})
    archive.select("/projects/P/subjects/S3").delete()
    archive.select("/projects/P/subjects/S2").share("Q")


def state(archive):
    """All that a server holds of P, by names."""
    found = {}
    for path in ("/projects/P/subjects", "/projects/P/experiments"):
        for element in archive.select(path):
            values = element.details()
            for name in ("ID", "subject_ID"):
                values.pop(name, None)
            found[f"{path}/{element.label()}"] = (values, element.shares().get())
            found[f"{path}/{element.label()}"] += (element.get_custom_variables(),)
    for path in (
        "/projects/P/experiments/*/scans/*/resources/*/files/*",
        "/projects/P/experiments/*/resources/*/files/*",
        "/projects/P/experiments/*/assessors/*/out_resources/*/files/*",
    ):
        for file in archive.select(path):
            record = file.record
            found[record.place] = (record.digest, record.format)
    return found


def test_what_is_done_offline_is_seen_here_and_waits(filled, offline, box, client, tmp_path):
    a_days_work(offline, tmp_path)
    assert offline.select("/projects/P/subjects/NEW").exists()
    assert not offline.select("/projects/P/subjects/S3").exists()
    # by another process too
    later = pickle.loads(pickle.dumps(offline))
    later.select("/projects/P/subjects/S1").attrs.set("group", "patients")
    dated = later.select("/projects/P/subjects/NEW/experiments/NEW_MR")
    assert dated.attrs.get("date") == "2024-05-07"
    # the server has not heard of it
    filled.requests.clear()
    assert not client.select("/projects/P/subjects/NEW").exists()
    assert changes(filled) == []
    assert box.sent() == []
    # a person can read what waits
    readable = [(box.root / "waiting" / e.name / "entry.json").read_text() for e in box.waiting()]
    assert any('"BET"' in text and '"brain.nii.gz"' in text for text in readable)


def test_a_days_work_offline_and_a_push_end_as_a_days_work_online(
    filled, client, offline, box, tmp_path, snapshots
):
    a_days_work(offline, tmp_path)
    result = push(client.transport, box)
    assert (result.conflicts, result.failed) == ([], [])
    assert box.waiting() == []
    assert len(box.sent()) == len(result.sent)
    # what was replaced is kept
    assert [path.read_bytes() for path in box.root.glob("kept/*/n.txt")] == [b"note"]
    by_push = state(client)

    with Archive(tmp_path / "other", Site(durable=False)) as other, other.running() as url:
        snapshots(fill_archive).put_into(other)
        with Interface(url, "admin", "admin", cache=tmp_path / "c2") as online:
            a_days_work(online, tmp_path)
            assert state(online) == by_push


def test_entries_that_were_sent_without_anybody_noting_it_change_nothing(
    filled, offline, box, client, tmp_path
):
    a_days_work(offline, tmp_path)
    copies = tmp_path / "copies"
    shutil.copytree(box.root / "waiting", copies)
    push(client.transport, box)
    before = state(client)
    shutil.rmtree(box.root / "sent")
    shutil.rmtree(box.root / "waiting")
    shutil.copytree(copies, box.root / "waiting")
    filled.requests.clear()
    again = push(client.transport, box)
    assert (again.conflicts, again.failed) == ([], [])
    assert state(client) == before
    assert push(client.transport, box).sent == []


class Cut:
    """Cuts the connection to a server after a number of requests that change something."""

    def __init__(self, inner, after):
        self.inner, self.left = inner, after
        self.server, self.account = inner.server, inner.account

    def send(self, request):
        if request.method not in ("GET", "HEAD"):
            if self.left == 0:
                raise errors.CannotReachServer("cut off")
            self.left -= 1
            answer = self.inner.send(request)
            if self.left == 0:
                # the server did it, and the answer is lost
                answer.close()
                raise errors.CannotReachServer("cut off")
            return answer
        return self.inner.send(request)

    def close(self):
        self.inner.close()


def small_archive(fill):
    """Make what the interrupted work is about, and no more: this is done many times."""
    for project in "PQ":
        fill.put(f"/data/projects/{project}")
    for subject in ("S2", "S3"):
        fill.put(f"/data/projects/P/subjects/{subject}", gender="female")
    fill.session("P", "S1", "MR1")
    fill.file("/data/projects/P/subjects/S1/experiments/MR1/resources/NOTES/files/n.txt", b"note")


def small_work(archive):
    """Make, change, replace, share and delete something."""
    archive.select("/projects/P/subjects/NEW").create()
    session = archive.select("/projects/P/subjects/NEW/experiments/NEW_MR")
    session.create("xnat:mrSessionData", date="2024-05-07")
    session.assessor("QC").create("xnat:qcManualAssessorData")
    session.assessor("QC").out_resource("OUT").file("o.txt").put(b"made")
    archive.select(SESSION).resource("NOTES").file("n.txt").put(b"other", overwrite=True)
    archive.select("/projects/P/subjects/S2").attrs.set("group", "patients")
    archive.select("/projects/P/subjects/S2").share("Q")
    archive.select("/projects/P/subjects/S3").delete()


def test_a_push_may_be_interrupted_at_every_request(tmp_path, client, xnat_archive, hold, mirror):
    wanted = None
    after = 1
    while True:
        xnat_archive.archive.reset()
        hold(small_archive)
        box = tmp_path / f"box{after}"
        held = mirror(tmp_path / f"mirror{after}", xnat_archive.url, small_archive)
        with Interface(offline=True, mirror=held, outbox=box) as offline:
            small_work(offline)
        cut = Cut(client.transport, after)
        interrupted = False
        try:
            push(cut, box, connections=1)
        except errors.CannotReachServer:
            interrupted = True
        result = push(client.transport, box)
        assert (result.conflicts, result.failed) == ([], []), after
        assert Outbox(box).waiting() == []
        found = state(client)
        wanted = wanted or found
        assert found == wanted, after
        if not interrupted:
            break
        after += 1
    assert after > 8


def conflict(offline, fill):
    """Change a file and a field here and there."""
    notes = f"{SESSION}/resources/NOTES/files/n.txt"
    offline.select(notes).put(b"ours", overwrite=True)
    offline.select("/projects/P/subjects/S1").attrs.set("group", "ours")
    offline.select("/projects/P/subjects/S2").attrs.set("group", "nobody else")
    fill.file(
        "/data/projects/P/subjects/S1/experiments/MR1/resources/NOTES/files/n.txt",
        b"theirs",
        overwrite="true",
    )
    fill.put("/data/projects/P/subjects/S1", group="theirs")


def holds(client):
    """Return the files of NOTES and the group of S1."""
    files = {}
    for file in client.select(f"{SESSION}/resources/NOTES/files"):
        with open(file.get(), "rb") as stream:
            files[file.id()] = stream.read()
    return files, client.select("/projects/P/subjects/S1").attrs.get("group")


@pytest.mark.parametrize("choice", ["theirs", "ours", "both"])
def test_conflicts_are_reported_and_settled_by_choice(choice, offline, box, client, fill):
    conflict(offline, fill)
    first = push(client.transport, box)
    assert len(first.conflicts) == 2 and len(first.sent) == 1
    assert holds(client) == ({"n.txt": b"theirs"}, "theirs")
    waiting = box.waiting()
    assert len(waiting) == 2
    assert all("somebody else changed" in box.conflict(entry) for entry in waiting)
    second = push(client.transport, box, conflicts=choice)
    files, group = holds(client)
    if choice == "theirs":
        assert (files, group) == ({"n.txt": b"theirs"}, "theirs")
    elif choice == "ours":
        assert (files, group) == ({"n.txt": b"ours"}, "ours")
        assert [path.read_bytes() for path in box.root.glob("kept/*/n.txt")] == [b"theirs"]
        assert "theirs" in next(box.root.glob("kept/*/values.txt")).read_text()
    else:
        assert sorted(files.values()) == [b"ours", b"theirs"] and files["n.txt"] == b"theirs"
        # a field cannot hold both
        assert len(second.conflicts) == 1 and group == "theirs"
    if choice != "both":
        assert second.conflicts == [] and box.waiting() == []


def test_two_people_push_to_one_subject(mirrored, client, tmp_path):
    boxes = []
    for name in ("one", "two"):
        box = tmp_path / f"box-{name}"
        with Interface(offline=True, mirror=mirrored, outbox=box) as offline:
            subject = offline.select("/projects/P/subjects/S1")
            subject.experiment(f"MR_{name}").create("xnat:mrSessionData")
            subject.experiment(f"MR_{name}").resource("R").file("f.txt").put(name.encode())
            subject.experiment("MR1").resource("BOTH").file(f"{name}.txt").put(name.encode())
            subject.experiment("MR1").resource("BOTH").file("same.txt").put(name.encode())
        boxes.append(box)
    assert push(client.transport, boxes[0]).conflicts == []
    second = push(client.transport, boxes[1])
    assert len(second.conflicts) == 1
    assert "same.txt" in second.conflicts[0][1]
    labels = client.select("/projects/P/subjects/S1/experiments").get("label")
    assert labels == ["MR1", "MR_one", "MR_two"]
    names = client.select(f"{SESSION}/resources/BOTH/files").get("label")
    assert names == ["one.txt", "same.txt", "two.txt"]


def test_what_cannot_wait_is_refused(offline, box):
    for change in (
        lambda: offline.manage.search.save(
            "mine", "xnat:mrSessionData", ["xnat:mrSessionData/LABEL"]
        ),
        lambda: offline.put("/data/config/tool/path", data=b"x"),
    ):
        with pytest.raises(errors.NotInMirror):
            change()
    # what the server would refuse is refused at once
    with pytest.raises(errors.Conflict):
        offline.select(f"{SESSION}/resources/NOTES/files/n.txt").put(b"other")
    assert box.waiting() == []


def test_a_full_disk_leaves_no_half_entry(offline, box, monkeypatch):
    offline.select("/projects/P/subjects/S1").attrs.set("group", "a")

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copyfileobj", full)
    folder = box.root.parent / "big.txt"
    folder.write_bytes(b"x" * 100)
    with pytest.raises(errors.MirrorError, match="No space left"):
        offline.select(f"{SESSION}/resources/BIG/files/f.txt").put(folder)
    monkeypatch.undo()
    assert len(box.waiting()) == 1
    assert not list((box.root / "making").iterdir())


def test_a_push_to_another_server_is_refused(offline, box, xnat_archive, client):
    offline.select("/projects/P/subjects/S1").attrs.set("group", "a")
    entry = box.root / "waiting" / box.waiting()[0].name / "entry.json"
    entry.write_text(entry.read_text().replace(client.server, "https://elsewhere.org"))
    with pytest.raises(errors.UsageError, match="elsewhere"):
        push(client.transport, box)
    with pytest.raises(errors.UsageError, match="settle"):
        push(client.transport, box, conflicts="whatever")


def test_the_commands(filled, offline, box, mirrored, config, fill, monkeypatch, capsys):
    from nipype_xnat.cli.main import main

    monkeypatch.setenv("NIPYPE_XNAT_MIRROR", str(mirrored))
    assert main(["push", "--config", str(config)]) == 0
    assert "nothing waits" in capsys.readouterr().out
    # a misspelt name is no empty outbox
    assert main(["push", str(mirrored) + "x", "--config", str(config)]) == 2
    assert "neither an outbox nor a mirror" in capsys.readouterr().err
    conflict(offline, fill)
    assert main(["status", "--there", "--config", str(config)]) == 0
    said = capsys.readouterr().out
    assert "3 waiting" in said and "0 added, 1 changed, 0 gone" in said
    assert main(["push", str(mirrored), "--config", str(config)]) == 1
    assert "2 in conflict" in capsys.readouterr().out
    assert main(["status"]) == 0
    assert capsys.readouterr().out.count("not sent: somebody else changed") == 2
    assert main(["push", "--config", str(config), "--conflicts", "ours"]) == 0
    assert main(["status"]) == 0
    assert "0 waiting" in capsys.readouterr().out


def test_what_builds_on_something_is_sent_after_it_whatever_the_clocks(
    offline, box, client, monkeypatch
):
    offline.select("/projects/P/subjects/FIRST").create()
    # another job, on a host whose clock is a day behind
    behind = time.time_ns() - 86400 * 10**9
    monkeypatch.setattr("nipype_xnat.mirror.outbox.time.time_ns", lambda: behind)
    other = pickle.loads(pickle.dumps(offline))
    other.select("/projects/P/subjects/FIRST/experiments/SECOND").create()
    other.select("/projects/P/experiments/SECOND/resources/R/files/third").put(b"3")
    places = [entry.place.partition("?")[0].rpartition("/")[2] for entry in box.waiting()]
    assert list(dict.fromkeys(places)) == ["FIRST", "SECOND", "R"]
    assert places[-2:] == ["SECOND", "R"]
    monkeypatch.undo()
    push(client.transport, box)
    assert box.waiting() == []


def test_a_deletion_by_an_account_that_sees_nothing_waits(
    filled, client, offline, box, tmp_path, fill
):
    fill.put("/data/projects/P/accessibility/private")
    filled.archive.add_user("ann", "ann")
    offline.select(SESSION).delete()
    with Interface(filled.url, "ann", "ann", cache=tmp_path / "c3") as ann:
        for choice in ("report", "ours"):
            result = push(ann.transport, box, conflicts=choice)
            assert result.sent == []
            assert "this account may not see it" in result.conflicts[0][1]
    assert client.select(SESSION).exists()
    assert len(push(client.transport, box).sent) == 1
    assert not client.select(SESSION).exists()


@pytest.mark.parametrize("gone", [SESSION, SESSION + "/scans/1"])
def test_files_whose_element_was_deleted_there_are_a_conflict(client, offline, box, gone):
    offline.select(SESSION + "/scans/1/resources/NEW/files/x").put(b"x")
    client.select(gone).delete()
    for choice in ("report", "ours", "both"):
        result = push(client.transport, box, conflicts=choice)
        assert (result.sent, result.failed) == ([], [])
        assert "does not have the element to store at" in result.conflicts[0][1]
    result = push(client.transport, box, conflicts="theirs")
    assert (len(result.sent), box.waiting()) == (1, [])
    assert not client.select(gone).exists()


def test_a_file_that_was_deleted_there_keeps_its_name_with_both(client, offline, box):
    place = SESSION + "/scans/1/resources/NIFTI/files/a.nii"
    offline.select(place).put(b"ours", overwrite=True)
    client.select(place).delete()
    assert len(push(client.transport, box).conflicts) == 1
    assert len(push(client.transport, box, conflicts="both").sent) == 1
    names = client.select(place.rpartition("/")[0] + "/*").get("label")
    assert names == ["a.json", "a.nii", "b.txt"]


def test_what_did_not_get_into_the_outbox_is_not_seen_and_can_be_tried_again(offline, box):
    box.root.mkdir()
    (box.root / "waiting").write_text("in the way, as a full disk would be")
    place = SESSION + "/resources/NEW/files/x"
    for change in (
        lambda: offline.select(place).put(b"x"),
        lambda: offline.select(SESSION).attrs.set("xnat:mrSessionData/note", "seen"),
    ):
        with pytest.raises(errors.MirrorError, match="cannot be written"):
            change()
    assert not offline.select(place).exists()
    assert offline.select(SESSION).attrs.get("xnat:mrSessionData/note") != "seen"
    (box.root / "waiting").unlink()
    offline.select(place).put(b"x")
    assert [entry.what.digests.keys() for entry in box.waiting()] == [{"x"}]
    assert offline.select(place).exists()


FULL = """
import resource, sys
from nipype_xnat import Interface, errors
from nipype_xnat.mirror import Wanted, pull
server, mirror, other = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))  # as on a disk without room
try:
    with Interface(server, "admin", "admin", cache=other + ".cache") as client:
        pull(client.transport, other, [Wanted("P")])
except errors.MirrorError as error:
    print(error)
try:
    with Interface(offline=True, mirror=mirror, cache=other + ".cache") as offline:
        offline.select("/projects/P/subjects/NEW").create()
except errors.MirrorError as error:
    print(error)
"""


def test_a_full_disk_is_a_clear_error(filled, mirrored, tmp_path):
    command = [sys.executable, "-c", FULL, filled.url, str(mirrored), str(tmp_path / "other")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert f"the mirror {tmp_path / 'other'} cannot be written" in done.stdout, done.stderr
    assert "a copy of the mirror's tables" in done.stdout
    assert "make room" in done.stdout
    assert list((tmp_path / "other" / "states").iterdir()) == []


def test_a_server_without_digests_is_asked_for_the_bytes(tmp_path):
    site = Site(durable=False, checksums=False)
    with (
        Archive(tmp_path / "a", site) as archive,
        archive.running() as url,
        Interface(url, "admin", "admin", cache=tmp_path / "cache") as client,
    ):
        fill_archive(Filler(url))
        pull(client.transport, tmp_path / "m", [Wanted("P")])
        names = ("a.nii", "a.json", "new")
        place = SESSION + "/scans/1/resources/NIFTI/files/"
        with Interface(offline=True, mirror=tmp_path / "m", cache=tmp_path / "c2") as offline:
            for name in names:
                offline.select(place + name).put(b"our", overwrite=True)
        Filler(url).file(f"/data{place}a.nii", b"not", overwrite="true")  # of the same size
        box = Outbox(tmp_path / "m.outbox")
        result = push(client.transport, box)
        assert (len(result.sent), len(result.conflicts), result.failed) == (2, 1, [])
        assert "somebody else changed a.nii" in result.conflicts[0][1]
        push(client.transport, box, conflicts="ours")
        assert [p.read_bytes() for p in box.root.glob("kept/*/a.nii")] == [b"not"]
        read = Filler(url).call("GET", f"/data{place}a.nii").content
        assert read == b"our"


def test_a_reason_can_be_given_with_the_push(tmp_path):
    site = Site(durable=False, require_change_reason=True)
    with (
        Archive(tmp_path / "a", site) as archive,
        archive.running() as url,
        Interface(url, "admin", "admin", cache=tmp_path / "cache", event_reason="set up") as client,
    ):
        client.select("/projects/P").create()
        session = client.select("/projects/P/subjects/S/experiments/E")
        session.create("xnat:mrSessionData")
        pull(client.transport, tmp_path / "m", [Wanted("P")])
        with Interface(offline=True, mirror=tmp_path / "m", cache=tmp_path / "c2") as offline:
            offline.select("/projects/P/experiments/E").attrs.set("xnat:mrSessionData/note", "n")
            offline.select("/projects/P/experiments/E/resources/R/files/f").put(b"1")
            offline.select("/projects/P/experiments/E").resource("R").file("g").put(b"2")
        box = Outbox(tmp_path / "m.outbox")
        without = push(client.transport, box)
        assert without.sent == []
        assert without.failed
        assert all("give event_reason" in text for _, text in without.failed)
        result = push(client.transport, box, reason="done offline")
        assert (len(result.sent), result.failed) == (3, [])
        assert session.resource("R").files().get("label") == ["f", "g"]
