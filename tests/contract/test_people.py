"""Every route, every method, every role: what the policy says is what happens.

What is refused changes nothing and tells nothing of what may not be read; what is
allowed is not refused. After each change the archive is wound back.
"""

import json

import pytest
import requests

from support.dicom_files import ROOT, study

from . import policy
from .conftest import OTHER, served
from .rewind import Rewind
from .route_map import ROUTER
from .table import State, search

SECRET = "secret-of-the-project"
ROLES = ("admin", "owner", "member", "collaborator", "stranger", "guest")
#: who is asked in projects of which accessibility: members are the same in all
CASES = [(role, "private") for role in ROLES] + [
    (role, access) for role in ("stranger", "guest") for access in ("protected", "public")
]
NAMES = {
    "project": "{p}",
    "subject": "{s1}",
    "session": "{e1}",
    "experiment": "{e1}",
    "assessor": "{a1}",
    "scan": "1",
    "recon": "RC1",
    "resource": "R1",
    "login": "admin",
    "type": "xnat:mrSessionData",
    "name": "nosuch",
    "search": "xs1",
    "step": "fixScanTypes",
    "timestamp": "20200101_000000",
    "transaction": "told",
}
WAITING = "/prearchive/projects/{p}/20200101_000000/WAIT"
FLOW = "wrk:workflowData/pipeline_name=F&wrk:workflowData/id={e1}&wrk:workflowData/launch_time="
ABOUT = "&wrk:workflowData/data_type=xnat:mrSessionData&wrk:workflowData/comments=" + SECRET
CUSTOM = "/xapi/custom-fields/projects/{p}/subjects/S1/fields"
#: what asks a service, or another route with a tongue of its own, for something
ASKED = {
    "/data/prearchive/experiments": "?recent=5&format=json",
    "/data/services/import": "?inbody=true&import-handler=SI&dest=/prearchive/projects/{p}",
    "/data/services/dicomdump": "?format=json&src=/archive/projects/{p}/experiments/MR1",
    "/data/services/audit": "/xnat:mrSessionData/{e1}",
    "/data/services/archive": "?src=" + WAITING,
    "/data/services/validate-archive": "?src=" + WAITING,
    "/data/services/prearchive/move": f"?newProject={{p2}}&src={WAITING}",
    "/data/services/prearchive/delete": "?src=" + WAITING,
    "/data/services/prearchive/rebuild": "?src=" + WAITING,
    "/data/status/{transaction}": "",
}
XML = 'xmlns:xnat="http://nrg.wustl.edu/xnat"'
BUNDLE = search("xnat:subjectData", ["xnat:subjectData/GROUP", "xnat:subjectData/SUBJECT_LABEL"])
NEW = {
    "/projects": f'<xnat:Project ID="NEW1" {XML}/>',
    "/subjects": f'<xnat:Subject label="NEW1" {XML}/>',
    "/experiments": f'<xnat:MRSession label="NEW1" {XML}><xnat:subject_ID>{{s1}}</xnat:subject_ID>'
    "</xnat:MRSession>",
    "/scans": f'<xnat:MRScan ID="NEW1" {XML}/>',
    "/reconstructions": f'<xnat:ReconstructedImage ID="NEW1" {XML}/>',
    "/assessors": f'<xnat:QCManualAssessment label="NEW1" {XML}/>',
    "/resources": f'<xnat:ResourceCatalog label="NEW1" {XML}/>',
    "/search": BUNDLE,
}
DOWNLOAD = '{"sessions": ["{e1}"], "scan_types": ["T1w"]}'


