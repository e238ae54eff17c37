"""What XNAT's own tests ask of the search engine, on the data that they make."""

from .table import Row, inner, search, where

SUB, MR, PET, SCAN = (
    "xnat:subjectData",
    "xnat:mrSessionData",
    "xnat:petSessionData",
    "xnat:mrScanData",
)
TYPES = {"xnat:subjectData": SUB, "xnat:mrSessionData": MR}
SUBJECT = [f"{SUB}/SUB_PROJECT_IDENTIFIER={{p}}", f"{SUB}/GENDER_TEXT", f"{SUB}/DOB"]
SESSION = [f"{MR}/MR_PROJECT_IDENTIFIER={{p}}", f"{MR}/DATE", f"{MR}/AGE", f"{MR}/SCANNER"]
TRACER = [f"{PET}/XNAT_PETSESSIONDATA_PROJECT_IDENTIFIER={{p}}", f"{PET}/TRACER_STARTTIME"]
SCANS = [f"{SCAN}/SESSION_LABEL", f"{SCAN}/ID", f"{SCAN}/STARTTIME"]
#: the column that names a row of each root
KEY = {
    SUB: "sub_project_identifier_{p}",
    MR: "mr_project_identifier_{p}",
    PET: "xnat_petsessiondata_project_identifier_{p}",
}


def ours(root, *criteria):
    """Write the criteria of a project's default search, with more beside them."""
    project = inner(
        "OR", (f"{root}/sharing/share/project", "=", "{p}"), (f"{root}/PROJECT", "=", "{p}")
    )
    return where("AND", project, *criteria)


def asked(source, root, fields, criteria, expect, status=200, query="", sure="sure", **more):
    """Make a row of one search."""
    return Row(
        "POST",
        f"/data/search?format=json{query}",
        status,
        source,
        sure,
        body=search(root, fields, ours(root, *criteria)),
        expect=expect,
        stage="cohort",
        **more,
    )


def column(key, xpath, name, element, kind):
    return {"key": key, "xPATH": xpath, "id": name, "element_name": element, "type": kind}


def found(root, labels, more=()):
    return {"values": {KEY[root]: labels}, "total": len(labels), **dict(more)}


# ---- strings: the group of subjects

GROUP = column("sub_group", f"{SUB}.SUB_GROUP", "SUB_GROUP", SUB, "string")
DISPLAY, SCHEMA = "xnat:subjectData.SUB_GROUP", "xnat:subjectData/group"


def strings(test, field, comparison, value, labels):
    """A subject search with one criterion about the group, which is a column too."""
    shown = f"{SUB}/SUB_GROUP" if field is DISPLAY else f"{SUB}/{SCHEMA}"
    groups = {"SYM": "Symmetric", "SPL": "Special linear", "FRO": "Frobenius", "CYC": "Cyclic"}
    rows = [{KEY[SUB]: label, "sub_group": groups.get(label, "")} for label in labels]
    more = {"rows": rows, "described": [GROUP]}
    return asked(
        f"T TestSearchFilterStrings.testSearchEngineFilterString{test}",
        SUB,
        [*SUBJECT, shown],
        [(field, comparison, value)],
        found(SUB, labels, more.items()),
    )


NAMED = ["SYM", "SPL", "FRO", "CYC"]
ROWS = [
    strings("DisplayFieldEquals", DISPLAY, "=", "Symmetric", ["SYM"]),
    strings("DisplayFieldNotEquals", DISPLAY, "!=", "Symmetric", ["SPL", "FRO", "CYC", "NUL"]),
    strings("DisplayFieldLike", DISPLAY, "LIKE", "S%", ["SYM", "SPL"]),
    strings("DisplayFieldLike", DISPLAY, "LIKE", "%s", ["FRO"]),
    strings("DisplayFieldLike", DISPLAY, "LIKE", "%met%", ["SYM"]),
    strings("DisplayFieldBetween", DISPLAY, "BETWEEN", "B AND D", ["CYC"]),
    strings("DisplayFieldIsNull", DISPLAY, "IS NULL", "", ["NUL"]),
    strings("DisplayFieldIsNotNull", DISPLAY, "IS NOT NULL", "", NAMED),
    strings("SchemaFieldEquals", SCHEMA, "=", "Symmetric", ["SYM"]),
    strings("SchemaFieldNotEquals", SCHEMA, "!=", "Symmetric", ["SPL", "FRO", "CYC"]),
    strings("SchemaFieldLike", SCHEMA, "LIKE", "%met%", ["SYM"]),
    strings("SchemaFieldIsNull", SCHEMA, "IS NULL", "", ["NUL"]),
    strings("SchemaFieldIsNotNull", SCHEMA, "IS NOT NULL", "", NAMED),
]

