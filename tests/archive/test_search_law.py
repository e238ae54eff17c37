"""The search engine held against a plain evaluation of the same criteria, in Python."""

import datetime as dt
import random
import re
from xml.sax.saxutils import escape

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from nipype_xnat.archive import Archive, Site

MR, SUB, SCAN = "xnat:mrSessionData", "xnat:subjectData", "xnat:mrScanData"
WORDS = ("", "a", "A", "ab", "aB c", "b%c", "b_c", "Ärger", "ärger", "z*", "0", "10", "9")
NUMBERS = ("", "0", "1", "2.5", "-3", "10", "150", "150.0")
DAYS = ("", "2001-01-01", "2010-05-07", "2010-05-08", "2024-02-29")
TIMES = ("", "00:00:00", "01:23:45", "08:08:08", "23:59:59")
POOLS = {"string": WORDS, "float": NUMBERS, "date": DAYS, "time": TIMES}

#: field as a criterion spells it: (whose value, its name, its datatype, a display field?)
FIELDS = {
    f"{MR}.LABEL": ("session", "label", "string", True),
    f"{MR}/label": ("session", "label", "string", False),
    f"{MR}/note": ("session", "note", "string", False),
    f"{MR}.MR_NOTES": ("session", "note", "string", True),
    f"{MR}.DATE": ("session", "date", "date", True),
    f"{MR}/date": ("session", "date", "date", False),
    f"{MR}/dcmPatientWeight": ("session", "weight", "float", False),
    f"{SUB}.SUB_GROUP": ("subject", "group", "string", True),
    f"{SUB}/group": ("subject", "group", "string", False),
    f"{SUB}.HEIGHT": ("subject", "height", "float", True),
    f"{SCAN}/quality": ("scan", "quality", "string", False),
    f"{SCAN}.STARTTIME": ("scan", "time", "time", True),
    f"{SCAN}/startTime": ("scan", "time", "time", False),
}
ORDERED = ("=", "!=", "<", ">", "<=", ">=", "<>")


class Cohort:
    """Sessions of random subjects with random scans, here and in an archive."""

    def __init__(self, url, seed):
        self.url, self.http = url, requests.Session()
        self.http.auth = ("admin", "admin")
        self.http.trust_env = False
        chance = random.Random(seed)
        self.project = f"P{seed}"
        self._put(f"/data/projects/{self.project}")
        self.sessions = []
        for number in range(4):
            subject = {"group": chance.choice(WORDS), "height": chance.choice(NUMBERS)}
            front = f"/data/projects/{self.project}/subjects/S{number}"
            self._put(front, subject)
            for place in range(chance.randint(1, 3)):
                self._session(chance, front, subject, f"{chance.choice('abAB')}{number}_{place}")

    def _session(self, chance, front, subject, label):
        session = {
            "label": label,
            "note": chance.choice(WORDS),
            "date": chance.choice(DAYS),
            "weight": chance.choice(NUMBERS),
        }
        path = f"{front}/experiments/{label}"
        given = {"note": session["note"], "date": session["date"], "xsiType": MR}
        self._put(path, {**given, f"{MR}/dcmPatientWeight": session["weight"]})
        scans = []
        for key in range(chance.randint(0, 3)):
            scan = {"quality": chance.choice(WORDS), "time": chance.choice(TIMES)}
            given = {"xsiType": SCAN, "quality": scan["quality"]}
            self._put(f"{path}/scans/{key}", {**given, f"{SCAN}/startTime": scan["time"]})
            scans.append(scan)
        self.sessions.append({"subject": subject, "session": session, "scans": scans or [{}]})

    def _put(self, path, given=()):
        present = {name: value for name, value in dict(given).items() if value != ""}
        self.http.put(self.url + path, params=present).raise_for_status()

    def matching(self, tree):
        """Find the labels of the sessions that fulfil criteria, without the archive."""
        found = set()
        for one in self.sessions:
            rows = [{**one, "scan": scan} for scan in one["scans"]]
            if any(holds(tree, row) is True for row in rows):
                found.add(one["session"]["label"])
        return found

    def search(self, tree, sort="LABEL", descending=False):
        """Ask the archive for the same; give the status and the labels in order."""
        fields = "".join(
            f"<f:search_field><f:element_name>{MR}</f:element_name><f:field_ID>{name}</f:field_ID>"
            "<f:sequence>0</f:sequence></f:search_field>"
            for name in ("LABEL", "DATE")
        )
        body = (
            '<f:bundle xmlns:f="http://nrg.wustl.edu/security">'
            f"<f:root_element_name>{MR}</f:root_element_name>{fields}"
            f'<f:search_where method="AND"><f:criteria><f:schema_field>{MR}/project'
            "</f:schema_field><f:comparison_type>=</f:comparison_type>"
            f"<f:value>{self.project}</f:value></f:criteria>{written(tree)}</f:search_where>"
            "</f:bundle>"
        )
        answer = self.http.post(
            self.url + "/data/search",
            params={
                "format": "json",
                "sortBy": sort,
                "sortOrder": "DESC" if descending else "ASC",
            },
            data=body.encode(),
        )
        if answer.status_code != 200:
            return answer.status_code, []
        return 200, answer.json()["ResultSet"]["Result"]


def written(tree):
    """Write criteria as a search document has them."""
    if tree[0] in {"AND", "OR"}:
        inner = "".join(written(part) for part in tree[1])
        return f'<f:child_set method="{tree[0]}">{inner}</f:child_set>'
    name, comparison, value = tree
    return (
        f"<f:criteria><f:schema_field>{name}</f:schema_field>"
        f"<f:comparison_type>{escape(comparison)}</f:comparison_type>"
        f"<f:value>{escape(value)}</f:value></f:criteria>"
    )


