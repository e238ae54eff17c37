"""What a row of the contract is, the state that it starts from, and how it is checked.

A row says where its expectation comes from: ``J`` a class of XNAT's source, ``T`` a test
of its own REST suite, ``D`` its documentation, ``L`` a library it is built on, ``C`` a
public client; and how sure that is: ``sure`` (read or asserted there), ``likely`` (follows
from what is) or ``open`` (could not be determined; the row stands for what this archive
does, and does not count). Sources of the server's own tests name class and method.
"""

import csv
import io
import json
import secrets
from dataclasses import dataclass, field

import requests


@dataclass(frozen=True)
class Row:
    """One request and what must come of it."""

    method: str
    path: str
    status: int
    source: str
    sure: str = "sure"
    body: bytes | str | None = None
    files: dict | None = None
    form: dict | None = None
    headers: dict = field(default_factory=dict)
    before: tuple = ()  # more requests, to bring about the state: (method, path[, body])
    expect: dict = field(default_factory=dict)
    after: tuple = ()  # (method, path, status[, expect])
    anonymous: bool = False
    account: str = ""  # the role of another account: owner, member, collaborator, stranger
    stage: str = ""  # another state to start from, of those in stages.py; it stays as it is
    keep: str = ""  # the name that the id of the answer has in what comes after
    apart: bool = False  # it touches only what it names with {u}, so it can share a state
    types: str = ""  # the content type of the body
    login: str = ""  # an account that logs in first: its session is ``{session}``
    local: bool = False  # it changes what belongs to the whole site

    @property
    def changes(self):
        """Whether the row needs a state of its own."""
        return self.method not in {"GET", "HEAD"} or bool(self.before or self.account)

    def __str__(self):
        return f"{self.method} {self.path} [{self.source}]"


#: the ids of all projects of this run begin so
RUN = "ct" + secrets.token_hex(3)
NIFTI = b"not really an image" * 100
SEARCH = (
    '<xdat:bundle ID="@{root}" xmlns:xdat="http://nrg.wustl.edu/security">'
    "<xdat:root_element_name>{root}</xdat:root_element_name>{fields}{where}</xdat:bundle>"
)


def search(root, fields, where=""):
    """Write a search document; fields are ``type/FIELD``."""
    parts = []
    for number, text in enumerate(fields):
        element, _, name = text.partition("/")
        parts.append(
            f"<xdat:search_field><xdat:element_name>{element}</xdat:element_name>"
            f"<xdat:field_ID>{name}</xdat:field_ID><xdat:sequence>{number}</xdat:sequence>"
            "<xdat:type>string</xdat:type><xdat:header>h</xdat:header></xdat:search_field>"
        )
    return SEARCH.format(root=root, fields="".join(parts), where=where)


def where(method, *members):
    """Write a set of criteria: tuples (field, comparison, value), or sets inside."""
    return f'<xdat:search_where method="{method}">{_criteria(members)}</xdat:search_where>'


def inner(method, *members):
    """Write a set of criteria inside another one."""
    return f'<xdat:child_set method="{method}">{_criteria(members)}</xdat:child_set>'


def _criteria(members):
    out = []
    for member in members:
        if isinstance(member, str):
            out.append(member)
            continue
        name, comparison, value = member
        comparison = comparison.replace("<", "&lt;").replace(">", "&gt;")
        out.append(
            f"<xdat:criteria><xdat:schema_field>{name}</xdat:schema_field>"
            f"<xdat:comparison_type>{comparison}</xdat:comparison_type>"
            f"<xdat:value>{value}</xdat:value></xdat:criteria>"
        )
    return "".join(out)