# ---- integers: the count of T1 scans, the delay

COUNT = "xnat:mrSessionData.SCAN_COUNT_TYPE=T1"
DELAY = "xnat:mrSessionData/delay"
COUNTS = {"W0": "3", "W130": "2", "W150": "1", "W200": ""}
DELAYS = {"W130": "10000", "W150": "5000", "W200": "1234", "W0": ""}
COUNTED = {"key": "scan_count_type_t1", "type": "integer", "element_name": MR}
COUNTED |= {"xPATH": f"{MR}.SCAN_COUNT_TYPE"}
DELAYED = column(
    "xnat_col_mrsessiondatadelay",
    f"{MR}.XNAT_COL_MRSESSIONDATADELAY",
    "XNAT_COL_MRSESSIONDATADELAY",
    MR,
    "integer",
)


def integers(test, field, comparison, value, labels):
    """A session search with one criterion about a number, which is a column too."""
    shown, key, values, facts = (
        (f"{MR}/SCAN_COUNT_TYPE=T1", "scan_count_type_t1", COUNTS, COUNTED)
        if field is COUNT
        else (f"{MR}/{DELAY}", "xnat_col_mrsessiondatadelay", DELAYS, DELAYED)
    )
    more = {
        "rows": [{KEY[MR]: label, key: values[label]} for label in labels],
        "described": [facts],
    }
    return asked(
        f"T TestSearchFilterIntegers.testSearchEngineFilterInteger{test}",
        MR,
        [*SESSION, shown],
        [(field, comparison, value)],
        found(MR, labels, more.items()),
    )


ROWS += [
    integers("DisplayFieldEquals", COUNT, "=", "2", ["W130"]),
    integers("DisplayFieldNotEquals", COUNT, "!=", "2", ["W150", "W0", "W200"]),
    integers("DisplayFieldGreaterThan", COUNT, ">", "1", ["W130", "W0"]),
    integers("DisplayFieldGreaterThanOrEquals", COUNT, ">=", "1", ["W150", "W130", "W0"]),
    integers("DisplayFieldLessThan", COUNT, "<", "2", ["W150"]),
    integers("DisplayFieldLessThanOrEquals", COUNT, "<=", "2", ["W150", "W130"]),
    integers("DisplayFieldBetween", COUNT, "BETWEEN", "1 AND 3", ["W150", "W130", "W0"]),
    integers("DisplayFieldIsNull", COUNT, "IS NULL", "", ["W200"]),
    integers("DisplayFieldIsNotNull", COUNT, "IS NOT NULL", "", ["W150", "W130", "W0"]),
    integers("SchemaFieldEquals", DELAY, "=", "10000", ["W130"]),
    integers("SchemaFieldNotEquals", DELAY, "!=", "10000", ["W150", "W200"]),
    integers("SchemaFieldGreaterThan", DELAY, ">", "5000", ["W130"]),
    integers("SchemaFieldGreaterThanOrEquals", DELAY, ">=", "5000", ["W150", "W130"]),
    integers("SchemaFieldLessThan", DELAY, "<", "5000", ["W200"]),
    integers("SchemaFieldLessThanOrEquals", DELAY, "<=", "5000", ["W200", "W150"]),
    integers("SchemaFieldBetween", DELAY, "BETWEEN", "1234 AND 5000", ["W200", "W150"]),
    integers("SchemaFieldIsNull", DELAY, "IS NULL", "", ["W0"]),
    integers("SchemaFieldIsNotNull", DELAY, "IS NOT NULL", "", ["W130", "W150", "W200"]),
]

# ---- floats: the weight

WEIGHT = "xnat:mrSessionData/dcmPatientWeight"
WEIGHTS = {"W130": "130.5", "W150": "150.0", "W200": "200.0", "W0": ""}
WEIGHED = column(
    "xnat_col_mrsessiondatadcmpatientweight",
    f"{MR}.XNAT_COL_MRSESSIONDATADCMPATIENTWEIGHT",
    "XNAT_COL_MRSESSIONDATADCMPATIENTWEIGHT",
    MR,
    "float",
)


def floats(test, comparison, value, labels):
    """A session search with one criterion about the weight, which is a column too."""
    key = WEIGHED["key"]
    more = {
        "rows": [{KEY[MR]: label, key: WEIGHTS[label]} for label in labels],
        "described": [WEIGHED],
    }
    return asked(
        f"T TestSearchFilterFloats.testSearchEngineFilterFloatSchemaField{test}",
        MR,
        [*SESSION, f"{MR}/{WEIGHT}"],
        [(WEIGHT, comparison, value)],
        found(MR, labels, more.items()),
    )


