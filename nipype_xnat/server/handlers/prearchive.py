"""The prearchive: its listings, its sessions, and what can be done with one of them."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

from werkzeug.wrappers import Response

from nipype_xnat.archive import archiving, building, importing
from nipype_xnat.archive.archiving import Wish
from nipype_xnat.archive.documents import to_xml
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.errors import ArchiveError, Conflict
from nipype_xnat.archive.importing import truth
from nipype_xnat.archive.prearchive import UNASSIGNED, Held, Prearchive, Waiting
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.values import whole
from nipype_xnat.server import answers, bundle, download, json_body
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import filetree, items, listings

COLUMNS = [
    "project",
    "timestamp",
    "lastmod",
    "uploaded",
    "scan_date",
    "scan_time",
    "subject",
    "folderName",
    "name",
    "tag",
    "status",
    "url",
    "autoarchive",
    "prevent_anon",
    "prevent_auto_commit",
    "SOURCE",
    "VISIT",
    "PROTOCOL",
    "TIMEZONE",
]
URI_LIST = "text/uri-list"


def row(waiting: Waiting) -> list[Any]:
    """Write a session as the listings do."""
    return [
        waiting.project or UNASSIGNED,
        waiting.timestamp,
        waiting.lastmod,
        waiting.uploaded,
        waiting.scan_date,
        waiting.scan_time,
        waiting.subject,
        waiting.folder,
        waiting.name,
        waiting.tag,
        waiting.status,
        waiting.url,
        waiting.autoarchive,
        waiting.prevent_anon,
        waiting.prevent_auto_commit,
        waiting.source,
        waiting.visit,
        waiting.protocol,
        waiting.timezone,
    ]


def table(call: Call, found: Iterable[Waiting]) -> Response:
    """Answer with sessions as a table."""
    return listings.finish(call, Table.of(COLUMNS, [row(waiting) for waiting in found]))


def uri_list(uris: Sequence[str], status: int = 200) -> Response:
    """Answer with addresses, one a line."""
    body = "".join(f"{uri}\r\n" for uri in uris)
    response = answers.plain(body, URI_LIST, status)
    response.headers["Vary"] = answers.VARY
    return response


def settle(call: Call) -> None:
    """Build, and archive where that is wished for, what has received nothing for a while."""
    before = time.time() - call.archive.site.receiving_timeout
    with call.archive.reading(call.person) as elements:
        late = building.idle(Prearchive(elements), before)
    for waiting in late:
        if waiting.direct:
            with call.archive.reading(call.person) as elements:
                mine = Prearchive(elements).may_edit(waiting.project)
            if mine:
                importing.commit_direct(call.archive, call.person, waiting.pk)
            continue
        with call.archive.changing(call.person) as elements:
            prearchive = Prearchive(elements)
            built = building.build(prearchive, prearchive.by_pk(waiting.pk))
            mine = prearchive.may_edit(built.project)
        automatic = built.autoarchive in {"AutoArchive", "AutoArchiveOverwrite"}
        if mine and automatic and built.status == "READY" and built.project:
            try:
                archiving.commit(call.archive, call.person, built.pk, Wish({}, merge=True))
            except ArchiveError:
                continue  # its status tells why it still waits


# ---- listings --------------------------------------------------------------------------


def listing(call: Call) -> Response:
    """List what waits, of all projects or of some; PUT looks at everything again."""
    if call.method == "PUT":
        if not call.person.admin:
            raise HttpFailure(
                403, "Only site or data administrators can request a rebuild of the prearchive."
            )
        settle(call)
        return answers.text()
    settle(call)
    admin = call.person.admin
    tag = call.param("tag")
    named = call.names.get("project")
    with call.archive.reading(call.person) as elements:
        prearchive = Prearchive(elements)
        if tag:
            if not admin:
                raise HttpFailure(
                    403,
                    "Only site or data administrators and reviewers can query by tag",
                )
            return table(call, prearchive.tagged(tag))
        if named is None:
            return table(call, prearchive.of(prearchive.editable()))
        if not admin and elements.project(named) is None:
            raise HttpFailure(
                403, f"The current user does not have access to the requested project: {named}"
            )
        projects: list[str | None] = [part.strip() for part in named.split(",")]
        if admin:
            projects.append(None)
        return table(call, prearchive.of(projects))


def recent(call: Call) -> Response:
    """List what arrived in the last days."""
    said = call.param("recent")
    if said is None:
        raise HttpFailure(400, 'Please set the "recent" parameter')
    days = 10 if said == "true" else int(said) if said.isdecimal() and len(said) < 6 else 0
    if said != "true" and not said.lstrip("-").isdecimal():
        raise HttpFailure(400, '"recent" should be a number or true')
    if days <= 0:
        raise HttpFailure(400, '"recent" should not be 0 or less that 0')
    since = (dt.datetime.now() - dt.timedelta(days=min(days, 36500))).isoformat(" ")
    with call.archive.reading(call.person) as elements:
        prearchive = Prearchive(elements)
        found = [w for w in prearchive.of(prearchive.editable()) if w.uploaded >= since]
    return table(call, sorted(found, key=lambda waiting: waiting.uploaded))


# ---- one session -----------------------------------------------------------------------


def _place(call: Call) -> tuple[str | None, str, str]:
    project: str | None = call.names["project"]
    if project is not None and project.lower() == UNASSIGNED.lower():
        project = None
    return project, call.names["timestamp"], call.names["session"]


def session(call: Call) -> Response:
    """Show a session, act on it, or remove it."""
    if call.method == "POST":
        return _act(call)
    if call.method == "DELETE":
        return _delete(call)
    project, stamp, folder = _place(call)
    with call.archive.reading(call.person) as elements:
        prearchive = Prearchive(elements)
        prearchive.enter(project)
        found = prearchive.find(project, stamp, folder)
        rest = call.rest.strip("/")
        if rest == "logs" or rest.startswith("logs/"):
            return _logs(call, found, rest[5:])
        kind = call.wants("xml", ("xml", "zip", "json", "html"))
        if kind == "json":
            return table(call, [found] if found is not None else [])
        if found is None:
            raise HttpFailure(404, f"No session {folder} waits in the project.")
        if kind == "zip":
            named = [(f"{folder}/{held.place}", held) for held in prearchive.files(found)]
            return bundle.held(call, named, kind, folder)
        if kind == "xml":
            return _document(call, elements, prearchive, found)
        if kind == "html":
            return answers.plain(_page(found), "text/html;charset=UTF-8")
    raise HttpFailure(400, f"Requested type {kind} is not supported")


def _page(found: Waiting) -> str:
    cells = zip(COLUMNS, row(found), strict=True)
    lines = "".join(f"<tr><th>{n}</th><td>{escape(answers.cell(v))}</td></tr>" for n, v in cells)
    title = escape(found.name)
    return (
        f"<html lang='en'><head><title>{title}</title></head><body><table>{lines}</table></body>"
        "</html>\n"
    )


def _document(call: Call, elements: Elements, prearchive: Prearchive, found: Waiting) -> Response:
    if found.built is None:
        raise HttpFailure(
            404,
            "The named session exists, but its XNAT session document is not available. The "
            "session is likely invalid or incomplete.",
        )
    node = building.document(elements, found, prearchive.files(found))
    body = to_xml(node, elements.dictionary, items.base_url(call), False)
    return answers.streamed([body.encode()], "text/xml")


def _logs(call: Call, found: Waiting | None, number: str) -> Response:
    log = found.log if found is not None else []
    if number:
        at = len(log) - 1 if number == "last" else whole(number) if number.isdecimal() else -1
        return answers.text(log[at][1] if 0 <= at < len(log) else "")
    if call.param("template") in {None, "details"}:
        rows = [[n, date, entry] for n, (date, entry) in enumerate(log)]
        return listings.finish(call, Table.of(["id", "date", "entry"], rows))
    return listings.finish(call, Table.of(["id"], [[n] for n in range(len(log))]))


def _delete(call: Call) -> Response:
    if call.rest.strip("/"):
        raise HttpFailure(400)
    project, stamp, folder = _place(call)
    with call.archive.changing(call.person) as elements:
        prearchive = Prearchive(elements)
        prearchive.enter(project)
        blobs = prearchive.delete(prearchive.require(project, stamp, folder))
    for name in blobs:
        call.archive.blobs.drop(name)
    return answers.text()


def _said(call: Call) -> dict[str, str]:
    call.read_form()
    said = call.given()
    if call.content_type == "application/json":
        try:
            found = json_body.decoded(call.body() or b"{}")
        except ValueError as error:
            raise HttpFailure(400, "The body is no JSON.") from error
        if isinstance(found, dict):
            said.update({str(name): str(value) for name, value in found.items()})
    return said


def _act(call: Call) -> Response:
    said = _said(call)
    action = said.get("action")
    actions: dict[str, Callable[[Call, dict[str, str]], Response]] = {
        "build": _build,
        "reset-status": _reset,
        "move": _move,
        "commit": _commit,
        "set-status": _set_status,
    }
    project, _, _ = _place(call)
    with call.archive.reading(call.person) as elements:
        Prearchive(elements).enter(project, unassigned=True)
    if action is None:
        raise HttpFailure(
            400,
            f"No action parameter was specified for the request by user {call.person.login}",
        )
    if action not in actions:
        raise HttpFailure(
            400,
            f"User {call.person.login} requested an unsupported action on prearchive session: "
            f"{action}",
        )
    return actions[action](call, said)


def _rebuilt(call: Call, said: dict[str, str]) -> Waiting:
    with call.archive.changing(call.person) as elements:
        prearchive = Prearchive(elements)
        found = prearchive.require(*_place(call))
        if found.locked:
            raise Conflict("session document locked")
        for name, column in (
            ("VISIT", "visit"),
            ("PROTOCOL", "protocol"),
            ("TIMEZONE", "timezone"),
            ("SOURCE", "source"),
        ):
            if said.get(name):
                found = prearchive.update(found, **{column: said[name]})
        if found.autoarchive is None and found.project is not None:
            found = prearchive.update(found, autoarchive=prearchive.autoarchive(found.project))
        return building.build(prearchive, found)


def _build(call: Call, said: dict[str, str]) -> Response:
    return uri_list(["/data" + _rebuilt(call, said).url])


def _reset(call: Call, said: dict[str, str]) -> Response:
    return uri_list(["/data" + _rebuilt(call, said).url])


def _move(call: Call, said: dict[str, str]) -> Response:
    target = said.get("newProject")
    with call.archive.changing(call.person) as elements:
        prearchive = Prearchive(elements)
        into = elements.project(target) if target else None
        if into is None or not elements.rights.can_edit(into.id):
            raise HttpFailure(403, "Unable to modify session data for destination project.")
        found = prearchive.require(*_place(call))
        if found.locked:
            raise Conflict("session document locked")
        uri = "/data" + prearchive.move(found, into.id).url
    response = answers.plain(uri, URI_LIST, 301)
    response.headers["Location"] = items.base_url(call) + uri
    return response


def automatic(waiting: Waiting, said: dict[str, str]) -> bool:
    """Tell whether a session is archived without being asked for."""
    if waiting.project is None:
        return False
    if waiting.autoarchive in {"AutoArchive", "AutoArchiveOverwrite"}:
        return True
    wanted = next((said[name] for name in said if "AA" in name or "auto-archive" in name), None)
    return truth(wanted) is True


def _commit(call: Call, said: dict[str, str]) -> Response:
    found = _rebuilt(call, said)
    if not automatic(found, said):
        return uri_list(["/data" + found.url])
    values = {name: text for name, text in said.items() if name not in {"action", "AA"}}
    replace = truth(said.get("overwrite_files")) is True
    try:
        uri = archiving.commit(
            call.archive, call.person, found.pk, Wish(values, merge=True, replace=replace)
        )
    except Conflict as problem:
        raise HttpFailure(500, f"FAILED: {problem}") from problem
    uri = "/data" + uri
    response = answers.plain(uri, "text/plain; charset=ISO-8859-1", 301)
    response.headers["Location"] = items.base_url(call) + uri
    return response


def _set_status(call: Call, said: dict[str, str]) -> Response:
    with call.archive.changing(call.person) as elements:
        prearchive = Prearchive(elements)
        try:
            prearchive.set_status(prearchive.require(*_place(call)), said.get("status") or "")
        except ArchiveError as problem:
            raise HttpFailure(400, str(problem)) from problem
    return answers.text()


# ---- below a session -------------------------------------------------------------------


def _built(call: Call, prearchive: Prearchive) -> Waiting:
    project, stamp, folder = _place(call)
    prearchive.enter(project)
    found = prearchive.find(project, stamp, folder)
    if found is None or found.built is None:
        raise HttpFailure(404, "Unable to locate prearc resource.")
    return found


def scans(call: Call) -> Response:
    """List the scans of a session."""
    with call.archive.reading(call.person) as elements:
        found = _built(call, Prearchive(elements))
        rows = [
            [scan["id"], scan["type"], scan["fields"].get("series_description")]
            for scan in (found.built or {})["scans"]
        ]
    return listings.finish(call, Table.of(["ID", "xsiType", "series_description"], rows))


def scan(call: Call) -> Response:
    """Send a scan as one archive, or remove it."""
    name = call.names["scan"]
    if call.method == "DELETE":
        with call.archive.changing(call.person) as elements:
            prearchive = Prearchive(elements)
            found = _built(call, prearchive)
            if building.scan_of(found, name) is None:
                raise HttpFailure(404, f"Unknown scan {name}")
            blobs = building.remove_scan(prearchive, found, name)
        for blob in blobs:
            call.archive.blobs.drop(blob)
        return answers.text()
    return _zipped(call, scan=name)


def _zipped(call: Call, scan: str = "", label: str | None = None) -> Response:
    kind = call.wants("json", ("json", "html", "xml", "zip"))
    if kind != "zip":
        raise HttpFailure(400, f"Requested type {kind} is not supported")
    with call.archive.reading(call.person) as elements:
        prearchive = Prearchive(elements)
        held = prearchive.files(_built(call, prearchive), scan, label)
        front = "SCANS/" if scan else "RESOURCES/"
        named = [(one.place.removeprefix(front), one) for one in held]
        return bundle.held(call, named, kind, scan or label or "files")


def scan_resources(call: Call) -> Response:
    """List the resources of a scan."""
    with call.archive.reading(call.person) as elements:
        prearchive = Prearchive(elements)
        found = _built(call, prearchive)
        name = call.names["scan"]
        if building.scan_of(found, name) is None:
            raise HttpFailure(404)
        groups = building.grouped(prearchive.files(found, name))
        rows = [[label, *_count(held)] for (_, label), held in groups.items()]
    return listings.finish(call, Table.of(["label", "file_count", "file_size"], rows))


def _count(held: Sequence[Held]) -> tuple[int, int]:
    return len(held), sum(one.size for one in held)


def resources(call: Call) -> Response:
    """List all resources of a session."""
    with call.archive.reading(call.person) as elements:
        prearchive = Prearchive(elements)
        groups = building.grouped(prearchive.files(_built(call, prearchive)))
        rows = [
            ["scans" if name else "resources", name or None, label, *_count(held)]
            for (name, label), held in groups.items()
        ]
    columns = ["category", "cat_id", "label", "file_count", "file_size"]
    return listings.finish(call, Table.of(columns, rows))


def resource(call: Call) -> Response:
    """Send a resource of the session as one archive, or remove it."""
    label = call.names["resource"]
    if call.method != "DELETE":
        return _zipped(call, label=label)
    with call.archive.changing(call.person) as elements:
        prearchive = Prearchive(elements)
        found = _built(call, prearchive)
        held = prearchive.files(found, "", label)
        if not held:
            raise HttpFailure(404, f"Unknown resource {label}")
        for one in held:
            prearchive.remove(one)
        prearchive.note(found, f"Deleted resource {label}")
    for one in held:
        call.archive.blobs.drop(one.blob)
    return answers.text()


def scan_files(call: Call) -> Response:
    """List the files of a scan's resource, or give one."""
    return _files(call, call.names["scan"])


