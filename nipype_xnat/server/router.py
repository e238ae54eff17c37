"""Finding the resource that a path means, as XNAT's framework does.

The template that covers the longest front of the path wins; whatever follows it is left
to the resource. An unknown sub-path therefore never fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

Handler = Callable[..., Any]


@dataclass
class Route:
    """One template and what answers it.

    Attributes
    ----------
    template : str
        The path, variables in braces, such as ``/projects/{project}``.
    handler : callable
        What answers.
    methods : tuple of str
        The methods it answers.
    """

    template: str
    handler: Handler
    methods: tuple[str, ...]


@dataclass
class _Node:
    static: dict[str, _Node] = field(default_factory=dict)
    variable: _Node | None = None
    name: str = ""
    route: Route | None = None


class Router:
    """All routes of one application."""

    def __init__(self) -> None:
        self._root = _Node()
        self.routes: list[Route] = []

    def add(self, route: Route) -> None:
        """Add a route."""
        self.routes.append(route)
        node = self._root
        for part in route.template.strip("/").split("/"):
            if part.startswith("{"):
                if node.variable is None:
                    node.variable = _Node(name=part[1:-1])
                # variables at one place may be called differently on different routes
                node = node.variable
            else:
                node = node.static.setdefault(part, _Node())
        node.route = route

    def match(self, segments: Sequence[str]) -> tuple[Route, dict[str, str], str] | None:
        """Give the route of a path, its variables, and what is left of the path."""
        best: tuple[int, Route] | None = None
        stack: list[tuple[_Node, int]] = [(self._root, 0)]
        while stack:
            node, depth = stack.pop()
            if node.route is not None and (best is None or depth > best[0]):
                best = (depth, node.route)
            if depth < len(segments):
                if node.variable is not None and segments[depth]:
                    stack.append((node.variable, depth + 1))
                if segments[depth] in node.static:
                    stack.append((node.static[segments[depth]], depth + 1))
        if best is None:
            return None
        depth, route = best
        names = {}
        for part, segment in zip(
            route.template.strip("/").split("/"), segments[:depth], strict=True
        ):
            if part.startswith("{"):
                names[part[1:-1]] = segment
        return route, names, "/".join(segments[depth:])
