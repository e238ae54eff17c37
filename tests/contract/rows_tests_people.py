"""XNAT's own tests of access, sharing, tokens, accounts, site settings and configurations."""

from base64 import b64encode

from .rows_tests_elements import MR1, QS, XML, P, S, subject, told

P2 = "/data/projects/{p2}"
WRONG = {"Authorization": "Basic " + b64encode(b"nobody:wrong").decode()}


# ---- TestInvalidUserAccess ---------------------------------------------------------------

PROTECTED = "TestInvalidUserAccess.testProtectedXMLCRUD"
ASKED = [
    # method, path, body, who is a stranger to the project gets
    ("GET", P + "/accessibility?format=xml", None, 200),
    ("PUT", P + "/accessibility/public?format=xml", None, 403),
    ("DELETE", P + "?format=xml&removeFiles=true", None, 403),
    ("PUT", P + "?format=xml&alias={p}_ALIAS", None, 403),
    ("POST", P + "/subjects?format=xml", subject(), 403),
    ("PUT", S + "2?format=xml", subject(), 403),
    ("PUT", S + "1" + QS + "&gender=female", None, 403),
]
INVALID = [
    told(PROTECTED, method, path, 401, body=body, types=XML if body else "", anonymous=True,
         headers=WRONG, after=((("GET", P + "/accessibility", 200, {"text": "protected"})),))
    for method, path, body, _ in ASKED
] + [
    told(PROTECTED, method, path, status, body=body, types=XML if body else "", apart=False,
         account="stranger",
         after=((("GET", P + "/accessibility", 200, {"text": "protected"})),
                ("GET", P + "/subjects?format=json", 200, {"count": 2})))
    for method, path, body, status in ASKED
]  # fmt: skip

# ---- TestSharing -------------------------------------------------------------------------

SHARE = "TestSharing.testUnShared"
#: the account owns the second project and has no part in the first
OWNS = ("PUT", P2 + "/users/Owners/ct_stranger")
JOINS = ("PUT", P + "/users/Members/ct_stranger")
SUBJECT = ("PUT", S + "S1/projects/{p2}?label=TOLSEN1")
SESSION = ("PUT", MR1 + "/projects/{p2}?label=TOLSEN_E1")
S2 = P2 + "/subjects/TOLSEN1"
MR2 = S2 + "/experiments/TOLSEN_E1"
RECON = MR1 + "/reconstructions/RECON5"


def shared(method, path, status, *before, test=SHARE, **more):
    return told(test, method, path, status, OWNS, *before, apart=False, account="stranger", **more)


