"""Custom forms, as XNAT's own tests make, use and delete them."""

import json

from .rows_tests_elements import P, S, told
from .table import Row

FORMS = "/xapi/customforms"
SAVE = FORMS + "/save"
JSON = "application/json"
FIELDS = "/xapi/custom-fields/projects/{p}/subjects/S1/fields"


def form(kind="xnat:subjectData", projects=(), title="A form", **data):
    data = {
        "zIndex": 10,
        "xnatDatatype": {"label": "Type", "value": kind},
        "isThisASiteWideConfiguration": "no" if projects else "yes",
        "xnatProject": [{"label": name, "value": name} for name in projects],
        **data,
    }
    part = {"label": "Text", "key": "text", "type": "textfield", "input": True}
    builder = {"display": "form", "title": title, "settings": {}, "components": [part]}
    return json.dumps({"submission": {"data": data}, "builder": builder})


OURS = form(projects=("{p}",))
SHARED = form(projects=("{p}", "{p2}"))
#: a form of this project, and what it is for as {row}
MADE = (("PUT", SAVE, OURS), ("GET", FORMS))
BOTH = (("PUT", SAVE, SHARED), ("GET", FORMS))
SITE = (("PUT", SAVE, form()), ("GET", FORMS))
ROW = '[{"entityId": "{p}", "idCustomVariableFormAppliesTo": "{row}", "status": "enabled"}]'
NONE = '[{"entityId": "{p}", "idCustomVariableFormAppliesTo": "0_0", "status": "enabled"}]'
HERE = '["{p}"]'
#: forms of the whole site are seen by all projects: what makes them is for our own server only
WIDE = {"apart": False, "local": True}
MINE = {"apart": False}
ADMIN = "TestCustomFormCreation.testFormCreationAndDeletionByAdmin"
OTHER = "TestCustomFormCreation.testFormCanNotBeCreatedByOtherUser"
OWNER = "TestCustomFormCreation.testFormCreationByProjectOwner"
TITLE = "TestCustomFormCreation.testFormCreationWithBadTitle"
GONE = "TestCustomFormCreation.testFormCanNotBeDeletedByOtherUser"
SWITCH = "TestFormDisableEnable.testFormDisableEnableByAdmin"
SWITCHED = "TestFormDisableEnable.testFormDisableEnableByProjectOwner"
OPT = "TestFormOptInOptOut.testFormOptOutAndInByAdmin"
OPT_OWNER = "TestFormOptInOptOut.testFormOptOutAndInByProjectOwner"
OPT_MEMBER = "TestFormOptInOptOut.testFormOptOutByOtherProjectMembers"
OPT_OTHER = "TestFormOptInOptOut.testFormOptOutByOtherUsers"
DATA = "TestHasData.testHasData"
PROMOTE = "TestPromote.testPromoteByAdmin"
ORDER = "TestFormDisplayOrder.testDisplayOrderValues"
ORDER_USER = "TestFormDisplayOrder.testUserCanNotSetDisplayOrderForSiteForm"
TIE = "TestFormDisplayOrder.testDisplayOrderTieBreaker"
ELEMENT = (
    FORMS + "/element?xsiType=xnat:subjectData&id=null&appendPrevNextButtons=true&projectId={p}"
    "&visitId=null&subtype=null&format=json"
)
SEEN = ("GET", ELEMENT, 200, {"contains": "{form}"})
UNSEEN = ("GET", ELEMENT, 200, {"lacks": "{form}"})


def put(test, status, body, *before, **more):
    return told(test, "PUT", SAVE, status, *before, body=body, types=JSON, **more)


def post(test, path, status, body, *before, **more):
    return told(test, "POST", FORMS + path, status, *before, body=body, types=JSON, **more)


def delete(test, status, *before, **more):
    return told(test, "DELETE", FORMS, status, *before, body=ROW, types=JSON, **more)