def holds(tree, row):
    """Evaluate criteria as SQL would: true, false, or unknown."""
    if tree[0] in {"AND", "OR"}:
        parts = [holds(part, row) for part in tree[1]]
        decisive = tree[0] == "OR"
        if decisive in parts:
            return decisive
        return None if None in parts else not decisive
    name, comparison, wanted = tree
    whose, key, kind, shown = FIELDS[name]
    return compared(row[whose].get(key, ""), kind, shown, comparison, wanted)


def plain(text, kind):
    if kind == "float":
        return float(text)
    if kind == "date" and "/" in text:
        return dt.datetime.strptime(text, "%m/%d/%Y").date().isoformat()
    return text


def compared(text, kind, shown, comparison, wanted):
    if comparison == "IS NULL":
        return text == ""
    anything = shown and wanted == "*" and comparison != "!=" and "LIKE" not in comparison
    if comparison == "IS NOT NULL" or anything:
        return text != ""
    if comparison == "=" and wanted == "":
        return text == ""
    if text == "":
        return True if shown and comparison == "!=" else None
    if "LIKE" in comparison:
        pattern = wanted if shown else "%" + wanted.replace("*", "%").strip("%'") + "%"
        parts = (".*" if c == "%" else "." if c == "_" else re.escape(c) for c in pattern.lower())
        found = re.fullmatch("".join(parts), text.lower(), re.S) is not None
        return found != comparison.startswith("NOT")
    value = plain(text, kind)
    if comparison == "BETWEEN":
        low, high = (plain(part, kind) for part in wanted.split(" AND "))
        return low <= value <= high
    other = plain(wanted, kind)
    return {
        "=": value == other,
        "!=": value != other,
        "<>": value != other,
        "<": value < other,
        ">": value > other,
        "<=": value <= other,
        ">=": value >= other,
    }[comparison]


@st.composite
def criteria(draw):
    """Make one criterion that XNAT's SQL could be asked."""
    name = draw(st.sampled_from(sorted(FIELDS)))
    _, _, kind, shown = FIELDS[name]
    known = [value for value in POOLS[kind] if value]
    kinds = [*ORDERED, "IS NULL", "IS NOT NULL"]
    if kind == "string":
        kinds += ["LIKE", "NOT LIKE"]
    if shown or kind == "float":
        kinds += ["BETWEEN"]
    comparison = draw(st.sampled_from(kinds))
    if comparison.startswith("IS"):
        return name, comparison, ""
    if comparison == "BETWEEN":
        low, high = draw(st.sampled_from(known)), draw(st.sampled_from(known))
        return name, comparison, f"{low} AND {high}"
    value = draw(st.sampled_from(known))
    if comparison.endswith("LIKE"):
        value = draw(st.sampled_from(["%", ""])) + value + draw(st.sampled_from(["%", "_", ""]))
    elif kind == "string" and comparison == "=" and draw(st.booleans()):
        value = draw(st.sampled_from(["*", ""] if shown else [""]))
    elif kind == "date" and draw(st.booleans()):
        year, month, day = value.split("-")
        value = f"{month}/{day}/{year}"
    return name, comparison, value


TREES = st.recursive(
    criteria(),
    lambda inner: st.tuples(
        st.sampled_from(["AND", "OR"]), st.lists(inner, min_size=1, max_size=4)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    with Archive(tmp_path_factory.mktemp("law"), Site(durable=False)) as archive:
        with archive.running() as url:
            yield [Cohort(url, seed) for seed in (1, 2, 3)]


@settings(max_examples=80)
@given(tree=TREES, at=st.integers(0, 2), descending=st.booleans())
def test_a_search_finds_what_a_plain_evaluation_finds(cohorts, tree, at, descending):
    cohort = cohorts[at]
    status, rows = cohort.search(tree, "LABEL", descending)
    assert status == 200
    labels = [row["label"] for row in rows]
    assert labels == sorted(cohort.matching(tree), reverse=descending)


TEXTS = sorted(name for name, about in FIELDS.items() if about[2] == "string")


@settings(max_examples=60)
@given(
    name=st.sampled_from(TEXTS),
    parts=st.lists(st.sampled_from(["a", "A", "b", "B", "ä", "Ä", "rger", "%", "_", "*", "1"])),
    turned=st.booleans(),
    at=st.integers(0, 2),
)
def test_patterns_match_as_sql_has_them(cohorts, name, parts, turned, at):
    pattern = "".join(parts)
    if pattern.strip() == "":
        pattern = "%"
    tree = (name, "NOT LIKE" if turned else "LIKE", pattern)
    status, rows = cohorts[at].search(tree)
    assert status == 200
    assert {row["label"] for row in rows} == cohorts[at].matching(tree)


@pytest.mark.parametrize("descending", [False, True])
def test_what_has_no_date_comes_after_all_dates(cohorts, descending):
    for cohort in cohorts:
        _, rows = cohort.search(("AND", []), "DATE", descending)
        dates = [row["date"] or "9999" for row in rows]
        assert dates == sorted(dates, reverse=descending)
        assert len(dates) == len(cohort.sessions)


@pytest.mark.parametrize("size", [1_000, 3_000])
def test_a_set_may_have_thousands_of_criteria(cohorts, size):
    cohort = cohorts[0]
    wanted = cohort.sessions[0]["session"]["label"]
    parts = [(f"{MR}.LABEL", "=", f"nobody{number}") for number in range(size)]
    tree = ("OR", [*parts, (f"{MR}.LABEL", "=", wanted)])
    assert [row["label"] for row in cohort.search(tree)[1]] == [wanted]
