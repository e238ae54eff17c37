"""Made cohorts, questions about them, and the answers by looking at each element in turn.

Independent of the client and of the archive: imports neither.
"""

import fnmatch
import hashlib
import random
from xml.sax.saxutils import escape

TYPES = {
    "xnat:mrSessionData": "xnat:mrScanData",
    "xnat:petSessionData": "xnat:petScanData",
    "xnat:ctSessionData": "xnat:ctScanData",
}
SCAN_TYPES = ["T1w", "T2w", "T1w_MPR", "rest, eyes open", "DTI/64", ""]
QUALITIES = ["usable", "questionable", "unusable", None]
WORDS = ["alpha", "Beta", "gamma delta", "x-1", "100%", "it's", "Ünicode"]
RESOURCES = ["NIFTI", "DICOM", "SNAPSHOTS"]


def cohort(seed, subjects=6):
    """Make a description: project P, and some of Q that P sees too."""
    chance = random.Random(seed)
    projects = {"P": _project(chance, "P", subjects), "Q": _project(chance, "Q", 3)}
    return {"projects": projects}


def _some(chance, value, likely=0.7):
    return value if chance.random() < likely else None


def _project(chance, name, count):
    return {
        "fields": {"name": f"Study {name}", "description": chance.choice(WORDS)},
        "resources": _resources(chance, 0.4),
        "subjects": {
            f"{name}{number:02}": _subject(chance, name, number) for number in range(count)
        },
    }


def _subject(chance, project, number):
    fields = {
        "gender": _some(chance, chance.choice(["male", "female"])),
        "handedness": _some(chance, chance.choice(["left", "right"])),
        "dob": _some(chance, _date(chance, 1930, 2000)),
        "group": _some(chance, chance.choice(WORDS[:4])),
        "weight": _some(chance, round(chance.uniform(40, 120), 1)),
    }
    iq = _some(chance, chance.randrange(70, 140))
    subject = {
        "fields": {name: value for name, value in fields.items() if value is not None},
        "variables": {} if iq is None else {"iq": iq},
        "resources": _resources(chance, 0.2),
        "experiments": {
            f"{project}{number:02}_E{n}": _session(chance) for n in range(chance.randrange(4))
        },
    }
    if project == "Q" and chance.random() < 0.7:
        subject["shares"] = [{"project": "P", "label": f"SH{number:02}"}]
        for label, session in subject["experiments"].items():
            if chance.random() < 0.7:
                session["shares"] = [{"project": "P", "label": f"SH_{label}"}]
    return subject


def _session(chance):
    xsi_type = chance.choice(list(TYPES))
    fields = {
        "date": _some(chance, _date(chance, 2005, 2024)),
        "scanner/manufacturer": _some(chance, chance.choice(["SIEMENS", "GE", "Philips"])),
        "note": _some(chance, chance.choice(WORDS), 0.4),
    }
    return {
        "type": xsi_type,
        "fields": {name: value for name, value in fields.items() if value is not None},
        "resources": _resources(chance, 0.3),
        "scans": {
            str(n + 1) if chance.random() < 0.8 else f"{n + 1}-MR{n}": _scan(chance, xsi_type)
            for n in range(chance.randrange(4))
        },
        "assessors": {},
    }


def _scan(chance, session_type):
    fields = {
        "type": chance.choice(SCAN_TYPES),
        "quality": chance.choice(QUALITIES),
        "series_description": _some(chance, chance.choice(WORDS)),
    }
    if session_type == "xnat:mrSessionData":
        fields["parameters/tr"] = _some(chance, chance.choice([500.0, 2000.5, 2300.0]))
    return {
        "type": TYPES[session_type],
        "fields": {name: value for name, value in fields.items() if value not in (None, "")},
        "resources": _resources(chance, 0.8),
    }


def _resources(chance, likely):
    return {
        label: {
            "format": chance.choice(["NIFTI", "DICOM", "TXT"]),
            "files": {
                path: f"{chance.choice(WORDS)} {chance.randrange(5)}"
                for path in ("a.nii", "a.json", "sub/b.txt")[: chance.randrange(4)]
            },
        }
        for label in RESOURCES
        if chance.random() < likely * 0.6
    }


