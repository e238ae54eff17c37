"""More states that rows start from: what XNAT's own tests of searches are about."""

import requests

from .table import State

MR = "xsiType=xnat:mrSessionData"
PET = "xsiType=xnat:petSessionData"


class Cohort(State):
    """Subjects in groups, sessions with numbers and dates, scans with times.

    Subjects SYM, SPL, FRO, CYC and NUL, the last one without a group; MR sessions W130, W150
    and W0 of NUL and W200 of FRO, named by weight; PET sessions P0, P1, P2, P3 and PNO of
    NUL, in the order of their times, the last one without.
    """

    accounts = False

    def _fill(self):
        for project in ("{p}", "{p2}"):
            self.ask("PUT", f"/data/projects/{project}?name={project}-name", 200)
        front = "/data/projects/{p}/subjects/"
        groups = {"SYM": "Symmetric", "SPL": "Special linear", "FRO": "Frobenius", "CYC": "Cyclic"}
        for label, group in groups.items():
            self.names[label] = self.ask("PUT", f"{front}{label}?group={group}", 201).text
        self.names["NUL"] = self.ask("PUT", front + "NUL", 201).text
        self._session("NUL", "W130", MR, weight="130.5", delay="10000", date="2020-03-20")
        self._session("NUL", "W150", MR, weight="150", delay="5000", date="2018-07-07")
        self._session("FRO", "W200", MR, weight="200.0", delay="1234", date="2021-02-02")
        self._session("NUL", "W0", MR, scanner="SCANNING MRI DEVICE")
        times = {
            "W130": (("1", "T1", "01:23:45"), ("2", "T1", "09:09:09"), ("3", "T2", "10:10:10")),
            "W150": (("1", "T1", "01:23:46"),),
            "W0": (
                ("1", "T1", ""),
                ("2", "T1", "20:20:20"),
                ("3", "T1", "08:08:08"),
                ("4", "T2", "11:11:11"),
            ),
        }
        for session, scans in times.items():
            for key, kind, time in scans:
                self._scan("NUL", session, key, kind, time)
        other = f"{front}NUL/experiments/W0/scans/5?xsiType=xnat:petScanData"
        self.ask("PUT", other + "&series_description=PET SCAN", 200)
        stamps = ("2011-01-01 03:00:00.0", "2011-01-01 03:00:01.0", "2012-02-02 13:00:01.0")
        for number, stamp in enumerate((*stamps, "2016-01-02 20:00:00.0")):
            self._session("NUL", f"P{number}", PET, tracer=stamp)
        self._session("NUL", "PNO", PET)

    def _session(self, subject, label, kind, **fields):
        paths = {
            "weight": "xnat:mrSessionData/dcmPatientWeight",
            "delay": "xnat:mrSessionData/delay",
            "scanner": "xnat:mrSessionData/scanner",
            "tracer": "xnat:petSessionData/tracer/startTime",
            "date": "date",
        }
        given = "".join(f"&{paths[name]}={value}" for name, value in fields.items())
        path = f"/data/projects/{{p}}/subjects/{subject}/experiments/{label}?{kind}{given}"
        self.names[label] = self.ask("PUT", path, 201).text

    def _scan(self, subject, session, key, kind, time):
        path = f"/data/projects/{{p}}/subjects/{subject}/experiments/{session}/scans/{key}"
        given = f"?xsiType=xnat:mrScanData&type={kind}&series_description={kind}"
        if time:
            given += f"&xnat:mrScanData/startTime={time}"
        self.ask("PUT", path + given, 200)


