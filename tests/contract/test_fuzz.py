"""Requests that nobody would send: on every route, by an administrator, a member and a guest.

Whatever is sent, the archive answers, fails only where XNAT does, touches no file outside
its folder, and works afterwards. ``XNAT_FUZZ`` gives the number of requests for each route
and person (a few by default).
"""

import http.client
import io
import json
import logging
import os
import re
import string
import sys
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from nipype_xnat.archive import Archive, Site
from support.dicom_files import instance, packed, study

from .conftest import OTHER
from .route_map import ROUTER, counted
from .table import State

EXAMPLES = int(os.environ.get("XNAT_FUZZ", "3"))
SECRET = b"nobody outside may read this"
RECON = "/data/experiments/{e1}/reconstructions/RC1/out/resources/OUT/files/r.txt?inbody=true"
WAITING = (
    "/data/services/import?inbody=true&import-handler=SI"
    "&dest=/prearchive/projects/{p}/20200101_000000/MR1"
)
WHOLE = "/data/experiments/{e1}/scans/1/resources/NIFTI/files/t1.nii.gz"
PEOPLE = ("admin", "ct_member", "guest")
METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "TRACE", "BREW")
#: where XNAT itself answers 500: bodies of the answers, as the server's source has them
KNOWN = re.compile(
    "The request was rejected"  # Spring's firewall
    "|Identifiers cannot use special characters"  # checked when an element is saved
    "|Unable to find column|Unknown column|is not a column"  # an unknown column of a listing
    "|size of the body must be known"  # SecureResource: an in-body upload of no length
    "|cannot be read"  # FileExtractor: what is no archive
    "|XNAT cannot catalog"
    "|are not both numbers|LIMIT and OFFSET must not"  # SecureResource: pages of a listing
    # values that a field cannot be compared with: PostgreSQL refuses the statement
    "|is not a (number|date|time|datetime|timestamp)<|(LIKE|BETWEEN|compared with nothing)"
    "|Unknown comparison: |Invalid search value"
    "|cannot be compared with texts|is not an array|The (listing|search) cannot be"
    "|Unknown (field|element): "  # QueryOrganizer and DisplaySearch: names of no type
    "|length of the answer is not known"  # Restlet: a range of a zip, which has no size yet
    "|contained a malformed URL"  # BatchPrearchiveActionsA: a src that is no address
    "|is not a valid Status"  # SQListenerRepresentation
    "|has no pipeline"  # ProjtExptPipelineResource
    "|FAILED: "  # QueueBasedImageCommit: a session that cannot be archived
)

