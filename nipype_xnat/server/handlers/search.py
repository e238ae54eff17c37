"""The search engine's resources: searches, saved ones, and kept results."""

from __future__ import annotations

import secrets
import xml.etree.ElementTree as ET
from typing import Any
from xml.sax.saxutils import quoteattr

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from werkzeug.wrappers import Response

from nipype_xnat.archive.documents import parse
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.query import criteria
from nipype_xnat.archive.query.search import Engine
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import listings

_XDAT = "http://nrg.wustl.edu/security"
_COLUMNS = [
    "id",
    "description",
    "layeredsequence",
    "allow_diff_columns",
    "secure",
    "brief_description",
    "tag",
    "root_element_name",
    "sort_by_element_name",
    "sort_by_field_id",
    "users",
]


def _document(call: Call) -> bytes:
    if call.content_type == "multipart/form-data":
        call.read_form()
        part = next(iter(call.files), None)
        return part.stream.read() if part is not None and part.stream is not None else b""
    return call.body()


def run(elements: Elements, data: bytes | str, limit: int | None = None) -> Table:
    """Run the search that a document describes."""
    raw = data.encode() if isinstance(data, str) else data
    document = criteria.read(parse(raw))
    return Engine(elements.connection, elements.dictionary, elements.rights).run(document, limit)


def _limit(call: Call) -> int | None:
    text = call.param("limit")
    if text is None or text == "*":
        return None
    if not text.isdecimal():
        raise HttpFailure(400, f"'{text}' is not a number")
    return int(text)


def finish(call: Call, table: Table) -> Response:
    """Answer with a table; JSON whatever Accept says."""
    names = call.param("sortBy")
    if names:
        table.sorted(names, (call.param("sortOrder") or "").upper() == "DESC")
    kind = (call.param("format") or "json").lower()
    if kind not in {"json", "csv", "xml", "html"}:
        kind = "json"
    return answers.table(table, kind)


def search(call: Call) -> Response:
    """Run the search that was sent."""
    data = _document(call)
    kept = call.flag("cache") and call.session is not None
    with call.archive.reading(call.person) as elements:
        # a kept answer is whole; a limit is about what is answered now
        table = run(elements, data, None if kept else _limit(call))
    if kept:
        assert call.session is not None
        name = f"xs_{call.person.login}_{secrets.token_hex(6)}"
        keyed = Table(
            [*table.columns, "key"],
            [[*row, number] for number, row in enumerate(table.rows, 1)],
            total=table.total,
            properties=table.properties,
            extra={**table.extra, "ID": name},
        )
        call.session.tables[name] = keyed
        table = Table(
            keyed.columns,
            keyed.rows[: _limit(call)],
            total=keyed.total,
            properties=keyed.properties,
            extra=keyed.extra,
        )
    return finish(call, table)


def cached(call: Call) -> Response:
    """Show a kept result, or the distinct values of one of its columns."""
    kept = call.session.tables.get(call.names["name"]) if call.session is not None else None
    if not isinstance(kept, Table):
        raise HttpFailure(410, "The search result is gone.")
    if call.rest:
        if call.rest not in kept.columns:
            raise HttpFailure(404)
        at = kept.columns.index(call.rest)
        counts: dict[Any, int] = {}
        for row in kept.rows:
            counts[row[at]] = counts.get(row[at], 0) + 1
        rows = [[value, number] for value, number in counts.items()]
        return listings.finish(call, Table.of(["VALUES", "COUNT"], rows))
    table = Table(kept.columns, list(kept.rows), total=kept.total, properties=kept.properties)
    table.extra = dict(kept.extra)
    names = call.param("sortBy")
    if names:
        table.sorted(names, (call.param("sortOrder") or "").upper() == "DESC")
    start = call.param("offset") or "0"
    limit = _limit(call)
    if not start.isdecimal():
        raise HttpFailure(400)
    stop = None if limit is None else int(start) + limit
    table.rows = table.rows[int(start) : stop]
    return answers.table(table, (call.param("format") or "json").lower())


# ---- saved searches --------------------------------------------------------------------


def _users(connection: Connection, key: str) -> list[str]:
    return list(
        connection.execute(
            sa.select(s.search_user.c.login).where(s.search_user.c.search_id == key)
        ).scalars()
    )


def saved_list(call: Call) -> Response:
    """List the saved searches that the caller may use."""
    tag = call.param("includeTag")
    with call.archive.reading(call.person) as elements:
        if tag not in {None, "true"} and elements.project(str(tag)) is None:
            raise HttpFailure(400, f"Unknown tag: {tag}")
        who = call.param("user") if call.person.admin else None
        login = who or call.person.login
        everybody = call.flag("all") and call.person.admin
        found = elements.connection.execute(
            sa.select(s.search).where(s.search.c.scope == "").order_by(s.search.c.id)
        ).mappings()
        rows = []
        for row in found:
            users = _users(elements.connection, row["id"])
            if not everybody:
                if row["secure"] and login not in users:
                    continue
                # without a word about tags only untagged searches are listed
                matches = bool(row["tag"]) if tag == "true" else row["tag"] == tag
                if not matches:
                    continue
            rows.append(
                [
                    row["id"],
                    row["description"],
                    None,
                    "0",
                    "1" if row["secure"] else "0",
                    row["brief"],
                    row["tag"],
                    row["root"],
                    None,
                    None,
                    "{" + ",".join(users) + "}",
                ]
            )
    return listings.finish(call, Table.of(_COLUMNS, rows, title="Stored Searches"))


