"""Log-in, tokens, accounts, rights, and what a server tells about itself."""

from .table import Row

P = "/data/projects/{p}"
E1 = "/data/experiments/{e1}"
F = E1 + "/scans/1/resources/NIFTI/files"
MOZILLA = {"User-Agent": "Mozilla/5.0 (X11) AppleWebKit/537.36"}
WRONG = {"Authorization": "Basic YWRtaW46d3Jvbmc="}

ROWS = [
    # ---- sessions
    Row(
        "GET",
        "/data/JSESSION",
        200,
        "J UserSession",
        expect={"headers": {"Content-Type": "text/plain", "Set-Cookie": "SESSION_EXPIRATION_TIME"}},
    ),
    Row(
        "GET", "/data/JSESSION?CSRF=true", 200, "J UserSession", expect={"contains": "; XNAT_CSRF="}
    ),
    Row("GET", "/data/auth", 200, "J UserAuth", expect={"contains": "is logged in"}),
    Row("GET", "/data/auth", 401, "J UserAuth", anonymous=True),
    Row(
        "GET",
        "/data/projects",
        401,
        "J XnatAuthenticationEntryPoint",
        anonymous=True,
        expect={"headers": {"WWW-Authenticate": "Basic realm="}},
    ),
    Row("GET", "/data/projects", 401, "T TestInvalidUserAccess", anonymous=True, headers=WRONG),
    Row(
        "GET",
        "/data/projects",
        302,
        "J DefaultInteractiveAgentDetector",
        anonymous=True,
        headers=MOZILLA,
        expect={"headers": {"Location": "/app/template/Login.vm"}},
    ),
    Row(
        "GET",
        "/app/template/Login.vm",
        200,
        "T TestUserAccess",
        anonymous=True,
        headers=MOZILLA,
        expect={"contains": "BEGIN xnat-templates/screens/Login.vm"},
    ),
    Row(
        "GET",
        "/xapi/users/username",
        200,
        "J UsersApi",
        expect={"headers": {"Content-Type": "text/plain"}},
    ),
    Row("GET", "/xapi/users/username", 401, "J UsersApi", anonymous=True),
    Row(
        "GET",
        "/xapi/siteConfig/buildInfo",
        200,
        "C xnatctl",
        anonymous=True,
        expect={"keys": ["version"]},
    ),
    Row(
        "GET",
        "/xapi/siteConfig/buildInfo/version",
        200,
        "C xnatctl",
        anonymous=True,
        expect={"contains": "1."},
    ),
    Row("GET", "/data/version", 404, "J XNATApplication"),
    Row("GET", "/data/services/auth", 400, "J AuthenticationRestlet", "likely", anonymous=True),
    Row(
        "PUT",
        "/data/services/auth",
        401,
        "J AuthenticationRestlet",
        anonymous=True,
        form={"username": "admin", "password": "wrong"},
    ),
    # ---- tokens
    Row(
        "GET",
        "/data/services/tokens/issue",
        200,
        "T TestAliasTokenService",
        expect={
            "keys": [
                "alias",
                "secret",
                "xdatUserId",
                "singleUse",
                "estimatedExpirationTime",
                "id",
                "enabled",
                "created",
            ]
        },
    ),
    Row(
        "GET",
        "/data/services/tokens/validate/nosuch/secret",
        200,
        "T TestAliasTokenService",
        expect={"json": {}},
    ),
    Row("GET", "/data/services/tokens/validate/nosuch", 401, "J AliasTokenRestlet"),
    Row("GET", "/data/services/tokens/show/nosuch", 404, "J AliasTokenRestlet"),
    Row("GET", "/data/services/tokens/invalidate/nosuch", 404, "J AliasTokenRestlet"),
    Row(
        "GET",
        "/data/services/tokens/issue/user/admin",
        403,
        "T TestAliasTokenService",
        account="stranger",
    ),
    # ---- accounts
    Row(
        "GET",
        "/data/users?format=json",
        200,
        "J UserListResource",
        expect={"columns": ["xdat_user_id", "login", "firstname", "lastname", "email"]},
    ),
    Row("GET", "/xapi/users", 200, "J UsersApi"),
    Row("GET", "/xapi/users/profiles", 200, "J UsersApi", expect={"contains": "username"}),
    Row("GET", "/xapi/users/active", 200, "T TestUserAccess", expect={"contains": "sessions"}),
    Row("GET", "/xapi/schemas", 200, "J SchemaApi", expect={"contains": "xnat"}),
    Row(
        "GET",
        "/xapi/schemas/xnat",
        200,
        "J SchemaApi",
        expect={"contains": ["<xs:schema", 'name="mrSessionData"']},
    ),
    Row(
        "GET",
        "/schemas/xnat/xnat.xsd",
        200,
        "J XnatWebAppInitializer",
        expect={"contains": "<xs:schema"},
    ),
    Row("GET", "/xapi/siteConfig/siteId", 200, "T TestXapiSiteConfig"),
    Row(
        "GET",
        P + "/users?format=json",
        200,
        "J ProjectUserListResource",
        expect={
            "columns": ["GROUP_ID", "displayname", "login", "firstname", "lastname", "email"],
            "row": {"displayname": "Owners", "GROUP_ID": "{p}_owner"},
        },
    ),
    Row("PUT", P + "/users/Nonsense/admin", 404, "J ProjectMemberResource"),
    Row("PUT", P + "/users/Members/nosuchuser", 404, "J ProjectMemberResource", "likely"),
    Row("PUT", P + "/users/Members/guest", 412, "J ProjectMemberResource"),
    # ---- a stranger sees a protected project, but none of its data
    Row(
        "GET",
        "/data/projects?format=json",
        200,
        "T TestDynamicSearchProjects",
        account="stranger",
        expect={"row": {"ID": "{p}"}},
    ),
    Row("GET", E1 + "?format=json", 404, "T TestInvalidUserAccess", account="stranger"),
    Row(
        "GET",
        P + "/subjects?format=json",
        404,
        "T TestInvalidUserAccess",
        "likely",
        account="stranger",
    ),
    Row(
        "GET",
        "/data/experiments?project={p}&format=json",
        200,
        "T TestInvalidUserAccess",
        account="stranger",
        expect={"count": 0},
    ),
    Row("GET", F + "/t1.nii.gz", 500, "J FileList", "likely", account="stranger"),
    Row("PUT", E1 + "?note=x", 404, "T TestInvalidUserAccess", account="stranger"),
    Row("DELETE", E1, 404, "T TestInvalidUserAccess", account="stranger"),
    Row("PUT", P + "/subjects/NEW", 404, "T TestInvalidUserAccess", account="stranger"),
    Row(
        "PUT",
        P + "/accessibility/public",
        404,
        "J ProjectAccessibilityResource",
        "likely",
        account="stranger",
    ),
    # ---- a collaborator reads
    Row("GET", E1 + "?format=json", 200, "T TestInvalidUserAccess", account="collaborator"),
    Row("GET", F + "/t1.nii.gz", 200, "T TestInvalidUserAccess", account="collaborator"),
    Row("PUT", P + "/subjects/NEW", 403, "T TestInvalidUserAccess", account="collaborator"),
    Row("PUT", E1 + "/scans/1?note=x", 403, "T TestInvalidUserAccess", account="collaborator"),
    Row("PUT", E1 + "/resources/NEW", 403, "J CatalogResource", account="collaborator"),
    Row(
        "PUT",
        F + "/new.txt?inbody=true",
        200,
        "J FileList",
        account="collaborator",
        body=b"x",
        expect={"text": ""},
        after=(("GET", F + "/new.txt", 404),),
    ),
    Row("DELETE", F + "/t1.nii.gz", 403, "J FileList", account="collaborator"),
    Row("DELETE", E1, 403, "T TestInvalidUserAccess", account="collaborator"),
    # ---- a member makes and changes, an owner deletes and manages
    Row("PUT", P + "/subjects/NEW", 201, "T TestInvalidUserAccess", account="member"),
    Row(
        "PUT",
        F + "/new.txt?inbody=true",
        200,
        "J FileList",
        account="member",
        body=b"x",
        after=(("GET", F + "/new.txt", 200, {"content": b"x"}),),
    ),
    Row("DELETE", F + "/t1.nii.gz", 403, "J FileList", account="member"),
    Row("DELETE", E1, 403, "T TestInvalidUserAccess", account="member"),
    Row(
        "PUT", P + "/accessibility/public", 403, "J ProjectAccessibilityResource", account="member"
    ),
    Row("PUT", P + "/accessibility/public", 200, "J ProjectAccessibilityResource", account="owner"),
    Row("DELETE", E1, 200, "T TestInvalidUserAccess", account="owner", after=(("GET", E1, 404),)),
    Row(
        "PUT",
        P + "/subjects/S1/projects/{p2}",
        403,
        "T TestSharing",
        account="owner",
        before=(("PUT", "/data/projects/{p2}/users/Collaborators/ct_owner"),),
    ),
]
