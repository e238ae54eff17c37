"""nipype_xnat connects Nipype workflows to XNAT imaging archives.

:class:`Interface` is the core client, for a prompt or a script; :class:`XNATSource`,
:class:`XNATSink` and :class:`XNATQuery` are Nipype interfaces on top of it. Nipype takes half a
second to import and the local archive needs an extra, so each name is resolved on first use.
"""

from typing import TYPE_CHECKING

from . import errors
from ._version import __version__
from .errors import XNATError
from .lazily import lazily

if TYPE_CHECKING:
    from .archive import Archive
    from .client import Interface
    from .cohort import Cohort
    from .federation import Federation
    from .inspection import Inspector
    from .interfaces import (
        XNATQuery,
        XNATSink,
        XNATSource,
        check,
        cluster_plugin,
        cohort_workflow,
        issued_token,
        prefetch,
        share_connections,
        verify,
    )
    from .manage import SearchManager, Users
    from .search import F
    from .select.root import Select

__all__ = [
    "Archive",
    "Cohort",
    "F",
    "Federation",
    "Inspector",
    "Interface",
    "SearchManager",
    "Select",
    "Users",
    "XNATError",
    "XNATQuery",
    "XNATSink",
    "XNATSource",
    "__version__",
    "check",
    "cluster_plugin",
    "cohort_workflow",
    "errors",
    "issued_token",
    "prefetch",
    "share_connections",
    "verify",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Archive": "archive",
        "Cohort": "cohort",
        "F": "search",
        "Federation": "federation",
        "Inspector": "inspection",
        "Interface": "client",
        "SearchManager": "manage",
        "Select": "select.root",
        "Users": "manage",
        "XNATQuery": "interfaces",
        "XNATSink": "interfaces",
        "XNATSource": "interfaces",
        "check": "interfaces",
        "cluster_plugin": "interfaces",
        "cohort_workflow": "interfaces",
        "issued_token": "interfaces",
        "prefetch": "interfaces",
        "share_connections": "interfaces",
        "verify": "interfaces",
    },
    # those that pyxnat's scripts take from the package
    modules=("jsonutil", "manage", "select"),
)
