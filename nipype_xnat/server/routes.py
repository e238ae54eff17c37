"""The table of routes."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from nipype_xnat.server.handlers import (
    account,
    collecting,
    custom_fields,
    custom_forms,
    dicomdump,
    direct_archive,
    documents_in,
    elements,
    filetree,
    folders,
    importing,
    introspect,
    listings,
    pipelines,
    prearchive,
    prearchive_services,
    projects,
    protocols,
    recent_experiments,
    saved_searches,
    saving,
    search,
    settings,
    siteconfig,
    staging,
    users,
    workflows,
)
from nipype_xnat.server.router import Route, Router

Handler = Callable[..., Any]
_READ = ("GET",)
_LIST = ("GET", "POST")
_ELEMENT = ("GET", "PUT", "DELETE")
_TREE = ("GET", "PUT", "POST", "DELETE")


def _by_method(get: Handler, post: Handler) -> Handler:
    def handler(call: Any) -> Any:
        return post(call) if call.method == "POST" else get(call)

    return handler


_P = "/projects/{project}"
_S = _P + "/subjects/{subject}"
#: where sessions stand that have scans below them
_SESSIONS = (_S + "/experiments/{session}", "/experiments/{session}")
_EXPERIMENTS = (
    _S + "/experiments/{experiment}",
    _P + "/experiments/{experiment}",
    "/experiments/{experiment}",
)


def _project(elements_: Any, call: Any) -> Any:
    return elements_.project(call.names["project"], known=True)


def _experiments(call: Any) -> Any:
    if (call.param("recent") or "").strip():
        return recent_experiments.listing(call)
    return listings.experiments(call)


def tree() -> list[Route]:
    """List the routes of the resource tree, without their prefixes."""
    subject = elements.resource(elements.find_subject, "subject", saving.put_subject)
    experiment = elements.resource(elements.find_experiment, "experiment", saving.put_experiment)
    assessor = elements.resource(
        elements.find_below("experiment", "assessor"), "assessor", saving.put_assessor
    )
    scan = elements.resource(elements.find_below("scan", "scan"), "scan", saving.put_scan)
    recon = elements.resource(
        elements.find_below("recon", "recon"), "reconstruction", saving.put_recon
    )
    project = elements.resource(_project, "project", saving.put_project)
    routes = [
        Route("/projects", _by_method(listings.projects, saving.post_project), _LIST),
        Route(_P, project, _ELEMENT),
        Route("/subjects", listings.subjects, _READ),
        Route(_P + "/subjects", _by_method(listings.subjects, saving.post_subject), _LIST),
        Route(_S, subject, _ELEMENT),
        Route("/subjects/{subject}", subject, _ELEMENT),
        Route("/experiments", _experiments, _READ),
        Route(_P + "/accessibility", projects.accessibility, ("GET", "PUT")),
        Route(_P + "/users", projects.users, _ELEMENT),
        Route(_P + "/groups", projects.groups, _READ),
        Route(_P + "/config", settings.config, _ELEMENT),
        Route(_P + "/protocols/{protocol}", protocols.protocol, _ELEMENT),
        Route(_P + "/scan_types", projects.values_of("scan_types"), _READ),
        Route(_P + "/scanners", projects.values_of("scanners"), _READ),
        Route("/scan_types", projects.values_of("scan_types"), _READ),
        Route("/scanners", projects.values_of("scanners"), _READ),
        Route("/user/{login}/sessions", account.sessions_of, _READ),
        Route("/investigators", projects.values_of("investigators"), _READ),
        Route(_P + "/searches/{search}", saved_searches.saved, _ELEMENT),
    ]
    listed = _by_method(listings.project_experiments, saving.post_experiment)
    routes.append(Route(_P + "/experiments", listed, _LIST))
    routes.append(Route(_S + "/experiments", listed, _LIST))
    routes += [Route(front, experiment, _ELEMENT) for front in _EXPERIMENTS]
    for front in _SESSIONS:
        routes += [
            Route(front + "/scans", _by_method(listings.scans, saving.post_scan), _LIST),
            Route(front + "/scans/{scan}", scan, _ELEMENT),
            Route(front + "/scans/{scan}/DICOMDIR", folders.dicomdir, _READ),
            Route(
                front + "/reconstructions", _by_method(listings.recons, saving.post_recon), _LIST
            ),
            Route(front + "/reconstructions/{recon}", recon, _ELEMENT),
            Route(
                front + "/assessors", _by_method(listings.assessors, saving.post_assessor), _LIST
            ),
            Route(front + "/assessors/{assessor}", assessor, _ELEMENT),
        ]
    routes += [
        Route(_P + "/archive_spec", pipelines.archive_spec, _READ),
        Route(_P + "/pipelines", pipelines.listing, ("GET", "DELETE")),
        Route(_P + "/pipelines/{step}/experiments/{experiment}", pipelines.step, _LIST),
    ]
    for front in (_P + "/experiments/{experiment}", "/experiments/{experiment}"):
        routes.append(Route(front + "/DIR", folders.folder, _READ))
        routes.append(Route(front + "/XAR", folders.packed, _READ))
    return routes + files()


def files() -> list[Route]:
    """List the routes of resources and files, without their prefixes."""
    fronts = [_P, _S, "/subjects/{subject}", *_EXPERIMENTS]
    for session in _SESSIONS:
        fronts.append(session + "/scans/{scan}")
        for below in ("/reconstructions/{recon}", "/assessors/{experiment}"):
            fronts += [session + below, session + below + "/in", session + below + "/out"]
    found = []
    for front in fronts:
        direction = front.rpartition("/")[2]
        resources, one, tree_files = filetree.resources, filetree.resource, filetree.tree_files
        if direction in {"in", "out"}:
            resources = _directed(resources, direction)
            one = _directed(one, direction)
            tree_files = _directed(tree_files, direction)
        found += [
            Route(front + "/resources", resources, _LIST),
            Route(front + "/resources/{resource}", one, _TREE),
            Route(front + "/resources/{resource}/files", tree_files, _TREE),
        ]
        if front != _P + "/experiments/{experiment}":
            found.append(Route(front + "/files", tree_files, _TREE))
    return found


def _directed(handler: Handler, direction: str) -> Handler:
    def directed(call: Any) -> Any:
        call.names["direction"] = direction
        return handler(call)

    return directed


def plain() -> list[Route]:
    """List the routes that have no ``/archive`` form, without their prefixes."""
    return [
        Route("/JSESSION", account.jsession, ("GET", "POST", "DELETE")),
        Route("/auth", account.auth, _READ),
        Route("/services/auth", account.services_auth, ("GET", "POST", "PUT")),
        Route("/services/tokens", account.tokens, _READ),
        Route("/search", search.search, ("POST",)),
        Route("/user/cache/resources", staging.resources, _TREE),
        Route("/config", settings.config, _ELEMENT),
        *waiting(),
        Route("/workflows", workflows.workflows, ("GET", "PUT")),
        Route("/services/audit", workflows.audit, _READ),
        Route("/search/elements", introspect.search_elements, _READ),
        Route("/search/elements/{type}", introspect.search_fields, _READ),
        Route("/search/saved", saved_searches.listed, _READ),
        Route("/search/saved/{search}", saved_searches.saved, _ELEMENT),
        Route("/search/{name}", search.cached, _READ),
        Route("/users", users.listing, _READ),
        Route("/services/refresh/catalog", projects.refresh, ("POST",)),
    ]


def waiting() -> list[Route]:
    """List the routes of the import and of the prearchive, without their prefixes."""
    front = "/prearchive/projects/{project}"
    one = front + "/{timestamp}/{session}"
    services = "/services/prearchive"
    return [
        Route("/services/import", importing.service, ("POST",)),
        Route("/status/{transaction}", importing.status, ("GET", "POST", "DELETE")),
        Route("/services/dicomdump", dicomdump.dump, _READ),
        Route("/services/archive", prearchive_services.archive, ("POST",)),
        Route("/services/validate-archive", prearchive_services.validate, ("POST",)),
        Route(services + "/move", prearchive_services.move, ("POST",)),
        Route(services + "/delete", prearchive_services.delete, ("POST",)),
        Route(services + "/rebuild", prearchive_services.rebuild, ("POST",)),
        Route("/prearchive", prearchive.listing, ("GET", "PUT")),
        Route("/prearchive/experiments", prearchive.recent, _READ),
        Route(front, prearchive.listing, ("GET", "PUT")),
        Route(one, prearchive.session, ("GET", "POST", "DELETE")),
        Route(one + "/resources", prearchive.resources, _READ),
        Route(one + "/resources/{resource}", prearchive.resource, ("GET", "DELETE")),
        Route(
            one + "/resources/{resource}/files",
            prearchive.resource_files,
            ("GET", "PUT", "DELETE"),
        ),
        Route(one + "/scans", prearchive.scans, _READ),
        Route(one + "/scans/{scan}", prearchive.scan, ("GET", "DELETE")),
        Route(one + "/scans/{scan}/resources", prearchive.scan_resources, _READ),
        Route(one + "/scans/{scan}/resources/{resource}/files", prearchive.scan_files, _READ),
    ]


def xapi() -> list[Route]:
    """List the routes of the newer half of the interface."""
    return [
        Route("/xapi/users/username", account.username, _READ),
        Route("/xapi/siteConfig/buildInfo", account.build_info, _READ),
        Route("/xapi/siteConfig", siteconfig.site_config, ("GET", "POST")),
        Route("/xapi/users", users.xapi, ("GET", "POST", "PUT", "DELETE")),
        Route("/xapi/access/projects", users.access_projects, _READ),
        Route("/xapi/schemas", introspect.schema_list, _READ),
        Route("/xapi/archive/download", collecting.download, ("GET", "POST")),
        Route("/xapi/archive/downloadwithsize", collecting.download_with_size, ("POST",)),
        Route("/xapi/direct-archive", direct_archive.sessions, ("GET", "POST", "DELETE")),
        Route("/xapi/archive/upload/xml", documents_in.upload_xml, ("PUT", "POST")),
        Route("/xapi/custom-fields", custom_fields.custom_fields, _ELEMENT),
        Route("/xapi/customforms", custom_forms.forms, _TREE),
        Route("/xapi/plugins", introspect.plugins, _READ),
        Route("/schemas", introspect.schema_file, _READ),
    ]


@cache
def build() -> Router:
    """Make the router of the whole interface, once for all archives."""
    router = Router()
    for entry in ("/data", "/REST"):
        for route in tree():
            for prefix in ("", "/archive"):
                template = entry + prefix + route.template
                router.add(Route(template, route.handler, route.methods))
        for route in plain():
            router.add(Route(entry + route.template, route.handler, route.methods))
    for route in xapi():
        router.add(route)
    return router
