"""What XNAT's own tests ask of listings, seen by an account with a role here and there."""

from .table import Row

PROJECTS = "T TestDynamicSearchProjects.testStandardDynamicProjectSearch"
SUBJECTS = "T TestDynamicSearchSubjects.testStandardDynamicSubjectSearch"
SESSIONS = "T TestDynamicSearchSubjectAssessors.testStandardDynamicS"
SCANS = "T TestDynamicSearchScans.testStandardDynamicScanSearch"
MODALITY, UID = "xnat:imageSessionData/modality", "xnat:imageSessionData/UID"


def seen(path, source, expect, account="main", stage="rights", sure="sure"):
    return Row("GET", path, 200, source, sure, expect=expect, stage=stage, account=account)


def names(key, column="ID"):
    return {column: "{" + key + "}"}


# ---- projects


def projects(query, test, shown, hidden, column="id", account="main", **more):
    """A listing of projects: which are there, and which are not."""
    return seen(
        f"/data/projects?format=json{query}",
        PROJECTS + test,
        {
            "rows": [names(key, column) for key in shown],
            "no_rows": [names(key, column) for key in hidden],
            **more,
        },
        account,
    )


SEEN = ["pub", "prot", "ownr", "memb", "coll"]
PLAIN = ["ID", "secondary_ID", "name", "description", "pi_firstname", "pi_lastname", "URI"]
OWN = ["id", "name", "description", "secondary_id", "pi", "project_invs", "project_access"]
OWN += ["project_access_img", "insert_date", "insert_user", "quarantine_status"]
PUBLIC = {
    "ID": "{pub}",
    "name": "{pub}-full",
    "secondary_ID": "{pub}-run",
    "description": "an example",
    "pi_firstname": "John",
    "pi_lastname": "Scientist",
    "URI": "/data/projects/{pub}",
}
ROWS = [
    projects("", "", SEEN, ["priv"], "ID", columns=PLAIN, row=PUBLIC),
    projects("&allDataOverride=true", "AllDataOverride", SEEN, ["priv"], "ID"),
    projects("&allDataOverride=true", "AllDataOverride", [*SEEN, "priv"], [], "ID", account=""),
    *(
        projects(
            f"&restrict={level}",
            "Restrict",
            ["ownr"],
            ["pub", "prot", "priv", "memb", "coll"],
            "ID",
        )
        for level in ("edit", "delete")
    ),
    *(
        projects(
            f"&permissions=read&dataType={kind}",
            f"Permissions{test}",
            ["pub", "ownr", "memb", "coll"],
            ["prot", "priv"],
            columns=["id", "secondary_id"],
            row={"id": "{pub}", "secondary_id": "{pub}-run"},
        )
        for kind, test in (
            ("xnat:subjectData", "Subject"),
            ("xnat:mrSessionData", "MrSessions"),
            ("xnat:petSessionData", "PetSessions"),
        )
    ),
    *(
        projects(
            f"&permissions={level}&dataType={kind}",
            f"Permissions{test}",
            ["ownr", "memb"] if level != "delete" else ["ownr"],
            ["prot", "priv", "pub", "coll", *(["memb"] if level == "delete" else [])],
        )
        for level in ("create", "edit", "delete")
        for kind, test in (
            ("xnat:subjectData", "Subject"),
            ("xnat:mrSessionData", "MrSessions"),
            ("xnat:petSessionData", "PetSessions"),
        )
    ),
    *(
        projects(
            f"&creatableTypes=true&data-type={kind}",
            "CreatableTypesWithDataTypes",
            ["ownr", "memb"],
            ["pub", "prot", "priv", "coll"],
            columns=["id", "secondary_id", "name", "description"],
        )
        for kind in ("xnat:subjectData", "xnat:mrSessionData", "xnat:petSessionData")
    ),
    projects(
        "&creatableTypes=true",
        "CreatableTypesAllDataAdmin",
        [*SEEN, "priv"],
        [],
        account="",
    ),
    projects(
        "&accessible=true",
        "FilterableProjectsAccessible",
        SEEN,
        ["priv"],
        has_columns=[*OWN, "user_role_{uid}", "last_accessed_{uid}"],
        row={
            "id": "{pub}",
            "name": "{pub}-full",
            "secondary_id": "{pub}-run",
            "description": "an example",
            "pi": "John Scientist",
            "project_invs": "John Scientist",
            "project_access": "public",
            "project_access_img": "/@WEBAPPimages/globe.gif",
            "quarantine_status": "active",
            "insert_user": "admin",
            "user_role_{uid}": "",
        },
    ),
    projects(
        "&accessible=true",
        "FilterableProjectsAccessible",
        ["coll"],
        [],
        row={
            "id": "{coll}",
            "project_access": "private",
            "project_access_img": "/@WEBAPPimages/key.gif",
            "user_role_{uid}": "Collaborators",
        },
    ),
    projects(
        "&accessible=false",
        "FilterableProjectsAccessible",
        ["prot", "pub"],
        ["ownr", "memb", "coll", "priv"],
    ),
    *(
        projects(
            f"&accessible={value}",
            "FilterableProjectsAccessibleAdmin",
            [*SEEN, "priv"],
            [],
            account="",
        )
        for value in ("true", "false")
    ),
    projects(
        "&data=writable",
        "FilterableProjectsDataWritable",
        ["ownr", "memb"],
        ["priv", "coll", "prot", "pub"],
    ),
    projects(
        "&data=readable",
        "FilterableProjectsDataReadable",
        ["ownr", "memb", "coll", "pub"],
        ["priv", "prot"],
    ),
    projects(
        "&prearc_code=true",
        "FilterableProjectsPrearcCode",
        SEEN,
        ["priv"],
        row={"id": "{ownr}", "proj_quarantine": "0", "proj_prearchive_code": "4"},
    ),
]

