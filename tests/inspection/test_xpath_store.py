"""Documents of subjects that were checked out, asked by XPath."""

import pickle

import pytest

from nipype_xnat.errors import NotFound, UsageError

pytest.importorskip("lxml")


@pytest.fixture
def store(client, fill):
    fill.put("/data/projects/P")
    for number in (1, 2):
        fill.put(f"/data/projects/P/subjects/s{number}", ID=f"S{number}", gender="female")
        fill.session("P", f"s{number}", f"e{number}", {"1": ("T1w", {})})
        base = f"/data/projects/P/subjects/s{number}/experiments/e{number}/scans/1"
        path = "xnat:mrScanData/parameters/voxelRes"
        fill.put(base, **{f"{path}/{axis}": str(number) for axis in "xyz"})
    return client.xpath


def test_subjects_of_a_project_or_by_id(store, xnat_archive):
    store.checkout(subjects=["S2"])
    assert store.subjects() == ["S2"]
    store.checkout("P")
    assert sorted(store.subjects()) == ["S1", "S2"]
    assert store.subject("S1").get("label") == "s1"
    assert store.subject("none") is None
    xnat_archive.requests.clear()
    store.update()
    assert sorted(entry.path for entry in xnat_archive.requests) == [
        "/data/subjects/S1",
        "/data/subjects/S2",
    ]


def test_what_is_in_the_documents(store):
    store.checkout("P")
    assert store("//xnat:scan/@type") == ["T1w", "T1w"]
    assert "xnat:voxelRes" in store.elements()
    assert store.element_keys("xnat:voxelRes") == ["x", "y", "z"]
    assert sorted(map(float, store.element_values("xnat:voxelRes", "x"))) == [1, 2]
    assert store.element_text("xnat:gender") == ["female"]
    assert len(store.element_attrs("xnat:voxelRes")) == 2
    assert sorted(store.values("label")) == ["s1", "s2"]
    assert {"ID", "label", "project"} <= set(store.keys())
    assert [entry["project"] for entry in store.attrs()] == ["P", "P"]


def test_what_cannot_be_checked_out(store):
    with pytest.raises(NotFound):
        store.checkout(subjects="none")
    with pytest.raises(UsageError):
        store.checkout()
    assert store.subjects() == store("//xnat:scan") == []


def test_documents_stay_behind_when_it_is_pickled(client, store):
    store.checkout("P")
    assert pickle.loads(pickle.dumps(store)).subjects() == []
    assert pickle.loads(pickle.dumps(client)).xpath.subjects() == []
