"""Elements as documents: all of XNAT's types and fields, in and out, valid by the schemas."""

import json

import pytest
import requests
from lxml import etree

from nipype_xnat.archive import datatypes

XML = {"Content-Type": "text/xml"}
NAMES = (
    'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:prov="http://www.nbirn.net/prov" '
    'xmlns:val="http://nrg.wustl.edu/val" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
PROJECT = f"""<xnat:Project ID="P" secondary_ID="short" active="true" {NAMES}>
<xnat:name>long</xnat:name><xnat:description>d</xnat:description><xnat:keywords>a b</xnat:keywords>
<xnat:aliases><xnat:alias>OLD</xnat:alias><xnat:alias>OLDER</xnat:alias></xnat:aliases>
<xnat:publications><xnat:publication doi="10.1/x" type="article" isPrimary="true">
<xnat:title>On x</xnat:title><xnat:commentary>good</xnat:commentary></xnat:publication>
</xnat:publications>
<xnat:studyProtocol ID="P_s" name="Subjects" data-type="xnat:subjectData"
 xsi:type="xnat:datatypeProtocol"><xnat:definitions><xnat:definition ID="scores"
 data-type="xnat:subjectData" project-specific="1"><xnat:fields><xnat:field name="iq"
 type="custom" datatype="integer" required="0"><xnat:possibleValues>
<xnat:possibleValue display="low">90</xnat:possibleValue><xnat:possibleValue>110
</xnat:possibleValue></xnat:possibleValues></xnat:field></xnat:fields></xnat:definition>
</xnat:definitions></xnat:studyProtocol>
<xnat:PI><xnat:title>Dr</xnat:title><xnat:firstname>A</xnat:firstname>
<xnat:lastname>B</xnat:lastname></xnat:PI>
<xnat:investigators><xnat:investigator><xnat:firstname>C</xnat:firstname>
<xnat:lastname>D</xnat:lastname><xnat:email>c@d</xnat:email></xnat:investigator>
<xnat:investigator><xnat:firstname>E</xnat:firstname><xnat:lastname>F</xnat:lastname>
</xnat:investigator></xnat:investigators>
<xnat:fields><xnat:field name="note">n</xnat:field></xnat:fields></xnat:Project>"""
SUBJECT = f"""<xnat:Subject label="S" project="P" group="control" src="x" {NAMES}>
<xnat:investigator><xnat:firstname>A</xnat:firstname><xnat:lastname>B</xnat:lastname>
</xnat:investigator>
<xnat:demographics xsi:type="xnat:demographicData"><xnat:yob>1980</xnat:yob>
<xnat:gender>female</xnat:gender><xnat:handedness>right</xnat:handedness>
<xnat:weight units="kg">61.5</xnat:weight></xnat:demographics>
<xnat:metadata xsi:type="xnat:subjectMetadata"><xnat:cohort>second</xnat:cohort></xnat:metadata>
<xnat:addID name="clinic">77</xnat:addID><xnat:addID name="lab">L &amp; M</xnat:addID>
<xnat:fields><xnat:field name="iq">101</xnat:field></xnat:fields></xnat:Subject>"""
SESSION = f"""<xnat:MRSession label="MR" project="P" modality="MR" UID="1.2.3" {NAMES}>
<xnat:date>2024-05-07</xnat:date><xnat:time>10:11:12</xnat:time><xnat:note>n</xnat:note>
<xnat:investigator><xnat:firstname>A</xnat:firstname><xnat:lastname>B</xnat:lastname>
</xnat:investigator>
<xnat:validation status="ok"><xnat:method>eye</xnat:method><xnat:date>2024-05-08</xnat:date>
</xnat:validation>
<xnat:resources><xnat:resource label="NOTES" format="TXT" content="RAW"
 URI="NOTES_catalog.xml" xsi:type="xnat:resourceCatalog"/></xnat:resources>
<xnat:subject_ID>S</xnat:subject_ID>
<xnat:regions><xnat:region name="Brainstem" hemisphere="both">
<xnat:file label="F" URI="a.nii" xsi:type="xnat:resourceCatalog"/>
<xnat:baseimage URI="b.nii" xsi:type="xnat:imageResource"><xnat:dimensions x="4" y="5"/>
</xnat:baseimage><xnat:creator><xnat:firstname>A</xnat:firstname></xnat:creator>
<xnat:subregionlabels><xnat:label id="3" hemisphere="left">pons</xnat:label>
</xnat:subregionlabels></xnat:region></xnat:regions>
<xnat:scanner manufacturer="X" model="Y">SC01</xnat:scanner>
<xnat:scans>
<xnat:scan ID="1" type="T1w" UID="1.2.3.1" xsi:type="xnat:mrScanData">
<xnat:quality>usable</xnat:quality><xnat:file label="DICOM" format="DICOM" content="RAW"
 URI="DICOM_catalog.xml" xsi:type="xnat:resourceCatalog"><xnat:tags>
<xnat:tag name="a">b</xnat:tag></xnat:tags></xnat:file>
<xnat:validation status="bad"/><xnat:fieldStrength>3.0</xnat:fieldStrength>
<xnat:parameters><xnat:voxelRes units="mm" x="1.0" y="1.5" z="2.0"/><xnat:tr>2300.0</xnat:tr>
<xnat:addParam name="b">2</xnat:addParam><xnat:addParam name="a">1</xnat:addParam>
<xnat:pmc>on</xnat:pmc></xnat:parameters></xnat:scan>
<xnat:scan ID="2" type="CT" xsi:type="xnat:ctScanData"><xnat:parameters>
<xnat:rotationDirection>CW</xnat:rotationDirection><xnat:focalSpots>
<xnat:focalSpot>0.6</xnat:focalSpot><xnat:focalSpot>1.2</xnat:focalSpot></xnat:focalSpots>
<xnat:contrastBolus><xnat:agent>iodine</xnat:agent><xnat:volume>5.0</xnat:volume>
</xnat:contrastBolus></xnat:parameters></xnat:scan></xnat:scans>
<xnat:reconstructions><xnat:reconstructedImage ID="R1" type="mean" baseScanType="T1w">
<xnat:inScans><xnat:scanID>1</xnat:scanID><xnat:scanID>2</xnat:scanID></xnat:inScans>
<xnat:out><xnat:file label="IMG" URI="IMG_catalog.xml" xsi:type="xnat:resourceCatalog"/></xnat:out>
<xnat:provenance><prov:processStep><prov:program version="1.0" arguments="-x">bet</prov:program>
<prov:timestamp>2024-05-07T10:11:12</prov:timestamp><prov:user>me</prov:user>
<prov:machine>m</prov:machine><prov:platform version="5">linux</prov:platform>
<prov:library version="2">libc</prov:library><prov:library>libm</prov:library>
</prov:processStep></xnat:provenance>
<xnat:computations><xnat:datum name="vol" value="3.5" source="x" units="ml"/></xnat:computations>
</xnat:reconstructedImage></xnat:reconstructions>
<xnat:assessors><xnat:assessor label="QC" xsi:type="xnat:qcManualAssessorData">
<xnat:rater>me</xnat:rater><xnat:scans>
<xnat:scan xsi:type="xnat:mrQcScanData"><xnat:imageScan_ID>1</xnat:imageScan_ID>
<xnat:pass>1</xnat:pass><xnat:rating scale="1-5">4</xnat:rating><xnat:fields>
<xnat:field name="ghost">no</xnat:field></xnat:fields><xnat:wrap>none</xnat:wrap></xnat:scan>
</xnat:scans><xnat:pass>1</xnat:pass></xnat:assessor>
<xnat:assessor label="AQC" type="auto" xsi:type="xnat:qcAssessmentData"><xnat:scans>
<xnat:scan id="1"><xnat:sliceQC><xnat:slice number="1">
<xnat:sliceStatistics xsi:type="xnat:statisticsData"><xnat:mean>1.5</xnat:mean>
<xnat:additionalStatistics name="kurtosis">0.5</xnat:additionalStatistics>
<xnat:addField name="by">me</xnat:addField></xnat:sliceStatistics></xnat:slice></xnat:sliceQC>
<xnat:scanStatistics xsi:type="xnat:statisticsData"><xnat:max>9.0</xnat:max>
</xnat:scanStatistics></xnat:scan></xnat:scans></xnat:assessor>
<xnat:assessor label="VAL" xsi:type="val:protocolData"><val:check status="pass">
<val:conditions><val:condition ID="1" status="pass"><val:verified>yes</val:verified>
</val:condition></val:conditions><val:comments><val:comment username="me"
 dateTime="2024-05-07T10:11:12">fine</val:comment></val:comments></val:check></xnat:assessor>
</xnat:assessors></xnat:MRSession>"""


@pytest.fixture
def http(xnat_archive):
    """Speak with the test's own archive as its admin."""
    with requests.Session() as session:
        session.auth = ("admin", "admin")
        session.headers["User-Agent"] = "tests"
        session.post(xnat_archive.url + "/data/JSESSION")
        session.auth = None
        send = session.request
        session.request = lambda method, path, **kw: send(method, xnat_archive.url + path, **kw)
        yield session


@pytest.fixture
def schema(http):
    """The site's own schema, fetched as a validator fetches it."""

    class Site(etree.Resolver):
        def resolve(self, url, public, context):
            place = url[url.index("/schemas/") :]
            answer = http.get(place)
            assert answer.status_code == 200, place
            return self.resolve_string(answer.content, context, base_url="http://site" + place)

    parser = etree.XMLParser()
    parser.resolvers.add(Site())
    places = dict(
        zip(*[iter(_locations(http.get("/data/projects/P?format=xml").content))] * 2, strict=True)
    )
    imports = "".join(
        f'<xs:import namespace="{uri}" schemaLocation="http://site{place}"/>'
        for uri, place in places.items()
    )
    text = f'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">{imports}</xs:schema>'
    root = etree.fromstring(text.encode(), parser, base_url="http://site/schemas/all.xsd")
    return etree.XMLSchema(etree.ElementTree(root))


def _locations(document):
    root = etree.fromstring(document)
    words = root.get("{http://www.w3.org/2001/XMLSchema-instance}schemaLocation").split()
    return [word if n % 2 == 0 else word[word.index("/schemas/") :] for n, word in enumerate(words)]


def put(http, path, **more):
    answer = http.put(path, **more)
    assert answer.status_code in {200, 201}, (path, answer.status_code, answer.text)
    return answer.text


@pytest.fixture
def tree(http):
    """A project with one of everything, sent as documents."""
    put(http, "/data/projects/P", data=PROJECT, headers=XML)
    put(http, "/data/projects/P/subjects/S", data=SUBJECT, headers=XML)
    put(http, "/data/projects/P/subjects/S/experiments/MR", data=SESSION, headers=XML)


def flat(item, front=""):
    """Spread a JSON item: address to value, lists as positions."""
    found = {front + path: value for path, value in item["data_fields"].items()}
    for child in item["children"]:
        many = len(child["items"]) > 1
        for number, inner in enumerate(child["items"]):
            place = f"{front}{child['field']}" + (f"[{number}]" if many else "")
            found.update(flat(inner, f"{place}/"))
    return found


def items(http, path):
    return flat(http.get(path + "?format=json").json()["items"][0])


def canonical(element):
    """What a document says, without addresses of this site, comments and generated ids."""
    generated = {"ID", "URI", "file_count", "file_size", "project", "label"}
    return (
        etree.QName(element).localname,
        {k: v for k, v in element.attrib.items() if k not in generated and "schemaLoc" not in k},
        "".join(element.xpath("text()")).strip(),
        [canonical(child) for child in element if isinstance(child.tag, str)],
    )


def test_what_is_sent_as_documents_comes_back_as_items(http, tree):
    project = items(http, "/data/projects/P")
    assert (project["PI/lastname"], project["keywords"], project["active"]) == ("B", "a b", "true")
    assert project["aliases/alias[0]/alias"] == "OLD"
    assert project["investigators/investigator[1]/firstname"] == "E"
    assert project["publications/publication/title"] == "On x"
    value = "studyProtocol/definitions/definition/fields/field/possibleValues/possibleValue"
    assert project[f"{value}[0]/display"] == "low"
    assert project[f"{value}[1]/possibleValue"] == "110"
    subject = items(http, "/data/projects/P/subjects/S")
    assert (subject["demographics/yob"], subject["demographics/weight/units"]) == (1980, "kg")
    assert (subject["metadata/cohort"], subject["addID[1]/addID"]) == ("second", "L & M")
    session = items(http, "/data/projects/P/subjects/S/experiments/MR")
    assert session["validation/status"] == "ok"
    assert session["regions/region/baseimage/dimensions/x"] == 4
    assert session["regions/region/subregionlabels/label/label"] == "pons"
    assert session["scans/scan[0]/parameters/voxelRes/y"] == 1.5
    assert session["scans/scan[0]/parameters/addParam[1]/addField"] == "1"
    assert session["scans/scan[1]/parameters/focalSpots/focalSpot[1]/focalSpot"] == 1.2
    assert session["scans/scan[1]/parameters/contrastBolus/agent"] == "iodine"
    recon = "reconstructions/reconstructedImage"
    assert session[f"{recon}/inScans/scanID[1]/scanID"] == "2"
    step = f"{recon}/provenance/processStep"
    assert (session[f"{step}/program"], session[f"{step}/library[1]/library"]) == ("bet", "libm")
    assert session[f"{recon}/computations/datum/units"] == "ml"
    assert session["assessors/assessor[0]/scans/scan/rating/scale"] == "1-5"
    assert session["assessors/assessor[0]/scans/scan/wrap"] == "none"
    slice_ = "assessors/assessor[1]/scans/scan/sliceQC/slice/sliceStatistics"
    assert session[f"{slice_}/additionalStatistics/additionalStatistics"] == 0.5
    assert session["assessors/assessor[2]/check/conditions/condition/verified"] == "yes"


def test_every_document_is_valid_by_the_schemas_of_the_site(http, tree, schema):
    session = "/data/projects/P/subjects/S/experiments/MR"
    for path in (
        "/data/projects/P",
        "/data/projects/P/subjects/S",
        session,
        session + "/scans/1",
        session + "/scans/2",
        session + "/reconstructions/R1",
        session + "/assessors/QC",
        session + "/assessors/AQC",
        session + "/assessors/VAL",
    ):
        document = etree.fromstring(http.get(path + "?format=xml").content)
        assert schema.validate(document), (path, schema.error_log)


def test_a_document_sent_back_changes_nothing_and_doubles_nothing(http, tree):
    for path in (
        "/data/projects/P",
        "/data/projects/P/subjects/S",
        "/data/projects/P/subjects/S/experiments/MR",
    ):
        before = http.get(path + "?format=xml").content
        put(http, path, data=before, headers=XML)
        after = http.get(path + "?format=xml").content
        assert canonical(etree.fromstring(after)) == canonical(etree.fromstring(before))


def test_a_document_made_elsewhere_is_the_same_here(http, tree):
    document = http.get("/data/projects/P/subjects/S/experiments/MR?format=xml").content
    root = etree.fromstring(document)
    for element in root.iter(etree.Element):
        for name in ("ID", "project"):
            if element.get("project") is not None or name == "project":
                element.attrib.pop(name, None)
    space = "{http://nrg.wustl.edu/xnat}"
    for name in ("subject_ID", "image_session_ID", "imageSession_ID"):
        for element in list(root.iter(space + name)):
            element.getparent().remove(element)
    root.set("label", "COPY")
    put(http, "/data/projects/Q")
    path = "/data/projects/Q/subjects/T/experiments/COPY"
    put(http, path, data=etree.tostring(root), headers=XML)
    copy = etree.fromstring(http.get(path + "?format=xml").content)
    for element in list(copy.iter(*(space + n for n in _REFERENCES))):
        element.getparent().remove(element)
    assert canonical(copy) == canonical(root)


_REFERENCES = ("subject_ID", "image_session_ID", "imageSession_ID")


def test_lists_are_reached_by_addresses_too(http, tree):
    scan = "/data/projects/P/subjects/S/experiments/MR/scans/1"
    given = {
        "xnat:mrScanData/parameters/addParam[name=b]/addField": "two",
        "xnat:mrScanData/parameters/addParam[name=c]/addField": "3",
    }
    put(http, scan, params=given)
    found = items(http, scan)
    kept = {
        found[f"parameters/addParam[{n}]/name"]: found[f"parameters/addParam[{n}]/addField"]
        for n in range(3)
    }
    assert kept == {"b": "two", "a": "1", "c": "3"}
    more = {
        "xnat:subjectData/addID[0]/name": "new",
        "xnat:subjectData/addID[0]/addID": "9",
        "xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/race": "r",
        "xnat:subjectData/metadata/cohort": "third",
    }
    put(http, "/data/projects/P/subjects/S", params=more)
    found = items(http, "/data/projects/P/subjects/S")
    assert (found["addID[2]/name"], found["addID[2]/addID"]) == ("new", "9")
    assert (found["demographics/race"], found["metadata/cohort"]) == ("r", "third")
    put(
        http,
        "/data/projects/P",
        params={
            "xnat:projectData/investigators/investigator[0]/firstname": "G",
            "xnat:projectData/investigators/investigator[0]/lastname": "H",
            "pi_firstname": "Z",
            "alias": "NEWER",
        },
    )
    found = items(http, "/data/projects/P")
    assert found["investigators/investigator[2]/lastname"] == "H"
    assert (found["PI/firstname"], found["PI/lastname"]) == ("Z", "B")
    assert items(http, "/data/projects/NEWER")["ID"] == "P"


def test_a_document_may_take_away_what_it_does_not_name(http, tree):
    path = "/data/projects/P/subjects/S"
    short = f'<xnat:Subject label="S" project="P" {NAMES}><xnat:addID name="lab">1</xnat:addID>'
    document = short + "</xnat:Subject>"
    put(http, path, data=document, headers=XML)
    assert items(http, path)["addID[0]/name"] == "clinic"
    put(http, path + "?allowDataDeletion=true", data=document, headers=XML)
    found = items(http, path)
    assert (found["addID/name"], found["addID/addID"]) == ("lab", "1")
    assert not [name for name in found if name.startswith("fields/")]


_EXAMPLES = {
    "integer": ("2", 2),
    "float": ("1.5", 1.5),
    "date": ("2024-05-07", "2024-05-07"),
    "time": ("10:11:12", "10:11:12"),
    "datetime": ("2024-05-07 10:11:12", "2024-05-07 10:11:12.0"),
    "boolean": ("true", "true"),
    "duration": ("P1D", "P1D"),
    "string": ("x", "x"),
}
#: fields that name other elements, or that the archive sets
_OWN = {"id", "label", "project", "subject_id", "image_session_id", "imagesession_id", "type"}


def _examples(datatype):
    sent, expected = {}, {}
    for path, field in datatype.fields.items():
        if path.lower() in _OWN:
            continue
        if field.choices:
            sent[path] = expected[path] = field.choices[0]
        else:
            sent[path], expected[path] = _EXAMPLES[field.datatype]
    return sent, expected


def test_every_type_takes_all_its_fields(http, schema_of_all):
    put(http, "/data/projects/P/subjects/S")
    session = "/data/projects/P/subjects/S/experiments/HOME"
    put(http, session + "?xsiType=xnat:petmrSessionData")
    seen = set()
    for datatype in datatypes.load():
        if not datatype.stands_alone or datatype.kind in {"project", "subject"}:
            continue
        name = datatype.name.replace(":", "_")
        place = {"scan": f"{session}/scans", "recon": f"{session}/reconstructions"}.get(
            datatype.kind, "/data/projects/P/subjects/S/experiments"
        )
        if datatype.is_a("xnat:imageAssessorData"):
            place = f"{session}/assessors"
        sent, expected = _examples(datatype)
        body = {f"{datatype.name}/{path}": value for path, value in sent.items()}
        put(http, f"{place}/{name}?xsiType={datatype.name}", data=body)
        answer = http.get(f"{place}/{name}?format=json").json()["items"][0]
        assert answer["meta"]["xsi:type"] == datatype.name
        found = flat(answer)
        assert {path: found.get(path) for path in expected} == expected, datatype.name
        document = etree.fromstring(http.get(f"{place}/{name}?format=xml").content)
        assert schema_of_all.validate(document), (datatype.name, schema_of_all.error_log)
        seen.add(datatype.kind)
    assert seen == {"experiment", "scan", "recon"}


@pytest.fixture
def schema_of_all(http, request):
    put(http, "/data/projects/P")
    return request.getfixturevalue("schema")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("xnat:subjectData/demographics/education", "31"),
        ("xnat:subjectData/demographics/gender", "green"),
        ("xnat:subjectData/demographics/yob", "then"),
        ("xnat:subjectData/demographics/yob", "1_980"),
        ("xnat:subjectData/demographics/weight", "heavy"),
        ("xnat:subjectData/demographics/dob", "yesterday"),
        ("xnat:subjectData/investigator/firstname", "x" * 26),
        ("xnat:subjectData/group", "x" * 256),
        ("xnat:subjectData/addID[name=x]/addID", "x" * 256),
    ],
)
def test_a_value_that_a_field_does_not_take_is_refused(http, path, value):
    put(http, "/data/projects/P")
    put(http, "/data/projects/P/subjects/S")
    before = http.get("/data/projects/P/subjects/S?format=xml").text
    answer = http.put("/data/projects/P/subjects/S", data={path: value})
    assert answer.status_code == 400
    assert path.rpartition("/")[2] in answer.text or value in answer.text
    assert http.get("/data/projects/P/subjects/S?format=xml").text == before


