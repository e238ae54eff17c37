"""The code of docs/client.md runs, with only servers and paths changed."""

import re
from pathlib import Path

import pytest

from nipype_xnat.archive import Archive
from support.filler import Filler

PAGE = Path(__file__).resolve().parents[2] / "docs" / "client.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)
CODE = "\n".join(BLOCKS)


def filled(archive, url):
    archive.add_user("USERNAME", "PASSWORD", admin=True)
    archive.add_user("jane", "secret", admin=False)
    fill = Filler(url)
    fill.put("/data/projects/P")
    for label, year, gender in (("ann", 1940, "female"), ("ben", 1995, "male")):
        scans = {"1": ("T1w", {"NIFTI": {"a.nii": b"a"}})}
        fill.session("P", label, f"{label}_MR", scans, date="2020-01-01")
        fill.put(f"/data/projects/P/subjects/{label}", dob=f"{year}-01-01", gender=gender)


def test_the_page(xnat_archive, tmp_path, capsys):
    pytest.importorskip("pandas")
    filled(xnat_archive.archive, xnat_archive.url)
    with Archive(tmp_path / "other") as archive, archive.running() as url:
        filled(archive, url)
        code = CODE.replace("https://central.xnat.org", xnat_archive.url)
        code = code.replace("https://other.xnat.org", url).replace("/path/to/", f"{tmp_path}/")
        names = {}
        exec(compile(code, "client.md", "exec"), names)
    said = capsys.readouterr().out
    assert said.splitlines()[0] == "ann_MR"
    for text in ("collaborator [", "central ann", "other ben", "T1w (2)", "-> 200, "):
        assert text in said
    assert {path.name for path in tmp_path.glob("*.*")} >= {
        "ages.csv",
        "ages.json",
        "P.svg",
        "calls.har",
    }
    assert {one.path.read_bytes() for one in names["fetched"]} == {b"a"}
    assert "ann_MR a.nii " in said and "ben_MR a.nii " in said
    assert names["frame"]["label"].tolist()
    assert names["graph"].number_of_nodes() == 5
