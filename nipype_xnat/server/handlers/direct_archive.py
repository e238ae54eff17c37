"""Sessions that are received into the archive itself, without waiting in the prearchive."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

from werkzeug.wrappers import Response

from nipype_xnat.archive import importing
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.prearchive import Prearchive, Waiting
from nipype_xnat.archive.values import whole
from nipype_xnat.server import answers, json_body
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import prearchive as waiting_sessions

_JSON = "application/json"


def sessions(call: Call) -> Response:
    """List them; show or archive one by project, study and name; delete one by its number."""
    if call.person.guest:
        raise HttpFailure(401)
    parts = [part for part in call.rest.split("/") if part]
    if len(parts) == 3 and call.method in {"GET", "HEAD"}:
        return _one(call, parts)
    if len(parts) == 3 and call.method == "POST":
        return _trigger(call, parts)
    if len(parts) == 1 and call.method == "DELETE":
        return _delete(call, parts[0])
    if not parts and call.method == "POST":
        return _list(call)
    raise HttpFailure(405 if len(parts) in {0, 1, 3} else 404)


def _one(call: Call, parts: list[str]) -> Response:
    with call.archive.reading(call.person) as elements:
        if elements.project(parts[0]) is None:
            raise HttpFailure(404 if call.person.admin else 403)
        return _json(_described(_find(elements, parts)))


def _trigger(call: Call, parts: list[str]) -> Response:
    with call.archive.reading(call.person) as elements:
        if not elements.rights.can_edit(parts[0]):
            raise HttpFailure(403, f"User cannot trigger archive for project {parts[0]}")
        found = _find(elements, parts)
    importing.commit_direct(call.archive, call.person, found.pk)
    return answers.plain("", _JSON)


def _delete(call: Call, number: str) -> Response:
    if not (number.isascii() and number.isdecimal()):
        raise HttpFailure(400)
    with call.archive.changing(call.person) as elements:
        prearchive = Prearchive(elements)
        found = next((one for one in prearchive.direct() if one.pk == whole(number)), None)
        if found is None:
            raise HttpFailure(404)
        if not elements.rights.can_delete(found.project):
            raise HttpFailure(403, found.project or "")
        blobs = prearchive.delete(found)
    for name in blobs:
        call.archive.blobs.drop(name)
    return answers.plain("", _JSON)


def _list(call: Call) -> Response:
    if call.content_type != _JSON:
        raise HttpFailure(415)
    try:
        asked = json_body.decoded(call.body())
        wanted = asked.get("filtersMap", {}).get("project", {})
        named = wanted.get("values") or ([wanted["value"]] if "value" in wanted else None)
        size, page = int(asked.get("size") or 50), int(asked.get("page") or 1)
    except (ValueError, TypeError, AttributeError) as error:
        raise HttpFailure(400, "The body is no request for sessions.") from error
    if not (named is None or isinstance(named, list)):
        raise HttpFailure(400, "The body does not list projects.")
    waiting_sessions.settle(call)
    with call.archive.reading(call.person) as elements:
        found = [
            one
            for one in Prearchive(elements).direct()
            if (named is None or one.project in named) and elements.project(one.project or "")
        ]
    first = max(page - 1, 0) * max(size, 0)
    return _json([_described(one) for one in found[first : first + max(size, 0)]])


def _find(elements: Elements, parts: list[str]) -> Waiting:
    project, tag, name = parts
    for one in Prearchive(elements).direct(project):
        if one.tag == tag and one.name == name:
            return one
    raise HttpFailure(404, "No matching direct archive session")


def _json(found: Any) -> Response:
    return answers.plain(json.dumps(found), _JSON)


def _moment(text: str | None) -> int | None:
    if not text:
        return None
    moment = dt.datetime.fromisoformat(text[:19]).replace(tzinfo=dt.timezone.utc)
    return int(moment.timestamp() * 1000)


def _described(found: Waiting) -> dict[str, Any]:
    place = {"folderName": found.folder, "timestamp": found.timestamp, "project": found.project}
    return {
        "id": found.pk,
        **place,
        "name": found.name,
        "subject": found.subject,
        "tag": found.tag,
        "status": found.status,
        "message": found.log[-1][1] if found.log else None,
        "uploadDate": _moment(found.uploaded),
        "lastBuiltDate": _moment(found.lastmod),
        "scan_date": _moment(found.scan_date),
        "scan_time": found.scan_time,
        "url": f"{found.project}/arc001/{found.folder}",
        "externalUrl": f"/prearchive/projects/{found.project}/{found.timestamp}/{found.folder}",
        "source": found.source,
        "visit": found.visit,
        "protocol": found.protocol,
        "timeZone": found.timezone,
        "autoArchive": None,
        "preventAnon": found.prevent_anon,
        "preventAutoCommit": False,
        "sessionDataTriple": place,
    }