class Rights(State):
    """Projects of each accessibility, and of each role that one account has.

    ``{pub}``, ``{prot}`` and ``{priv}`` are others' projects; of ``{ownr}``, ``{memb}`` and
    ``{coll}`` the account is owner, member and collaborator. The public one has an MR session
    with two assessors and a PET session; its subject is shared into ``{coll}``, which has a
    subject with an MR session of one scan and a PET session, and one without sessions.
    """

    accounts = True
    KEYS = ("pub", "prot", "priv", "ownr", "memb", "coll")

    def _fill(self):
        for key in self.KEYS:
            name = self.names[key] = f"{key}{self.p}"
            about = f"name={name}-full&secondary_ID={name}-run"
            if key == "pub":
                about += "&description=an example&pi_firstname=John&pi_lastname=Scientist"
            self.ask("PUT", f"/data/projects/{name}?{about}", 200)
        levels = {"pub": "public", "prot": "protected"}
        for key in self.KEYS:
            level = levels.get(key, "private")
            self.ask("PUT", f"/data/projects/{{{key}}}/accessibility/{level}", 200)
        roles = {"ownr": "Owners", "memb": "Members", "coll": "Collaborators"}
        for key, role in roles.items():
            self.ask("PUT", f"/data/projects/{{{key}}}/users/{role}/ct_member", 200)
        for key in ("pub", "prot", "priv", "ownr", "coll"):
            # labels differ, as the public one is shared into other projects
            self._subject(key, f"S{key}", short="S")
        for key in ("pub", "prot", "priv"):
            self._session(key, f"S{key}", "MR", MR)
            self._scan(key, "MR", "0", "")
        self._session("pub", "Spub", "PET", PET)
        one = "/data/projects/{pub}/subjects/Spub/experiments/MR/assessors/"
        for label in ("QC1", "QC2"):
            path = f"{one}{label}?xsiType=xnat:qcManualAssessorData"
            self.names["pub" + label] = self.ask("PUT", path, 201).text
        more = "&fieldStrength=3.0&modality=MR"
        self._session("coll", "Scoll", "MR", MR + more)
        self._scan("coll", "MR", "1", "&series_description=T1&quality=usable")
        self._session("coll", "Scoll", "PET", PET + "&modality=PT&UID=1.2.3.4")
        about = "gender=male&handedness=ambidextrous&education=12&race=NOT SPECIFIED"
        about += "&ethnicity=NOT SPECIFIED&group=Symmetric&yob=2000&height=70&weight=175&src=Net"
        self._subject("memb", "FULL", about)
        self._subject("memb", "BORN", "dob=1990-05-05")
        self._subject("memb", "AGED", "age=75")
        self._subject("coll", "NONE")
        for key in ("coll", "memb"):
            self.ask("PUT", f"/data/projects/{{pub}}/subjects/Spub/projects/{{{key}}}", 200)
        client = requests.Session()
        client.headers["User-Agent"] = "contract"
        client.trust_env = self.http.trust_env
        login = ("ct_member", "secret")
        client.post(self.url + "/data/JSESSION", auth=login).raise_for_status()
        self.people["main"] = client
        profile = self.ask("GET", "/data/users?format=json").json()["ResultSet"]["Result"]
        self.names["uid"] = next(u["xdat_user_id"] for u in profile if u["login"] == "ct_member")

    def _subject(self, key, label, about="", short=""):
        path = f"/data/projects/{{{key}}}/subjects/{label}?{about}"
        self.names[key + (short or label)] = self.ask("PUT", path, 201).text

    def _session(self, key, subject, label, about):
        path = f"/data/projects/{{{key}}}/subjects/{subject}/experiments/{label}?{about}"
        self.names[key + label] = self.ask("PUT", path, 201).text

    def _scan(self, key, session, scan, about):
        path = f"/data/projects/{{{key}}}/subjects/S{key}/experiments/{session}/scans/{scan}"
        self.ask("PUT", f"{path}?xsiType=xnat:mrScanData{about}", 200)

    def remove(self):
        """Take everything away again."""
        for key in self.KEYS:
            self.ask("DELETE", f"/data/projects/{{{key}}}?removeFiles=true")
        self.http.close()


STAGES = {"cohort": Cohort, "rights": Rights}
