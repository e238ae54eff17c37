"""The routes of the local archive, as the contract counts them.

Every kind of element has the same routes for its resources and files; they are counted
once, with ``…`` for the element.
"""

import re

from nipype_xnat.server.routes import build

ROUTER = build()
#: what may stand before the routes of resources and files
FRONTS = (
    "/projects/{project}",
    "/projects/{project}/subjects/{subject}",
    "/subjects/{subject}",
    "/projects/{project}/experiments/{experiment}",
    "/experiments/{experiment}",
    "/projects/{project}/subjects/{subject}/experiments/{experiment}",
)
_BELOW = "/experiments/{}/(scans/{}|(reconstructions|assessors)/{}(/in|/out)?)"
_FRONT = "|".join(re.sub(r"\{\w+\}", "{}", front).replace("{}", r"\{\}") for front in FRONTS)
_BELOW = r"(/projects/\{\}/subjects/\{\})?" + _BELOW.replace("{}", r"\{\}")
_RESOURCES = re.compile(
    rf"^(?:{_BELOW}|{_FRONT})(?P<tail>/resources|/resources/\{{\}}|/resources/\{{\}}/files|/files)$"
)
_ENTRY = re.compile(r"^/(data|REST)(/archive(?=/))?(?=/)")


def counted(template):
    """Give the name under which a template is counted."""
    template = _ENTRY.sub("", template)
    found = _RESOURCES.match(re.sub(r"\{\w+\}", "{}", template))
    if found is None:
        return template
    return "…" + found["tail"].replace("{}", "{resource}")


def routes():
    """Give all counted routes with their methods."""
    found = {}
    for route in ROUTER.routes:
        found.setdefault(counted(route.template), set()).update(route.methods)
    return found


def of(path):
    """Give the counted route that answers a path, or None."""
    match = ROUTER.match(path.partition("?")[0].split("/")[1:])
    return counted(match[0].template) if match else None
