"""Round trips through an archive over HTTP: what comes back is what was sent, wherever it lies."""

import threading
from dataclasses import replace

import pytest

from nipype_xnat import errors
from nipype_xnat.archive import Archive, Site
from nipype_xnat.cache import Cache
from nipype_xnat.records import Record
from nipype_xnat.transfer import Action, copy_to, deliver, fetch, put
from nipype_xnat.transport import Credentials, HttpTransport

FILES = {
    "T1.nii.gz": b"\x1f\x8b not really packed" * 100,
    "sub dir/T1.json": b"{}",
    "empty.txt": b"",
    "größe #1 100%;+.txt": b"odd",
}


def place(fill):
    """Make a project with one of each kind of element, and return records of their resources."""
    fill.put("/data/projects/P")
    session = fill.session("P", "S", "MR1", {"1": ("T1w", {})})
    subject = fill.put("/data/projects/P/subjects/S")
    experiment = fill.put(session)
    fill.put(f"{session}/assessors/QC", xsiType="xnat:qcManualAssessorData")
    rows = fill.call("GET", f"{session}/assessors", params={"format": "json"}).json()
    project = Record(project="P", resource_label="OUT")
    in_session = replace(project, subject_id=subject, experiment_id=experiment)
    return {
        "project": project,
        "subject": replace(project, subject_id=subject),
        "session": in_session,
        "scan": replace(in_session, scan_id="1"),
        "assessor": replace(
            in_session, assessor_id=rows["ResultSet"]["Result"][0]["ID"], direction="out"
        ),
    }


@pytest.fixture
def transport(xnat_archive):
    it = HttpTransport(xnat_archive.url, Credentials(xnat_archive.user, xnat_archive.password))
    yield it
    it.close()


@pytest.mark.parametrize("label", ["OUT", "two words", "a,b", "7"])
@pytest.mark.parametrize("kind", ["project", "subject", "session", "scan", "assessor"])
def test_round_trip(fill, transport, tmp_path, kind, label):
    resource = replace(place(fill)[kind], resource_label=label)
    stored = put(transport, resource, FILES, format="NIFTI", tags="bet")
    assert {item.action for item in stored.files} == {Action.SEND}
    assert stored.resource.resource_id.isdigit()
    again = put(transport, resource, FILES)
    assert {item.action for item in again.files} == {Action.KEEP} and again.bytes_sent == 0
    cache = Cache(tmp_path / "cache")
    fetched = fetch(transport, stored.records, cache)
    assert [item.path.read_bytes() for item in fetched] == list(FILES.values())
    views = deliver(fetched, cache, "out")
    assert {r.path: path.read_bytes() for r, path in views.items()} == FILES
    folder = copy_to(fetched, tmp_path / "mine")
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES


def test_what_is_here_is_handed_out_by_the_calling_thread(fill, transport, tmp_path, monkeypatch):
    stored = put(transport, place(fill)["scan"], FILES)
    cache = Cache(tmp_path / "cache")
    began = []
    begin = threading.Thread.start

    def start(thread):
        began.append(thread.name)
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    fetch(transport, stored.records, cache)
    assert began
    began.clear()
    again = fetch(transport, stored.records, cache)
    assert [item.path.read_bytes() for item in again] == list(FILES.values())
    assert not began


def test_many_requests_are_not_needed(fill, transport, xnat_archive):
    resource = place(fill)["scan"]
    stored = put(transport, resource, {f"{i}.dcm": bytes([i]) for i in range(200)})
    assert stored.requests == 4
    assert put(transport, resource, {"0.dcm": b"\0"}).requests == 2


def test_who_may_not_write(fill, transport, xnat_archive):
    resource = place(fill)["session"]
    put(transport, resource, FILES)
    xnat_archive.archive.add_user("guesty", "secret")
    fill.put("/data/projects/P/users/Collaborators/guesty")
    reader = HttpTransport(xnat_archive.url, Credentials("guesty", "secret"))
    try:
        assert put(reader, resource, FILES).bytes_sent == 0
        with pytest.raises(errors.NotAllowed, match="guesty"):
            put(reader, resource, {"new.txt": b"new"}, pause=0.001)
        with pytest.raises(errors.NotAllowed):
            put(reader, replace(resource, resource_label="NEW"), FILES, pause=0.001)
    finally:
        reader.close()


@pytest.fixture
def site(tmp_path):
    """Run an archive with settings of its own."""
    opened = []

    def start(**settings):
        archive = Archive(tmp_path / "archive", Site(durable=False, **settings))
        archive.__enter__()
        opened.append(archive)
        running = archive.running()
        url = running.__enter__()
        opened.append(running)
        transport = HttpTransport(url, Credentials("admin", "admin"))
        opened.append(transport)
        return url, transport

    yield start
    for it in reversed(opened):
        it.close() if isinstance(it, HttpTransport) else it.__exit__(None, None, None)


def test_site_without_checksums(site, fill, tmp_path):
    url, transport = site(checksums=False)
    resource = place(type(fill)(url))["scan"]
    stored = put(transport, resource, FILES)
    assert {item.compared for item in stored.files} == {"size"}
    cache = Cache(tmp_path / "cache")
    blind = [replace(record, digest="") for record in stored.records]
    fetched = fetch(transport, blind, cache)
    assert [item.path.read_bytes() for item in fetched] == list(FILES.values())
    assert [item.record.digest for item in fetched] == [r.digest for r in stored.records]


def test_site_that_demands_a_reason(site, fill):
    url, transport = site(require_change_reason=True)
    filler = type(fill)(url)
    filler.http.params = {"event_reason": "test"}
    resource = place(filler)["scan"]
    with pytest.raises(errors.AnswerError, match="event_reason"):
        put(transport, resource, FILES)
    put(transport, resource, FILES, event_reason="new brains")
    put(transport, replace(resource, resource_label="two words"), FILES, event_reason="why")


def test_replaced_in_the_archive_is_fetched_anew(fill, transport, tmp_path):
    resource = place(fill)["scan"]
    cache = Cache(tmp_path / "cache")
    (first,) = put(transport, resource, {"a.nii": b"one"}).records
    (old,) = fetch(transport, [first], cache)
    (second,) = put(transport, resource, {"a.nii": b"two"}).records
    (new,) = fetch(transport, [second], cache)
    assert (old.path.read_bytes(), new.path.read_bytes()) == (b"one", b"two")
    # a listing from before the change does not get the new bytes for the old
    with pytest.raises(errors.DigestMismatch):
        fetch(transport, [first], Cache(tmp_path / "other"))
