"""Searches and listings of anything: an answer, or an error that says what is wrong."""

import logging
from xml.sax.saxutils import escape, quoteattr

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from nipype_xnat.archive import Archive, Site

from .conftest import fill

ROOTS = ("xnat:mrSessionData", "xnat:subjectData", "xnat:mrScanData", "xnat:projectData")
TYPES = (*ROOTS, "xnat:qcManualAssessorData", "xnat:imageSessionData", "xnat:petScanData")
FIELDS = (
    *("LABEL", "label", "AGE", "DATE", "date", "PROJECT", "project", "ID", "SCAN_COUNT_TYPE=T1w"),
    *("SUB_GROUP", "STARTTIME", "sharing/share/project", "fields/field[name=x]/field", "NONSENSE"),
    *("SUB_PROJECT_IDENTIFIER=P", "MR_SCAN_COUNT_AGG", "scanner/manufacturer", "frames", "RPT"),
    *(
        "meta/insert_date",
        "demographics/yob",
        "INSERT_DATE",
        "CNT_XNAT_MRSESSIONDATA=P",
        "=",
        "a.b",
    ),
)
COMPARISONS = (
    *("=", "!=", "<>", "<", ">", "<=", ">=", "LIKE", "like", "NOT LIKE", "ILIKE", "IN", "BETWEEN"),
    *("IS", "IS NULL", "IS NOT NULL", "IS DISTINCT FROM", "~", "~~", "", " = ", "= 1 OR 1 =", "OR"),
)
VALUES = (
    *("", "*", "%", "_", "\\", "a\\", "NULL", "1", "1.5", "-", "1-2", "1e999", "NaN", "2020-01-01"),
    *(
        "01/02/2020",
        "08:08:08",
        "1 AND 2",
        "a AND b",
        "AND",
        "'{a,b}'",
        "ARRAY['a']",
        "(1,2)",
        "a,b",
    ),
    *(
        "x' OR '1'='1",
        "; DROP TABLE element",
        "x DELETE FROM y",
        "9" * 40,
        "ä",
        "\u0130",
        "%" * 300,
    ),
)
XML = st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs"))
VALUE = st.one_of(st.sampled_from(VALUES), st.text(XML, max_size=12))
NAME = st.one_of(st.sampled_from(FIELDS), st.text(XML, max_size=8))
KIND = st.one_of(st.sampled_from(TYPES), st.sampled_from(("", "xnat:nonsense", "xdat:user", "x")))
ADDRESS = st.builds(lambda t, mark, f: t + mark + f, KIND, st.sampled_from("/."), NAME)
LIMIT = st.sampled_from(("", "0", "1", "-1", "*", "many", "9" * 30, "1.5", " 1"))


def criterion(field, comparison, value):
    return (
        f"<s:criteria><s:schema_field>{escape(field)}</s:schema_field>"
        f"<s:comparison_type>{escape(comparison)}</s:comparison_type>"
        f"<s:value>{escape(value)}</s:value></s:criteria>"
    )