NASTY = (
    "..",
    "%2e%2e",
    "..%2f..%2fsecret.txt",
    "....//secret.txt",
    "%2e%2e%2fsecret.txt",
    "..%5c..%5csecret.txt",
    "C:%5CWindows%5Cwin.ini",
    "%2Fetc%2Fpasswd",
    "%00",
    "a%00.txt",
    "%0d%0aX-Injected: 1",
    "%ff%fe",
    "%C3%A9",
    "%20",
    "+",
    "a%20b",
    "a" * 300,
    "a/" * 120 + "b",
    "*",
    "ALL",
    ",",
    "1,2",
    ",,1",
    "NULL",
    "-1",
    "0",
    "9" * 30,
    "'",
    "%22",
    "%27%20OR%201=1--",
    "%25",
    "~",
    "..;",
    ";x=1",
    "@",
    "@xnat:mrSessionData",
    "xnat:mrSessionData",
    "xnat:nosuchData",
    "x.zip!/../../secret.txt",
    "true",
    "results",
    "projects/x",
    "status",
    "history",
    "issue",
    "show",
    "files",
)
PARAMETERS = (
    "format", "columns", "sortBy", "sortOrder", "limit", "offset", "xsiType", "label", "ID",
    "inbody", "extract", "overwrite", "req_format", "content", "tags", "description", "gender",
    "dob", "yob", "date", "type", "name", "secondary_ID", "alias", "accessibility", "primary",
    "removeFiles", "all", "recursive", "index", "file_format", "file_content", "locator",
    "listContents", "structure", "projectIncludedInPath", "accept-not-found", "update-stats",
    "reference", "method", "media", "resource", "options", "append", "CSRF", "contents", "version",
    "action", "status", "accessible", "data", "permissions", "dataType", "subject", "subject_ID",
    "project", "session", "moveAssessors", "dest", "src", "import-handler", "newProject", "cache",
    "refresh", "used", "saveAs", "includeTag", "event_reason", "defaultToSiteWide", "filename",
    "xnat:mrSessionData/fields/field%5Bname%3Dx%5D/field", "xnat:mrSessionData/date",
    "xnat:subjectData/demographics%5B@xsi:type=xnat:demographicData%5D/yob", "creatableTypes",
    "prearc_code", "traditional", "dv", "sortby", "rows", "XNAT_CSRF", "user", "users", "ELEMENT_0",
)  # fmt: skip
VALUES = (
    "", "true", "false", "json", "xml", "csv", "html", "zip", "tar", "tar.gz", "xlist", "xcat",
    "xar", "form", "qs", "nonsense", "ID,label", "xnat:mrSessionData/date", "date", "nosuch",
    "xnat:mrScanData", "xnat:mrSessionData", "xnat:subjectData", "xnat:projectData",
    "xnat:abstractResource", "asc", "desc", "-1", "0", "1", "10", "9" * 25, "1e9", "2014-05-07",
    "99/99/9999", "05/07/2014-06/07/2014", "%3E2014-01-01", "1..5", "%25", "*", "'", "%27--",
    "%00", "%ff", "%C3%A9", "a" * 400, "/etc/passwd", "../secret.txt", "public", "private",
    "{p}", "{p2}", "{s1}", "{e1}", "absolutePath", "projectPath", "PUT", "DELETE", "populateStats",
    "/archive/projects/{p}", "/archive/experiments/{e1}/scans/1/resources/NIFTI", "getHistory",
    "improved", "legacy", "simplified", "enabled", "disabled", "edit", "writable", "/user/cache/x",
    "/prearchive/projects/{p}/20200101_000000/x", "/prearchive/projects/{p}/20200101_000000/MR1",
    "/archive", "build", "commit", "move", "XAR", "gradual-DICOM", "SI", "DICOM-zip", "append",
)  # fmt: skip
HEADERS = (
    {},
    {"Content-Type": "text/xml"},
    {"Content-Type": "application/json"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "multipart/form-data"},
    {"Content-Type": "multipart/form-data; boundary=b"},
    {"Content-Type": "application/zip"},
    {"Content-Type": "nonsense"},
    {"Content-Type": "text/plain; charset=nosuch"},
    {"Content-Encoding": "gzip"},
    {"Content-Encoding": "deflate"},
    {"Range": "bytes=1-2"},
    {"Range": "bytes=-"},
    {"Range": "bytes=9-1"},
    {"If-Modified-Since": "nonsense"},
    {"If-Unmodified-Since": "Sat, 99 Foo 2014 00:00:00 GMT"},
    {"If-Match": "*"},
    {"Accept": "*/*"},
    {"Accept": "text/csv;q=x, application/json"},
    {"Accept": "image/png"},
    {"Cookie": "JSESSIONID=nosuch"},
    {"Cookie": "JSESSIONID"},
    {"Authorization": "Basic %%%"},
    {"Authorization": "Basic bm9jb2xvbg=="},
    {"Authorization": "Bearer x"},
    {"User-Agent": "Mozilla/5.0"},
    {"Host": "evil.example"},
    {"X-HTTP-Method-Override": "DELETE"},
)


def _zip(*names):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")
    return out.getvalue()


def _part(name):
    head = f'Content-Disposition: form-data; name="f"; filename="{name}"'
    return f"--b\r\n{head}\r\n\r\nx\r\n--b--\r\n".encode()


