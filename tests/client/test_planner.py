"""A template costs a handful of requests, however many sessions it selects, and misses none."""

import csv
import math
import threading

import pytest
import requests

from nipype_xnat import Interface
from nipype_xnat.archive import Archive, Site
from nipype_xnat.errors import BadRequest, NotFound, ServerBroken, ServerTimeout
from nipype_xnat.select.batches import Batches
from nipype_xnat.select.listings import Listings

T1W = "/projects/COHORT/experiments/*/scans/*[type=T1w]/resources/NIFTI/files/*.nii.gz"
SESSIONS = 200


def make_cohort(root, site, sessions):
    """Fill an archive with sessions that hold a T1w (scan ids differ), some another scan too."""
    archive, subjects = Archive(root, site), {}
    for number in range(sessions):
        scan, other = ("1", "2") if number % 3 else ("4", "1")
        scans = {scan: image("T1w", "t1.nii.gz", number)}
        if number % 4 == 0:
            scans[other] = image("T2w", "t2.nii.gz", number)
        subjects[f"S{number:03d}"] = {"experiments": {f"S{number:03d}_MR1": {"scans": scans}}}
    archive.seed({"projects": {"COHORT": {"subjects": subjects}}})
    return archive


def image(kind, name, number):
    """Describe a scan with one image."""
    return {
        "fields": {"type": kind},
        "resources": {"NIFTI": {"files": {name: f"{kind} of {number}"}}},
    }


@pytest.fixture(scope="module", params=[12, 30], ids=["ids of 12", "ids of 30"])
def cohort(request, tmp_path_factory):
    site = Site(site_id="SITE", id_width=request.param - len("SITE_E"), durable=False)
    with make_cohort(tmp_path_factory.mktemp("archive"), site, SESSIONS) as archive:
        yield archive, request.param


def most_requests(sessions, id_length):
    """Twice what the length of addresses alone would need, and six."""
    return math.ceil(6 + 2 * sessions * (id_length + 1) / 7000)


def test_200_sessions_in_few_requests(cohort, tmp_path):
    archive, id_length = cohort
    with archive.running() as url:
        archive.requests.clear()
        with Interface(url, "admin", "admin", cache=tmp_path) as client:
            records = list(client.select(T1W).records())
        asked = list(archive.requests)
    assert len(records) == SESSIONS
    assert len({record.experiment_id for record in records}) == SESSIONS
    assert {len(record.experiment_id) for record in records} == {id_length}
    assert {record.scan_type for record in records} == {"T1w"}
    assert {record.path for record in records} == {"t1.nii.gz"}
    assert len(asked) <= most_requests(SESSIONS, id_length), asked
    assert [asked[0].path, asked[-1].path] == ["/data/JSESSION", "/data/JSESSION"]
    assert [asked[0].method, asked[-1].method] == ["POST", "DELETE"]


class Server:
    """Lists members, each of which takes a while by a clock of its own."""

    def __init__(self, seconds_each=0.0, refuses=lambda address, batch: None):
        self.seconds_each = seconds_each
        self.refuses = refuses
        self.asked = []
        self.time = threading.local()

    def clock(self):
        return getattr(self.time, "now", 0.0)

    @staticmethod
    def address(batch):
        return str(Listings.batch_address(batch, ["scans", "T1w"], ["NIFTI"]))

    def ask(self, batch):
        address = self.address(batch)
        self.asked.append(address)
        error = self.refuses(address, batch)
        if error is not None:
            raise error
        self.time.now = self.clock() + 0.05 + self.seconds_each * len(batch)
        return batch

    def rows(self, ids):
        batches = Batches(self.ask, lambda batch: len(self.address(batch)), clock=self.clock)
        return list(batches.rows(ids))


def ids_of(sessions, id_length=12):
    return [f"SITE_E{number:0{id_length - 6}d}" for number in range(sessions)]


