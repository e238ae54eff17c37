"""Documents without an address, protocols of data types, and sessions that never wait."""

from support.dicom_files import STUDY, study

from .rows_tests_elements import NAMES, XML, P, S, quality, session, subject, told
from .table import Row

UPLOAD = "/xapi/archive/upload/xml"
WHOLE = UPLOAD + "?allowDataDeletion=false"
APP = "application/xml"
ROUND = "TestXmlOddities.testXmlUploadRoundTripsSubject"
DOCTYPE = "TestXmlOddities.testXmlUploadRejectsDoctype"
ENTITY = (
    '<?xml version="1.0"?><!DOCTYPE xnat:Project [<!ENTITY ext SYSTEM "file:///etc/hostname">]>'
    '<xnat:Project xmlns:xnat="http://nrg.wustl.edu/xnat" ID="p1" secondary_ID="p1">'
    "<xnat:name>&ext;</xnat:name></xnat:Project>"
)
S1_XML = f'<xnat:Subject ID="{{s1}}" project="{{p}}" label="S1" group="afterwards" {NAMES}/>'
NEW = subject().replace('project=""', 'project="{p}"')
SESSION = (
    session()
    .replace('project=""', 'project="{p}"')
    .replace("<xnat:subject_ID/>", "<xnat:subject_ID>{s1}</xnat:subject_ID>")
)
QC = (
    quality()
    .replace('project=""', 'project="{p}"')
    .replace("<xnat:imageSession_ID/>", "<xnat:imageSession_ID>{e1}</xnat:imageSession_ID>")
)
SCAN = (
    f'<xnat:MRScan ID="77" type="T1" {NAMES}><xnat:image_session_ID>{{e1}}'
    "</xnat:image_session_ID><xnat:quality>usable</xnat:quality></xnat:MRScan>"
)
S1 = S + "S1?format=json"


def part(text):
    return {"item": ("sent.xml", text, "text/xml")}


UPLOADS = [
    told(ROUND, "PUT", WHOLE, 200, body=S1_XML, types=APP, apart=False,
         expect={"text": "/archive/subjects/{s1}"},
         after=(("GET", S1, 200, {"field": {"group": "afterwards"}}),)),
    told(ROUND, "PUT", WHOLE, 200, body=NEW, types=APP,
         after=(("GET", S + "{u}?format=json", 200, {"field": {"group": "control"}}),)),
    told(DOCTYPE, "PUT", WHOLE, (400, 500), body=ENTITY, types=APP,
         expect={"contains": "DOCTYPE is disallowed"}, after=(("GET", "/data/projects/p1", 404),)),
    told(DOCTYPE, "PUT", WHOLE, (400, 500), body=ENTITY, types="text/plain",
         expect={"contains": "DOCTYPE is disallowed"}),
    Row("PUT", WHOLE, 200, "J CatalogApi", body=SESSION, types=APP, apart=True,
        expect={"contains": "/archive/experiments/"},
        after=(("GET", S + "S1/experiments/{u}/scans?format=json", 200, {"count": 2}),)),
    Row("PUT", WHOLE, 200, "J CatalogApi", body=QC, types=APP, apart=True,
        after=(("GET", "/data/experiments/{e1}/assessors/{u}q", 200),)),
    Row("PUT", WHOLE, 200, "J DefaultCatalogService", body=SCAN, types=APP,
        expect={"text": "/archive/experiments/{e1}/scans/77"},
        after=(("GET", "/data/experiments/{e1}/scans/77", 200),)),
    Row("PUT", WHOLE, (400, 500), "J DefaultCatalogService", types=APP,
        body=SCAN.replace("{e1}", "nowhere")),
    Row("PUT", WHOLE, (400, 500), "J CatalogApi", body="<xnat:Subject", types=APP),
    Row("PUT", WHOLE, (204, 400), "J CatalogApi", body="", types=APP),
    Row("PUT", UPLOAD, 400, "J CatalogApi", body=S1_XML, types=APP),
    Row("PUT", WHOLE, 415, "J CatalogApi", body=S1_XML, types="application/json"),
    Row("PUT", WHOLE, (403, 404, 500), "J Permissions", body=S1_XML, types=APP,
        account="stranger", after=(("GET", S1, 200, {"field": {"group": "control"}}),)),
    Row("PUT", WHOLE, (401, 403), "J CatalogApi", "likely", body=S1_XML, types=APP,
        anonymous=True),
    Row("POST", UPLOAD, 200, "J CatalogApi", files=part(NEW), apart=True,
        after=(("GET", S + "{u}", 200),)),
    Row("POST", UPLOAD, (400, 500), "J CatalogApi", files=part(ENTITY)),
    Row("POST", UPLOAD, 400, "J CatalogApi", "likely", files={"other": ("a.xml", NEW)}),
    Row("POST", UPLOAD, 415, "J CatalogApi", body=NEW, types=APP),
]  # fmt: skip

