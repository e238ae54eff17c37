"""Rows for the routes that few tests of XNAT's own ask for."""

from .rows_tests_elements import E1, MR1, NAMES, XML, P, S, session, subject, told
from .table import NIFTI, Row

HERE = "/data/projects/{p}"
JSON = "application/json"
DOWNLOAD = '{"sessions": ["{e1}"], "scan_types": ["T1w"], "scan_formats": ["NIFTI"]}'
CHOSEN = ("POST", "/xapi/archive/download", DOWNLOAD)
CACHE = "/data/user/cache/resources/{u}"
FILE = CACHE + "/files/a.txt?inbody=true"
SEARCH = (
    '<xdat:bundle ID="{u}" brief-description="{u}" xmlns:xdat="http://nrg.wustl.edu/security">'
    "<xdat:root_element_name>xnat:subjectData</xdat:root_element_name></xdat:bundle>"
)
ACCOUNT = '{"username": "{u}", "password": "secret", "email": "{u}@localhost", "enabled": true}'
ANEW = ("POST", "/xapi/users", ACCOUNT)


def row(method, path, status, source, *before, **more):
    """Write a row that shares its state."""
    more.setdefault("apart", True)
    return Row(method, path, status, source, before=before, **more)


# ---- below sessions, by both of their addresses ------------------------------------------

