"""The import service: sessions arrive as archives of DICOM files, or as XNAT's own."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from werkzeug.wrappers import Response

from nipype_xnat.archive import importing
from nipype_xnat.archive.errors import ArchiveError, Conflict, Forbidden
from nipype_xnat.archive.importing import DICOM_ZIP, GRADUAL, SESSION_IMPORTER, Request
from nipype_xnat.archive.packed import Member, members
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import prearchive, staging, xar

#: what importers there are
_DICOM_TYPES = {"application/dicom", "application/x-mirc", "application/x-mirc-dicom"}
_CACHE = "/user/cache/resources/"


def service(call: Call) -> Response:
    """Answer POST on the import service."""
    if call.person.guest:
        raise HttpFailure(401)
    handler = call.param("import-handler")
    listener = call.param("http-session-listener")
    taken: list[Member] = []
    try:
        taken, handler = _take(call, handler)
        if listener is None:
            listener = call.param("http-session-listener")
        uris = _import(call, handler, taken)
    except (ArchiveError, HttpFailure) as problem:
        for _, blob in taken:
            _drop_unknown(call, blob.name)
        _progress(call, listener, "FAILED", str(problem) or "FAILED")
        if call.param("format") == "html":
            return _page(call, [], str(problem))
        raise
    done = "Archive" if any(uri.startswith("/archive") for uri in uris) else "Prearchive"
    _progress(call, listener, "COMPLETED", f"{done}:{';'.join(uris)}")
    shown = [uri if uri.startswith("/xapi/") else "/data" + uri for uri in uris]
    if call.param("format") == "html":
        return _page(call, shown, "")
    if listener is not None and call.param("src"):
        direct = call.param("prearchive_code") == "1"
        return answers.text(f"Submitted for {'archival' if direct else 'prearchival'}")
    if call.param("format") in {"txt", "text", "text/plain"}:
        return answers.text(shown[0] if len(shown) == 1 else "".join(f"{u}\r\n" for u in shown))
    return prearchive.uri_list(shown)


def _drop_unknown(call: Call, name: str) -> None:
    import sqlalchemy as sa

    from nipype_xnat.archive.storage import schema as s

    with call.archive.database.read() as connection:
        for table in (s.prearchive_file, s.file):
            if connection.execute(sa.select(table.c.pk).where(table.c.blob == name)).scalar():
                return
    call.archive.blobs.drop(name)


def _take(call: Call, handler: str | None) -> tuple[list[Member], str]:
    """Store what was sent, and say which importer it is for."""
    found: list[Member] = []
    count = 0
    if call.content_type == "multipart/form-data" and not call.inbody:
        call.read_form()
        handler = handler or call.param("import-handler")
    for source in call.params("src"):
        count += 1
        found += _from_cache(call, source)
    for part in call.uploads():
        count += 1
        if count > 1:
            continue
        if part.stream is not None:
            found += members(call.archive.blobs, part.name or "upload", part.stream)
    if count > 1:
        for _, blob in found:
            call.archive.blobs.drop(blob.name)
        raise HttpFailure(400, "Importer is limited to one uploaded resource at a time.")
    handler = handler or (GRADUAL if call.content_type in _DICOM_TYPES else DICOM_ZIP)
    if handler == "inbox":
        raise HttpFailure(
            400,
            "You must specify a valid path to a file or directory. It must be under the main "
            "inbox directory; this archive has none.",
        )
    if not found:
        raise HttpFailure(400, "Unable to identify upload format.")
    return found, handler


def _from_cache(call: Call, source: str) -> list[Member]:
    path = source.removeprefix("/data").removeprefix("/REST")
    label, _, rest = path.removeprefix(_CACHE).partition("/files/")
    if not path.startswith(_CACHE) or not label or not rest:
        raise HttpFailure(400, "src uri is invalid.")
    with call.archive.reading(call.person) as elements:
        stored = staging.find_file(elements, label, rest)
    if stored is None:
        raise HttpFailure(404, "Unknown src file.")
    with call.archive.blobs.open(stored.blob) as stream:
        return members(call.archive.blobs, stored.name, stream)


def _import(call: Call, handler: str, taken: Sequence[Member]) -> list[str]:
    if handler == "XAR":
        return xar.restore(call, taken)
    if handler not in {SESSION_IMPORTER, DICOM_ZIP, GRADUAL}:
        raise HttpFailure(404, f"Unknown importer implementation specified: {handler}")
    values = call.given()
    if values.get("prearchive_code") == "1":
        # XNAT compares so that no value of overwrite passes
        if "overwrite" in values:
            message = "Overwrite flag was not set to a valid option. ('append' or 'delete')"
            raise HttpFailure(400, message)
        values["overwrite"] = _overwriting(call, values.get("project") or "")
    try:
        return importing.run(call.archive, call.person, Request(handler, values), taken)
    except Conflict as problem:
        status = 409 if handler == SESSION_IMPORTER else 400
        raise HttpFailure(status, str(problem)) from problem
    except Forbidden as problem:
        raise HttpFailure(403, str(problem)) from problem


def _overwriting(call: Call, project: str) -> str:
    with call.archive.reading(call.person) as elements:
        found = elements.project(project)
        if found is None:
            raise HttpFailure(400, f"Unable to identify project: {project}")
        return "delete" if elements.setting(found.id, "prearchive_code", "4") == "5" else "append"


def _progress(call: Call, listener: str | None, status: str, message: str) -> None:
    if listener and call.session is not None:
        call.session.progress.setdefault(listener, []).append((status, message))


def _page(call: Call, uris: Sequence[str], problem: str) -> Response:
    if problem:
        body = (
            "ERROR: The process could not be completed due to exceptions - <br><br>"
            f"<span style='color:#DD0000'>{escape(problem)}</span>"
            "Your data may be available in the prearchive for your review."
        )
    else:
        links = "".join(f"<br><a href='{escape(uri)}'>{escape(uri)}</a>" for uri in uris)
        body = f"The following sessions have been uploaded:<br>{links}"
    return answers.plain(f"<html><head></head><body>{body}</body></html>", "text/html")


def status(call: Call) -> Response:
    """Tell how far a long operation came; forget it; or note a step of it."""
    import json

    name = call.names["transaction"]
    known = call.session.progress if call.session is not None else {}
    if call.method == "DELETE":
        known.pop(name, None)
        return answers.text()
    if call.method == "POST":
        call.read_form()
        told = dict(call.form or ())
        said = told.get("status", "")
        if said not in {"PROCESSING", "WARNING", "FAILED", "COMPLETED"}:
            raise HttpFailure(500, f"{said} is not a valid Status.")
        known.setdefault(name, []).append((said, told.get("message", "")))
        return answers.text()
    steps = known.get(name, [])
    kind = call.wants("txt", ("txt", "json", "html"))
    if kind == "json":
        shown = [
            {"status": state, "msg": text, "terminal": state in {"FAILED", "COMPLETED"}}
            for state, text in steps
        ]
        return answers.plain(json.dumps({"msgs": [shown]}), answers.TYPES["json"])
    if kind == "txt":
        return answers.text("StatusLog" + "".join(f"{state}:{text}\n" for state, text in steps))
    rows = "".join(
        f"<tr><td class='s{state}'>{state}</td><td>{escape(text)}</td></tr>"
        for state, text in steps
    )
    return answers.plain(f"<html><body><table>{rows}</table></body></html>", "text/xml")