# ---- subjects


def subjects(key, columns, test, expect):
    query = f"&columns={columns}" if columns else ""
    return seen(f"/data/projects/{{{key}}}/subjects?format=json{query}", SUBJECTS + test, expect)


ABOUT = (
    "label,project,gender,handedness,education,race,ethnicity,group,yob,dob,age,height,weight,src"
)
IMAGE = f"xnat:imageSessionData/id,xnat:imageSessionData/label,{MODALITY}"
MRS = "xnat:mrSessionData/label,xnat:mrSessionData/id,xnat:mrSessionData/fieldStrength"
FILMED = "xnat:mrSessionData/label,xnat:mrScanData/id,xnat:mrScanData/series_description"
FILMED += ",xnat:mrScanData/quality"


def with_image(subject, session, label, modality):
    return {
        "ID": subject,
        "xnat:imagesessiondata/id": session,
        "xnat:imagesessiondata/label": label,
        "xnat:imagesessiondata/modality": modality,
    }


def with_mr(subject, session, label, strength):
    return {
        "ID": subject,
        "URI": f"/data/subjects/{subject}",
        "xnat:mrsessiondata/id": session,
        "xnat:mrsessiondata/label": label,
        "xnat:mrsessiondata/fieldstrength": strength,
    }


def with_scan(subject, label, scan, series, quality):
    return {
        "ID": subject,
        "xnat:mrsessiondata/label": label,
        "xnat:mrscandata/id": scan,
        "xnat:mrscandata/series_description": series,
        "xnat:mrscandata/quality": quality,
    }


OF_COLL = ["ID", "xnat:mrsessiondata/label", "xnat:mrsessiondata/id"]
ROWS += [
    subjects(
        "memb",
        "",
        "DefaultColumns",
        {
            "count": 4,
            "total": 4,
            "columns": ["ID", "project", "label", "insert_date", "insert_user", "URI"],
            "rows": [
                # what is shared keeps the project that it belongs to
                {
                    "ID": "{pubS}",
                    "project": "{pub}",
                    "label": "Spub",
                    "URI": "/data/subjects/{pubS}",
                },
                {"ID": "{membFULL}", "project": "{memb}", "label": "FULL"},
                {"ID": "{membBORN}", "project": "{memb}", "label": "BORN"},
                {"ID": "{membAGED}", "project": "{memb}", "label": "AGED"},
            ],
            "no_row": {"ID": "{ownrS}"},
        },
    ),
    subjects(
        "memb",
        "ID",
        "MinimalColumns",
        {
            "total": 4,
            "columns": ["ID", "URI"],
            "row": {"ID": "{membAGED}", "URI": "/data/subjects/{membAGED}"},
            "no_row": {"ID": "{ownrS}"},
        },
    ),
    subjects(
        "memb",
        ABOUT,
        "DemographicsColumns",
        {
            "total": 4,
            "columns": ["ID", "URI", *ABOUT.split(",")],
            "rows": [
                {
                    "ID": "{membFULL}",
                    "gender": "male",
                    "handedness": "ambidextrous",
                    "education": "12",
                    "race": "NOT SPECIFIED",
                    "ethnicity": "NOT SPECIFIED",
                    "group": "Symmetric",
                    "yob": "2000",
                    "dob": "",
                    "age": "",
                    "height": "70.0",
                    "weight": "175.0",
                    "src": "Net",
                },
                {"ID": "{membBORN}", "dob": "1990-05-05", "yob": "", "age": ""},
                {"ID": "{membAGED}", "dob": "", "yob": "", "age": "75"},
            ],
        },
    ),
    subjects(
        "coll",
        IMAGE,
        "GenericSessionJoin",
        {
            "count": 5,
            "total": 5,
            "columns": ["ID", "URI", *IMAGE.lower().split(",")],
            "rows": [
                with_image("{collS}", "{collMR}", "MR", "MR"),
                with_image("{collS}", "{collPET}", "PET", "PT"),
                with_image("{collNONE}", "", "", ""),
                with_image("{pubS}", "{pubMR}", "MR", ""),
                with_image("{pubS}", "{pubPET}", "PET", ""),
            ],
            "no_row": {"ID": "{ownrS}"},
        },
    ),
    subjects(
        "coll",
        MRS,
        "MrSessionJoinImplicitFilter",
        {
            "count": 3,
            "total": 3,
            "columns": ["ID", "URI", *MRS.lower().split(",")],
            "rows": [
                with_mr("{collS}", "{collMR}", "MR", "3.0"),
                with_mr("{collNONE}", "", "", ""),
                with_mr("{pubS}", "{pubMR}", "MR", ""),
            ],
        },
    ),
    subjects(
        "coll",
        FILMED,
        "MrSessionJoinScans",
        {
            "count": 3,
            "total": 3,
            "columns": ["ID", "URI", *FILMED.lower().split(",")],
            "rows": [
                with_scan("{collS}", "MR", "1", "T1", "usable"),
                with_scan("{pubS}", "MR", "0", "", ""),
                with_scan("{collNONE}", "", "", "", ""),
            ],
        },
    ),
]

