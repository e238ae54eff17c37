"""Data types that a site has added: a mirror keeps them, or says what it keeps of them."""

import json

import pytest
from werkzeug.wrappers import Response

from nipype_xnat import Archive, Interface
from nipype_xnat.archive import Site
from nipype_xnat.mirror import Outbox, Wanted, pull, push

KINDS = {
    "namespaces": {"kinds": "http://lab.example.org/kinds"},
    "types": {
        "kinds:testData": {
            "extends": "xnat:subjectAssessorData",
            "element": "Test",
            "abstract": True,
            "fields": ["score float"],
        }
    },
}
LAB = {
    "namespaces": {"lab": "http://lab.example.org/lab"},
    "types": {
        "lab:tmsSessionData": {
            "extends": "xnat:imageSessionData",
            "element": "TMSSession",
            "fields": ["coil", "pulse/width float"],
        },
        "lab:tmsScanData": {"extends": "xnat:imageScanData", "element": "TMSScan"},
        "lab:recallData": {"extends": "kinds:testData", "element": "Recall", "fields": ["list"]},
        "lab:ratingData": {"extends": "xnat:imageAssessorData", "element": "Rating"},
    },
}
ASKED = (
    "/projects/P/experiments",
    "/projects/P/experiments/*[xsiType=lab:tmsSessionData]/scans/*/resources/*/files/*",
    "/projects/P/experiments/*/assessors",
)


class Schemas:
    """Decides in which order a server names its schemas, or hides them."""

    def __init__(self, app, change):
        self.app, self.change = app, change

    def __call__(self, environ, start):
        if environ["PATH_INFO"] != "/xapi/schemas":
            return self.app(environ, start)
        answer = Response.from_app(self.app, environ)
        return self.change(answer)(environ, start)


def the_other_way_round(answer):
    answer.data = json.dumps(json.loads(answer.data)[::-1])
    return answer


def hidden(answer):
    return Response("no such page", 404)


@pytest.fixture(params=[the_other_way_round, hidden], ids=lambda change: change.__name__)
def site(request, tmp_path):
    """A client of a site with own types, and whether the site shows their schemas."""
    paths = []
    for name, document in (("kinds", KINDS), ("lab", LAB)):
        paths.append(tmp_path / f"{name}.json")
        paths[-1].write_text(json.dumps(document), encoding="utf-8")
    settings = Site(durable=False, datatypes=tuple(paths))
    middleware = [lambda app: Schemas(app, request.param)]
    with (
        Archive(tmp_path / "archive", settings) as archive,
        archive.running(middleware=middleware) as url,
        Interface(url, "admin", "admin", cache=tmp_path / "cache") as client,
    ):
        client.select("/projects/P").create()
        subject = client.select("/projects/P/subjects/S")
        tms = subject.experiment("T1")
        tms.create("lab:tmsSessionData", **{"date": "2024-05-07", "lab:tmsSessionData/coil": "8"})
        tms.scan("1").create("lab:tmsScanData", type="TMS")
        tms.scan("1").resource("R").file("x").put(b"pulses")
        tms.assessor("A1").create("lab:ratingData")
        subject.experiment("R1").create("lab:recallData", **{"lab:recallData/score": "7.5"})
        yield client, request.param is not hidden


def test_elements_of_own_types_are_held(site, tmp_path):
    client, shown = site
    pulled = pull(client.transport, tmp_path / "m", [Wanted("P")])
    assert pulled.failed == []
    assert pulled.fetched == 1
    with Interface(offline=True, mirror=tmp_path / "m", cache=tmp_path / "c2") as offline:
        for path in ASKED:
            assert offline.select(path).get("label") == client.select(path).get("label") != []
        dated = offline.select("/projects/P/experiments/T1")
        assert dated.attrs.get("date") == "2024-05-07"
        recall = offline.select("/projects/P/experiments/R1")
        assert recall.datatype() == "lab:recallData"
        if shown:
            assert dated.details() == client.select("/projects/P/experiments/T1").details()
            assert recall.attrs.get("lab:recallData/score") == "7.5"
            found = offline.select("/projects/P/experiments").where(
                "lab:recallData/SCORE > 7", level="experiment"
            )
            assert found.get("label") == ["R1"]


def test_what_is_left_out_of_them_is_told(site, tmp_path):
    client, shown = site
    pulled = pull(client.transport, tmp_path / "m", [Wanted("P")])
    if shown:
        assert pulled.unread == {}
        return
    assert pulled.unread == {
        "lab:tmsSessionData": "xnat:imageSessionData",
        "lab:tmsScanData": "xnat:imageScanData",
        "lab:recallData": "xnat:subjectAssessorData",
        "lab:ratingData": "xnat:imageAssessorData",
    }
    assert "lab:recallData: only the fields of xnat:subjectAssessorData are held" in str(pulled)


def test_they_are_changed_offline_and_pushed(site, tmp_path):
    client, shown = site
    pull(client.transport, tmp_path / "m", [Wanted("P")])
    field = "lab:recallData/score" if shown else "lab:recallData/note"
    with Interface(offline=True, mirror=tmp_path / "m", cache=tmp_path / "c2") as offline:
        offline.select("/projects/P/experiments/R1").attrs.set(field, "8")
        offline.select("/projects/P/subjects/S/experiments/R2").create("lab:recallData")
    result = push(client.transport, Outbox(tmp_path / "m.outbox"))
    assert (len(result.sent), result.conflicts, result.failed) == (2, [], [])
    assert client.select("/projects/P/experiments/R2").datatype() == "lab:recallData"
    value = client.select("/projects/P/experiments/R1").attrs.get(field)
    assert float(value) == 8
