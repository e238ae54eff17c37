"""What XNAT does to uploads: nothing counts but what it lists afterwards."""

import hashlib
import io
import json
import subprocess
import sys

import pytest

from nipype_xnat import errors
from nipype_xnat.address import Address
from nipype_xnat.records import Record
from nipype_xnat.transfer import Action, put
from nipype_xnat.transport import Body, Request

FILES = {"a.nii": b"one" * 1000, "b.nii": b"two" * 1000}
QUICK = {"pause": 0.001}


def resource(label):
    return Record(experiment_id="E1", resource_label=label)


def md5(data):
    return hashlib.md5(data).hexdigest()


def listed(server, label):
    return {name: digest for name, (_, digest) in server.catalog.get(label, {}).items()}


def digests(files):
    return {name: md5(data) for name, data in files.items()}


def uploads(server):
    return [(name, query) for method, _, name, _, query in server.asked if method == "PUT" and name]


def test_end_state_is_reached_and_running_again_sends_nothing(transport, server):
    stored = put(transport, resource("fine"), FILES, **QUICK)
    assert listed(server, "fine") == digests(FILES)
    assert [item.action for item in stored.files] == [Action.SEND, Action.SEND]
    assert stored.bytes_sent == 6000 and stored.rounds == 1
    again = put(transport, resource("fine"), FILES, **QUICK)
    assert [item.action for item in again.files] == [Action.KEEP, Action.KEEP]
    assert (again.bytes_sent, again.rounds, again.requests) == (0, 0, 2)
    changed = put(transport, resource("fine"), {**FILES, "b.nii": b"new"}, **QUICK)
    assert [item.action for item in changed.files] == [Action.KEEP, Action.REPLACE]
    assert listed(server, "fine")["b.nii"] == md5(b"new")


def test_conflict_is_found_before_anything_is_sent(transport, server):
    put(transport, resource("fine"), FILES, **QUICK)
    before = len(uploads(server))
    with pytest.raises(errors.Conflict, match=r"b\.nii"):
        put(transport, resource("fine"), {"c": b"c", "b.nii": b"new"}, overwrite=False, **QUICK)
    assert len(uploads(server)) == before
    kept = put(transport, resource("fine"), FILES, overwrite=False, **QUICK)
    assert {item.action for item in kept.files} == {Action.KEEP}


def test_200_that_stored_nothing_is_not_allowed(transport, server):
    server.catalog["ignores"] = {}
    with pytest.raises(errors.NotAllowed, match="said 200 and stored nothing"):
        put(transport, resource("ignores"), FILES, **QUICK)


def test_200_that_stored_nothing_where_the_refresh_says_nothing(transport, server):
    server.catalog["silent"] = {}
    with pytest.raises(errors.NotAllowed, match="edit"):
        put(transport, resource("silent"), FILES, **QUICK)
    assert len(uploads(server)) == 4  # two rounds are enough to know


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("label", ["loses-once", "no-refresh"])
def test_500_with_the_file_on_disk_but_not_catalogued(transport, server, label, overwrite):
    stored = put(transport, resource(label), FILES, overwrite=overwrite, **QUICK)
    assert listed(server, label) == digests(FILES)
    sent = [name for name, _ in uploads(server)]
    # where a refresh of the catalog mends it nothing is sent twice
    assert len(sent) == (2 if label == "loses-once" else 4)
    assert stored.rounds == (1 if label == "loses-once" else 2)


def test_duplicates_in_the_body_are_read(transport, server):
    """A file is on disk, uncatalogued: 200 with duplicates, and nothing stored."""
    server.catalog["fine"] = {}
    server.disk["fine"] = {"a.nii": (3000, md5(FILES["a.nii"]))}
    stored = put(transport, resource("fine"), FILES, overwrite=False, **QUICK)
    assert listed(server, "fine") == digests(FILES)
    assert len(uploads(server)) == 2
    assert stored.rounds == 1


def test_duplicates_of_another_writer_are_a_conflict(transport, server):
    server.catalog["fine"] = {}
    server.disk["fine"] = {"a.nii": (5, md5(b"other"))}
    with pytest.raises(errors.Conflict, match=r"another writer.*a\.nii"):
        put(transport, resource("fine"), FILES, overwrite=False, **QUICK)
    assert server.disk["fine"]["a.nii"] == (5, md5(b"other"))