SHARING = [
    shared("GET", MR1 + "?format=xml", 404),
    shared("GET", S + "S1", 404),
    shared("DELETE", MR1, 404, after=(("GET", MR1, 200),)),
    shared("DELETE", S + "S1", 404, after=(("GET", S + "S1", 200),)),
    shared("GET", S2, 200, SUBJECT),
    shared("GET", S + "S1", (200, 404), SUBJECT),
    shared("GET", MR1, 404, SUBJECT),
    told(SHARE, "PUT", SUBJECT[1], 200, apart=False,
         after=(("GET", S + "S1", 200), ("GET", S2 + "?format=json", 200,
                                        {"field": {"ID": "{s1}"}}))),
    told(SHARE, "PUT", SESSION[1], 200, SUBJECT, apart=False,
         after=(("GET", MR1, 200), ("GET", MR2 + "?format=json", 200, {"field": {"ID": "{e1}"}}))),
    shared("GET", MR2, 200, SUBJECT, SESSION),
    shared("DELETE", S + "S1", (403, 404), SUBJECT, SESSION, after=(("GET", S + "S1", 200),)),
    shared("DELETE", MR1, (403, 404), SUBJECT, SESSION, after=(("GET", MR1, 200),)),
    shared("DELETE", S2, 200, SUBJECT, SESSION,
           after=(("GET", S + "S1", 200), ("GET", MR1, 200), ("GET", S2, 404))),
    shared("GET", S + "S1", 200, JOINS),
    shared("GET", MR1, 200, JOINS),
    shared("PUT", SUBJECT[1], 200, JOINS, after=(("GET", S2, 200),)),
    shared("PUT", SESSION[1], 200, JOINS, SUBJECT, after=(("GET", MR2, 200),)),
    shared("GET", S2, 200, JOINS, SUBJECT, SESSION),
    shared("GET", MR2, 200, JOINS, SUBJECT, SESSION),
    shared("PUT", MR2 + "/assessors/QC9?req_format=qs&xsiType=xnat:qcManualAssessorData", 201,
           JOINS, SUBJECT, SESSION, after=(("GET", MR2 + "/assessors/QC9", 200),)),
    shared("DELETE", MR2 + "/assessors/QC9", 200, JOINS, SUBJECT, SESSION,
           ("PUT", MR2 + "/assessors/QC9?xsiType=xnat:qcManualAssessorData"),
           after=(("GET", MR2 + "/assessors/QC9", 404),)),
    shared("PUT", MR1 + "/projects/{p2}", 200, JOINS, SUBJECT,
           after=(("GET", S2 + "/experiments/MR1", 200),)),
    shared("DELETE", S + "S1", 403, JOINS, SUBJECT, after=(("GET", S + "S1", 200),)),
    told(SHARE, "DELETE", S + "S1", 200, SUBJECT, apart=False,
         after=(("GET", S + "S1", 404), ("GET", S2, 404))),
    shared("PUT", S2 + "/experiments/MR9?xsiType=xnat:mrSessionData&date=2000-01-01", 201,
           SUBJECT, after=(("GET", S + "S1/experiments/MR9", 404),)),
    shared("PUT", RECON + QS + "&xsiType=xnat:ReconstructedImage", 200, JOINS,
           after=(("GET", RECON, 200),)),
    shared("DELETE", MR1, 403, JOINS),
    shared("DELETE", MR1 + "/scans/1", 403, JOINS, after=(("GET", MR1 + "/scans/1", 200),)),
    shared("GET", RECON, 200, JOINS, ("PUT", RECON)),
    shared("DELETE", RECON, 403, JOINS, ("PUT", RECON), after=(("GET", RECON, 200),)),
    told(SHARE, "DELETE", P + "/users/member/ct_stranger", 200, JOINS, apart=False, local=True,
         after=(("GET", P + "/users?format=json", 200, {"no_row": {"login": "ct_stranger"}}),)),
    shared("GET", MR1 + "?format=xml", 404, JOINS,
           ("DELETE", P + "/users/member/ct_stranger")),
    shared("DELETE", S + "S1", 404, JOINS, ("DELETE", P + "/users/member/ct_stranger"),
           after=(("GET", S + "S1", 200),)),
]  # fmt: skip
CROSS = "TestSharing.testImageAssessorCreation"
SHARING += [
    told(CROSS, "PUT", P2 + "/subjects/S1/experiments/MR6?xsiType=xnat:mrSessionData", 201,
         ("PUT", S + "S1/projects/{p2}"), apart=False,
         after=(("GET", P2 + "/subjects/S1/experiments/MR6?format=json", 200,
                 {"field": {"subject_ID": "{s1}", "project": "{p2}"}}),)),
    told(CROSS, "PUT", P2 + "/subjects/S1/experiments/MR6/projects/{p}?label=SHARE_E6", 200,
         ("PUT", S + "S1/projects/{p2}"),
         ("PUT", P2 + "/subjects/S1/experiments/MR6?xsiType=xnat:mrSessionData"), apart=False,
         after=(("GET", S + "S1/experiments/SHARE_E6", 200),)),
    told(CROSS, "PUT", MR2 + "/assessors/QC9?req_format=qs&xsiType=xnat:qcManualAssessorData"
         "&xnat:qcManualAssessorData/pass=0", 201, SUBJECT, SESSION, apart=False,
         after=(("GET", MR2 + "/assessors/QC9?format=json", 200,
                 {"field": {"project": "{p2}"}}),)),
    told(CROSS, "PUT", MR2 + "/assessors/QC9/projects/{p}?label=ADMIN_QC1", 200, SUBJECT, SESSION,
         ("PUT", MR2 + "/assessors/QC9?xsiType=xnat:qcManualAssessorData"), apart=False,
         after=(("GET", MR1 + "/assessors/ADMIN_QC1", 200),)),
    told(CROSS, "DELETE", MR2 + "/assessors/QC9/projects/{p}", 200, SUBJECT, SESSION,
         ("PUT", MR2 + "/assessors/QC9?xsiType=xnat:qcManualAssessorData"),
         ("PUT", MR2 + "/assessors/QC9/projects/{p}?label=ADMIN_QC1"), apart=False,
         after=(("GET", MR2 + "/assessors/QC9", 200),)),
    told(CROSS, "DELETE", MR1 + "/projects/{p2}", 200, SUBJECT, SESSION, apart=False,
         after=(("GET", MR1, 200), ("GET", MR2, 404))),
]  # fmt: skip