class State:
    """A scratch project with one of everything, on any server.

    The names used in rows: ``{p}`` and ``{p2}`` projects, ``{s1}`` the id of subject S1,
    ``{e1}`` of session MR1 (scans 1, 2 and 3), ``{a1}`` of its assessor QC1, ``{e2}`` of
    session MR2 of subject S2, ``{r1}`` the number of scan 1's resource NIFTI, ``{u}`` a
    word that no other row uses, ``{id}`` what the last request before the row answered.
    """

    def __init__(self, url, login):
        self.url = url
        self.people = {}  # clients of other accounts, by their role
        self.http = requests.Session()
        self.http.headers["User-Agent"] = "contract"
        # no proxy stands before this machine, and to look for one takes long
        self.http.trust_env = "//127.0.0.1:" not in url
        answer = self.http.post(url + "/data/JSESSION", auth=login)
        answer.raise_for_status()
        self.p = RUN + secrets.token_hex(3)
        self.p2 = self.p + "b"
        self.names = {"p": self.p, "p2": self.p2}
        try:
            self._fill()
        except BaseException:
            self.remove()
            raise

    def ask(self, method, path, status=None, **more):
        """Send one request; fail when the status is another than the one given."""
        answer = self.http.request(method, self.url + self.fill(path), **more)
        assert status is None or answer.status_code == status, (path, answer.text)
        return answer

    def fill(self, text):
        """Put the names of this state into a text."""
        for name, value in self.names.items():
            text = text.replace("{" + name + "}", value)
        return text

    def _fill(self):
        for project in ("{p}", "{p2}"):
            self.ask("PUT", f"/data/projects/{project}?name={project}-name", 200)
        front = "/data/projects/{p}/subjects/"
        born = "gender=female&dob=1930-02-03&handedness=right&group=control"
        self.names["s1"] = self.ask("PUT", f"{front}S1?{born}", 201).text
        self.names["s2"] = self.ask("PUT", f"{front}S2?gender=male&yob=1960", 201).text
        mr = "xsiType=xnat:mrSessionData&date=2014-05-07"
        scanner = "xnat:mrSessionData/scanner/manufacturer=SIEMENS"
        one = f"{front}S1/experiments/MR1"
        self.names["e1"] = self.ask("PUT", f"{one}?{mr}&{scanner}", 201).text
        two = f"{front}S2/experiments/MR2?xsiType=xnat:mrSessionData&date=2010-01-31"
        self.names["e2"] = self.ask("PUT", two, 201).text
        for key, kind in (("1", "T1w"), ("2", "T2/a,b"), ("3", "")):
            scan = f"{one}/scans/{key}?xsiType=xnat:mrScanData&type={kind}"
            self.ask("PUT", scan + f"&xnat:mrScanData/parameters/tr={key}500.0", 200)
        qc = f"{one}/assessors/QC1?xsiType=xnat:qcManualAssessorData"
        self.names["a1"] = self.ask("PUT", qc, 201).text
        self.ask("PUT", f"{one}/scans/1/resources/NIFTI?format=NIFTI&content=T1_RAW", 200)
        files = f"{one}/scans/1/resources/NIFTI/files"
        self.ask("PUT", f"{files}/t1.nii.gz?inbody=true", 200, data=NIFTI)
        self.ask("PUT", f"{files}/sub/t1.json?format=JSON", 200, files={"f": ("t1.json", b"{}")})
        notes = f"{one}/resources/NOTES/files/n.txt?inbody=true"
        self.ask("PUT", notes, 200, data=b"a note")
        self.ask(
            "PUT",
            f"{one}/assessors/QC1/out/resources/OUT/files/o.txt?inbody=true",
            200,
            data=b"out",
        )
        listed = self.ask("GET", f"{one}/scans/1/resources?format=json", 200).json()
        self.names["r1"] = listed["ResultSet"]["Result"][0]["xnat_abstractresource_id"]

    def remove(self):
        """Take everything away again, with what rows have added."""
        sweep(self.http, self.url, self.p)
        self.http.close()


def sweep(http, url, front):
    """Delete all projects whose ids begin so."""
    listed = http.get(f"{url}/data/projects?format=json&columns=ID").json()
    for row in listed["ResultSet"]["Result"]:
        name = row.get("ID") or row.get("id") or ""
        if name.startswith(front):
            http.delete(f"{url}/data/projects/{name}?removeFiles=true")


