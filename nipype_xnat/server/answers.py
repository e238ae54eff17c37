"""The forms in which answers leave: tables, texts, error pages."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Any

from werkzeug.wrappers import Response

from nipype_xnat.archive.query.table import Table

VARY = "Accept-Charset, Accept-Encoding, Accept-Language, Accept"
TYPES = {
    "json": "application/json",
    "csv": "text/csv",
    "xml": "text/xml",
    "html": "text/html",
    "txt": "text/plain",
    "text": "text/plain",
    "zip": "application/zip",
    "tar": "application/x-tar",
    "tar.gz": "application/x-gtar",
    "tgz": "application/x-gtar",
    "xlist": "application/xList",
    "xcat": "application/xcat+xml",
    "xar": "application/xar",
    "jpeg": "image/jpeg",
}
#: the forms that a table has
TABLES = ("json", "csv", "xml", "html")
_STATUS = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    410: "Gone",
    412: "Precondition Failed",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    422: "Unprocessable Entity",
    500: "Internal Server Error",
    501: "Not Implemented",
}
_BREAKS = re.compile(r"[\r\n]+")
#: a text as JSON writes it; one encoder for all, because making one costs more than using it
_quoted = json.JSONEncoder(ensure_ascii=False).encode


def plain(content: str | bytes, content_type: str, status: int = 200) -> Response:
    """Answer with a body of an exact content type."""
    response = Response(content, status=status)
    response.headers["Content-Type"] = content_type
    return response


def text(content: str = "", status: int = 200) -> Response:
    """Answer with a short text, in the encoding that XNAT uses for texts."""
    response = plain(
        content.encode("iso-8859-1", "replace"), "text/plain; charset=ISO-8859-1", status
    )
    response.headers["Vary"] = VARY
    return response


class Rows(Response):
    """A table, written as it is sent; its length is not told, however short it is."""

    automatically_set_content_length = False

    @classmethod
    def of(cls, chunks: Iterable[bytes], content_type: str) -> Rows:
        """Answer with a table that is written already, piece by piece."""
        response = cls(chunks, direct_passthrough=True)
        response.headers["Content-Type"] = content_type
        response.headers["Vary"] = VARY
        return response


def streamed(chunks: Iterable[bytes], content_type: str, status: int = 200) -> Response:
    """Answer with a body of unknown length."""
    response = Response(chunks, status=status, direct_passthrough=True)
    response.headers["Content-Type"] = content_type
    response.headers["Vary"] = VARY
    return response


def failure(status: int, message: str = "", allow: Iterable[str] = ()) -> Response:
    """Answer with the status page that XNAT's framework shows."""
    reason = message or _STATUS.get(status, "Error")
    page = (
        "<html>\n<head>\n   <title>Status page</title>\n</head>\n"
        '<body style="font-family: sans-serif;">\n'
        f'<p style="font-size: 1.2em;font-weight: bold;margin: 1em 0px;">{escape(reason)}</p>\n'
        f"<h3>{escape(reason)}</h3>\n"
        "<p>You can get technical details "
        '<a href="http://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html">here</a>.<br>\n'
        'Please continue your visit at our <a href="/">home page</a>.\n</p>\n</body>\n</html>\n'
    )
    response = plain(page, "text/html; charset=UTF-8", status)
    if allow:
        response.headers["Allow"] = ", ".join(allow)
    return response


def container_failure(status: int, message: str = "") -> Response:
    """Answer with the page that the servlet container shows."""
    reason = _STATUS.get(status, "Error")
    page = (
        '<!doctype html><html lang="en"><head><title>HTTP Status '
        f"{status} \u2013 {reason}</title></head><body><h1>HTTP Status {status} \u2013 {reason}"
        f"</h1><p><b>Message</b> {escape(message)}</p></body></html>"
    )
    return plain(page, "text/html;charset=utf-8", status)


def cell(value: Any) -> str:
    """Write a value of a table; nothing becomes a blank."""
    if type(value) is str:
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def table(found: Table, kind: str) -> Response:
    """Answer with a table.

    Parameters
    ----------
    found : Table
        The rows.
    kind : str
        ``json``, ``csv``, ``xml`` or ``html``; anything else gives JSON.
    """
    writers = {"csv": _csv, "xml": _xml, "html": _html}
    shown = kind if kind in writers else "json"
    return Rows.of(writers.get(shown, _json)(found), TYPES[shown])