ROWS += [
    floats("Equals", "=", "130.5", ["W130"]),
    floats("Equals", "=", "150", ["W150"]),
    floats("Equals", "=", "150.0", ["W150"]),
    floats("Equals", "=", "200", ["W200"]),
    floats("Equals", "=", "200.0", ["W200"]),
    floats("NotEquals", "!=", "130.5", ["W150", "W200"]),
    floats("GreaterThanOrEquals", ">=", "150", ["W150", "W200"]),
    floats("LessThan", "<", "150", ["W130"]),
    floats("LessThanOrEquals", "<=", "150", ["W130", "W150"]),
    floats("Between", "BETWEEN", "130.5 AND 200", ["W130", "W150", "W200"]),
    floats("Between", "BETWEEN", "140 AND 190", ["W150"]),
    floats("IsNull", "IS NULL", "", ["W0"]),
    floats("IsNotNull", "IS NOT NULL", "", ["W130", "W150", "W200"]),
]

# ---- dates, written in both ways

DATES = {"W130": "2020-03-20", "W150": "2018-07-07", "W200": "2021-02-02", "W0": ""}
DATED = column("date", f"{MR}.DATE", "DATE", MR, "date")


def american(value):
    """Write the dates in a value as month/day/year."""
    parts = []
    for part in value.split(" AND "):
        year, month, day = part.split("-")
        parts.append(f"{month}/{day}/{year}")
    return " AND ".join(parts)


def dates(test, field, comparison, value, labels):
    """Session searches with one criterion about the date, in each way of writing it."""
    more = {
        "rows": [{KEY[MR]: label, "date": DATES[label]} for label in labels],
        "described": [DATED],
    }
    return [
        asked(
            f"T TestSearchFilterDates.testSearchEngineFilterDate{test}",
            MR,
            SESSION,
            [(field, comparison, written)],
            found(MR, labels, more.items()),
        )
        for written in ([value, american(value)] if value else [""])
    ]


MARCH = "2020-03-20"
for part, field in (("DisplayField", "xnat:mrSessionData.DATE"), ("SchemaField", f"{MR}/date")):
    others = ["W150", "W200", "W0"] if part == "DisplayField" else ["W150", "W200"]
    ROWS += [
        *dates(f"{part}Equals", field, "=", MARCH, ["W130"]),
        *dates(f"{part}NotEquals", field, "!=", MARCH, others),
        *dates(f"{part}GreaterThan", field, ">", MARCH, ["W200"]),
        *dates(f"{part}GreaterThanOrEquals", field, ">=", MARCH, ["W130", "W200"]),
        *dates(f"{part}LessThan", field, "<", MARCH, ["W150"]),
        *dates(f"{part}LessThanOrEquals", field, "<=", MARCH, ["W150", "W130"]),
        *dates(f"{part}IsNull", field, "IS NULL", "", ["W0"]),
        *dates(f"{part}IsNotNull", field, "IS NOT NULL", "", ["W150", "W130", "W200"]),
    ]
ROWS += [
    *dates(
        "DisplayFieldBetween",
        "xnat:mrSessionData.DATE",
        "BETWEEN",
        "2018-07-07 AND 2021-02-02",
        ["W150", "W130", "W200"],
    ),
    *dates(
        "DisplayFieldBetween",
        "xnat:mrSessionData.DATE",
        "BETWEEN",
        "2018-07-08 AND 2021-02-01",
        ["W130"],
    ),
]

# ---- times of day: when scans began

EARLY, LATER, NINE, TEN, NEXT, NEVER, NIGHT, EIGHT, ELEVEN = (
    ("W130", "1", "01:23:45.000"),
    ("W150", "1", "01:23:46.000"),
    ("W130", "2", "09:09:09.000"),
    ("W130", "3", "10:10:10.000"),
    ("W150", "1", "01:23:46.000"),
    ("W0", "1", ""),
    ("W0", "2", "20:20:20.000"),
    ("W0", "3", "08:08:08.000"),
    ("W0", "4", "11:11:11.000"),
)
TIMED = [EARLY, NINE, TEN, LATER, ELEVEN, NIGHT, EIGHT]


def times(test, field, comparison, value, scans):
    """A scan search with one criterion about the time, which is a column too."""
    rows = [{"session_label": s, "id": key, "starttime": time} for s, key, time in scans]
    facts = column("starttime", f"{SCAN}.STARTTIME", "STARTTIME", SCAN, "time")
    return asked(
        f"T TestSearchFilterTimes.testSearchEngineFilterTime{test}",
        SCAN,
        SCANS,
        [(field, comparison, value)],
        {"count": len(scans), "total": len(scans), "rows": rows, "described": [facts]},
    )