def _tar_of_links():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, kind, target in (
            ("l", tarfile.SYMTYPE, "../../secret.txt"),
            ("h", tarfile.LNKTYPE, "/etc/passwd"),
            ("d", tarfile.CHRTYPE, ""),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
        info = tarfile.TarInfo("../../out.txt")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    return out.getvalue()


BODIES = (
    b"",
    b"x",
    b"\x00\xff\xfe",
    b"{}",
    b"[]",
    b"[[1]]",
    b"null",
    b'"text"',
    b'{"username": 1, "password": [], "sessions": [1], "enabled": "x", "a": {"b": []}}',
    b'{"username": "fuzzed", "password": "p", "email": {}, "firstName": 3}',
    b'{"sessions": ["{e1}"], "scan_types": 5, "options": {}}',
    b"{" * 3000,
    b"a=b&c=%00&username=x&password=y",
    b"username=admin&password=wrong",
    b"<a/>",
    b"<",
    b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
    b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><a>&b;</a>',
    b'<xnat:Subject xmlns:xnat="http://nrg.wustl.edu/xnat" ID="" project="{p}" label="x/../y"/>',
    b'<xnat:MRSession xmlns:xnat="http://nrg.wustl.edu/xnat"><xnat:date>x</xnat:date>'
    b"<xnat:scans><xnat:scan/></xnat:scans></xnat:MRSession>",
    b'<xnat:MRScan xmlns:xnat="http://nrg.wustl.edu/xnat" ID="../9"/>',
    b'<xnat:ResourceCatalog xmlns:xnat="http://nrg.wustl.edu/xnat" label="../x"'
    b' URI="/etc/passwd"/>',
    b'<xnat:Project xmlns:xnat="http://nrg.wustl.edu/xnat" ID="fuzzed"><xnat:aliases>'
    b"<xnat:alias/></xnat:aliases></xnat:Project>",
    b'<xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security" ID="x"/>',
    b'<xdat:bundle xmlns:xdat="http://nrg.wustl.edu/security"><xdat:root_element_name>xnat:'
    b"subjectData</xdat:root_element_name><xdat:search_where/></xdat:bundle>",
    _part("../../out.txt"),
    _part("C:\\\\out.txt"),
    _part("a\x00b"),
    b"--b\r\n\r\nx",
    b"--b--",
    _zip(
        "../../out.txt", "/tmp/out.txt", "a/../../out.txt", "C:\\out.txt", "..\\out.txt", "x" * 300
    ),
    _zip("a", "a", ".", "..", "/", "a\x01b"),
    _tar_of_links(),
    b"PK\x03\x04broken",
    instance()[:300],
    study(1),
    study(1, study=2, PatientName="../../x", PatientID="%2e%2e/etc", SeriesNumber="-1"),
    packed(
        {
            "../../a.dcm": instance(1, StudyDate="nonsense", StudyTime="x", NumberOfFrames="9"),
            "b.dcm": instance(2, PixelSpacing=["1"], ImageOrientationPatient=["1"] * 6),
            "b/a.zip": study(1, series=(3,), Modality="??", PatientComments="Project:{p} AA:true"),
        }
    ),
    b"\x1f\x8bbroken",
)


class _Line(http.client.HTTPConnection):
    """A connection that sends any path."""

    def _validate_path(self, url):
        pass

    def _encode_request(self, request):
        return request.encode("latin-1", "replace")


class _Watch:
    """Notes every file that the archive's threads open, wherever it lies."""

    def __init__(self, root):
        self.root = str(root)
        self.on = False
        self.seen = set()
        sys.addaudithook(self._hear)

    def _hear(self, event, args):
        if not self.on or event not in {"open", "os.remove", "os.rename", "os.mkdir", "os.listdir"}:
            return
        if not threading.current_thread().name.startswith("CP Server"):
            return
        path = args[0]
        if isinstance(path, (str, bytes, os.PathLike)):
            self.seen.add(os.path.abspath(os.fsdecode(path)))

    def strangers(self):
        """Give what was opened outside the folder, the interpreter's own files aside."""
        package = Path(__file__).parents[2] / "nipype_xnat"
        fine = (self.root, str(package), sys.prefix, sys.base_prefix, "/dev/null")
        fine += ("/etc/mime.types", "/usr/", "/proc/self/")
        return sorted(path for path in self.seen if not path.startswith(fine))


def _state(url):
    """Fill the archive with something that requests may find."""
    state = State(url, ("admin", "admin"))
    state.ask("PUT", "/data/projects/{p}/users/Members/ct_member", 200)
    state.ask("PUT", "/data/projects/{p2}/accessibility/public", 200)
    state.ask("PUT", "/data/experiments/{e1}/reconstructions/RC1", 200)
    state.ask("PUT", RECON, 200, data=b"recon")
    state.ask("POST", WAITING, 200, data=study(2))
    return state


@pytest.fixture(scope="module")
def prey(tmp_path_factory):
    """Give an archive to be fuzzed, with everything that is needed to ask it."""
    if OTHER:
        pytest.skip("not on other people's servers")
    around = tmp_path_factory.mktemp("around")
    (around / "secret.txt").write_bytes(SECRET)
    watch = _Watch(around / "archive")
    trouble = []
    handler = logging.Handler()
    handler.emit = lambda record: trouble.append(
        logging.Formatter().format(record) if record.exc_info else record.getMessage()
    )
    logging.getLogger("nipype_xnat.server").addHandler(handler)
    site = Site(durable=False, require_login=False)
    with Archive(around / "archive", site) as archive:
        archive.add_user("ct_member", "secret")
        with archive.running() as url:
            states = [_state(url)]
            cookies = {"guest": ""}
            for login, password in (("admin", "admin"), ("ct_member", "secret")):
                key = requests.post(url + "/data/JSESSION", auth=(login, password)).text
                cookies[login] = f"JSESSIONID={key}"
            yield archive, url, states, cookies, watch, trouble
    logging.getLogger("nipype_xnat.server").removeHandler(handler)


#: names that exist, by the variable that they stand for
REAL = {
    "project": ("{p}", "{p}", "{p2}"),
    "subject": ("S1", "{s1}", "S2"),
    "session": ("MR1", "{e1}", "{e1}", "{e2}"),
    "experiment": ("MR1", "{e1}", "{e1}", "QC1", "{a1}", "RC1"),
    "assessor": ("QC1", "{a1}", "ALL"),
    "scan": ("1", "2", "ALL", "1,2", "T1w"),
    "recon": ("RC1", "ALL"),
    "resource": ("NIFTI", "{r1}", "NOTES", "OUT", "NEW"),
    "type": ("xnat:mrSessionData", "xnat:subjectData"),
    "login": ("admin", "ct_member"),
    "timestamp": ("20200101_000000",),
    "transaction": ("told",),
    "step": ("pullDataFromHeaders", "fixScanTypes", "triggerPipelines"),
    "search": ("@xnat:mrSessionData", "xs1"),
}
words = st.one_of(
    st.sampled_from(NASTY),
    st.sampled_from(
        ("{p}", "{p2}", "{s1}", "{e1}", "{e2}", "{a1}", "{r1}", "S1", "MR1", "QC1", "1", "NIFTI",
         "t1.nii.gz", "sub/t1.json", "NOTES", "n.txt", "xnat", "admin", "ct_member", "Members")
    ),
    st.text(string.printable, max_size=12),
)  # fmt: skip


@st.composite
def asked(draw, route):
    """Draw a request for a route."""
    real = draw(st.integers(0, 9)) > 2

    def name(match):
        known = REAL.get(match[1])
        return draw(st.sampled_from(known) if known and real else words)

    path = re.sub(r"\{(\w+)\}", name, route.template)
    rest = draw(st.lists(words, max_size=2))
    path = "/".join([path, *rest]) + draw(st.sampled_from(("", "", "/", "//")))
    query = draw(
        st.lists(
            st.tuples(st.sampled_from(PARAMETERS), st.one_of(st.sampled_from(VALUES), words)),
            max_size=3,
        )
    )
    if query:
        path += "?" + "&".join(f"{name}={value}" for name, value in query)
    method = draw(st.one_of(st.sampled_from(route.methods), st.sampled_from(METHODS)))
    headers = {**draw(st.sampled_from(HEADERS)), **draw(st.sampled_from(HEADERS))}
    body = draw(st.one_of(st.none(), st.sampled_from(BODIES), st.binary(max_size=40)))
    return method, path, headers, body


def _send(url, method, path, headers, body):
    """Send one request; give (status, body), or None when the line itself was refused."""
    host = url.removeprefix("http://")
    line = _Line(host, timeout=30)
    try:
        line.request(method, path.replace("\r", "").replace("\n", ""), body=body, headers=headers)
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


def _known(route, status, body, method):
    if status != 500 or method == "HEAD":
        return True
    # resources and files below what does not exist: FileList meets a null pointer
    bare = b"<h3>Internal Server Error</h3>" in body and counted(route.template).startswith("…")
    return bare or KNOWN.search(body.decode("utf-8", "replace")) is not None


ENTRIES = [r for r in ROUTER.routes if not r.template.startswith(("/REST", "/data/archive"))]


@pytest.mark.parametrize("route", ENTRIES, ids=lambda route: route.template)
def test_whatever_is_sent_is_answered(route, prey):
    _, url, states, cookies, watch, trouble = prey
    state = states[-1]
    if state.ask("GET", WHOLE).status_code != 200:
        # what was asked of another route has removed it
        state = _state(url)
        states.append(state)

    @settings(
        max_examples=EXAMPLES * len(PEOPLE),
        deadline=None,
        database=None,
        derandomize=EXAMPLES <= 3,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(asked(route), st.sampled_from(PEOPLE))
    def fuzz(request, who):
        method, path, headers, body = request
        path = state.fill(path)
        if body is not None and b"{e1}" in body:
            body = body.replace(b"{e1}", state.names["e1"].encode())
        if cookies[who]:
            headers = {"Cookie": cookies[who], **headers}
        trouble.clear()
        watch.on = True
        try:
            status, answer = _send(url, method, path, headers, body)
        finally:
            watch.on = False
        told = json.dumps([who, method, path, headers, repr(body)], indent=1)
        assert not trouble, told + "\n" + trouble[0]
        assert 200 <= status < 600, told
        assert _known(route, status, answer, method), f"{told}\n{status} {answer[:500]!r}"
        assert SECRET not in answer, told
        assert b"root:" not in answer, told

    fuzz()


def test_nothing_outside_was_touched_and_all_works(prey):
    archive, url, *_, watch, _ = prey
    around = archive.root.parent
    assert sorted(path.name for path in around.iterdir()) == ["archive", "secret.txt"]
    assert (around / "secret.txt").read_bytes() == SECRET
    assert watch.strangers() == []
    assert not list((archive.root / "incoming").iterdir())
    fresh = State(url, ("admin", "admin"))
    fresh.remove()