SCAN = f'<xnat:MRScan ID="{{u}}" type="T9" {NAMES}/>'
RECON = f'<xnat:ReconstructedImage ID="{{u}}" type="R9" {NAMES}/>'
QC = f'<xnat:QCManualAssessment label="{{u}}" {NAMES}/>'
BELOW = []
for X in (E1, MR1):
    scan, recon, assessor = X + "/scans/{u}", X + "/reconstructions/{u}", X + "/assessors/{u}"
    made = ("PUT", scan + "?xsiType=xnat:mrScanData&type=T9")
    BELOW += [
        row("GET", X + "/scans?format=json", 200, "J ScanList",
            expect={"row": {"ID": "1", "type": "T1w", "xsiType": "xnat:mrScanData"}}),
        row("GET", X + "/scans?format=csv", 200, "J ScanList",
            expect={"has_columns": ["xnat_imagescandata_id", "ID", "type", "quality", "URI"]}),
        row("GET", X + "/scans?format=xml", 200, "J ScanList", expect={"contains": "<ResultSet"}),
        row("POST", X + "/scans", 200, "J ScanList", body=SCAN, types=XML,
            expect={"contains": "/scans/{u}", "headers": {"Location": "/scans/{u}"}},
            after=(("GET", scan + "?format=json", 200, {"field": {"type": "T9"}}),)),
        row("POST", X + "/scans?xsiType=xnat:mrScanData&type=T8", 200, "J ScanList",
            expect={"contains": "/scans/"}),
        row("POST", X + "/scans", 409, "J ScanList", made, body=SCAN, types=XML),
        row("POST", X + "/scans", 422, "J ScanList", body="<xnat:MRScan", types=XML),
        row("GET", scan + "?format=json", 200, "J ScanResource", made,
            expect={"field": {"ID": "{u}", "type": "T9"}}),
        row("GET", scan + "?format=xml", 200, "J ScanResource", made,
            expect={"contains": "<xnat:MRScan"}),
        row("GET", scan, 404, "J ScanResource"),
        row("DELETE", scan, 200, "J ScanResource", made, after=(("GET", scan, 404),)),
        row("DELETE", scan, 404, "J ScanResource"),
        row("DELETE", X + "/scans/1,2", 404, "J XNATTemplate"),
        row("PUT", scan, 417, "J ScanResource"),
        row("GET", X + "/reconstructions?format=json", 200, "J ReconList", ("PUT", recon),
            expect={"row": {"ID": "{u}"}}),
        row("GET", X + "/reconstructions?format=csv", 200, "J ReconList", ("PUT", recon),
            expect={"has_columns": ["ID", "type", "URI"]}),
        row("GET", X + "/reconstructions?format=html", 200, "J ReconList",
            expect={"contains": "<table"}),
        row("POST", X + "/reconstructions", 200, "J ReconList", body=RECON, types=XML,
            expect={"contains": "/reconstructions/{u}"},
            after=(("GET", recon + "?format=json", 200, {"field": {"type": "R9"}}),)),
        row("POST", X + "/reconstructions", 409, "J ReconList", ("PUT", recon), body=RECON,
            types=XML),
        row("POST", X + "/reconstructions", 422, "J ReconList", body="<no", types=XML),
        row("PUT", recon + "?type=R8", 200, "J ReconResource", expect={"text": ""},
            after=(("GET", recon + "?format=json", 200, {"field": {"type": "R8"}}),)),
        row("PUT", recon + "?type=R7", 200, "J ReconResource", ("PUT", recon + "?type=R8"),
            after=(("GET", recon + "?format=json", 200, {"field": {"type": "R7"}}),)),
        row("PUT", recon, 422, "J ReconResource", body="<no", types=XML),
        row("GET", recon + "?format=json", 200, "J ReconResource", ("PUT", recon),
            expect={"field": {"ID": "{u}"}}),
        row("GET", recon + "?format=xml", 200, "J ReconResource", ("PUT", recon),
            expect={"contains": "<xnat:ReconstructedImage"}),
        row("GET", recon, 404, "J ReconResource"),
        row("DELETE", recon, 200, "J ReconResource", ("PUT", recon), after=(("GET", recon, 404),)),
        row("DELETE", recon, 404, "J ReconResource"),
        row("DELETE", recon + "?removeFiles=true", 200, "J ReconResource", ("PUT", recon),
            ("PUT", recon + "/out/resources/R/files/a.txt?inbody=true", b"a"),
            after=(("GET", recon, 404),)),
        row("GET", X + "/assessors?format=csv", 200, "J ProjSubExptAsstList",
            expect={"has_columns": ["ID", "label", "xsiType", "URI"]}),
        row("GET", X + "/assessors?format=json&xsiType=xnat:qcManualAssessorData", 200,
            "J ProjSubExptAsstList", expect={"row": {"ID": "{a1}", "label": "QC1"}}),
        row("POST", X + "/assessors", 200, "J ProjSubExptAsstList", body=QC, types=XML,
            expect={"contains": "/data/experiments/"},
            after=(("GET", assessor + "?format=json", 200, {"field": {"label": "{u}"}}),)),
        row("POST", X + "/assessors", 417, "J ProjSubExptAsstList"),
        row("POST", X + "/assessors", 422, "J ProjSubExptAsstList", body="<no", types=XML),
        row("GET", X + "/assessors/{a1}?format=json", 200, "J ExptAssessmentResource",
            expect={"field": {"ID": "{a1}", "label": "QC1"}}),
        row("GET", X + "/assessors/QC1?format=xml", 200, "J ExptAssessmentResource",
            expect={"contains": 'label="QC1"'}),
    ]  # fmt: skip

# ---- subjects, experiments and resources -------------------------------------------------