for part, field in (("DisplayField", f"{SCAN}.STARTTIME"), ("SchemaField", f"{SCAN}/startTime")):
    without = [EARLY, NINE, LATER, ELEVEN, NIGHT, EIGHT]
    ROWS += [
        times(f"{part}Equals", field, "=", "10:10:10", [TEN]),
        times(
            f"{part}NotEquals",
            field,
            "!=",
            "10:10:10",
            [*without, NEVER] if part == "DisplayField" else without,
        ),
        times(f"{part}GreaterThan", field, ">", "08:08:08", [NINE, TEN, ELEVEN, NIGHT]),
        times(f"{part}GreaterThan", field, ">", "08:08:07.999", [NINE, TEN, ELEVEN, NIGHT, EIGHT]),
        times(
            f"{part}GreaterThanOrEquals", field, ">=", "08:08:08", [NINE, TEN, ELEVEN, NIGHT, EIGHT]
        ),
        times(f"{part}LessThan", field, "<", "09:09:09", [EARLY, LATER, EIGHT]),
        times(f"{part}LessThan", field, "<", "09:09:09.5", [EARLY, LATER, EIGHT, NINE]),
        times(f"{part}LessThanOrEquals", field, "<=", "09:09:09", [EARLY, LATER, EIGHT, NINE]),
        times(f"{part}IsNull", field, "IS NULL", "", [NEVER]),
        times(f"{part}IsNotNull", field, "IS NOT NULL", "", TIMED),
    ]
ROWS.append(
    times(
        "DisplayFieldBetween",
        f"{SCAN}.STARTTIME",
        "BETWEEN",
        "08:08:08 AND 10:10:10",
        [EIGHT, NINE, TEN],
    )
)

# ---- dates with times: when tracers were given

STAMPS = {
    "P0": "2011-01-01 03:00:00.0",
    "P1": "2011-01-01 03:00:01.0",
    "P2": "2012-02-02 13:00:01.0",
    "P3": "2016-01-02 20:00:00.0",
    "PNO": "",
}


def moments(test, field, comparison, value, labels):
    """A PET search with one criterion about the tracer's time, which is a column too."""
    more = {
        "rows": [{KEY[PET]: label, "tracer_starttime": STAMPS[label]} for label in labels],
        "described": [{"key": "tracer_starttime", "xPATH": f"{PET}.TRACER_STARTTIME"}],
    }
    return asked(
        f"T TestSearchFilterDatetimes.testSearchEngineFilterDateTime{test}",
        PET,
        TRACER,
        [(field, comparison, value)],
        found(PET, labels, more.items()),
    )


for part, field in (
    ("DisplayField", f"{PET}.TRACER_STARTTIME"),
    ("SchemaField", f"{PET}/tracer/startTime"),
):
    others = ["P1", "P2", "P3", *(["PNO"] if part == "DisplayField" else [])]
    ROWS += [
        moments(f"{part}Equals", field, "=", STAMPS["P0"], ["P0"]),
        moments(f"{part}NotEquals", field, "!=", STAMPS["P0"], others),
        moments(f"{part}GreaterThan", field, ">", STAMPS["P1"], ["P2", "P3"]),
        moments(f"{part}GreaterThanOrEquals", field, ">=", STAMPS["P1"], ["P1", "P2", "P3"]),
        moments(f"{part}LessThan", field, "<", STAMPS["P1"], ["P0"]),
        moments(f"{part}LessThanOrEquals", field, "<=", STAMPS["P1"], ["P0", "P1"]),
        moments(f"{part}IsNull", field, "IS NULL", "", ["PNO"]),
        moments(f"{part}IsNotNull", field, "IS NOT NULL", "", ["P0", "P1", "P2", "P3"]),
    ]
ROWS.append(
    moments(
        "DisplayFieldBetween",
        f"{PET}.TRACER_STARTTIME",
        "BETWEEN",
        f"{STAMPS['P1']} AND {STAMPS['P2']}",
        ["P1", "P2"],
    )
)

# ---- nesting, joins

BOTH = ((WEIGHT, ">", "140"), (DELAY, "<", "2000"))
COMPLEX = "T TestSearchFilterComplex.testSearchEngineFilterFloatIntegerComplex"
JOINED = "T TestSearchJoins.testSearchEngineSubjectJoinMrSessionSchemaFields"
LISTED = "T TestSearchJoins.testSearchEngineSubjectListingJoinMrSessionMrScan"
WIDE = [*SUBJECT, f"{SUB}/SUB_GROUP", f"{MR}/LABEL", f"{MR}/{DELAY}", f"{MR}/DATE"]
SCANNED = [*SUBJECT, f"{MR}/LABEL", f"{MR}/SCANNER", f"{SCAN}/ID", f"{SCAN}/TYPE"]
JOINT = "xnat_mrsessiondata_xnat_col_mrsessiondatadelay"


