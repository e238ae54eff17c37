"""Types that a site adds by a file: the documentation's example, in all parts of the archive."""

import json
import re
from pathlib import Path

import pytest
from lxml import etree

from nipype_xnat.archive.errors import Invalid

PAGE = Path(__file__).parents[2] / "docs" / "local-archive.md"
LAB = "http://lab.example.org/lab"
XML = {"Content-Type": "text/xml"}


@pytest.fixture
def example(tmp_path):
    """The dictionary file that the documentation shows."""
    blocks = re.findall(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.S)
    path = tmp_path / "lab.json"
    path.write_text(next(block for block in blocks if LAB in block))
    return path


@pytest.fixture
def site(start, log_in, example):
    """An archive with the types of the lab, and one element of each."""
    _, url = start(datatypes=(example,))
    http = log_in(url)
    subject = f"{url}/data/projects/P/subjects/S"
    http.put(f"{url}/data/projects/P").raise_for_status()
    fields = {
        "date": "2024-05-07",
        "scanner": "SC01",
        "lab:tmsSessionData/coil": "eight",
        "lab:tmsSessionData/pulse/width": "0.3",
        "lab:tmsSessionData/pulse/units": "ms",
    }
    session = http.put(f"{subject}/experiments/T1?xsiType=lab:tmsSessionData", data=fields)
    assert session.status_code == 201, session.text
    recall = (
        f'<lab:Recall label="R1" project="P" xmlns:lab="{LAB}" '
        'xmlns:xnat="http://nrg.wustl.edu/xnat"><xnat:note>n</xnat:note>'
        '<lab:score>7.5</lab:score><lab:list>A</lab:list><lab:words><lab:word position="1">tree'
        '</lab:word><lab:word position="2">sea</lab:word></lab:words></lab:Recall>'
    )
    made = http.put(f"{subject}/experiments/R1", data=recall, headers=XML)
    assert made.status_code == 201, made.text
    return http, url


def found(http, path):
    return http.get(path).json()["ResultSet"]["Result"]


def test_they_are_made_and_listed(site):
    http, url = site
    rows = found(http, f"{url}/data/projects/P/experiments")
    assert {row["label"]: row["xsiType"] for row in rows} == {
        "T1": "lab:tmsSessionData",
        "R1": "lab:recallData",
    }
    rows = found(
        http,
        f"{url}/data/experiments?xsiType=lab:tmsSessionData&columns=label,lab:tmsSessionData/coil",
    )
    assert [row["lab:tmssessiondata/coil"] for row in rows] == ["eight"]
    # a session of the lab is a session: it has scans
    scan = f"{url}/data/projects/P/subjects/S/experiments/T1/scans/1"
    assert http.put(scan + "?xsiType=xnat:otherDicomScanData").status_code == 200
    rows = found(http, f"{url}/data/search/elements?used=true")
    assert ("lab:recallData", "Recall Test", "Recall Tests") in {
        (row["ELEMENT_NAME"], row["SINGULAR"], row["PLURAL"]) for row in rows
    }


def test_their_documents_have_their_namespace_and_their_order(site):
    http, url = site
    text = http.get(f"{url}/data/projects/P/subjects/S/experiments/R1?format=xml").content
    root = etree.fromstring(text)
    assert root.tag == f"{{{LAB}}}Recall"
    names = [child.tag for child in root if isinstance(child.tag, str)]
    xnat = "{http://nrg.wustl.edu/xnat}"
    lab = f"{{{LAB}}}"
    assert names == [f"{xnat}note", f"{xnat}subject_ID", f"{lab}score", f"{lab}list", f"{lab}words"]
    words = root.findall(f"{lab}words/{lab}word")
    assert [(w.get("position"), "".join(w.itertext()).strip()) for w in words] == [
        ("1", "tree"),
        ("2", "sea"),
    ]


def test_the_schemas_tell_of_them(site):
    http, url = site
    assert "lab" in http.get(f"{url}/xapi/schemas").json()
    assert "lab:recallData" in http.get(f"{url}/xapi/schemas/datatypes").json()

    class Site(etree.Resolver):
        def resolve(self, address, public, context):
            place = address[address.index("/schemas/") :]
            text = http.get(url + place).content
            return self.resolve_string(text, context, base_url="http://site" + place)

    parser = etree.XMLParser()
    parser.resolvers.add(Site())
    text = http.get(f"{url}/schemas/lab/lab.xsd").content
    root = etree.fromstring(text, parser, base_url="http://site/schemas/lab/lab.xsd")
    schema = etree.XMLSchema(etree.ElementTree(root))
    for label in ("R1", "T1"):
        answer = http.get(f"{url}/data/projects/P/subjects/S/experiments/{label}?format=xml")
        document = etree.fromstring(answer.content)
        assert schema.validate(document), schema.error_log


def test_they_are_searched(site):
    http, url = site
    search = (
        '<xdat:bundle ID="@lab:recallData" xmlns:xdat="http://nrg.wustl.edu/security">'
        "<xdat:root_element_name>lab:recallData</xdat:root_element_name>"
        "<xdat:search_field><xdat:element_name>lab:recallData</xdat:element_name>"
        "<xdat:field_ID>SCORE</xdat:field_ID><xdat:sequence>0</xdat:sequence>"
        "<xdat:type>float</xdat:type><xdat:header>s</xdat:header></xdat:search_field>"
        '<xdat:search_where method="AND"><xdat:criteria>'
        "<xdat:schema_field>lab:recallData/score</xdat:schema_field>"
        "<xdat:comparison_type>{}</xdat:comparison_type><xdat:value>7</xdat:value>"
        "</xdat:criteria></xdat:search_where></xdat:bundle>"
    )
    for comparison, scores in (("&gt;", ["7.5"]), ("&lt;", [])):
        answer = http.post(
            f"{url}/data/search?format=json", data=search.format(comparison), headers=XML
        )
        assert [row["score"] for row in answer.json()["ResultSet"]["Result"]] == scores


