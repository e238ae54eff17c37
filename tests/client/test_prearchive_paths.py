"""What waits in the prearchive, selected by path: DICOM files sent over HTTP, and looked at."""

import hashlib
import pickle

import pytest

from nipype_xnat import Interface
from nipype_xnat.errors import BadRequest, NotAllowed, NotFound, SelectSyntaxError, UsageError
from nipype_xnat.select import compute
from support.dicom_files import instance, packed, study


def fill_prearchive(fill):
    """Send three sessions: two of P (the first one with two scans), and one of Q."""
    for project in ("P", "Q"):
        fill.put(f"/data/projects/{project}")
        fill.put(f"/data/projects/{project}/prearchive_code/0")
    arrivals = [
        ("P", "S1", "E1", study(2, series=(1, 2))),
        ("P", "S2", "E2", study(1, study=2)),
        ("Q", "S1", "E3", packed({"a.dcm": instance(study=3)})),
    ]
    for project, subject, session, content in arrivals:
        fill.call(
            "POST",
            "/data/services/import",
            params={
                "import-handler": "DICOM-zip",
                "inbody": "true",
                "dest": f"/prearchive/projects/{project}",
                "PROJECT_ID": project,
                "SUBJECT_ID": subject,
                "EXPT_LABEL": session,
            },
            data=content,
            headers={"Content-Type": "application/zip"},
        )


@pytest.fixture
def waiting(client, hold):
    """Select from what waits."""
    hold(fill_prearchive)
    return client.select


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        ("/prearchive", ["E1", "E2", "E3"]),
        ("/prearchive/projects", ["E1", "E2", "E3"]),
        ("/data/prearchive/projects/P", ["E1", "E2"]),
        ("/prearchive/projects/P/experiments", ["E1", "E2"]),
        ("/prearchive/projects/*/experiments/*[status=READY]", ["E1", "E2", "E3"]),
        ("/prearchive/projects/*/experiments/*[status=ERROR,CONFLICT]", []),
        ("/prearchive/project/?/experiments/E*[subject=S1]", ["E1", "E3"]),
        ("/prearchive/projects/P/subjects/S2/experiments", ["E2"]),
        ("/prearchive/projects/P/subjects/S2", ["E2"]),
        ("/prearchive/experiments/E?[scan_date>=2014-05-07]", ["E1", "E2", "E3"]),
        ("/prearchive//experiments", ["E1", "E2", "E3"]),
        ("/prearchive/projects/P/2*/E?", ["E1", "E2"]),
        ("/prearchive/projects/Unassigned", []),
        ("/prearchive/projects/none", []),
        ("/prearchive/experiments/E?[scan_date>=2014-05-07]", ["E1", "E2", "E3"]),
        ("/prearchive//experiments", ["E1", "E2", "E3"]),
        ("/prearchive/projects/P/2*/E?", ["E1", "E2"]),
        ("/prearchive/projects/Unassigned", []),
        ("/prearchive/projects/none", []),
    ],
)
def test_sessions(waiting, path, labels):
    assert waiting(path).get("label") == labels


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/prearchive/projects/P/experiments/*/scans", ["1", "2", "1"]),
        ("/prearchive/experiments/E1/scans/*[series_description=t1_mpr_2]", ["2"]),
        ("/prearchive/experiments/*/scans/*[type=t1_mpr_1]", ["1", "1", "1"]),
        ("/prearchive/experiments/*/scans/*[type=other*]", []),
        ("/prearchive/experiments/*/scans/2/resources", ["DICOM"]),
        ("/prearchive//scans/*/resources/D*", ["DICOM"] * 4),
        ("/prearchive/experiments/E1/resources", []),
        ("/prearchive/experiments/*/scans/9/resources/DICOM/files", []),
    ],
)
def test_inside(waiting, path, found):
    assert waiting(path).get() == found


def test_files(waiting, tmp_path):
    selection = waiting(
        "/prearchive/projects/P/experiments/*/scans/*[type=t1*]/resources/DICOM/files/*"
    )
    assert len(selection) == 5
    file = waiting("/prearchive/experiments/E3//files/*.dcm").first()
    sent = instance(study=3)
    assert (file.size(), file.label()) == (len(sent), "a.dcm")
    for place in (file.get(), file.get(tmp_path / "copy.dcm")):
        with open(place, "rb") as read:
            assert hashlib.md5(read.read()).digest() == hashlib.md5(sent).digest()
    again = waiting(str(file.path))
    assert again == file == pickle.loads(pickle.dumps(file))
    assert again.exists()
    (session,) = waiting.prearchive("Q")
    assert session.files().get("obj") == [file]
    folder = file.parent().get(tmp_path, extract=True)
    assert [path.rpartition("/")[2] for path in folder] == ["a.dcm"]


