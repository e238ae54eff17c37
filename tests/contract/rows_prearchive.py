"""The prearchive: listings, sessions that wait, and the services on them."""

from support.dicom_files import instance, study

from .table import Row

ALL = "/data/prearchive"
FRONT = "/prearchive/projects/{p}"
LIST = "/data" + FRONT
ONE = "/20140507_100000/WAIT"
WAIT = "/data" + FRONT + ONE
OTHER = "/data/prearchive/projects/{p2}" + ONE
SI = "/data/services/import?inbody=true&import-handler=SI&overwrite=append&subject=SP&session=SPE"
PUT = ("POST", f"{SI}&dest={FRONT}{ONE}", study(2))
SECOND = ("POST", f"{SI}&dest={FRONT}/20140507_100001/WAIT2", study(1, study=4))
GRADUAL = "/data/services/import?inbody=true&import-handler=gradual-DICOM"
RECEIVING = (
    "POST",
    f"{GRADUAL}&PROJECT_ID={{p}}&PREARC_TIMESTAMP=20140507_100000&PREARC_SESSION_FOLDER=WAIT"
    "&SUBJECT_ID=SP&EXPT_LABEL=SPE",
    instance(),
)
MANUAL = ("PUT", "/data/projects/{p}/prearchive_code/0")
ARCHIVED = "/data/archive/projects/{p}/subjects/SP/experiments/SPE"
EXPERIMENT = "/data/projects/{p}/subjects/SP/experiments/SPE"
SRC = f"src={FRONT}{ONE}"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
COLUMNS = [
    "project",
    "timestamp",
    "lastmod",
    "uploaded",
    "scan_date",
    "scan_time",
    "subject",
    "folderName",
    "name",
    "tag",
    "status",
    "url",
    "autoarchive",
    "prevent_anon",
    "prevent_auto_commit",
    "SOURCE",
    "VISIT",
    "PROTOCOL",
    "TIMEZONE",
]
GONE = ("GET", LIST + "?format=json", 200, {"no_row": {"folderName": "WAIT", "project": "{p}"}})
RESOURCE = "T TestPrearchiveMgmt"
A_FILE = ("PUT", WAIT + "/resources/EXTRA/files/a.txt?inbody=true", b"extra")
DICOM = WAIT + "/scans/1/resources/DICOM/files"


def get(path, status, source, *more, before=(PUT,), **others):
    """A row that looks at a session that waits."""
    return Row("GET", path, status, source, *more, before=before, **others)


def post(path, status, source, *more, before=(MANUAL, PUT), **others):
    """A row that does something with a session that waits."""
    return Row("POST", path, status, source, *more, before=before, **others)