@pytest.mark.parametrize("seconds_each", [0, 0.005, 0.03], ids=["fast", "busy", "slow"])
@pytest.mark.parametrize("id_length", [12, 30])
@pytest.mark.parametrize("sessions", [20, 200, 2_000, 20_000])
def test_batches_of_any_cohort_are_few(sessions, id_length, seconds_each):
    server = Server(seconds_each)
    ids = ids_of(sessions, id_length)
    assert server.rows(ids) == ids
    assert max(map(len, server.asked)) < 8000
    # beside the batches: log-in, the table, log-out
    assert 3 + len(server.asked) <= most_requests(sessions, id_length)


def test_no_batch_takes_so_long_that_a_proxy_gives_up():
    server = Server(0.5)
    ids = ids_of(1000)
    assert server.rows(ids) == ids
    sizes = [address.count(",") + 1 for address in server.asked]
    # what was asked for before the first answer is small
    assert max(sizes[:4]) <= 75
    assert max(sizes[4:]) * server.seconds_each <= 20


def late(address, batch):
    if len(batch) > 100:
        return ServerTimeout("the server did not answer in time")
    return None


def long(address, batch):
    if len(address) > 2000:
        return BadRequest("the address is too long", status=414)
    return None


@pytest.mark.parametrize(("refuses", "fit"), [(late, 100), (long, 140)])
def test_batches_that_are_too_large_become_smaller(refuses, fit):
    server = Server(refuses=refuses)
    ids = ids_of(5000)
    assert server.rows(ids) == ids
    assert len(server.asked) <= 3 * 5000 / fit


def test_a_member_to_blame_makes_the_other_batches_no_smaller():
    def broken(address, batch):
        return NotFound("no catalog", status=404) if "SITE_E000700" in batch else None

    server = Server(refuses=broken)
    ids = ids_of(20_000)
    problems = []
    batches = Batches(
        server.ask, lambda batch: len(server.address(batch)), problems.append, clock=server.clock
    )
    assert list(batches.rows(ids)) == [one for one in ids if one != "SITE_E000700"]
    assert [problem.member for problem in problems] == ["SITE_E000700"]
    # halved nine times, both halves asked for
    assert 3 + len(server.asked) <= most_requests(20_000, 12) + 2 * 10


def test_a_cohort_with_criteria_in_at_most_12_requests(cohort, tmp_path):
    archive, _ = cohort
    with archive.running() as url:
        archive.requests.clear()
        with Interface(url, "admin", "admin", cache=tmp_path) as client:
            found = client.cohort({"t1": T1W}, "xnat:mrSessionData/LABEL LIKE %")
        asked = list(archive.requests)
    assert len(found) == SESSIONS and not found.missing
    assert [record["name"] for record in found] == [f"S{n:03d}_MR1" for n in range(SESSIONS)]
    assert len(asked) <= 12, asked


def test_reading_all_at_once_asks_no_more_than_reading_one_by_one(cohort, tmp_path):
    archive, _ = cohort
    with archive.running() as url, Interface(url, "admin", "admin", cache=tmp_path) as client:
        selection = client.select("/projects/COHORT/subjects")
        client.select("/projects").first()
        archive.requests.clear()
        assert len(list(selection)) == SESSIONS
        assert len(archive.requests) == 1


@pytest.mark.parametrize(
    "read",
    [
        lambda found: found.first(),
        lambda found: found.fetchmany(1)[0],
        lambda found: found[0],
        lambda found: bool(found) and found.first(),
    ],
)
def test_who_wants_one_file_does_not_ask_for_all(cohort, tmp_path, read):
    archive, _ = cohort
    with archive.running() as url, Interface(url, "admin", "admin", cache=tmp_path) as client:
        client.select("/projects").first()
        archive.requests.clear()
        first = read(client.select(T1W))
        early = len(archive.requests)
        assert first.label() == "t1.nii.gz"
        assert early == 2  # the table of the project, and one batch


def test_the_plan_can_be_shown_without_a_request(cohort, tmp_path):
    archive, _ = cohort
    with archive.running() as url:
        archive.requests.clear()
        client = Interface(url, "admin", "admin", cache=tmp_path)
        text = client.select(T1W).explain()
        assert "1 request a project" in text and "batch" in text
        assert not archive.requests