class Prey(State):
    """A state whose texts are secret, with something of everything."""

    def _fill(self):
        super()._fill()
        front = "/data/projects/{p}/subjects/"
        self.ask("PUT", f"/data/projects/{{p}}?description={SECRET}", 200)
        self.ask("PUT", f"{front}S1?group={SECRET}", 200)
        self.ask("PUT", f"/data/experiments/{{e1}}?note={SECRET}", 200)
        self.ask("PUT", f"/data/experiments/{{e1}}/scans/1?note={SECRET}", 200)
        self.ask("PUT", f"/data/experiments/{{a1}}?note={SECRET}", 200)
        self.ask("PUT", "/data/experiments/{e1}/reconstructions/RC1", 200)
        one = "/data/experiments/{e1}"
        for place in (
            "/data/projects/{p}", front + "S1", one, one + "/scans/1",
            one + "/reconstructions/RC1/in", one + "/reconstructions/RC1/out",
            one + "/assessors/{a1}/in", one + "/assessors/{a1}/out", "/data/experiments/{a1}",
        ):  # fmt: skip
            path = f"{place}/resources/R1/files/{SECRET}.txt?inbody=true"
            self.ask("PUT", path, 200, data=SECRET.encode())
        self.ask("PUT", "/data/projects/{p}/config/tool/file?inbody=true", 201, data=SECRET)
        self.ask("PUT", "/data/projects/{p}/searches/xs1?inbody=true", 200, data=BUNDLE)
        sent = "/data/services/import?inbody=true&import-handler=SI&session=WAIT&dest=" + WAITING
        self.ask("POST", f"{sent}&subject={SECRET}", 200, data=study(1))
        extra = f"/data{WAITING}/resources/R1/files/{SECRET}.txt?inbody=true"
        self.ask("PUT", extra, 200, data=SECRET.encode())
        self.ask("PUT", f"/data/workflows?{FLOW}2020-01-01{ABOUT}", 200)
        self.ask("PUT", CUSTOM, 200, json={"f": SECRET})
        sent = "/data/services/import?inbody=true&import-handler=DICOM-zip&Direct-Archive=true"
        packed = {"Content-Type": "application/zip"}
        self.ask("POST", sent + "&project={p}", 200, data=study(1, study=7), headers=packed)
        listed = self.ask("POST", "/xapi/direct-archive", 200, json={}).json()
        self.names["direct"] = str(listed[0]["id"])


@pytest.fixture(scope="module")
def peopled(tmp_path_factory):
    if OTHER:
        pytest.skip("accounts are made and the archive is wound back")
    with served(tmp_path_factory.mktemp("people"), require_login=False) as (archive, url):
        state = Prey(url, ("admin", "admin"))
        clients = {"admin": state.http, "guest": requests.Session()}
        for role, group in (
            ("owner", "Owners"), ("member", "Members"), ("collaborator", "Collaborators"),
            ("stranger", None),
        ):  # fmt: skip
            if group:
                for project in ("{p}", "{p2}"):
                    state.ask("PUT", f"/data/projects/{project}/users/{group}/ct_{role}", 200)
            clients[role] = requests.Session()
            clients[role].post(url + "/data/JSESSION", auth=(f"ct_{role}", "secret"))
        for client in clients.values():
            client.headers["User-Agent"] = "contract"
            client.trust_env = False

        def begin(access):
            state.ask("PUT", f"/data/projects/{{p}}/accessibility/{access}", 200)
            return Rewind(archive)

        yield state, clients, begin


def plain(template):
    """Take the entry off a template."""
    return template.removeprefix("/data")