ONE = st.builds(criterion, ADDRESS, st.sampled_from(COMPARISONS), VALUE)
SETS = st.recursive(
    ONE,
    lambda inner: st.builds(
        lambda how, parts: f"<s:child_set method={quoteattr(how)}>{''.join(parts)}</s:child_set>",
        st.sampled_from(("AND", "OR", "and", "NOT", "")),
        st.lists(inner, max_size=3),
    ),
    max_leaves=5,
)
COLUMN = st.builds(
    lambda t, f, v: (
        f"<s:search_field><s:element_name>{t}</s:element_name><s:field_ID>{escape(f)}</s:field_ID>"
        f"<s:sequence>0</s:sequence><s:value>{escape(v)}</s:value></s:search_field>"
    ),
    KIND,
    NAME,
    VALUE,
)
SORT = st.builds(
    lambda t, f: (
        f"<s:sort_by><s:element_name>{t}</s:element_name>"
        f"<s:field_ID>{escape(f)}</s:field_ID></s:sort_by>"
    ),
    KIND,
    NAME,
)
DOCUMENT = st.builds(
    lambda root, key, columns, sets, sort: (
        f'<s:bundle xmlns:s="http://nrg.wustl.edu/security" ID={quoteattr(key)}>'
        f"<s:root_element_name>{root}</s:root_element_name>{''.join(columns)}"
        f'<s:search_where method="AND">{"".join(sets)}</s:search_where>{sort}</s:bundle>'
    ),
    st.one_of(st.sampled_from(ROOTS), KIND),
    st.sampled_from(("", "@x", "mine")),
    st.lists(COLUMN, max_size=4),
    st.lists(SETS, max_size=3),
    st.one_of(st.just(""), SORT),
)
PARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "format": st.sampled_from(("json", "csv", "xml", "html", "zip", "")),
        "sortBy": st.one_of(NAME, ADDRESS),
        "sortOrder": st.sampled_from(("ASC", "DESC", "desc", "", "1; DROP TABLE x")),
        "limit": LIMIT,
        "offset": LIMIT,
        "cache": st.sampled_from(("true", "false", "")),
        "refresh": st.sampled_from(("true", "")),
    },
)
SHORT = st.sampled_from(("label", "ID", "date", "project", "gender", "yob", "frames", "xsiType"))
FILTERS = st.dictionaries(st.one_of(SHORT, ADDRESS), VALUE, max_size=3)
COLUMNS = st.lists(st.one_of(SHORT, ADDRESS, NAME), max_size=4).map(",".join)
LISTINGS = (
    "/data/experiments",
    "/data/subjects",
    "/data/projects",
    "/data/projects/P/subjects",
    "/data/projects/P/experiments",
    "/data/projects/P/subjects/S1/experiments/MR1/scans",
    "/data/projects/P/subjects/S1/experiments/MR1/assessors",
)


class Witness(logging.Handler):
    """Notes what the server did not expect."""

    def __init__(self):
        super().__init__(logging.ERROR)
        self.seen = []

    def emit(self, record):
        self.seen.append(record)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    witness = Witness()
    logging.getLogger("nipype_xnat.server").addHandler(witness)
    with Archive(tmp_path_factory.mktemp("fuzz"), Site(durable=False)) as archive:
        archive.add_user("someone", "secret")
        with archive.running() as url:
            people = []
            for login in (("admin", "admin"), ("someone", "secret")):
                http = requests.Session()
                http.post(url + "/data/JSESSION", auth=login).raise_for_status()
                people.append(http)
            fill(people[0], url)
            yield url, people, witness
    logging.getLogger("nipype_xnat.server").removeHandler(witness)


def answered(answer, witness):
    """Hold an answer to be one of XNAT's, and no surprise to the server."""
    assert answer.status_code in {200, 400, 403, 404, 406, 410, 422, 500}, answer.text
    surprises = witness.seen[:]
    witness.seen.clear()
    assert not surprises, surprises[-1].exc_info
    assert "sqlalchemy" not in answer.text and "Traceback" not in answer.text
    if answer.status_code == 500:
        # what XNAT fails on is told; anything else would be the bare reason
        assert "<h3>Internal Server Error</h3>" not in answer.text, answer.text


GENTLE = settings(max_examples=80)


@GENTLE
@given(body=DOCUMENT, parameters=PARAMETERS, who=st.integers(0, 1))
def test_any_search_is_answered(server, body, parameters, who):
    url, people, witness = server
    answer = people[who].post(url + "/data/search", params=parameters, data=body.encode())
    answered(answer, witness)


@GENTLE
@given(
    path=st.sampled_from(LISTINGS),
    columns=COLUMNS,
    filters=FILTERS,
    parameters=PARAMETERS,
    kind=KIND,
    who=st.integers(0, 1),
)
def test_any_listing_is_answered(server, path, columns, filters, parameters, kind, who):
    url, people, witness = server
    params = {**filters, **parameters, "columns": columns}
    if kind:
        params["xsiType"] = kind
    answered(people[who].get(url + path, params=params), witness)


@settings(parent=GENTLE, max_examples=40)
@given(parameters=PARAMETERS, column=NAME, body=DOCUMENT)
def test_any_page_of_a_kept_answer_is_answered(server, parameters, column, body):
    url, people, witness = server
    first = people[0].post(url + "/data/search?cache=true", data=body.encode())
    answered(first, witness)
    if first.status_code != 200:
        return
    kept = url + "/data/search/" + first.json()["ResultSet"]["ID"]
    answered(people[0].get(kept, params=parameters), witness)
    answered(people[1].get(kept, params=parameters), witness)
    answered(people[0].get(f"{kept}/{requests.utils.quote(column, safe='')}"), witness)
