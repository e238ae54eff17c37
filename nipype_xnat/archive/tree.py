"""Which resources a path of the file tree means.

One path may mean many: lists of sessions, lists, types and wildcards of scans and
assessors, lists of labels and numbers of resources. The rules, odd ones included, are
XNAT's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from nipype_xnat.archive.elements import Element, Elements
from nipype_xnat.archive.errors import Broken, Forbidden, NotFound
from nipype_xnat.archive.storage import schema as s
from nipype_xnat.archive.storage.prepared import Prepared
from nipype_xnat.archive.values import whole

_MANY = 400  # bound parameters that SQLite takes without trouble


@dataclass
class Catalog:
    """One resource, and how a path came to it."""

    resource: Any
    owner: Element
    category: str
    cat_id: str | None
    cat_desc: str
    path: str

    @property
    def pk(self) -> int:
        """The number of the resource."""
        return int(self.resource["pk"])

    @property
    def label(self) -> str | None:
        """The label of the resource, if it has one."""
        label: str | None = self.resource["label"]
        return label


@dataclass
class Scope:
    """What the variables of a path were resolved to."""

    project: Element | None = None
    subject: Element | None = None
    sessions: list[Element] = field(default_factory=list)
    experiments: list[Element] = field(default_factory=list)
    scans: list[Element] = field(default_factory=list)
    recons: list[Element] = field(default_factory=list)
    direction: str = "out"
    wanted: list[str] = field(default_factory=list)
    scans_addressed: bool = False

    @property
    def parent(self) -> Element | None:
        """The element that resources hang on: the first of the most special ones."""
        for found in (self.recons, self.scans, self.experiments):
            if found:
                return found[0]
        return self.subject or self.project

    @property
    def security(self) -> Element | None:
        """The element whose rights count."""
        if (self.recons or self.scans or self.experiments) and self.sessions:
            return self.sessions[0]
        return self.parent

    @property
    def base(self) -> str:
        """The address of the parent as XNAT writes it, from ids, joined where many."""
        text = "/data"
        if self.project is not None and self.subject is not None:
            text += f"/projects/{self.project.id}/subjects/{self.subject.id}"
        sessions = ",".join(e.id for e in self.sessions)
        if self.recons:
            names = ",".join(e.id for e in self.recons)
            text += f"/experiments/{sessions}/reconstructions/{names}/{self.direction}"
        elif self.scans:
            text += f"/experiments/{sessions}/scans/{','.join(e.id for e in self.scans)}"
        elif self.experiments:
            names = ",".join(e.id for e in self.experiments)
            if self.sessions:
                text += f"/experiments/{sessions}/assessors/{names}/{self.direction}"
            else:
                text += f"/experiments/{names}"
        elif self.subject is None and self.project is not None:
            text += f"/projects/{self.project.id}"
        return text


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _chunks(items: Sequence[int]) -> Iterable[Sequence[int]]:
    for start in range(0, len(items), _MANY):
        yield items[start : start + _MANY]


@lru_cache(maxsize=4)
def _resources_of(named: bool, unlabelled: bool) -> sa.Select[Any]:
    c = s.resource.c

    def among(name: str) -> Any:
        return sa.bindparam(name, expanding=True)

    query = sa.select(s.resource).where(
        c.owner_pk.in_(among("owners")), c.direction == sa.bindparam("direction")
    )
    if named:
        wanted = [c.label.in_(among("labels")), c.pk.in_(among("numbers"))]
        query = query.where(sa.or_(*wanted, *([c.label.is_(None)] if unlabelled else [])))
    return query.order_by(c.pk)


_BY_NUMBER = Prepared(sa.select(s.resource).where(s.resource.c.pk == sa.bindparam("number")))
#: one resource of one element, by its label or its number
_ONE_OF = Prepared(
    sa.select(s.resource)
    .where(
        s.resource.c.owner_pk == sa.bindparam("owner"),
        s.resource.c.direction == sa.bindparam("direction"),
        sa.or_(
            s.resource.c.label == sa.bindparam("label"), s.resource.c.pk == sa.bindparam("number")
        ),
    )
    .order_by(s.resource.c.pk)
)


class Tree:
    """Resolves paths for one connection and one person."""

    def __init__(self, elements: Elements):
        self.elements = elements
        self.connection = elements.connection
        #: resources that were asked for by number, with what they hang on
        self._numbered: dict[int, tuple[dict[str, Any], Element]] = {}

    def scope(self, names: dict[str, str], many: bool) -> Scope:
        """Resolve the variables of a path.

        Parameters
        ----------
        names : dict
            Any of ``project``, ``subject``, ``session``, ``experiment``, ``scan``,
            ``recon``, ``direction``, ``resource``, as they stand in the path.
        many : bool
            Whether the request is one that may mean several elements.
        """
        el = self.elements
        el.refuse_lists(names.values())
        scope = Scope(direction=(names.get("direction") or "out").lower())
        if "project" in names:
            scope.project = el.require(el.project(names["project"]), "project")
        project = scope.project.id if scope.project else None
        if "subject" in names:
            scope.subject = el.require(el.subject(project, names["subject"]), "subject")
        if "session" in names:
            for key in _split(names["session"]):
                found = el.experiment(project, key)
                if found is not None and el.datatype(found).is_a("xnat:imageSessionData"):
                    scope.sessions.append(found)
            if not many and len(scope.sessions) != 1:
                raise NotFound("Unable to identify image session")
        if "experiment" in names:
            for key in _split(names["experiment"]):
                scope.experiments.extend(self._experiments(scope, project, key))
            if not many and len(scope.experiments) != 1:
                raise NotFound("Unable to identify experiment")
        if "scan" in names and scope.sessions:
            scope.scans_addressed = True
            scope.scans = self._of_sessions(scope.sessions, "scan", names["scan"])
            if not many and len(scope.scans) != 1:
                raise NotFound("Unable to identify scan")
        if "recon" in names and scope.sessions:
            scope.recons = self._of_sessions(scope.sessions, "recon", names["recon"])
            if not many and len(scope.recons) != 1:
                raise NotFound("Unable to identify reconstruction")
        if "resource" in names:
            scope.wanted = self._wanted(names["resource"])
        return scope

    def _experiments(self, scope: Scope, project: str | None, key: str) -> list[Element]:
        el = self.elements
        found = el.experiment(project, key)
        if found is not None:
            return [found]
        hits = []
        datatype = el.dictionary.get(key)
        for session in scope.sessions:
            for assessor in el.children(session, "experiment"):
                by_name = key in {assessor.id, assessor.label, "*", "ALL"} or key in {"*", "ALL"}
                by_type = datatype is not None and el.datatype(assessor).is_a(datatype.name)
                if (by_name or by_type) and el.readable(assessor):
                    hits.append(assessor)
        return hits

    def _of_sessions(self, sessions: Sequence[Element], kind: str, text: str) -> list[Element]:
        text = unquote(text).replace("[SLASH]", "/")
        if len(sessions) == 1 and text not in {"*", "ALL", "NULL"} and "," not in text:
            named = text.replace("[COMMA]", ",")
            return self.elements.scans(sessions[0], text, named, kind)
        c = s.element.c
        condition: sa.ColumnElement[bool] = sa.true()
        if text not in {"*", "ALL"}:
            parts = _split(text) if "," in text else [text]
            types = [part.replace("[COMMA]", ",") for part in parts if part != "NULL"]
            condition = sa.or_(c.id.in_(parts), c.scan_type.in_(types))
            if "NULL" in parts:
                condition = sa.or_(condition, c.scan_type.is_(None), c.scan_type == "")
        found: list[Element] = []
        for chunk in _chunks([e.pk for e in sessions]):
            query = (
                sa.select(s.element)
                .where(c.kind == kind, c.session_pk.in_(chunk), condition)
                .order_by(c.session_pk, c.pk)
            )
            found += [Element(**row) for row in self.connection.execute(query).mappings()]
        return found

    def _wanted(self, text: str) -> list[str]:
        if "'" in text or '"' in text:
            raise NotFound("Unable to identify resource")
        parts = [part for part in re.split(r"\s*,\s*", text) if part]
        for part in parts:
            if part.isdecimal() and not self.elements.readable(self._owner(whole(part))):
                raise NotFound("Unable to identify resource")
        return parts

    def _owner(self, number: int) -> Element | None:
        """Give the element that the resource of a number hangs on."""
        if number not in self._numbered:
            row = _BY_NUMBER.first(self.connection, number=number)
            if row is None:
                return None
            resource = dict(zip(_BY_NUMBER.columns, row, strict=True))
            self._numbered[number] = (resource, self.elements.by_pk(resource["owner_pk"]))
        return self._numbered[number][1]

    def _resources(
        self,
        owners: Sequence[Element],
        direction: str,
        wanted: Sequence[str],
        describe: Callable[[Element], tuple[str, str | None, str, str]],
    ) -> list[Catalog]:
        by_pk = {owner.pk: owner for owner in owners}
        found = []

        def enter(resource: dict[str, Any]) -> None:
            owner = by_pk[resource["owner_pk"]]
            category, cat_id, cat_desc, path = describe(owner)
            full = f"/data{path}/resources/{resource['pk']}"
            found.append(Catalog(resource, owner, category, cat_id, cat_desc, full))

        if len(by_pk) == len(wanted) == 1 and wanted[0].upper() != "NULL":
            number = whole(wanted[0]) if wanted[0].isdecimal() else None
            one = {"direction": direction, "label": wanted[0], "number": number}
            for values in _ONE_OF.all(self.connection, owner=owners[0].pk, **one):
                enter(dict(zip(_ONE_OF.columns, values, strict=True)))
            return found
        bound: dict[str, Any] = {"direction": direction}
        unlabelled = False
        if wanted:
            bound["labels"] = [part for part in wanted if part.upper() != "NULL"]
            bound["numbers"] = [whole(part) for part in wanted if part.isdecimal()]
            unlabelled = len(bound["labels"]) < len(wanted)
        query = _resources_of(bool(wanted), unlabelled)
        for chunk in _chunks(list(by_pk)):
            for row in self.connection.execute(query, {**bound, "owners": chunk}).mappings():
                enter(dict(row))
        return found

    def catalogs(self, scope: Scope, everything: bool) -> list[Catalog]:
        """List the resources that a scope means.

        Parameters
        ----------
        scope : Scope
            The resolved path.
        everything : bool
            Whether experiments are to bring their scans, reconstructions and assessors.
        """
        ids = self._session_ids(scope)

        def of_recon(e: Element) -> tuple[str, str | None, str, str]:
            path = f"/experiments/{ids(e)}/reconstructions/{e.id}/{scope.direction}"
            return "reconstructions", e.id, e.scan_type or "", path

        def of_scan(e: Element) -> tuple[str, str | None, str, str]:
            return "scans", e.id, e.scan_type or "", f"/experiments/{ids(e)}/scans/{e.id}"

        def of_assessor(e: Element) -> tuple[str, str | None, str, str]:
            desc = self.elements.datatype(e).singular
            path = f"/experiments/{ids(e)}/assessors/{e.id}/{scope.direction}"
            return "assessors", e.id, desc, path

        def of_assessor_itself(e: Element) -> tuple[str, str | None, str, str]:
            desc = self.elements.datatype(e).singular
            return "assessors", e.id, desc, f"/experiments/{ids(e)}/assessors/{e.id}"

        def of_experiment(e: Element) -> tuple[str, str | None, str, str]:
            return "resources", None if everything else e.id, " ", f"/experiments/{e.id}"

        def of_subject(e: Element) -> tuple[str, str | None, str, str]:
            return "resources", None, " ", f"/projects/{e.project}/subjects/{e.id}"

        def of_project(e: Element) -> tuple[str, str | None, str, str]:
            return "resources", None, " ", f"/projects/{e.id}"

        wanted = scope.wanted
        if scope.recons:
            return self._resources(scope.recons, scope.direction, wanted, of_recon)
        if scope.scans:
            return self._resources(scope.scans, "", wanted, of_scan)
        if scope.experiments:
            first = self.elements.datatype(scope.experiments[0])
            if scope.sessions or first.is_a("xnat:imageAssessorData"):
                return self._resources(scope.experiments, scope.direction, wanted, of_assessor)
            found = self._resources(scope.experiments, "", wanted, of_experiment)
            if everything:
                scope.direction = "out"
                scans, recons, assessors = self._below(scope.experiments)
                found += self._resources(scans, "", wanted, of_scan)
                found += self._resources(recons, "out", wanted, of_recon)
                found += self._resources(assessors, "out", wanted, of_assessor)
                found += self._resources(assessors, "", wanted, of_assessor_itself)
            return found
        if scope.subject is not None:
            return self._resources([scope.subject], "", wanted, of_subject)
        if scope.project is not None:
            return self._resources([scope.project], "", wanted, of_project)
        return []

    def _session_ids(self, scope: Scope) -> Callable[[Element], str]:
        known = {e.pk: e.id for e in (*scope.sessions, *scope.experiments)}

        def name(element: Element) -> str:
            pk = element.session_pk or 0
            if pk not in known:
                known[pk] = self.elements.by_pk(pk).id
            return known[pk]

        return name

    def _below(
        self, sessions: Sequence[Element]
    ) -> tuple[list[Element], list[Element], list[Element]]:
        c = s.element.c
        groups: dict[str, list[Element]] = {"scan": [], "recon": [], "experiment": []}
        for chunk in _chunks([e.pk for e in sessions]):
            query = sa.select(s.element).where(c.session_pk.in_(chunk)).order_by(c.pk)
            for row in self.connection.execute(query).mappings():
                groups[row["kind"]].append(Element(**row))
        assessors = [e for e in groups["experiment"] if self.elements.readable(e)]
        return groups["scan"], groups["recon"], assessors

    def by_number(self, scope: Scope) -> list[Catalog]:
        """Find the resources asked for by number that hang elsewhere than the path says."""
        found = []
        for part in scope.wanted:
            if not part.isdecimal():
                continue
            owner = self._owner(whole(part))
            if owner is None:
                continue
            resource = self._numbered[whole(part)][0]
            path = f"{scope.base}/resources/{resource['pk']}"
            found.append(Catalog(resource, owner, "resources", None, "", path))
        return found

    def selected(self, scope: Scope, everything: bool) -> tuple[list[Catalog], list[Catalog]]:
        """List all catalogs of a scope, and those among them that were asked for by name."""
        catalogs = self.catalogs(scope, everything)
        if not scope.wanted:
            return catalogs, []
        named = list(catalogs)
        known = {catalog.pk for catalog in named}
        named += [extra for extra in self.by_number(scope) if extra.pk not in known]
        return catalogs, named

    def check(self, scope: Scope) -> None:
        """Fail as XNAT fails when a path means nothing at all."""
        if scope.parent is None:
            raise Broken("")

    def forbid(self, scope: Scope) -> None:
        """Refuse a change of a resource without the right to it."""
        security = scope.security
        if security is None:
            raise NotFound("Unable to identify element")
        if not self.elements.rights.can_edit(self.elements.owner(security)):
            raise Forbidden("User account doesn't have permission to modify this session.")