def test_a_server_that_refuses_lists_is_asked_one_by_one(tmp_path):
    site = Site(refuse_comma_lists=True, durable=False)
    everything = "/projects/*/experiments/*/scans/*/resources/*/files/*"
    with make_cohort(tmp_path / "archive", site, 9) as archive, archive.running() as url:
        with Interface(url, "admin", "admin", cache=tmp_path, metadata_age=0) as client:
            client.select("/projects").first()
            archive.requests.clear()
            records = list(client.select(T1W).records())
            asked = [len(archive.requests)]
            again = list(client.select(T1W).records())
            asked.append(len(archive.requests))
            found = {
                (r.experiment_label, r.scan_id, r.resource_label)
                for r in client.select(everything).records()
            }
            asked.append(len(archive.requests))
    assert [record.experiment_label for record in records] == [f"S{n:03d}_MR1" for n in range(9)]
    assert again == records
    assert {label for label, _, _ in found} == {f"S{n:03d}_MR1" for n in range(9)}
    assert len({scan for _, scan, _ in found}) > 1
    # the table, a list of nine and one of two in vain, and then each session
    assert asked[0] == 1 + 2 + 9
    # which is known from then on
    assert asked[1] - asked[0] == 1 + 9
    # all scans of a session need no list: the projects, the table, each session
    assert asked[2] - asked[1] == 2 + 9


def test_a_list_that_comes_too_late_is_asked_for_in_parts(cohort, tmp_path):
    archive, _ = cohort
    late = []

    def waiting(app):
        def answer(environ, start_response):
            if environ["PATH_INFO"].count(",") >= 60:
                late.append(environ["PATH_INFO"])
                start_response("504 Gateway Time-out", [("Content-Type", "text/html")])
                return [b"<h1>504 Gateway Time-out</h1>"]
            return app(environ, start_response)

        return answer

    with (
        archive.running(middleware=[waiting]) as url,
        Interface(url, "admin", "admin", cache=tmp_path) as client,
    ):
        archive.requests.clear()
        assert len(list(client.select(T1W).records())) == SESSIONS
        asked = len([one for one in archive.requests if one.path.endswith("/files")])
    # of three lists two came too late; neither was asked for again, and their halves came
    assert len(late) == len(set(late)) == 2
    assert asked == 3 + 2 * 2


@pytest.mark.parametrize("name", ["S001_MR1", "SITE_E{}"])
def test_a_session_that_is_named_is_not_looked_for_among_all_others(cohort, tmp_path, name):
    archive, id_length = cohort
    name = name.format("2".rjust(id_length - len("SITE_E"), "0"))
    path = f"/projects/COHORT/experiments/{name}/scans/*[type=T1w]/resources/NIFTI/files"
    with archive.running() as url, Interface(url, "admin", "admin", cache=tmp_path) as client:
        client.select("/projects").first()
        archive.requests.clear()
        (found,) = client.select(path).records()
        asked = list(archive.requests)
        (table, _) = asked
        answer = requests.get(
            f"{url}{table.path}?{table.query}&format=csv", auth=("admin", "admin")
        )
    assert (found.experiment_label, found.scan_type) == ("S001_MR1", "T1w")
    rows = csv.DictReader(answer.text.splitlines())
    assert {row["label"] for row in rows} == {"S001_MR1"}


def test_a_session_is_found_by_what_another_project_calls_it(client, fill):
    for project in ("P", "Q"):
        fill.put(f"/data/projects/{project}")
    files = {"R": {"a.txt": b"a"}}
    for number in range(3):
        base = fill.session("P", "S", f"E{number}", {"1": ("T1w", files)}, ID=f"own{number}")
        fill.put(f"{base}/projects/Q", label=f"other{number}")
    for name in ("other1", "own1"):
        path = f"/projects/Q/experiments/{name}/scans/1/resources/R/files"
        assert [record.experiment_id for record in client.select(path).records()] == ["own1"]
    assert not client.select("/projects/Q/experiments/E1/scans")


