"""Types, fields, values, structure and abilities over HTTP."""

from xml.etree import ElementTree as ET

import pytest

from nipype_xnat.errors import CriteriaError, NotFound

MR = "xnat:mrSessionData"


@pytest.fixture
def looked(client, fill):
    for project in ("P", "Q"):
        fill.put(f"/data/projects/{project}")
    scans = {"1": ("T1w", {"NIFTI": {"a.nii": b"a"}}), "2": ("bold", {})}
    fill.session("P", "S1", "M1", scans, date="2020-01-01")
    fill.put("/data/projects/P/subjects/S1", dob="1990-06-01")
    fill.session("P", "S2", "M2", {"1": ("T1w", {"NIFTI": {"a.nii": b"b"}})}, date="2020-01-01")
    fill.session("Q", "S3", "PET1", {}, xsiType="xnat:petSessionData")
    base = "/data/projects/P/subjects/S1/experiments/M1"
    fill.put(f"{base}/assessors/A1", xsiType="xnat:qcManualAssessorData")
    fill.put(f"{base}/reconstructions/R1", type="x")
    return client


def ids(client, path):
    return sorted(client.select(path).get("id"))


def test_types_and_fields(looked):
    inspect = looked.inspect
    assert MR in inspect.datatypes()
    assert f"{MR}/AGE" in inspect.datatypes(MR)
    assert f"{MR}/AGE" in inspect.datatypes("xnat:mrSession*", "AG*")
    assert "xnat:subjectData/DOB" in inspect.datatypes("xnat:subjectData", "*")
    assert inspect.datatypes("nothing:*") == []
    assert {field.name for field in inspect.fields(MR)} >= {"AGE", "LABEL"}
    with pytest.raises(CriteriaError, match=f"did you mean '{MR}'"):
        inspect.datatypes("xnat:mrSessionDate")


def test_values(looked):
    inspect = looked.inspect
    assert inspect.field_values(f"{MR}/AGE") == ["29"]
    assert inspect.field_values(f"{MR}/LABEL") == ["M1", "M2"]
    assert inspect.project_values() == ["P", "Q"]
    assert len(inspect.subject_values()) == 3
    assert inspect.subject_values("P") == ids(looked, "/projects/P/subjects")
    assert inspect.experiment_values(MR, "P") == ids(looked, "/projects/P/experiments")
    assert inspect.experiment_values(MR, "Q") == []
    assert len(inspect.assessor_values(MR)) == len(inspect.assessor_values(MR, "P")) == 1
    assert inspect.assessor_values(MR, "Q") == []
    assert inspect.scan_values(MR) == inspect.scan_values(MR, "P") == ["1", "2"]
    assert inspect.reconstruction_values(MR, "P") == ["R1"]
    assert inspect.scan_type_values() == inspect.scan_type_values("P") == ["T1w", "bold"]
    assert inspect.scan_type_values("Q") == []
    for wrong in ("AGE", f"{MR}/AGEE"):
        with pytest.raises(CriteriaError):
            inspect.field_values(wrong)


def test_types_in_use(looked):
    inspect = looked.inspect
    assert inspect.experiment_types() == [MR, "xnat:petSessionData"]
    assert inspect.experiment_types("Q") == ["xnat:petSessionData"]
    assert inspect.assessor_types() == ["xnat:qcManualAssessorData"]
    assert inspect.scan_types() == inspect.scan_types("P") == ["xnat:mrScanData"]
    assert inspect.reconstruction_types() == ["xnat:reconstructedImageData"]


def test_the_structure_of_a_project(looked, tmp_path):
    found = looked.inspect.structure("P")
    assert found.text().splitlines() == [
        "P",
        "  subjects (2)",
        f"  {MR} (2)",
        "    T1w (2)",
        "      NIFTI (2)",
        "    bold (1)",
    ]
    assert repr(found) == found.text()
    graph = found.graph()
    assert graph.nodes[f"P/{MR}/T1w"]["count"] == 2
    assert set(graph.successors(f"P/{MR}")) == {f"P/{MR}/T1w", f"P/{MR}/bold"}
    picture = ET.parse(found.save(tmp_path / "p.svg")).getroot()
    texts = [entry.text for entry in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [line.strip() for line in found.text().splitlines()]
    with pytest.raises(NotFound):
        looked.inspect.structure("nothing")


def test_the_levels_of_xnat(client):
    found = client.inspect.structure()
    assert found.text().splitlines()[:3] == ["projects", "  subjects", "    experiments"]
    assert "projects/experiments/scans" in found.graph()


def test_abilities_are_asked_once(client):
    found = client.inspect.abilities()
    assert found.xapi
    assert found.version == client.inspect.version() != ""
    assert found.release >= (1, 8)
    assert client.inspect.abilities() is found


def test_a_server_that_does_not_tell_what_it_is():
    from nipype_xnat.errors import NotFound
    from nipype_xnat.inspection.abilities import Abilities, ask

    class Silent:
        def send(self, request):
            raise NotFound("no")

    assert ask(Silent()) == Abilities()
    assert Abilities().release == ()
    assert not Abilities("1.8.3").pages_listings
    assert Abilities("1.8.10-SNAPSHOT").pages_listings
