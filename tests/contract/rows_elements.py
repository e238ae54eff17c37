"""Elements: making, changing, showing, sharing, deleting."""

from .table import Row

P = "/data/projects/{p}"
S1 = P + "/subjects/S1"
MR1 = S1 + "/experiments/MR1"
E1 = "/data/experiments/{e1}"
MR = "xsiType=xnat:mrSessionData"
SUBJECT_XML = (
    '<xnat:Subject label="X1" project="{p}" xmlns:xnat="http://nrg.wustl.edu/xnat" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    '<xnat:fields><xnat:field name="iq">101</xnat:field></xnat:fields>'
    '<xnat:demographics xsi:type="xnat:demographicData"><xnat:yob>1980</xnat:yob>'
    "<xnat:gender>female</xnat:gender></xnat:demographics></xnat:Subject>"
)
SESSION_XML = (
    '<xnat:MRSession label="X2" project="{p}" xmlns:xnat="http://nrg.wustl.edu/xnat" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><xnat:date>2014-05-07</xnat:date>'
    "<xnat:subject_ID>{s1}</xnat:subject_ID><xnat:scans>"
    '<xnat:scan ID="7" type="T1" xsi:type="xnat:mrScanData"><xnat:quality>usable</xnat:quality>'
    "<xnat:parameters><xnat:tr>2300.0</xnat:tr></xnat:parameters></xnat:scan></xnat:scans>"
    "</xnat:MRSession>"
)
XML = {"Content-Type": "text/xml"}