def _generated(elements: Elements, name: str, project: str | None) -> str:
    datatype = elements.dictionary.get(name)
    if datatype is None:
        raise HttpFailure(404, f"Unknown data type: {name}")
    engine = Engine(elements.connection, elements.dictionary, elements.rights)
    front = f"{project}_" if project else "@"
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<xdat:bundle ID={quoteattr(front + datatype.name)} allow-diff-columns="0" secure="0" '
        f"brief-description={quoteattr(datatype.plural)} "
        + (f"tag={quoteattr(project)} " if project else "")
        + f'xmlns:xdat="{_XDAT}">',
        f"<xdat:root_element_name>{datatype.name}</xdat:root_element_name>",
    ]
    for number, field in enumerate(engine.default(datatype.name)):
        lines.append(
            f"<xdat:search_field><xdat:element_name>{field.element}</xdat:element_name>"
            f"<xdat:field_ID>{field.field}</xdat:field_ID>"
            f"<xdat:sequence>{number}</xdat:sequence><xdat:type>string</xdat:type>"
            f"<xdat:header>{field.field}</xdat:header></xdat:search_field>"
        )
    if project:
        lines.append('<xdat:search_where method="AND"><xdat:child_set method="OR">')
        for path in ("sharing/share/project", "PROJECT"):
            lines.append(
                '<xdat:criteria override_value_formatting="0">'
                f"<xdat:schema_field>{datatype.name}/{path}</xdat:schema_field>"
                "<xdat:comparison_type>=</xdat:comparison_type>"
                f"<xdat:value>{project}</xdat:value></xdat:criteria>"
            )
        lines.append("</xdat:child_set></xdat:search_where>")
    lines.append("</xdat:bundle>")
    return "\n".join(lines) + "\n"


def _find(elements: Elements, call: Call, scope: str, key: str) -> Any:
    row = (
        elements.connection.execute(
            sa.select(s.search).where(s.search.c.id == key, s.search.c.scope == scope)
        )
        .mappings()
        .first()
    )
    if row is None:
        raise HttpFailure(404, f"Unable to identify search: {key}")
    users = _users(elements.connection, key)
    if not scope and row["secure"] and call.person.login not in users:
        raise HttpFailure(403)
    return row


def _text(elements: Elements, call: Call, scope: str, key: str) -> str:
    if key.startswith("@"):
        return _generated(elements, key[1:], scope or None)
    found: str = _find(elements, call, scope, key)["document"]
    return found


def _scope(call: Call, elements: Elements) -> str:
    if "project" not in call.names:
        return ""
    key = call.names["project"]
    return elements.require(elements.project(key), f"project: {key}").id


def saved(call: Call) -> Response:
    """Show, run, store or remove a saved search."""
    key = call.names["search"]
    if call.method == "PUT":
        return _store(call, key)
    if call.method == "DELETE":
        return _forget(call, key)
    with call.archive.reading(call.person) as elements:
        text = _text(elements, call, _scope(call, elements), key)
        if call.rest.strip("/") == "results":
            return finish(call, run(elements, text, _limit(call)))
        if (call.param("format") or "xml").lower() not in {"xml", "text/xml"}:
            return finish(call, run(elements, text, _limit(call)))
    return answers.streamed([text.encode()], "text/xml")


def _store(call: Call, key: str) -> Response:
    data = _document(call)
    root = parse(data)
    document = criteria.read(root)
    if not document.root:
        raise HttpFailure(422, "The search names no root element.")
    with call.archive.changing(call.person) as elements:
        scope = _scope(call, elements)
        if call.person.guest or (scope and not elements.rights.can_edit(scope)):
            raise HttpFailure(403)
        if call.flag("saveAs"):
            key = f"xs{secrets.token_hex(8)}"
        connection = elements.connection
        present = connection.execute(sa.select(s.search.c.id).where(s.search.c.id == key)).scalar()
        if present is not None:
            if not scope and call.person.login not in _users(connection, key):
                raise HttpFailure(403)
            connection.execute(s.search.delete().where(s.search.c.id == key))
        root.set("ID", key)
        ET.register_namespace("xdat", _XDAT)
        connection.execute(
            s.search.insert().values(
                id=key,
                scope=scope,
                root=document.root,
                secure=document.secure.lower() not in {"0", "false"},
                brief=document.brief,
                description=document.description,
                tag=document.tag or None,
                document=ET.tostring(root, encoding="unicode"),
            )
        )
        for login in dict.fromkeys((call.person.login, *document.users)):
            connection.execute(s.search_user.insert().values(search_id=key, login=login))
    return answers.text()


def _forget(call: Call, key: str) -> Response:
    with call.archive.changing(call.person) as elements:
        scope = _scope(call, elements)
        connection = elements.connection
        known = connection.execute(
            sa.select(s.search.c.id).where(s.search.c.id == key, s.search.c.scope == scope)
        ).scalar()
        if known is None:
            return answers.text()
        if scope and not elements.rights.can_edit(scope):
            raise HttpFailure(403)
        users = _users(connection, key)
        mine = call.person.login in users
        if not scope and not mine and not call.person.admin:
            raise HttpFailure(403)
        if not scope and mine and len(users) > 1:
            connection.execute(
                s.search_user.delete().where(
                    s.search_user.c.search_id == key,
                    s.search_user.c.login == call.person.login,
                )
            )
        else:
            connection.execute(s.search.delete().where(s.search.c.id == key))
    return answers.text()