def resource_files(call: Call) -> Response:
    """List, give, take or remove the files of a resource of the session."""
    if call.method == "PUT":
        return _put_files(call)
    if call.method == "DELETE":
        return _delete_file(call)
    return _files(call, "")


def _files(call: Call, scan: str) -> Response:
    path = filetree.file_path(call)
    with call.archive.reading(call.person) as elements:
        prearchive = Prearchive(elements)
        found = _built(call, prearchive)
        held = prearchive.files(found, scan, call.names["resource"])
        if not held:
            raise HttpFailure(404)
        if path:
            wanted = next((one for one in held if one.path == path), None)
            if wanted is None:
                raise HttpFailure(404, "Unable to find file.")
            return download.file(call, bundle.stored(wanted))
        base = call.path.rstrip("/")
        rows = [[one.path.rsplit("/", 1)[-1], one.size, f"{base}/{one.path}"] for one in held]
    return listings.finish(call, Table.of(["Name", "Size", "URI"], rows))


def _put_files(call: Call) -> Response:
    from nipype_xnat.archive import files

    path = filetree.file_path(call)
    blobs = call.archive.blobs
    with call.archive.reading(call.person) as elements:
        _built(call, Prearchive(elements))
    arrived = []
    try:
        for part in call.uploads():
            target = files.clean_path(path or part.name)
            if part.stream is not None and target:
                arrived.append((target, blobs.add(part.stream)))
        if not arrived:
            raise HttpFailure(400, "There was no file in the request.")
        with call.archive.changing(call.person) as elements:
            prearchive = Prearchive(elements)
            found = _built(call, prearchive)
            obsolete = prearchive.put(found, call.names["resource"], arrived)
            prearchive.note(found, f"Added resource {call.names['resource']}")
    except BaseException:
        for _, blob in arrived:
            blobs.drop(blob.name)
        raise
    for name in obsolete:
        blobs.drop(name)
    return answers.text()


def _delete_file(call: Call) -> Response:
    path = filetree.file_path(call)
    if not path:
        raise HttpFailure(400, "No filepath provided for DELETE")
    with call.archive.changing(call.person) as elements:
        prearchive = Prearchive(elements)
        found = _built(call, prearchive)
        held = prearchive.files(found, "", call.names["resource"])
        if not held:
            raise HttpFailure(404, f"Unknown resource {call.names['resource']}")
        wanted = next((one for one in held if one.path == path), None)
        if wanted is None:
            raise HttpFailure(404, f"No entry for file {path}")
        prearchive.remove(wanted)
        prearchive.note(found, f"Deleted file {path}")
    call.archive.blobs.drop(wanted.blob)
    return answers.text()