PROTOCOL = P + "/protocols/{p}_mr"
DEFINED = (
    f'<xnat:DatatypeProtocol ID="{{p}}_mr" name="MR" data-type="xnat:mrSessionData" {NAMES}>'
    '<xnat:definitions><xnat:definition ID="{p}_set" data-type="xnat:mrSessionData" '
    'description="" project-specific="1"><xnat:fields><xnat:field name="dose" type="custom" '
    'datatype="float" required="0" sequence="0" xmlPath="xnat:mrSessionData/fields/field'
    '[name=dose]/field"/></xnat:fields></xnat:definition></xnat:definitions>'
    "</xnat:DatatypeProtocol>"
)
SET = ("PUT", PROTOCOL, DEFINED)
SAYS = "J ProtocolResource"
PROTOCOLS = [
    Row("PUT", PROTOCOL, 200, SAYS, body=DEFINED, types=XML,
        expect={"contains": ['name="dose"', 'data-type="xnat:mrSessionData"']},
        after=(("GET", P + "?format=xml", 200, {"contains": 'name="dose"'}),)),
    Row("PUT", PROTOCOL, 200, SAYS, body=DEFINED.replace("dose", "weight"), types=XML,
        before=(SET,), after=(("GET", PROTOCOL, 200, {"contains": ["dose", "weight"]}),)),
    Row("PUT", PROTOCOL, 406, SAYS, body=S1_XML, types=XML),
    Row("PUT", PROTOCOL, (400, 422), SAYS, body="<no", types=XML),
    Row("PUT", PROTOCOL, (403, 404), SAYS, body=DEFINED, types=XML, account="collaborator",
        after=(("GET", P + "?format=xml", 200, {"lacks": "dose"}),)),
    Row("GET", PROTOCOL + "?format=xml", 200, "C ajaxProtocolManager.js", before=(SET,),
        expect={"contains": 'name="dose"'}),
    Row("GET", P + "/protocols/x?dataType=xnat:mrSessionData&format=json", 200, SAYS,
        before=(SET,), expect={"field": {"ID": "{p}_mr"}}),
    Row("GET", P + "/protocols/x?dataType=xnat:petSessionData&format=json", 200, SAYS,
        account="owner", expect={"field": {"ID": "{p}_xnat_petSessionData",
                                           "data-type": "xnat:petSessionData"}}),
    Row("GET", PROTOCOL, (404, 500), SAYS),
    Row("GET", PROTOCOL, 404, SAYS, before=(SET,), account="stranger"),
    Row("DELETE", PROTOCOL, 200, SAYS, before=(SET,),
        after=(("GET", PROTOCOL, 404), ("GET", P + "?format=xml", 200, {"lacks": "dose"}))),
    Row("DELETE", PROTOCOL, 404, SAYS),
    Row("DELETE", PROTOCOL, (403, 404), SAYS, before=(SET,), account="collaborator",
        after=(("GET", PROTOCOL, 200),)),
]  # fmt: skip

IMPORT = "/data/services/import?inbody=true&import-handler=DICOM-zip&Direct-Archive=true"
TWO = study(2)
TAG = STUDY
DIRECT = f"/xapi/direct-archive/{{p}}/{TAG}/Sample_ID"
PACKED = {"Content-Type": "application/zip"}
ARRIVED = ("POST", IMPORT + "&project={p}", TWO)
STORED = P + "/subjects/Sample_Patient/experiments/Sample_ID"
API = "TestDirectArchive.testDirectArchiveAPI"
COMMIT = "TestDirectArchive.testDirectArchiveAPICommit"
CLASH = "TestDirectArchive.testDirectArchiveConflict"
FILTER = "TestDirectArchive.testDirectArchiveProjectFilter"
EMPTY = ("GET", "/data/prearchive/projects/{p}?format=json", 200, {"count": 0})
LIST = "/xapi/direct-archive"
JSON = "application/json"
ONE = '{"filtersMap": {"project": {"backend": "hibernate", "operator": "EQ", "value": "{p}"}}}'
MEMBER = ("PUT", P + "/users/Members/ct_stranger")


def direct(test, method, path, status, *before, **more):
    return told(test, method, path, status, *before, apart=False, **more)


