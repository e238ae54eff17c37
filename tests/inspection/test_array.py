"""Experiments and scans as tables, one request each."""

import pytest

MR = "xnat:mrSessionData"


@pytest.fixture
def filled(client, fill, xnat_archive):
    for project in ("P", "Q"):
        fill.put(f"/data/projects/{project}")
        fill.put(f"/data/projects/{project}/subjects/ann", ID=f"{project}_S")
        scans = {"1": ("T1w", {}), "2": ("T2w", {})}
        fill.session(project, "ann", "mr", scans, ID=f"{project}_MR", date="2024-01-22")
        base = f"/data/projects/{project}/subjects/ann/experiments"
        fill.put(f"{base}/pet", xsiType="xnat:petSessionData", ID=f"{project}_PET")
        fill.put(f"{base}/mr/scans/3", xsiType="xnat:otherDicomScanData", type="setup")
    client.select.projects().get()
    xnat_archive.requests.clear()
    return client.array


def test_experiments_in_one_request(filled, xnat_archive):
    assert filled.experiments()["ID"] == ["P_MR", "P_PET", "Q_MR", "Q_PET"]
    assert len(xnat_archive.requests) == 1
    assert filled.experiments(project_id="P")["ID"] == ["P_MR", "P_PET"]
    assert filled.experiments(subject_id="Q_S")["ID"] == ["Q_MR", "Q_PET"]
    found = filled.experiments(subject_label="ann", experiment_label="pet", columns=["label"])
    assert [(row["ID"], row["label"]) for row in found] == [("P_PET", "pet"), ("Q_PET", "pet")]
    assert filled.experiments(experiment_id="Q_MR", experiment_type=MR).column("ID") == ["Q_MR"]
    assert len(filled.experiments(experiment_id="none")) == 0


def test_sessions_of_a_type(filled):
    assert filled.mrsessions()["ID"] == ["P_MR", "Q_MR"]
    assert filled.mrsessions("P").data == filled.experiments("P", experiment_type=MR).data


def test_values_that_fields_must_have(filled):
    fields = {f"{MR}/date": "2024-01-22"}
    assert filled.mrsessions(project_id="P", constraints=fields).column("ID") == ["P_MR"]
    assert len(filled.mrsessions(constraints={f"{MR}/date": "2020-01-01"})) == 0


def test_scans(filled, xnat_archive):
    assert len(filled.scans(experiment_id="P_MR")) == 3
    assert len(xnat_archive.requests) == 1
    found = filled.mrscans(experiment_id="P_MR", columns=["xnat:mrScanData/type"])
    assert found.column("xnat:mrscandata/id") == ["1", "2"]
    assert found.column("xnat:mrscandata/type") == ["T1w", "T2w"]
    assert len(filled.scans(project_id="P", experiment_type="xnat:petSessionData")) == 0


def test_by_the_search_engine(filled):
    columns = [f"{MR}/SESSION_ID"]
    found = filled.search_experiments(project_id="P", experiment_type=MR, columns=columns)
    assert found.column("session_id") == ["P_MR"]
    assert len(filled.search_experiments(experiment_type=MR, columns=columns)) == 2
    found = filled.search_experiments(
        "P",
        subject_label="ann",
        experiment_type=MR,
        constraints=[(f"{MR}/DATE", ">", "2025-01-01")],
    )
    assert len(found) == 0
