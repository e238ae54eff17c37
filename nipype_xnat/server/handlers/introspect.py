"""What the archive tells about its types, its settings and its plugins."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive import schemas
from nipype_xnat.archive.datatypes import DataType
from nipype_xnat.archive.query import display
from nipype_xnat.archive.query.table import Table
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers import listings
from nipype_xnat.server.handlers.account import xapi_json

STARTED = time.time()


def search_elements(call: Call) -> Response:
    """List the types that can be searched."""
    with call.archive.reading(call.person) as elements:
        c = s.element.c
        counted = sa.select(c.xsi_type, sa.func.count()).group_by(c.xsi_type)
        counts = {row[0]: row[1] for row in elements.connection.execute(counted)}
        rows = []
        for datatype in elements.dictionary:
            if not datatype.stands_alone:
                continue
            number = counts.get(datatype.name, 0)
            if call.param("used") is not None and not number:
                continue
            rows.append([datatype.name, datatype.singular, datatype.plural, "true", number])
        columns = ["ELEMENT_NAME", "SINGULAR", "PLURAL", "SECURED", "COUNT"]
        return listings.finish(call, Table.of(columns, rows, title="Data-Types"))


def search_fields(call: Call) -> Response:
    """List the fields of types that can be searched."""
    if call.rest.strip("/") == "versions":
        return _versions(call)
    with call.archive.reading(call.person) as elements:
        rows: list[list[Any]] = []
        for name in call.names["type"].split(","):
            datatype = elements.dictionary.get(name.strip())
            if datatype is None:
                raise HttpFailure(400)
            identifier = "LABEL"
            for key, entry in sorted(display.of(datatype).items()):
                special = str(entry.get("special", ""))
                parameterised = special in {"label_in", "variable", "scan_count_type"}
                if special == "label_in":
                    identifier = key
                header = entry["header"]
                rows.append(
                    [
                        key,
                        header,
                        header,
                        entry["type"],
                        str(parameterised).lower(),
                        header,
                        datatype.name,
                        0,
                    ]
                )
            if datatype.kind in {"subject", "experiment"}:
                allowed = elements.rights.readable()
                projects = elements.connection.execute(
                    sa.select(s.element.c.id).where(s.element.c.kind == "project")
                ).scalars()
                for project in projects:
                    if allowed is not None and project not in allowed:
                        continue
                    text = f"Label within the {project} project."
                    rows.append(
                        [
                            f"{identifier}={project}",
                            project,
                            text,
                            "string",
                            "false",
                            text,
                            datatype.name,
                            2,
                        ]
                    )
        columns = [
            "FIELD_ID",
            "HEADER",
            "SUMMARY",
            "TYPE",
            "REQUIRES_VALUE",
            "DESC",
            "ELEMENT_NAME",
            "SRC",
        ]
        table = Table.of(columns, rows, title="Search Fields")
        table.extra["element_name"] = call.names["type"]
        return listings.finish(call, table, "xml")


def _versions(call: Call) -> Response:
    datatype = call.archive.dictionary.get(call.names["type"])
    if datatype is None:
        raise HttpFailure(400)
    fields = [
        {"element_name": text.rpartition(".")[0] or datatype.name, "id": text.rpartition(".")[2]}
        for text in display.defaults(datatype)
    ]
    return xapi_json({"listing": fields, "default": fields})


def schema_list(call: Call) -> Response:
    """List the schemas, or give one."""
    dictionary = call.archive.dictionary
    parts = [part for part in call.rest.split("/") if part]
    if not parts:
        return xapi_json([_short(dictionary.schemas[p]) for p in schemas.prefixes(dictionary)])
    if parts[0] == "datatypes":
        return _datatypes(call, parts[1:])
    prefix = schemas.named(dictionary, call.rest)
    if prefix is None:
        raise HttpFailure(404, f"No schema named {call.rest}")
    return answers.plain(schemas.document(dictionary, prefix), "application/xml")


def _short(place: str) -> str:
    """Name a schema as XNAT's list does: once, where folder and file are called the same."""
    folder, _, name = place.partition("/")
    return folder if folder == name else place


def _names(call: Call, datatype: DataType) -> list[str]:
    """List all ways in which a type may be written, as XNAT does."""
    prefix, _, short = datatype.name.partition(":")
    uri = call.archive.dictionary.namespaces[prefix]
    found = set()
    for name in (short, datatype.element or short):
        for front in (prefix, uri.rpartition("/")[2]):
            found |= {f"{front}:{name}", f"{front}_{name}"}
        found.add(f"{uri}:{name}")
    return sorted(found)


def _datatypes(call: Call, parts: list[str]) -> Response:
    dictionary = call.archive.dictionary
    if parts[:1] == ["names"] and len(parts) == 2:
        chosen = list(dictionary)
        if parts[1] != "all":
            chosen = [t for t in dictionary if parts[1] in {_formatted(t), *_names(call, t)}]
            if not chosen:
                raise HttpFailure(404, f"No data type named {parts[1]}")
        table = {_formatted(t): _names(call, t) for t in chosen}
        if parts[1] == "all":
            table["timestamp"] = [str(int(STARTED * 1000))]
        return xapi_json(table)
    if parts[:1] == ["elements"] and len(parts) == 2:
        return _structure(call, parts[1])
    if parts == ["searchable"]:
        sessions = dictionary.family("xnat:imageSessionData")
        return xapi_json([t.name for t in dictionary if t.name in sessions and t.stands_alone])
    if parts:
        raise HttpFailure(404)
    return xapi_json([t.name for t in dictionary])


def _formatted(datatype: DataType) -> str:
    return datatype.name.replace(":", "_")


def _structure(call: Call, name: str) -> Response:
    datatype = call.archive.dictionary.get(name)
    if datatype is None:
        raise HttpFailure(404, f"No data type named {name}")
    return xapi_json(
        {
            "element": datatype.name,
            "singular": datatype.singular,
            "plural": datatype.plural,
            "fields": [
                {"xpath": f"{datatype.name}/{f.path}", "type": f.datatype}
                for f in datatype.fields.values()
            ],
        }
    )


def schema_file(call: Call) -> Response:
    """Give a schema file."""
    prefix = schemas.named(call.archive.dictionary, call.rest)
    if prefix is None:
        return answers.container_failure(404)
    return answers.plain(schemas.document(call.archive.dictionary, prefix), "text/xml")


def plugins(call: Call) -> Response:
    """List the plugins, of which there are none."""
    if call.rest:
        raise HttpFailure(404, f"No plugin named {call.rest}")
    return xapi_json({})