# ---- TestAliasTokenService ---------------------------------------------------------------

TOKENS = "/data/services/tokens/"
ISSUE = ("GET", TOKENS + "issue")
BY = {"Authorization": "Basic {basic}"}
SELF = "TestAliasTokenService.testSelfAliasTokenClosedXnat"
PROXY = "TestAliasTokenService.testProxyAliasTokenClosedXnat"
CHECK = "TestAliasTokenService.testAliasTokenValidationClosedXnat"
BOGUS = TOKENS + "validate/1-2-3-4-5-6-7-8/hidden"
ALIASES = [
    told(SELF, *ISSUE, 200, expect={"keys": ["alias", "secret", "xdatUserId", "singleUse",
                                             "estimatedExpirationTime"]}),
    told(SELF, "GET", P, 200, ISSUE, anonymous=True, headers=BY),
    told(SELF, "GET", P2, 200, ISSUE, anonymous=True, headers=BY),
    told(PROXY, "GET", TOKENS + "issue/user/admin", 200,
         expect={"contains": '"xdatUserId": "admin"'}),
    told(PROXY, "GET", P, 200, ("GET", TOKENS + "issue/user/admin"), anonymous=True, headers=BY),
    told(PROXY, "GET", TOKENS + "issue/user/admin", 401, anonymous=True),
    told(PROXY, "GET", TOKENS + "issue/user/admin", 403, account="member", apart=False),
    told(PROXY, "GET", TOKENS + "issue/user/ct_member", 200, local=True,
         expect={"contains": '"xdatUserId": "ct_member"'}),
    told(PROXY, "GET", P + "?format=json", 404, ("GET", TOKENS + "issue/user/ct_stranger"),
         ("PUT", P + "/accessibility/private"), anonymous=True, headers=BY, local=True,
         apart=False),
    told(CHECK, "GET", TOKENS + "validate/{alias}/{secret}", 200, ISSUE,
         expect={"json": {"valid": "admin"}}),
    told(CHECK, "GET", TOKENS + "validate/{alias}/{secret}", 200, ISSUE, anonymous=True,
         headers=BY, expect={"json": {"valid": "admin"}}),
    told(CHECK, "GET", BOGUS, 200, expect={"json": {}}),
    told(CHECK, "GET", BOGUS, 200, ISSUE, anonymous=True, headers=BY, expect={"json": {}}),
    told(CHECK, "GET", P, 401, anonymous=True, headers={
        "Authorization": "Basic " + b64encode(b"1-2-3-4-5-6-7-8:hidden").decode()}),
    told(CHECK, "GET", TOKENS + "invalidate/{alias}/{secret}", 200, ISSUE, anonymous=True,
         headers=BY,
         after=(("GET", TOKENS + "validate/{alias}/{secret}", 200, {"json": {}}),)),
    told(CHECK, "GET", P, 401, ISSUE, ("GET", TOKENS + "invalidate/{alias}/{secret}"),
         anonymous=True, headers=BY),
]  # fmt: skip

# ---- TestUserAccess, TestUsersApi --------------------------------------------------------

ACCESS = "TestUserAccess.testUserSessionInvalidation"
ACCOUNTS = [
    told("TestUserAccess.testValidAccess", "GET", "/data/projects?format=xml", 200,
         expect={"contains": "{p}"}),
    told("TestUserAccess.testInvalidAccess", "GET", "/data/projects?format=xml", 401,
         anonymous=True, headers=WRONG),
    told(ACCESS, "DELETE", "/xapi/users/active/ct_owner", 200, local=True, login="ct_owner",
         expect={"json": ["{session}"]}),
    told(ACCESS, "GET", P, 401, ("DELETE", "/xapi/users/active/ct_owner"), local=True,
         anonymous=True, login="ct_owner", headers={"Cookie": "JSESSIONID={session}"},
         expect={"lacks": "{p}"}),
    told(ACCESS, "GET", "/data/auth", 200, local=True, anonymous=True, login="ct_owner",
         headers={"Cookie": "JSESSIONID={session}"},
         expect={"contains": "User 'ct_owner' is logged in"}),
    told("TestUsersApi.testRestletUsersCall", "GET", "/data/users?format=json", 200, local=True,
         expect={"row": {"login": "ct_member", "firstname": "ct_member"}}),
    told("TestUsersApi.testRestletUsersCall", "GET", "/data/users?format=json", 200, local=True,
         apart=False, account="stranger", expect={"row": {"login": "ct_member"}}),
    told("TestUsersApi.testRestletUsersCall", "GET", "/data/users?format=json", 403,
         ("POST", "/xapi/siteConfig/restrictUserListAccessToAdmins", b"true"), local=True,
         apart=False, account="stranger",
         after=(("GET", "/data/users?format=json", 200, {"row": {"login": "ct_member"}}),
                ("POST", "/xapi/siteConfig/restrictUserListAccessToAdmins", 200, {}, b"false"))),
]  # fmt: skip