DIRECTS = [
    direct(API, "POST", IMPORT + "&project={p}", 200, body=TWO, headers=PACKED,
           expect={"text": DIRECT + "\r\n"}, after=(EMPTY, ("GET", DIRECT, 200))),
    direct(COMMIT, "POST", DIRECT, 200, ARRIVED,
           after=(("GET", STORED, 200), ("GET", STORED + "/scans/1/files?format=json", 200,
                                         {"count": 2}), EMPTY, ("GET", DIRECT, 404))),
    direct(CLASH, "POST", IMPORT + "&project={p}", 200, ARRIVED, ("POST", DIRECT), body=TWO,
           headers=PACKED, expect={"contains": "/data/prearchive/projects/{p}/"},
           after=(("GET", DIRECT, 404), ("GET", "/data/prearchive/projects/{p}?format=json", 200,
                                         {"count": 1}))),
    direct(FILTER, "POST", LIST, 200, ARRIVED, ("POST", IMPORT + "&project={p2}", TWO),
           body=ONE, types=JSON, expect={"contains": '"project": "{p}"', "lacks": '"{p2}"'}),
    direct(FILTER, "POST", LIST, 200, ARRIVED, ("POST", IMPORT + "&project={p2}", TWO),
           body="{}", types=JSON, expect={"contains": ['"project": "{p}"', '"{p2}"']}),
    Row("POST", LIST, 200, "J DirectArchiveSessionServiceImpl", body="{}", types=JSON,
        before=(ARRIVED,), account="stranger", expect={"lacks": '"project": "{p}"'}),
    Row("POST", DIRECT, 403, "J DirectArchiveSessionApi", before=(ARRIVED,),
        account="collaborator", after=(("GET", DIRECT, 200), ("GET", STORED, 404))),
    Row("POST", f"/xapi/direct-archive/{{p}}/{TAG}/nosuch", 404, "J DirectArchiveSessionApi"),
    direct(API, "GET", DIRECT, 200, ARRIVED,
           expect={"members": {"project": "{p}", "name": "Sample_ID", "status": "RECEIVING",
                               "tag": TAG, "folderName": "Sample_ID"}}),
    direct(COMMIT, "GET", DIRECT, 404, ARRIVED, ("POST", DIRECT)),
    Row("GET", DIRECT, 403, "J DirectArchiveSessionApi", before=(ARRIVED,), account="stranger"),
    Row("GET", DIRECT, 404, "J DirectArchiveSessionHibernateServiceImpl"),
    Row("DELETE", LIST + "/99999999", 404, "J DirectArchiveSessionHibernateServiceImpl"),
    Row("DELETE", LIST + "/word", 400, "J DirectArchiveSessionApi"),
    Row("DELETE", LIST + "/99999999", 404, "J DirectArchiveSessionHibernateServiceImpl",
        account="stranger"),
]  # fmt: skip

ROWS = UPLOADS + PROTOCOLS + DIRECTS

# ---- what clients ask besides ------------------------------------------------------------

LATEST = ["id", "label", "project", "date", "status", "workflow_status", "element_name",
          "type_desc", "insert_date", "activation_date", "last_modified", "workflow_date",
          "pipeline_name", "action_date", "scanner"]  # fmt: skip
RECENT = "/data/experiments?recent=30&limit=1000&format=json"
SCANS = "xnat:imagesessiondata/scans/scan"
#: how dax lists the scans of a subject's sessions
DAX = (
    f"{S}S1/experiments?columns=ID,URI,label,subject_label,project,{SCANS}/id,{SCANS}/type,"
    f"{SCANS}/quality,{SCANS}/note,{SCANS}/frames,{SCANS}/series_description,"
    "xnat:imagesessiondata/subject_id&format=json"
)
ROWS += [
    Row("PUT", P + "/accessibility/nosuch", 200, "J PermissionsServiceImpl", "likely",
        before=(("PUT", P + "/accessibility/public"),), expect={"text": "private"},
        after=(("GET", P + "/accessibility", 200, {"text": "private"}),)),
    Row("GET", RECENT, 200, "J ExperimentListResource",
        expect={"columns": LATEST, "row": {"id": "{e1}", "label": "MR1", "project": "{p}",
                                           "element_name": "xnat:mrSessionData"},
                "no_row": {"label": "QC1"}}),
    Row("GET", RECENT, 200, "J ExperimentListResource", account="stranger",
        expect={"lacks": "{e1}"}),
    Row("GET", DAX, 200, "C dax XnatUtils.get_scans",
        expect={"count": 3, "values": {f"{SCANS}/id": ["1", "2", "3"]},
                "rows": [{f"{SCANS}/id": "1", f"{SCANS}/type": "T1w", "label": "MR1",
                          "subject_label": "S1", "xnat:imagesessiondata/subject_id": "{s1}"}]}),
]  # fmt: skip
ROWS += [
    Row("GET", "/data/subjects?format=json&offset=x", 500, "J SecureResource"),
    Row("GET", "/data/experiments?format=json&limit=x", 500, "J SecureResource"),
]