def joined(label, session, delay, date):
    return {
        KEY[SUB]: label,
        "xnat_mrsessiondata_label": session,
        JOINT: delay,
        "xnat_mrsessiondata_date": date,
    }


#: one row a subject, with its latest session; one without a date counts as the latest
ALL = [
    joined("SYM", "", "", ""),
    joined("SPL", "", "", ""),
    joined("CYC", "", "", ""),
    joined("FRO", "W200", "1234", "2021-02-02"),
    joined("NUL", "W0", "", ""),
]
ROWS += [
    asked(
        COMPLEX,
        MR,
        [*SESSION, f"{MR}/{WEIGHT}", f"{MR}/{DELAY}"],
        [inner("AND", *BOTH)],
        found(MR, ["W200"], {"described": [WEIGHED, DELAYED]}.items()),
    ),
    asked(
        COMPLEX,
        MR,
        [*SESSION, f"{MR}/{WEIGHT}", f"{MR}/{DELAY}"],
        [inner("OR", *BOTH)],
        found(MR, ["W150", "W200"], {"described": [WEIGHED, DELAYED]}.items()),
    ),
    asked(
        JOINED,
        SUB,
        WIDE,
        [],
        {
            "total": 5,
            "count": 5,
            "rows": ALL,
            "described": [
                GROUP,
                column("xnat_mrsessiondata_date", f"{MR}.DATE", "DATE", MR, "date"),
                {**DELAYED, "key": JOINT},
            ],
        },
    ),
    asked(JOINED, SUB, WIDE, [(DELAY, "=", "1234")], {"total": 1, "rows": [ALL[3]]}),
    asked(
        LISTED,
        SUB,
        SCANNED,
        [],
        {
            "total": 5,
            "count": 5,
            "described": [
                column("xnat_mrsessiondata_label", f"{MR}.LABEL", "LABEL", MR, "string"),
                column("xnat_mrsessiondata_scanner", f"{MR}.SCANNER", "SCANNER", MR, "string"),
            ],
            "rows": [
                {
                    KEY[SUB]: "NUL",
                    "xnat_mrsessiondata_label": "W0",
                    "xnat_mrsessiondata_scanner": "SCANNING MRI DEVICE",
                    "xnat_mrscandata_id": "4",
                    "xnat_mrscandata_type": "T2",
                },
                {
                    KEY[SUB]: "FRO",
                    "xnat_mrsessiondata_label": "W200",
                    "xnat_mrscandata_id": "",
                },
                {KEY[SUB]: "SYM", "xnat_mrsessiondata_label": "", "xnat_mrscandata_type": ""},
            ],
        },
    ),
]

# ---- sorting


def ordered(source, root, fields, name, labels, criteria=(), key=None):
    """A search sorted by a display field, both ways."""
    column = key or KEY[root]
    return [
        asked(
            source,
            root,
            fields,
            list(criteria),
            {"order": {column: labels if way == "DESC" else labels[::-1]}},
            query=f"&sortBy={name}&sortOrder={way}",
        )
        for way in ("DESC", "ASC")
    ]


ROWS += [
    *ordered(
        "T TestSearchFilterStrings.testSearchEngineSortingStringDisplayField",
        SUB,
        [*SUBJECT, f"{SUB}/SUB_GROUP"],
        "SUB_GROUP",
        ["NUL", "SYM", "SPL", "FRO", "CYC"],
    ),
    *ordered(
        "T TestSearchFilterStrings.testSearchEngineSortingStringDisplayField",
        SUB,
        [*SUBJECT, f"{SUB}/SUB_GROUP"],
        "SUB_GROUP",
        ["SYM", "SPL", "FRO", "CYC"],
        [(DISPLAY, "IS NOT NULL", "")],
    )[:1],
    *ordered(
        "T TestSearchFilterDates.testSearchEngineSortingDateDisplayField",
        MR,
        SESSION,
        "DATE",
        ["W0", "W200", "W130", "W150"],
    ),
    *ordered(
        "T TestSearchFilterTimes.testSearchEngineSortingTimeDisplayField",
        SCAN,
        SCANS,
        "STARTTIME",
        ["", *(s[2] for s in (NIGHT, ELEVEN, TEN, NINE, EIGHT, LATER, EARLY))],
        key="starttime",
    ),
    *ordered(
        "T TestSearchFilterDatetimes.testSearchEngineSortingDateTimeDisplayField",
        PET,
        TRACER,
        "TRACER_STARTTIME",
        ["PNO", "P3", "P2", "P1", "P0"],
    ),
]

# ---- answers that are kept


