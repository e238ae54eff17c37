"""The code of docs/article.md runs, with only server, account and the path of BET changed."""

import ast
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import nipype_xnat as pyxnat

ROOT = Path(__file__).resolve().parents[2]
# a brain extraction that needs both files of a pair beside each other
BET = '#!/bin/sh\ncat "$1.hdr" "$1.img" > "$2.img"\necho "$2" >> "$BET_LOG"\n'


def blocks():
    text = (ROOT / "docs" / "article.md").read_text(encoding="utf-8")
    return re.findall(r"^```python\n(.*?)^```", text, re.S | re.M)


@pytest.fixture
def central(xnat_archive, fill):
    xnat_archive.archive.add_user("USERNAME", "PASSWORD", admin=True)
    xnat_archive.archive.add_user("user", "secret")
    fill.put("/data/projects/CENTRAL_OASIS_CS")
    for number, born, gender in ((1, "1920-01-01", "male"), (2, "1990-01-01", "female")):
        name = f"OAS1_000{number}"
        pair = {f"{name}.img": b"image", f"{name}.hdr": b"header", f"{name}.gif": b"picture"}
        scans = {"mpr-1": ("T1", {"RAW": pair}), "flair": ("T2", {"RAW": {"other.img": b"x"}})}
        fill.session("CENTRAL_OASIS_CS", name, f"{name}_MR1", scans, date="2005-01-01")
        values = {"dob": born, "gender": gender}
        fill.put(f"/data/projects/CENTRAL_OASIS_CS/subjects/{name}", **values)
    base = "/data/projects/CENTRAL_OASIS_CS/subjects/OAS1_0001/experiments/OAS1_0001_MR1"
    fill.file(f"{base}/resources/NOTES/files/notes.txt", b"notes")
    return xnat_archive


def test_sessions_at_a_prompt(central, capsys):
    names = {}
    code = "\n".join(blocks()[:-1]).replace("https://central.xnat.org", central.url)
    exec(compile(code, "article.md", "exec"), names)
    forms = names["forms"]
    assert all(form == forms[0] for form in forms)
    assert forms[0].get("label") == ["notes.txt"]
    assert names["p"].members() == ["user"] and names["p"].collaborators() == []
    assert names["p"].accessibility() == "protected"
    assert [row["age"] for row in names["table"]] == ["85"]
    assert names["experiments"].get("label") == ["OAS1_0001_MR1"]
    assert names["men"].column("age") == names["same"].column("age") == ["85"]
    types, fields, ages = (
        ast.literal_eval(line) for line in capsys.readouterr().out.splitlines()[-3:]
    )
    assert "xnat:mrSessionData" in types and "xnat:mrSessionData/AGE" in fields
    assert ages == ["15", "85"]
    # the search is the other user's as well, and what the template is made of
    with pyxnat.Interface(central.url, "user", "secret") as other:
        assert other.manage.search.saved() == ["search_name"]
    assert names["interface"].manage.search.saved_templates() == ["template_name"]
    names["interface"].disconnect()


def test_brain_extraction(central, tmp_path):
    tool = tmp_path / "bet2"
    tool.write_text(BET)
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    host = urlsplit(central.url).netloc
    netrc = tmp_path / "netrc"
    netrc.write_text(f"machine {host} login USERNAME password PASSWORD\n")
    netrc.chmod(0o600)
    code = blocks()[-1].replace("https://central.xnat.org", central.url)
    script = tmp_path / "bet.py"
    script.write_text(code.replace("fsl4.1-bet2", str(tool)), encoding="utf-8")
    log = tmp_path / "log"
    environment = {
        **os.environ,
        "NETRC": str(netrc),
        "BET_LOG": str(log),
        "PYTHONPATH": str(ROOT),
    }
    # the article's workers begin as copies of the script, which newer Pythons have to be told
    start = (
        "import multiprocessing, runpy, sys; multiprocessing.set_start_method('fork');"
        "runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", start, str(script)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    (brain,) = log.read_text().splitlines()
    assert Path(f"{brain}.img").read_bytes() == b"headerimage"
    assert f"<== {brain[-120:]}" in done.stdout