def test_types_that_do_not_exist_or_do_not_fit_are_refused(http):
    put(http, "/data/projects/P")
    put(http, "/data/projects/P/subjects/S/experiments/MR?xsiType=xnat:mrSessionData")
    place = "/data/projects/P/subjects/S/experiments"
    for path in (
        f"{place}/X?xsiType=xnat:nothingData",
        f"{place}/X?xsiType=xnat:mrScanData",
        f"{place}/X?xsiType=xnat:demographicData",
        f"{place}/MR/scans/1?xsiType=xnat:mrSessionData",
        f"{place}/MR/assessors/A?xsiType=xnat:investigatorData",
    ):
        assert http.put(path).status_code == 400, path
    assert len(http.get(f"{place}?format=json").json()["ResultSet"]["Result"]) == 1


@pytest.mark.parametrize("kind", ["subjectData", "qcManualAssessorData", "investigatorData"])
@pytest.mark.parametrize("place", ["scans/scan", "reconstructions/reconstructedImage"])
def test_a_document_with_something_else_among_its_scans_is_refused(http, kind, place):
    above, _, name = place.partition("/")
    put(http, "/data/projects/P")
    session = "/data/projects/P/subjects/S/experiments/MR"
    put(http, session + "?xsiType=xnat:mrSessionData")
    odd = f'<xnat:{above}><xnat:{name} ID="1" xsi:type="xnat:{kind}"/></xnat:{above}>'
    document = f"<xnat:MRSession {NAMES}>{odd}</xnat:MRSession>"
    answer = http.put(session, data=document, headers=XML)
    assert answer.status_code == 400
    assert f"xnat:{kind}" in answer.text and place in answer.text
    assert http.get(session + "/scans?format=json").json()["ResultSet"]["Result"] == []