def kept(source, root, fields, *later, criteria=(), total):
    """A search whose answer is kept, and what is seen of it then."""
    return asked(
        source,
        root,
        fields,
        list(criteria),
        {"member": ["ID", "totalRecords"], "total": total},
        query="&cache=true&refresh=true",
        keep="kept",
        after=tuple(
            ("GET", f"/data/search/{{kept}}?format=json{query}", 200, expect)
            for query, expect in later
        ),
    )


def way(name, order):
    return f"&sortBy={name}&sortOrder={order}"


INTEGERS = "T TestSearchFilterIntegers.testSearchEngineSortingIntegerDisplayField"
PAGES = "T TestSearchPaginationAndCaching.testSearchEnginePaginationConsistency"
GROUPS = [*SUBJECT, f"{SUB}/SUB_GROUP"]
BY_GROUP = ["CYC", "FRO", "SPL", "SYM", "NUL"]
ROWS += [
    kept(
        INTEGERS,
        MR,
        [*SESSION, f"{MR}/SCAN_COUNT_TYPE=T1"],
        (
            way("scan_count_type_t1", "DESC"),
            {"order": {KEY[MR]: ["W200", "W0", "W130", "W150"]}},
        ),
        (way("scan_count_type_t1", "ASC"), {"order": {KEY[MR]: ["W150", "W130", "W0", "W200"]}}),
        total=4,
    ),
    kept(
        JOINED,
        SUB,
        WIDE,
        (way("xnat_mrsessiondata_date", "DESC"), {"order": {KEY[SUB]: ["NUL", "FRO"]}}),
        (way("xnat_mrsessiondata_date", "ASC"), {"order": {KEY[SUB]: ["FRO", "NUL"]}}),
        criteria=[(f"{MR}.DATE", "IS NOT NULL", "")],
        total=2,
    ),
    kept(
        PAGES + "WithSorting",
        SUB,
        GROUPS,
        *(
            (
                way("sub_group", "ASC") + f"&limit=2&offset={at}",
                {"order": {KEY[SUB]: BY_GROUP[at : at + 2]}},
            )
            for at in (0, 2, 4)
        ),
        total=5,
    ),
    kept(
        PAGES + "WithoutSorting",
        SUB,
        GROUPS,
        ("&limit=3&offset=0", {"count": 3}),
        ("&limit=3&offset=3", {"count": 2}),
        ("", {"values": {KEY[SUB]: BY_GROUP}}),
        total=5,
    ),
    kept(
        "J SearchResource",
        SUB,
        GROUPS,
        ("", {"count": 5, "no_member": ["totalRecords", "Columns"], "member": ["ID"]}),
        ("&sortBy=nonsense", {"lacks": "SYM"}),
        total=5,
    ),
]
ROWS[-1] = Row(
    "POST",
    "/data/search?format=json&cache=true&refresh=true",
    200,
    "J CachedSearchResource",
    body=search(SUB, GROUPS, ours(SUB)),
    expect={"count": 0, "total": 5},
    stage="cohort",
    keep="kept",
    after=(
        (
            "GET",
            "/data/search/{kept}?format=json",
            200,
            {"count": 5, "no_member": ["totalRecords"]},
        ),
        ("GET", "/data/search/{kept}?format=csv&limit=1", 200, {"has_columns": ["key"]}),
        ("GET", "/data/search/{kept}?sortBy=nonsense", 410),
        ("GET", "/data/search/{kept}?limit=many", 422),
        ("GET", "/data/search/{kept}?offset=some", 422),
        (
            "GET",
            "/data/search/{kept}/sub_group?format=json",
            200,
            {"count": 5, "row": {"values": "Cyclic", "count": "1"}},
        ),
    ),
)

# ---- a search that is stored shows what was kept of it, until it is refreshed

STORED = "/data/search/saved/stored{p}"
BODY = search(SUB, GROUPS, ours(SUB)).replace('ID="@xnat:subjectData"', 'ID="stored{p}"')
FEWER = search(SUB, GROUPS, ours(SUB, (f"{SUB}.SUB_PROJECT_IDENTIFIER={{p}}", "=", "SYM")))
FEWER = FEWER.replace('ID="@xnat:subjectData"', 'ID="stored{p}"')
REFRESH = "/data/search?format=json&cache=true&refresh=true"
ROWS.append(
    Row(
        "GET",
        STORED + "/results?format=json",
        200,
        "T TestSearchPaginationAndCaching.testSearchEngineStoredSearchRefresh",
        stage="cohort",
        before=(
            ("PUT", STORED, BODY.replace("</xdat:bundle>", "") + "</xdat:bundle>"),
            ("POST", REFRESH, BODY),
            ("POST", REFRESH, FEWER),
        ),
        expect={"values": {KEY[SUB]: ["SYM"]}},
        after=(
            (
                "GET",
                STORED + "/results?format=json&refresh=true",
                200,
                {"values": {KEY[SUB]: BY_GROUP}},
            ),
        ),
    )
)

