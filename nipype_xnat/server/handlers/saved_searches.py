"""Saved searches: of the site, of projects, and those that the server makes up."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from werkzeug.wrappers import Response

from nipype_xnat.archive.documents import parse
from nipype_xnat.archive.elements import Elements
from nipype_xnat.archive.query import criteria, templates
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import listings
from nipype_xnat.server.handlers import search as engine

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


def _users(connection: Connection, key: str) -> list[str]:
    return list(
        connection.execute(
            sa.select(s.search_user.c.login).where(s.search_user.c.search_id == key)
        ).scalars()
    )


def _in_group(elements: Elements, groups: list[str]) -> bool:
    """Tell whether the caller is in one of the groups, such as ``P_owner``."""
    held = {f"{project}_{role}" for project, role in elements.rights.roles.items()}
    return bool(held & set(groups))


def _document(row: Any) -> criteria.SearchDocument:
    return criteria.read(parse(str(row["document"]).encode()))


def listed(call: Call) -> Response:
    """List the saved searches that the caller may use."""
    tag = call.param("includeTag")
    with call.archive.reading(call.person) as elements:
        if tag not in {None, "true"} and elements.project(str(tag)) is None:
            raise HttpFailure(400, f"Unknown tag: {tag}")
        who = call.param("user") if call.person.admin else None
        login = who or call.person.login
        everybody = (call.param("all") or "").lower() == "true" and call.person.admin
        query = sa.select(s.search)
        if not everybody:
            # without a word about tags only untagged searches are listed
            wanted = s.search.c.tag.is_not(None) if tag == "true" else s.search.c.tag == tag
            query = query.where(s.search.c.tag.is_(None) if tag is None else wanted)
        rows = []
        for row in elements.connection.execute(query.order_by(s.search.c.id)).mappings():
            users = _users(elements.connection, row["id"])
            document = _document(row)
            usable = not row["secure"] or login in users
            if not (everybody or usable or _in_group(elements, document.groups)):
                continue
            sort = document.sort_by or (None, None)
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
                    *sort,
                    "{" + (",".join(users) or "NULL") + "}",
                ]
            )
    return listings.finish(call, Table(_COLUMNS, rows, title="Stored Searches"))


def _find(elements: Elements, call: Call, key: str) -> Any:
    row = (
        elements.connection.execute(sa.select(s.search).where(s.search.c.id == key))
        .mappings()
        .first()
    )
    if row is None:
        raise HttpFailure(404, f"Unable to identify search: {key}")
    if row["secure"] and call.person.login not in _users(elements.connection, key):
        member = row["scope"] and elements.rights.can_read([row["scope"]])
        if not (member or _in_group(elements, _document(row).groups)):
            raise HttpFailure(403)
    return row


def _text(elements: Elements, call: Call, scope: str, key: str) -> str:
    if not key.startswith("@"):
        return str(_find(elements, call, key)["document"])
    datatype = elements.dictionary.get(key[1:])
    if datatype is None:
        raise HttpFailure(404, f"Unknown data type: {key[1:]}")
    return templates.document(elements.connection, elements.dictionary, datatype, scope or None)


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
        scope = _scope(call, elements)
        text = _text(elements, call, scope, key)
        if call.rest.strip("/").startswith("results") and not scope:
            return _results(call, elements, text)
    if (call.param("format") or "xml").lower() not in {"xml", "text/xml"}:
        raise HttpFailure(404)
    return answers.streamed([text.encode()], "text/xml")


def _results(call: Call, elements: Elements, text: str) -> Response:
    found = criteria.read(parse(text.encode()))
    kept = engine.kept_answer(call, found)
    if kept is not None:
        table = engine.seen_again(elements, found, kept, list(kept.table.rows))
    else:
        table = engine.run(call, elements, found)
    table.extra = {}
    table.total = str(len(table.rows))
    kind = (call.param("format") or "xml").lower()
    if kind not in answers.TABLES:
        kind = "html"
    response = listings.sorted_answer(call, table, kind)
    name = call.rest.strip("/")
    if kind == "csv" and not name.endswith(".csv"):
        response.headers["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response


def _clash(connection: Connection, document: criteria.SearchDocument) -> str | None:
    """Find the search of the same project that has the same name."""
    if not document.tag:
        return None
    c = s.search.c
    found: str | None = connection.execute(
        sa.select(c.id).where(c.tag == document.tag, c.brief == document.brief)
    ).scalar()
    return found


def _store(call: Call, key: str) -> Response:
    root = parse(engine.document(call))
    document = criteria.read(root)
    if not document.root:
        raise HttpFailure(422, "The search names no root element.")
    copying = call.flag("saveAs")
    with call.archive.changing(call.person) as elements:
        scope = _scope(call, elements)
        connection = elements.connection
        if call.person.guest or (scope and not elements.rights.can_edit(scope)):
            raise HttpFailure(403)
        known = _known(connection, key)
        if copying:
            document.users, document.groups = [], []
            while document.id == key and known:
                key += "_1"
                known = _known(connection, key)
        if not known and not scope:
            same = _clash(connection, document)
            key, known = (same, True) if same else (key, False)
        _allow(call, elements, key, scope, known, document)
        connection.execute(s.search.delete().where(s.search.c.id == key))
        users = list(dict.fromkeys((*document.users, call.person.login)))
        if _in_group(elements, document.groups) and call.person.login not in document.users:
            users = list(dict.fromkeys(document.users))
        _rewrite(root, key, users, copying)
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
        for login in users:
            connection.execute(s.search_user.insert().values(search_id=key, login=login))
    return answers.text()


def _known(connection: Connection, key: str) -> bool:
    found = connection.execute(sa.select(s.search.c.id).where(s.search.c.id == key)).scalar()
    return found is not None


def _allow(
    call: Call,
    elements: Elements,
    key: str,
    scope: str,
    known: bool,
    document: criteria.SearchDocument,
) -> None:
    """Refuse to replace a search that is not the caller's."""
    if not known or scope:
        return
    editor = bool(document.tag) and elements.rights.can_edit(document.tag)
    mine = call.person.login in _users(elements.connection, key)
    if not (mine or editor or _in_group(elements, document.groups) or call.person.admin):
        raise HttpFailure(403)
    # a document that bears the id of what it replaces must name its users itself
    named = call.person.login in document.users or _in_group(elements, document.groups)
    if document.id == key and not named and not editor:
        raise HttpFailure(403)


