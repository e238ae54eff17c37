"""Services on several sessions of the prearchive: archive, validate, move, delete, rebuild."""

from __future__ import annotations

from collections.abc import Callable

from werkzeug.wrappers import Response

from nipype_xnat.archive import archiving, building
from nipype_xnat.archive.archiving import Archiving, Wish
from nipype_xnat.archive.errors import ArchiveError, Conflict
from nipype_xnat.archive.importing import destination, truth
from nipype_xnat.archive.prearchive import Prearchive, Waiting, parse_uri
from nipype_xnat.archive.query.table import Table
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import items, listings, prearchive

Place = tuple[str | None, str, str]


def _sources(call: Call) -> list[Place]:
    places = []
    for source in call.params("src"):
        place = parse_uri(source)
        if place is None:
            raise HttpFailure(400, f"Invalid src URI ({source})")
        places.append(place)
    if not places:
        folder, stamp = call.param("PREARC_SESSION_FOLDER"), call.param("PREARC_TIMESTAMP")
        project = call.param("PROJECT_ID") or call.param("project")
        if not (project and stamp and folder):
            raise HttpFailure(404, "Unknown prearchive session.")
        places.append((project, stamp, folder))
    return places


def _found(call: Call, places: list[Place]) -> list[Waiting]:
    with call.archive.reading(call.person) as elements:
        store = Prearchive(elements)
        found = []
        for project, stamp, folder in places:
            if project is None:
                raise HttpFailure(400, "Cannot archive sessions from the Unassigned folder.")
            store.enter(project)
            found.append(store.require(project, stamp, folder))
    return found


def archive(call: Call) -> Response:
    """Archive one session, or several."""
    call.read_form()
    dest = destination(call.param("dest"))
    if dest is not None and not dest.archive:
        raise HttpFailure(400, f"Invalid _destination URI ({call.param('dest')})")
    found = _found(call, _sources(call))
    said = call.given()
    overwrite = (said.get("overwrite") or "").lower()
    override = overwrite in {"append", "delete"}
    replace = truth(said.get("overwrite_files")) is True
    if len(found) == 1:
        return _archive_one(call, found[0], Wish(said, True, override, replace))
    values = {name: text for name, text in said.items() if name != "project"}
    wish = Wish(values, override, overwrite == "delete", replace)
    queued = []
    for waiting in found:
        if waiting.locked:
            continue
        waiting.status = "QUEUED_ARCHIVING"
        queued.append(waiting)
    response = prearchive.table(call, queued)
    for waiting in queued:
        try:
            archiving.commit(call.archive, call.person, waiting.pk, wish)
        except ArchiveError:
            continue  # its status tells why it still waits
    return response


def _archive_one(call: Call, waiting: Waiting, wish: Wish) -> Response:
    if waiting.locked or waiting.status == "ARCHIVING":
        raise HttpFailure(403, "Operation already in progress on this prearchive entry.")
    automatic = prearchive.automatic(waiting, dict(wish.values))
    if waiting.built is None:
        with call.archive.changing(call.person) as elements:
            store = Prearchive(elements)
            building.build(store, store.by_pk(waiting.pk))
    try:
        uri = "/data" + archiving.commit(call.archive, call.person, waiting.pk, wish)
    except Conflict as problem:
        message = f"FAILED: Unable to archive {waiting.folder}: {problem}"
        raise HttpFailure(500, message) from problem
    if truth(call.param("redirect")) or automatic:
        response = prearchive.uri_list([uri], 303)
        response.headers["Location"] = items.base_url(call) + uri
        return response
    return prearchive.uri_list([uri])


def validate(call: Call) -> Response:
    """Tell what stands in the way of archiving a session."""
    call.read_form()
    found = _found(call, _sources(call))
    if len(found) != 1:
        raise HttpFailure(400, "Cannot validate multiple sessions in one request.")
    with call.archive.reading(call.person) as elements:
        work = Archiving(Prearchive(elements), found[0], Wish(call.given(), merge=True))
        notices = [[n.code, n.type, n.message] for n in work.plan().notices]
    return listings.finish(call, Table.of(["code", "type", "message"], notices))


# ---- queued operations -----------------------------------------------------------------


def _named(call: Call) -> list[Waiting]:
    call.read_form()
    places = []
    malformed = []
    for source in call.params("src"):
        place = parse_uri(source)
        if place is None:
            malformed.append(source)
        else:
            places.append(place)
    if malformed:
        raise HttpFailure(
            500,
            f"One or more source values contained a malformed URL: {', '.join(malformed)}",
        )
    with call.archive.reading(call.person) as elements:
        store = Prearchive(elements)
        for project, _, _ in places:
            store.enter(project)
        return [store.require(*place) for place in places]


def _queued(
    call: Call, found: list[Waiting], status: str, work: Callable[[Prearchive, Waiting], list[str]]
) -> Response:
    """Answer as if it were only queued, and do it."""
    open_ones = [waiting for waiting in found if not waiting.locked]
    for waiting in open_ones:
        waiting.status = status
    response = prearchive.table(call, found)
    for waiting in open_ones:
        with call.archive.changing(call.person) as elements:
            store = Prearchive(elements)
            blobs = work(store, store.by_pk(waiting.pk))
        for name in blobs:
            call.archive.blobs.drop(name)
    return response


def delete(call: Call) -> Response:
    """Remove sessions."""
    return _queued(call, _named(call), "QUEUED_DELETING", lambda store, one: store.delete(one))


def rebuild(call: Call) -> Response:
    """Read the headers of sessions again."""

    def work(store: Prearchive, one: Waiting) -> list[str]:
        building.build(store, one)
        return []

    return _queued(call, _named(call), "QUEUED_BUILDING", work)


def move(call: Call) -> Response:
    """Move sessions to another project of the prearchive."""
    found = _named(call)
    target = call.param("newProject")
    if not target:
        raise HttpFailure(400, "No project was specified to move the sessions to.")
    with call.archive.reading(call.person) as elements:
        into = elements.project(target)
        if into is None or not elements.rights.can_edit(into.id):
            raise HttpFailure(403, "Unable to modify session data for destination project.")
        store = Prearchive(elements)
        for one in found:
            if one.project != into.id and store.find(into.id, one.timestamp, one.folder):
                message = f"A session {one.folder} of that time stamp waits in {into.id} already."
                raise HttpFailure(409, message)

    def work(store: Prearchive, one: Waiting) -> list[str]:
        store.move(one, into.id)
        return []

    return _queued(call, found, "QUEUED_MOVING", work)
