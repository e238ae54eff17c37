"""Pulling: few requests, only what changed, nothing half-done."""

import json
import subprocess
import sys

import pytest
from mirror.conftest import fill_archive

from nipype_xnat import Archive, Interface, errors
from nipype_xnat.archive import Site
from nipype_xnat.mirror import Change, Folder, OfflineTransport, Wanted, pull
from support.filler import Filler


def downloads(archive):
    """Addresses of files whose bytes were sent."""
    return [r.path for r in archive.requests if r.method == "GET" and "/files/" in r.path]


def objects(folder):
    return sorted(path.name for path in (folder / "bytes" / "objects").glob("*/*"))


def test_a_second_pull_lists_again_and_fetches_nothing(filled, client, tmp_path):
    first = pull(client.transport, tmp_path / "m", [Wanted("P")])
    listed = len(filled.requests) - len(downloads(filled))
    assert first.fetched == len(downloads(filled)) == 11
    assert not first.failed
    filled.requests.clear()
    second = pull(client.transport, tmp_path / "m")
    assert downloads(filled) == []
    assert len(filled.requests) <= listed
    assert (second.fetched, second.already_here, second.removed) == (0, 11, 0)
    assert not second.changes.any


def test_the_number_of_listings_does_not_grow_with_the_sessions(filled, fill, client, tmp_path):
    def listings():
        filled.requests.clear()
        pull(client.transport, tmp_path / "m", [Wanted("P", bytes=False)])
        return len(filled.requests)

    few = listings()
    for number in range(60):
        nifti = {"NIFTI": {"a.nii": b"%d" % number}}
        fill.session("P", f"N{number}", f"N{number}_MR", {"1": ("T1w", nifti)})
    many = listings()
    # the files of sixty more sessions come in a batch or two
    assert many <= few + 3


def test_changes_are_fetched_and_what_is_gone_goes(filled, fill, client, tmp_path):
    folder = tmp_path / "m"
    pull(client.transport, folder, [Wanted("P")])
    before = objects(folder)
    scan = "/data/projects/P/subjects/S1/experiments/MR1/scans/1"
    fill.file(f"{scan}/resources/NIFTI/files/a.nii", b"new bytes", overwrite="true")
    fill.call("DELETE", "/data/projects/P/subjects/S2?removeFiles=true")
    fill.put("/data/projects/P/subjects/S4")
    fill.put("/data/projects/P/subjects/S1", gender="male")

    rehearsal = pull(client.transport, folder, dry_run=True)
    assert rehearsal.dry_run and rehearsal.fetched == 1 and rehearsal.bytes == len(b"new bytes")
    assert rehearsal.removed == 2
    assert objects(folder) == before
    assert "would be removed" in str(rehearsal)

    filled.requests.clear()
    result = pull(client.transport, folder)
    assert len(downloads(filled)) == 1
    assert result.changes.subjects == rehearsal.changes.subjects == Change(1, 1, 1)
    assert result.changes.experiments.gone == 1
    assert result.changes.files == Change(0, 1, 1)
    assert result.removed == 2
    assert len(objects(folder)) == len(before) - 1


def test_criteria_and_templates_limit_what_is_held(filled, client, tmp_path):
    folder = tmp_path / "m"
    template = "/projects/P/experiments/*/scans/*[type=T1w]/resources/NIFTI/files/*.nii"
    wanted = Wanted("P", "xnat:mrSessionData/DATE > '2015-01-01'", (template,))
    result = pull(client.transport, folder, [wanted])
    assert result.fetched == 2  # a.nii, and a.json that belongs beside it
    with Interface(offline=True, mirror=folder, cache=tmp_path / "c") as offline:
        assert offline.select("/projects/P/experiments").get("label") == ["MR1"]
        assert offline.select("/projects/P/subjects").get("label") == ["S1"]
        with pytest.raises(errors.NotInMirror, match=r"--files"):
            offline.select(
                "/projects/P/subjects/S1/experiments/MR1/resources/NOTES/files/n.txt"
            ).get()
        with pytest.raises(errors.NotInMirror):
            offline.select("/projects/P/subjects/S2").id()


def test_what_cannot_be_pulled_is_told_before_any_request(filled, client, tmp_path):
    for wanted, error in (
        ([], errors.UsageError),
        ([Wanted("P", "xnat:mrSessionData/AGE >")], errors.CriteriaError),
        (
            [Wanted("P", files=("/projects/Q/experiments/*/resources/*/files/*",))],
            errors.UsageError,
        ),
        ([Wanted("P", files=("/projects/P/experiments/*",))], errors.SelectSyntaxError),
    ):
        with pytest.raises(error):
            pull(client.transport, tmp_path / "m", wanted)
    assert not filled.requests
    with pytest.raises(errors.NotFound, match="NOPE"):
        pull(client.transport, tmp_path / "m", [Wanted("NOPE")])
    assert Folder(tmp_path / "m").states() == []


def test_a_mirror_of_another_server_is_not_mixed_up(mirrored, filled, tmp_path):
    other = json.loads((mirrored / "mirror.json").read_text())
    other["server"] = "https://elsewhere.org"
    (mirrored / "mirror.json").write_text(json.dumps(other))
    with Interface(filled.url, "admin", "admin") as client, pytest.raises(errors.UsageError):
        pull(client.transport, mirrored, [Wanted("P")])