def concrete(method, template):
    """Make a request of a route that does something when it is allowed: (path, body)."""
    names = dict(NAMES)
    if "/assessors/{experiment}" in template:
        names["experiment"] = "{a1}"
    if template.startswith("/data/prearchive/"):
        names["session"] = "WAIT"
        if "/scans/" in template:
            names["resource"] = "DICOM"
    path = template + ASKED.get(template, "")
    for name, value in names.items():
        path = path.replace("{" + name + "}", value)
    tail = "/" + template.rsplit("/", 1)[-1]
    if template == "/data/services/import":
        return path, study(1, study=5)
    if template in ASKED:
        form = {"status": "PROCESSING", "message": "half"}
        return path, form if "/status/" in template and method == "POST" else None
    if template == "/data/workflows":
        return f"{path}?{FLOW}" + ("2020-01-01" if method == "GET" else "2020-02-02" + ABOUT), None
    if template == "/xapi/custom-fields":
        path = CUSTOM + ("/f" if method == "DELETE" else "")
        return path, '{"g": "new"}' if method == "PUT" else None
    if template == "/xapi/archive/upload/xml":
        said = f'<xnat:Subject ID="{{s1}}" project="{{p}}" label="S1" group="new" {XML}/>'
        return path + "?allowDataDeletion=false", said
    if template == "/xapi/customforms":
        return path + {"PUT": "/save", "POST": "/promote"}.get(method, ""), "[]"
    if template == "/xapi/direct-archive":
        one = f"{{p}}/{ROOT}.7/Sample_ID"
        return f"{path}/" + ("{direct}" if method == "DELETE" else one), None
    if template.startswith("/data/prearchive/") and method == "POST":
        return path + "?action=build", None
    if template.endswith("/files"):
        if method in {"PUT", "POST"}:
            return path + "/new.txt?inbody=true", b"new"
        return (path + f"/{SECRET}.txt" if method == "DELETE" else path + "?format=json"), None
    if template.endswith("/resources/{resource}"):
        if method == "PUT":
            return path.replace("/R1", "/NEW1"), None
        return path, b"<x/>" if method == "POST" else None
    if method == "POST" and tail in NEW:
        return path + "?format=json", NEW[tail]
    if template.startswith("/xapi/users"):
        return {
            "GET": (path + ("" if "username" in path else "/profile"), None),
            "POST": (path, '{"username": "new1", "password": "p"}'),
            "PUT": (path + "/ct_owner", '{"lastName": "N"}'),
            "DELETE": (path + "/active/nobody", None),
        }[method]
    if template == "/xapi/siteConfig" and method != "GET":
        return path, '{"siteDescriptionText": "x"}'
    if template.startswith("/xapi/archive/") and method == "POST":
        return path, DOWNLOAD
    if template.endswith("/accessibility") and method == "PUT":
        return path + "/public", None
    if template.endswith("{project}/users"):
        who = {"PUT": "/Members/ct_stranger", "DELETE": "/Members/ct_member"}
        return path + who.get(method, "?format=json"), None
    if template.endswith("/config"):
        if template.startswith("/data/config") and method in {"GET", "DELETE"}:
            return path, None
        body = b"text" if method in {"PUT", "POST"} else None
        return path + "/tool/file?inbody=true&format=json", body
    if template.endswith(("/searches/{search}", "/saved/{search}")):
        if method == "PUT":
            return path.replace("xs1", "new1") + "?inbody=true", BUNDLE
        if method == "DELETE" and "/saved/" in template:
            return path.replace("xs1", "nosuch"), None
        return path, None
    if template.endswith("/tokens"):
        return path + "/issue", None
    if template.endswith("/catalog"):
        return path + "?resource=/archive/experiments/{e1}&options=populateStats", None
    if template.startswith("/data/user/cache"):
        return path + "/X" + ("/files/a.txt?inbody=true" if method == "POST" else ""), b"x"
    if template == "/data/search/elements/{type}":
        return path + "?format=json", None
    if method == "PUT":
        if template == "/data/projects/{project}":
            return path + "?keywords=x", None
        return path + "?note=x&group=y", None
    return path + ("?format=json" if method == "GET" else ""), None


def requests_of():
    """List all requests: every route below /data and /xapi, with each of its methods."""
    for route in ROUTER.routes:
        if route.template.startswith(("/REST", "/data/archive")):
            continue
        for method in route.methods:
            yield method, route.template


#: where a refusal is told by 200: uploads without rights are dropped without a word
DROPPED = {"PUT", "POST"}


@pytest.mark.parametrize("role, access", CASES)
def test_every_route_obeys_the_policy(role, access, peopled):
    state, clients, begin = peopled
    rewind = begin(access)
    held = policy.rights(role, access)
    wrong = []
    for method, template in requests_of():
        right = policy.asked(method, plain(template))
        if right is None or template == "/data/JSESSION":
            continue
        path, body = concrete(method, template)
        body = state.fill(body) if isinstance(body, str) else body
        headers = {"Content-Type": "text/xml"} if body and str(body).startswith("<") else {}
        if template.startswith("/xapi") and body and not headers:
            headers = {"Content-Type": "application/json"}
        answer = clients[role].request(
            method, state.url + state.fill(path), data=body, headers=headers, allow_redirects=False
        )
        told = f"{method} {template} wants {right}: {answer.status_code}"
        # who may change something may
        changed = right not in held and rewind.changed()
        rewind.back()
        if SECRET in answer.text and "read" not in held and not _knows(path, right, held):
            wrong.append(told + " tells what may not be read")
        if right in {"open", "filtered"}:
            # XNAT fails so for who may read nothing at all
            nothing = "The user does not have access to any projects." in answer.text
            if changed or (answer.status_code in {405, 500} and not nothing):
                wrong.append(told + (" and changes something" if changed else ""))
        elif right in held:
            if answer.status_code in {401, 403, 405, 500}:
                wrong.append(told + f" though it is allowed: {_words(answer)}")
        else:
            dropped = template.endswith("/files") and method in DROPPED and not answer.text
            if answer.status_code < 400 and not dropped:
                wrong.append(told + f" though it is refused: {_words(answer)}")
            if changed:
                wrong.append(told + " and changes something")
    rewind.close()
    assert not wrong, "\n".join(wrong)


def _knows(path, right, held):
    # the description of a protected project is known to everybody
    return right in {"know", "filtered"} and "know" in held and "/projects" in path


def _words(answer):
    return json.dumps(answer.text[-300:])