MINE = S + "S1/experiments/{u}"
SESSION = ("PUT", MINE + "?xsiType=xnat:mrSessionData")
FIELD = HERE + "/experiments/{u}"
R1 = MR1 + "/resources/{u}"
ELEMENTS = [
    row("PUT", "/data/subjects/{s1}?src=7", 200, "J SubjectResource", expect={"text": "{s1}"},
        after=(("GET", "/data/subjects/{s1}?format=json", 200, {"field": {"src": "7"}}),)),
    row("PUT", "/data/subjects/nosuch?src=7", 404, "J SubjectResource"),
    row("PUT", "/data/subjects/{s1}", 422, "J SubjectResource", body="<no", types=XML),
    row("GET", "/data/subjects/nosuch", 404, "J SubjectResource"),
    row("GET", "/data/subjects?format=csv", 200, "J SubjectListResource",
        expect={"has_columns": ["ID", "project", "label", "insert_date", "insert_user", "URI"]}),
    row("GET", "/data/subjects?project={p}&format=json", 200, "J SubjectListResource",
        expect={"row": {"ID": "{s1}", "label": "S1"}}),
    row("DELETE", "/data/subjects/{id}", 200, "J SubjectResource", ("PUT", S + "{u}"),
        after=(("GET", S + "{u}", 404),)),
    row("DELETE", "/data/subjects/nosuch", 404, "J SubjectResource"),
    row("DELETE", "/data/subjects/{id}?removeFiles=true", 200, "J SubjectResource",
        ("PUT", S + "{u}"), ("PUT", S + "{u}/experiments/{u}?xsiType=xnat:mrSessionData"),
        ("PUT", S + "{u}?src=1"), after=(("GET", HERE + "/experiments/{u}", 404),)),
    row("GET", FIELD + "?format=json", 200, "J ExperimentResource", SESSION,
        expect={"field": {"label": "{u}"}}),
    row("DELETE", FIELD, 200, "J ExperimentResource", SESSION, after=(("GET", FIELD, 404),)),
    row("DELETE", FIELD, 404, "J ExperimentResource"),
    row("PUT", FIELD + "?note=n", 200, "J ExperimentResource", SESSION,
        after=(("GET", FIELD + "?format=json", 200, {"field": {"note": "n"}}),)),
    row("POST", HERE + "/experiments", 200, "J ProjSubExptList", types=XML,
        body=session().replace("<xnat:subject_ID/>", "<xnat:subject_ID>{s1}</xnat:subject_ID>"),
        expect={"contains": "/data/experiments/"}, after=(("GET", MINE, 200),)),
    row("POST", HERE + "/experiments", 417, "J ProjSubExptList"),
    row("POST", HERE + "/subjects", 409, "J ProjectSubjectList", ("PUT", S + "{u}"),
        body=subject(), types=XML),
    row("POST", "/data/projects", 200, "J ProjectListResource", types=XML,
        body=f'<xnat:Project ID="{{p}}{{u}}" {NAMES}/>', expect={"contains": "/projects/{p}{u}"},
        after=(("GET", HERE + "{u}", 200),)),
    row("GET", R1, 200, "J CatalogResource", ("PUT", R1),
        expect={"contains": "<cat:Catalog", "headers": {"Content-Type": "text/xml"}}),
    row("POST", MR1 + "/resources", 409, "J CatalogResourceList", ("PUT", R1), types=XML,
        body=f'<xnat:ResourceCatalog label="{{u}}" {NAMES}/>'),
    row("POST", S + "S1/resources", 200, "J CatalogResourceList", types=XML,
        body=f'<xnat:ResourceCatalog label="{{u}}" format="F" {NAMES}/>',
        after=(("GET", S + "S1/resources?format=json", 200, {"row": {"label": "{u}"}}),)),
    row("DELETE", MR1 + "/files/nosuch", 400, "J FileList"),
    row("DELETE", S + "S1/files/nosuch", 400, "J FileList"),
    *(
        row(method, front + "/files/{u}.txt?inbody=true", 200, "J FileList", body=b"x",
            after=(("GET", front + "/files/{u}.txt", 200, {"content": b"x"}),))
        for method in ("PUT", "POST")
        for front in (MR1, MR1 + "/scans/2", MR1 + "/assessors/QC1/out")
    ),
    *(
        row("POST", front + "/resources/{u}?format=F", 200, "J CatalogResource", types=XML,
            body=f'<xnat:ResourceCatalog label="{{u}}" {NAMES}/>', sure="likely",
            after=(("GET", front + "/resources?format=json", 200, {"row": {"label": "{u}"}}),))
        for front in (P, S + "S1", MR1)
    ),
]  # fmt: skip