def test_their_limits_hold(site):
    http, url = site
    experiment = f"{url}/data/projects/P/subjects/S/experiments"
    for name, field, value in (
        ("T1", "lab:tmsSessionData/intensity", "101"),
        ("T1", "lab:tmsSessionData/coil", "x" * 65),
        ("R1", "lab:recallData/list", "C"),
    ):
        assert http.put(f"{experiment}/{name}", data={field: value}).status_code == 400
    assert http.put(f"{experiment}/X?xsiType=lab:word").status_code == 400


def test_xnatpy_has_classes_for_them(site):
    xnat = pytest.importorskip("xnat")
    _, url = site
    with xnat.connect(url, user="admin", password="admin", loglevel="ERROR") as central:
        session = central.projects["P"].experiments["T1"]
        assert session.__xsi_type__ == "lab:tmsSessionData"
        assert session.coil == "eight"
        session.intensity = 40
        assert session.intensity == 40
        subject = central.projects["P"].subjects["S"]
        made = central.XNAT_CLASS_LOOKUP["lab:recallData"](parent=subject, label="R2", score=1.5)
        assert (made.score, made.label) == (1.5, "R2")


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"types": {"lab:x": {"fields": []}}}, "namespace"),
        ({"types": {"xnat:x": {"extends": "xnat:nothing"}}}, "xnat:nothing"),
        ({"types": {"xnat:x": {"fields": ["a colour"]}}}, "colour"),
        ({"types": {"xnat:x": {"fields": ["a[] xnat:nothing"]}}}, "xnat:nothing"),
        ({"types": {"xnat:x": {"fields": ["a xnat:x"]}}}, "holds itself"),
        (["types"], "not a data dictionary"),
    ],
)
def test_what_is_wrong_with_a_file_is_told(start, tmp_path, wrong, told):
    path = tmp_path / "own.json"
    path.write_text(json.dumps(wrong))
    with pytest.raises(Invalid, match=told) as refused:
        start(datatypes=(path,))
    assert str(path) in str(refused.value)


SCHEMA = f"""<xs:schema targetNamespace="{LAB}" xmlns:lab="{LAB}"
 xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:xdat="http://nrg.wustl.edu/xdat"
 xmlns:xs="http://www.w3.org/2001/XMLSchema" elementFormDefault="qualified">
<xs:import namespace="http://nrg.wustl.edu/xnat" schemaLocation="../xnat/xnat.xsd"/>
<xs:element name="Recall" type="lab:recallData"/>
<xs:complexType name="recallData"><xs:complexContent>
<xs:extension base="xnat:subjectAssessorData"><xs:sequence>
<xs:element name="score" minOccurs="0"><xs:complexType><xs:simpleContent>
<xs:extension base="xs:float"><xs:attribute name="units" type="xs:string"/></xs:extension>
</xs:simpleContent></xs:complexType></xs:element>
<xs:element name="level" minOccurs="0"><xs:simpleType><xs:restriction base="xs:integer">
<xs:minInclusive value="0"/><xs:maxInclusive value="3"/></xs:restriction></xs:simpleType>
</xs:element>
<xs:element name="tester" type="xnat:investigatorData" minOccurs="0"/>
<xs:element name="words"><xs:complexType><xs:sequence>
<xs:element name="word" minOccurs="0" maxOccurs="unbounded"><xs:annotation><xs:appinfo>
<xdat:element displayIdentifiers="position"/></xs:appinfo></xs:annotation>
<xs:complexType><xs:simpleContent><xs:extension base="xs:string">
<xs:attribute name="position" type="xs:integer"><xs:annotation><xs:appinfo>
<xdat:field uniqueComposite="P"/></xs:appinfo></xs:annotation></xs:attribute></xs:extension>
</xs:simpleContent></xs:complexType></xs:element></xs:sequence></xs:complexType></xs:element>
</xs:sequence><xs:attribute name="form" type="xs:string"/></xs:extension></xs:complexContent>
</xs:complexType></xs:schema>"""


def test_a_schema_of_a_real_xnat_site_is_taken_as_it_is(start, log_in, tmp_path):
    path = tmp_path / "lab.xsd"
    path.write_text(SCHEMA)
    _, url = start(datatypes=(path,))
    http = log_in(url)
    http.put(f"{url}/data/projects/P").raise_for_status()
    recall = f"{url}/data/projects/P/subjects/S/experiments/R1"
    fields = {
        "lab:recallData/score": "7.5",
        "lab:recallData/score/units": "points",
        "lab:recallData/form": "A",
        "lab:recallData/tester/lastname": "Doe",
        "lab:recallData/words/word[position=1]/word": "tree",
    }
    assert http.put(f"{recall}?xsiType=lab:recallData", data=fields).status_code == 201
    assert http.put(recall, data={"lab:recallData/level": "4"}).status_code == 400
    item = http.get(recall + "?format=json").json()["items"][0]
    assert {"score": 7.5, "score/units": "points", "form": "A"}.items() <= item[
        "data_fields"
    ].items()
    held = {child["field"]: child["items"][0]["data_fields"] for child in item["children"]}
    assert held["tester"]["lastname"] == "Doe"
    assert {"word": "tree", "position": 1}.items() <= held["words/word"].items()
    assert b"<lab:tester>" in http.get(recall + "?format=xml").content
    path.write_text("<xs:schema")
    with pytest.raises(Invalid, match=r"lab\.xsd is not a data dictionary"):
        start("other", datatypes=(path, path))
