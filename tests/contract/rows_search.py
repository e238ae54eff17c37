"""The search engine: criteria, joins, display fields, saved searches."""

from .table import Row, inner, search, where

MR = "xnat:mrSessionData"
SUB = "xnat:subjectData"
SCAN = "xnat:mrScanData"
MINE = (f"{MR}/PROJECT", "=", "{p}")
OURS = (f"{SUB}/PROJECT", "=", "{p}")
FIELDS = [f"{MR}/LABEL", f"{MR}/AGE", f"{SUB}/SUBJECT_LABEL"]
OPEN = search(MR, FIELDS, where("AND", MINE)).replace("<xdat:bundle", '<xdat:bundle secure="0"')
SAVED = "/data/search/saved/s{p}"


def found(criteria, labels, source, sure="sure", root=MR, fields=FIELDS, column="label"):
    return Row(
        "POST",
        "/data/search?format=csv",
        200,
        source,
        sure,
        body=search(root, fields, criteria),
        expect={"values": {column: labels}},
    )


def subjects(criteria, labels, source, sure="sure"):
    return found(criteria, labels, source, sure, SUB, [f"{SUB}/SUBJECT_LABEL"], "subject_label")


def broken(criteria, source, status=500):
    return Row("POST", "/data/search?format=csv", status, source, body=search(MR, FIELDS, criteria))


