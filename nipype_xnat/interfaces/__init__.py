"""Nipype interfaces: thin layers that read traits, call the core, and set results."""

from .per_session import cohort_workflow
from .plugins import cluster_plugin
from .prefetching import Prefetched, prefetch
from .query import XNATQuery
from .sink import XNATSink
from .source import XNATSource

__all__ = [
    "Prefetched",
    "XNATQuery",
    "XNATSink",
    "XNATSource",
    "cluster_plugin",
    "cohort_workflow",
    "prefetch",
]