def _date(chance, first, last):
    return (
        f"{chance.randrange(first, last)}-{chance.randrange(1, 13):02}-{chance.randrange(1, 29):02}"
    )


# ---- looking at everything that project P sees


def subjects_of(data, project="P"):
    """Yield (label here, label there, subject)."""
    for owner, found in data["projects"].items():
        for label, subject in found["subjects"].items():
            here = _label_here(owner, label, subject, project)
            if here is not None:
                yield here, subject


def sessions_of(data, project="P"):
    """Yield (subject's label here, label here, session, subject)."""
    for owner, found in data["projects"].items():
        for label, subject in found["subjects"].items():
            for name, session in subject["experiments"].items():
                here = _label_here(owner, name, session, project)
                if here is not None:
                    seen = _label_here(owner, label, subject, project)
                    yield seen or label, here, session, subject


def _label_here(owner, label, element, project):
    if owner == project:
        return label
    return next((s["label"] for s in element.get("shares", ()) if s["project"] == project), None)


# ---- selections


class Question:
    """A path of P, as text, and what it selects."""

    def __init__(self, chance, data):
        self.data = data
        # a pattern is held against ids too; none of these fits one
        self.subject = chance.choice(["*", "*", "P0*", "SH*", "?01", "Z*"])
        self.session = chance.choice(["*", "*", "*_E1", "SH_*", "P0*"])
        self.scan = chance.choice(["*", "*", "1", "*MR*", "2"])
        self.resource = chance.choice(["*", "NIFTI", "D*", "NONE"])
        self.file = chance.choice(["*", "*.nii", "a.*", "b.txt", "sub/*"])
        self.session_filters = chance.sample(
            [
                ("date", ">=", "2015-01-01"),
                ("date", "<", "2012-06-15"),
                ("xsiType", "=", "xnat:mrSessionData"),
                ("xsiType", "!=", "xnat:ctSessionData"),
            ],
            chance.choice([0, 0, 1, 2]),
        )
        self.scan_filters = chance.sample(
            [
                ("type", "=", "T1w"),
                ("type", "=", "T1w*"),
                ("type", "=", '"rest, eyes open"'),
                ("quality", "=", "usable"),
                ("quality", "!=", "unusable"),
                ("series_description", "=", "*a*"),
            ],
            chance.choice([0, 0, 1, 2]),
        )
        self.level = chance.choice(
            [
                "subjects",
                "experiments",
                "scans",
                "scans",
                "scan files",
                "session files",
                "subject files",
            ]
        )

    @property
    def text(self):
        sessions = f"/projects/P/subjects/{self.subject}/experiments/{self.session}"
        sessions += "".join(f"[{n}{o}{v}]" for n, o, v in self.session_filters)
        scans = f"{sessions}/scans/{self.scan}"
        scans += "".join(f"[{n}{o}{v}]" for n, o, v in self.scan_filters)
        files = f"/resources/{self.resource}/files/{self.file}"
        return {
            "subjects": f"/projects/P/subjects/{self.subject}",
            "experiments": sessions,
            "scans": scans,
            "scan files": scans + files,
            "session files": sessions + files,
            "subject files": f"/projects/P/subjects/{self.subject}{files}",
        }[self.level]

    def answer(self):
        """Return a sorted list of tuples of names (and digests of files)."""
        found = []
        if self.level in ("subjects", "subject files"):
            for label, subject in subjects_of(self.data):
                if _fits(self.subject, label):
                    found += self._below((label,), subject, self.level == "subject files")
            return sorted(found)
        for subject, label, session, _ in sessions_of(self.data):
            values = {**session["fields"], "xsiType": session["type"]}
            if not (
                _fits(self.subject, subject)
                and _fits(self.session, label)
                and all(_holds(values, f) for f in self.session_filters)
            ):
                continue
            if self.level in ("experiments", "session files"):
                found += self._below((subject, label), session, self.level == "session files")
                continue
            for number, scan in session["scans"].items():
                if _fits(self.scan, number) and all(
                    _holds(scan["fields"], f) for f in self.scan_filters
                ):
                    found += self._below((subject, label, number), scan, self.level != "scans")
        return sorted(found)

    def _below(self, names, element, files):
        if not files:
            yield names
            return
        for label, resource in element["resources"].items():
            for path, text in resource["files"].items():
                name = path.rpartition("/")[2]
                if _fits(self.resource, label) and (
                    _fits(self.file, path) or _fits(self.file, name)
                ):
                    yield (*names, label, path, hashlib.md5(text.encode()).hexdigest())