def table_of(answer):
    """Read a table, whatever its form: (columns, rows)."""
    kind = answer.headers.get("Content-Type", "")
    if kind.startswith("text/csv"):
        lines = list(csv.reader(io.StringIO(answer.text)))
        return lines[0], [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    rows = answer.json()["ResultSet"]["Result"]
    return (list(rows[0]) if rows else []), rows


def check(answer, expect, state):
    """Compare an answer with what a row expects of it."""
    for name, wanted in expect.items():
        CHECKS[name](answer, wanted, state)


def _filled(wanted, state):
    if isinstance(wanted, str):
        return state.fill(wanted)
    if isinstance(wanted, dict):
        return {state.fill(k): _filled(v, state) for k, v in wanted.items()}
    if isinstance(wanted, (list, tuple)):
        return [_filled(item, state) for item in wanted]
    return wanted


def _columns(answer, wanted, state):
    assert set(table_of(answer)[0]) == set(_filled(wanted, state))


def _has_columns(answer, wanted, state):
    assert set(_filled(wanted, state)) <= set(table_of(answer)[0])


def _count(answer, wanted, state):
    assert len(table_of(answer)[1]) == wanted, answer.text


def _row(answer, wanted, state):
    wanted = _filled(wanted, state)
    rows = table_of(answer)[1]
    assert any(wanted.items() <= row.items() for row in rows), answer.text


def _no_row(answer, wanted, state):
    wanted = _filled(wanted, state)
    assert not any(wanted.items() <= row.items() for row in table_of(answer)[1]), answer.text


def _values(answer, wanted, state):
    for column, values in _filled(wanted, state).items():
        found = sorted(row[column] for row in table_of(answer)[1])
        assert found == sorted(values), answer.text


def _members(answer, wanted, state):
    assert _filled(wanted, state).items() <= answer.json().items(), answer.text


def _text(answer, wanted, state):
    assert answer.text == state.fill(wanted)


def _content(answer, wanted, state):
    assert answer.content == wanted


def _contains(answer, wanted, state):
    for text in [wanted] if isinstance(wanted, str) else wanted:
        assert state.fill(text) in answer.text, answer.text


def _lacks(answer, wanted, state):
    assert state.fill(wanted) not in answer.text


def _json(answer, wanted, state):
    assert answer.json() == _filled(wanted, state)


def _keys(answer, wanted, state):
    assert set(wanted) <= set(answer.json())


def _member(answer, wanted, state):
    assert set(wanted) <= set(answer.json()["ResultSet"]), answer.text


def _no_member(answer, wanted, state):
    assert not set(wanted) & set(answer.json()["ResultSet"])


def _headers(answer, wanted, state):
    for name, value in wanted.items():
        found = answer.headers.get(name)
        if value is None:
            assert found is None, (name, found)
        else:
            assert found is not None and state.fill(value) in found, (name, found)


def _field(answer, wanted, state):
    found = answer.json()["items"][0]["data_fields"]
    assert _filled(wanted, state).items() <= found.items(), json.dumps(found)


def _no_field(answer, wanted, state):
    assert not set(wanted) & set(answer.json()["items"][0]["data_fields"])


def _names(answer, wanted, state):
    import zipfile

    assert sorted(zipfile.ZipFile(io.BytesIO(answer.content)).namelist()) == sorted(
        _filled(wanted, state)
    )


def _tar(answer, wanted, state):
    import tarfile

    found = tarfile.open(fileobj=io.BytesIO(answer.content)).getnames()
    assert sorted(found) == sorted(_filled(wanted, state))


def _order(answer, wanted, state):
    for column, values in _filled(wanted, state).items():
        found = [row[column] for row in table_of(answer)[1]]
        assert found == list(values), answer.text


def _rows(answer, wanted, state):
    for one in wanted:
        _row(answer, one, state)


def _no_rows(answer, wanted, state):
    for one in wanted:
        _no_row(answer, one, state)


def _total(answer, wanted, state):
    assert answer.json()["ResultSet"]["totalRecords"] == str(wanted), answer.text


def _described(answer, wanted, state):
    known = answer.json()["ResultSet"]["Columns"]
    for facts in _filled(wanted, state):
        assert any(facts.items() <= column.items() for column in known), answer.text


CHECKS = {
    "order": _order,
    "rows": _rows,
    "no_rows": _no_rows,
    "total": _total,
    "described": _described,
    "columns": _columns,
    "has_columns": _has_columns,
    "count": _count,
    "row": _row,
    "no_row": _no_row,
    "values": _values,
    "text": _text,
    "content": _content,
    "contains": _contains,
    "lacks": _lacks,
    "json": _json,
    "members": _members,
    "keys": _keys,
    "member": _member,
    "no_member": _no_member,
    "headers": _headers,
    "field": _field,
    "no_field": _no_field,
    "names": _names,
    "tar": _tar,
}
