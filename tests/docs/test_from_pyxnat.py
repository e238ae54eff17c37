"""The code of docs/from-pyxnat.md runs, with only server and paths changed."""

import re
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "from-pyxnat.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.S | re.M)


def test_the_page(xnat_archive, fill, tmp_path, capsys):
    xnat_archive.archive.add_user("USERNAME", "PASSWORD", admin=True)
    xnat_archive.archive.add_user("my_friend", "secret", email="friend@example.org")
    for name in ("IMAGEN", "CENTRAL_OASIS_CS"):
        fill.put(f"/data/projects/{name}")
    for number, label in enumerate(("000055982442", "000000001274")):
        session = fill.session("IMAGEN", label, f"SessionA_{number}", date="2010-01-01")
        fill.put(f"{session}/assessors/QC{number}", xsiType="xnat:qcAssessmentData")
        fill.file(f"{session}/assessors/QC{number}/out/resources/OUT/files/{label}.txt", b"x")
    (tmp_path / "image.nii").write_bytes(b"image")

    names = {}
    said = []
    for block in BLOCKS:
        code = block.replace("https://central.xnat.org", xnat_archive.url)
        code = code.replace("/path/to", str(tmp_path))
        exec(compile(code, "from-pyxnat.md", "exec"), names)
        said.append(capsys.readouterr().out.splitlines())
    names["same"].disconnect()
    told = dict(zip(re.findall(r"^## (.*)", PAGE.read_text(), re.M), said[1:], strict=True))

    assert set(told["Paths"]) == {"000055982442.txt", "000000001274.txt"}
    assert told["Creating and removing"] == ["False mr_custom_ID subj_custom_ID xnat:mrSessionData"]
    files = told["Files"]
    assert files[0] == "5 T1 NIFTI image test"
    assert files[2] == "['copy.nii', 'image.nii'] ['copy.nii']"
    for name in ("a.nii", "b.nii", "NIFTI/image.nii", "NIFTI/copy.nii"):
        assert (tmp_path / name).read_bytes() == b"image"
    assert told["Fields"] == ["['test project', 'mine']", "42.0", "['one'] 1"]
    shared = told["Permissions and sharing"]
    assert shared[0] == "public ['my_friend'] member"
    assert shared[1:] == ["['my_project', 'project2']", "['second', 'third']"]
    assert re.findall("'program': '([^']*)'", told["Provenance"][0]) == ["young", "old"]
    looked = told["Introspection"]
    assert "'xnat:mrSessionData'" in looked[0] and "xnat:petSessionData" not in looked[1]
    assert "'xnat:subjectData/SUBJECT_ID'" in looked[2] and "GENDER" not in looked[2]
    assert "'42'" in looked[3]
    assert looked[4].endswith("['xnat:qcAssessmentData']")

    assert names["found"].get() == ["mr_custom_ID"]
    assert names["table"].as_list() == [["session_id", "age"], ["mr_custom_ID", "42"]]
    assert len(names["everything"]) == 4
    assert {"gender", "subject_id"} <= set(names["all_columns"].headers())
    assert told["Searches"][-1] == "[('adults', 'over 14')] 1"
    assert names["used"].column("session_id") == ["mr_custom_ID"]
    assert names["ids"].get() == ["mr_custom_ID"]
    assert names["again"].as_list() == [["session_id"], ["mr_custom_ID"]]
    assert names["experiments"].column("ID") == ["mr_custom_ID"]
    assert len(names["scans"]) == 1
    assert names["adults"].column("session_id") == ["mr_custom_ID"]
    documents = told["Listings and documents"]
    assert documents[-1] == "['subj_custom_ID']" and "'subj_custom_ID'" in documents[0]
    assert told["Accounts"] == ["['admin', 'USERNAME', 'my_friend'] friend@example.org"]


def test_what_upgrading_names_can_be_imported():
    page = (PAGE.parent / "upgrading.md").read_text(encoding="utf-8")
    imports = re.findall(r"`(from nipype_xnat\S* import \w+)`", page)
    assert len(imports) >= 3
    for line in imports:
        exec(line, {})