KINDS = ("xnat:projectData", "xnat:subjectData", "xnat:mrSessionData")
ROWS = [
    *(put(ADMIN, 201, form(kind), **WIDE) for kind in KINDS),
    *(put(ADMIN, 201, form(kind, ("{p}",)), **MINE) for kind in KINDS),
    *(put(OTHER, 403, form(kind, ("{p}",)), account="stranger", **MINE) for kind in KINDS),
    *(put(OWNER, 403, form(kind, ("{p}",)), account="owner", **MINE) for kind in KINDS),
    put(OTHER, 403, form(), account="stranger", **MINE),
    put(TITLE, 400, form(title="Form <img &gt;", projects=("{p}",)), **MINE),
    Row("PUT", SAVE, 400, "J CustomFormsApi", body="{}", types=JSON),
    Row("PUT", SAVE, 400, "J SubmissionPojo", types=JSON,
        body=form(projects=("{p}",), isThisASiteWideConfiguration="perhaps")),
    told(ADMIN, "GET", FORMS, 200, *MADE, expect={"contains": ['"formUUID": "{form}"', '"{p}"']},
         **MINE),
    told(ADMIN, "GET", FORMS + "?projectId={p}", 200, *MADE, expect={"contains": "{form}"},
         **MINE),
    Row("GET", FORMS + "?projectId={p2}", 200, "J CustomFormManagerServiceImpl", before=MADE,
        expect={"lacks": "{form}"}),
    told(TIE, "GET", ELEMENT, 200, *MADE, expect={"contains": ["{form}", '"label": "A form"']},
         **MINE),
    Row("GET", FORMS + "/env", 403, "J CustomFormsApi", account="stranger"),
    told(DATA, "GET", FORMS + "/hasdata/{row}", 200, *MADE,
         ("PUT", FIELDS, '{"{form}": {"text": "This works"}}'), expect={"text": "true"}, **MINE),
    told(DATA, "GET", FORMS + "/hasdata/{row}", 200, *MADE,
         ("PUT", FIELDS, '{"{form}": {"text": "This works"}}'),
         ("DELETE", S + "S1"), expect={"text": "false"}, **MINE),
    told(DATA, "GET", FORMS + "/hasdata/{row}", 200, *MADE, ("PUT", FIELDS, '{"{form}": {}}'),
         expect={"text": "false"}, **MINE),
    told(DATA, "GET", FORMS + "/hasdata/{row}", 200, *MADE, ("PUT", FIELDS, '{"abc": "a1"}'),
         expect={"text": "false"}, **MINE),
    delete(ADMIN, 200, *MADE, after=(("GET", FORMS, 200, {"lacks": "{form}"}),), **MINE),
    delete(ADMIN, 200, *SITE, after=(("GET", FORMS, 200, {"lacks": "{form}"}),), **WIDE),
    delete(GONE, 403, *MADE, account="stranger", after=(SEEN,), **MINE),
    delete(GONE, 403, *MADE, account="owner", after=(SEEN,), **MINE),
    Row("DELETE", FORMS, 200, "J CustomFormManagerServiceImpl", body=ROW, types=JSON,
        before=(*MADE, ("PUT", FIELDS, '{"{form}": {"text": "kept"}}')),
        expect={"contains": "disabled"}, after=(UNSEEN, ("GET", FORMS, 200,
                                                         {"contains": "{form}"}))),
    Row("DELETE", FORMS, 400, "J CustomFormsApi", body=NONE, types=JSON),
    Row("DELETE", P, 200, "T TestCustomFormCreation.testFormStateOnDeletionOfProject",
        before=(("PUT", "/data/projects/{p}x"), ("PUT", SAVE, form(projects=("{p}x",))),
                ("GET", FORMS), ("DELETE", "/data/projects/{p}x")),
        after=(("GET", FORMS, 200, {"lacks": "{form}"}),)),
    post(SWITCH, "/disable", 200, ROW, *MADE, after=(UNSEEN,), **MINE),
    post(SWITCH, "/enable", 200, ROW, *MADE, ("POST", FORMS + "/disable", ROW), after=(SEEN,),
         **MINE),
    post(SWITCHED, "/disable", 403, ROW, *MADE, account="owner", after=(SEEN,), **MINE),
    post(SWITCHED, "/enable", 403, ROW, *MADE, account="owner", **MINE),
    post(OPT, "/optout/{row}", 200, HERE, *SITE, after=(UNSEEN,), **WIDE),
    post(OPT, "/optin/{row}", 200, HERE, *SITE, ("POST", FORMS + "/optout/{row}", HERE),
         after=(SEEN,), **WIDE),
    post(OPT, "/optout/DONT_EXIST", 400, HERE, **MINE),
    post(OPT, "/optin/DONT_EXIST", 400, HERE, **MINE),
    post(OPT_OWNER, "/optout/{row}", 200, HERE, *SITE, account="owner", after=(UNSEEN,), **WIDE),
    post(OPT_MEMBER, "/optout/{row}", 403, HERE, *SITE, account="member", after=(SEEN,), **WIDE),
    post(OPT_MEMBER, "/optin/{row}", 403, HERE, *SITE, account="collaborator", **WIDE),
    post(OPT_OTHER, "/optout/{row}", 404, HERE, *SITE, account="stranger", **WIDE),
    post(OPT_OTHER, "/optin/{row}", 404, HERE, *SITE, account="stranger", **WIDE),
    Row("POST", FORMS + "/optout/{row}", 200, "J CustomFormManagerServiceImpl", body=HERE,
        types=JSON, before=BOTH, after=(UNSEEN, ("GET", FORMS, 200, {"contains": "{form}"}))),
    Row("POST", FORMS + "/optout/{row}", 400, "J CustomFormManagerServiceImpl", body=HERE,
        types=JSON, before=MADE, after=(SEEN,)),
    post(PROMOTE, "/promote", 200, ROW, *MADE, after=(SEEN,), **WIDE),
    post(PROMOTE, "/promote", 400, ROW, *SITE, **WIDE),
    post("TestPromote.testPromoteByOtherUser", "/promote", 403, ROW, *MADE, account="stranger",
         **MINE),
    *(post(ORDER, f"/formId/{{form}}?displayOrder={n}", 400, None, *MADE, **MINE)
      for n in (-1000001, 1000001)),
    *(post(ORDER, f"/formId/{{form}}?displayOrder={n}", 200, None, *MADE, **MINE,
           after=(("GET", FORMS, 200, {"contains": f'"formDisplayOrder": {n}'}),))
      for n in (10, 1000000, -1000000)),
    post(ORDER_USER, "/formId/{form}?displayOrder=-9001", 403, None, *MADE, account="stranger",
         **MINE),
]  # fmt: skip
