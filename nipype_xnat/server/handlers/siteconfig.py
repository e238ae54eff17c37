"""The settings of the site: who may see which, and who may set them."""

from __future__ import annotations

import time
from typing import Any

import sqlalchemy as sa
from werkzeug.wrappers import Response

from nipype_xnat.archive.storage import schema as s
from nipype_xnat.server import answers, json_body, login
from nipype_xnat.server.call import Call, HttpFailure
from nipype_xnat.server.handlers.account import xapi_json

SCOPE = "@site"
STARTED = time.time()
#: XNAT's site-config-access.yaml: what anybody sees, and what those see who are logged in;
#: everything else is for administrators
_PUBLIC = {"siteHome", "siteId", "siteLogoPath", "siteUrl"}
_AUTHENTICATED = {
    "checksums",
    "defaultProjectAutoArchiveSetting",
    "displayHostName",
    "enableDicomReceiver",
    "enableSitewideAnonymizationScript",
    "enableSitewideSeriesImportFilter",
    "processingUrl",
    "projectAllowAutoArchive",
    "scanTypeMapping",
    "sessionXmlRebuilderInterval",
    "sitewideAnonymizationScript",
    "sitewidePetMr",
    "sitewidePetTracers",
    "zipExtensions",
}
_AUTHENTICATED_FRONTS = ("siteDescription", "siteHomeLayout", "siteLanding", "siteWideAlert", "ui")
_DEFAULTS: dict[str, Any] = {
    "siteDescriptionType": "Text",
    "siteHome": "/screens/QuickSearch.vm",
    "enableCsrfToken": True,
    "uiAllowNonAdminProjectCreation": True,
    "securityAllowNonPrivateProjects": True,
    "zipCompressionMethod": 0,
    "zipExtensions": "zip,jar,rar,ear,gar,mrb",
    "maintainFileHistory": False,
    "emailVerification": False,
    "initialized": True,
}


def _found(call: Call) -> dict[str, Any]:
    site = call.archive.site
    found = {
        **_DEFAULTS,
        "siteId": site.site_id,
        "checksums": site.checksums,
        "siteUrl": call.request.host_url.rstrip("/") + site.context,
        **call.sessions.rules.settings(),
    }
    known = call.sessions.rules.settings().keys()
    found.update({n: v for n, v in stored(call.archive.database).items() if n not in known})
    return found


def stored(database: Any) -> dict[str, str]:
    """Give what was set."""
    with database.read() as connection:
        rows = connection.execute(
            sa.select(s.setting.c.name, s.setting.c.value).where(s.setting.c.scope == SCOPE)
        )
        return {row[0]: row[1] for row in rows}


def _readable(call: Call, name: str) -> bool:
    if call.person.admin or name in _PUBLIC:
        return True
    known = name in _AUTHENTICATED or name.startswith(_AUTHENTICATED_FRONTS)
    return known and not call.person.guest


def site_config(call: Call) -> Response:
    """Show, or set, the settings of the site."""
    if call.method in {"POST", "PUT"}:
        return _set(call)
    if call.rest.strip("/") in {"uptime", "uptime/display"}:
        return _uptime(call)
    found = _found(call)
    if not call.rest:
        return xapi_json({name: value for name, value in found.items() if _readable(call, name)})
    first, _, names = call.rest.partition("/")
    wanted = names.split(",") if first == "values" else [first]
    if not all(_readable(call, name) for name in wanted):
        if call.person.guest:
            return login.challenge(call, "")
        raise HttpFailure(403)
    if first == "values":
        return xapi_json({name: found[name] for name in wanted if name in found})
    if first not in found or names:
        raise HttpFailure(404, f"No site configuration property named {call.rest}")
    return xapi_json(found[first])


def _uptime(call: Call) -> Response:
    passed = time.time() - STARTED
    days, hours, minutes = int(passed // 86400), int(passed // 3600 % 24), int(passed // 60 % 60)
    parts = {"days": days, "hours": hours, "minutes": minutes}
    shown = {name: str(value) for name, value in parts.items()}
    shown["seconds"] = f"{passed % 60:.3f}"
    if call.rest.endswith("display"):
        words = [f"{value} {name}" for name, value in shown.items()]
        return xapi_json(", ".join(words))
    return xapi_json(shown)


def _set(call: Call) -> Response:
    if not call.person.admin:
        raise HttpFailure(403)
    data = call.body()
    name = call.rest.strip("/")
    try:
        text = data.decode()
        given = {name: text} if name else json_body.decoded(text or "{}")
    except ValueError as error:
        raise HttpFailure(400, str(error)) from error
    if not isinstance(given, dict):
        raise HttpFailure(400, "The settings must be a map.")
    with call.archive.changing(call.person) as elements:
        for key, value in given.items():
            if isinstance(value, bool):
                value = str(value).lower()  # noqa: PLW2901 (as XNAT writes it)
            elements.set_setting(SCOPE, str(key), value if isinstance(value, str) else str(value))
    call.sessions.rules.take(stored(call.archive.database))
    return answers.plain("", "application/json;charset=UTF-8")