def test_numbers_that_are_none_are_texts_in_json(http, tree):
    scan = "/data/projects/P/subjects/S/experiments/MR/scans/1"
    put(http, scan, params={"xnat:mrScanData/parameters/te": "NaN"})
    text = http.get(scan + "?format=json").text
    assert flat(json.loads(text, parse_constant=pytest.fail)["items"][0])["parameters/te"] == "NaN"


def test_an_experiment_of_a_project_needs_no_subject(http):
    put(http, "/data/projects/P")
    put(http, "/data/projects/P/experiments/G?xsiType=xnat:genericData&note=x")
    assert items(http, "/data/projects/P/experiments/G")["note"] == "x"
    refused = http.put("/data/projects/P/experiments/M?xsiType=xnat:mrSessionData")
    assert refused.status_code == 422


def rows(http, path, **params):
    return http.get(path, params=params).json()["ResultSet"]["Result"]


def test_fields_of_lists_are_columns_and_filters(http, tree):
    put(http, "/data/projects/P/subjects/S2")
    named = "xnat:subjectData/addID[name=clinic]/addID"
    found = rows(http, "/data/projects/P/subjects", columns=f"label,{named}")
    key = next(name for name in found[0] if "addid" in name)
    assert {row["label"]: row[key] for row in found} == {"S": "77", "S2": ""}
    found = rows(http, "/data/projects/P/subjects", columns=f"label,{named}", **{named: "77"})
    assert [row["label"] for row in found] == ["S"]
    each = "xnat:subjectData/addID/name,xnat:subjectData/addID/addID"
    found = rows(http, "/data/projects/P/subjects", columns=f"label,{each}")
    assert sorted((row["label"], row["xnat:subjectdata/addid/name"]) for row in found) == [
        ("S", "clinic"),
        ("S", "lab"),
        ("S2", ""),
    ]
    scans = "/data/projects/P/subjects/S/experiments/MR/scans"
    param = "xnat:mrScanData/parameters/addParam[name=b]/addField"
    found = rows(http, scans, columns=f"ID,{param}")
    key = next(name for name in found[0] if "addparam" in name)
    assert next(row[key] for row in found if row["ID"] == "1") == "2"


@pytest.mark.parametrize(
    "name",
    [
        "xnat:subjectData/addID[#lists=x]/addID",
        "xnat:subjectData/addID[#type=x]/name",
        "xnat:subjectData/addID[xsi:type=xnat:nothing]/name",
        "xnat:subjectData/addID[[/name",
        "xnat:subjectData/addID[]/",
        "xnat:subjectData/addID/#lists/x",
        "xnat:subjectData/demographics/#type",
        "xnat:subjectData/addID[99999999999999999999]/name",
    ],
)
def test_addresses_that_mean_nothing_break_nothing(http, tree, name):
    path = "/data/projects/P/subjects/S"
    assert http.put(path, data={name: "x"}).status_code in {200, 400}
    assert http.get(path + "?format=xml").status_code == 200
    assert http.get(path + "?format=json").status_code == 200


def test_a_document_of_endless_depth_is_refused(http, tree):
    deep = f"<xnat:Subject {NAMES}>" + "<xnat:x>" * 5000 + "</xnat:x>" * 5000 + "</xnat:Subject>"
    answer = http.put("/data/projects/P/subjects/S", data=deep, headers=XML)
    assert answer.status_code == 422