def test_garbled_file_is_sent_again(transport, server):
    put(transport, resource("garbles-once"), FILES, **QUICK)
    assert listed(server, "garbles-once") == digests(FILES)


def test_server_that_stays_broken(transport, server):
    with pytest.raises(errors.UploadIncomplete) as caught:
        put(transport, resource("broken"), FILES, rounds=2, **QUICK)
    text = str(caught.value)
    assert "2 of 2 files" in text and "a.nii" in text and "out of order" in text
    assert "event_reason" in text


def test_site_that_demands_a_reason(transport, server):
    with pytest.raises(errors.BadRequest, match="event_reason"):
        put(transport, resource("reason"), FILES, **QUICK)
    server.catalog["reason-2"] = {}
    with pytest.raises(errors.BadRequest, match="event_reason"):
        put(transport, resource("reason-2"), FILES, **QUICK)
    put(transport, resource("reason"), FILES, event_reason="new brains", **QUICK)
    assert listed(server, "reason") == digests(FILES)


def test_archive_without_digests_is_compared_by_size_and_says_so(transport, server, caplog):
    server.digests = False
    stored = put(transport, resource("fine"), FILES, **QUICK)
    assert {item.compared for item in stored.files} == {"size"}
    assert "by size only" in caplog.text
    # a size proves nothing: sent again
    again = put(transport, resource("fine"), {**FILES, "a.nii": b"ONE" * 1000}, **QUICK)
    assert {item.action for item in again.files} == {Action.REPLACE}
    assert listed(server, "fine")["a.nii"] == md5(b"ONE" * 1000)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/etc/passwd",
        "../a",
        "a/../b",
        "a//b",
        "a\0b",
        "NIFTI_catalog.xml",
        "x/y_catalog.xml",
        "a\\b",
        "a\udce4",
    ],
)
def test_names_that_xnat_cannot_keep(transport, server, name):
    with pytest.raises(errors.UnsafeName):
        put(transport, resource("fine"), {"good": b"x", name: b"x"}, **QUICK)
    assert server.asked == []


def test_what_is_not_here_is_found_before_any_request(transport, server, tmp_path):
    with pytest.raises(errors.UsageError, match="not a file"):
        put(transport, resource("fine"), {"a": tmp_path / "missing"}, **QUICK)
    with pytest.raises(errors.UnsafeName, match="folder"):
        put(transport, resource("fine"), {"a": b"1", "a/b": b"2"}, **QUICK)
    with pytest.raises(errors.UsageError, match="label"):
        put(transport, Record(experiment_id="E1"), FILES, **QUICK)
    assert server.asked == []


def test_many_small_files_go_in_one_request(transport, server):
    files = {f"dicom/{i:03}.dcm": bytes([i]) * 100 for i in range(50)}
    stored = put(transport, resource("fine"), files, **QUICK)
    assert listed(server, "fine") == digests(files)
    assert stored.requests == 4
    ((name, query),) = uploads(server)
    assert name.endswith(".zip") and query["extract"] == "true"


def test_names_that_a_path_changes_go_in_a_zip(transport, server):
    files = {"a#1?.nii": b"x", "100%.txt": b"y", "q+r.txt": b"z", "größe.txt": b"w", "a;b": b""}
    put(transport, resource("fine"), files, **QUICK)
    assert listed(server, "fine") == digests(files)
    assert len(uploads(server)) == 1


def test_empty_file_alone_goes_as_a_form(transport, server):
    put(transport, resource("fine"), {"empty.txt": b""}, **QUICK)
    assert listed(server, "fine") == digests({"empty.txt": b""})
    kinds = [h["Content-Type"] for m, _, n, h, _ in server.asked if m == "PUT" and n]
    assert kinds[0].startswith("multipart/form-data")


def test_zip_is_the_same_each_time_and_leaves_packed_files_alone(tmp_path):
    from nipype_xnat.transfer.digests import Source
    from nipype_xnat.transfer.packing import body_of, parcels

    sources = [
        Source("a.nii.gz", b"packed" * 100),
        Source("b.txt", b"text" * 100),
        Source("c.txt", b""),
    ]
    seen = []
    for order in (sources, sources[::-1]):
        (parcel,) = parcels(order)
        with body_of(parcel, lambda _: None) as body, body.open() as stream:
            seen.append(stream.read())
    assert seen[0] == seen[1]
    assert b"packed" * 100 in seen[0] and b"text" * 100 not in seen[0]