# ---- values in use, members, settings ----------------------------------------------------

VALUES = [
    *(
        row("GET", f"{front}/{kind}?format={form}", 200, source, expect=expect)
        for front in (HERE, "/data")
        for kind, source, expect in (
            ("scan_types", "J ScanTypeListing", {"contains": "T1w"}),
            ("scanners", "J ScannerListing", {}),
        )
        for form in ("json", "csv", "xml")
    ),
    row("GET", "/data/investigators?format=json", 200, "J InvestigatorListResource",
        ("PUT", HERE + "{u}?xnat:projectData/PI/firstname=Ann&xnat:projectData/PI/lastname={u}"),
        expect={"row": {"firstname": "Ann", "lastname": "{u}"}}),
    row("GET", "/data/investigators?format=csv", 200, "J InvestigatorListResource"),
    row("GET", "/data/archive/investigators?format=html", 200, "J InvestigatorListResource"),
    row("GET", HERE + "/groups?format=json", 200, "J ProjectGroupResource",
        expect={"row": {"id": "{p}_owner", "displayname": "Owners"}}),
    row("GET", HERE + "/groups?format=csv", 200, "J ProjectGroupResource",
        expect={"row": {"id": "{p}_member", "displayname": "Members"}}),
    row("GET", "/data/projects/nosuch/groups", 404, "J ProjectGroupResource", sure="likely"),
    row("GET", HERE + "/users?format=csv", 200, "J ProjectUserListResource",
        expect={"row": {"login": "admin"}}),
    row("GET", "/data/projects/nosuch/users", 404, "J ProjectUserListResource"),
    row("GET", HERE + "/users/true?format=json", 200, "J ProjectUserListResource",
        expect={"row": {"login": "admin"}}),
    row("DELETE", HERE + "/users/Nonsense/admin", 404, "J ProjectMemberResource"),
    row("DELETE", HERE + "/users/Members/nosuchuser", 404, "J ProjectMemberResource"),
    row("DELETE", HERE + "/config/{u}/a", 200, "J ConfigResource",
        ("PUT", HERE + "/config/{u}/a?inbody=true", b"x"),
        after=(("GET", HERE + "/config/{u}/a?format=json", 200, {"row": {"status": "disabled"}}),)),
    row("DELETE", HERE + "/config/{u}", 200, "J ConfigResource",
        ("PUT", HERE + "/config/{u}?inbody=true", b"x"),
        after=(("GET", HERE + "/config/{u}?format=json", 200, {"row": {"status": "disabled"}}),)),
    row("DELETE", HERE + "/config/{u}/a", 403, "J ConfigResource",
        ("PUT", HERE + "/config/{u}/a?inbody=true", b"x"), account="member", apart=False),
    row("DELETE", "/data/config/{u}/a", 200, "J ConfigResource",
        ("PUT", "/data/config/{u}/a?inbody=true", b"x"), local=True,
        after=(("GET", "/data/config/{u}/a?format=json", 200, {"row": {"status": "disabled"}}),)),
    row("DELETE", "/data/config/{u}/a", 403, "J ConfigResource", account="member", apart=False),
    row("DELETE", "/data/config/{u}", 200, "J ConfigResource",
        ("PUT", "/data/config/{u}?inbody=true", b"x"), local=True),
    row("GET", "/schemas/xnat/xnat.xsd", 200, "T TestXapiSchema.testSchemasSchema",
        expect={"contains": ['targetNamespace="http://nrg.wustl.edu/xnat"', "schema"]}),
    *(
        told("TestXapiSchema.testSchemasSchema", "GET", "/xapi/schemas/" + name, 200,
             expect={"contains": ["schema", "targetNamespace"]})
        for name in ("xnat", "assessments", "catalog", "pipeline/workflow", "project",
                     "validation/protocolValidation", "pipeline/repository",
                     "screening/screeningAssessment", "birn/birnprov")
    ),
    row("GET", "/schemas/nosuch/nosuch.xsd", 404, "J XnatWebAppInitializer"),
    told("TestXapiSchema.testSchemas", "GET", "/xapi/schemas", 200,
         expect={"contains": ['"xnat"', '"assessments"', '"pipeline/workflow"']}),
    row("GET", "/xapi/siteConfig/buildInfo/nosuch", (200, 404), "J SiteConfigApi", sure="likely"),
    row("GET", "/xapi/plugins", 200, "J XnatPluginApi", expect={"headers": {"Content-Type": JSON}}),
    row("GET", "/xapi/plugins", 401, "J XnatPluginApi", anonymous=True),
    row("GET", "/xapi/plugins/nosuch", 404, "J XnatPluginApi"),
    row("GET", "/xapi/access/projects", 200, "J DataAccessApi", expect={"contains": "{p}"}),
    row("GET", "/xapi/access/projects", 200, "J DataAccessApi", account="member", apart=False,
        expect={"contains": ["{p}", "member"]}),
    row("GET", "/xapi/access/projects", 401, "J DataAccessApi", anonymous=True),
    row("GET", "/data/search/elements?format=json", 200, "J SearchElementListResource",
        expect={"row": {"ELEMENT_NAME": "xnat:mrSessionData"}}),
    row("GET", "/data/search/elements?format=csv", 200, "J SearchElementListResource",
        expect={"has_columns": ["ELEMENT_NAME", "SINGULAR", "PLURAL", "SECURED", "COUNT"]}),
    row("GET", "/data/search/elements/xnat:nosuchData", 400, "J SearchFieldListResource"),
    row("GET", "/data/search/saved?format=csv", 200, "J SavedSearchListResource"),
    row("GET", "/data/search/nosuch?offset=5", 410, "J CachedSearchResource"),
    row("GET", "/data/search/nosuch?limit=1", 410, "J CachedSearchResource"),
    *(
        row(method, HERE + "/searches/{u}" + more, 200, "J ProjectSearchResource", *before,
            body=body, types=XML if body else "")
        for method, more, before, body in (
            ("PUT", "?inbody=true", (), SEARCH),
            ("PUT", "?inbody=true&saveAs=true", (), SEARCH),
            ("PUT", "?inbody=true", (("PUT", HERE + "/searches/{u}?inbody=true", SEARCH),), SEARCH),
        )
    ),
    row("DELETE", "/data/search/saved/{u}", 200, "J SavedSearchResource",
        ("PUT", "/data/search/saved/{u}?inbody=true", SEARCH)),
    row("DELETE", HERE + "/searches/{u}", 200, "J ProjectSearchResource",
        ("PUT", HERE + "/searches/{u}?inbody=true", SEARCH)),
    row("DELETE", HERE + "/searches/{u}", 403, "J ProjectSearchResource",
        ("PUT", HERE + "/searches/{u}?inbody=true", SEARCH), account="collaborator", apart=False,
        sure="likely"),
    row("DELETE", "/data/projects/nosuch/searches/{u}", 404, "J ProjectSearchResource"),
]  # fmt: skip

