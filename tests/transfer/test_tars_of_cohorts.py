"""The files of many sessions come in few tars of a local archive, whoever may see what."""

import hashlib

import pytest

from nipype_xnat import Interface, errors
from nipype_xnat.archive import Archive, Site
from nipype_xnat.records import Record
from nipype_xnat.transfer import fetch, put
from support.filler import Filler
from support.listening import Listening

SESSIONS = 12


def scan(number, what):
    return f"{what} of session {number}".encode() * 50


def filled(fill):
    """Two projects; each session has two scans with images, and notes beside the images."""
    for project in ("P", "Q"):
        fill.put(f"/data/projects/{project}")
    for number in range(SESSIONS):
        files = {
            what: {"NIFTI": {f"{what}.nii.gz": scan(number, what)}, "NOTES": {"a.txt": b"beside"}}
            for what in ("T1w", "T2w")
        }
        project = "P" if number % 3 else "Q"
        scans = {str(place): (what, held) for place, (what, held) in enumerate(files.items(), 1)}
        fill.session(project, f"S{number:02d}", f"{project}{number:02d}_MR", scans)


@pytest.fixture
def cohort(xnat_archive, fill, tmp_path):
    """Connect to the archive as somebody, and find the files of a kind of scan."""
    filled(fill)
    opened = []

    def find(name=xnat_archive.user, password=xnat_archive.password, what="T1w", **options):
        client = Interface(
            xnat_archive.url, name, password, cache=tmp_path / f"cache-{name}", **options
        )
        opened.append(client)
        path = f"/projects/*/experiments/*/scans[type={what}]/resources/NIFTI/files/*"
        return client, list(client.select(path).records())

    yield find
    for client in opened:
        client.disconnect()


def right(fetched):
    return all(
        hashlib.md5(one.path.read_bytes()).hexdigest() == one.record.digest for one in fetched
    )


def test_one_tar_has_the_images_of_all_sessions_and_no_others(cohort):
    client, records = cohort()
    listening = Listening(client.transport)
    fetched = fetch(listening, records, client.cache)
    assert len(fetched) == SESSIONS and right(fetched)
    (asked,) = listening.asked
    numbers = asked.partition("/resources/")[2].partition("/files")[0].split(",")
    assert sorted(numbers) == sorted(record.resource_id for record in records)
    objects = [path for path in (client.cache.root / "objects").glob("*/*") if path.is_file()]
    assert len(objects) == SESSIONS


def test_images_of_scans_and_sessions_are_asked_for_apart(cohort):
    client, records = cohort()
    of_session = [
        put(
            client.transport,
            Record(experiment_id=record.experiment_id, resource_label="OUT"),
            {"out.nii": record.experiment_id.encode() * 100},
        ).records[0]
        for record in records
    ]
    listening = Listening(client.transport)
    both = [record for pair in zip(records, of_session, strict=True) for record in pair]
    fetched = fetch(listening, both, client.cache)
    assert [one.record.path for one in fetched] == [record.path for record in both]
    assert right(fetched) and len(listening.asked) == 2


def test_a_session_that_an_account_may_not_read_keeps_no_other_from_it(cohort, xnat_archive, fill):
    _, records = cohort()
    xnat_archive.archive.add_user("jane", "secret")
    fill.put("/data/projects/P/users/Members/jane")
    fill.put("/data/projects/Q/accessibility/private")
    fill.put("/data/projects/P/accessibility/private")
    client, allowed = cohort("jane", "secret")
    assert {record.project for record in allowed} == {"P"}
    with pytest.raises(errors.TransferError) as caught:
        fetch(client.transport, records, client.cache)
    refused = {place.split("/")[2] for place, _ in caught.value.failures}
    assert refused == {"Q"}
    listening = Listening(client.transport)
    assert right(fetch(listening, allowed, client.cache)) and not listening.asked


def test_a_server_that_refuses_lists_gives_the_files_one_by_one(tmp_path):
    site = Site(refuse_comma_lists=True, durable=False)
    with Archive(tmp_path / "archive", site) as archive, archive.running() as url:
        filled(Filler(url))
        with Interface(url, "admin", "admin", cache=tmp_path / "cache") as client:
            path = "/projects/P/experiments/*/scans[type=T2w]/resources/NIFTI/files/*"
            records = list(client.select(path).records())
            listening = Listening(client.transport)
            fetched = fetch(listening, records, client.cache)
    assert len(fetched) == 8 and right(fetched)
    assert sum("," not in asked for asked in listening.asked) == 8
