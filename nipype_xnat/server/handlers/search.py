"""The search engine's resources."""

from __future__ import annotations

from werkzeug.wrappers import Response

from nipype_xnat.archive.documents import parse
from nipype_xnat.archive.query import criteria
from nipype_xnat.archive.query.search import Engine
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import listings


def search(call: Call) -> Response:
    """Run the search that was sent."""
    if call.content_type == "multipart/form-data":
        call.read_form()
        part = next(iter(call.files), None)
        data = part.stream.read() if part is not None and part.stream is not None else b""
    else:
        data = call.body()
    document = criteria.read(parse(data))
    limit = call.param("limit")
    with call.archive.reading(call.person) as elements:
        engine = Engine(elements.connection, elements.dictionary, elements.rights)
        if limit is not None and not limit.isdigit():
            raise HttpFailure(400, f"'{limit}' is not a number")
        table = engine.run(document, int(limit) if limit else None)
    call_kind = (call.param("format") or "json").lower()
    _ = call_kind
    return listings.finish(call, table)
