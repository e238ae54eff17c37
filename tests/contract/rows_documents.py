"""Documents: what XML brings in and out, what values are taken, what the schemas tell."""

from .table import Row

P = "/data/projects/{p}"
S1 = P + "/subjects/S1"
MR1 = S1 + "/experiments/MR1"
XML = {"Content-Type": "text/xml"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NAMES = (
    'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:prov="http://www.nbirn.net/prov" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)


def _session(inner, label="X1", attributes=""):
    return (
        f'<xnat:MRSession ID="" project="" label="{label}" {attributes} {NAMES}>{inner}'
        "</xnat:MRSession>"
    )


def _qc(moment):
    return (
        f'<xnat:QCManualAssessment ID="" project="{{p}}" label="PROV" {NAMES}>'
        "<xnat:provenance><prov:processStep><prov:program>bet</prov:program>"
        f"<prov:timestamp>{moment}</prov:timestamp><prov:user>me</prov:user>"
        "<prov:machine>m</prov:machine><prov:platform>linux</prov:platform>"
        "</prov:processStep></xnat:provenance>"
        "<xnat:imageSession_ID>{e1}</xnat:imageSession_ID><xnat:pass>1</xnat:pass>"
        "</xnat:QCManualAssessment>"
    )


def _moments():
    for moment in ("2020-01-01 01:02:03", "2020-01-01T01:02:03", "2020-01-01T01:02:03Z"):
        path = f"{MR1}/assessors/PROV"
        after = (("GET", path + "?format=xml", 200, {"contains": "2020-01-01T01:02:03"}),)
        source = "T TestXmlOddities"
        yield Row("PUT", path, 201, source, body=_qc(moment), headers=XML, after=after)
        before = (("PUT", path + "?xsiType=xnat:qcManualAssessorData"),)
        yield Row(
            "PUT", path, 200, source, body=_qc(moment), headers=XML, before=before, after=after
        )


def _refused():
    """Values that the server's validator does not let pass."""
    for path, field, value in (
        (S1, "xnat:subjectData/group", "x" * 256),
        (S1, "xnat:subjectData/demographics/education", "31"),
        (S1, "xnat:subjectData/demographics/handedness", "both"),
        (S1, "xnat:subjectData/investigator/lastname", "x" * 26),
        (MR1, "xnat:mrSessionData/operator", "x" * 256),
        (MR1, "xnat:mrSessionData/date", "never"),
        (f"{MR1}/scans/1", "xnat:mrScanData/frames", "1.5"),
        (f"{MR1}/scans/1", "xnat:mrScanData/parameters/tr", "long"),
        (f"{MR1}/scans/1", "xnat:mrScanData/parameters/orientation", "oblique"),
    ):
        body = f"{field}={value}"
        yield Row("PUT", path, 400, "J XFTValidator", body=body, headers=FORM)


ROWS = [
    *_moments(),
    *_refused(),
    # ---- documents in
    Row(
        "PUT",
        S1 + "/experiments/X1",
        201,
        "T TestSubjAssessmentResources",
        body=_session(
            "<xnat:date>2001-01-01</xnat:date><xnat:subject_ID/><xnat:scans>"
            '<xnat:scan ID="1" type="MPRAGE" xsi:type="xnat:mrScanData"/>'
            '<xnat:scan ID="2" type="BOLD" xsi:type="xnat:mrScanData"/></xnat:scans>'
            "<xnat:coil>test</xnat:coil>"
        ),
        headers=XML,
        after=(
            (
                "GET",
                S1 + "/experiments/X1?format=json",
                200,
                {"field": {"coil": "test", "date": "2001-01-01", "project": "{p}"}},
            ),
            ("GET", S1 + "/experiments/X1/scans", 200, {"values": {"type": ["BOLD", "MPRAGE"]}}),
        ),
    ),
    Row(
        "PUT",
        S1 + "/experiments/X1",
        200,
        "T TestSubjAssessmentResources",
        before=(("PUT", S1 + "/experiments/X1?xsiType=xnat:mrSessionData"),),
        body=_session("<xnat:subject_ID/><xnat:coil>test2</xnat:coil>"),
        headers=XML,
        after=(("GET", S1 + "/experiments/X1?format=json", 200, {"field": {"coil": "test2"}}),),
    ),
    Row(
        "POST",
        S1 + "/experiments",
        400,
        "T TestSubjAssessmentResources",
        body=_session("<xnat:date>2001-13-01</xnat:date>"),
        headers=XML,
    ),
    Row(
        "POST",
        S1 + "/experiments",
        400,
        "T TestSubjAssessmentResources",
        body=_session("", attributes='version="one"'),
        headers=XML,
    ),
    Row(
        "POST",
        S1 + "/experiments",
        400,
        "T TestSubjAssessmentResources",
        body=_session("<xnat:operator>" + "x" * 300 + "</xnat:operator>"),
        headers=XML,
    ),
    Row(
        "PUT",
        MR1 + "/reconstructions/R1",
        200,
        "J ReconResource",
        body=f'<xnat:ReconstructedImage ID="R1" type="mean" {NAMES}><xnat:inScans>'
        "<xnat:scanID>1</xnat:scanID></xnat:inScans><xnat:computations>"
        '<xnat:datum name="v" value="2" source="x"/></xnat:computations>'
        "</xnat:ReconstructedImage>",
        headers=XML,
        after=(
            (
                "GET",
                MR1 + "/reconstructions/R1?format=json",
                200,
                {"contains": ['"computations/datum"', '"inScans/scanID"']},
            ),
        ),
    ),
    Row(
        "PUT",
        P,
        200,
        "T TestProjectResources",
        body=f'<xnat:Project ID="" secondary_ID="" {NAMES}><xnat:keywords>test keywords'
        '</xnat:keywords><xnat:studyProtocol name="Subjects" data-type="xnat:subjectData" '
        'xsi:type="xnat:datatypeProtocol"/><xnat:PI><xnat:title>Dr.</xnat:title>'
        "<xnat:firstname>D</xnat:firstname><xnat:lastname>M</xnat:lastname></xnat:PI>"
        "</xnat:Project>",
        headers=XML,
        after=(
            (
                "GET",
                P + "?format=xml",
                200,
                {
                    "contains": [
                        "test keywords",
                        'xsi:type="xnat:datatypeProtocol"',
                        "<xnat:title>Dr.</xnat:title>",
                    ]
                },
            ),
        ),
    ),
    # ---- documents out
    Row(
        "GET",
        S1 + "?format=json",
        200,
        "J FlattenedItem",
        expect={"contains": ['"field": "demographics"', '"xsi:type": "xnat:demographicData"']},
    ),
    Row(
        "GET",
        MR1 + "?format=xml",
        200,
        "J SAXWriter",
        expect={
            "contains": [
                'xsi:type="xnat:mrScanData"',
                "schemas/assessments/assessments.xsd",
                "hidden_fields[",
            ]
        },
    ),
    Row(
        "GET",
        MR1 + "?format=xml&concealHiddenFields=true",
        200,
        "J SAXWriter",
        expect={"lacks": "hidden_fields["},
    ),
    # a single item of the declared type does not name it
    Row(
        "GET",
        MR1 + "?format=xml",
        200,
        "J SAXWriter",
        before=(("PUT", MR1 + "?pi_lastname=Doe&pi_firstname=Jane"),),
        expect={"contains": "<xnat:investigator>", "lacks": 'xsi:type="xnat:investigatorData"'},
    ),
    # ---- types
    Row("PUT", S1 + "/experiments/X1?xsiType=xnat:nothingData", 400, "J SubjAssessmentResource"),
    Row(
        "PUT",
        S1 + "/experiments/X1?xsiType=xnat_a:ybocsData",
        201,
        "J SubjAssessmentResource",
        body="xnat_a:ybocsData/sedation=9&xnat_a:ybocsData/timePerforming=3",
        headers=FORM,
        after=(
            (
                "GET",
                S1 + "/experiments/X1?format=json",
                200,
                {"field": {"timePerforming": 3}},
            ),
        ),
    ),
    # ---- schemas
    Row("GET", "/xapi/schemas", 200, "J SchemaApi", expect={"contains": ['"xnat"', '"catalog"']}),
    Row(
        "GET",
        "/xapi/schemas/xnat",
        200,
        "J SchemaApi",
        expect={"contains": 'name="mrSessionData"', "headers": {"Content-Type": "xml"}},
    ),
    Row(
        "GET",
        "/xapi/schemas/assessments/assessments",
        200,
        "J SchemaApi",
        expect={"contains": 'targetNamespace="http://nrg.wustl.edu/xnat_assessments"'},
    ),
    Row("GET", "/xapi/schemas/nothing", 404, "J SchemaApi"),
    Row(
        "GET",
        "/xapi/schemas/datatypes",
        200,
        "J SchemaApi",
        expect={"contains": ['"xnat:mrSessionData"', '"xnat:addField"']},
    ),
    Row(
        "GET",
        "/xapi/schemas/datatypes/searchable",
        200,
        "J SchemaApi",
        expect={"contains": '"xnat:mrSessionData"', "lacks": '"xnat:mrScanData"'},
    ),
    Row(
        "GET",
        "/xapi/schemas/datatypes/names/all",
        200,
        "J SchemaApi",
        expect={"keys": ["timestamp", "xnat_mrSessionData"]},
    ),
    Row(
        "GET",
        "/xapi/schemas/datatypes/names/xnat:mrSessionData",
        200,
        "J SchemaApi",
        expect={
            "contains": [
                '"xnat_mrSessionData"',
                '"xnat:MRSession"',
                '"http://nrg.wustl.edu/xnat:MRSession"',
            ]
        },
    ),
    Row("GET", "/xapi/schemas/datatypes/names/xnat:nothing", 404, "J SchemaApi"),
    Row("GET", "/schemas/xnat/xnat.xsd", 200, "D XNAT XML", expect={"contains": "<xs:schema"}),
    Row("GET", "/schemas/nothing/nothing.xsd", 404, "D XNAT XML"),
]