def test_a_session_and_its_scans(waiting):
    session = waiting.prearchive("P", "E1").first()
    assert session.id() == f"/prearchive/projects/P/{session.attrs.get('timestamp')}/E1"
    assert waiting(session.id()) == waiting(str(session.path)) == session
    assert (session.label(), session.subject(), session.status()) == ("E1", "S1", "READY")
    assert session.attrs.mget(["status", "project"]) == ["READY", "P"]
    assert session.datatype() == "xnat:MRSession"
    assert session.scans().get() == ["1", "2"]
    scan = session.scan("2")
    assert scan.attrs.get("type") == "t1_mpr_2"
    assert scan.datatype() == "xnat:mrScanData"
    assert scan.resources().get("label") == ["DICOM"]
    assert (scan.exists(), session.scan("3").exists()) == (True, False)
    assert (scan.parent(), session.parent().id()) == (session, "P")
    assert 'label="E1"' in session.xml()
    with pytest.raises(BadRequest, match="says nothing of 'colour'"):
        session.attrs.get("colour")


def test_what_becomes_of_a_session(waiting, client):
    session = waiting.prearchive("P", "E1").first()
    session.rebuild()
    assert session.status() == "READY"
    moved = session.move("Q")
    assert (session.exists(), moved.exists()) == (False, True)
    with pytest.raises(NotFound):
        session.status()
    archived = moved.to_archive()
    assert archived == client.select.project("Q").subject("S1").experiment("E1")
    assert archived.scans().get() == ["1", "2"]
    assert not moved.exists()
    for other in waiting("/prearchive"):
        other.delete()
    assert len(waiting("/prearchive")) == 0


def test_selections_are_lazy_and_cost_little(waiting, xnat_archive, tmp_path):
    with Interface(
        xnat_archive.url, "admin", "admin", cache=tmp_path / "c", metadata_age=0
    ) as client:
        client.select.projects().get()

        def costs(read):
            xnat_archive.requests.clear()
            return read(), len(xnat_archive.requests)

        sessions = client.select("/prearchive")
        (first, asked) = costs(lambda: sessions[0])
        assert asked == 1
        assert costs(lambda: (first.id(), first.label(), first.subject()))[1] == 0
        assert costs(lambda: [one.label() for one in sessions[1:]]) == (["E2", "E3"], 1)
        assert costs(lambda: sessions.get("id", "label", "obj"))[1] == 1
        assert costs(lambda: first.scans().get()) == (["1", "2"], 1)
        deep = client.select(f"{first.id()}/scans/1/resources/DICOM/files")
        assert costs(lambda: len(deep)) == (2, 1)
        scans = client.select("/prearchive/experiments/*/scans")
        assert costs(scans.first)[1] == 2
        assert costs(lambda: len(scans)) == (4, 4)
        assert costs(scans.explain)[1] == 0
        assert "1 request a session: its scans" in scans.explain()


def test_chains(waiting):
    assert waiting.prearchive("P") == waiting("/prearchive/projects/P")
    chained = waiting.prearchive("P").scans("1").resources("DICOM").files()
    assert chained == waiting("/prearchive/projects/P/experiments/*/scans/1/resources/DICOM/files")
    assert len(chained) == 3


def test_rights(waiting, client, xnat_archive):
    client.manage.users.create("joe", "pw")
    with Interface(xnat_archive.url, "joe", "pw") as joe:
        assert joe.select("/prearchive").get() == []
        with pytest.raises(NotAllowed):
            joe.select("/prearchive/projects/P").get()


@pytest.mark.parametrize(
    "path",
    [
        "/prearchive/projects/P/resources",
        "/prearchive/projects/P/experiments/*/assessors",
        "/prearchive/experiments/*/reconstructions",
        "/prearchive/projects/P/20240101_000000",
        "/prearchive/scans",
        "/prearchive//assessors",
    ],
)
def test_what_the_prearchive_has_not(client, path):
    with pytest.raises(SelectSyntaxError):
        client.select(path)


def test_mistakes(waiting, client, tmp_path):
    session = waiting.prearchive("P", "E1").first()
    file = tmp_path / "a.txt"
    file.write_bytes(b"a")
    for wrong in (
        session.create,
        lambda: session.scan("1").resource("R").file("a.txt").put(file),
        lambda: session.scan("1").resource("R").put([file]),
        lambda: waiting("/prearchive").share("Q"),
        lambda: waiting("/prearchive").where("xnat:mrSessionData/AGE > 80"),
    ):
        with pytest.raises(UsageError):
            wrong()
    with pytest.raises(BadRequest, match="colour"):
        waiting("/prearchive/experiments/*[colour=red]").get()
    with pytest.raises(SelectSyntaxError, match="what waits in the prearchive"):
        client.cohort({"t1": "/prearchive/projects/P/experiments/*/scans/1/resources/DICOM/files"})


def test_paths_read_back():
    text = "/prearchive/project/P/experiments/E1[timestamp=20240507_120000]/scan/1"
    assert compute("/prearchive/projects/P/20240507_120000/E1/scans/1") == [text]
    assert compute(text) == [text]
    assert compute("/prearchive") == ["/prearchive/experiments/*"]