# ---- sessions, accounts ------------------------------------------------------------------

BASIC = {"Authorization": "Basic Y3Rfb3duZXI6c2VjcmV0"}  # ct_owner
PEOPLE = [
    row("GET", "/data/JSESSION", 401, "J UserSession", anonymous=True),
    row("POST", "/data/JSESSION", 200, "J UserSession", expect={"contains": ""}),
    row("POST", "/data/JSESSION", 401, "J UserSession", anonymous=True),
    row("POST", "/data/JSESSION?CSRF=true", 200, "J UserSession",
        expect={"contains": "; XNAT_CSRF="}),
    row("DELETE", "/data/JSESSION", 200, "J UserSession", local=True, anonymous=True,
        headers=BASIC, expect={"text": ""}),
    row("DELETE", "/data/JSESSION", 401, "J UserSession", anonymous=True),
    row("DELETE", "/data/JSESSION", 200, "J UserSession", local=True, anonymous=True,
        login="ct_owner", headers={"Cookie": "JSESSIONID={session}"}, expect={"text": ""}),
    row("GET", "/data/services/auth", 400, "J AuthenticationRestlet", sure="likely"),
    row("GET", "/data/services/auth?username=admin", 400, "J AuthenticationRestlet",
        sure="likely"),
    *(
        row(method, "/data/services/auth", status, "J AuthenticationRestlet", anonymous=True,
            form={"username": "ct_owner", "password": password}, local=True)
        for method in ("PUT", "POST")
        for password, status in (("secret", 200), ("wrong", 401))
    ),
    row("POST", "/data/services/auth", 400, "J AuthenticationRestlet", anonymous=True,
        form={"password": "x"}, sure="likely"),
    row("GET", "/data/user/admin/sessions", 200, "J UserSessionId"),
    row("GET", "/data/user/admin/sessions", 403, "J UserSessionId", account="member",
        apart=False, sure="likely"),
    row("GET", "/data/archive/user/admin/sessions", 200, "J UserSessionId"),
    row("GET", "/xapi/users/username", 200, "J UsersApi", account="owner", apart=False,
        expect={"text": "ct_owner"}),
    row(*ANEW[:2], 201, "J UsersApi", local=True, body=ACCOUNT, types=JSON,
        expect={"members": {"username": "{u}", "enabled": True}}),
    row(*ANEW[:2], 409, "J UsersApi", ANEW, local=True, body=ACCOUNT, types=JSON),
    row(*ANEW[:2], 403, "J UsersApi", local=True, account="owner", apart=False, body=ACCOUNT,
        types=JSON),
    row(*ANEW[:2], 400, "J UsersApi", local=True, body="{}", types=JSON),
    row("PUT", "/xapi/users/{u}", 200, "J UsersApi", ANEW, local=True, body='{"lastName": "N"}',
        types=JSON, expect={"members": {"lastName": "N"}}),
    row("PUT", "/xapi/users/{u}", 304, "J UsersApi", ANEW, local=True, body="{}", types=JSON),
    row("PUT", "/xapi/users/{u}/enabled/false", 200, "J UsersApi", ANEW, local=True,
        after=(("GET", "/xapi/users/{u}/enabled", 200, {"json": False}),)),
    row("PUT", "/xapi/users/ct_member", 403, "J UsersApi", local=True, account="owner",
        apart=False, body='{"lastName": "N"}', types=JSON),
    row("PUT", "/xapi/users/{u}/roles/Administrator", 200, "J UsersApi", ANEW, local=True,
        after=(("GET", "/xapi/users/{u}/roles", 200, {"json": ["Administrator"]}),)),
    row("PUT", "/xapi/users/{u}/groups/{p}_member", 200, "J UsersApi", ANEW, local=True,
        after=(("GET", "/xapi/users/{u}/groups", 200, {"json": ["{p}_member"]}),
               ("DELETE", "/xapi/users/{u}/groups/{p}_member", 200))),
    row("DELETE", "/xapi/users/{u}/groups/{p}_member", 200, "J UsersApi", ANEW,
        ("PUT", "/xapi/users/{u}/groups/{p}_member"), local=True,
        after=(("GET", "/xapi/users/{u}/groups", 200, {"json": []}),)),
    row("DELETE", "/xapi/users/active/admin", 403, "J UsersApi", local=True, account="owner",
        apart=False),
    row("DELETE", "/xapi/users/{u}/roles/Administrator", 200, "J UsersApi", ANEW,
        ("PUT", "/xapi/users/{u}/roles/Administrator"), local=True,
        after=(("GET", "/xapi/users/{u}/roles", 200, {"json": []}),)),
]  # fmt: skip