# ---- TestXapiSiteConfig ------------------------------------------------------------------

CONFIG = "/xapi/siteConfig"
GIVEN = '{"sitewidePetTracers": "PIB", "passwordComplexityMessage": "Complex", "{u}": "Added"}'
SET = ("POST", CONFIG, GIVEN)
SITE = "TestXapiSiteConfig.test"
WHOLE = SITE + "GetSiteConfigClosedXnat"
ONE = SITE + "GetSiteConfigPropertyClosedXnat"
PREFERENCES = [
    told(WHOLE, "GET", CONFIG, 200, SET, local=True, expect={
        "members": {"sitewidePetTracers": "PIB", "passwordComplexityMessage": "Complex",
                    "{u}": "Added", "siteId": "XNAT"}}),
    told(WHOLE, "GET", CONFIG, 200, SET, local=True, account="stranger", apart=False, expect={
        "members": {"sitewidePetTracers": "PIB", "siteId": "XNAT"},
        "lacks": "passwordComplexityMessage"}),
    told(WHOLE, "GET", CONFIG, 200, SET, local=True, account="stranger", apart=False,
         expect={"lacks": "{u}"}),
    told(WHOLE, "GET", CONFIG, 401, anonymous=True),
    told(ONE, "GET", CONFIG + "/siteId", 200),
    told(ONE, "GET", CONFIG + "/sitewidePetTracers", 200, SET, local=True,
         expect={"json": "PIB"}),
    told(ONE, "GET", CONFIG + "/passwordComplexityMessage", 200, SET, local=True,
         expect={"json": "Complex"}),
    told(ONE, "GET", CONFIG + "/{u}", 200, SET, local=True, expect={"json": "Added"}),
    told(ONE, "GET", CONFIG + "/siteId", 200, account="stranger", apart=False),
    told(ONE, "GET", CONFIG + "/sitewidePetTracers", 200, SET, local=True, account="stranger",
         apart=False, expect={"json": "PIB"}),
    told(ONE, "GET", CONFIG + "/passwordComplexityMessage", 403, SET, local=True,
         account="stranger", apart=False),
    told(ONE, "GET", CONFIG + "/{u}", 403, SET, local=True, account="stranger", apart=False),
    told(SITE + "PostSiteConfigMapClosedXnat", "POST", CONFIG, 200, local=True,
         body='{"sitewidePetTracers": "FDG"}', types="application/json",
         after=(("GET", CONFIG + "/sitewidePetTracers", 200, {"json": "FDG"}),)),
    told(SITE + "PostSiteConfigMapClosedXnat", "POST", CONFIG, 403, SET, account="stranger",
         local=True, apart=False, body='{"sitewidePetTracers": "bad value"}',
         types="application/json",
         after=(("GET", CONFIG + "/sitewidePetTracers", 200, {"json": "PIB"}),)),
    told(SITE + "PostSiteConfigMapClosedXnat", "POST", CONFIG, 401, anonymous=True,
         body='{"sitewidePetTracers": "bad value"}', types="application/json"),
    told(SITE + "PostSiteConfigPropertyClosedXnat", "POST", CONFIG + "/sitewidePetTracers", 200,
         local=True, body="FDG", types="text/plain",
         after=(("GET", CONFIG + "/sitewidePetTracers", 200, {"json": "FDG"}),)),
    told(SITE + "PostSiteConfigPropertyClosedXnat", "POST", CONFIG + "/sitewidePetTracers", 403,
         SET, local=True, account="stranger", apart=False, body="bad", types="text/plain",
         after=(("GET", CONFIG + "/sitewidePetTracers", 200, {"json": "PIB"}),)),
    told(SITE + "Uptime", "GET", CONFIG + "/uptime", 200,
         expect={"keys": ["days", "hours", "minutes", "seconds"]}),
]  # fmt: skip

# ---- TestConfigService -------------------------------------------------------------------

