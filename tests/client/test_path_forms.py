"""Path forms and chains: one selection however it is written; predicates in every segment."""

import pytest

VARIABLE = "xnat:subjectData/fields/field[name=arm]/field"


def fill_archive(fill):
    fill.put("/data/projects/P")
    fill.session(
        "P", "S", "E", {"1": ("T1w", {"R": {"a.txt": b"a"}}), "2": ("T2w", {})}, date="2020-06-01"
    )
    fill.session("P", "S", "old", {"1": ("T1w", {})}, date="2010-06-01")
    base = "/data/projects/P/subjects/S/experiments"
    fill.put(f"{base}/E/scans/2", quality="usable")
    fill.put(f"{base}/PET", xsiType="xnat:petSessionData", date="2021-01-01")
    fill.put(f"{base}/E/reconstructions/RC", xsiType="xnat:reconstructedImageData")
    fill.file(f"{base}/E/reconstructions/RC/out/resources/O/files/o.txt", b"o")
    fill.file(f"{base}/E/reconstructions/RC/in/resources/I/files/i.txt", b"i")
    fill.put("/data/projects/P/subjects/S", gender="female")
    fill.put("/data/projects/P/subjects/S", **{VARIABLE: "treated"})


@pytest.fixture
def select(client, hold):
    hold(fill_archive)
    return client.select


@pytest.mark.parametrize(
    ("path", "chain"),
    [
        ("/projects", lambda s: s.projects()),
        ("/project/*", lambda s: s.projects()),
        ("/projects/P/subjects", lambda s: s.project("P").subjects()),
        ("/project/P/subject/*01", lambda s: s.project("P").subjects("*01")),
        ("/projects/P/experiments", lambda s: s.project("P").experiments()),
        (
            "/projects/subjects/experiments/scans",
            lambda s: s.projects().subjects().experiments().scans(),
        ),
        (
            "/projects/*/subject/S/experiment/E/scans/*/resources",
            lambda s: s.projects().subject("S").experiment("E").scans().resources(),
        ),
        (
            "/projects/P/subjects/S/experiments/E/reconstructions/RC/out/resources",
            lambda s: (
                s.project("P").subject("S").experiment("E").reconstruction("RC").out_resources()
            ),
        ),
        (
            "/projects/P/subjects/S/experiments/E/reconstructions/*/in_resources/*/files",
            lambda s: (
                s.project("P").subject("S").experiment("E").reconstructions().in_resources().files()
            ),
        ),
    ],
)
def test_paths_and_chains_are_one_selection(select, path, chain):
    assert select(path) == chain(select)


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("//experiments", ["E", "PET", "old"]),
        ("//subjects//scans/*[type=T2w]", ["2"]),
        ("/projects/P//scans/*[quality=usable]", ["2"]),
        ("//experiments/*[date>=2020-01-01]", ["E", "PET"]),
        ("//experiments/*[xsiType=xnat:petSessionData]", ["PET"]),
        ("//experiments/*[xsiType=xnat:mrSessionData][date>=2020-01-01]", ["E"]),
        ("//subjects/*[gender=female]/experiments/*[date<2015-01-01]/scans", ["1"]),
        ("//subjects/*[gender=male]/experiments", []),
        (f"//subjects/*[{VARIABLE}=treated]", ["S"]),
        (f"//subjects/*[{VARIABLE}=placebo]", []),
        ("//reconstructions/*/out/resources", ["O"]),
        ("//reconstructions/*/in/resources/*/files", ["i.txt"]),
        ("//scans/*[type=T1w]/resources/*/files/*.txt", ["a.txt"]),
    ],
)
def test_what_paths_find(select, path, label):
    assert sorted(select(path).get("label")) == label