def _rewrite(root: ET.Element, key: str, users: list[str], copying: bool) -> None:
    """Put the id and the users into the document that is kept."""
    ET.register_namespace("xdat", _XDAT)
    root.set("ID", key)
    for child in list(root):
        name = str(child.tag).rpartition("}")[2]
        if name == "allowed_user" or (copying and name == "allowed_groups"):
            root.remove(child)
    groups = [child for child in root if str(child.tag).endswith("}allowed_groups")]
    at = list(root).index(groups[0]) if groups else len(root)
    for number, login in enumerate(users):
        entry = ET.Element(f"{{{_XDAT}}}allowed_user")
        ET.SubElement(entry, f"{{{_XDAT}}}login").text = login
        root.insert(at + number, entry)


def _forget(call: Call, key: str) -> Response:
    with call.archive.changing(call.person) as elements:
        scope = _scope(call, elements)
        connection = elements.connection
        if not _known(connection, key):
            return answers.text()
        if scope and not elements.rights.can_edit(scope):
            raise HttpFailure(403)
        users = _users(connection, key)
        row = connection.execute(sa.select(s.search).where(s.search.c.id == key)).mappings().one()
        document = _document(row)
        mine = call.person.login in users
        member = _in_group(elements, document.groups)
        if not (scope or mine or member or call.person.admin):
            raise HttpFailure(403)
        if mine and (len(users) > 1 or document.groups):
            connection.execute(
                s.search_user.delete().where(
                    s.search_user.c.search_id == key,
                    s.search_user.c.login == call.person.login,
                )
            )
        else:
            connection.execute(s.search.delete().where(s.search.c.id == key))
    return answers.text()
