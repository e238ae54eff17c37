"""Graphs and drawings of what an archive has."""

import pytest

from nipype_xnat.errors import UsageError
from nipype_xnat.inspection import GraphData


@pytest.fixture
def graphs(client, fill):
    fill.put("/data/projects/P")
    for number, gender in enumerate(("female", "male", "female")):
        fill.put(f"/data/projects/P/subjects/s{number}", gender=gender)
    fill.session("P", "s0", "e", {"1": ("T1w", {})})
    return GraphData(client)


def test_levels_with_the_types_in_use(graphs, xnat_archive):
    xnat_archive.requests.clear()
    plain = graphs.architecture(with_datatypes=False)
    assert not xnat_archive.requests
    assert plain.has_edge("projects", "projects/subjects")
    full = graphs.architecture()
    level = "projects/subjects/experiments"
    assert "xnat:mrSessionData" in full.successors(level)
    assert full.has_edge(f"{level}/scans", "xnat:mrScanData")
    assert full.nodes[f"{level}/scans"]["label"] == "scans"


def test_types_below_their_namespaces(graphs):
    assert graphs.datatypes("xnat:mr*").has_edge("xnat", "xnat:mrSessionData")
    assert list(graphs.rest_resource("experiments")) == [
        "experiments",
        "xnat",
        "xnat:mrSessionData",
    ]
    assert "xnat:projectData" in graphs.rest_resource("projects")
    with pytest.raises(UsageError):
        graphs.rest_resource("nonsense")


def test_values_weigh_what_they_occur(graphs):
    graph = graphs.field_values("xnat:subjectData/GENDER_TEXT")
    assert {value: graph.nodes[value]["weight"] for value in ("F", "M")} == {"F": 2, "M": 1}


def test_drawings(client, graphs, tmp_path):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    for shown, call in {
        "projects": client.draw.architecture,
        "experiments": client.draw.experiments,
        "scans": client.draw.scans,
        "assessors": client.draw.assessors,
        "reconstructions": client.draw.reconstructions,
    }.items():
        call(save=tmp_path / f"{shown}.svg")
        assert shown in (tmp_path / f"{shown}.svg").read_text()
    client.draw.field_values("xnat:subjectData/GENDER_TEXT", save=tmp_path / "v.png")
    assert (tmp_path / "v.png").read_bytes().startswith(b"\x89PNG")
