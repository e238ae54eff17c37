"""How many requests each operation costs, counted where they arrive."""

import pytest

from nipype_xnat import Interface


def fill_archive(fill):
    """Make P with four sessions, and Q with none."""
    fill.put("/data/projects/Q")
    fill.put("/data/projects/P")
    files = {"R": {"a.txt": b"a", "b/c.txt": b"c"}}
    fill.session("P", "S", "E", {"1": ("T1w", files), "2": ("T2w", {})}, ID="X_E1")
    fill.put(
        "/data/projects/P/subjects/S/experiments/E/assessors/A",
        xsiType="xnat:qcManualAssessorData",
    )
    for number in range(3):
        fill.session("P", f"S{number}", f"E{number}", {"1": ("T1w", {})})


@pytest.fixture
def costs(xnat_archive, hold, tmp_path):
    """A function that counts the requests of a call, and returns its result with them."""
    hold(fill_archive)
    with Interface(
        xnat_archive.url, "admin", "admin", cache=tmp_path / "cache", metadata_age=0
    ) as client:
        client.select.projects().get()

        def count(call):
            xnat_archive.requests.clear()
            result = call(client)
            return result, len(xnat_archive.requests)

        yield count


def experiment(client):
    return client.select.project("P").subject("S").experiment("E")


@pytest.mark.parametrize(
    ("name", "call", "expected"),
    [
        ("exists", lambda e: e.exists(), True),
        ("id", lambda e: e.id(), "X_E1"),
        ("label", lambda e: e.label(), "E"),
        ("datatype", lambda e: e.datatype(), "xnat:mrSessionData"),
        ("attrs.get", lambda e: e.attrs.get("label"), "E"),
        ("attrs.mget", lambda e: e.attrs.mget(["ID", "label"]), ["X_E1", "E"]),
        ("attrs.set", lambda e: e.attrs.set("note", "seen"), None),
        ("attrs.mset", lambda e: e.attrs.mset({"note": "seen", "date": "2024-05-07"}), None),
        ("xml", lambda e: 'label="E"' in e.xml(), True),
        ("details", lambda e: e.details()["label"], "E"),
        ("share", lambda e: e.share("Q"), None),
        ("shares", lambda e: e.shares().get(), ["P"]),
        ("trigger", lambda e: e.trigger(), None),
        ("scans", lambda e: e.scans().get(), ["1", "2"]),
        ("a scan's type", lambda e: e.scan("1").attrs.get("type"), "T1w"),
        ("an assessor's field", lambda e: e.assessor("A").attrs.get("label"), "A"),
        ("a file's size", lambda e: e.scan("1").resource("R").file("b/c.txt").size(), 1),
        ("a file that is not there", lambda e: e.scan("1").resource("R").file("c").exists(), False),
    ],
)
def test_one_request(costs, name, call, expected):
    assert costs(lambda client: call(experiment(client))) == (expected, 1)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        # a listing, and a download for each content
        (lambda e, to: e.scan("1").resource("R").file("a.txt").get(), 2),
        (lambda e, to: e.scan("1").resource("R").file("a.txt").get(to / "a"), 2),
        (lambda e, to: e.scan("1").resource("R").get(), 3),
        # whether the session is of that subject
        (lambda e, to: e.delete(), 2),
        (lambda e, to: e.scan("1").delete(), 2),
        # ... and the listing of what is there
        (lambda e, to: e.scan("1").resource("R").delete(), 3),
        (lambda e, to: e.scan("1").resource("R").file("a.txt").delete(), 3),
    ],
)
def test_few_requests(costs, tmp_path, call, expected):
    assert costs(lambda client: call(experiment(client), tmp_path))[1] == expected