TOOL = "TestConfigService.test"
HERE = P + "/config/{u}/newPath/goes/here"
THERE = "/data/config/{u}/newPath/goes/here"
OLD, YOUNG = b"dummy contents\n", b"<some>other</some>\n"
SERVICES = []
for front, local in ((HERE, False), (THERE, True)):
    put = ("PUT", front + "?inbody=true", OLD)
    off = ("PUT", front + "?status=disabled")
    read = front + "?format=json"
    more = {"local": local}
    SERVICES += [
        told(TOOL + "ConfigServicePut", "PUT", front + "?inbody=true", 201, body=OLD, **more,
             after=(("GET", read, 200, {"row": {"contents": OLD.decode(), "version": "1"}}),)),
        told(TOOL + "ConfigServiceGetContents", "GET", front + "?contents=true", 200, put, **more,
             expect={"content": OLD}),
        told(TOOL + "ConfigServiceReplace", "PUT", front + "?inbody=true", 200, put, body=YOUNG,
             **more, after=(("GET", read, 200, {"row": {"contents": YOUNG.decode()}}),)),
        told(TOOL + "DisableAndEnable", "PUT", front + "?status=disabled", 200, put, **more,
             after=(("GET", read, 200, {"row": {"status": "disabled"}}),)),
        told(TOOL + "DisableAndEnable", "PUT", front + "?status=badstring", 400, put, off, **more,
             after=(("GET", read, 200, {"row": {"status": "disabled"}}),)),
        told(TOOL + "DisableAndEnable", "PUT", front + "?status=enabled", 200, put, off, **more,
             after=(("GET", read, 200,
                     {"row": {"status": "enabled", "contents": OLD.decode()}}),)),
        told(TOOL + "ConfigServiceVersion", "GET", read, 200, put,
             ("PUT", front + "?inbody=true", YOUNG), **more,
             expect={"row": {"version": "2", "contents": YOUNG.decode()}}),
        told(TOOL + "ConfigServiceVersion", "GET", read + "&version=2", 200, put,
             ("PUT", front + "?inbody=true", YOUNG), ("PUT", front + "?inbody=true", b"third"),
             **more, expect={"row": {"version": "2", "contents": YOUNG.decode()}}),
        told(TOOL + "ConfigServiceVersion", "PUT", front + "?inbody=true", 200, put,
             ("PUT", front + "?inbody=true", YOUNG), body=b"third", **more,
             after=(("GET", read, 200, {"row": {"version": "3"}}),)),
        told(TOOL + "DisableAndEnable", "GET", read, 200, put, off, **more,
             expect={"row": {"status": "disabled"}}),
        told(TOOL + "GetToolListing", "PUT", front + "b?inbody=true", 201, put, body=OLD, **more,
             after=(("GET", front.partition("/{u}")[0] + "?format=json", 200,
                     {"row": {"tool": "{u}"}}),)),
        told(TOOL + "GetToolListing", "GET", front.partition("/{u}")[0] + "?format=json", 200, put,
             **more, expect={"row": {"tool": "{u}"}}),
        told(TOOL + "ConfigServiceCreateWithStatus", "PUT",
             front + "?inbody=true&status=enabled", 201, body=b"ABC123", **more,
             after=(("GET", front + "?contents=true", 200, {"content": b"ABC123"}),)),
    ]  # fmt: skip
PUT = ("PUT", HERE + "?inbody=true", OLD)
SERVICES += [
    told(TOOL + "ConfigServiceProjectLevelSecurityLegacy", "GET", HERE + "?contents=true", 404,
         PUT, ("PUT", P + "/accessibility/private"), apart=False, account="stranger"),
    *(
        told(TOOL + "ConfigServiceProjectLevelEditSecurity", "PUT", HERE, 403, PUT,
             ("PUT", P + "/accessibility/private"), apart=False, account=account,
             body=b"junk string", types="text/plain",
             after=(("GET", HERE + "?format=json", 200,
                     {"row": {"contents": OLD.decode(), "version": "1"}}),))
        for account in ("member", "collaborator", "stranger")
    ),
    told(TOOL + "ConfigServiceProjectLevelEditSecurity", "GET", HERE + "?format=json", 200, PUT,
         apart=False, account="owner", expect={"row": {"contents": OLD.decode()}}),
]  # fmt: skip

ROWS = [
    *INVALID, *SHARING, *ALIASES, *ACCOUNTS, *PREFERENCES, *SERVICES,
]  # fmt: skip
