"""Session folders, headers of DICOM files, pipelines, workflows and custom fields."""

import json

from support.dicom_files import study

from .table import NIFTI, Row

P = "/data/projects/{p}"
E1 = "/data/experiments/{e1}"
DIR = E1 + "/DIR"
COLUMNS = ["Name", "DIR", "Size", "URI"]
SI = "/data/services/import?inbody=true&import-handler=SI&dest="
ARCHIVED = "/archive/projects/{p}/subjects/SD/experiments/SDE"
DICOM = ("POST", SI + ARCHIVED, study(2, series=(1, 2)))
WAITING = ("POST", SI + "/prearchive/projects/{p}/20140507_100000/WAIT", study(1))
DUMP = "/data/services/dicomdump?format=json"
TAGS = ["tag1", "tag2", "vr", "value", "desc"]
FLOW = (
    "wrk:workflowData/pipeline_name=WORKFLOW_TEST&wrk:workflowData/id={e1}"
    "&wrk:workflowData/launch_time=2013-05-20%252013:51:25.089"
)
QUEUED = FLOW + "&wrk:workflowData/data_type=xnat:mrSessionData&wrk:workflowData/status=Queued"
NOTED = ("PUT", "/data/workflows?" + QUEUED)
CUSTOM = "/xapi/custom-fields"
JSON = {"Content-Type": "application/json"}
EXPERIMENT = CUSTOM + "/projects/{p}/subjects/S1/experiments/MR1"
PIPELINES = P + "/pipelines"


def custom(path, status, body, *, account="", after=(), before=(), expect=None):
    """A row that sets custom fields."""
    return Row(
        "PUT",
        path,
        status,
        "T TestCustomFieldUsage" if not account else "T TestCustomFieldPermissions",
        body=json.dumps(body).encode(),
        headers=JSON,
        account=account,
        before=before,
        after=after,
        expect=expect or {},
    )


