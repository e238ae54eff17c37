"""nipype_xnat connects Nipype workflows to XNAT imaging archives.

:class:`Interface` is the core client, for a prompt or a script; :class:`XNATSource`,
:class:`XNATSink` and :class:`XNATQuery` are Nipype interfaces on top of it. Nipype takes half a
second to import and the local archive needs an extra, so each name is resolved on first use.
"""

from typing import TYPE_CHECKING, Any

from . import errors
from ._version import __version__
from .errors import XNATError
from .federation import Federation
from .search import F

if TYPE_CHECKING:
    from .archive import Archive
    from .client import Interface
    from .cohort import Cohort
    from .interfaces import XNATQuery, XNATSink, XNATSource, cohort_workflow

__all__ = [
    "Archive",
    "Cohort",
    "F",
    "Federation",
    "Interface",
    "XNATError",
    "XNATQuery",
    "XNATSink",
    "XNATSource",
    "__version__",
    "cohort_workflow",
    "errors",
]

_HOMES = {
    "Archive": "archive",
    "Cohort": "cohort",
    "Interface": "client",
    "XNATQuery": "interfaces",
    "XNATSink": "interfaces",
    "XNATSource": "interfaces",
    "cohort_workflow": "interfaces",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