def _fits(pattern, name):
    return fnmatch.fnmatchcase(name, pattern.strip('"'))


#: what XNAT stores of a value that came in an address, beside & < and >
ESCAPED = {"'": "&apos;", '"': "&quot;"}


def _holds(values, condition):
    name, operator, wanted = condition
    value = escape(str(values.get(name) or ""), ESCAPED)
    if operator == "=":
        return _fits(wanted, value)
    if operator == "!=":
        return not _fits(wanted, value)
    return bool(value) and (value >= wanted if operator == ">=" else value < wanted)


# ---- searches


class Search:
    """Criteria about the MR sessions of all projects that are held, as text, and what they find."""

    FIELDS = {
        "xnat:mrSessionData/DATE": lambda s, p: s["fields"].get("date"),
        "xnat:mrSessionData/scanner/manufacturer": lambda s, p: s["fields"].get(
            "scanner/manufacturer"
        ),
        "xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/handedness": (
            lambda s, p: p["fields"].get("handedness")
        ),
        "xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/weight": (
            lambda s, p: p["fields"].get("weight")
        ),
    }
    VALUES = {
        "xnat:mrSessionData/DATE": ["2012-06-15", "2015-01-01", "2020-03-04"],
        "xnat:mrSessionData/scanner/manufacturer": ["SIEMENS", "GE", "Philips"],
        "xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/handedness": [
            "left",
            "right",
        ],
        "xnat:subjectData/demographics[@xsi:type=xnat:demographicData]/weight": [55.5, 70, 90.1],
    }

    def __init__(self, chance, data):
        self.data = data
        self.tree = self._tree(chance, 2)

    def _tree(self, chance, depth):
        if depth and chance.random() < 0.6:
            members = [self._tree(chance, depth - 1) for _ in range(chance.choice([2, 3]))]
            return (chance.choice(["and", "or"]), members)
        field = chance.choice(list(self.FIELDS))
        ordered = ["<", ">", "<=", ">="] if field.endswith(("DATE", "weight")) else []
        operator = chance.choice(["=", "=", "IS NULL", "IS NOT NULL", *ordered])
        return (field, operator, chance.choice(self.VALUES[field]))

    @property
    def text(self):
        return self._text(self.tree)

    def _text(self, tree):
        if len(tree) == 2:
            return "(" + f" {tree[0]} ".join(map(self._text, tree[1])) + ")"
        field, operator, value = tree
        return f"{field} {operator}" if "NULL" in operator else f"{field} {operator} '{value}'"

    def answer(self):
        """Return the sorted labels (in their own projects) of the MR sessions that fulfil them."""
        found = []
        for project in self.data["projects"].values():
            for subject in project["subjects"].values():
                for label, session in subject["experiments"].items():
                    if session["type"] == "xnat:mrSessionData" and self._true(
                        self.tree, session, subject
                    ):
                        found.append(label)
        return sorted(found)

    def _true(self, tree, session, subject):
        if len(tree) == 2:
            together = all if tree[0] == "and" else any
            return together(self._true(member, session, subject) for member in tree[1])
        field, operator, wanted = tree
        value = self.FIELDS[field](session, subject)
        if "NULL" in operator:
            return (value is None) == (operator == "IS NULL")
        if value is None:
            return False
        if isinstance(wanted, str):
            value = str(value)
        return {
            "=": value == wanted,
            "<": value < wanted,
            ">": value > wanted,
            "<=": value <= wanted,
            ">=": value >= wanted,
        }[operator]