ROWS = [
    # ---- listings
    get(LIST + "?format=json", 200, "J PrearcSessionListResource", expect={"columns": COLUMNS}),
    get(
        LIST + "?format=json",
        200,
        "T TestPrearchiveMgmt",
        expect={
            "row": {
                "project": "{p}",
                "timestamp": "20140507_100000",
                "folderName": "WAIT",
                "name": "SPE",
                "subject": "SP",
                "status": "READY",
                "url": FRONT + ONE,
                "scan_date": "2014-05-07 09:12:06.0",
            }
        },
    ),
    get(ALL + "?format=json", 200, "J PrearcSessionListResource", expect={"row": {"name": "SPE"}}),
    get(
        ALL + "/projects?format=json",
        200,
        "C pyxnat",
        expect={"row": {"folderName": "WAIT", "project": "{p}"}},
    ),
    get(
        "/data/prearchive/projects/{p},{p2}?format=csv",
        200,
        "J PrearcSessionListResource",
        expect={"row": {"project": "{p}", "name": "SPE"}},
    ),
    get(
        ALL + "?format=json&tag=1.2.826.0.1.3680043.8.498.1",
        200,
        "J PrearcSessionListResource",
        expect={"row": {"project": "{p}", "tag": "1.2.826.0.1.3680043.8.498.1"}},
    ),
    get(ALL + "?format=json&tag=1.2", 200, "J PrearcSessionListResource", expect={"count": 0}),
    get(ALL + "?tag=1.2", 403, "J PrearcSessionListResource", account="owner"),
    get(LIST, 403, "J PrearcSessionListResource", account="stranger"),
    get(
        LIST + "?format=json",
        200,
        "J PrearcSessionListResource",
        account="collaborator",
        expect={"count": 1},
    ),
    get(
        ALL + "?format=json",
        200,
        "J PrearcSessionListResource",
        account="collaborator",
        expect={"no_row": {"project": "{p}"}},
    ),
    get(ALL + "?format=json", 200, "T TestPrearchiveMgmt", account="member", expect={"count": 1}),
    get(
        "/data/prearchive/projects/Unassigned", 403, "J PrearcSessionListResource", account="owner"
    ),
    Row("PUT", ALL, 200, "T TestPrearchiveMgmt"),
    Row(
        "PUT",
        ALL,
        200,
        "T TestPrearchiveMgmt.removePrearchiveMgmtProjects",
        before=(PUT, ("DELETE", "/data/projects/{p}")),
        after=(("GET", ALL + "?format=json", 200, {"no_row": {"project": "{p}"}}),),
    ),
    Row("PUT", ALL, 403, "J PrearcSessionListResource", account="owner"),
    Row("PUT", LIST, 200, "J PrearcSessionListResource"),
    Row("PUT", LIST, 403, "J PrearcSessionListResource", account="owner"),
    Row(
        "PUT",
        LIST,
        200,
        "J PrearcSessionListResource",
        before=(PUT,),
        after=(("GET", LIST + "?format=json", 200, {"row": {"name": "SPE", "status": "READY"}}),),
    ),
    Row("DELETE", ALL, 405, "J PrearcSessionListResource"),
    Row("POST", LIST, 405, "J PrearcSessionListResource"),
    get(
        ALL + "/experiments?recent=1&format=json",
        200,
        "J RecentPrearchiveSessions",
        expect={"row": {"project": "{p}", "name": "SPE"}},
    ),
    get(ALL + "/experiments?recent=true", 200, "J RecentPrearchiveSessions"),
    Row("GET", ALL + "/experiments", 400, "J RecentPrearchiveSessions"),
    Row("GET", ALL + "/experiments?recent=0", 400, "J RecentPrearchiveSessions"),
    Row("GET", ALL + "/experiments?recent=soon", 400, "J RecentPrearchiveSessions"),
    # ---- one session
    get(WAIT + "?format=json", 200, RESOURCE, expect={"count": 1, "row": {"name": "SPE"}}),
    get(
        WAIT,
        200,
        RESOURCE,
        expect={
            "headers": {"Content-Type": "text/xml"},
            "contains": [
                "<xnat:MRSession",
                'project="{p}"',
                'label="SPE"',
                "<xnat:subject_ID>SP</xnat:subject_ID>",
                'URI="SCANS/1/DICOM/scan_1_catalog.xml"',
            ],
        },
    ),
    get(
        WAIT + "?format=zip",
        200,
        "J PrearcSessionResource",
        expect={"names": ["WAIT/SCANS/1/DICOM/000000.dcm", "WAIT/SCANS/1/DICOM/000001.dcm"]},
    ),
    get(WAIT + "?format=xml", 404, "J PrearcSessionResource", before=(RECEIVING,)),
    get(WAIT + "?format=tar", 400, "J PrearcSessionResource"),
    get(LIST + "/20140507_100000/NONE?format=xml", 404, "J PrearcSessionResource"),
    get(
        LIST + "/20140507_100000/NONE?format=json",
        200,
        "J PrearcSessionResource",
        expect={"count": 0},
    ),
    get(WAIT, 403, "J PrearcUtils", account="collaborator"),
    get(WAIT, 403, "J PrearcUtils", account="stranger"),
    get(WAIT, 200, "T TestPrearchiveMgmt", account="member"),
    get(
        "/data/prearchive/projects/Unassigned/20140507_100000/WAIT",
        403,
        "J PrearcUtils",
        "likely",
        account="owner",
    ),
    get(WAIT + "/logs?format=json", 200, "J PrearcSessionResource", expect={"count": 0}),
    get(
        WAIT + "/logs?format=json",
        200,
        "J PrearcSessionResource",
        before=(PUT, A_FILE),
        expect={"count": 1, "columns": ["id", "date", "entry"]},
    ),
    get(
        WAIT + "/logs/last",
        200,
        "J PrearcSessionResource",
        before=(PUT, A_FILE),
        expect={"text": "Added resource EXTRA"},
    ),
    # ---- what is below one
    get(
        WAIT + "/scans?format=json",
        200,
        "T TestImport",
        expect={
            "columns": ["ID", "xsiType", "series_description"],
            "row": {
                "ID": "1",
                "xsiType": "xnat:mrScanData",
                "series_description": "t1_mpr_1",
            },
        },
    ),
    get(WAIT + "/scans?format=csv", 200, "J PrearcScansListResource", expect={"count": 1}),
    get(WAIT + "/scans", 404, "J PrearcSessionResourceA", before=(RECEIVING,)),
    get(WAIT + "/scans", 403, "J PrearcSessionResourceA", account="collaborator"),
    get(
        WAIT + "/scans/1?format=zip",
        200,
        "J PrearcScanResource",
        expect={"names": ["1/DICOM/000000.dcm", "1/DICOM/000001.dcm"]},
    ),
    get(WAIT + "/scans/1?format=json", 400, "J PrearcScanResource"),
    get(WAIT + "/scans/1", 400, "J PrearcScanResource"),
    get(
        WAIT + "/scans/1/resources?format=json",
        200,
        "J PrearcScanResourceList",
        expect={
            "columns": ["label", "file_count", "file_size"],
            "row": {"label": "DICOM", "file_count": "2"},
        },
    ),
    get(WAIT + "/scans/9/resources", 404, "J PrearcScanResourceList"),
    get(WAIT + "/scans/1/resources", 403, "J PrearcScanResourceList", account="stranger"),
    get(
        DICOM + "?format=json",
        200,
        "C pyxnat",
        expect={
            "columns": ["Name", "Size", "URI"],
            "count": 2,
            "row": {"Name": "000000.dcm", "URI": DICOM + "/000000.dcm"},
        },
    ),
    get(DICOM + "/000001.dcm", 200, "T TestImport", expect={"content": instance(1)}),
    get(DICOM + "/000009.dcm", 404, "J PrearcSessionResourceFiles", "likely"),
    get(WAIT + "/scans/1/resources/NONE/files", 404, "J PrearcSessionResourceFiles"),
    get(WAIT + "/scans/9/resources/DICOM/files", 404, "J PrearcSessionResourceFiles"),
    get(
        WAIT + "/resources?format=json",
        200,
        "J PrearcSessionResourcesList",
        before=(PUT, A_FILE),
        expect={
            "columns": ["category", "cat_id", "label", "file_count", "file_size"],
            "count": 2,
            "row": {"category": "scans", "cat_id": "1", "label": "DICOM", "file_count": "2"},
        },
    ),
    get(
        WAIT + "/resources?format=json",
        200,
        "J PrearcSessionResourcesList",
        before=(PUT, A_FILE),
        expect={"row": {"category": "resources", "label": "EXTRA", "file_size": "5"}},
    ),
    get(WAIT + "/resources", 403, "J PrearcSessionResourcesList", account="collaborator"),
    get(
        WAIT + "/resources/EXTRA?format=zip",
        200,
        "J PrearcSessionResourceCatalog",
        before=(PUT, A_FILE),
        expect={"names": ["EXTRA/a.txt"]},
    ),
    get(WAIT + "/resources/EXTRA", 400, "J PrearcSessionResourceCatalog", before=(PUT, A_FILE)),
    get(
        WAIT + "/resources/EXTRA?format=zip",
        403,
        "J PrearcSessionResourceCatalog",
        account="collaborator",
    ),
    Row(
        "PUT",
        WAIT + "/resources/EXTRA/files/a.txt?inbody=true",
        200,
        "J PrearcSessionResourceCatalogFiles",
        before=(PUT,),
        body=b"extra",
        after=(
            ("GET", WAIT + "/resources/EXTRA/files?format=json", 200, {"row": {"Name": "a.txt"}}),
            ("GET", WAIT + "/resources/EXTRA/files/a.txt", 200, {"content": b"extra"}),
        ),
    ),
    Row(
        "PUT",
        WAIT + "/resources/EXTRA/files",
        200,
        "J PrearcSessionResourceCatalogFiles",
        before=(PUT,),
        files={"f": ("b.txt", b"bb")},
        after=(("GET", WAIT + "/resources/EXTRA/files/b.txt", 200, {"content": b"bb"}),),
    ),
    Row(
        "PUT",
        WAIT + "/resources/EXTRA/files/a.txt",
        400,
        "J PrearcSessionResourceCatalogFiles",
        before=(PUT,),
    ),
    Row(
        "PUT",
        WAIT + "/resources/EXTRA/files/a.txt?inbody=true",
        403,
        "J PrearcSessionResourceA",
        before=(PUT,),
        body=b"extra",
        account="collaborator",
        after=(("GET", WAIT + "/resources/EXTRA/files", 404),),
    ),
    get(WAIT + "/resources/EXTRA/files", 404, "J PrearcSessionResourceCatalogFiles"),
    get(
        WAIT + "/resources/EXTRA/files?format=json",
        200,
        "J PrearcSessionResourceCatalogFiles",
        before=(PUT, A_FILE),
        expect={"columns": ["Name", "Size", "URI"], "row": {"Name": "a.txt", "Size": "5"}},
    ),
    get(
        WAIT + "/resources/EXTRA/files/a.txt",
        403,
        "J PrearcSessionResourceA",
        before=(PUT, A_FILE),
        account="collaborator",
    ),
    Row(
        "DELETE",
        WAIT + "/resources/EXTRA/files/a.txt",
        200,
        "J PrearcSessionResourceCatalogFiles",
        before=(PUT, A_FILE),
        after=(("GET", WAIT + "/resources/EXTRA/files", 404),),
    ),
    Row(
        "DELETE",
        WAIT + "/resources/EXTRA/files",
        400,
        "J PrearcSessionResourceCatalogFiles",
        before=(PUT, A_FILE),
    ),
    Row(
        "DELETE",
        WAIT + "/resources/EXTRA/files/none.txt",
        404,
        "J PrearcSessionResourceCatalogFiles",
        before=(PUT, A_FILE),
    ),
    Row(
        "DELETE",
        WAIT + "/resources/EXTRA",
        200,
        "J PrearcSessionResourceCatalog",
        before=(PUT, A_FILE),
        after=(("GET", WAIT + "/resources?format=json", 200, {"count": 1}),),
    ),
    Row(
        "DELETE",
        WAIT + "/resources/NONE",
        404,
        "J PrearcSessionResourceCatalog",
        before=(PUT,),
    ),
    Row(
        "DELETE",
        WAIT + "/resources/EXTRA",
        403,
        "J PrearcSessionResourceA",
        before=(PUT, A_FILE),
        account="collaborator",
    ),
    Row(
        "DELETE",
        WAIT + "/scans/1",
        200,
        "J PrearcScanResource",
        before=(PUT,),
        after=(("GET", WAIT + "/scans?format=json", 200, {"count": 0}),),
    ),
    Row("DELETE", WAIT + "/scans/9", 404, "J PrearcScanResource", before=(PUT,)),
    Row(
        "DELETE",
        WAIT + "/scans/1",
        403,
        "J PrearcScanResource",
        before=(PUT,),
        account="collaborator",
    ),
    # ---- doing something with one session
    Row("DELETE", WAIT, 200, "T TestPrearchiveMgmt", before=(PUT,), after=(GONE,)),
    Row("DELETE", WAIT, 404, "J PrearcSessionResource"),
    Row("DELETE", WAIT + "/logs", 400, "J PrearcSessionResource", before=(PUT,)),
    Row(
        "DELETE",
        WAIT,
        403,
        "J PrearcSessionResource",
        before=(PUT,),
        account="collaborator",
        after=(("GET", WAIT, 200),),
    ),
    Row("DELETE", WAIT, 403, "J PrearcSessionResource", before=(PUT,), account="stranger"),
    post(WAIT, 400, "J PrearcSessionResource"),
    post(WAIT + "?action=dance", 400, "J PrearcSessionResource"),
    post(
        WAIT + "?action=build",
        200,
        "T TestImport",
        before=(RECEIVING,),
        expect={"text": WAIT + "\r\n", "headers": {"Content-Type": "text/uri-list"}},
        after=(
            ("GET", WAIT + "?format=json", 200, {"row": {"status": "READY"}}),
            ("GET", WAIT + "?format=xml", 200),
        ),
    ),
    post(WAIT + "?format=single", 200, "C pyxnat", form={"action": "build"}),
    Row("POST", WAIT + "?action=build", 404, "J PrearcSessionResource", "likely"),
    post(WAIT + "?action=build", 403, "J PrearcSessionResource", account="collaborator"),
    post(WAIT + "?action=reset-status", 200, "J PrearcSessionResource"),
    post(
        WAIT + "?action=set-status&status=ERROR",
        200,
        "J PrearcSessionResource",
        after=(("GET", WAIT + "?format=json", 200, {"row": {"status": "ERROR"}}),),
    ),
    post(WAIT + "?action=set-status&status=_BUILDING", 400, "J PrearcDatabase"),
    post(WAIT + "?action=set-status&status=DANCING", 400, "J PrearcSessionResource"),
    post(
        WAIT + "?action=move&newProject={p2}",
        301,
        "T TestImport",
        expect={"text": OTHER, "headers": {"Location": OTHER}},
        after=(
            GONE,
            ("GET", OTHER + "?format=json", 200, {"row": {"project": "{p2}", "status": "READY"}}),
        ),
    ),
    post(WAIT + "?action=move", 403, "J PrearcSessionResource", "likely"),
    post(WAIT + "?action=move&newProject={p2}", 403, "J PrearcSessionResource", account="member"),
    post(WAIT + "?action=move&newProject=nosuch", 403, "J PrearcSessionResource", "likely"),
    Row("POST", WAIT + "?action=move&newProject={p2}", 404, "J PrearcSessionResource"),
    post(
        WAIT + "?action=commit",
        200,
        "T TestImport",
        before=(MANUAL, RECEIVING),
        expect={"text": WAIT + "\r\n"},
        after=(("GET", WAIT + "?format=json", 200, {"row": {"status": "READY"}}),),
    ),
    post(
        WAIT + "?action=commit&AA=true",
        301,
        "T TestImport",
        before=(MANUAL, RECEIVING),
        expect={"text": ARCHIVED, "headers": {"Location": ARCHIVED}},
        after=(GONE, ("GET", EXPERIMENT, 200)),
    ),
    post(
        WAIT + "?action=commit",
        301,
        "J PrearcSessionResource",
        before=(RECEIVING,),
        expect={"text": ARCHIVED},
    ),
    post(
        WAIT + "?action=commit",
        500,
        "J PrearcSessionResource",
        before=(RECEIVING, ("PUT", EXPERIMENT + "?xsiType=xnat:petSessionData")),
        expect={"contains": "modality"},
        after=(("GET", WAIT + "?format=json", 200, {"row": {"status": "CONFLICT"}}),),
    ),
    Row("POST", WAIT + "?action=commit", 404, "J PrearcSessionResource"),
    # ---- services/archive
    post(
        "/data/services/archive?" + SRC,
        200,
        "T TestArchive",
        expect={"text": ARCHIVED + "\r\n", "headers": {"Content-Type": "text/uri-list"}},
        after=(
            GONE,
            ("GET", EXPERIMENT + "/scans/1/files?format=json", 200, {"count": 2}),
        ),
    ),
    post("/data/services/archive?src=/data" + FRONT + ONE, 200, "C xnatpy"),
    post("/data/services/archive", 200, "C pyxnat", form={"src": FRONT + ONE}),
    post(
        "/data/services/archive?" + SRC + "&redirect=true",
        303,
        "J Archiver",
        expect={"headers": {"Location": ARCHIVED}},
    ),
    post("/data/services/archive?" + SRC, 303, "J Archiver", before=(PUT,)),
    post(
        "/data/services/archive?" + SRC + "&subject=NEW&session=NEWE",
        200,
        "J PrearcSessionArchiver",
        expect={"text": "/data/archive/projects/{p}/subjects/NEW/experiments/NEWE\r\n"},
    ),
    post(
        "/data/services/archive?" + SRC + "&xnat:mrSessionData/note=hello",
        200,
        "J PrearcSessionArchiver",
        after=(("GET", EXPERIMENT + "?format=json", 200, {"field": {"note": "hello"}}),),
    ),
    post(
        "/data/services/archive?" + SRC + "&project={p2}",
        200,
        "C xnatpy",
        after=(("GET", "/data/projects/{p2}/subjects/SP/experiments/SPE", 200),),
    ),
    post(
        "/data/services/archive?" + SRC,
        500,
        "T TestPrearchiveMgmt",
        before=(MANUAL, PUT, ("PUT", EXPERIMENT + "?xsiType=xnat:petSessionData")),
        after=(("GET", WAIT + "?format=json", 200, {"row": {"status": "CONFLICT"}}),),
    ),
    post("/data/services/archive?src=" + FRONT + "/20140507_100000/NONE", 404, "J Archiver"),
    post("/data/services/archive", 404, "J BatchPrearchiveActionsA"),
    post("/data/services/archive?src=/archive/projects/{p}", 400, "J BatchPrearchiveActionsA"),
    post(
        "/data/services/archive?src=/prearchive/projects/Unassigned" + ONE,
        400,
        "J BatchPrearchiveActionsA",
    ),
    post("/data/services/archive?" + SRC, 403, "J PrearcUtils", account="collaborator"),
    post("/data/services/archive?" + SRC, 403, "J PrearcUtils", account="stranger"),
    post("/data/services/archive?" + SRC, 200, "J PrearcUtils", account="member"),
    Row("GET", "/data/services/archive?" + SRC, 405, "J BatchPrearchiveActionsA"),
    post(
        "/data/services/archive?" + SRC + "&src=" + FRONT + "/20140507_100001/WAIT2",
        200,
        "J Archiver",
        before=(MANUAL, PUT, SECOND),
        expect={"count": 2, "row": {"folderName": "WAIT", "status": "QUEUED_ARCHIVING"}},
        after=(("GET", EXPERIMENT, 200),),
    ),
    # ---- services/validate-archive
    post(
        "/data/services/validate-archive?" + SRC + "&format=json",
        200,
        "J ArchiveValidator",
        expect={"count": 0},
    ),
    post(
        "/data/services/validate-archive?" + SRC + "&format=json",
        200,
        "J PrearcSessionValidator",
        before=(MANUAL, PUT, ("PUT", EXPERIMENT + "?xsiType=xnat:petSessionData")),
        expect={
            "columns": ["code", "type", "message"],
            "row": {"code": "1", "type": "CONFLICT"},
        },
    ),
    post(
        "/data/services/validate-archive?" + SRC + "&format=json",
        200,
        "J PrearcSessionValidator",
        before=(MANUAL, PUT, ("PUT", EXPERIMENT + "?xsiType=xnat:petSessionData")),
        expect={"row": {"code": "19", "type": "FAIL"}},
    ),
    post("/data/services/validate-archive", 404, "J BatchPrearchiveActionsA"),
    post("/data/services/validate-archive?" + SRC, 403, "J PrearcUtils", account="stranger"),
    # ---- services/prearchive
    post(
        "/data/services/prearchive/move?" + SRC + "&newProject={p2}&format=json",
        200,
        "T TestPrearchiveMgmt",
        expect={"count": 1, "row": {"status": "QUEUED_MOVING"}},
        after=(GONE, ("GET", OTHER, 200)),
    ),
    post(
        "/data/services/prearchive/move",
        200,
        "C pyxnat",
        form={"src": FRONT + ONE, "newProject": "{p2}", "async": "false"},
        after=(("GET", OTHER, 200),),
    ),
    post(
        "/data/services/prearchive/move?src=" + FRONT + "/20140507_100000/NONE&newProject={p2}",
        404,
        "J PrearchiveBatchMove",
    ),
    post("/data/services/prearchive/move?" + SRC, 400, "J PrearchiveBatchMove"),
    post(
        "/data/services/prearchive/move?" + SRC + "&newProject={p2}",
        403,
        "J BatchPrearchiveActionsA",
        account="collaborator",
    ),
    post(
        "/data/services/prearchive/move?" + SRC + "&newProject={p2}",
        403,
        "J PrearcUtils",
        "likely",
        account="owner",
        after=(("GET", WAIT, 200),),
    ),
    post(
        "/data/services/prearchive/delete?" + SRC + "&format=json",
        200,
        "C xnatpy",
        expect={"row": {"status": "QUEUED_DELETING"}},
        after=(GONE,),
    ),
    post(
        "/data/services/prearchive/delete?format=csv",
        200,
        "C pyxnat",
        body=SRC + "&async=false",
        headers=FORM,
        after=(GONE,),
    ),
    post(
        "/data/services/prearchive/delete?src=nonsense",
        500,
        "J BatchPrearchiveActionsA",
    ),
    post(
        "/data/services/prearchive/delete?" + SRC,
        403,
        "J BatchPrearchiveActionsA",
        account="collaborator",
        after=(("GET", WAIT, 200),),
    ),
    Row("GET", "/data/services/prearchive/delete", 405, "J BatchPrearchiveActionsA"),
    post(
        "/data/services/prearchive/rebuild?" + SRC + "&format=json",
        200,
        "C xnatpy",
        before=(MANUAL, RECEIVING),
        expect={"row": {"status": "QUEUED_BUILDING"}},
        after=(("GET", WAIT + "?format=json", 200, {"row": {"status": "READY"}}),),
    ),
    post(
        "/data/services/prearchive/rebuild?" + SRC,
        403,
        "J PrearchiveBatchRebuild",
        account="stranger",
    ),
    post("/data/services/prearchive/rebuild?src=nonsense", 500, "J BatchPrearchiveActionsA"),
]