ROWS = [
    # ---- session folders
    Row(
        "GET",
        DIR + "?format=json",
        200,
        "J DIRResource",
        expect={
            "columns": COLUMNS,
            "values": {"Name": ["SCANS/", "RESOURCES/", "ASSESSORS/"]},
            "row": {"DIR": "true", "URI": DIR + "/SCANS/?format=json"},
        },
    ),
    Row("GET", DIR, 200, "J DIRResource", expect={"contains": "<cell>SCANS/</cell>"}),
    Row(
        "GET",
        DIR + "/RESOURCES/NOTES?format=json",
        200,
        "J DIRResource",
        expect={
            "values": {"Name": ["n.txt", "NOTES_catalog.xml"]},
            "row": {"DIR": "false", "Size": "6", "URI": DIR + "/RESOURCES/NOTES/n.txt"},
        },
    ),
    Row(
        "GET",
        DIR + "/SCANS?format=csv&recursive=true",
        200,
        "J DIRResource",
        expect={"row": {"Name": "1/NIFTI/sub/t1.json", "Size": "2"}},
    ),
    Row("GET", DIR + "/SCANS/1/NIFTI/t1.nii.gz", 200, "J DIRResource", expect={"content": NIFTI}),
    Row("GET", DIR + "/SCANS/*/NIFTI/t1*", 200, "J DIRResource", expect={"content": NIFTI}),
    Row(
        "GET",
        DIR + "/RESOURCES?format=zip",
        200,
        "J DIRResource",
        expect={
            "names": ["MR1/RESOURCES/NOTES/n.txt", "MR1/RESOURCES/NOTES/NOTES_catalog.xml"],
            "headers": {"Content-Type": "application/zip"},
        },
    ),
    Row("GET", DIR + "/NOTHING", 404, "J DIRResource"),
    Row("GET", "/data/experiments/nosuch/DIR", 404, "J DIRResource"),
    Row("GET", "/data/experiments/{e2}/DIR", 404, "J DIRResource", "likely"),
    Row("GET", "/data/experiments/{a1}/DIR", 400, "J DIRResource"),
    Row("GET", DIR, 404, "J DIRResource", account="stranger"),
    Row("GET", DIR, 200, "J DIRResource", account="collaborator"),
    Row("GET", DIR, 401, "J DIRResource", anonymous=True),
    Row("PUT", DIR, 405, "J DIRResource"),
    Row(
        "GET",
        P + "/experiments/MR1/DIR?format=json",
        200,
        "J DIRResource",
        expect={"row": {"Name": "SCANS/", "URI": DIR + "/SCANS/?format=json"}},
    ),
    Row("GET", P + "/experiments/nosuch/DIR", 404, "J DIRResource"),
    Row("GET", P + "/experiments/MR1/DIR/SCANS/9", 404, "J DIRResource"),
    Row(
        "GET",
        E1 + "/XAR",
        200,
        "J DIRResource",
        expect={
            "headers": {"Content-Type": "application/xar", "Content-Disposition": "MR1.xar"},
            "names": [
                "{e1}.xml",
                "MR1/SCANS/1/NIFTI/t1.nii.gz",
                "MR1/SCANS/1/NIFTI/sub/t1.json",
                "MR1/SCANS/1/NIFTI/NIFTI_catalog.xml",
                "MR1/RESOURCES/NOTES/n.txt",
                "MR1/RESOURCES/NOTES/NOTES_catalog.xml",
                "MR1/ASSESSORS/QC1/OUT/o.txt",
                "MR1/ASSESSORS/QC1/OUT/OUT_catalog.xml",
            ],
        },
    ),
    Row("GET", P + "/experiments/MR1/XAR", 200, "J DIRResource"),
    Row("GET", P + "/experiments/nosuch/XAR", 404, "J DIRResource"),
    Row("GET", P + "/experiments/MR1/XAR", 404, "J DIRResource", account="stranger"),
    Row("GET", E1 + "/XAR", 404, "J DIRResource", account="stranger"),
    Row("GET", "/data/experiments/nosuch/XAR", 404, "J DIRResource"),
    Row(
        "GET",
        P + "/subjects/SD/experiments/SDE/scans/1/DICOMDIR",
        200,
        "J ScanDIRResource",
        before=(DICOM,),
        expect={
            "headers": {"Content-Type": "application/zip"},
            "names": [
                "SDE/scans/1-t1_mpr_1/resources/DICOM/files/000000.dcm",
                "SDE/scans/1-t1_mpr_1/resources/DICOM/files/000001.dcm",
                "DICOMDIR",
            ],
        },
    ),
    Row("GET", E1 + "/scans/1/DICOMDIR", 200, "J ScanDIRResource", expect={"names": ["DICOMDIR"]}),
    Row("GET", E1 + "/scans/99/DICOMDIR", 404, "J ScanDIRResource"),
    Row("GET", E1 + "/scans/1/DICOMDIR", 404, "J ScanDIRResource", account="stranger"),
    Row("GET", "/data/experiments/nosuch/scans/1/DICOMDIR", 404, "J ScanDIRResource"),
    Row("PUT", E1 + "/scans/1/DICOMDIR", 405, "J ScanDIRResource"),
    Row(
        "GET",
        P + "/subjects/S1/experiments/MR1/scans/99/DICOMDIR",
        404,
        "J ScanDIRResource",
    ),
    Row("GET", P + "/subjects/S1/experiments/MR1/scans/ALL/DICOMDIR", 200, "J ScanDIRResource"),
    # ---- headers
    Row(
        "GET",
        DUMP + f"&src={ARCHIVED}/scans/1&field=PatientName&field=00080060",
        200,
        "J DicomDump",
        before=(DICOM,),
        expect={
            "columns": TAGS,
            "count": 2,
            "row": {
                "tag1": "(0010,0010)",
                "tag2": "",
                "vr": "PN",
                "value": "Sample^Patient",
                "desc": "Patient&rsquo;s Name",
            },
        },
    ),
    Row(
        "GET",
        DUMP + f"&src={ARCHIVED}",
        200,
        "J DicomHeaderDump",
        before=(DICOM,),
        expect={"row": {"tag1": "(0008,103E)", "value": "t1_mpr_1"}},
    ),
    Row(
        "GET",
        DUMP + "&src=/archive/projects/{p}/experiments/SDE&summary=true&field=0008103E",
        200,
        "J DicomSummaryHeaderDump",
        before=(DICOM,),
        expect={"count": 1, "row": {"value": "t1_mpr_1, t1_mpr_2"}},
    ),
    Row(
        "GET",
        DUMP + f"&src={ARCHIVED}/scans/2/resources/DICOM/files/000001.dcm&field=InstanceNumber",
        200,
        "J DicomDump",
        before=(DICOM,),
        expect={"count": 1, "row": {"value": "1", "vr": "IS"}},
    ),
    Row(
        "GET",
        DUMP + "&src=/prearchive/projects/{p}/20140507_100000/WAIT/scans/1&field=Modality",
        200,
        "C xnatpy",
        before=(WAITING,),
        expect={"count": 1, "row": {"value": "MR"}},
    ),
    Row(
        "GET",
        DUMP + "&src=/prearchive/projects/{p}/20140507_100000/WAIT/scans/1",
        403,
        "J PrearcUtils",
        "likely",
        before=(WAITING,),
        account="stranger",
    ),
    Row("GET", DUMP, 400, "J DicomDump"),
    Row(
        "GET",
        DUMP + "&src=/archive/projects/{p}/experiments/MR1&field=Nonsense",
        400,
        "J DicomDump",
    ),
    Row("GET", DUMP + "&src=/archive/projects/{p}/experiments/nosuch", 404, "J DicomDump"),
    Row(
        "GET",
        DUMP + "&src=/archive/projects/{p}/experiments/MR1",
        404,
        "J DicomDump",
        account="stranger",
    ),
    Row(
        "GET",
        DUMP + "&src=/archive/projects/{p}/experiments/MR1",
        200,
        "J DicomHeaderDump",
        expect={"count": 0},
    ),
    Row("GET", DUMP + "&src=/elsewhere", 200, "J DicomDump", expect={"count": 0}),
    # ---- pipelines and the settings of the archive
    Row(
        "GET",
        P + "/archive_spec",
        200,
        "J ProjectArchive",
        expect={
            "headers": {"Content-Type": "text/xml"},
            "contains": ["<arc:Project", "<arc:prearchive_code>4</arc:prearchive_code>"],
        },
    ),
    Row(
        "GET",
        P + "/archive_spec",
        200,
        "J ProjectArchive",
        before=(("PUT", P + "/prearchive_code/0"), ("PUT", P + "/current_arc/arc002")),
        expect={
            "contains": ["<arc:prearchive_code>0</arc:prearchive_code>", 'current_arc="arc002"']
        },
    ),
    Row("GET", "/data/projects/nosuch/archive_spec", 404, "J ProjectArchive"),
    Row("GET", P + "/archive_spec", 404, "J ProjectArchive", account="stranger"),
    Row(
        "GET", PIPELINES + "?format=json", 200, "J ProjectPipelineListResource", expect={"count": 0}
    ),
    Row(
        "GET",
        PIPELINES + "?format=xml",
        200,
        "J ProjectPipelineListResource",
        expect={"contains": "<arc:Project"},
    ),
    Row("GET", PIPELINES, 403, "J ProjectPipelineListResource", account="member"),
    Row("GET", PIPELINES, 200, "J ProjectPipelineListResource", account="owner"),
    Row("GET", "/data/projects/nosuch/pipelines", 403, "J ProjectPipelineListResource"),
    Row("DELETE", PIPELINES, 200, "J ProjectPipelineListResource"),
    Row(
        "DELETE",
        PIPELINES + "?path=a&datatype=b",
        403,
        "J ProjectPipelineListResource",
        account="member",
    ),
    Row("DELETE", "/data/projects/nosuch/pipelines", 417, "J ProjectPipelineListResource"),
    Row("GET", PIPELINES + "/Step/experiments/MR1", 500, "J ProjtExptPipelineResource", "likely"),
    Row("GET", PIPELINES + "/Step/experiments/{e1}", 500, "J ProjtExptPipelineResource", "likely"),
    Row(
        "GET",
        "/data/projects/nosuch/pipelines/Step/experiments/{e1}",
        400,
        "J ProjtExptPipelineResource",
    ),
    Row(
        "POST",
        PIPELINES + "/triggerPipelines/experiments/MR1",
        200,
        "J ProjtExptPipelineResource",
        after=(("GET", E1 + "/history", 200, {"contains": "Trigger Pipelines"}),),
    ),
    Row("POST", PIPELINES + "/fixScanTypes/experiments/MR1", 200, "J ProjtExptPipelineResource"),
    Row(
        "POST",
        PIPELINES + "/fixScanTypes/experiments/MR1",
        403,
        "J ProjtExptPipelineResource",
        account="collaborator",
    ),
    Row("POST", PIPELINES + "/fixScanTypes/experiments/nosuch", 400, "J ProjtExptPipelineResource"),
    Row(
        "POST",
        PIPELINES + "/pullDataFromHeaders/experiments/SDE",
        200,
        "T TestScans",
        before=(
            DICOM,
            ("PUT", P + "/subjects/SD/experiments/SDE?session_type=changed&note=kept"),
            ("PUT", P + "/subjects/SD/experiments/SDE/scans/1?series_description=changed"),
        ),
        after=(
            (
                "GET",
                P + "/subjects/SD/experiments/SDE?format=json",
                200,
                {"field": {"session_type": "head", "note": "kept"}},
            ),
            (
                "GET",
                P + "/subjects/SD/experiments/SDE/scans/1?format=json",
                200,
                {"field": {"series_description": "t1_mpr_1"}},
            ),
        ),
    ),
    Row(
        "POST",
        PIPELINES + "/pullDataFromHeaders/experiments/MR1",
        403,
        "J ProjtExptPipelineResource",
        account="collaborator",
    ),
    # ---- workflows
    Row(
        "PUT",
        "/data/workflows?" + QUEUED,
        200,
        "T TestWorkflows",
        after=(
            (
                "GET",
                "/data/workflows?format=json&" + FLOW,
                200,
                {"field": {"status": "Queued", "pipeline_name": "WORKFLOW_TEST", "ID": "{e1}"}},
            ),
        ),
    ),
    Row(
        "PUT",
        "/data/workflows?" + FLOW + "&wrk:workflowData/status=Complete",
        200,
        "T TestWorkflows",
        before=(NOTED,),
        after=(
            (
                "GET",
                "/data/workflows?format=json&" + FLOW,
                200,
                {"field": {"status": "Complete", "data_type": "xnat:mrSessionData"}},
            ),
        ),
    ),
    Row(
        "PUT",
        "/data/workflows?" + FLOW + "&wrk:workflowData/status=Complete",
        403,
        "T TestWorkflows",
        before=(NOTED,),
        account="owner",
    ),
    Row("PUT", "/data/workflows?" + FLOW, 400, "J WorkflowResource"),
    Row("PUT", "/data/workflows/987654321?" + FLOW, 404, "J WorkflowResource"),
    Row(
        "PUT",
        "/data/workflows",
        200,
        "J WorkflowResource",
        body='<wrk:Workflow xmlns:wrk="http://nrg.wustl.edu/workflow" ID="{e1}" status="Failed" '
        'data_type="xnat:mrSessionData" launch_time="2020-01-01 10:00:00" pipeline_name="X"/>',
        headers={"Content-Type": "text/xml"},
    ),
    Row(
        "GET",
        "/data/workflows?" + FLOW,
        200,
        "J WorkflowResource",
        before=(NOTED,),
        expect={"headers": {"Content-Type": "text/xml"}, "contains": "<wrk:Workflow"},
    ),
    Row("GET", "/data/workflows?" + FLOW, 404, "J WorkflowResource"),
    Row("GET", "/data/workflows/987654321", 404, "J WorkflowResource"),
    Row(
        "GET",
        "/data/workflows?" + FLOW,
        404,
        "J WorkflowResource",
        "likely",
        before=(NOTED,),
        account="stranger",
    ),
    Row("DELETE", "/data/workflows", 405, "J WorkflowResource"),
    # ---- the audit trail
    Row(
        "GET",
        "/data/services/audit/xnat:mrSessionData/{e1}",
        200,
        "J AuditRestlet",
        expect={"headers": {"Content-Type": "application/json"}},
    ),
    Row(
        "GET",
        "/data/services/audit/xnat:mrSessionData/{e1}",
        404,
        "J AuditRestlet",
        "likely",
        account="stranger",
    ),
    Row("GET", "/data/services/audit/xnat:mrSessionData/a'b", 400, "J AuditRestlet"),
    Row("GET", "/data/services/audit/xnat:nosuchData/{e1}", 400, "J AuditRestlet"),
    Row("GET", "/data/services/audit/xnat:petSessionData/{e1}", 404, "J AuditRestlet", "likely"),
    # ---- custom fields
    Row("GET", EXPERIMENT + "/fields", 200, "T TestCustomFieldUsage", expect={"json": {}}),
    custom(
        CUSTOM + "/projects/{p}/fields",
        200,
        {"str": "s", "int": 100, "float": 100.5, "nullVal": None, "arr": ["1"], "obj": {"a": 5}},
        expect={
            "json": {
                "str": "s",
                "int": 100,
                "float": 100.5,
                "nullVal": None,
                "arr": ["1"],
                "obj": {"a": 5},
            }
        },
        after=(
            ("GET", CUSTOM + "/projects/{p}/fields/obj", 200, {"text": '{"a": 5}'}),
            ("GET", CUSTOM + "/projects/{p}/fields/str", 200, {"text": "s"}),
        ),
    ),
    custom(
        EXPERIMENT + "/fields",
        200,
        {"KEY1": "VAL 001"},
        after=(
            ("GET", EXPERIMENT + "/fields", 200, {"json": {"KEY1": "VAL 001"}}),
            ("GET", CUSTOM + "/experiments/{e1}/fields", 200, {"json": {"KEY1": "VAL 001"}}),
            (
                "GET",
                CUSTOM + "/projects/{p}/experiments/{e1}/fields/KEY1",
                200,
                {"text": "VAL 001"},
            ),
            ("GET", EXPERIMENT + "/fields/DOESNOTEXIST", 404),
            ("DELETE", EXPERIMENT + "/fields/DOESNOTEXIST", 404),
            ("DELETE", EXPERIMENT + "/fields/KEY1", 200, {"json": {}}),
        ),
    ),
    *(
        custom(
            f"{CUSTOM}{path}/fields",
            200,
            {"a": 1, "b": 2},
            after=(
                (
                    "GET",
                    f"{CUSTOM}{path}/fields?fieldNames=b,DNE",
                    200,
                    {"json": {"b": 2}},
                ),
                ("DELETE", f"{CUSTOM}{path}/fields/b", 200, {"json": {"a": 1}}),
            ),
        )
        for path in (
            "/projects/{p}/subjects/S1",
            "/subjects/{s1}",
            "/projects/{p}/experiments/MR1/scans/1",
            "/experiments/{e1}/scans/1",
            "/projects/{p}/subjects/{s1}/experiments/{e1}/assessors/QC1",
            "/experiments/{e1}/assessors/{a1}",
        )
    ),
    custom(CUSTOM + "/projects/{p}/fields", 403, {"a": 1}, account="member"),
    custom(CUSTOM + "/projects/{p}/fields", 200, {"a": 1}, account="owner"),
    custom(EXPERIMENT + "/fields", 200, {"a": 1}, account="member"),
    custom(EXPERIMENT + "/fields", 403, {"a": 1}, account="collaborator"),
    custom(EXPERIMENT + "/fields", 403, {"a": 1}, account="stranger"),
    Row(
        "GET",
        CUSTOM + "/projects/{p}/fields",
        403,
        "T TestCustomFieldPermissions",
        account="stranger",
    ),
    Row(
        "GET",
        CUSTOM + "/projects/NOSUCH/fields",
        403,
        "T TestCustomFieldPermissions",
        account="stranger",
    ),
    Row(
        "GET",
        EXPERIMENT + "/fields",
        200,
        "T TestCustomFieldPermissions",
        account="collaborator",
        expect={"json": {}},
    ),
    Row(
        "GET",
        CUSTOM + "/experiments/{e1}/scans/9/fields",
        404,
        "T TestCustomFieldPermissions",
        account="collaborator",
    ),
    Row("GET", CUSTOM + "/subjects/{s2}/experiments/{e1}/fields", 404, "J CustomFieldsApi"),
    Row(
        "GET", CUSTOM + "/projects/{p}/subjects/S2/experiments/MR1/fields", 404, "J CustomFieldsApi"
    ),
    Row("PUT", EXPERIMENT + "/fields", 400, "J CustomFieldsApi", body=b"{", headers=JSON),
    Row(
        "PUT",
        EXPERIMENT + "/fields",
        415,
        "J CustomFieldsApi",
        body=b"{}",
        headers={"Content-Type": "text/plain"},
    ),
    Row(
        "DELETE",
        EXPERIMENT + "/fields/a",
        403,
        "T TestCustomFieldPermissions",
        account="collaborator",
    ),
    Row("DELETE", EXPERIMENT + "/fields", 405, "J CustomFieldsApi"),
    Row("DELETE", CUSTOM + "/experiments/nosuch/fields/a", 404, "J CustomFieldsApi", "likely"),
]