ROWS = [
    # ---- projects
    Row("PUT", P, 200, "J ProjectResource", expect={"text": ""}),
    Row(
        "PUT",
        "/data/projects/{p}c?description=d",
        200,
        "T TestProjectResources",
        after=(
            ("GET", "/data/projects/{p}c?format=json", 200, {"field": {"description": "d"}}),
            ("DELETE", "/data/projects/{p}c", 200),
        ),
    ),
    Row("PUT", "/data/projects/{p}c?name={p}-name", 409, "J ProjectResource"),
    Row("PUT", "/data/projects/bad.id%20x", 417, "J ProjectResource"),
    Row(
        "PUT",
        "/data/projects/{p}d",
        403,
        "J ProjectResource",
        before=(("PUT", "/data/projects/{p}d"), ("DELETE", "/data/projects/{p}d")),
    ),
    Row(
        "GET",
        P + "?format=json",
        200,
        "J ProjectResource",
        expect={"field": {"ID": "{p}", "name": "{p}-name"}},
    ),
    Row(
        "GET",
        P + "?format=xml",
        200,
        "J ProjectResource",
        expect={"contains": ["<xnat:Project", 'ID="{p}"']},
    ),
    Row("GET", "/data/projects/nosuchproject?format=json", 404, "J ProjectResource"),
    Row(
        "GET",
        "/data/projects/{p}-alias?format=json",
        200,
        "J XnatProjectdata",
        before=(("PUT", P + "?alias={p}-alias"),),
        expect={"field": {"ID": "{p}"}},
    ),
    Row(
        "DELETE",
        "/data/projects/{p2}",
        200,
        "J ProjectResource",
        after=(("GET", "/data/projects/{p2}", 404),),
    ),
    Row(
        "POST",
        "/data/projects",
        200,
        "J ProjectListResource",
        headers=XML,
        body='<xnat:Project ID="{p}e" xmlns:xnat="http://nrg.wustl.edu/xnat">'
        "<xnat:name>{p}e</xnat:name></xnat:Project>",
        expect={"headers": {"Location": "/data/projects/{p}e"}},
        after=(("DELETE", "/data/projects/{p}e", 200),),
    ),
    Row(
        "GET",
        P + "/accessibility",
        200,
        "J ProjectAccessibilityResource",
        expect={"text": "protected"},
    ),
    Row(
        "PUT",
        P + "/accessibility/public",
        200,
        "J ProjectAccessibilityResource",
        after=(("GET", P + "/accessibility", 200, {"text": "public"}),),
    ),
    Row("PUT", P + "/accessibility", 400, "J ProjectAccessibilityResource"),
    Row("GET", P + "/prearchive_code", 200, "J ProjectResource", expect={"text": "4"}),
    Row("GET", P + "/quarantine_code", 200, "J ProjectResource", expect={"text": "0"}),
    Row("GET", P + "/current_arc", 200, "J ProjectResource", expect={"text": "arc001"}),
    Row("GET", P + "/nonsense", 400, "J ProjectResource"),
    # ---- subjects
    Row(
        "PUT",
        P + "/subjects/NEW",
        201,
        "J SubjectResource",
        expect={"headers": {"Content-Type": "text/plain"}, "contains": "_S0"},
        after=(("GET", P + "/subjects/NEW?format=json", 200, {"field": {"label": "NEW"}}),),
    ),
    Row(
        "PUT",
        S1 + "?group=patients",
        200,
        "J SubjectResource",
        expect={"text": "{s1}"},
        after=(("GET", S1 + "?format=json", 200, {"field": {"group": "patients"}}),),
    ),
    Row("PUT", P + "/subjects/bad%20label", 500, "J BaseXnatSubjectdata"),
    Row("PUT", S1 + "?gender=purple", 400, "J xnat.xsd"),
    Row("PUT", S1 + "?yob=many", 400, "J xnat.xsd"),
    Row("PUT", S1 + "?dob=yesterday", 400, "J xnat.xsd"),
    Row(
        "PUT",
        S1 + "?label=RENAMED",
        200,
        "J SubjectResource",
        expect={"text": ""},
        after=(
            ("GET", P + "/subjects/RENAMED?format=json", 200, {"field": {"ID": "{s1}"}}),
            ("GET", S1, 404),
        ),
    ),
    Row("PUT", S1 + "?label=S2", 409, "J SubjectResource"),
    Row(
        "PUT",
        P + "/subjects/X1",
        201,
        "J SubjectResource",
        body=SUBJECT_XML,
        headers=XML,
        after=(
            (
                "GET",
                P + "/subjects/X1?format=xml",
                200,
                {
                    "contains": [
                        '<xnat:field name="iq">',
                        "101</xnat:field>",
                        '<xnat:demographics xsi:type="xnat:demographicData">',
                        "<xnat:yob>1980</xnat:yob>",
                    ]
                },
            ),
        ),
    ),
    Row("PUT", P + "/subjects/X1", 422, "T TestXmlOddities", body="<broken", headers=XML),
    Row(
        "PUT",
        P + "/subjects/X1",
        422,
        "T TestXmlOddities",
        headers=XML,
        body='<!DOCTYPE x [<!ENTITY a "b">]>' + SUBJECT_XML,
    ),
    Row(
        "POST",
        P + "/subjects",
        200,
        "J ProjectSubjectList",
        body=SUBJECT_XML,
        headers=XML,
        expect={"headers": {"Location": "/data/projects/{p}/subjects/"}},
    ),
    Row(
        "PUT",
        S1,
        200,
        "J SecureResource",
        form={"group": "by-form"},
        after=(("GET", S1 + "?format=json", 200, {"field": {"group": "by-form"}}),),
    ),
    Row(
        "PUT",
        S1 + "?xnat:subjectData/fields/field%5Bname%3Diq%5D/field=99",
        200,
        "T TestDynamicSearchSubjects",
        after=(
            (
                "GET",
                P + "/subjects?format=json&columns=label,"
                "xnat:subjectData/fields/field%5Bname%3Diq%5D/field",
                200,
                {"row": {"label": "S1", "xnat:subjectdata/fields/field[name=iq]/field": "99"}},
            ),
            (
                "GET",
                P + "/subjects?format=json&columns=label,xnat:subjectData/fields/field/name,"
                "xnat:subjectData/fields/field/field",
                200,
                {
                    "row": {
                        "label": "S1",
                        "xnat:subjectdata/fields/field/name": "iq",
                        "xnat:subjectdata/fields/field/field": "99",
                    }
                },
            ),
        ),
    ),
    Row(
        "GET",
        S1 + "?format=json",
        200,
        "J ItemJSONBuilder",
        expect={
            "field": {"ID": "{s1}", "label": "S1", "project": "{p}", "group": "control"},
            "contains": ['"field": "demographics"', '"gender": "female"'],
        },
    ),
    Row(
        "GET",
        "/data/subjects/{s1}?format=json",
        200,
        "J SubjectResource",
        expect={"field": {"label": "S1"}},
    ),
    Row("GET", "/data/subjects/S1?format=json", 404, "J SubjectResource"),
    Row("GET", P + "/subjects/s1?format=json", 404, "J XnatSubjectdata"),
    Row("GET", S1, 200, "J SecureResource", expect={"headers": {"Content-Type": "text/html"}}),
    Row(
        "DELETE",
        S1,
        200,
        "T TestDeletionAccuracy",
        expect={"text": ""},
        after=(("GET", S1, 404), ("GET", E1, 404)),
    ),
    Row("DELETE", P + "/subjects/nobody", 404, "J SubjectResource"),
    Row("GET", S1 + "/status", 200, "J SubjectResource", "likely", expect={"text": "active"}),
    # ---- experiments
    Row(
        "PUT",
        S1 + "/experiments/NEW?" + MR,
        201,
        "J SubjAssessmentResource",
        expect={"contains": "_E0"},
    ),
    Row(
        "PUT",
        MR1 + "?xnat:mrSessionData/note=hello",
        200,
        "J SubjAssessmentResource",
        expect={"text": "{e1}"},
        after=(("GET", E1 + "?format=json", 200, {"field": {"note": "hello"}}),),
    ),
    Row(
        "PUT",
        E1 + "?date=2015-01-02",
        200,
        "T TestContextlessExperiments",
        after=(("GET", E1 + "?format=json", 200, {"field": {"date": "2015-01-02"}}),),
    ),
    Row(
        "PUT",
        P + "/experiments/NEW?" + MR + "&subject_ID={s1}",
        201,
        "J ExperimentResource",
        "likely",
        after=(("GET", S1 + "/experiments/NEW?format=json", 200),),
    ),
    Row("PUT", P + "/experiments/NEW?" + MR, 422, "J SubjAssessmentResource"),
    Row(
        "PUT",
        P + "/subjects/NOBODY/experiments/NEW?" + MR,
        201,
        "J SubjAssessmentResource",
        after=(("GET", P + "/subjects/NOBODY?format=json", 200),),
    ),
    Row("PUT", S1 + "/experiments/NEW", 417, "J SubjAssessmentResource"),
    Row("PUT", S1 + "/experiments/NEW?xsiType=xnat:nonsense", 400, "J SubjAssessmentResource"),
    Row(
        "PUT",
        MR1 + "?xsiType=xnat:petSessionData",
        409,
        "T TestArchive",
        after=(("GET", E1 + "?format=xml", 200, {"contains": "<xnat:MRSession"}),),
    ),
    Row("PUT", S1 + "/experiments/bad.label?" + MR, 500, "J BaseXnatExperimentdata"),
    Row(
        "PUT",
        P + "/subjects/S2/experiments/MR1?" + MR,
        200,
        "J SubjAssessmentResource",
        "likely",
        expect={"text": "{e1}"},
    ),
    Row(
        "PUT",
        MR1 + "?label=RENAMED",
        200,
        "J SubjAssessmentResource",
        expect={"text": ""},
        after=(("GET", P + "/experiments/RENAMED?format=json", 200, {"field": {"ID": "{e1}"}}),),
    ),
    Row("PUT", MR1 + "?label=MR2", 409, "J SubjAssessmentResource"),
    Row(
        "PUT",
        MR1 + "?subject_ID={s2}",
        200,
        "J SubjAssessmentResource",
        after=(("GET", P + "/subjects/S2/experiments?format=json", 200, {"count": 2}),),
    ),
    Row(
        "POST",
        S1 + "/experiments",
        200,
        "T TestSubjAssessmentResources",
        body=SESSION_XML,
        headers=XML,
        expect={"headers": {"Location": "/data/experiments/"}},
        after=(
            (
                "GET",
                P + "/experiments/X2?format=json",
                200,
                {"contains": ['"parameters/tr": 2300.0', '"quality": "usable"']},
            ),
        ),
    ),
    Row(
        "POST",
        P + "/subjects/nobody/experiments",
        404,
        "T TestSubjAssessmentResources",
        body=SESSION_XML,
        headers=XML,
    ),
    Row(
        "PUT",
        S1 + "/experiments/X2",
        400,
        "T TestSubjAssessmentResources",
        headers=XML,
        body=SESSION_XML.replace("2014-05-07", "not a date"),
    ),
    Row(
        "GET",
        E1 + "?format=json",
        200,
        "J ItemJSONBuilder",
        expect={
            "field": {"ID": "{e1}", "scanner/manufacturer": "SIEMENS", "subject_ID": "{s1}"},
            "contains": [
                '"field": "scans/scan"',
                '"parameters/tr": 1500.0',
                '"field": "assessors/assessor"',
                '"file_count": 2',
            ],
        },
    ),
    Row(
        "GET",
        E1 + "?format=xml",
        200,
        "J SAXWriter",
        expect={
            "contains": [
                "<xnat:MRSession",
                '<xnat:scanner manufacturer="SIEMENS"/>',
                'xsi:type="xnat:mrScanData"',
                "<xnat:tr>1500.0</xnat:tr>",
                'xsi:type="xnat:qcManualAssessorData"',
                "hidden_fields",
            ]
        },
    ),
    Row(
        "GET",
        E1 + "?format=xml&concealHiddenFields=true",
        200,
        "J SecureResource",
        expect={"lacks": "hidden_fields"},
    ),
    Row("GET", E1 + "?handler=nonsense", 400, "J SecureResource"),
    Row(
        "GET",
        P + "/experiments/MR1?format=json",
        200,
        "J ExperimentResource",
        expect={"field": {"ID": "{e1}"}},
    ),
    Row("GET", "/data/experiments/MR1?format=json", 404, "J ExperimentResource"),
    Row("DELETE", E1, 200, "T TestContextlessExperiments", after=(("GET", E1, 404),)),
    Row(
        "DELETE",
        "/data/experiments/{a1}",
        200,
        "T TestContextlessExperiments",
        after=(("GET", E1 + "/assessors?format=json", 200, {"count": 0}),),
    ),
    Row("POST", E1 + "?method=DELETE", 200, "L TunnelService", after=(("GET", E1, 404),)),
    # ---- assessors
    Row(
        "PUT",
        MR1 + "/assessors/QC2?xsiType=xnat:qcManualAssessorData",
        201,
        "J ExptAssessmentResource",
        after=(("GET", E1 + "/assessors?format=json", 200, {"count": 2}),),
    ),
    Row(
        "PUT",
        MR1 + "/assessors/QC1?xnat:qcManualAssessorData/rater=me",
        200,
        "J ExptAssessmentResource",
        expect={"text": "{a1}"},
        after=(("GET", E1 + "/assessors/QC1?format=json", 200, {"field": {"rater": "me"}}),),
    ),
    Row("PUT", MR1 + "/assessors/QC2?" + MR, 400, "J ExptAssessmentResource"),
    Row(
        "GET",
        E1 + "/assessors/{a1}?format=json",
        200,
        "J ExptAssessmentResource",
        expect={"field": {"label": "QC1", "imageSession_ID": "{e1}"}},
    ),
    Row(
        "DELETE",
        E1 + "/assessors/QC1",
        200,
        "J ExptAssessmentResource",
        after=(("GET", E1 + "/assessors/QC1", 404),),
    ),
    # ---- scans
    Row(
        "PUT",
        E1 + "/scans/9?xsiType=xnat:mrScanData&type=FLAIR",
        200,
        "J ScanResource",
        expect={"text": ""},
        after=(("GET", E1 + "/scans?format=json", 200, {"row": {"ID": "9", "type": "FLAIR"}}),),
    ),
    Row(
        "PUT",
        E1 + "/scans/1?quality=unusable",
        200,
        "T TestScans",
        after=(("GET", E1 + "/scans?format=json", 200, {"row": {"quality": "unusable"}}),),
    ),
    Row(
        "PUT",
        E1 + "/scans/1?xnat:imageScanData/note=x",
        200,
        "T TestScans",
        after=(("GET", E1 + "/scans?format=json", 200, {"row": {"ID": "1", "note": "x"}}),),
    ),
    Row(
        "PUT",
        E1 + "/scans/1?xnat:ctScanData/note=x",
        200,
        "T TestScans",
        after=(("GET", E1 + "/scans?format=json", 200, {"no_row": {"note": "x"}}),),
    ),
    Row(
        "PUT",
        E1 + "/scans/1?xsiType=xnat:ctScanData",
        409,
        "T TestArchive",
        after=(
            (
                "GET",
                E1 + "/scans?format=json",
                200,
                {"row": {"ID": "1", "xsiType": "xnat:mrScanData"}},
            ),
        ),
    ),
    Row("PUT", E1 + "/scans/9?xsiType=xnat:imageScanData", 400, "J ScanResource"),
    Row("PUT", E1 + "/scans/9", 417, "J ScanResource"),
    Row("PUT", "/data/experiments/nosuch/scans/9?xsiType=xnat:mrScanData", 404, "J ScanResource"),
    Row(
        "POST",
        E1 + "/scans",
        200,
        "J ScanList",
        headers=XML,
        body='<xnat:MRScan type="T1" xmlns:xnat="http://nrg.wustl.edu/xnat"/>',
        expect={"headers": {"Location": "/scans/4"}},
    ),
    Row(
        "GET",
        E1 + "/scans/1?format=json",
        200,
        "J ScanResource",
        expect={
            "field": {"ID": "1", "type": "T1w", "parameters/tr": 1500.0, "image_session_ID": "{e1}"}
        },
    ),
    Row("GET", E1 + "/scans/99?format=json", 404, "J ScanResource"),
    Row(
        "DELETE",
        E1 + "/scans/1",
        200,
        "J ScanResource",
        after=(("GET", E1 + "/scans?format=json", 200, {"count": 2}),),
    ),
    # ---- reconstructions
    Row(
        "PUT",
        E1 + "/reconstructions/R1?type=filtered",
        200,
        "J ReconResource",
        after=(
            (
                "GET",
                E1 + "/reconstructions?format=json",
                200,
                {"row": {"ID": "R1", "type": "filtered"}},
            ),
        ),
    ),
    # ---- sharing
    Row(
        "PUT",
        S1 + "/projects/{p2}?label=OTHER",
        200,
        "T TestSharing",
        after=(
            (
                "GET",
                "/data/projects/{p2}/subjects?format=json",
                200,
                {"count": 1, "row": {"ID": "{s1}", "label": "OTHER", "project": "{p}"}},
            ),
            ("GET", "/data/projects/{p2}/subjects/OTHER?format=json", 200),
            (
                "GET",
                S1 + "/projects?format=json",
                200,
                {"values": {"ID": ["{p}", "{p2}"]}, "no_member": ["totalRecords"]},
            ),
        ),
    ),
    Row(
        "PUT", S1 + "/projects/{p2}", 409, "T TestSharing", before=(("PUT", S1 + "/projects/{p2}"),)
    ),
    Row("PUT", S1 + "/projects/{p}", 409, "T TestSharing"),
    Row("PUT", S1 + "/projects/nosuchproject", 404, "J SubjectResource"),
    Row(
        "PUT",
        S1 + "/projects/{p2}?label=TAKEN",
        409,
        "J SubjectResource",
        before=(("PUT", "/data/projects/{p2}/subjects/TAKEN"),),
    ),
    Row(
        "PUT",
        MR1 + "/projects/{p2}?label=MRX",
        200,
        "T TestSharing",
        after=(
            (
                "GET",
                "/data/projects/{p2}/experiments?format=json",
                200,
                {"count": 1, "row": {"ID": "{e1}", "label": "MRX", "project": "{p2}"}},
            ),
            ("GET", "/data/projects/{p2}/experiments/MRX?format=json", 200),
            ("GET", "/data/experiments?project={p2}&format=json", 200, {"count": 0}),
            (
                "GET",
                "/data/experiments?format=json&xsiType=xnat:imageSessionData"
                "&xnat:imageSessionData/sharing/share/project={p2}",
                200,
                {"count": 1},
            ),
        ),
    ),
    Row(
        "PUT",
        E1 + "/projects/{p2}",
        200,
        "J ExperimentResource",
        after=(
            ("DELETE", E1 + "/projects/{p2}", 200),
            ("GET", "/data/projects/{p2}/experiments?format=json", 200, {"count": 0}),
            ("GET", E1, 200),
        ),
    ),
    Row(
        "DELETE",
        "/data/projects/{p2}/experiments/MR1",
        200,
        "J ExperimentResource",
        before=(("PUT", MR1 + "/projects/{p2}"),),
        after=(("GET", E1, 200),),
    ),
    Row(
        "PUT",
        E1 + "/projects/{p2}?primary=true",
        200,
        "J ExperimentResource",
        expect={"text": ""},
        after=(("GET", E1 + "?format=json", 200, {"field": {"project": "{p2}"}}),),
    ),
]