# ---- sessions

FOREIGN = [{"URI": f"/data/experiments/{{{key}MR}}"} for key in ("prot", "priv")]
JOINED = "xnat:imageAssessorData/id,xnat:imageAssessorData/label"
ADDED = f"xnat:experimentData/date,{MODALITY},{UID}"


def sessions(query, test, expect):
    expect = {"no_rows": FOREIGN, **expect}
    return seen(f"/data/experiments?format=json{query}", SESSIONS + test, expect)


ROWS += [
    sessions(
        "",
        "ubjectAssessorSearchDefaultColumns",
        {
            "columns": ["ID", "project", "date", "xsiType", "label", "insert_date", "URI"],
            "rows": [
                {
                    "ID": "{pubMR}",
                    "project": "{pub}",
                    "xsiType": "xnat:mrSessionData",
                    "label": "MR",
                    "date": "",
                    "URI": "/data/experiments/{pubMR}",
                },
                {"ID": "{pubPET}", "xsiType": "xnat:petSessionData"},
                {"ID": "{pubQC1}", "xsiType": "xnat:qcManualAssessorData", "label": "QC1"},
                {"ID": "{collPET}", "project": "{coll}"},
            ],
        },
    ),
    sessions(
        "&columns=ID",
        "ubjectAssessorSearchMinimalColumns",
        {
            "columns": ["ID", "project", "xsiType", "URI"],
            "row": {"ID": "{collMR}", "project": "{coll}", "xsiType": "xnat:mrSessionData"},
        },
    ),
    *(
        sessions(
            f"&columns={columns}",
            "essionSearchSessionColumns",
            {
                "columns": ["session_ID", "date", "modality", "UID", "xsiType", "project", "URI"],
                "rows": [
                    {"session_ID": "{collPET}", "modality": "PT", "UID": "1.2.3.4", "date": ""},
                    {"session_ID": "{pubMR}", "modality": "", "UID": "", "project": "{pub}"},
                ],
            },
        )
        for columns in (ADDED, "date,modality,UID")
    ),
    sessions(
        f"&columns={ADDED}&UID=1.2.*",
        "essionSearchFilters",
        {
            "row": {"session_ID": "{collPET}", "UID": "1.2.3.4"},
            "no_rows": [{"session_ID": f"{{{key}}}"} for key in ("pubMR", "collMR", "pubPET")],
        },
    ),
    sessions(
        f"&columns={ADDED}&xsiType=xnat:mrSessionData",
        "essionSearchFilters",
        {
            "columns": ["xnat:mrsessiondata/id", "date", "modality", "UID", "URI"],
            "rows": [
                {"xnat:mrsessiondata/id": "{collMR}", "modality": "MR"},
                {"xnat:mrsessiondata/id": "{pubMR}", "modality": ""},
            ],
            "no_rows": [{"xnat:mrsessiondata/id": "{pubPET}"}, *FOREIGN],
        },
    ),
    sessions(
        f"&columns={JOINED}&xsiType=xnat:imageSessionData",
        "essionSearchJoinAssessors",
        {
            "columns": ["session_ID", "xsiType", "project", "URI", *JOINED.lower().split(",")],
            "rows": [
                {
                    "session_ID": "{pubMR}",
                    "xnat:imageassessordata/id": "{pubQC1}",
                    "xnat:imageassessordata/label": "QC1",
                },
                {"session_ID": "{pubMR}", "xnat:imageassessordata/id": "{pubQC2}"},
                {"session_ID": "{collPET}", "xnat:imageassessordata/id": ""},
            ],
        },
    ),
    *(
        seen(
            f"/data/experiments?format=json&columns={ADDED}&date={date}",
            SESSIONS + "essionSearchFilters",
            {
                "row": {"session_ID": "{W150}", "date": "2018-07-07"},
                "no_rows": [{"session_ID": "{W130}"}, {"session_ID": "{W200}"}],
            },
            "",
            "cohort",
        )
        for date in ("07/07/2018", "07/01/2018-07/14/2018")
    ),
]

