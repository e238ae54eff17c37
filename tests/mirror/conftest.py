"""A server with one of everything, a mirror of it, and a client that works offline."""

import json
import shutil

import pytest

from nipype_xnat import Archive, Interface
from nipype_xnat.archive import Site
from nipype_xnat.mirror import Wanted, pull


def fill_archive(fill):
    """Make project P with all kinds of elements and resources, and one session shared from Q."""
    for project in "PQ":
        fill.put(f"/data/projects/{project}", name=f"{project} name", description="of two, words")
    fill.file("/data/projects/P/resources/DOC/files/r.txt", b"read me", format="TXT")
    for number, label in enumerate(("S1", "S2", "S3")):
        born = {"gender": "female", "dob": f"19{5 + number}0-02-03"}
        iq = {"xnat:subjectData/fields/field[name=iq]/field": str(100 + number)}
        fill.put(f"/data/projects/P/subjects/{label}", **born, **iq)
    fill.put("/data/projects/Q/subjects/T1", gender="male")
    nifti = {"NIFTI": {"a.nii": b"aaa", "a.json": b"{}", "sub/b.txt": b"b"}}
    scans = {"1": ("T1w", nifti), "2": ("T2/x,y", {"DICOM": {"1.dcm": b"dd"}})}
    scanner = {"xnat:mrSessionData/scanner/manufacturer": "SIEMENS"}
    one = fill.session("P", "S1", "MR1", scans, date="2020-01-02", **scanner)
    fill.put(f"{one}/scans/1", **{"xnat:mrScanData/parameters/tr": "2000.5", "quality": "usable"})
    fill.session(
        "P", "S2", "MR2", {"1": ("T1w", {"NIFTI": {"a.nii": b"other"}})}, date="2010-01-02"
    )
    fill.session("Q", "T1", "QMR", {"1": ("T1w", {"NIFTI": {"q.nii": b"qq"}})})
    fill.put("/data/projects/Q/subjects/T1/projects/P", label="SHARED")
    fill.put("/data/projects/Q/subjects/T1/experiments/QMR/projects/P", label="SHARED_MR")
    fill.put(f"{one}/assessors/QC1", xsiType="xnat:qcManualAssessorData", date="2021-01-01")
    fill.file(f"{one}/assessors/QC1/out/resources/OUT/files/o.txt", b"out")
    fill.put(f"{one}/reconstructions/R1", xsiType="xnat:reconstructedImageData", type="x")
    fill.file(f"{one}/reconstructions/R1/out/resources/RR/files/r.txt", b"rec")
    fill.file("/data/projects/P/subjects/S1/resources/SR/files/s.txt", b"of a subject")
    fill.file(f"{one}/resources/NOTES/files/n.txt", b"note", tags="a,b")


@pytest.fixture
def filled(hold, xnat_archive):
    """A server that holds the projects P and Q."""
    hold(fill_archive)
    return xnat_archive


@pytest.fixture(scope="session")
def mirror(tmp_path_factory, snapshots):
    """A hand to lay out mirrors of servers that a function has filled: pulled once, then copied."""
    pulled = {}

    def mirror(folder, server, filling):
        if filling not in pulled:
            root = tmp_path_factory.mktemp("pulled")
            with Archive(root / "archive", Site(durable=False)) as archive:
                snapshots(filling).put_into(archive)
                with (
                    archive.running() as url,
                    Interface(url, "admin", "admin", cache=root / "cache") as client,
                ):
                    pull(client.transport, root / "mirror", [Wanted("P")])
            pulled[filling] = root / "mirror"
        shutil.copytree(pulled[filling], folder, symlinks=True)
        # nothing else in it knows the address
        description = folder / "mirror.json"
        values = json.loads(description.read_text())
        description.write_text(json.dumps({**values, "server": server}))
        return folder

    return mirror


@pytest.fixture
def mirrored(filled, mirror, tmp_path):
    """The folder of a mirror of P."""
    return mirror(tmp_path / "mirror", filled.url, fill_archive)


@pytest.fixture
def offline(mirrored, tmp_path):
    """A client that has the mirror and nothing else."""
    with Interface(offline=True, mirror=mirrored, cache=tmp_path / "cache_of_job") as found:
        yield found
