"""Files that are known, asked for again wherever they are."""

import pytest

from nipype_xnat import Interface
from nipype_xnat.select.relisting import relist

S = "/data/projects/P/subjects/s{0}/experiments/s{0}_MR1"
PATHS = {
    "scans": "/projects/P/experiments/*/scans/*/resources/*/files",
    "sessions": "/projects/P/experiments/*/resources/*/files",
    "assessors": "/projects/P/experiments/*/assessors/*/out_resources/*/files",
    "reconstructions": "/projects/P/experiments/*/reconstructions/*/out_resources/*/files",
    "subjects": "/projects/P/subjects/*/resources/*/files",
    "project": "/projects/P/resources/*/files",
}


@pytest.fixture
def client(xnat_archive, tmp_path):
    """A connection that remembers no answers, as that of a node."""
    url = xnat_archive.url
    with Interface(url, "admin", "admin", cache=tmp_path / "cache", metadata_age=0.0) as found:
        yield found


@pytest.fixture
def known(fill, client):
    """Three sessions with files at every level."""
    fill.put("/data/projects/P")
    fill.file("/data/projects/P/resources/ATLAS/files/a.nii", b"atlas")
    for number in range(3):
        scans = {
            str(scan): (
                "T1w",
                {"NIFTI": {"t1.nii": b"%d-%d" % (number, scan)}, "2": {"x/y.txt": b"%d" % scan}},
            )
            for scan in range(1, 3 + (number == 1))
        }
        fill.session("P", f"s{number}", f"s{number}_MR1", scans)
        session = S.format(number)
        fill.file(f"{session}/resources/BET/files/brain.nii", b"brain %d" % number)
        fill.file(f"{session}/resources/odd, label/files/b c.txt", b"odd %d" % number)
        fill.file(f"/data/projects/P/subjects/s{number}/resources/NOTES/files/n.txt", b"n")
        fill.put(f"{session}/assessors/QC_{number}", xsiType="xnat:qcManualAssessorData")
        fill.file(f"{session}/assessors/QC_{number}/out/resources/QC/files/qc.txt", b"%d" % number)
        fill.put(f"{session}/reconstructions/R_{number}", type="T1")
        fill.file(
            f"{session}/reconstructions/R_{number}/out/resources/REC/files/r.txt", b"%d" % number
        )
    found = {name: list(client.select(path).records()) for name, path in PATHS.items()}
    assert all(found.values())
    return found


def test_what_stayed_is_named_as_before(known, client, xnat_archive):
    for name, files in known.items():
        found = relist(client.transport, files)
        assert not found.problems, name
        assert {r: now and now.digest for r, now in found.now.items()} == {
            r: r.digest for r in files
        }, name
    scans = [file for file in known["scans"] if file.resource_label == "NIFTI"]
    xnat_archive.requests.clear()
    relist(client.transport, scans)
    assert len(xnat_archive.requests) == 1


def test_one_file_alone(known, client):
    """A listing of exactly one resource names its owner by the words of the request."""
    for files in known.values():
        for file in files:
            (now,) = relist(client.transport, [file]).now.values()
            assert now is not None and now.digest == file.digest, file.place


def test_what_changed_and_what_is_gone(known, client, fill):
    fill.file(S.format(0) + "/scans/1/resources/NIFTI/files/t1.nii", b"new", overwrite="true")
    fill.call("DELETE", S.format(1) + "/scans/2?removeFiles=true")
    fill.call("DELETE", S.format(1) + "/resources/BET?removeFiles=true")
    fill.call("DELETE", S.format(2) + "?removeFiles=true")
    files = [file for group in known.values() for file in group]
    found = relist(client.transport, files)
    assert not found.problems
    for file in files:
        now = found.now[file]
        gone = file.experiment_label == "s2_MR1" or (
            file.experiment_label == "s1_MR1"
            and (file.scan_id == "2" or file.resource_label == "BET")
        )
        if gone:
            assert now is None, file.place
        else:
            assert now is not None, file.place
            changed = (file.experiment_label, file.scan_id, file.path) == ("s0_MR1", "1", "t1.nii")
            assert (now.digest != file.digest) == changed, file.place
    for file in files:  # and each by itself
        assert (relist(client.transport, [file]).now[file] is None) == (found.now[file] is None)