# ---- searches that the server makes up


def fields_of(test, path, contains, **more):
    return Row(
        "GET",
        path,
        200,
        f"T TestSearchGeneration.testSearchXmlGeneration{test}",
        stage="cohort",
        expect={"contains": contains, **more},
    )


def entry(element, name, number, kind, header, value=""):
    tail = f"<xdat:value>{value}</xdat:value>" if value else ""
    return (
        f"<xdat:element_name>{element}</xdat:element_name><xdat:field_ID>{name}</xdat:field_ID>"
        f"<xdat:sequence>{number}</xdat:sequence><xdat:type>{kind}</xdat:type>"
        f"<xdat:header>{header}</xdat:header>{tail}</xdat:search_field>"
    )


MINE = ["sharing/share/project</xdat:schema_field>", 'method="OR"', 'tag="{p}"', 'secure="0"']
QC = "xnat:qcManualAssessorData"
ROWS += [
    fields_of(
        "Project",
        "/data/search/saved/@xnat:projectData",
        [
            entry("xnat:projectData", "ID", 0, "string", "ID"),
            entry("xnat:projectData", "SECONDARY_ID", 3, "string", "Running Title"),
            entry("xnat:projectData", "PROJ_CT_COUNT", 7, "integer", "CT Count"),
        ],
        lacks="<xdat:sequence>8<",
    ),
    fields_of(
        "Subject",
        "/data/projects/{p2}/searches/@xnat:subjectData",
        [
            entry(SUB, "SUB_PROJECT_IDENTIFIER={p2}", 0, "string", "Subject", "{p2}"),
            entry(SUB, "GENDER_TEXT", 1, "string", "M/F"),
            entry(SUB, "HANDEDNESS_TEXT", 2, "string", "Hand"),
            entry(SUB, "DOB", 3, "integer", "YOB"),
            'brief-description="Subjects"',
            'ID="{p2}_xnat:subjectData"',
        ],
        lacks="<xdat:sequence>4<",
    ),
    fields_of(
        "Subject",
        "/data/projects/{p}/searches/@xnat:subjectData",
        [
            entry(SUB, "CNT_XNAT_MRSESSIONDATA={p}", 4, "integer", "MR Sessions", "{p}"),
            *MINE,
        ],
    ),
    fields_of(
        "Subject",
        "/data/search/saved/@xnat:subjectData",
        [
            entry(SUB, "SUBJECT_LABEL", 0, "string", "Subject"),
            entry(SUB, "GENDER", 1, "string", "Gender"),
            entry(SUB, "HANDEDNESS", 2, "string", "Hand"),
            entry(SUB, "DOB", 3, "integer", "YOB"),
            entry(SUB, "EDUC", 4, "integer", "Education"),
            entry(SUB, "SES", 5, "integer", "Ses"),
            entry(SUB, "MR_COUNT", 6, "integer", "MR Count"),
        ],
        lacks="search_where",
    ),
    fields_of(
        "MrSession",
        "/data/projects/{p}/searches/@xnat:mrSessionData",
        [
            entry(MR, "MR_PROJECT_IDENTIFIER={p}", 0, "string", "MR ID", "{p}"),
            entry(MR, "DATE", 1, "date", "Date"),
            entry(SUB, "SUB_PROJECT_IDENTIFIER={p}", 2, "string", "Subject", "{p}"),
            entry(MR, "AGE", 3, "float", "Age"),
            entry(MR, "SCANNER", 4, "string", "Scanner"),
            entry(MR, "MR_SCAN_COUNT_AGG", 5, "string", "Scans"),
            *MINE,
        ],
        lacks="<xdat:sequence>6<",
    ),
    fields_of(
        "MrSession",
        "/data/search/saved/@xnat:mrSessionData",
        [
            entry(MR, "LABEL", 0, "string", "Label"),
            entry(MR, "PROJECT", 1, "string", "Project"),
            entry(MR, "DATE", 2, "date", "Date"),
            entry(SUB, "SUBJECT_LABEL", 3, "string", "Subject"),
            entry(SUB, "GENDER_TEXT", 4, "string", "M/F"),
            entry(MR, "AGE", 5, "float", "Age"),
            entry(MR, "TYPE", 6, "string", "Type"),
            entry(MR, "SCANNER", 7, "string", "Scanner"),
            entry(MR, "MR_SCAN_COUNT_AGG", 8, "string", "Scans"),
        ],
        lacks="<xdat:sequence>9<",
    ),
    fields_of(
        "MrScan",
        "/data/projects/{p}/searches/@xnat:mrScanData",
        [
            entry(SCAN, "PROJECT", 0, "string", "project"),
            entry(SCAN, "SESSION_LABEL", 1, "string", "Session Label"),
            entry(SCAN, "ID", 2, "string", "ID"),
            entry(SCAN, "NOTE", 3, "string", "note"),
            entry(SCAN, "QUALITY", 4, "string", "quality"),
            "<xdat:field_ID>STARTTIME</xdat:field_ID>",
            "<xdat:field_ID>PARAMETERS_VOXELRES_X</xdat:field_ID>",
            *MINE,
        ],
    ),
    fields_of(
        "MrScan",
        "/data/search/saved/@xnat:mrScanData",
        [entry(SCAN, "PROJECT", 0, "string", "project"), "PARAMETERS_TR<"],
        lacks="search_where",
    ),
    fields_of(
        "Qc",
        "/data/projects/{p}/searches/@xnat:qcManualAssessorData",
        [
            entry(
                QC,
                "XNAT_QCMANUALASSESSORDATA_PROJECT_IDENTIFIER={p}",
                0,
                "string",
                "XNAT_QCMANUALASSESSORDATA",
                "{p}",
            ),
            entry(QC, "DATE", 1, "date", "Date"),
            entry(QC, "RATER", 2, "string", "Reviewer"),
            entry(QC, "PASS", 6, "string", "Pass/Fail"),
        ],
    ),
    fields_of(
        "Qc",
        "/data/search/saved/@xnat:qcManualAssessorData",
        [
            entry(QC, "RPT", 0, "UNKNOWN", "ID"),
            entry(QC, "PROJECT", 1, "string", "Project"),
            entry(QC, "LABEL", 2, "string", "Label"),
            entry(QC, "COMMENTS", 7, "string", "Comments"),
        ],
    ),
]