def test_file_that_grows_while_it_is_sent_does_not_break_the_exchange(transport, server, tmp_path):
    path = tmp_path / "grows"
    path.write_bytes(b"x" * 5_000_000)

    def grow(progress):
        if not progress.finished:
            with path.open("ab") as stream:
                stream.write(b"more")

    put(transport, resource("fine"), {"grows": path}, progress=grow, **QUICK)
    assert listed(server, "fine") == digests({"grows": b"x" * 5_000_000})


def test_file_that_changes_while_it_is_sent_is_named(transport, server, tmp_path):
    path = tmp_path / "changes"
    path.write_bytes(b"x" * 3_000_000)
    done = []

    def change(progress):
        if not done:
            done.append(1)
            path.write_bytes(b"y" * 3_000_000)

    with pytest.raises(errors.UploadIncomplete, match="changed here meanwhile: 'changes'"):
        put(transport, resource("fine"), {"changes": path}, progress=change, rounds=2, **QUICK)


def test_a_body_is_read_in_large_pieces(transport, server):
    asked = []

    class Recorded(io.BytesIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    data = b"x" * 3_000_000
    server.catalog["fine"] = {}
    address = Address.of("data", "experiments", "E1", "resources", "fine", "files", "a.bin")
    request = Request("PUT", address.ask(inbody=True), Body(lambda: Recorded(data), len(data)))
    transport.send(request).close()
    assert listed(server, "fine") == digests({"a.bin": data})
    assert len(asked) <= 20


def test_progress(transport, server, tmp_path):
    seen = []
    path = tmp_path / "big"
    path.write_bytes(b"x" * 5_000_000)
    put(transport, resource("fine"), {"big": path}, progress=seen.append, **QUICK)
    assert [item.done for item in seen] == sorted(item.done for item in seen)
    assert seen[-1].finished and seen[-1].total == 5_000_000
    assert {item.action for item in seen} == {"send"}


WRITER = """
import json, sys
from nipype_xnat.records import Record
from nipype_xnat.transfer import put
from nipype_xnat.transport import Credentials, HttpTransport

url, record, name, count, password = sys.argv[1:]
who = Credentials("admin", password) if password else None
transport = HttpTransport(url, who)
files = {f"{name}-{i}.bin": f"{name} {i}".encode() * 1000 for i in range(int(count))}
transport.close()
print("ready", flush=True)
sys.stdin.readline()
for path, data in files.items():
    put(transport, Record.from_dict(json.loads(record)), {path: data}, pause=0.05)
transport.close()
"""


def race(url, record, password, writers=("left", "right"), count=8):
    """Let processes put files into one resource at once; return what they sent."""
    crew = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                WRITER,
                url,
                json.dumps(record.to_dict()),
                name,
                str(count),
                password,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in writers
    ]
    for process in crew:
        assert process.stdout.readline() == "ready\n"
    for process in crew:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in crew:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    return {
        f"{name}-{i}.bin": f"{name} {i}".encode() * 1000 for name in writers for i in range(count)
    }


def test_two_processes_in_one_resource_lose_nothing(server):
    sent = race(server.url, resource("race"), "")
    assert listed(server, "race") == digests(sent)
    # the server did lose files on the way, or this proves nothing
    assert server.count("POST", "/data/services/refresh/catalog") > 0


def test_two_processes_in_one_resource_of_the_local_archive(fill, xnat_archive):
    fill.put("/data/projects/P")
    fill.session("P", "S", "MR1")
    record = Record(
        project="P",
        experiment_id=fill.call(
            "GET", "/data/projects/P/experiments", params={"format": "json"}
        ).json()["ResultSet"]["Result"][0]["ID"],
        resource_label="OUT",
    )
    sent = race(xnat_archive.url, record, "admin")
    rows = fill.call(
        "GET",
        f"/data/experiments/{record.experiment_id}/resources/OUT/files",
        params={"format": "json"},
    ).json()["ResultSet"]["Result"]
    assert {row["Name"]: row["digest"] for row in rows} == digests(sent)