def _batches(pieces: Iterable[str]) -> Iterator[bytes]:
    held: list[str] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size > 1 << 16:
            yield "".join(held).encode()
            held, size = [], 0
    if held:
        yield "".join(held).encode()


def _json(found: Table) -> Iterator[bytes]:
    # a name that stands twice is written once, with the last of its values
    places = {name: place for place, name in enumerate(found.columns)}
    named = [(f"{_quoted(name)}: ", place) for name, place in places.items()]

    def record(row: Sequence[Any]) -> str:
        cells = [front + _quoted(write(row, place)) for front, place in named if place < len(row)]
        return "{" + ", ".join(cells) + "}"

    def write(row: Sequence[Any], place: int) -> str:
        text = cell(row[place])
        return _milliseconds(text) if text and place in found.times else text

    def pieces() -> Iterator[str]:
        yield '{"ResultSet":{'
        if found.properties:
            yield f'"Columns":{json.dumps(list(found.properties))},'
        yield '"Result":['
        for number, row in enumerate(found.rows):
            yield ("," if number else "") + record(row)
        yield "]"
        for name, value in _facts(found).items():
            # what is a document already is not put into quotes
            known = value if value.startswith("{") else json.dumps(value)
            yield f", {json.dumps(name)}: {known}"
        yield "}}"

    return _batches(pieces())


def _facts(found: Table) -> dict[str, str]:
    facts = {name: str(value) for name, value in found.extra.items()}
    if found.total is not None:
        facts["totalRecords"] = found.total
    if found.title:
        facts["title"] = found.title
    return facts


def _milliseconds(time: str) -> str:
    clock, _, fraction = time.partition(".")
    return f"{clock}.{fraction:0<3.3}"


def _csv(found: Table) -> Iterator[bytes]:
    def pieces() -> Iterator[str]:
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        for row in (found.columns, *found.rows):
            writer.writerow([_BREAKS.sub(" ", cell(value)) for value in row])
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()

    return _batches(pieces())


def _in_markup(value: Any) -> str:
    # XNAT leaves ampersands as they are: what came in a request was escaped on its way in
    return _BREAKS.sub(" ", cell(value)).replace(">", "&gt;").replace("<", "&lt;")


def _xml(found: Table) -> Iterator[bytes]:
    known = {entry["key"]: entry for entry in found.properties}

    def attributes(facts: Iterable[tuple[str, Any]]) -> str:
        return "".join(f' {name}="{escape(str(value))}"' for name, value in facts)

    def pieces() -> Iterator[str]:
        yield f"<ResultSet{attributes(_facts(found).items())}><results><columns>"
        for name in found.columns:
            facts = [(k, v) for k, v in known.get(name, {}).items() if k != "key"]
            yield f"<column{attributes(facts)}>{escape(name)}</column>"
        yield "</columns>\n<rows>"
        for row in found.rows:
            cells = "".join(f"<cell>{_in_markup(value)}</cell>" for value in row)
            yield f"<row>{cells}</row>\n"
        yield "</rows></results></ResultSet>"

    return _batches(pieces())


def _html(found: Table) -> Iterator[bytes]:
    roots = {
        entry["key"]: entry["serverRoot"] for entry in found.properties if "serverRoot" in entry
    }

    def shown(name: str, value: Any) -> str:
        text = _in_markup(value)
        return f"<a href='{roots[name]}{text}'>{text}</a>" if name in roots else text

    def pieces() -> Iterator[str]:
        yield (
            '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en"><body>'
            '<table class="x_rs_t" cellpadding="0" cellspacing="0">'
            '\n<thead class="x_rs_thead">\n<tr class="x_rs_tr_head">'
        )
        yield "".join(f"<th>{escape(name)}</th>" for name in found.columns)
        yield '</tr>\n</thead>\n<tbody id="dataRows">\n'
        for number, row in enumerate(found.rows):
            yield f'<tr class="x_rs_tr_data {"even" if number % 2 else "odd"}">\n'
            cells = (shown(name, value) for name, value in zip(found.columns, row, strict=False))
            yield "".join(f"<td>{text}</td>" for text in cells) + "</tr>"
        yield "</tbody>\n</table></body></html>"

    return _batches(pieces())