# ---- what fails: XNAT's tests of these are marked as failing, its source says how

ROWS += [
    asked("J DisplaySearch (XNAT-7777)", MR, SESSION, [(field, "IN", value)], {}, status=500)
    for field, value in (
        (COUNT, "1, 2"),
        (DELAY, "5000, 10000"),
        (WEIGHT, "130.5, 150.0"),
        (f"{MR}.LABEL", "W130,W150"),
    )
]
ROWS += [
    asked("J SearchCriteria (XNAT-7780)", root, fields, [(field, "BETWEEN", value)], {}, status=500)
    for root, fields, field, value in (
        (SUB, SUBJECT, SCHEMA, "B AND D"),
        (MR, SESSION, f"{MR}/date", "2018-07-07 AND 2021-02-02"),
        (SCAN, SCANS, f"{SCAN}/startTime", "08:08:08 AND 10:10:10"),
        (PET, TRACER, f"{PET}/tracer/startTime", f"{STAMPS['P1']} AND {STAMPS['P2']}"),
    )
]
ROWS += [
    asked(
        "J SearchCriteria (XNAT-7779)",
        SUB,
        SUBJECT,
        [(SCHEMA, "LIKE", value)],
        found(SUB, labels),
    )
    for value, labels in (
        ("S%", ["SYM", "SPL", "FRO"]),
        ("%s", ["SYM", "SPL", "FRO"]),
        ("y*m", ["SYM"]),
    )
]
ROWS += [
    asked("J DisplayCriteria", MR, SESSION, [(f"{MR}.AGE", "LIKE", "8%")], {}, status=500),
    asked("J SearchCriteria", MR, SESSION, [(WEIGHT, "=", "")], {}, status=500),
    asked("J DisplayCriteria", MR, SESSION, [(f"{MR}.DATE", "=", "nonsense")], {}, status=500),
    asked("J DisplayCriteria", MR, SESSION, [(f"{MR}.DATE", "BETWEEN", "2020")], {}, status=500),
    asked("J PoolDBUtils", MR, SESSION, [(f"{MR}.LABEL", "=", "x; DROP TABLE y")], {}, status=500),
    asked(
        "J DisplayCriteria",
        SUB,
        SUBJECT,
        [(DISPLAY, "&lt;&gt;".replace("&lt;", "<").replace("&gt;", ">"), "Symmetric")],
        found(SUB, ["SPL", "FRO", "CYC"]),
    ),
    asked("J DisplayCriteria", SUB, SUBJECT, [(DISPLAY, ">=", "*")], found(SUB, NAMED)),
    asked("J DisplayCriteria", SUB, SUBJECT, [(DISPLAY, "=", "")], found(SUB, ["NUL"])),
    asked("J SearchCriteria", SUB, SUBJECT, [(SCHEMA, "=", "NULL")], found(SUB, [])),
    Row(
        "POST",
        "/data/search?format=json&sortBy=nonsense",
        500,
        "J DisplaySearch",
        body=search(SUB, SUBJECT, ours(SUB)),
        stage="cohort",
    ),
]