def test_a_file_that_cannot_be_fetched_is_reported_and_comes_with_the_next_pull(
    filled, client, tmp_path
):
    folder = tmp_path / "m"
    blobs = filled.archive.blobs
    with filled.archive.database.read() as connection:
        from sqlalchemy import select

        from nipype_xnat.archive.storage.schema import file

        name = connection.execute(select(file.c.blob).where(file.c.path == "n.txt")).scalar()
    hidden = blobs.path(name).rename(tmp_path / "hidden")
    result = pull(client.transport, folder, [Wanted("P")])
    assert [place for place, _ in result.failed] == [
        "/projects/P/subjects/S1/experiments/MR1/resources/NOTES/files/n.txt"
    ]
    with Interface(offline=True, mirror=folder, cache=tmp_path / "c") as offline:
        note = offline.select("/projects/P/subjects/S1/experiments/MR1/resources/NOTES/files/n.txt")
        assert note.size() == 4
        with pytest.raises(errors.NotInMirror):
            note.get()
    hidden.rename(blobs.path(name))
    again = pull(client.transport, folder)
    assert (again.fetched, again.failed) == (1, [])


def test_readers_of_the_former_state_are_not_disturbed(filled, fill, client, mirrored):
    reader = OfflineTransport(mirrored)
    archive = Interface(offline=True, mirror=mirrored)
    archive._transport = reader
    assert "S3" in archive.select("/projects/P/subjects").get("label")
    fill.call("DELETE", "/data/projects/P/subjects/S3")
    pull(client.transport, mirrored)
    assert "S3" in archive.select("/projects/P/subjects").get("label")
    fresh = Interface(offline=True, mirror=mirrored)
    assert "S3" not in fresh.select("/projects/P/subjects").get("label")
    assert len(Folder(mirrored).states()) == 2


def test_the_command(filled, tmp_path, config):
    def run(*arguments):
        command = [sys.executable, "-m", "nipype_xnat", "mirror", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    folder = tmp_path / "m"
    pulled = run("pull", filled.url, folder, "--project", "P", "--config", config)
    assert pulled.returncode == 0, pulled.stderr
    assert "11 fetched" in pulled.stdout
    again = run("pull", folder, "--config", config)
    assert "0 fetched" in again.stdout
    shown = run("show", folder)
    assert filled.url in shown.stdout and "P: all files" in shown.stdout
    assert run("show", tmp_path).returncode == 1
    assert run("pull", filled.url, folder, "--project", "NOPE", "--config", config).returncode == 1


def test_a_project_that_vanished_is_told_and_can_be_let_go(mirrored, client, tmp_path):
    pull(client.transport, mirrored, [Wanted("Q")])
    client.select("/projects/Q").delete()
    with pytest.raises(errors.NotFound, match="'Q' cannot be listed.*\n?.*--without Q"):
        pull(client.transport, mirrored)
    with Interface(offline=True, mirror=mirrored, cache=tmp_path / "c2") as offline:
        assert offline.select("/projects").get("id") == ["P", "Q"]
        assert offline.select("/projects/Q/experiments/QMR").exists()
    pull(client.transport, mirrored, without=["Q"])
    with Interface(offline=True, mirror=mirrored, cache=tmp_path / "c2") as offline:
        assert offline.select("/projects").get("id") == ["P"]
        with pytest.raises(errors.NotInMirror, match="the mirror holds P, not Q"):
            offline.select("/projects/Q/experiments").get()


@pytest.mark.parametrize("listing", ["subjects", "experiments", "resources", "files"])
def test_a_listing_that_answers_nothing_ends_the_pull(tmp_path, listing):
    """XNAT swallows errors of its own: 200, and an empty body."""
    broken = False

    def swallowing(app):
        def answered(environ, start):
            asked = environ["PATH_INFO"].rstrip("/").endswith(listing)
            if not (broken and asked and environ["REQUEST_METHOD"] == "GET"):
                return app(environ, start)
            start("200 OK", [("Content-Type", "text/csv"), ("Content-Length", "0")])
            return []

        return answered

    site = Site(durable=False)
    with Archive(tmp_path / "a", site) as archive, archive.running(middleware=[swallowing]) as url:
        fill_archive(Filler(url))
        with Interface(url, "admin", "admin", cache=tmp_path / "cache") as client:
            pull(client.transport, tmp_path / "m", [Wanted("P")])
            before = Folder(tmp_path / "m").require()
            broken = True
            with pytest.raises(errors.ServerBroken, match="swallowed an error"):
                pull(client.transport, tmp_path / "m")
    assert Folder(tmp_path / "m").require() == before


def test_a_damaged_mirror_is_told_and_pulled_anew(mirrored, client, tmp_path):
    state = Folder(mirrored).require().state
    (mirrored / "states" / state / "archive.sqlite").write_bytes(b"damaged" * 100)
    with Interface(offline=True, mirror=mirrored, cache=tmp_path / "c2") as offline:
        with pytest.raises(errors.MirrorError, match="cannot be read"):
            offline.select("/projects").get()
    assert pull(client.transport, mirrored).changes.subjects.added > 0
    with Interface(offline=True, mirror=mirrored, cache=tmp_path / "c2") as offline:
        assert offline.select("/projects").get("id") == ["P"]
