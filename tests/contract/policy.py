"""Who may do what, declared: the rights of roles, and the right that each route asks for.

Nothing here is taken from the implementation. Roles are XNAT's: a collaborator reads, a
member also makes and changes, an owner also deletes and manages; of a public project
everybody reads, guests too, and of a protected one everybody knows that it exists.
"""

RIGHTS = {
    "admin": {"know", "read", "edit", "delete", "manage", "account", "site"},
    "owner": {"know", "read", "edit", "delete", "manage", "account"},
    "member": {"know", "read", "edit", "account"},
    "collaborator": {"know", "read", "account"},
    "stranger": {"account"},
    "guest": set(),
}
#: what everybody may do, whatever their role
BY_ACCESS = {"public": {"know", "read"}, "protected": {"know"}, "private": set()}


def rights(role, access):
    """Give the rights of a role in a project of some accessibility."""
    found = RIGHTS[role] | BY_ACCESS[access]
    # session folders are for people with an account, even those of public projects
    return found | {"visit"} if {"read", "account"} <= found else found


#: what the routes without a project in them ask for; ``open`` is anybody, ``filtered`` is
#: anybody too, but nothing may be told of what the person may not read
ELSEWHERE = {
    ("GET", "/JSESSION"): "open",
    ("POST", "/JSESSION"): "open",
    ("DELETE", "/JSESSION"): "open",
    ("GET", "/auth"): "account",
    ("GET", "/services/auth"): None,
    ("PUT", "/services/auth"): None,
    ("POST", "/services/auth"): None,
    ("GET", "/services/tokens"): "account",
    ("GET", "/user/{login}/sessions"): "site",
    ("GET", "/users"): "account",
    ("GET", "/config"): "filtered",
    ("PUT", "/config"): "site",
    ("POST", "/config"): "site",
    ("DELETE", "/config"): "site",
    ("POST", "/services/refresh/catalog"): "edit",
    ("PUT", "/services/refresh/catalog"): "edit",
    ("POST", "/projects"): "account",
    ("GET", "/xapi/users"): "account",
    ("POST", "/xapi/users"): "site",
    ("PUT", "/xapi/users"): "site",
    ("DELETE", "/xapi/users"): "site",
    ("GET", "/xapi/users/username"): "account",
    ("POST", "/xapi/siteConfig"): "site",
    ("PUT", "/xapi/siteConfig"): "site",
    ("PUT", "/search/saved/{search}"): "account",
    ("DELETE", "/search/saved/{search}"): "filtered",
    ("PUT", "/prearchive"): "site",
    ("POST", "/services/import"): "edit",
    ("GET", "/services/dicomdump"): "read",
    ("GET", "/services/audit"): "read",
    ("GET", "/status/{transaction}"): "open",
    ("POST", "/status/{transaction}"): "open",
    ("DELETE", "/status/{transaction}"): "open",
    ("GET", "/workflows"): "visit",
    ("PUT", "/workflows"): "visit",
    ("GET", "/xapi/custom-fields"): "read",
    ("PUT", "/xapi/custom-fields"): "edit",
    ("DELETE", "/xapi/custom-fields"): "edit",
    ("PUT", "/xapi/archive/upload/xml"): "edit",
    ("POST", "/xapi/archive/upload/xml"): "edit",
    ("GET", "/xapi/customforms"): "account",
    ("PUT", "/xapi/customforms"): "site",
    ("POST", "/xapi/customforms"): "site",
    ("DELETE", "/xapi/customforms"): "site",
    ("GET", "/xapi/direct-archive"): "visit",
    ("POST", "/xapi/direct-archive"): "edit",
    ("DELETE", "/xapi/direct-archive"): "delete",
}
FILTERED = {
    "/search", "/search/elements", "/search/elements/{type}", "/search/saved",
    "/search/saved/{search}", "/search/{name}", "/subjects", "/experiments", "/projects",
    "/scan_types", "/scanners", "/investigators", "/xapi/siteConfig",
    "/xapi/siteConfig/buildInfo", "/xapi/schemas", "/xapi/plugins", "/schemas",
    "/xapi/access/projects", "/xapi/archive/download", "/xapi/archive/downloadwithsize",
    "/prearchive", "/prearchive/experiments",
}  # fmt: skip
#: routes of a project that ask for something else than reading, making and deleting data
SPECIAL = {
    ("GET", "/projects/{project}"): "know",
    ("PUT", "/projects/{project}"): "manage",
    ("GET", "/projects/{project}/accessibility"): "know",
    ("PUT", "/projects/{project}/accessibility"): "manage",
    ("GET", "/projects/{project}/users"): "read",
    ("PUT", "/projects/{project}/users"): "manage",
    ("DELETE", "/projects/{project}/users"): "manage",
    ("GET", "/projects/{project}/groups"): "read",
    ("PUT", "/projects/{project}/config"): "manage",
    ("POST", "/projects/{project}/config"): "manage",
    ("DELETE", "/projects/{project}/config"): "manage",
    ("GET", "/projects/{project}/searches/{search}"): "read",
    ("PUT", "/projects/{project}/searches/{search}"): "edit",
    ("DELETE", "/projects/{project}/searches/{search}"): "edit",
    ("DELETE", "/projects/{project}/protocols/{protocol}"): "edit",
    ("GET", "/projects/{project}/pipelines"): "manage",
    ("DELETE", "/projects/{project}/pipelines"): "manage",
    # what comes of it hangs on a pipeline that must be there first
    ("GET", "/projects/{project}/pipelines/{step}/experiments/{experiment}"): None,
}
for _front in ("/projects/{project}/experiments/{experiment}", "/experiments/{experiment}"):
    SPECIAL["GET", _front + "/DIR"] = SPECIAL["GET", _front + "/XAR"] = "visit"
SPECIAL["GET", "/projects/{project}/pipelines"] = "manage"
#: without a pipeline it does nothing, whoever asks
SPECIAL["DELETE", "/projects/{project}/pipelines"] = None
#: what waits is for those who could have sent it; its list is for those who read the project
SPECIAL["GET", "/prearchive/projects/{project}"] = "read"
SPECIAL["PUT", "/prearchive/projects/{project}"] = "site"
PER_METHOD = {"GET": "read", "PUT": "edit", "POST": "edit", "DELETE": "delete"}


def asked(method, template):
    """Give the right that a route asks for; None when rights are not the matter."""
    if (method, template) in SPECIAL:
        return SPECIAL[method, template]
    if (method, template) in ELSEWHERE:
        return ELSEWHERE[method, template]
    if template.startswith("/user/cache"):
        return "account"
    if template in FILTERED:
        return "filtered"
    if template.startswith(("/projects/", "/subjects/", "/experiments/")):
        return PER_METHOD[method]
    if template.startswith(("/prearchive/projects/", "/services/")):
        return "edit"
    raise KeyError(f"{method} {template}: no right is declared")
