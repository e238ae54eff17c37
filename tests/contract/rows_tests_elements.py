"""XNAT's own tests of subjects, sessions, assessors, scans and projects, told as rows."""

from .table import NIFTI, Row

P = "/data/projects/{p}"
S = P + "/subjects/"
E1 = "/data/experiments/{e1}"
MR1 = S + "S1/experiments/MR1"
XML = "text/xml"
NAMES = (
    'xmlns:xnat="http://nrg.wustl.edu/xnat" xmlns:prov="http://www.nbirn.net/prov" '
    'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
QS = "?format=xml&req_format=qs"


def told(test, method, path, status, *before, **more):
    """Write a row that shares its state, of one test of the server's suite."""
    more.setdefault("apart", True)
    return Row(method, path, status, "T " + test, before=before, **more)


def subject(education="<xnat:education>12</xnat:education>", more=""):
    return (
        f'<xnat:Subject ID="" project="" group="control" label="{{u}}" src="12" {NAMES}>'
        '<xnat:demographics xsi:type="xnat:demographicData"><xnat:dob>1990-01-01</xnat:dob>'
        "<xnat:gender>male</xnat:gender><xnat:handedness>right</xnat:handedness>"
        f"{education}<xnat:race>12</xnat:race><xnat:ethnicity>12</xnat:ethnicity>{more}"
        "</xnat:demographics></xnat:Subject>"
    )


def session(date="2001-01-01", coil="test", marker="test", delay=""):
    return (
        f'<xnat:MRSession ID="" project="" label="{{u}}" modality="MRI" {NAMES}>'
        f"<xnat:date>{date}</xnat:date>{delay}<xnat:subject_ID/><xnat:scanner>test</xnat:scanner>"
        "<xnat:operator>test</xnat:operator><xnat:scans>"
        '<xnat:scan ID="1" type="MPRAGE" xsi:type="xnat:mrScanData">'
        "<xnat:quality>usable</xnat:quality></xnat:scan>"
        '<xnat:scan ID="2" type="BOLD" xsi:type="xnat:mrScanData">'
        "<xnat:quality>usable</xnat:quality></xnat:scan></xnat:scans>"
        f"<xnat:coil>{coil}</xnat:coil><xnat:marker>{marker}</xnat:marker>"
        "<xnat:stabilization>test</xnat:stabilization></xnat:MRSession>"
    )


def quality(rater="The Radiologist"):
    return (
        f'<xnat:QCManualAssessment ID="" project="" label="{{u}}q" {NAMES}><xnat:imageSession_ID/>'
        f"<xnat:rater>{rater}</xnat:rater><xnat:scans><xnat:scan xsi:type="
        '"xnat:mrQcScanData"><xnat:imageScan_ID>4</xnat:imageScan_ID><xnat:coverage>all'
        "</xnat:coverage><xnat:pass>1</xnat:pass></xnat:scan></xnat:scans>"
        "<xnat:comments>This is a test comment</xnat:comments><xnat:pass>1</xnat:pass>"
        "<xnat:payable>1</xnat:payable></xnat:QCManualAssessment>"
    )


PROJECT = (
    f'<xnat:Project ID="" secondary_ID="" {NAMES}><xnat:name>{{name}} {{u}}</xnat:name>'
    "<xnat:description>made by a test</xnat:description><xnat:keywords>test keywords"
    "</xnat:keywords><xnat:PI><xnat:firstname>Daniel</xnat:firstname><xnat:lastname>Marcus"
    "</xnat:lastname></xnat:PI></xnat:Project>"
)

# ---- TestSubjectResources ----------------------------------------------------------------

QUERY = (
    QS + "&group=control&src=12&dob=2000-01-01&gender=male&handedness=left"
    "&xnat:subjectData/investigator/firstname=Tim&xnat:subjectData/investigator/lastname=Olsen"
)
ME = S + "{u}"
GROWN = "<xnat:height>12</xnat:height><xnat:weight>12</xnat:weight>"
CRUD = "TestSubjectResources.testSubjectResourceXMLCrud"
SUBJECTS = [
    told(
        "TestSubjectResources.testSubjectResourceQueryCRUD", "PUT", ME + QUERY, 201,
        after=(
            ("GET", ME + "?format=xml", 200, {"contains": [
                'group="control"', 'src="12"', "<xnat:dob>2000-01-01</xnat:dob>",
                "<xnat:gender>male</xnat:gender>", "<xnat:handedness>left</xnat:handedness>",
                "<xnat:firstname>Tim</xnat:firstname>", "<xnat:lastname>Olsen</xnat:lastname>",
            ]}),
        ),
    ),
    told(CRUD, "GET", P + "/subjects?format=html", 200, expect={"contains": "<table"}),
    told(CRUD, "PUT", ME + "?format=xml", 201, body=subject(), types=XML,
         after=(("GET", ME + "?format=xml", 200, {"contains": [
             "<xnat:education>12</xnat:education>", "<xnat:race>12</xnat:race>",
             "<xnat:ethnicity>12</xnat:ethnicity>", "<xnat:dob>1990-01-01</xnat:dob>"]}),)),
    told(CRUD, "GET", ME + "?format=xml", 200, ("PUT", ME, subject()),
         expect={"contains": ['group="control"', 'src="12"'],
                 "headers": {"Content-Type": "text/xml"}}),
    told(CRUD, "GET", P + "/subjects?format=html", 200, ("PUT", ME, subject()),
         expect={"contains": "{u}"}),
    told(CRUD, "PUT", ME + "?format=xml", 200, ("PUT", ME, subject()), body=subject(""),
         types=XML,
         after=(("GET", ME + "?format=xml", 200, {"contains": "<xnat:education>12<"}),)),
    told(CRUD, "PUT", ME + "?format=xml&allowDataDeletion=true", 200, ("PUT", ME, subject()),
         body=subject(""), types=XML,
         after=(("GET", ME + "?format=xml", 200, {"lacks": "<xnat:education>"}),)),
    told(CRUD, "PUT", ME + "?format=xml", 200, ("PUT", ME, subject("")),
         body=subject("", GROWN), types=XML,
         after=(("GET", ME + "?format=xml", 200,
                 {"contains": ["<xnat:height>12.0", "<xnat:weight>12.0"]}),)),
    told(CRUD, "DELETE", ME, 200, ("PUT", ME, subject()),
         after=(("GET", ME + "?format=xml", 404),)),
    told(CRUD, "GET", ME + "?format=xml", 404, ("PUT", ME, subject()), ("DELETE", ME)),
]  # fmt: skip

# ---- TestSubjAssessmentResources ---------------------------------------------------------

EXPTS = S + "S1/experiments"
MINE = EXPTS + "/{u}"
CRUD = "TestSubjAssessmentResources.testSubjectAssessmentXMLCRUD"
VALID = "TestSubjAssessmentResources.test"
LONG = "Long string to exceed 255 chars " * 9
ASSESSMENTS = [
    told(VALID + "DateFormatValidation", "POST", EXPTS + "?format=xml", 400,
         body=session("2001"), types=XML, after=(("GET", MINE, 404),)),
    told(VALID + "IntegerFormatValidation", "POST", EXPTS + "?format=xml", 400,
         body=session(delay="<xnat:delay>12.5</xnat:delay>"), types=XML,
         after=(("GET", MINE, 404),)),
    told(VALID + "LengthValidation", "POST", EXPTS + "?format=xml", 400,
         body=session(marker=LONG), types=XML, after=(("GET", MINE, 404),)),
    told(VALID + "InvalidSubjectValidation", "POST",
         S + "INVALIDSUBJECT/experiments?format=xml", 404, body=session(), types=XML,
         after=(("GET", S + "INVALIDSUBJECT", 404),)),
    told(CRUD, "GET", EXPTS + "?format=html", 200, expect={"contains": "<table"}),
    told(CRUD, "PUT", MINE, 201, body=session(), types=XML,
         after=(("GET", MINE + "?format=xml", 200, {"contains": [
             "<xnat:coil>test</xnat:coil>", "<xnat:marker>test</xnat:marker>",
             "<xnat:stabilization>test</xnat:stabilization>", 'type="MPRAGE"', 'type="BOLD"',
             "<xnat:operator>test</xnat:operator>", "<xnat:date>2001-01-01</xnat:date>"]}),
             ("GET", MINE + "/scans?format=json", 200, {"count": 2}))),
    told(CRUD, "PUT", MINE + "?format=xml", 200, ("PUT", MINE, session()),
         body=session(coil="test2"), types=XML,
         after=(("GET", MINE + "?format=xml", 200, {"contains": "<xnat:coil>test2</xnat:coil>"}),
                ("GET", MINE + "/scans?format=json", 200, {"count": 2}))),
    told(CRUD, "GET", EXPTS + "?format=html", 200, ("PUT", MINE, session()),
         expect={"contains": "{u}"}),
    told(CRUD, "GET", MINE + "?format=xml", 200, ("PUT", MINE, session()),
         expect={"contains": ["<xnat:MRSession", "<xnat:quality>usable</xnat:quality>"]}),
    told(CRUD, "DELETE", MINE, 200, ("PUT", MINE, session()),
         after=(("GET", MINE + "?format=xml", 404),
                ("GET", EXPTS + "?format=html", 200, {"lacks": "{u}"}))),
    told(CRUD, "GET", MINE + "?format=xml", 404, ("PUT", MINE, session()), ("DELETE", MINE)),
    told(CRUD, "GET", EXPTS + "?format=html", 200, ("PUT", MINE, session()), ("DELETE", MINE)),
]  # fmt: skip

# ---- TestExptAssessmentResources ---------------------------------------------------------

CRUD = "TestExptAssessmentResources.testExptAssessmentXmlCrud"
BASE = MINE + "?xsiType=xnat:mrSessionData"
OWN = (("PUT", BASE), ("PUT", MINE + "/assessors/{u}q", quality()))
QC = MINE + "/assessors/{u}q"
ASSESSORS = [
    told(CRUD, "PUT", QC, 201, OWN[0], body=quality(), types=XML,
         after=(("GET", QC + "?format=xml", 200, {"contains": [
             "<xnat:rater>The Radiologist</xnat:rater>", "<xnat:comments>This is a test comment",
             "<xnat:pass>1</xnat:pass>", "<xnat:payable>1</xnat:payable>",
             "<xnat:coverage>all</xnat:coverage>"]}),)),
    told(CRUD, "GET", MINE + "/assessors?format=html", 200, *OWN, expect={"contains": "{u}"}),
    told(CRUD, "PUT", QC + "?format=xml", 200, *OWN, body=quality("Another"), types=XML,
         after=(("GET", QC + "?format=xml", 200, {"contains": "<xnat:rater>Another</xnat:rater>"}),
                ("GET", MINE + "/assessors?format=html", 200, {"contains": "{u}"}))),
    told(CRUD, "GET", QC + "/projects?format=json", 200, *OWN, expect={"count": 1}),
    told(CRUD, "DELETE", QC, 200, *OWN,
         after=(("GET", MINE + "/assessors?format=json", 200, {"count": 0}),)),
    told(CRUD, "GET", MINE + "/assessors?format=json", 200, *OWN, ("DELETE", QC),
         expect={"count": 0}),
    told(CRUD, "GET", QC + "?format=xml", 404, *OWN, ("DELETE", QC)),
    told(CRUD, "PUT", QC, 201, *OWN, ("DELETE", QC), body=quality(), types=XML,
         after=(("GET", MINE + "/assessors?format=json", 200, {"count": 1}),)),
    told(CRUD, "GET", E1 + "/assessors?format=json", 200, expect={"row": {"label": "QC1"}}),
    told(CRUD, "GET", E1 + "/assessors/{a1}?format=xml", 200,
         expect={"contains": "<xnat:QCManualAssessment"}),
    told(CRUD, "GET", E1 + "/assessors/{a1}/projects?format=json", 200, expect={"count": 1}),
    told(CRUD, "PUT", E1 + "/assessors/{a1}/projects/{p2}?format=xml", 200, apart=False,
         after=(("GET", E1 + "/assessors/{a1}/projects?format=json", 200, {"count": 2}),)),
    told(CRUD, "DELETE", E1 + "/assessors/{a1}/projects/{p2}?format=json", 200,
         ("PUT", E1 + "/assessors/{a1}/projects/{p2}"), apart=False,
         after=(("GET", E1 + "/assessors/{a1}/projects?format=json", 200, {"count": 1}),
                ("GET", E1 + "/assessors/{a1}?format=xml", 200),
                ("GET", E1 + "/assessors?format=json", 200, {"count": 1}))),
    told(CRUD, "DELETE", E1 + "/assessors/{a1}?format=xml", 200, apart=False,
         after=(("GET", E1 + "/assessors?format=json", 200, {"count": 0}),)),
    told(CRUD, "DELETE", E1 + "/assessors/{a1}?format=xml", 404,
         ("DELETE", E1 + "/assessors/{a1}"), apart=False),
    told(CRUD, "PUT", E1 + "/assessors/{u}q", 201, body=quality(), types=XML, apart=False,
         after=(("GET", E1 + "/assessors?format=json", 200, {"count": 2}),)),
    told("TestFileUpload.testManQCUpload", "PUT", E1 + "/assessors/{u}?xsiType="
         "xnat:qcManualAssessorData&xnat:qcManualAssessorData/pass=true",
         201, apart=False,
         after=(("GET", E1 + "/assessors/{u}?format=xml", 200, {"contains": "<xnat:pass>"}),)),
]  # fmt: skip

# ---- TestContextlessExperiments, TestDeletionAccuracy ------------------------------------

LESS = "TestContextlessExperiments.testContextlessExptDelete"
EXACT = "TestDeletionAccuracy.test"
KEPT = (
    ("GET", MR1 + "/scans/1/resources/NIFTI/files?format=json", 200, {"count": 2}),
    ("GET", MR1 + "/scans/1/resources?format=json", 200, {"row": {"file_count": "2"}}),
)
DELETING = [
    told(LESS, "DELETE", "/data/experiments/{a1}", 200, apart=False,
         after=(("GET", MR1 + "/assessors?format=json", 200, {"count": 0}),)),
    told(LESS, "DELETE", "/data/experiments/{id}", 200, ("PUT", BASE),
         after=(("GET", MINE, 404),)),
    told(LESS, "GET", EXPTS + "?format=json", 200, ("DELETE", "/data/experiments/{a1}"),
         ("DELETE", E1), apart=False, expect={"count": 0}),
    told(EXACT + "DeleteResourcelessSessionNoScans", "DELETE", MINE + "?removeFiles=true", 200,
         ("PUT", BASE), after=KEPT),
    told(EXACT + "DeleteResourcelessSessionWithScans", "DELETE", MINE + "?removeFiles=true", 200,
         ("PUT", BASE),
         ("PUT", MINE + "/scans/1?xsiType=xnat:mrScanData&series_description=LOCALIZER"),
         after=KEPT),
    told(EXACT + "DeleteEmptySessionAssessor", "DELETE",
         MR1 + "/assessors/{u}?removeFiles=true", 200,
         ("PUT", MR1 + "/assessors/{u}?xsiType=xnat:qcAssessmentData"), apart=False, after=KEPT),
    told(EXACT + "DeleteNeighboringSession", "DELETE", MINE + "?removeFiles=true", 200,
         ("PUT", BASE), ("PUT", MINE + "/scans/1?xsiType=xnat:mrScanData"),
         ("PUT", MINE + "/scans/1/resources/NIFTI/files/t1.nii.gz?inbody=true", b"other"),
         after=KEPT),
    told(EXACT + "DeleteNeighboringSubject", "DELETE", ME + "?removeFiles=true", 200, ("PUT", ME),
         after=KEPT),
    told(EXACT + "DeleteNeighboringProject", "DELETE", "/data/projects/{p}{u}?removeFiles=true",
         200, ("PUT", "/data/projects/{p}{u}"), after=KEPT),
]  # fmt: skip

LOST = {
    "DeleteResourcelessSessionNoScans": (("PUT", BASE), ("DELETE", MINE + "?removeFiles=true")),
    "DeleteResourcelessSessionWithScans": (
        ("PUT", BASE),
        ("PUT", MINE + "/scans/1?xsiType=xnat:mrScanData"),
        ("DELETE", MINE + "?removeFiles=true"),
    ),
    "DeleteEmptySessionAssessor": (
        ("PUT", MR1 + "/assessors/{u}?xsiType=xnat:qcAssessmentData"),
        ("DELETE", MR1 + "/assessors/{u}?removeFiles=true"),
    ),
    "DeleteNeighboringSubject": (("PUT", ME), ("DELETE", ME + "?removeFiles=true")),
    "DeleteNeighboringProject": (
        ("PUT", "/data/projects/{p}{u}"),
        ("DELETE", "/data/projects/{p}{u}?removeFiles=true"),
    ),
}
DELETING += [
    told(EXACT + name, "GET", MR1 + path, 200, *gone, apart=False, expect=expect)
    for name, gone in LOST.items()
    for path, expect in (
        ("/scans/1/resources?format=json", {"row": {"label": "NIFTI", "file_count": "2"}}),
        ("/scans/1/resources/NIFTI/files/t1.nii.gz", {"content": NIFTI}),
    )
]

# ---- TestRename --------------------------------------------------------------------------

T1 = "/scans/1/resources/NIFTI/files/t1.nii.gz"
RENAME = "TestRename.test"
RENAMING = [
    told(RENAME + "ExptRename", "PUT", MR1 + "?label=MOD1", 200, apart=False,
         after=(("GET", S + "S1/experiments/MOD1" + T1, 200),
                ("GET", S + "S1/experiments/MOD1/resources/NOTES/files/n.txt", 200,
                 {"content": b"a note"}))),
    told(RENAME + "ExptRename", "GET", S + "S1/experiments/MOD1" + T1, 200,
         ("PUT", MR1 + "?label=MOD1"), apart=False),
    told(RENAME + "ExptRename", "GET", S + "S1/experiments/MOD1/resources/NOTES/files/n.txt", 200,
         ("PUT", MR1 + "?label=MOD1"), apart=False, expect={"content": b"a note"}),
    told(RENAME + "SubjRename", "PUT", S + "S1?label=MOD2", 200, apart=False,
         after=(("GET", S + "MOD2/experiments/MR1" + T1, 200), ("GET", S + "S1", 404))),
    told(RENAME + "SubjRename", "GET", S + "MOD2/experiments/MR1/resources/NOTES/files/n.txt", 200,
         ("PUT", S + "S1?label=MOD2"), apart=False, expect={"content": b"a note"}),
    told(RENAME + "ExptWAssessRename", "PUT", MR1 + "?label=MOD3", 404,
         ("PUT", P + "/accessibility/private"), apart=False,
         account="stranger", after=(("GET", MR1, 200),)),
    told(RENAME + "ExptWAssessRename", "PUT", MR1 + "?label=MOD3", (403, 417), apart=False,
         account="collaborator", after=(("GET", MR1, 200),)),
    told(RENAME + "ExptWAssessRename", "GET", MR1 + T1, 200, apart=False, account="collaborator"),
    told(RENAME + "ExptWAssessRename", "PUT", MR1 + "?label=MOD3", 200, apart=False,
         account="member",
         after=(("GET", S + "S1/experiments/MOD3" + T1, 200),
                ("GET", S + "S1/experiments/MOD3/assessors/QC1/out/resources/OUT/files/o.txt", 200,
                 {"content": b"out"}))),
    told(RENAME + "ExptWAssessRename", "GET",
         S + "S1/experiments/MOD3/assessors/QC1/out/resources/OUT/files/o.txt", 200,
         ("PUT", MR1 + "?label=MOD3"), apart=False, account="member", expect={"content": b"out"}),
]  # fmt: skip

# ---- TestArchive, TestScans --------------------------------------------------------------

SCAN = E1 + "/scans/{u}"
LOCAL = ("PUT", SCAN + "?xsiType=xnat:mrScanData&series_description=localizer&quality=usable")
PROPS = "TestArchive.testSetScanProperties"
NOTED = E1 + "/scans?format=json&columns=ID,note,series_description,xsiType"
SCANS = [
    told(PROPS, "PUT", SCAN, 200, LOCAL,
         after=(("GET", NOTED, 200, {"row": {
             "ID": "{u}", "note": "", "series_description": "localizer"}}),)),
    told(PROPS, "PUT", SCAN + "?xsiType=xnat:mrScanData&note=This+is+note+1", 200, LOCAL,
         after=(("GET", NOTED, 200, {"row": {"ID": "{u}", "note": "This is note 1"}}),)),
    told(PROPS, "PUT", SCAN + "?note=This+is+note+2", 200, LOCAL,
         after=(("GET", NOTED, 200, {"row": {"ID": "{u}", "note": "This is note 2"}}),)),
    told(PROPS, "PUT", SCAN + "?xsiType=xnat:petScanData&note=bad", 409, LOCAL,
         expect={"contains": "Specified xsiType differs from existing xsiType"},
         after=(("GET", NOTED, 200, {"row": {"ID": "{u}", "note": ""}}),)),
    told(PROPS, "PUT", SCAN + "?xnat:imageScanData/note=This+is+note+3", 200, LOCAL,
         after=(("GET", NOTED, 200, {"row": {"ID": "{u}", "note": "This is note 3"}}),)),
    told(PROPS, "PUT", SCAN + "?xnat:mrScanData/note=This+is+note+4", 200, LOCAL,
         after=(("GET", NOTED, 200, {"row": {"ID": "{u}", "note": "This is note 4"}}),)),
    told(PROPS, "PUT", MR1 + "/scans/{u}?note=one", 200, LOCAL,
         after=(("GET", NOTED, 200, {"row": {"ID": "{u}", "note": "one"}}),)),
    told(PROPS, "PUT", MR1 + "/scans/{u}?xnat:mrScanData/note=two", 200, LOCAL,
         after=(("GET", NOTED, 200, {"row": {"ID": "{u}", "note": "two"}}),)),
    told(PROPS, "PUT", MR1 + "/scans/{u}?xsiType=xnat:petScanData", 409, LOCAL,
         expect={"contains": "Specified xsiType differs from existing xsiType"}),
    told("TestScans.testImplicitScanTypeChangeValidation", "PUT",
         SCAN + "?xnat:ctScanData/note=test", 200, LOCAL,
         after=(("GET", NOTED, 200, {"row": {
             "ID": "{u}", "note": "", "xsiType": "xnat:mrScanData"}}),)),
    told("TestScans.testImplicitScanTypeChangeValidation", "DELETE", ME, 200, ("PUT", ME),
         after=(("GET", ME, 404),)),
    told("TestArchive.testFixScanTypes", "PUT", MINE + "?fixScanTypes=true", 200, ("PUT", BASE),
         ("PUT", MINE + "/scans/1?xsiType=xnat:mrScanData&series_description={u}"),
         ("PUT", MINE + "/scans/2?xsiType=xnat:mrScanData&series_description={u}"),
         ("PUT", EXPTS + "/{u}b?xsiType=xnat:mrSessionData"),
         ("PUT", EXPTS + "/{u}b/scans/1?xsiType=xnat:mrScanData&series_description={u}"
          "&type=MAPPED"),
         after=(("GET", MINE + "/scans?format=json", 200, {
             "count": 2, "values": {"type": ["MAPPED", "MAPPED"]}}),)),
]  # fmt: skip

# ---- TestXmlOddities ---------------------------------------------------------------------


def provenance(moment):
    return (
        f'<xnat:QCAssessment ID="" project="{{p}}" label="{{u}}" {NAMES}>'
        "<xnat:imageSession_ID>{e1}</xnat:imageSession_ID><xnat:provenance><prov:processStep>"
        '<prov:program arguments="-s -all" version="">recon-all -all</prov:program>'
        f"<prov:timestamp>{moment}</prov:timestamp><prov:cvs/><prov:user>1</prov:user>"
        "<prov:machine>cube</prov:machine><prov:platform>linux</prov:platform>"
        "</prov:processStep></xnat:provenance></xnat:QCAssessment>"
    )


ODD = MR1 + "/assessors/{u}"
MOMENTS = {
    "Space": "2020-01-01 01:02:03",
    "T": "2020-01-01T01:02:03",
    "TZ": "2020-01-01T01:02:03Z",
}
ODDITIES = [
    told(
        f"TestXmlOddities.testXmlTimestamp{name}{how}", "PUT", ODD, (200, 201), *before,
        body=provenance(moment), types=XML,
        after=(("GET", ODD + "?format=xml", 200, {"contains": "2020-01-01T01:02:03"}),),
    )
    for name, moment in MOMENTS.items()
    for how, before in (
        ("Create", ()),
        ("Edit", (("PUT", ODD + "?xsiType=xnat:qcAssessmentData"),)),
    )
]  # fmt: skip

ODDITIES += [
    told(f"TestXmlOddities.testXmlTimestamp{name}{how}", "GET", ODD + "?format=xml", 200,
         *before, ("PUT", ODD, provenance(moment)), expect={"contains": "2020-01-01T01:02:03"})
    for name, moment in MOMENTS.items()
    for how, before in (
        ("Create", ()),
        ("Edit", (("PUT", ODD + "?xsiType=xnat:qcAssessmentData"),)),
    )
]  # fmt: skip

# ---- TestCustomVariables -----------------------------------------------------------------

FIELD = "xnat:mrSessionData/fields/field%5Bname%3Dtest01%5D/field="
OF_SUBJECT = "xnat:subjectData/fields/field%5Bname%3D{}%5D/field={}"
SHOWN = (
    EXPTS + "?xnat:mrSessionData/label={u}&format=json&columns="
    "xnat:mrSessionData/fields/field/field,xnat:mrSessionData/fields/field/name"
)


def variable(value):
    return {"row": {
        "xnat:mrsessiondata/fields/field/field": value,
        "xnat:mrsessiondata/fields/field/name": "test01",
    }}  # fmt: skip


VARIABLES = [
    told("TestCustomVariables.testCustomVariableSubjectCreate", "PUT",
         ME + "?" + OF_SUBJECT.format("test01", "12"), 201,
         after=(("GET", ME + "?format=xml", 200,
                 {"contains": ['<xnat:field name="test01">', "12</xnat:field>"]}),)),
    told("TestCustomVariables.testCustomVariableSubjectUpdate", "PUT",
         ME + "?" + OF_SUBJECT.format("best_cat", "Claudine"), 200,
         ("PUT", ME + "?" + OF_SUBJECT.format("test01", "12")),
         after=(("GET", ME + "?format=xml", 200, {"contains": [
             "12</xnat:field>", "Claudine</xnat:field>"]}),)),
    told("TestCustomVariables.testCustomVariableSubjectUpdate", "PUT",
         ME + "?" + OF_SUBJECT.format("test01", "20"), 200,
         ("PUT", ME + "?" + OF_SUBJECT.format("test01", "12")),
         ("PUT", ME + "?" + OF_SUBJECT.format("best_cat", "Claudine")),
         after=(("GET", ME + "?format=xml", 200, {"contains": [
             "20</xnat:field>", "Claudine</xnat:field>"]}),)),
    told("TestCustomVariables.testCustomVariablePutGet", "PUT", MINE + "?" + FIELD + "12", 200,
         ("PUT", BASE), after=(("GET", SHOWN, 200, variable("12")),)),
    told("TestCustomVariables.testCustomVariablePutGet", "PUT", MINE + "?" + FIELD + "14", 200,
         ("PUT", BASE), ("PUT", MINE + "?" + FIELD + "12"),
         after=(("GET", SHOWN, 200, {**variable("14"), "count": 1}),)),
    told("TestCustomVariables.testCustomVariablePutGet", "PUT", MINE, 200, ("PUT", BASE),
         ("PUT", MINE + "?" + FIELD + "14"),
         form={"xnat:mrSessionData/fields/field[name=test01]/field": "15"},
         after=(("GET", SHOWN, 200, {**variable("15"), "count": 1}),)),
    told("TestCustomVariables.testCustomVariablePutGet", "GET", SHOWN, 200, ("PUT", BASE),
         ("PUT", MINE + "?" + FIELD + "12"), expect=variable("12")),
    told("TestCustomVariables.testCustomVariablePutGet", "GET", SHOWN, 200, ("PUT", BASE),
         ("PUT", MINE + "?" + FIELD + "12"), ("PUT", MINE + "?" + FIELD + "14"),
         expect={"no_row": variable("12")["row"]}),
]  # fmt: skip

# ---- TestProjectResources, TestProjectValidation, TestProjectURIs ------------------------

NEW = "/data/projects/{p}{u}"
V1, V2 = PROJECT.replace("{name}", "One"), PROJECT.replace("{name}", "Two")
CRUD = "TestProjectResources.testProjectXmlCRUD"
PROJECTS = [
    told("TestProjectResources.testProjectList", "GET", "/data/projects?format=html", 200,
         expect={"contains": "<table"}),
    told("TestProjectResources.testQueryCRUD", "PUT", NEW + QS + "&alias={p}{u}_ALIAS", 200,
         after=(("GET", NEW + "?format=xml", 200), ("GET", NEW + "_ALIAS?format=xml", 200))),
    told("TestProjectResources.testQueryCRUD", "GET", NEW + "_ALIAS?format=xml", 200,
         ("PUT", NEW + "?alias={p}{u}_ALIAS"), expect={"contains": 'ID="{p}{u}"'}),
    told(CRUD, "PUT", NEW, 200, body=V1, types=XML,
         after=(("GET", NEW + "?format=xml", 200, {"contains": [
             "<xnat:name>One {u}</xnat:name>", "<xnat:keywords>test keywords</xnat:keywords>",
             "<xnat:lastname>Marcus</xnat:lastname>"]}),)),
    told(CRUD, "PUT", NEW, 200, ("PUT", NEW, V1), body=V2, types=XML,
         after=(("GET", NEW + "?format=xml", 200, {"contains": "<xnat:name>Two {u}<"}),)),
    told(CRUD, "PUT", NEW, 200, ("PUT", NEW, V1), ("PUT", NEW, V2), body=V2, types=XML,
         after=(("GET", NEW + "?format=xml", 200, {"contains": "<xnat:name>Two {u}<"}),)),
    told(CRUD, "DELETE", NEW, 200, ("PUT", NEW, V1),
         after=(("GET", NEW + "?format=xml", 404),)),
    told(CRUD, "GET", NEW + "?format=xml", 404, ("PUT", NEW, V1), ("DELETE", NEW)),
]  # fmt: skip
MADE = ("PUT", "/data/projects/{p}{u}?name={p}t{u}&secondary_ID={p}r{u}&alias={p}a{u}")
OTHER = "/data/projects/{p}n{u}"
VALIDATION = [
    told("TestProjectValidation.testDuplicateId", "PUT", NEW, (403, 409), MADE, apart=False,
         account="stranger")
] + [
    told("TestProjectValidation." + name, "PUT", path, (403, 409), MADE,
         after=(("GET", OTHER, 404),))
    for name, path in (
        ("testProjectIdAsTitle", OTHER + "?name={P}{U}"),
        ("testProjectIdAsSecondaryId", OTHER + "?secondary_ID={P}{U}"),
        ("testProjectIdAsAlias", OTHER + "?alias={P}{U}"),
        ("testDuplicateTitle", OTHER + "?name={P}T{U}"),
        ("testTitleAsSecondaryId", OTHER + "?secondary_ID={P}T{U}"),
        ("testTitleAsProjectId", "/data/projects/{p}t{u}"),
        ("testTitleAsAlias", OTHER + "?alias={P}T{U}"),
        ("testDuplicateSecondaryId", OTHER + "?secondary_ID={P}R{U}"),
        ("testSecondaryIdAsProjectId", "/data/projects/{p}r{u}"),
        ("testSecondaryIdAsTitle", OTHER + "?name={P}R{U}"),
        ("testSecondaryIdAsAlias", OTHER + "?alias={P}R{U}"),
        ("testDuplicateAlias", OTHER + "?alias={P}A{U}"),
        ("testAliasAsProjectId", "/data/projects/{p}a{u}"),
        ("testAliasAsTitle", OTHER + "?name={P}A{U}"),
        ("testAliasAsSecondaryId", OTHER + "?secondary_ID={P}A{U}"),
    )
]  # fmt: skip
LOUIE = "/resources/TESTING/files/louie.jpg?inbody=true"
URIS = [
    told("TestProjectURIs.testPrearchiveConfig", "PUT", f"{P}/prearchive_code/{code}", 200,
         after=(("GET", P + "/prearchive_code", 200, {"text": str(code)}),))
    for code in (4, 0, 11)
] + [
    told("TestProjectURIs.testProjectDeleteCrossover", "DELETE", NEW + "b?removeFiles=true", 200,
         ("PUT", NEW), ("PUT", NEW + LOUIE, b"louie"),
         ("PUT", NEW + "b"), ("PUT", NEW + "b" + LOUIE, b"louie"),
         after=(("GET", NEW + "/resources/TESTING/files/louie.jpg", 200,
                 {"content": b"louie"}),)),
    told("TestProjectURIs.testProjectDeleteCrossover", "GET",
         NEW + "/resources/TESTING/files?format=json", 200, ("PUT", NEW),
         ("PUT", NEW + LOUIE, b"louie"), expect={"count": 1, "row": {"Name": "louie.jpg"}}),
]  # fmt: skip

ROWS = [
    *SUBJECTS, *ASSESSMENTS, *ASSESSORS, *DELETING, *RENAMING, *SCANS, *ODDITIES, *VARIABLES,
    *PROJECTS, *VALIDATION, *URIS,
]  # fmt: skip
