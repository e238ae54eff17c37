"""The code of docs/first-steps.md and of README.md runs, with only server and paths changed."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def blocks(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)


@pytest.fixture
def central(xnat_archive, fill):
    """What the post expects to find on the server."""
    xnat_archive.archive.add_user("USERNAME", "PASSWORD", admin=True)
    fill.put("/data/projects/xnatDownload")
    scans = {"3": ("T1w", {"DICOM": {"0001.dcm": b"first", "0002.dcm": b"second"}})}
    fill.session("xnatDownload", "sub-001", "sub-001_ses-01", scans, date="2020-01-01")
    fill.put("/data/projects/xnatDownload/subjects/sub-001", dob="1930-01-01")
    fill.session("xnatDownload", "sub-002", "sub-002_ses-01", scans, date="2020-01-01")
    fill.put("/data/projects/xnatDownload/subjects/sub-002", dob="1990-01-01")
    return xnat_archive


def test_first_steps(central, tmp_path, capsys):
    names = {}
    code = "\n".join(blocks("docs/first-steps.md"))
    code = code.replace("https://central.xnat.org", central.url)
    code = code.replace("/path/to/", f"{tmp_path}/").replace('"/tmp/', f'"{tmp_path}/')
    exec(compile(code, "first-steps.md", "exec"), names)
    said = capsys.readouterr().out.splitlines()
    assert "xnatDownload" in said[0]
    assert said[2] == "['sub-001', 'sub-002']"
    assert said[3:5] == ["T1w", "0001.dcm"]
    assert [line.split()[0] for line in said[5:]] == ["0001.dcm", "0002.dcm"]
    assert (tmp_path / "0001.dcm").read_bytes() == b"first"
    names["x"].disconnect()
    names["interface"].disconnect()


@pytest.mark.parametrize("name", ["README.md", "docs/select.md", "docs/interfaces.md"])
def test_code_in_the_docs_can_be_read(name):
    found = blocks(name)
    assert found
    for block in found:
        prompt = ">>> " if block.startswith(">>> ") else ""
        ast.parse("\n".join(line.removeprefix(prompt) for line in block.splitlines()))


def test_every_page_that_is_linked_is_there():
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_page_stands_in_the_navigation():
    listed = re.findall(
        r"^  - .*: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M
    )
    assert len(set(listed)) == len(listed)
    assert {page.name for page in (ROOT / "docs").glob("*.md")} <= set(listed)