def test_the_sessions_of_several_projects_share_batches(client, fill, xnat_archive):
    files = {"R": {"a.txt": b"a"}}
    for letter in "ABCDE":
        fill.put(f"/data/projects/{letter}")
        for number in range(3):
            base = fill.session(letter, f"S{number}", f"{letter}{number}", {"1": ("T1w", files)})
    for letter in "AB":
        fill.put(f"{base}/projects/{letter}")
    client.select("/projects").first()
    xnat_archive.requests.clear()
    path = "/projects/*/experiments/*/scans/*[type=T1w]/resources/R/files/*.txt"
    found = [(r.project, r.experiment_label) for r in client.select(path).records()]
    asked = [request.path for request in xnat_archive.requests]
    own = [(letter, f"{letter}{number}") for letter in "ABCDE" for number in range(3)]
    assert sorted(found) == sorted([*own, ("A", "E2"), ("B", "E2")])
    # a table a project, one batch for all, and one for each further view of what is shared
    assert len([path for path in asked if path.endswith("/files")]) <= 3
    assert len(asked) <= 2 + 5 + 3, asked


@pytest.mark.parametrize("owners", [0, 1, 2], ids=["none", "exactly one", "two"])
@pytest.mark.parametrize("kind", ["scan", "session"])
def test_few_or_no_resources_in_a_batch(client, fill, owners, kind):
    """XNAT builds other URIs for exactly one match, and falls through for none (FileList)."""
    fill.put("/data/projects/P")
    for number in range(6):
        base = fill.session(
            "P", f"S{number}", f"S{number}_MR1", {"1": ("T1w", {}), "2": ("T2w", {})}
        )
        fill.file(f"{base}/resources/OTHER/files/o.txt", b"not wanted")
        if number in (2, 4)[:owners]:
            where = base + ("/scans/1" if kind == "scan" else "")
            fill.file(f"{where}/resources/RARE/files/deep/r.txt", b"%d" % number)
    middle = "scans/*[type=T1w]/" if kind == "scan" else ""
    path = f"/projects/P/experiments/*/{middle}resources/RARE/files/*"
    records = list(client.select(path).records())
    assert [record.experiment_label for record in records] == ["S2_MR1", "S4_MR1"][:owners]
    assert [record.path for record in records] == ["deep/r.txt"] * owners
    assert [record.scan_id for record in records] == ["1" if kind == "scan" else ""] * owners
    for record in records:
        number = record.experiment_label[1]
        assert (
            requests.get(client.server + str(record.file), auth=("admin", "admin")).text == number
        )


def test_two_scans_of_one_session_and_one_resource(client, fill):
    """The one match of a batch may lie at either scan: it is asked for, not guessed."""
    fill.put("/data/projects/P")
    base = fill.session("P", "S", "S_MR1", {"1": ("T1w", {}), "2": ("T1w", {})})
    fill.file(f"{base}/scans/2/resources/NIFTI/files/t1.nii", b"x")
    (record,) = client.select(
        "/projects/P/experiments/*/scans/*[type=T1w]/resources/NIFTI/files"
    ).records()
    assert record.scan_id == "2"


def test_resources_that_cannot_be_named_in_a_path(client, fill):
    fill.put("/data/projects/P")
    base = fill.session(
        "P", "S", "S_MR1", {"1": ("T1w", {"PLAIN": {"a.nii": b"a"}}), "2": ("T1w", {})}
    )
    document = (
        '<xnat:Resource xmlns:xnat="http://nrg.wustl.edu/xnat" label="NIFTI data" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="xnat:resourceCatalog"/>'
    )
    kind = {"Content-Type": "text/xml"}
    fill.call("POST", f"{base}/scans/2/resources", data=document, headers=kind)
    rows = fill.call("GET", f"{base}/scans/2/resources?format=json").json()["ResultSet"]["Result"]
    number = rows[0]["xnat_abstractresource_id"]
    fill.file(f"{base}/scans/2/resources/{number}/files/b.nii", b"b")
    for pattern in ("*data", '"NIFTI data"', number):
        (record,) = client.select(
            f"/projects/P/experiments/*/scans/*[type=T1w]/resources/{pattern}/files"
        ).records()
        assert (record.resource_label, record.resource_id, record.path) == (
            "NIFTI data",
            number,
            "b.nii",
        )