# ---- staging and download catalogs -------------------------------------------------------

STAGING = "T TestImport.testUserCacheUploadAndImport"
STAGED = [
    row("PUT", FILE, 200, STAGING, body=b"staged", after=(("DELETE", CACHE, 200),)),
    row("PUT", CACHE, 200, "J UserCacheResource", after=(("DELETE", CACHE, 200),)),
    row("GET", CACHE + "/files?format=json", 200, "D User cache", ("PUT", FILE, b"staged"),
        sure="open", expect={"count": 1, "row": {"Name": "a.txt"}}),
    row("GET", CACHE + "/files/a.txt", 200, "D User cache", ("PUT", FILE, b"staged"),
        sure="likely", expect={"content": b"staged"}),
    row("GET", "/data/user/cache/resources?format=json", 200, "D User cache",
        ("PUT", FILE, b"staged"), sure="likely", expect={"row": {"Resource": "{u}"}}),
    row("GET", CACHE + "/files/nosuch", 404, "D User cache", ("PUT", CACHE), sure="likely"),
    row("DELETE", CACHE, 200, "D User cache", ("PUT", CACHE), sure="likely",
        after=(("GET", CACHE + "/files", 404),)),
    row("DELETE", CACHE + "/files/a.txt", 200, "D User cache", ("PUT", FILE, b"staged"),
        sure="likely", after=(("GET", CACHE + "/files/a.txt", 404),)),
    row("DELETE", CACHE, 404, "D User cache", sure="likely"),
    row("POST", CACHE + "/files", 201, "D User cache", files={"f": ("b.txt", b"b")},
        sure="likely", after=(("GET", CACHE + "/files/b.txt", 200, {"content": b"b"}),)),
    row("POST", CACHE + "/files/c.txt?inbody=true", 201, "D User cache", body=b"c",
        sure="likely", after=(("GET", CACHE + "/files/c.txt", 200, {"content": b"c"}),)),
    row("POST", CACHE + "/files", 400, "D User cache", sure="likely"),
    row(*CHOSEN[:2], 200, "J CatalogApi", body=DOWNLOAD, types=JSON,
        expect={"headers": {"Content-Type": "text/plain"}}),
    row(*CHOSEN[:2], 204, "J CatalogApi", body="{}", types=JSON),
    row(*CHOSEN[:2], 403, "J CatalogApi", body='{"sessions": ["nosuch"]}', types=JSON),
    row("POST", "/xapi/archive/downloadwithsize", 200, "J CatalogApi", apart=False,
        body=DOWNLOAD, types=JSON,
        expect={"keys": ["id", "size", "resourcesOfUnknownSize"],
                "members": {"size": len(NIFTI) + 2}}),
    row("POST", "/xapi/archive/downloadwithsize", 204, "J CatalogApi", body="{}", types=JSON),
    row("POST", "/xapi/archive/downloadwithsize", 403, "J CatalogApi",
        body='{"sessions": ["nosuch"]}', types=JSON),
    row("GET", "/xapi/archive/download/{id}/zip", 200, "J CatalogApi", CHOSEN, apart=False,
        expect={"names": ["MR1/scans/1-T1w/resources/NIFTI/t1.nii.gz",
                          "MR1/scans/1-T1w/resources/NIFTI/sub/t1.json"]}),
    row("GET", "/xapi/archive/download/{id}/xml", 200, "J CatalogApi", CHOSEN,
        expect={"contains": ["<cat:Catalog", "t1.nii.gz"]}),
    row("GET", "/xapi/archive/download/nosuch/zip", 404, "J CatalogApi"),
]  # fmt: skip

ROWS = [*BELOW, *ELEMENTS, *VALUES, *PEOPLE, *STAGED]
