"""Nipype interfaces: thin layers that read traits, call the core, and set results."""

from typing import TYPE_CHECKING

from ..lazily import lazily

if TYPE_CHECKING:
    from .per_session import cohort_workflow
    from .plugins import cluster_plugin
    from .prefetching import Prefetched, prefetch
    from .preflight import Finding, Findings, check
    from .query import XNATQuery
    from .sharing import share_connections
    from .sink import XNATSink
    from .source import XNATSource
    from .tokens import issued_token
    from .verifying import Verification, verify

__all__ = [
    "Finding",
    "Findings",
    "Prefetched",
    "Verification",
    "XNATQuery",
    "XNATSink",
    "XNATSource",
    "check",
    "cluster_plugin",
    "cohort_workflow",
    "issued_token",
    "prefetch",
    "share_connections",
    "verify",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Finding": "preflight",
        "Findings": "preflight",
        "Prefetched": "prefetching",
        "Verification": "verifying",
        "XNATQuery": "query",
        "XNATSink": "sink",
        "XNATSource": "source",
        "check": "preflight",
        "cluster_plugin": "plugins",
        "cohort_workflow": "per_session",
        "issued_token": "tokens",
        "prefetch": "prefetching",
        "share_connections": "sharing",
        "verify": "verifying",
    },
)
