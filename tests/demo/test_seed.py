"""Seeding an archive: everything arrives, nothing is sent twice, an interrupted one completes."""

from __future__ import annotations

import hashlib
from urllib.parse import unquote

import pytest
import requests

from nipype_xnat.archive import Archive
from nipype_xnat.demo.cohort import GUEST_PROJECT, PROJECT, age, contents, demo_cohort
from nipype_xnat.demo.seed import Seeded, seed
from nipype_xnat.errors import CannotReachServer, NotLoggedIn

COHORT = demo_cohort(resolution=8.0)
FILES = sum(
    len(resource.files)
    for _, _, session in COHORT.sessions()
    for holder in (*session.scans, None)
    for resource in (holder.resources if holder else session.resources)
)


class Client:
    """Asks the archive by plain HTTP, as somebody else's program would."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.auth = ("admin", "admin")

    def rows(self, path: str, **query: str) -> list[dict[str, str]]:
        answer = self.http.get(self.url + path, params={**query, "format": "json"})
        answer.raise_for_status()
        return answer.json()["ResultSet"]["Result"]

    def sessions(self, project: str) -> dict[str, str]:
        return {r["label"]: r["ID"] for r in self.rows(f"/data/projects/{project}/experiments")}

    def files(self, label: str, project: str = PROJECT) -> dict[tuple[str, str, str], str]:
        """(scan, resource, name) to digest, of one session."""
        found = {}
        identity = self.sessions(project)[label]
        for row in self.rows(f"/data/experiments/{identity}/files", all="true"):
            scan = row["URI"].split("/scans/")[1].split("/")[0] if "/scans/" in row["URI"] else ""
            name = unquote(row["URI"].split("/files/")[1])
            found[scan, row["collection"], name] = row["digest"]
        return found


@pytest.fixture(scope="module")
def seeded(tmp_path_factory):
    with Archive(tmp_path_factory.mktemp("archive")) as archive, archive.running() as url:
        steps = []
        told = seed(url, "admin", "admin", steps.append, cohort=COHORT)
        assert told == Seeded(sent=FILES)
        assert [step.done for step in steps] == list(range(1, steps[0].total + 1))
        assert archive.open_sessions == 0
        yield archive, url, Client(url)


def changes(archive, since):
    kept = [logged for logged in list(archive.requests)[since:] if logged.method != "GET"]
    return [logged for logged in kept if logged.path != "/data/JSESSION"]


def test_each_file_arrived_whole(seeded):
    client = seeded[2]
    for project, subject, session in COHORT.sessions():
        wanted = {}
        holders = [(scan.id, scan.resources) for scan in session.scans]
        for scan, resources in [*holders, ("", session.resources)]:
            for resource in resources:
                for name, data in contents(COHORT, subject, session, resource).items():
                    wanted[scan, resource.label, name] = hashlib.md5(data).hexdigest()
        assert client.files(session.label, project.id) == wanted


def test_types_labels_and_names_survive(seeded):
    client = seeded[2]
    sessions = client.sessions(PROJECT)
    scans = client.rows(f"/data/experiments/{sessions['DEMO003_MR1']}/scans")
    assert "T1w/MPRAGE, sag" in [row["type"] for row in scans]
    assert "NIFTI data" in [key[1] for key in client.files("DEMO004_MR1")]
    assert "tête_Größe_T1w.nii.gz" in [key[2] for key in client.files("DEMO005_MR1")]


def test_the_shared_session_has_labels_of_its_own(seeded):
    client = seeded[2]
    there, here = client.sessions(GUEST_PROJECT), client.sessions(PROJECT)
    assert here["DEMO016_MR1"] == there["GUEST01_A"]
    assert "GUEST01_A" not in here
    subjects = {row["label"] for row in client.rows(f"/data/projects/{PROJECT}/subjects")}
    assert "DEMO016" in subjects and "GUEST01" not in subjects


def test_the_archive_derives_the_ages_of_the_cohort(seeded):
    document = """<xdat:bundle ID="@xnat:mrSessionData" xmlns:xdat="http://nrg.wustl.edu/security">
      <xdat:root_element_name>xnat:mrSessionData</xdat:root_element_name>
      <xdat:search_field><xdat:element_name>xnat:mrSessionData</xdat:element_name>
        <xdat:field_ID>LABEL</xdat:field_ID><xdat:sequence>0</xdat:sequence>
        <xdat:type>string</xdat:type><xdat:header>Label</xdat:header></xdat:search_field>
      <xdat:search_where method="AND"><xdat:criteria override_value_formatting="0">
        <xdat:schema_field>xnat:mrSessionData.AGE</xdat:schema_field>
        <xdat:comparison_type>&gt;</xdat:comparison_type><xdat:value>80</xdat:value>
      </xdat:criteria></xdat:search_where></xdat:bundle>"""
    client = seeded[2]
    answer = client.http.post(
        f"{client.url}/data/search?format=json",
        data=document,
        headers={"Content-Type": "text/xml"},
    )
    found = {row["label"] for row in answer.json()["ResultSet"]["Result"]}
    sessions = COHORT.sessions()
    assert found == {s.label for _, p, s in sessions if age(p.born, s.date) > 80}
    assert len(found) == 9


def test_a_complete_archive_is_left_alone(seeded):
    archive, url, _ = seeded
    since = len(archive.requests)
    assert seed(url, "admin", "admin", cohort=COHORT) == Seeded(before=True)
    assert changes(archive, since) == []


def test_restoring_what_is_there_sends_nothing(seeded):
    archive, url, _ = seeded
    since = len(archive.requests)
    told = seed(url, "admin", "admin", cohort=COHORT, restore=True)
    assert told == Seeded(sent=0, present=FILES)
    assert changes(archive, since) == []


def test_restoring_sends_only_what_was_changed_or_removed(seeded):
    _, url, client = seeded
    before = client.files("DEMO001_MR1"), client.files("DEMO006_MR1")
    base = f"{url}/data/projects/{PROJECT}/subjects"
    path = f"{base}/DEMO001/experiments/DEMO001_MR1/scans/1/resources/NIFTI/files"
    client.http.put(
        f"{path}/DEMO001_MR1_T1w.nii.gz?overwrite=true&inbody=true",
        data=b"other",
        headers={"Content-Type": "application/octet-stream"},
    ).raise_for_status()
    path = f"{base}/DEMO006/experiments/DEMO006_MR1/scans/1/resources/NIFTI/files"
    client.http.delete(f"{path}/DEMO006_MR1_T1w.hdr").raise_for_status()
    assert (client.files("DEMO001_MR1"), client.files("DEMO006_MR1")) != before
    assert seed(url, "admin", "admin", cohort=COHORT).sent == 0
    told = seed(url, "admin", "admin", cohort=COHORT, restore=True)
    assert told == Seeded(sent=2, present=FILES - 2)
    assert (client.files("DEMO001_MR1"), client.files("DEMO006_MR1")) == before


def test_an_interrupted_seeding_is_completed_by_the_next(tmp_path):
    class Stop(Exception):
        pass

    def stop(step):
        if step.done == 5:
            raise Stop

    with Archive(tmp_path) as archive, archive.running() as url:
        with pytest.raises(Stop):
            seed(url, "admin", "admin", stop, cohort=COHORT)
        assert archive.open_sessions == 0
        told = seed(url, "admin", "admin", cohort=COHORT)
        assert told.sent + told.present == FILES
        assert told.sent > 0 and told.present > 0


def test_a_wrong_password_is_named_and_not_shown(tmp_path):
    with Archive(tmp_path) as archive, archive.running() as url:
        with pytest.raises(NotLoggedIn) as caught:
            seed(url, "admin", "wr0ng-pass", cohort=COHORT)
        assert "wr0ng-pass" not in str(caught.value)
        assert url in str(caught.value)


def test_an_archive_that_is_away_is_named():
    with pytest.raises(CannotReachServer, match=r"127\.0\.0\.1:9"):
        seed("http://127.0.0.1:9", "admin", "admin", cohort=COHORT)