# ---- scans

SHORT = ["ID", "type", "quality", "xsiType", "note", "series_description", "URI"]
W0 = "/data/experiments/{W0}/scans"
FOUR = [
    {"ID": "1", "type": "T1", "series_description": "T1", "URI": W0 + "/1"},
    {"ID": "2", "type": "T1", "xsiType": "xnat:mrScanData", "URI": W0 + "/2"},
    {"ID": "3", "type": "T1", "note": "", "quality": "", "URI": W0 + "/3"},
    {"ID": "4", "type": "T2", "series_description": "T2", "URI": W0 + "/4"},
]
OTHER = {"ID": "5", "xsiType": "xnat:petScanData", "series_description": "PET SCAN"}


def scans(query, test, expect):
    return seen(f"{W0}?format=json{query}", SCANS + test, expect, "", "cohort")


ROWS += [
    scans(
        "",
        "DefaultColumns",
        {
            "count": 5,
            "columns": ["xnat_imagescandata_id", *SHORT],
            "rows": [*FOUR, OTHER],
        },
    ),
    scans(
        "&columns=ID",
        "MinimalColumns",
        {
            "count": 5,
            "columns": ["xnat_imagescandata_id", "ID", "URI"],
            "row": {"ID": "4", "URI": W0 + "/4"},
        },
    ),
    scans(
        "&xsiType=xnat:mrScanData",
        "MrScanFilter",
        {
            "count": 4,
            "columns": [
                "xnat:mrscandata/xnat_imagescandata_id",
                "xnat_imagescandata_id",
                *SHORT,
            ],
            "rows": FOUR,
            "no_row": {"ID": "5"},
        },
    ),
]

# ---- searches see what their asker may see

SEARCH = "T TestSearchPermissions.test"
BY_NAME = (
    '<xdat:bundle ID="@{root}" xmlns:xdat="http://nrg.wustl.edu/security">'
    "<xdat:root_element_name>{root}</xdat:root_element_name>{fields}</xdat:bundle>"
)


def searched(test, root, fields, rows, no_rows):
    parts = "".join(
        f"<xdat:search_field><xdat:element_name>{root}</xdat:element_name>"
        f"<xdat:field_ID>{name}</xdat:field_ID><xdat:sequence>{number}</xdat:sequence>"
        "<xdat:type>string</xdat:type></xdat:search_field>"
        for number, name in enumerate(fields)
    )
    body = BY_NAME.replace("{root}", root).replace("{fields}", parts)
    return Row(
        "POST",
        "/data/search?format=json",
        200,
        SEARCH + test,
        body=body,
        stage="rights",
        account="main",
        expect={"rows": rows, "no_rows": no_rows},
    )


ROWS += [
    searched(
        "ProjectSearchAccess",
        "xnat:projectData",
        ["ID"],
        [{"id": "{pub}"}, {"id": "{prot}"}, {"id": "{memb}"}],
        [{"id": "{priv}"}],
    ),
    searched(
        "SubjectSearchAccess",
        "xnat:subjectData",
        ["SUBJECT_ID", "SUBJECT_LABEL"],
        [{"subject_id": "{pubS}", "subject_label": "Spub"}, {"subject_id": "{membFULL}"}],
        [{"subject_id": "{protS}"}, {"subject_id": "{privS}"}],
    ),
    searched(
        "SessionSearchAccess",
        "xnat:mrSessionData",
        ["SESSION_ID", "LABEL"],
        [{"session_id": "{pubMR}", "label": "MR"}],
        [{"session_id": f"{{{key}}}"} for key in ("privMR", "protMR", "pubPET")],
    ),
    searched(
        "SessionSearchAccess",
        "xnat:petSessionData",
        ["SESSION_ID"],
        [{"session_id": "{pubPET}"}],
        [{"session_id": f"{{{key}}}"} for key in ("privMR", "protMR", "pubMR")],
    ),
    searched(
        "ScanSearchAccess",
        "xnat:mrScanData",
        ["PROJECT", "ID"],
        [{"project": "{pub}", "id": "0"}, {"project": "{coll}", "id": "1"}],
        [{"project": "{prot}"}, {"project": "{priv}"}],
    ),
]