@pytest.mark.parametrize(
    ("below", "found"),
    [
        (lambda e: e.scans(), ["1", "2"]),
        (lambda e: e.assessors().get("label"), ["A"]),
        (lambda e: e.scan("1").resources().get("label"), ["R"]),
        (lambda e: e.scan("2").resources(), []),
        (lambda e: e.scan("1").resource("R").files(), ["a.txt", "b/c.txt"]),
        (lambda e: e.assessor("A").resources(), []),
        (lambda e: e.resources(), []),
    ],
)
def test_what_is_below_a_listed_session_costs_one_request(costs, below, found):
    session, _ = costs(lambda client: client.select("/projects/P/subjects/S/experiments").first())

    def read(_):
        result = below(session)
        return result if isinstance(result, list) else result.get()

    assert costs(read) == (found, 1)


def test_what_is_below_a_listed_resource_costs_one_request(costs):
    def listed(client):
        return client.select("/projects/P/experiments/E/scans/1/resources").first()

    resource, _ = costs(listed)
    files, asked = costs(lambda client: list(resource.files("*.txt")))
    assert asked == 1
    assert [(file.record.resource_label, file.id()) for file in files] == [
        ("R", "a.txt"),
        ("R", "b/c.txt"),
    ]


def test_below_what_is_gone_there_is_nothing(costs):
    session, _ = costs(lambda client: client.select("/projects/P/subjects/S/experiments").first())
    assert session.scan("9").resource("R").files().get() == []
    session.delete()
    assert session.scans().get() == session.scan("1").resource("R").files().get() == []


def test_what_is_known_costs_nothing(costs):
    def known(client):
        element = experiment(client)
        return (
            element.parent().parent().id(),
            element.children(),
            repr(element),
            element.scan("1").id(),
        )

    assert costs(known)[1] == 0
    session, asked = costs(lambda client: client.select("/projects/P/experiments/*").first())
    assert asked == 1
    assert costs(lambda client: (session.id(), session.label(), session.datatype())) == (
        ("X_E1", "E", "xnat:mrSessionData"),
        0,
    )


def test_words_of_a_file_come_with_its_listing(costs):
    def read(client):
        (file, *_) = experiment(client).scan("1").resource("R").files()
        return file.size(), file.digest(), file.format(), file.content(), file.tags()

    words, asked = costs(read)
    assert words[0] == 1
    # the session's id, and the listing of the scan's files
    assert asked == 2


@pytest.mark.parametrize(
    "read",
    [
        len,
        list,
        bool,
        lambda found: found.first(),
        lambda found: found.fetchone(),
        lambda found: found.fetchmany(2),
        lambda found: found.fetchall(),
        lambda found: found.get("id"),
        lambda found: found.get("id", "label", "obj"),
        lambda found: found[0],
        lambda found: found[-1],
        lambda found: list(found[1:3]),
        lambda found: list(found[-2:]),
        lambda found: [(scan.id(), scan.label(), scan.parent()) for scan in found],
    ],
)
def test_a_cursor_reads_once(costs, read):
    result, asked = costs(
        lambda client: read(client.select("/projects/P/subjects/*/experiments/*/scans"))
    )
    assert result
    assert asked == 1


def test_pieces_of_a_selection_are_what_a_list_s_are(costs):
    found, _ = costs(lambda client: client.select("/projects/P/subjects"))
    everything = list(found)
    assert len(found) == len(everything) == 4
    for part in (slice(1, 3), slice(None, 2), slice(-2, None), slice(None, None, 2), slice(3, 1)):
        assert list(found[part]) == everything[part]
    assert (found[-1], found[-4]) == (everything[-1], everything[0])
    for beyond in (4, -5):
        with pytest.raises(IndexError):
            found[beyond]


def test_what_another_project_calls_otherwise_is_read_too(costs):
    def shared(client):
        experiment(client).share("Q", label="other")
        other = client.select.project("Q").experiment("other")
        return other.attrs.get("ID"), other.label()

    assert costs(shared)[0] == ("X_E1", "other")
    _, asked = costs(lambda client: client.select.project("P").experiment("X_E1").attrs.get("ID"))
    assert asked <= 3