def test_types_with_a_slash_and_a_comma(client, fill):
    fill.put("/data/projects/P")
    base = fill.session("P", "S", "S_MR1")
    fill.put(f"{base}/scans/1", xsiType="xnat:mrScanData", type="T1w/MPRAGE, sag")
    fill.file(f"{base}/scans/1/resources/NIFTI/files/t.nii", b"t")
    for pattern in ("T1w*", '"T1w/MPRAGE, sag"'):
        path = f"/projects/P/experiments/*/scans/*[type={pattern}]/resources/NIFTI/files"
        (record,) = client.select(path).records()
        assert record.scan_type == "T1w/MPRAGE, sag"


def test_shared_sessions_belong_to_the_cohort_under_their_other_name(client, fill):
    fill.put("/data/projects/P")
    fill.put("/data/projects/HOME")
    base = fill.session("HOME", "S", "S_MR1", {"1": ("T1w", {"NIFTI": {"t.nii": b"t"}})})
    fill.put("/data/projects/HOME/subjects/S/projects/P", label="GUEST")
    fill.put(f"{base}/projects/P", label="GUEST_MR1")
    path = "/projects/P/experiments/*/scans/*[type=T1w]/resources/NIFTI/files"
    (record,) = client.select(path).records()
    assert (record.project, record.experiment_label) == ("P", "GUEST_MR1")
    assert client.cohort({"t1": path})[0]["name"] == "GUEST_MR1"


def test_one_broken_catalog_does_not_hide_the_others(xnat_archive, fill, tmp_path):
    """A request for many sessions fails as a whole; the batch is halved until one is to blame."""
    fill.put("/data/projects/P")
    ids = [
        fill.session("P", f"S{n}", f"S{n}_MR1", {"1": ("T1w", {"NIFTI": {"t.nii": b"%d" % n}})})
        for n in range(5)
    ]
    broken = fill.call("GET", ids[3] + "?format=json").json()["items"][0]["data_fields"]["ID"]

    def breaking(app):
        def answer(environ, start_response):
            path = environ["PATH_INFO"]
            if broken in path and path.endswith("/files"):
                start_response("404 Not Found", [("Content-Type", "text/html")])
                return [b"<h3>Unable to find catalog</h3>"]
            return app(environ, start_response)

        return answer

    path = "/projects/P/experiments/*/scans/*[type=T1w]/resources/NIFTI/files/*"
    with (
        xnat_archive.archive.running(middleware=[breaking]) as url,
        Interface(url, "admin", "admin", cache=tmp_path) as client,
    ):
        cohort = client.cohort({"t1": path})
        assert [record["name"] for record in cohort] == ["S0_MR1", "S1_MR1", "S2_MR1", "S4_MR1"]
        (missing,) = cohort.missing
        assert missing.name == "S3_MR1" and "catalog" in missing.reason
        with pytest.raises(NotFound, match="catalog"):
            list(client.select(path))


def test_a_server_that_cannot_join_scans_is_asked_session_by_session(xnat_archive, fill, tmp_path):
    fill.put("/data/projects/P")
    for n in range(3):
        fill.session("P", f"S{n}", f"S{n}_MR1", {"1": ("T1w", {"NIFTI": {"t.nii": b"%d" % n}})})

    def refusing(app):
        def answer(environ, start_response):
            if "imageScanData" in environ["QUERY_STRING"]:
                start_response("500 Internal Server Error", [("Content-Type", "text/html")])
                return [b"<h3>no such join</h3>"]
            return app(environ, start_response)

        return answer

    with (
        xnat_archive.archive.running(middleware=[refusing]) as url,
        Interface(url, "admin", "admin", cache=tmp_path) as client,
    ):
        records = list(
            client.select(
                "/projects/P/experiments/*/scans/*[type=T1w]/resources/NIFTI/files"
            ).records()
        )
    assert [record.experiment_label for record in records] == ["S0_MR1", "S1_MR1", "S2_MR1"]