ROWS = [
    Row(
        "POST",
        "/data/search?format=json",
        200,
        "T TestSearch",
        body=search(MR, FIELDS, where("AND", MINE)),
        expect={
            "count": 2,
            "row": {
                "label": "MR1",
                "age": "84",
                "xnat_subjectdata_subject_label": "S1",
                "quarantine_status": "active",
            },
            "member": ["Columns", "totalRecords", "rootElementName"],
        },
    ),
    Row(
        "POST",
        "/data/search",
        200,
        "J SearchResource",
        headers={"Accept": "text/xml"},
        body=search(MR, FIELDS, where("AND", MINE)),
        expect={"headers": {"Content-Type": "application/json"}},
    ),
    Row(
        "POST",
        "/data/search?format=csv",
        200,
        "J SearchResource",
        files={"f": ("s.xml", search(MR, FIELDS, ""))},
        expect={"has_columns": ["label", "age"]},
    ),
    Row(
        "POST",
        "/data/search?format=csv&limit=1",
        200,
        "J SearchResource",
        body=search(MR, FIELDS, where("AND", MINE)),
        expect={"count": 2},
    ),
    Row(
        "POST",
        "/data/search?format=csv",
        200,
        "J SearchResource",
        body=search(MR, [], where("AND", MINE)),
        expect={"has_columns": ["label", "project"]},
    ),
    Row(
        "POST",
        "/data/search?format=csv",
        200,
        "J SearchResource",
        body=search(MR, [f"{MR}/DATE", f"{MR}/NONSENSE"], where("AND", MINE)),
        expect={"columns": ["date", "quarantine_status"]},
    ),
    # ---- what comes along with a field, as its links need it
    Row(
        "POST",
        "/data/search?format=csv",
        200,
        "T TestSearchJoins",
        body=search(MR, [f"{MR}/LABEL"], where("AND", MINE)),
        expect={
            "columns": ["label", "session_id", "insert_user", "insert_date", "quarantine_status"],
            "row": {"label": "MR1", "session_id": "{e1}", "insert_user": "admin"},
        },
    ),
    Row(
        "POST",
        "/data/search?format=csv",
        200,
        "T TestSearchJoins",
        body=search(
            SCAN, [f"{SCAN}/ID", f"{SCAN}/PROJECT"], where("AND", (f"{SCAN}/PROJECT", "=", "{p}"))
        ),
        expect={
            "columns": ["id", "session_id", "subject_id", "project", "quarantine_status"],
            "row": {"id": "2", "session_id": "{e1}", "subject_id": "{s1}", "project": "{p}"},
        },
    ),
    Row(
        "POST",
        "/data/search?format=csv",
        200,
        "C xnatpy",
        body=search(SUB, [], where("AND", (f"{SUB}/project", "=", "{p}"))),
        expect={
            "has_columns": [
                "subject_label",
                "subjectid",
                "insert_user",
                "insert_date",
                "projects",
                "project",
                "gender",
                "dob",
            ],
            "row": {"subject_label": "S1", "subjectid": "{s1}", "project": "{p}"},
        },
    ),
    # ---- strings
    found(where("AND", MINE, (f"{MR}/LABEL", "=", "MR1")), ["MR1"], "T TestSearchFilterStrings"),
    found(where("AND", MINE, (f"{MR}/LABEL", "!=", "MR1")), ["MR2"], "T TestSearchFilterStrings"),
    found(where("AND", MINE, (f"{MR}/LABEL", "LIKE", "%r1")), ["MR1"], "T TestSearchFilterStrings"),
    found(where("AND", MINE, (f"{MR}/label", "LIKE", "R1")), ["MR1"], "T TestSearchFilterStrings"),
    found(where("AND", MINE, (f"{MR}/label", "NOT LIKE", "R1")), ["MR2"], "J SearchCriteria"),
    found(where("AND", MINE, (f"{MR}/LABEL", "NOT LIKE", "%r1")), ["MR2"], "J DisplayCriteria"),
    found(
        where("AND", MINE, (f"{MR}/LABEL", "IS NOT NULL", "")),
        ["MR1", "MR2"],
        "T TestSearchFilterStrings",
    ),
    found(
        where("AND", MINE, (f"{MR}/scanner/manufacturer", "IS NULL", "")),
        ["MR2"],
        "T TestSearchFilterStrings",
    ),
    found(
        where("AND", MINE, (f"{MR}/scanner/manufacturer", "=", "SIEMENS")),
        ["MR1"],
        "T TestSearchFilterStrings",
    ),
    found(
        where("AND", MINE, (f"{MR}/scanner/manufacturer", "=", "siemens")),
        [],
        "T TestSearchFilterStrings",
    ),
    found(
        where("AND", MINE, (f"{MR}/scanner/manufacturer", "!=", "GE")),
        ["MR1"],
        "T TestSearchFilterStrings",
    ),
    found(
        where("AND", MINE, (f"{MR}/scanner/manufacturer", "IS", "NOT NULL")),
        ["MR1"],
        "J XdatCriteria",
    ),
    found(where("AND", MINE, (f"{MR}/note", "=", "")), ["MR1", "MR2"], "J SearchCriteria"),
    found(where("AND", MINE, (f"{MR}/LABEL", "=", "*")), ["MR1", "MR2"], "J DisplayCriteria"),
    # IN is put into SQL as it is, where an array must stand, and its set replaces all others
    broken(where("AND", MINE, (f"{MR}/LABEL", "IN", "MR1,MR9")), "J DisplaySearch"),
    found(
        where("AND", (f"{MR}/LABEL", "IN", "'{NOBODY}'")) + where("AND", MINE),
        [""],
        "J DisplaySearch",
    ),
    found(
        where("AND", MINE, inner("OR", (f"{MR}/LABEL", "IN", "MR1,MR9"))),
        ["MR1"],
        "J DisplayCriteria",
    ),
    # ---- numbers and dates
    found(where("AND", MINE, (f"{MR}/AGE", ">", "80")), ["MR1"], "D Search API"),
    found(where("AND", MINE, (f"{MR}/AGE", "<=", "50")), ["MR2"], "T TestSearchFilterIntegers"),
    found(where("AND", MINE, (f"{MR}/AGE", "=", "84")), ["MR1"], "T TestSearchFilterIntegers"),
    found(
        where("AND", MINE, (f"{MR}.AGE", "BETWEEN", "49 AND 51")),
        ["MR2"],
        "T TestSearchFilterIntegers",
    ),
    found(
        where("AND", MINE, (f"{MR}/DATE", ">", "2012-01-01")), ["MR1"], "T TestSearchFilterDates"
    ),
    found(
        where("AND", MINE, (f"{MR}/DATE", "=", "2010-01-31")), ["MR2"], "T TestSearchFilterDates"
    ),
    found(
        where("AND", MINE, (f"{MR}/date", "<", "01/01/2012")), ["MR2"], "T TestSearchFilterDates"
    ),
    found(
        where("AND", MINE, (f"{MR}/DATE", "BETWEEN", "2014-01-01 AND 2014-12-31")),
        ["MR1"],
        "T TestSearchFilterDates",
    ),
    found(
        where(
            "AND",
            ("xnat:mrScanData/PROJECT", "=", "{p}"),
            ("xnat:mrScanData/PARAMETERS_TR", ">", "2000"),
        ),
        ["2", "3"],
        "T TestSearchFilterFloats",
        root="xnat:mrScanData",
        fields=["xnat:mrScanData/ID"],
        column="id",
    ),
    subjects(where("AND", OURS, (f"{SUB}/DOB", "=", "1930")), ["S1"], "T TestSearchFilterIntegers"),
    subjects(
        where("AND", OURS, (f"{SUB}/demographics/yob", ">", "1950")),
        ["S2"],
        "T TestSearchFilterIntegers",
    ),
    # ---- nesting
    found(
        where("AND", MINE, inner("OR", (f"{MR}/LABEL", "=", "MR1"), (f"{MR}/LABEL", "=", "MR2"))),
        ["MR1", "MR2"],
        "T TestSearchFilterComplex",
    ),
    found(
        where(
            "AND",
            MINE,
            inner(
                "OR",
                (f"{MR}/LABEL", "=", "MR2"),
                inner("AND", (f"{MR}/AGE", ">", "80"), (f"{SUB}.GENDER_TEXT", "=", "M")),
            ),
        ),
        ["MR2"],
        "T TestSearchFilterComplex",
    ),
    found(
        where("OR", (f"{MR}/ID", "=", "{e1}"), (f"{MR}/ID", "=", "{e2}")),
        ["MR1", "MR2"],
        "T TestSearchFilterComplex",
    ),
    found(
        where("AND", MINE) + where("OR", (f"{MR}/LABEL", "=", "MR1")), ["MR1"], "J XdatStoredSearch"
    ),
    # ---- joins
    found(where("AND", MINE, (f"{SUB}/GENDER_TEXT", "=", "F")), ["MR1"], "T TestSearchJoins"),
    found(where("AND", MINE, (f"{SUB}.GENDER_TEXT", "LIKE", "%F%")), ["MR1"], "C pyxnat"),
    found(where("AND", MINE, ("xnat:mrScanData/type", "=", "T1w")), ["MR1"], "T TestSearchJoins"),
    subjects(where("AND", OURS, (f"{MR}/AGE", ">", "80")), ["S1"], "C pyxnat"),
    subjects(where("AND", OURS, (f"{MR}/LABEL", "=", "MR2")), ["S2"], "T TestSearchJoins"),
    found(
        where("AND", ("xnat:mrScanData/PROJECT", "=", "{p}"), (f"{SUB}/SUBJECT_LABEL", "=", "S1")),
        ["1", "2", "3"],
        "T TestSearchJoins",
        root="xnat:mrScanData",
        fields=["xnat:mrScanData/ID", f"{MR}/LABEL"],
        column="id",
    ),
    Row(
        "POST",
        "/data/search?format=csv",
        200,
        "T TestSearchJoins",
        body=search(SUB, [f"{SUB}/SUBJECT_LABEL", f"{MR}/LABEL"], where("AND", OURS)),
        expect={
            "values": {"subject_label": ["S1", "S2"], "xnat_mrsessiondata_label": ["MR1", "MR2"]}
        },
    ),
    Row(
        "POST",
        "/data/search?format=csv",
        200,
        "T TestSearchGeneration",
        body=search(
            SUB,
            [
                f"{SUB}/SUB_PROJECT_IDENTIFIER={{p}}",
                f"{SUB}/GENDER_TEXT",
                f"{SUB}/HANDEDNESS_TEXT",
                f"{SUB}/DOB",
            ],
            where("AND", OURS),
        ),
        expect={
            "row": {
                "sub_project_identifier_{p}": "S1",
                "gender_text": "F",
                "handedness_text": "R",
                "dob": "1930",
            }
        },
    ),
    found(
        where(
            "AND",
            inner("OR", (f"{MR}/sharing/share/project", "=", "{p}"), (f"{MR}/PROJECT", "=", "{p}")),
        ),
        ["MR1", "MR2"],
        "T TestSearchGeneration",
    ),
    # ---- mistakes
    broken(where("AND", (f"{MR}/NONSENSE", "=", "x")), "J DisplayCriteria"),
    broken(where("AND", (f"{MR}/AGE", ">", "old")), "J DisplayCriteria"),
    broken(where("AND", (f"{MR}/LABEL", "~~", "old")), "J XdatCriteria"),
    Row(
        "POST",
        "/data/search?format=csv",
        500,
        "J SearchResource",
        body=search("xnat:nonsense", [], ""),
    ),
    Row("POST", "/data/search?format=csv", 422, "J SearchResource", body="<x/>"),
    Row("POST", "/data/search?format=csv", 422, "J SearchResource", body="<broken"),
    found(where("AND", MINE, (f"{MR}/LABEL", "=", "x' OR '1'='1")), [], "J PoolDBUtils", "likely"),
    # ---- saved searches
    Row(
        "PUT",
        SAVED + "?inbody=true",
        200,
        "J SavedSearchResource",
        body=search(MR, FIELDS, where("AND", MINE)),
        expect={"text": ""},
        after=(
            ("GET", SAVED, 200, {"contains": "<xdat:root_element_name>xnat:mrSessionData"}),
            ("GET", SAVED + "/results?format=csv", 200, {"values": {"label": ["MR1", "MR2"]}}),
            (
                "GET",
                "/data/search/saved?format=json",
                200,
                {"row": {"id": "s{p}", "root_element_name": "xnat:mrSessionData"}},
            ),
            ("DELETE", SAVED, 200),
            ("GET", SAVED, 404),
        ),
    ),
    Row("PUT", SAVED + "?inbody=true", 422, "J SavedSearchResource", body="<x/>"),
    Row("DELETE", SAVED, 200, "J SavedSearchResource"),
    Row(
        "GET",
        "/data/search/saved/@xnat:mrSessionData",
        200,
        "J SavedSearchResource",
        expect={"contains": "<xdat:field_ID>LABEL</xdat:field_ID>"},
    ),
    Row(
        "GET",
        "/data/projects/{p}/searches/@xnat:subjectData",
        200,
        "J ProjectSearchResource",
        expect={"contains": "xnat:subjectData/sharing/share/project"},
    ),
    # a secure search is its users' own; another one anybody may read, but not change
    Row(
        "GET",
        SAVED,
        403,
        "J SavedSearchResource",
        account="stranger",
        before=(
            (
                "PUT",
                SAVED + "?inbody=true",
                search(MR, FIELDS, where("AND", MINE)).replace(
                    "<xdat:bundle", '<xdat:bundle secure="1"'
                ),
            ),
        ),
    ),
    Row(
        "GET",
        SAVED + "/results?format=csv",
        200,
        "J SavedSearchResource",
        account="stranger",
        before=(("PUT", SAVED + "?inbody=true", OPEN),),
        expect={"count": 0},
    ),
    Row(
        "GET",
        "/data/search/saved?format=json",
        200,
        "J SavedSearchListResource",
        account="stranger",
        before=(("PUT", SAVED + "?inbody=true", OPEN),),
        expect={"row": {"id": "s{p}", "secure": "0"}},
    ),
    Row(
        "PUT",
        SAVED + "?inbody=true",
        403,
        "J SavedSearchResource",
        account="stranger",
        before=(("PUT", SAVED + "?inbody=true", OPEN),),
        body=OPEN,
    ),
    Row(
        "DELETE",
        SAVED,
        403,
        "J SavedSearchResource",
        account="stranger",
        before=(("PUT", SAVED + "?inbody=true", OPEN),),
    ),
    Row("GET", "/data/search/saved?includeTag=nosuchproject", 400, "J SavedSearchListResource"),
    # ---- what can be searched
    Row(
        "GET",
        "/data/search/elements?format=json",
        200,
        "J SearchElementListResource",
        expect={
            "columns": ["ELEMENT_NAME", "SINGULAR", "PLURAL", "SECURED", "COUNT"],
            "row": {"ELEMENT_NAME": MR, "SECURED": "true"},
        },
    ),
    Row(
        "GET",
        f"/data/search/elements/{MR}?format=json",
        200,
        "J SearchFieldListResource",
        expect={
            "columns": [
                "FIELD_ID",
                "HEADER",
                "SUMMARY",
                "TYPE",
                "REQUIRES_VALUE",
                "DESC",
                "ELEMENT_NAME",
                "SRC",
            ],
            "row": {"FIELD_ID": "AGE", "ELEMENT_NAME": MR},
        },
    ),
    Row("GET", "/data/search/elements/xnat:nonsense?format=json", 400, "J SearchFieldListResource"),
    Row("GET", "/data/search/nosuch", 410, "J CachedSearchResource"),
]