def test_a_listing_whose_error_the_server_swallowed_is_an_error(xnat_archive, fill, tmp_path):
    fill.put("/data/projects/P")

    def swallowing(app):
        def answer(environ, start_response):
            if environ["PATH_INFO"].endswith("/experiments"):
                start_response("200 OK", [("Content-Type", "text/csv"), ("Content-Length", "0")])
                return [b""]
            return app(environ, start_response)

        return answer

    with (
        xnat_archive.archive.running(middleware=[swallowing]) as url,
        Interface(url, "admin", "admin", cache=tmp_path) as client,
    ):
        with pytest.raises(ServerBroken, match="empty body"):
            list(client.select("/projects/P/experiments"))


@pytest.mark.parametrize("kind", ["T1 50%", "T1;x", "NULL", "ALL", "a[b]", "back\\slash"])
def test_a_type_that_cannot_stand_in_an_address_breaks_nothing(client, fill, kind):
    fill.put("/data/projects/P")
    for number, name in enumerate(["T1w", kind]):
        base = fill.session("P", f"S{number}", f"S{number}_MR1")
        fill.put(f"{base}/scans/1", xsiType="xnat:mrScanData", type=name)
        fill.file(f"{base}/scans/1/resources/NIFTI/files/t.nii", b"%d" % number)
    path = "/projects/P/experiments/*/scans/*[type!=other]/resources/NIFTI/files"
    assert [r.scan_type for r in client.select(path).records()] == ["T1w", kind]


def test_one_resource_among_many_sessions_costs_few_requests(client, fill, xnat_archive):
    fill.put("/data/projects/P")
    for number in range(40):
        base = fill.session("P", f"S{number:02d}", f"S{number:02d}_MR1")
        if number == 23:
            fill.file(f"{base}/resources/RARE/files/r.txt", b"rare")
    xnat_archive.requests.clear()
    (record,) = client.select("/projects/P/experiments/*/resources/RARE/files").records()
    assert record.experiment_label == "S23_MR1"
    assert len(xnat_archive.requests) <= 16  # halved six times, not asked forty times


def test_assessors_of_many_sessions_come_in_one_table(client, fill, xnat_archive):
    fill.put("/data/projects/P")
    for number in range(8):
        base = fill.session("P", f"S{number}", f"S{number}_MR1")
        if number % 2:
            fill.put(f"{base}/assessors/QC{number}", xsiType="xnat:qcManualAssessorData")
            fill.file(f"{base}/assessors/QC{number}/out/resources/R/files/q.txt", b"%d" % number)
    xnat_archive.requests.clear()
    found = client.select("/projects/P/experiments/*/assessors/*")
    assert found.get("label") == ["QC1", "QC3", "QC5", "QC7"]
    assert len(xnat_archive.requests) <= 3
    files = client.select("/projects/P/experiments/*/assessors/*/out_resources/R/files")
    assert [r.assessor_label for r in files.records()] == ["QC1", "QC3", "QC5", "QC7"]


@pytest.mark.parametrize(
    "path",
    [
        "/projects/P/experiments/*/scans/*[typ=T1w]",
        "/projects/P/experiments/*[lable=x]",
        "/projects/P/subjects/*[gendr=female]",
        "/projects/P/subjects/S/experiments/S_MR1/scans/*[typ=T1w]/resources/NIFTI/files",
        "/projects/P/experiments/*/scans/*/resources/NIFTI/files/*[nam=x]",
    ],
)
def test_a_misspelt_field_of_a_filter_is_named(client, fill, path):
    fill.put("/data/projects/P")
    fill.session("P", "S", "S_MR1", {"1": ("T1w", {"NIFTI": {"t.nii": b"t"}})})
    with pytest.raises(BadRequest, match="knows no field '(typ|lable|gendr|nam)'"):
        list(client.select(path).records())
